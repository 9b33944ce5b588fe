"use strict";
/* The explorer: one point of the grid beside another, A beside B, seen from all sides. */
(() => {
  const make = hwsim.make;
  const joules = (value) => hwsim.engineering(value, "J");
  const SLIDERS = new Set(["sram", "cap"]);
  const LEGENDS = { stage: "Compression", batch: "Batch", sram: "On-chip SRAM", dram: "DRAM type", node: "Node", cap: "Power cap" };
  const TENSORS = [["weights", "weights"], ["activations", "activations"], ["psums", "partial sums"], ["mac", "arithmetic"]];
  const SQUARES = 48;
  let name;
  let place; // of B: the position of every control
  let pinned = null; // of A, or null: the first stage at the settings of B
  let controls;
  let factor = { components: 1, cliff: 1 };

  const network = () => hwsim.site.networks[name];
  const choice = (axis, at = place) => network().axes[axis][at[axis]];
  const stageOf = (at) => hwsim.site.stages[choice("stage", at).label];
  const placeA = () => pinned ?? { ...place, stage: 0 };
  const same = (one, other) => hwsim.site.axes.every((axis) => one[axis] === other[axis]);

  const LIMITS = {
    bandwidth: (point) => `B is memory-bound: ${tiles(point.stalled)} stall.`,
    power: (point) => `B is power-limited: the clock runs at ${point.clock.toFixed(2)} of nominal.`,
    compute: () => "Arithmetic is what limits B.",
    "array load": () => "Loading weights into the arrays limits B.",
    decoder: (point) => `The decoders limit B: ${tiles(point.stalled)} stall.`,
    "SRAM bandwidth": () => "The port of the on-chip memory limits B.",
    dependencies: () => "Layers of B wait for each other most of the time.",
    vector: () => "The vector unit limits B.",
    "kernel time": () => "Starting kernels limits B.",
  };
  const tiles = (share) => `${(share * network().tiles).toFixed(share * network().tiles < 10 ? 1 : 0)} of ${network().tiles === 1 ? "1 tile" : `${network().tiles} tiles`}`;

  const change = (a, b, more, less, same_ = "as A") => {
    const ratio = b / a;
    if (!Number.isFinite(ratio) || Math.abs(ratio - 1) < 0.005) return same_;
    return ratio > 1 ? `${hwsim.times(ratio)} ${more}` : `${hwsim.times(1 / ratio)} ${less}`;
  };
  const errorOf = (at) => network().errors[choice("stage", at).label]?.top1_error_pct;
  const points = (a, b) => (a === undefined || b === undefined ? "" : `${b - a < 0 ? "−" : "+"}${Math.abs(b - a).toFixed(2)} points`);
  const bytesOf = (at) => network().weight_bytes[choice("stage", at).label];

  /* "32× smaller, 7.5× less energy, +0.00 points of error." */
  const headline = (A, B, a, b) => {
    const found = [
      change(bytesOf(A), bytesOf(B), "larger", "smaller", ""),
      change(a.total, b.total, "more energy", "less energy", "no less energy"),
    ].filter(Boolean);
    const error = A.stage === B.stage ? "" : points(errorOf(A), errorOf(B));
    const against = A.stage === B.stage ? "A" : `${stageOf(A).spoken}${pinned ? " (A)" : ""}`;
    return [make("strong", {}, `${network().label}, ${stageOf(B).spoken}: `), `${found.join(", ")} than ${against}${error ? `, with ${error} of error` : ""}. `, make("span", { class: "why" }, LIMITS[b.limiter]?.(b) ?? `B is limited by ${b.limiter}.`)];
  };

  const compared = (A, B, a, b) => {
    const error = (at) => (errorOf(at) === undefined ? "none published" : `${errorOf(at).toFixed(2)}%`);
    return [
      ["Energy per inference", joules(a.total), joules(b.total), change(a.total, b.total, "more", "less")],
      ["Stored weights", hwsim.engineering(bytesOf(A), "B"), hwsim.engineering(bytesOf(B), "B"), change(bytesOf(A), bytesOf(B), "larger", "smaller")],
      ["Top-1 error", error(A), error(B), points(errorOf(A), errorOf(B))],
      ["Inferences per second", hwsim.engineering(a.inferences_per_s), hwsim.engineering(b.inferences_per_s), change(a.inferences_per_s, b.inferences_per_s, "more", "fewer")],
      ["Power", hwsim.engineering(a.power, "W"), hwsim.engineering(b.power, "W"), change(a.power, b.power, "more", "less")],
      ["Tiles’ worth of work", tiles(a.computing), tiles(b.computing), change(a.computing, b.computing, "more", "less")],
      ["Limiter", a.limiter, b.limiter, a.limiter === b.limiter ? "as A" : ""],
    ];
  };

  const showCompared = (rows, A, B) => hwsim.byId("compared").replaceChildren(
    make("thead", {}, make("tr", {}, make("td", {}), make("th", { scope: "col" }, make("span", { class: "letter a" }, "A"), ` ${title(A)}`), make("th", { scope: "col" }, make("span", { class: "letter b" }, "B"), ` ${title(B)}`), make("th", { scope: "col" }, "B against A"))),
    make("tbody", {}, ...rows.map(([label, a, b, change_]) => make("tr", { "data-stat": label }, make("th", { scope: "row" }, label), make("td", { class: "a" }, a), make("td", { class: "b" }, b), make("td", { class: "change" }, change_)))));

  /* What a point is called beside the other: its stage, and what else differs. */
  const title = (at) => [stageOf(at).label, ...hwsim.site.axes.filter((axis) => axis !== "stage" && placeA()[axis] !== place[axis]).map((axis) => (axis === "batch" ? `batch ${choice(axis, at).label}` : choice(axis, at).label))].join(", ");

  const showTensors = (point) => {
    const names = Object.keys(hwsim.site.components).filter((component) => point.components[component]);
    const value = (tensor, component) => point.energy[`${tensor}|${component}`] ?? 0;
    const most = Math.max(...Object.values(point.energy));
    const head = make("tr", {}, make("td", {}), ...TENSORS.map(([, label]) => make("th", { scope: "col" }, label)));
    const shade = (colour, found) => `background:color-mix(in srgb, ${colour} ${Math.round((75 * found) / most)}%, transparent)`;
    const rows = names.map((component) => {
      const { label, colour } = hwsim.site.components[component];
      const cells = point.energy[`-|${component}`]
        ? [make("td", { colspan: TENSORS.length, class: "wide", style: shade(colour, point.components[component]) }, joules(point.components[component]))]
        : TENSORS.map(([tensor]) => {
          const found = value(tensor, component);
          return make("td", { style: found ? shade(colour, found) : "" }, found ? joules(found) : "·");
        });
      return make("tr", {}, make("th", { scope: "row" }, label), ...cells);
    });
    hwsim.byId("tensors").replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  };

  const bar = (label, total, parts) => make("div", { class: "home" }, make("div", { class: "head" }, make("span", {}, label), make("b", {}, total)),
    make("div", { class: "stack", "aria-hidden": "true" }, ...parts.map(([said, share, style]) => make("span", { class: "part", style: `width:${100 * share}%;${style}`, title: said }))),
    make("ul", { class: "key" }, ...parts.filter(([, share]) => share > 0).map(([said, , style]) => make("li", {}, make("span", { class: "swatch", style }), said))));

  const showHome = (runs) => {
    const { sram, dram } = hwsim.site.components;
    const most = Math.max(...runs.map(({ at }) => bytesOf(at)));
    const size = (bytes) => hwsim.engineering(bytes, "B");
    const faint = (share) => `background:color-mix(in srgb, ${sram.colour} ${share}%, transparent)`;
    hwsim.byId("home").replaceChildren(...runs.flatMap(({ letter, at, point }) => {
      const bytes = bytesOf(at);
      const kept = point.weights_home === "on chip" ? bytes : Math.min(point.pinned_B, bytes);
      const capacity = choice("sram", at).value;
      const used = point.pinned_B + point.activations_B + point.buffers_B;
      return [
        bar(`${letter}: stored weights`, size(bytes), [[`${size(kept)} stay on chip`, kept / most, `background:${sram.colour}`], [`${size(bytes - kept)} come from DRAM for every batch`, (bytes - kept) / most, `background:${dram.colour}`]]),
        bar(`${letter}: on-chip SRAM`, choice("sram", at).label, [
          [`weights ${size(point.pinned_B)}`, point.pinned_B / capacity, `background:${sram.colour}`],
          [`activations ${size(point.activations_B)}`, point.activations_B / capacity, faint(55)],
          [`buffers ${size(point.buffers_B)}`, point.buffers_B / capacity, faint(28)],
          [`free ${size(Math.max(capacity - used, 0))}`, Math.max(1 - used / capacity, 0), "background:var(--faint)"]]),
      ];
    }), make("p", { class: "note" }, `B moves ${size(runs[1].point.weight_bits / 8)} of weights and ${size(runs[1].point.activation_bits / 8)} of activations between DRAM and chip per inference.`));
  };

  const wattsOf = (point) => Object.fromEntries(Object.entries(point.components).map(([part, value]) => [part, value * point.inferences_per_s]));

  /* The address names everything: #explorer?network=alexnet&stage=huffman&vs-stage=dense. */
  const address = () => {
    const key = (axis, at) => choice(axis, at).key;
    const asked = new URLSearchParams({ network: name });
    for (const axis of hwsim.site.axes) asked.set(axis, key(axis, place));
    if (pinned) for (const axis of hwsim.site.axes) if (pinned[axis] !== place[axis] || axis === "stage") asked.set(`vs-${axis}`, key(axis, pinned));
    return `#explorer?${asked}`;
  };

  const show = async () => {
    const wanted = name;
    const grid = await hwsim.grid(wanted);
    if (wanted !== name) return;
    const [A, B] = [placeA(), place];
    const [a, b] = [grid.at(A), grid.at(B)];
    const explorer = hwsim.byId("explorer");
    const refused = b.refused ?? a.refused;
    explorer.classList.toggle("refused", Boolean(refused));
    history.replaceState(null, "", address());
    hwsim.byId("command").replaceChildren(...(same(A, B) ? [hwsim.command(hwsim.commandOf(name, B))] : [["A", A], ["B", B]].map(([letter, at]) => make("div", { class: "lettered" }, make("span", { class: `letter ${letter.toLowerCase()}` }, letter), hwsim.command(hwsim.commandOf(name, at))))));
    hwsim.byId("notes").replaceChildren(...notes(A, B, b));
    explorer.dataset.joules = b.refused ? "" : b.total;
    explorer.dataset.joulesA = a.refused ? "" : a.total;
    hwsim.byId("unpin").hidden = !pinned;
    if (refused) {
      hwsim.byId("headline").replaceChildren(make("strong", {}, `${b.refused ? "B" : "A"} cannot run: `), refused);
      hwsim.byId("readout").textContent = "This cannot run.";
      return;
    }
    hwsim.byId("headline").replaceChildren(...headline(A, B, a, b));
    showCompared(compared(A, B, a, b), A, B);
    hwsim.byId("readout").textContent = [change(a.total, b.total, "more energy", "less energy"), A.stage === B.stage ? "" : change(bytesOf(A), bytesOf(B), "larger", "smaller"), errorOf(B) === undefined ? "" : `error ${errorOf(B).toFixed(2)}%`].filter(Boolean).join(" · ");
    const runs = [{ letter: "A", at: A, point: a }, { letter: "B", at: B, point: b }];
    hwsim.byId("floorplans").replaceChildren(...runs.map(({ letter, at, point }) => {
      const plan = make("div", { class: "plan" });
      hwsim.floorplan(plan, hwsim.seenBy(point, choice("cap", at).value, choice("sram", at).value, choice("sram", at).label));
      return make("div", {}, make("h3", {}, make("span", { class: `letter ${letter.toLowerCase()}` }, letter), ` ${title(at)}`), plan);
    }));
    hwsim.byId("floorplan-note").textContent = network().tiles === 1
      ? `The chip has one tile: each of the ${SQUARES} squares is a part of its time.`
      : `A typical moment: ${SQUARES} squares share out the time of ${network().tiles} tiles. A tile that stalls waits for data; a throttled one has a slower clock.`;
    const mostW = Math.max(...network().axes.cap.map((cap) => cap.value), a.power, b.power);
    hwsim.powerBars(hwsim.byId("power"), runs.map(({ letter, at, point }) => ({ title: `${letter}: ${title(at)}`, watts: wattsOf(point), capW: choice("cap", at).value })), mostW);
    hwsim.energyRows(hwsim.byId("components"), [{ joules: a.components, pale: true }, { joules: b.components }], factor.components);
    showTensors(b);
    showHome(runs);
    hwsim.byId("memory").hidden = network().axes.sram.length < 2;
    hwsim.cliff(hwsim.byId("cliff"), grid, name, place, [{ ...A, total: a.total, label: "A" }, { ...B, total: b.total, label: "B" }].filter((mark, at) => at || hwsim.site.axes.every((axis) => ["stage", "sram"].includes(axis) || A[axis] === B[axis])), factor.cliff);
  };

  const notes = (A, B, point) => {
    const said = [`Chip: ${network().chip}.`, `B: ${network().provenance[choice("stage", B).label]}`];
    const sources = new Set([A, B].map((at) => network().errors[choice("stage", at).label]?.source).filter(Boolean));
    said.push(sources.size ? `Top-1 error: ${[...sources].join("; ")}.${network().layers ? " It is that of the whole network." : ""}` : "No error is shown: there is no published figure in our data for these stages.");
    for (const axis of ["sram", "dram", "node"]) if (choice(axis).note) said.push(`${choice(axis).label}: ${choice(axis).note}.`);
    if (point.low_confidence) said.push(`Energies of low confidence: ${point.low_confidence}.`);
    return said.map((text) => make("li", {}, text));
  };

  const begin = (found) => {
    name = found.network;
    place = { ...network().start };
    pinned = null;
    const at = (axis, key) => network().axes[axis].findIndex((choice_) => choice_.key === key);
    place.stage = Math.max(at("stage", found.stage), 0);
    place.batch = Math.max(at("batch", String(found.batch)), 0);
  };

  const build = () => {
    const holder = hwsim.byId("controls");
    controls = {};
    const byMachine = new Map();
    for (const [key, { label, machine }] of Object.entries(hwsim.site.networks)) byMachine.set(machine, [...(byMachine.get(machine) ?? []), make("option", { value: key }, label)]);
    const select = make("select", { id: "network" }, ...[...byMachine].map(([machine, options]) => make("optgroup", { label: machine }, ...options)));
    select.value = name;
    select.addEventListener("change", () => { begin({ network: select.value, stage: lastStage(select.value), batch: 1 }); build(); show(); hwsim.byId("network").focus(); });
    const box = make("div", { class: "control", "data-control": "network" }, make("label", { for: "network" }, "Network and chip"), select);
    for (const axis of hwsim.site.axes) {
      const labels = network().axes[axis].map(({ label }) => (axis === "stage" ? hwsim.site.stages[label].label : label));
      const kind = SLIDERS.has(axis) ? hwsim.slider : hwsim.radios;
      controls[axis] = kind(axis, LEGENDS[axis], labels, place[axis], (at) => { place[axis] = at; show(); });
    }
    const reset = make("button", { type: "button", class: "quiet" }, "As shipped");
    reset.addEventListener("click", () => { place = { ...network().start, stage: place.stage }; pinned = null; for (const axis of hwsim.site.axes) controls[axis].set(place[axis]); show(); });
    const pin = make("button", { type: "button", class: "quiet", id: "pin" }, "Pin B as A");
    pin.addEventListener("click", () => { pinned = { ...place }; show(); });
    const unpin = make("button", { type: "button", class: "quiet", id: "unpin" }, `A: ${stageOf({ stage: 0 }).label} again`);
    unpin.addEventListener("click", () => { pinned = null; show(); pin.focus(); });
    holder.replaceChildren(box, ...Object.values(controls), make("div", { class: "buttons" }, pin, unpin, reset));
  };

  /* The smallest published stage, which is what is shown beside the first. */
  const lastStage = (key) => {
    const { axes, errors } = hwsim.site.networks[key];
    const known = axes.stage.filter(({ label }) => errors[label]);
    return (known.at(-1) ?? axes.stage.find(({ key: found }) => found === "huffman") ?? axes.stage.at(-1)).key;
  };

  const presets = () => {
    const row = hwsim.byId("presets");
    for (const preset of hwsim.site.presets) {
      const button = make("button", { type: "button", class: "preset" }, make("b", {}, preset.title), make("small", {}, `${hwsim.site.networks[preset.network].label}, ${hwsim.site.networks[preset.network].machine}`));
      button.addEventListener("click", () => { begin(preset); build(); show(); });
      row.append(button);
    }
  };

  const magnifiers = () => {
    for (const id of Object.keys(factor)) hwsim.byId(`${id}-magnifier`).append(hwsim.magnifier(`magnify-${id}`, (times) => { factor[id] = times; show(); }));
  };

  const open = () => {
    const asked = new URLSearchParams(location.hash.split("?")[1] ?? "");
    const [first] = hwsim.site.presets.slice(2).concat(hwsim.site.presets, { network: Object.keys(hwsim.site.networks)[0], stage: "", batch: 1 });
    if (!(asked.get("network") in hwsim.site.networks)) begin(first);
    else {
      begin({ network: asked.get("network"), stage: asked.get("stage") ?? lastStage(asked.get("network")), batch: asked.get("batch") ?? 1 });
      const read = (prefix, into) => {
        for (const axis of hwsim.site.axes) {
          const at = network().axes[axis].findIndex(({ key }) => key === asked.get(`${prefix}${axis}`));
          if (at >= 0) into[axis] = at;
        }
        return into;
      };
      read("", place);
      if ([...asked.keys()].some((key) => key.startsWith("vs-"))) pinned = read("vs-", { ...place });
    }
    build();
  };

  hwsim.startExplorer = () => {
    presets();
    magnifiers();
    open();
    addEventListener("hashchange", () => { if (location.hash.startsWith("#explorer?")) open(); });
    hwsim.views.push(() => { if (!hwsim.byId("explorer").hidden) show(); });
  };
})();
