"use strict";
/* Figures that several places draw: the floorplan, watts under the cap, joules by component, lines over memory. */
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
      key.append(make("li", { "data-state": state, class: number[state] ? "" : "none" }, swatch, `${tiles[state].label}: ${number[state]}`));
    }
    holder.replaceChildren(svg, key);
  };

  hwsim.seenBy = (point, capW, sramB, sramLabel) => ({
    shares: point,
    weights: point.pinned_B / sramB,
    activations: (point.activations_B + point.buffers_B) / sramB,
    dramW: (point.components.dram ?? 0) * point.inferences_per_s,
    capW,
    sram: sramLabel,
  });

  /* Watts by component on an axis that ends at the highest cap, a bar for each of {title, watts, capW}. */
  hwsim.powerBars = (holder, runs, mostW) => {
    const { components } = hwsim.site;
    const sum = (watts) => Object.values(watts).reduce((before, value) => before + value, 0);
    const bars = runs.map(({ title, watts, capW }) => {
      const headroom = Math.max(capW - sum(watts), 0);
      const parts = Object.entries(components).filter(([name]) => watts[name]).map(([name, { label, colour }]) =>
        make("span", { class: "part", "data-component": name, "data-watts": watts[name], style: `width:${(100 * watts[name]) / mostW}%;background:${colour}`, title: `${label}: ${hwsim.engineering(watts[name], "W")}` }));
      const rest = make("span", { class: "part headroom", "data-component": "headroom", "data-watts": headroom, style: `width:${(100 * headroom) / mostW}%`, title: `unused: ${hwsim.engineering(headroom, "W")}` });
      const cap = make("span", { class: "cap", style: `left:${(100 * capW) / mostW}%` }, make("em", { class: capW > 0.7 * mostW ? "before" : "" }, `cap ${hwsim.engineering(capW, "W")}`));
      const told = Object.entries(watts).map(([name, value]) => `${components[name].label} ${hwsim.engineering(value, "W")}`).join(", ");
      return make("div", { class: "power" }, make("div", { class: "head" }, make("span", {}, title), make("b", {}, `${hwsim.engineering(sum(watts), "W")}`)),
        make("div", { class: "capped", role: "img", "aria-label": `${title}: ${told}; cap ${hwsim.engineering(capW, "W")}` }, make("div", { class: "stack" }, ...parts, rest), cap));
    });
    const shown = Object.entries(components).filter(([name]) => runs.some(({ watts }) => watts[name]));
    const table = make("table", { class: "watts" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "component"), ...runs.map(({ title }) => make("th", { scope: "col" }, title.split(":")[0])))),
      make("tbody", {}, ...shown.map(([name, { label, colour }]) => make("tr", {}, make("th", { scope: "row" }, make("span", { class: "swatch", style: `background:${colour}` }), label),
        ...runs.map(({ watts }) => make("td", {}, watts[name] ? hwsim.engineering(watts[name], "W") : "·"))))));
    const scale = make("div", { class: "ends", "aria-hidden": "true" }, make("span", {}, "0 W"), make("span", {}, hwsim.engineering(mostW, "W")));
    holder.replaceChildren(...bars, scale, table);
  };

  /* Joules by component of runs [{label, joules, pale}], to scale; percentages are of the first run's total. */
  hwsim.energyRows = (holder, runs, factor) => {
    const sum = (joules) => Object.values(joules).reduce((before, value) => before + value, 0);
    const whole = sum(runs[0].joules);
    const most = Math.max(...runs.map(({ joules }) => sum(joules))) / factor;
    const said = (value) => (value ? `${hwsim.engineering(value, "J")} · ${hwsim.percent(value / whole)}` : "nothing");
    const { components } = hwsim.site;
    const shown = Object.keys(components).filter((name) => runs.some(({ joules }) => joules[name]));
    const rows = shown.map((name) => ({
      key: name, label: components[name].label,
      bars: runs.map(({ joules, pale }) => ({ pale, parts: [[(joules[name] ?? 0) / most, components[name].colour, components[name].label]], said: said(joules[name] ?? 0) })),
    }));
    const total = {
      key: "total", label: "together",
      bars: runs.map(({ joules, pale }) => ({ pale, parts: shown.map((name) => [(joules[name] ?? 0) / most, components[name].colour, components[name].label]), said: said(sum(joules)) })),
    };
    hwsim.rows(holder, [total, ...rows]);
  };

  /* Energy against on-chip memory from zero, a line a stage; points are simulated, lines only guide the eye. */
  hwsim.cliff = (holder, grid, name, place, marks, factor) => {
    const { axes, label } = hwsim.site.networks[name];
    const sizes = axes.sram.map((choice) => choice.value);
    const totals = axes.stage.map((_, stage) => sizes.map((size, sram) => [size, grid.at({ ...place, stage, sram }).total]).filter(([, total]) => total));
    const most = (1.06 * Math.max(...totals.flat().map(([, total]) => total))) / factor;
    hwsim.lines(holder, {
      height: 320,
      label: `Energy per inference of ${label} against on-chip memory, by stage: ${axes.stage.map((choice, stage) => `${hwsim.site.stages[choice.label].label} ${totals[stage].map(([, total]) => hwsim.engineering(total, "J")).join(", ")}`).join("; ")}`,
      x: { range: [sizes[0] / 1.3, sizes[sizes.length - 1] * 1.3], log: true, ticks: axes.sram.map((choice) => [choice.value, choice.label]), title: "on-chip SRAM" },
      y: { range: [0, most], ticks: hwsim.ticks(most, "J") },
      series: axes.stage.map((choice, stage) => ({
        name: hwsim.site.stages[choice.label].label, colour: hwsim.colour(hwsim.site.stages[choice.label].colour), points: totals[stage], dots: 4,
        width: marks.some((mark) => mark.stage === stage) ? 3 : 1.5,
      })),
      rules: [sizes[place.sram]],
      marks: marks.filter(({ total }) => total).map(({ sram, total, label: letter }) => ({ at: [sizes[sram], total], colour: hwsim.css("--ink"), label: letter, ring: true })),
    });
  };
})();
