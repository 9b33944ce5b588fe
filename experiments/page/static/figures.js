"use strict";
/* Figures that several places draw: the floorplan, the power stack, dots and lines on logarithmic axes. */
(() => {
  const make = hwsim.make;
  const STATES = ["computing", "loading", "stalled", "throttled", "power_gated"];
  const SQUARES = 48;

  /* Whole tiles in each state by largest remainder; they sum to `tiles`. */
  const counts = (shares, tiles) => {
    const whole = Object.fromEntries(STATES.map((state) => [state, Math.floor(shares[state] * tiles)]));
    const rest = (state) => shares[state] * tiles - whole[state];
    const order = STATES.map((state) => [state, rest(state)]).sort((a, b) => b[1] - a[1]);
    let left = tiles - STATES.reduce((sum, state) => sum + whole[state], 0);
    for (const [state] of order) { if (left-- > 0) whole[state] += 1; }
    return whole;
  };

  /* `seen`: shares of tile-time, memory {weights, activations} as shares, dramW, capW, tiles, sram. */
  hwsim.floorplan = (holder, seen) => {
    const { components, tiles } = hwsim.site;
    const number = counts(seen.shares, SQUARES);
    const states = STATES.flatMap((state) => Array(number[state]).fill(state));
    const svg = make("svg", { viewBox: "0 0 560 306", class: "floorplan", role: "img" });
    svg.append(make("title", {}, STATES.filter((state) => number[state]).map((state) => `${number[state]} of ${SQUARES} ${tiles[state].label}`).join(", ")));
    svg.append(make("rect", { x: 1, y: 1, width: 420, height: 304, rx: 10, class: "die" }));
    states.forEach((state, at) => {
      const [x, y] = [14 + (at % 8) * 49.5, 14 + Math.floor(at / 8) * 36.5];
      svg.append(make("rect", { x, y, width: 44, height: 31, rx: 4, fill: tiles[state].colour, class: `tile ${state}` }));
    });
    const across = 391;
    svg.append(make("rect", { x: 14, y: 240, width: across, height: 50, rx: 5, class: "empty" }));
    let left = 14;
    for (const [share, fill, opacity] of [[seen.weights, components.sram.colour, 1], [seen.activations, components.sram.colour, 0.45]]) {
      const width = across * Math.min(share, 1);
      if (width > 0) svg.append(make("rect", { x: left, y: 240, width, height: 50, rx: 5, fill, opacity }));
      left += width;
    }
    svg.append(make("text", { x: 209, y: 270, class: "on-die" }, `SRAM ${seen.sram}`));
    const bus = 2 + 26 * Math.min(seen.dramW / seen.capW, 1);
    svg.append(make("rect", { x: 421, y: 153 - bus / 2, width: 36, height: bus, fill: components.dram.colour, class: "bus" }));
    for (let chip = 0; chip < 4; chip += 1) {
      svg.append(make("rect", { x: 457, y: 30 + chip * 63, width: 72, height: 56, rx: 5, fill: components.dram.colour, opacity: 0.9 }));
    }
    svg.append(make("text", { x: 493, y: 20, class: "beside" }, "DRAM"));
    svg.append(make("text", { x: 493, y: 300, class: "beside" }, hwsim.engineering(seen.dramW, "W")));
    const key = make("ul", { class: "key" });
    for (const state of STATES) {
      const swatch = make("span", { class: `swatch ${state}`, style: `background:${tiles[state].colour}` });
      key.append(make("li", { "data-state": state, class: number[state] ? "" : "none" }, swatch, `${tiles[state].label}: ${hwsim.percent(seen.shares[state])}`));
    }
    holder.replaceChildren(svg, key);
  };

  hwsim.seenBy = (point, capW, sramB, sramLabel, tiles) => ({
    shares: point,
    weights: point.pinned_B / sramB,
    activations: (point.activations_B + point.buffers_B) / sramB,
    dramW: (point.components.dram ?? 0) * point.inferences_per_s,
    capW,
    sram: sramLabel,
    tiles,
  });

  /* Watts by component as one bar on an axis that ends at the highest cap; what is left is headroom. */
  hwsim.powerStack = (holder, watts, capW, mostW) => {
    const { components } = hwsim.site;
    const bar = make("div", { class: "stack", role: "img", "aria-label": "Watts by component" });
    const key = make("ul", { class: "key watts" });
    const used = Object.values(watts).reduce((sum, value) => sum + value, 0);
    const rows = [...Object.entries(components).map(([name, { label, colour }]) => [name, label, colour, watts[name] ?? 0]),
      ["headroom", "unused headroom", "", Math.max(capW - used, 0)]];
    for (const [name, label, colour, value] of rows) {
      const style = `width:${(100 * value) / mostW}%${colour ? `;background:${colour}` : ""}`;
      bar.append(make("span", { class: `part ${name}`, style, title: `${label}: ${hwsim.engineering(value, "W")}` }));
      const swatch = make("span", { class: `swatch ${name}`, style: colour ? `background:${colour}` : "" });
      key.append(make("li", { "data-component": name, "data-watts": value, class: value ? "" : "none" }, swatch, make("span", {}, label),
        make("b", {}, hwsim.engineering(value, "W")), make("i", {}, hwsim.percent(value / capW))));
    }
    const cap = make("span", { class: "cap", style: `left:${(100 * capW) / mostW}%` }, make("em", { class: capW > 0.7 * mostW ? "before" : "" }, `cap ${hwsim.engineering(capW, "W")}`));
    const track = make("div", { class: "track" }, bar, cap);
    const scale = make("div", { class: "ends" }, make("span", {}, "0 W"), make("span", {}, hwsim.engineering(mostW, "W")));
    holder.replaceChildren(track, scale, key);
  };

  /* Plotly in the look of the page. */
  hwsim.layout = (changes) => {
    const axis = { gridcolor: hwsim.css("--rule"), linecolor: hwsim.css("--rule"), zeroline: false, fixedrange: true, automargin: false, tickangle: 0, title: { standoff: 8 } };
    const { xaxis, yaxis, ...others } = changes;
    return {
      font: { family: hwsim.css("--font"), size: 12.5, color: hwsim.css("--ink") },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 56, r: 12, t: 8, b: 44 },
      showlegend: false,
      hoverlabel: { font: { family: hwsim.css("--font") } },
      xaxis: { ...axis, ...xaxis },
      yaxis: { ...axis, ...yaxis },
      ...others,
    };
  };

  hwsim.plot = (holder, traces, layout) =>
    Plotly.react(holder, traces, hwsim.layout({ height: holder.dataset.height ? Number(holder.dataset.height) : 280, ...layout }), { displayModeBar: false, responsive: true });

  /* Ticks of a logarithmic axis, named by their SI prefix. */
  hwsim.logTicks = ([low, high], unit, every = 1) => {
    const tickvals = [];
    for (let power = Math.ceil(Math.log10(low) - 1e-9); power <= Math.log10(high) + 1e-9; power += 1) {
      if (power % every === 0) tickvals.push(10 ** power);
    }
    return { type: "log", range: [Math.log10(low), Math.log10(high)], tickvals, ticktext: tickvals.map((value) => hwsim.engineering(value, unit)) };
  };

  /* Range of a logarithmic axis that leaves room for a label right of the largest value. */
  hwsim.rangeWithLabels = (holder, [low, high], margin, label = 118) => {
    const width = holder.clientWidth - margin;
    const decades = Math.log10(high / low);
    return [Math.log10(low), Math.log10(high) + (decades * label) / Math.max(width - label, 60)];
  };

  /* One dot a component on a logarithmic axis; lengths would mean nothing there, so there are no bars. */
  hwsim.componentDots = (holder, joules, [low, high]) => {
    const names = Object.keys(hwsim.site.components);
    const total = Object.values(joules).reduce((sum, value) => sum + value, 0);
    const shown = names.filter((name) => (joules[name] ?? 0) > 0);
    const left = low / 2;
    const label = (name) => hwsim.site.components[name].label;
    const traces = [{
      type: "scatter", mode: "markers+text", x: shown.map((name) => joules[name]), y: shown.map(label),
      marker: { size: 13, color: shown.map((name) => hwsim.site.components[name].colour) },
      text: shown.map((name) => `  ${hwsim.engineering(joules[name], "J")} · ${hwsim.percent(joules[name] / total)}`),
      textposition: "middle right", hoverinfo: "skip", cliponaxis: false,
    }];
    const shapes = shown.map((name) => ({
      type: "line", x0: left, x1: joules[name], y0: label(name), y1: label(name), layer: "below",
      line: { color: hwsim.site.components[name].colour, width: 2.5 },
    }));
    const ticks = hwsim.logTicks([left, high], "J", high / left > 1e4 ? 3 : 1);
    hwsim.plot(holder, traces, {
      shapes, margin: { l: 142, r: 8, t: 6, b: 30 },
      xaxis: { ...ticks, range: hwsim.rangeWithLabels(holder, [left, high], 150) },
      yaxis: { type: "category", range: [names.length - 0.5, -0.5], categoryorder: "array", categoryarray: names.map(label), tickvals: names.map(label), showgrid: false },
    });
  };

  /* Energy against on-chip memory, a line a stage; points are simulated, lines only guide the eye. */
  hwsim.cliff = (holder, grid, name, place, chosen) => {
    const { axes } = hwsim.site.networks[name];
    const sizes = axes.sram.map((choice) => choice.value);
    const traces = axes.stage.map(({ label }, stage) => {
      const points = sizes.map((_, sram) => grid.at({ ...place, stage, sram }));
      const colour = hwsim.colour(hwsim.site.stages[label].colour);
      return {
        type: "scatter", mode: "lines+markers", name: hwsim.site.stages[label].label, x: sizes, y: points.map((point) => point.total ?? null),
        line: { color: colour, width: stage === chosen ? 3 : 1.4 }, marker: { size: stage === chosen ? 8 : 5, color: colour },
        hovertemplate: "%{fullData.name}, %{text}<extra></extra>",
        text: points.map((point, sram) => `${axes.sram[sram].label}: ${point.refused ? "not possible" : hwsim.engineering(point.total, "J")}`),
      };
    });
    const here = grid.at({ ...place, stage: chosen ?? place.stage });
    if (!here.refused && chosen !== null) {
      traces.push({ type: "scatter", mode: "markers", x: [sizes[place.sram]], y: [here.total], hoverinfo: "skip", showlegend: false,
        marker: { size: 17, color: "rgba(0,0,0,0)", line: { width: 2.5, color: hwsim.css("--ink") } } });
    }
    const every = sizes.length > 6 && holder.clientWidth < 460 ? 2 : 1;
    const ticks = axes.sram.filter((_, at) => at % every === 0);
    const [low, high] = grid.limits.total;
    hwsim.plot(holder, traces, {
      showlegend: true, legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12 }, itemclick: false, itemdoubleclick: false, traceorder: "normal" },
      margin: { l: 58, r: 14, t: 46, b: 48 },
      shapes: [{ type: "line", x0: sizes[place.sram], x1: sizes[place.sram], y0: 0, y1: 1, yref: "paper", line: { color: hwsim.css("--muted"), width: 1, dash: "dot" } }],
      xaxis: { type: "log", range: [Math.log10(sizes[0] / 1.3), Math.log10(sizes[sizes.length - 1] * 1.3)], tickvals: ticks.map((tick) => tick.value), ticktext: ticks.map((tick) => tick.label), title: { text: "on-chip SRAM", font: { size: 12.5 } }, showgrid: false },
      yaxis: hwsim.logTicks([low / 1.4, high * 1.4], "J"),
    });
  };
})();
