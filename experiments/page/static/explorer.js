"use strict";
/* The explorer: one point of the grid, seen from all sides. */
(() => {
  const make = hwsim.make;
  const joules = (value) => hwsim.engineering(value, "J");
  const SLIDERS = new Set(["sram", "cap"]);
  const LEGENDS = { stage: "Compression stage", sram: "On-chip SRAM", dram: "DRAM type", node: "Node", cap: "Power cap", batch: "Batch" };
  const TENSORS = [["weights", "weights"], ["activations", "activations"], ["psums", "partial sums"], ["mac", "arithmetic"]];
  let name;
  let place;
  let controls;

  const network = () => hwsim.site.networks[name];
  const choice = (axis) => network().axes[axis][place[axis]];
  const stageLabel = (stage) => hwsim.site.stages[stage].spoken;

  const LIMITS = {
    bandwidth: (point) => `The run is memory-bound: tiles stall ${hwsim.percent(point.stalled)} of the time.`,
    power: (point) => `The cap sets the pace: the clock runs at ${hwsim.percent(point.clock)}.`,
    compute: () => "Arithmetic is what is left to wait for.",
    "array load": () => "Loading weights into the arrays sets the pace now.",
    decoder: (point) => `The decoders are the bottleneck: tiles stall ${hwsim.percent(point.stalled)} of the time.`,
    "SRAM bandwidth": () => "The port of the on-chip memory sets the pace.",
    dependencies: () => "Layers wait for each other most of the time.",
    vector: () => "The vector unit sets the pace.",
  };

  const headline = (point) => {
    const of = hwsim.percent((point.components.dram ?? 0) / point.total);
    const dram = (point.components.dram ?? 0) / point.total >= 0.005 ? `${of} of the watts are DRAM` : "DRAM takes next to none of the watts";
    const peak = `${hwsim.percent(point.computing)} of the peak MAC rate`;
    return [make("strong", {}, `${network().label}, ${stageLabel(choice("stage").label)}: `), `${dram}; ${peak}. `, make("span", { class: "why" }, LIMITS[point.limiter](point))];
  };

  const against = (point, dense, figure, better) => {
    if (choice("stage").label === "dense") return "";
    if (dense.refused) return "";
    const ratio = figure(point) / figure(dense);
    if (Math.abs(ratio - 1) < 0.005) return "as dense";
    const [more, less] = better;
    return ratio > 1 ? `${hwsim.times(ratio)} ${more} than dense` : `${hwsim.times(1 / ratio)} ${less} than dense`;
  };

  const stats = (point, dense) => [
    ["Energy per inference", joules(point.total), against(point, dense, (at) => at.total, ["more", "less"])],
    ["Inferences per second", hwsim.engineering(point.inferences_per_s), against(point, dense, (at) => at.inferences_per_s, ["more", "fewer"])],
    ["Inferences per joule", hwsim.engineering(1 / point.total), against(point, dense, (at) => 1 / at.total, ["more", "fewer"])],
    ["Peak share", hwsim.percent(point.computing), "of the peak MAC rate"],
    ["Limiter", point.limiter, `clock at ${hwsim.percent(point.clock)}`],
    ["Power", hwsim.engineering(point.power, "W"), `of ${choice("cap").label}`],
  ];

  const showStats = (rows) => hwsim.byId("stats").replaceChildren(...rows.map(([label, value, note]) =>
    make("div", { class: "stat", "data-stat": label }, make("dt", {}, label), make("dd", {}, value), make("small", {}, note || "\u00a0"))));

  const showTensors = (point, [low, high]) => {
    const names = Object.keys(hwsim.site.components);
    const value = (tensor, component) => (point.energy[`${tensor}|${component}`] ?? 0) + (tensor === "mac" && component === "static" ? point.energy["-|static"] ?? 0 : 0);
    const head = make("tr", {}, make("td", {}), ...TENSORS.map(([, label]) => make("th", { scope: "col" }, label)));
    const rows = names.map((component) => {
      const { label, colour } = hwsim.site.components[component];
      const cells = component === "static"
        ? [make("td", { colspan: TENSORS.length, class: "wide", style: shade(colour, point.components.static, low, high), "data-cell": "static" }, joules(point.components.static))]
        : TENSORS.map(([tensor]) => {
          const found = value(tensor, component);
          return make("td", { "data-cell": `${tensor}|${component}`, style: found ? shade(colour, found, low, high) : "" }, found ? joules(found) : "·");
        });
      return make("tr", {}, make("th", { scope: "row" }, label), ...cells);
    });
    hwsim.byId("tensors").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  };

  /* The more joules, the stronger the colour, on the fixed logarithmic scale of the network. */
  const shade = (colour, value, low, high) => {
    const share = Math.log(value / low) / Math.log(high / low);
    return `background:color-mix(in srgb, ${colour} ${Math.round(8 + 62 * Math.max(share, 0))}%, transparent)`;
  };

  const bar = (label, total, parts) => {
    const shown = parts.filter(([, share]) => share > 0);
    return make("div", { class: "home" }, make("div", { class: "head" }, make("span", {}, label), make("b", {}, total)),
      make("div", { class: "stack" }, ...parts.map(([title, share, style]) => make("span", { class: "part", style: `width:${100 * share}%;${style}`, title: `${title}: ${hwsim.percent(share)}` }))),
      make("ul", { class: "key" }, ...shown.map(([title, share, style]) => make("li", {}, make("span", { class: "swatch", style }), `${title}: ${hwsim.percent(share)}`))));
  };

  const showHome = (point) => {
    const { sram, dram } = hwsim.site.components;
    const bytes = network().weight_bytes[choice("stage").label];
    const capacity = choice("sram").value;
    const kept = point.weights_home === "on chip" ? 1 : Math.min(point.pinned_B / bytes, 1);
    const free = Math.max(1 - (point.pinned_B + point.activations_B + point.buffers_B) / capacity, 0);
    const faint = (colour, share) => `background:color-mix(in srgb, ${colour} ${share}%, transparent)`;
    const sentence = {
      "on chip": "All of them stay on chip and are fetched once, at start.",
      DRAM: "None stay on chip: every batch fetches them from DRAM.",
    }[point.weights_home] ?? `${point.weights_home[0].toUpperCase()}${point.weights_home.slice(1)}; the others come from DRAM for every batch.`;
    hwsim.byId("home").replaceChildren(
      make("p", {}, sentence),
      bar("Stored weights", hwsim.engineering(bytes, "B"), [["on chip", kept, `background:${sram.colour}`], ["in DRAM", 1 - kept, `background:${dram.colour}`]]),
      bar("On-chip SRAM", choice("sram").label, [
        ["weights", point.pinned_B / capacity, `background:${sram.colour}`],
        ["activations", point.activations_B / capacity, faint(sram.colour, 55)],
        ["buffers", point.buffers_B / capacity, faint(sram.colour, 28)],
        ["free", free, "background:var(--faint)"]]),
      make("p", { class: "note" }, `DRAM moves ${hwsim.engineering(point.weight_bits / 8, "B")} of weights and ${hwsim.engineering(point.activation_bits / 8, "B")} of activations per inference.`));
  };

  const watts = (point) => Object.fromEntries(Object.entries(point.components).map(([part, value]) => [part, value * point.inferences_per_s]));

  const show = async () => {
    const wanted = name;
    const grid = await hwsim.grid(wanted);
    if (wanted !== name) return;
    const point = grid.at(place);
    const explorer = hwsim.byId("explorer");
    explorer.classList.toggle("refused", Boolean(point.refused));
    hwsim.byId("command").replaceChildren(hwsim.command(hwsim.commandOf(name, place)));
    history.replaceState(null, "", `#explorer?${new URLSearchParams({ network: name, ...place })}`);
    hwsim.byId("notes").replaceChildren(...notes(point));
    explorer.dataset.joules = point.refused ? "" : point.total;
    if (point.refused) {
      hwsim.byId("headline").replaceChildren(make("strong", {}, "This cannot run: "), point.refused);
      return;
    }
    const dense = grid.at({ ...place, stage: 0 });
    const capW = choice("cap").value;
    const mostW = Math.max(...network().axes.cap.map((cap) => cap.value));
    const limits = grid.limits.component;
    hwsim.byId("headline").replaceChildren(...headline(point));
    showStats(stats(point, dense));
    hwsim.byId("readout").textContent = `${joules(point.total)} · ${hwsim.engineering(point.inferences_per_s)}/s · ${hwsim.percent(point.computing)} of peak · ${point.limiter}`;
    hwsim.floorplan(hwsim.byId("floorplan"), hwsim.seenBy(point, capW, choice("sram").value, choice("sram").label));
    hwsim.byId("floorplan-note").textContent = network().tiles === 1
      ? "The chip has one tile: each square is 1/48 of its time."
      : "Shares of tile-time, drawn as tiles: a typical moment. Here the cap is kept by slowing clocks; lesson 6 switches tiles off.";
    hwsim.powerStack(hwsim.byId("power"), watts(point), capW, mostW);
    showTensors(point, limits);
    showHome(point);
    hwsim.componentDots(hwsim.byId("components"), point.components, limits);
    hwsim.cliff(hwsim.byId("cliff"), grid, name, place, place.stage);
  };

  const notes = (point) => {
    const said = [`Chip: ${network().chip}.`, network().provenance[choice("stage").label]];
    for (const axis of ["sram", "dram", "node"]) if (choice(axis).note) said.push(`${choice(axis).label}: ${choice(axis).note}.`);
    if (point.low_confidence) said.push(`Prices of low confidence: ${point.low_confidence}.`);
    return said.map((text) => make("li", {}, text));
  };

  const build = () => {
    const holder = hwsim.byId("controls");
    controls = {};
    const select = make("select", { id: "network" }, ...Object.entries(hwsim.site.networks).map(([key, { label }]) => make("option", { value: key }, label)));
    select.value = name;
    select.addEventListener("change", () => { name = select.value; place = { ...network().start }; build(); show(); hwsim.byId("network").focus(); });
    holder.replaceChildren(make("div", { class: "control", "data-control": "network" }, make("label", { for: "network" }, "Network"), select));
    for (const axis of hwsim.site.axes) {
      const labels = network().axes[axis].map(({ label }) => (axis === "stage" ? hwsim.site.stages[label].label : label));
      const kind = SLIDERS.has(axis) ? hwsim.slider : hwsim.radios;
      controls[axis] = kind(axis, LEGENDS[axis], labels, place[axis], (at) => { place[axis] = at; show(); });
      holder.append(controls[axis]);
    }
    const reset = make("button", { type: "button", class: "quiet" }, "As shipped");
    reset.addEventListener("click", () => { place = { ...network().start }; for (const axis of hwsim.site.axes) controls[axis].set(place[axis]); show(); });
    holder.append(reset);
  };

  /* The address may say where to start: #explorer?network=alexnet&stage=3. */
  const open = () => {
    const asked = new URLSearchParams(location.hash.split("?")[1] ?? "");
    name = asked.get("network") in hwsim.site.networks ? asked.get("network") : hwsim.site.first;
    place = { ...network().start };
    for (const axis of hwsim.site.axes) {
      const at = Number(asked.get(axis) ?? NaN);
      if (at in network().axes[axis]) place[axis] = at;
    }
    build();
  };

  hwsim.startExplorer = () => {
    open();
    addEventListener("hashchange", () => { if (location.hash.startsWith("#explorer?")) open(); });
    hwsim.views.push(() => { if (!hwsim.byId("explorer").hidden) show(); });
  };
})();
