"use strict";
/* The figures of the lessons. */
(() => {
  const { make, engineering, percent, times } = hwsim;
  const pJ = (value) => engineering(1e-12 * value, "J");
  const strong = (text) => make("strong", {}, text);
  const component = (name) => hwsim.site.components[name].colour;
  const data = () => hwsim.lessons.tour;
  const box = (part, name) => part.querySelector(`.${name}`);
  const stageNames = () => Object.keys(hwsim.site.stages);
  const stageLabels = () => Object.values(hwsim.site.stages).map(({ label }) => label);

  /* 1: reuse. */
  const drams = Object.keys(data().dram.word_pJ);
  hwsim.tour.dram = {
    knobs: [
      ["radios", "dram", "DRAM", drams, 0],
      ["slider", "reuse", "Uses of each DRAM word", data().dram.reuses.map((uses) => uses.toLocaleString("en")), 0],
    ],
    draw(part, at) {
      const { rungs, mac_pJ: mac, multiply_pJ: multiply, word_pJ: words, reuses } = data().dram;
      const groups = { arithmetic: component("mac"), "on chip": component("sram"), DRAM: component("dram") };
      const shown = rungs.map((rung) => (rung.label === "DRAM" ? { ...rung, label: `DRAM, ${drams[at.dram]}`, energy_pJ: words[drams[at.dram]] } : rung));
      hwsim.plot(box(part, "a"), [{
        type: "scatter", mode: "markers+text", x: shown.map((rung) => 1e-12 * rung.energy_pJ), y: shown.map((_, row) => row),
        marker: { size: 13, color: shown.map((rung) => groups[rung.group]) }, hoverinfo: "skip", cliponaxis: false, textposition: "middle right",
        text: shown.map((rung) => `  ${pJ(rung.energy_pJ)} · ${rung.energy_pJ < multiply ? `${(rung.energy_pJ / multiply).toFixed(2)}×` : times(rung.energy_pJ / multiply)}`),
      }], {
        shapes: shown.map((rung, row) => ({ type: "line", x0: 5e-14, x1: 1e-12 * rung.energy_pJ, y0: row, y1: row, layer: "below", line: { color: groups[rung.group], width: 2.5 } })),
        margin: { l: 112, r: 8, t: 6, b: 30 },
        xaxis: { ...hwsim.logTicks([5e-14, 1e-9], "J", 3), range: hwsim.rangeWithLabels(box(part, "a"), [5e-14, 1e-9], 120) },
        yaxis: { range: [shown.length - 0.5, -0.5], tickvals: shown.map((_, row) => row), ticktext: shown.map((rung) => rung.label), showgrid: false },
      });
      const word = words[drams[at.dram]];
      const uses = reuses[at.reuse];
      const x = reuses;
      const line = (label, y, colour) => ({ type: "scatter", mode: "lines", name: label, x, y, line: { color: colour, width: 2.5 }, hoverinfo: "skip" });
      hwsim.plot(box(part, "b"), [
        line("DRAM", x.map((count) => 1e-12 * word / count), component("dram")),
        line("multiply and add", x.map(() => 1e-12 * mac), component("mac")),
        { type: "scatter", mode: "markers", x: [uses, uses], y: [1e-12 * word / uses, 1e-12 * mac], marker: { size: 12, color: [component("dram"), component("mac")] }, hoverinfo: "skip", showlegend: false },
      ], {
        showlegend: true, legend: { x: 1, y: 1, xanchor: "right", font: { size: 12 }, itemclick: false, itemdoubleclick: false },
        xaxis: { type: "log", range: [-0.1, Math.log10(x[x.length - 1]) + 0.1], tickvals: x.filter((_, row) => row % 2 === 0), ticktext: x.filter((_, row) => row % 2 === 0).map((count) => count.toLocaleString("en")), title: { text: "uses of each DRAM word", font: { size: 12.5 } } },
        yaxis: hwsim.logTicks([1e-13, 2e-9], "J"),
        shapes: [{ type: "line", x0: uses, x1: uses, y0: 0, y1: 1, yref: "paper", line: { color: hwsim.css("--muted"), width: 1, dash: "dot" } }],
      });
      const share = word / uses;
      return [strong(uses === 1 ? "Used once, " : `Used ${uses.toLocaleString("en")} times, `),
        `a ${drams[at.dram]} word costs ${pJ(share)} per multiply-add, ${share > mac ? `${times(share / mac)} as much as` : `${percent(share / mac)} of`} the arithmetic itself (${pJ(mac)}).`];
    },
    facts() {
      const { mac_pJ: mac, multiply_pJ: multiply, word_pJ: words } = data().dram;
      return { ratio: times(words.DDR3 / multiply).replace("×", ""), multiply: pJ(multiply), word: pJ(words.DDR3), mac: pJ(mac), even: String(Math.ceil(words.DDR3 / mac)), "even-hbm": String(Math.ceil(words.HBM2 / mac)) };
    },
    command: () => "hwsim energy --op dram_read_32b",
  };

  /* 2: pruning and dense-sparse-dense. */
  const STEPS = ["dense", "pruned", "retrained", "dense again"];
  const runs = data().pruning.runs;
  hwsim.tour.pruning = {
    knobs: [
      ["radios", "step", "Step", STEPS, 0],
      ["slider", "density", "Weights that stay", runs.map((run) => percent(run.density)), runs.findIndex((run) => run.density === 0.1)],
    ],
    draw(part, at) {
      const run = runs[at.density];
      const step = run.steps[STEPS[at.step]];
      const { centres, weights, images, held_out: others } = data().pruning;
      hwsim.plot(box(part, "a"), [{ type: "bar", x: centres, y: step.counts, marker: { color: component("mac"), line: { width: 0 } }, hoverinfo: "skip" }], {
        bargap: 0, xaxis: { range: [-0.2, 0.2], tickvals: [-0.2, -0.1, 0, 0.1, 0.2], title: { text: "value of a weight (zeros left out)", font: { size: 12.5 } }, showgrid: false },
        yaxis: { type: "log", range: [0, 5.3], tickvals: [1, 10, 100, 1e3, 1e4, 1e5], ticktext: ["1", "10", "100", "1 k", "10 k", "100 k"] },
        margin: { l: 48, r: 12, t: 6, b: 44 },
      });
      const colours = STEPS.map((_, row) => (row === at.step ? component("dram") : hwsim.css("--muted")));
      hwsim.plot(box(part, "b"), [{
        type: "scatter", mode: "markers+text", x: STEPS, y: STEPS.map((name) => run.steps[name].error_pct), marker: { size: STEPS.map((_, row) => (row === at.step ? 16 : 11)), color: colours, opacity: 1, line: { width: 0 } },
        text: STEPS.map((name) => `${run.steps[name].error_pct}%`), textposition: "top center", hoverinfo: "skip", cliponaxis: false,
      }], {
        xaxis: { type: "category", range: [-0.5, 3.5], tickvals: STEPS, ticktext: STEPS.map((name) => name.replace(" ", "<br>")), showgrid: false },
        yaxis: { type: "log", range: [Math.log10(2), Math.log10(110)], tickvals: [2, 5, 10, 20, 50, 100], ticktext: ["2%", "5%", "10%", "20%", "50%", "100%"] },
        margin: { l: 48, r: 12, t: 6, b: 44 },
      });
      const kept = Math.round(weights * run.density).toLocaleString("en");
      const words = {
        dense: `The dense network has ${weights.toLocaleString("en")} weights and errs on ${step.error_pct}% of ${others.toLocaleString("en")} images held out.`,
        pruned: run.density === 1 ? "With every weight kept, nothing changes." : `Cut down to its ${kept} largest weights and left as it is, it errs on ${step.error_pct}%.`,
        retrained: `Trained on ${run.density === 1 ? "with all weights" : `with the ${kept} that stay`}, it errs on ${step.error_pct}% and takes ${engineering(run.stored_bytes, "B")}.`,
        "dense again": `With all weights free again and a tenth of the rate it errs on ${step.error_pct}%: dense, and as large as at first.`,
      }[STEPS[at.step]];
      return [strong(`LeNet-300-100, ${STEPS[at.step]}. `), `${words} `, make("span", { class: "why" }, `A short training on ${images.toLocaleString("en")} images.`)];
    },
    facts() {
      const of = (density) => runs.find((run) => run.density === density);
      const [same, dsd] = [of(1).steps["dense again"].error_pct, of(0.5).steps["dense again"].error_pct];
      return { shrink: (of(1).stored_bytes / of(0.1).stored_bytes).toFixed(1), same: `${same}% error`, dsd: `${dsd}%${dsd > same ? " (worse, here)" : ""}` };
    },
    command: () => "python -m experiments.page.lessons pruning",
  };

  /* 3: sharing by hand, and convolution as sharing. */
  const matrix = (title, rows, text, tint) => make("div", { class: "matrix" }, make("h2", {}, title),
    make("table", {}, make("tbody", {}, ...rows.map((row, r) => make("tr", {}, ...row.map((value, c) => make("td", { style: tint(r, c) }, text(value))))))));
  const wash = (group, strength = 34) => `background:color-mix(in srgb, ${hwsim.site.series[group % hwsim.site.series.length]} ${strength}%, transparent)`;
  const signed = (value) => value.toFixed(2).replace("-", "−");

  hwsim.tour.sharing = {
    knobs: [
      ["radios", "view", "What shares", ["k-means", "training the codebook", "a convolution"], 0],
      ["slider", "bits", "Bits of a label", ["1", "2", "3"], 1],
    ],
    draw(part, at) {
      const { weights, gradient, shared, kernel, convolution } = data().sharing;
      const found = shared[at.bits];
      const group = (r, c) => wash(found.labels[r][c]);
      const holder = box(part, "matrices");
      part.querySelector("[data-control='sharing-bits']").hidden = at.view === 2;
      if (at.view === 2) {
        const size = Math.sqrt(convolution[0].length);
        const cell = 10;
        const svg = make("svg", { viewBox: `0 0 ${convolution[0].length * cell} ${convolution.length * cell}`, class: "as-matrix", role: "img" });
        svg.append(make("title", {}, "The convolution as a matrix: each row repeats the nine values of the kernel"));
        convolution.forEach((row, r) => row.forEach((value, c) => svg.append(make("rect", { x: c * cell + 0.5, y: r * cell + 0.5, width: cell - 1, height: cell - 1, rx: 1.5, style: value < 0 ? "fill:var(--faint)" : `fill:${nine(value)}` }))));
        holder.replaceChildren(matrix("The kernel", kernel, (value) => `w${value + 1}`, (r, c) => `background:${nine(kernel[r][c])};color:#222`), make("div", { class: "matrix wide" }, make("h2", {}, `As a matrix: ${convolution.length} outputs × ${size * size} inputs`), svg));
        return [strong("Nine weights, shared. "), `A 3 × 3 convolution of a ${size} × ${size} image multiplies by a matrix of ${convolution.length * size * size} entries that holds nine values.`];
      }
      const codebook = (title, values) => matrix(title, values.map((value) => [value]), signed, (r) => wash(r, 60));
      const parts = at.view === 0
        ? [matrix("Weights", weights, signed, group), matrix("Labels", found.labels, (label) => label.toString(2).padStart(found.bits, "0"), group), codebook("Codebook", found.codebook), matrix("As executed", found.labels, (label) => signed(found.codebook[label]), group)]
        : [matrix("Gradients", gradient, signed, group), codebook("Summed by group", found.gradient_sums), codebook("Codebook before", found.codebook), codebook("and after a step", found.tuned)];
      holder.replaceChildren(...parts);
      return at.view === 0
        ? [strong(`${found.bits} bit${found.bits > 1 ? "s" : ""} a label: `), `${found.stored_bits} bits instead of 512, ${(512 / found.stored_bits).toFixed(1)} times smaller; weights are off by ${found.rms_error.toFixed(2)} (root mean square).`]
        : [strong("One step of training: "), "the gradients of a colour are added up, and the shared value moves against the sum (learning rate 1)."];
    },
    facts() {
      const { shared, convolution } = data().sharing;
      const cells = convolution.flat();
      return { bits: String(shared[1].stored_bits), ratio: (512 / shared[1].stored_bits).toFixed(1), entries: String(cells.length), filled: String(cells.filter((value) => value >= 0).length) };
    },
    command: () => "python -m experiments.page.lessons sharing",
  };
  const nine = (value) => `color-mix(in srgb, ${hwsim.site.series[value % 6]} ${value < 6 ? 75 : 38}%, var(--card))`;

  /* 4: Huffman codes, and what decoding costs. */
  const decoders = [...new Set(data().decoder.map((row) => row.decoders))];
  hwsim.tour.huffman = {
    knobs: [
      ["slider", "skew", "Unevenness", data().huffman.map((row) => (row.skew ? `1/rank^${row.skew}`.replace(/\^1$/, "") : "none")), 2],
      ["slider", "decoders", "Decoders on the chip", decoders.map((count) => count.toLocaleString("en")), 3],
    ],
    draw(part, at) {
      const code = data().huffman[at.skew];
      const x = code.lengths.map((_, symbol) => symbol);
      hwsim.plot(box(part, "a"), [
        { type: "bar", x, y: code.lengths, marker: { color: component("decoder"), opacity: 0.9 }, text: code.shares.map((share) => percent(share)), textposition: "outside", textfont: { size: 10 }, hoverinfo: "skip", cliponaxis: false, textangle: 0 },
      ], {
        bargap: 0.25, margin: { l: 40, r: 12, t: 12, b: 44 },
        xaxis: { range: [-0.6, 15.6], tickvals: [0, 5, 10, 15], ticktext: ["1st", "6th", "11th", "16th"], showgrid: false, title: { text: "label, the most common first; its share on top", font: { size: 12.5 } } },
        yaxis: { range: [0, 9.4], tickvals: [0, 2, 4, 6, 8], title: { text: "bits", font: { size: 12.5 } } },
        shapes: [{ type: "line", x0: -0.6, x1: 15.6, y0: 4, y1: 4, line: { color: hwsim.css("--muted"), width: 1.5, dash: "dot" } }],
      });
      const rows = (stage) => data().decoder.filter((row) => row.stage === stage);
      const trace = (stage) => ({
        type: "scatter", mode: "lines+markers", name: hwsim.site.stages[stage].label, x: decoders, y: rows(stage).map((row) => row.inferences_per_s), hoverinfo: "skip",
        line: { color: hwsim.colour(hwsim.site.stages[stage].colour), width: 2 }, marker: { size: rows(stage).map((_, row) => (row === at.decoders ? 15 : 8)), opacity: 1, line: { width: 0 } },
      });
      hwsim.plot(box(part, "b"), [trace("shared"), trace("huffman")], {
        showlegend: true, legend: { x: 1, y: 0.02, xanchor: "right", yanchor: "bottom", font: { size: 12 }, itemclick: false, itemdoubleclick: false },
        margin: { l: 52, r: 12, t: 12, b: 44 },
        xaxis: { type: "log", range: [Math.log10(80), Math.log10(3700)], tickvals: decoders, ticktext: decoders.map((count) => count.toLocaleString("en")), showgrid: false, title: { text: "decoders", font: { size: 12.5 } } },
        yaxis: { range: [0, 5600], title: { text: "" } },
      });
      const row = rows("huffman")[at.decoders];
      return [strong(`${code.mean_bits.toFixed(2)} bits a label `), `on average instead of 4; the entropy is ${code.entropy_bits.toFixed(2)}. With ${row.decoders.toLocaleString("en")} decoders the Huffman-coded layer makes ${engineering(row.inferences_per_s)} tokens per second at ${engineering(row.energy_J, "J")} each, limited by ${row.limiter === "decoder" ? "the decoders" : row.limiter}.`];
    },
    facts() {
      const of = (stage) => data().decoder.find((row) => row.stage === stage && row.decoders === 768);
      const [shared, coded] = [of("shared"), of("huffman")];
      const more = coded.energy_J / shared.energy_J - 1;
      return { flat: data().huffman[0].entropy_bits.toFixed(0), slower: percent(1 - coded.inferences_per_s / shared.inferences_per_s), energy: `${percent(Math.abs(more))} ${more > 0 ? "more" : "less"} energy` };
    },
    command: (at) => `hwsim run reference_250w llama_layer_decode --stage huffman --set decoder.count=${decoders[at.decoders]}`,
  };

  /* 5: fitting on chip, from the explorer's own points. */
  const cliffs = ["lenet300", "alexnet", "vgg16", "lstm"].filter((name) => name in hwsim.site.networks);
  const memories = cliffs.map((name) => hwsim.site.networks[name].axes.sram);
  const at5 = (at) => {
    const name = cliffs[at.network];
    return { name, place: { ...hwsim.site.networks[name].start, sram: Math.min(at.sram, memories[at.network].length - 1) } };
  };
  hwsim.tour["on-chip"] = {
    knobs: [
      ["radios", "network", "Network", cliffs.map((name) => hwsim.site.networks[name].label), Math.max(cliffs.indexOf("alexnet"), 0)],
      ["slider", "sram", "On-chip SRAM", Array.from({ length: Math.max(...memories.map((found) => found.length)) }, (_, place) => `step ${place + 1}`), 1],
    ],
    async draw(part, at) {
      const { name, place } = at5(at);
      const grid = await hwsim.grid(name);
      const { axes, label, weight_bytes: bytes } = hwsim.site.networks[name];
      const memory = axes.sram[place.sram].label;
      part.querySelector("#on-chip-sram").setAttribute("aria-valuetext", memory);
      part.querySelector("[data-control='on-chip-sram'] output").textContent = memory;
      part.querySelector("[data-control='on-chip-sram'] .ends").replaceChildren(make("span", {}, axes.sram[0].label), make("span", {}, axes.sram[axes.sram.length - 1].label));
      hwsim.cliff(box(part, "a"), grid, name, place, null);
      const rows = axes.stage.map(({ label: stage }, number) => [stage, grid.at({ ...place, stage: number })]);
      const cells = rows.map(([stage, point]) => make("tr", { "data-stage": stage }, make("th", { scope: "row" }, hwsim.site.stages[stage].label), make("td", {}, engineering(bytes[stage], "B")),
        ...(point.refused ? ["not possible", "", ""] : [{ "on chip": "all", DRAM: "none" }[point.weights_home] ?? point.weights_home.replace(" on chip", ""), engineering(point.weight_bits / 8, "B"), engineering(point.total, "J")]).map((text) => make("td", {}, text))));
      box(part, "stages").replaceChildren(make("thead", {}, make("tr", {}, ...["stage", "weights", "on chip", "from DRAM", "energy"].map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...cells));
      const home = rows.filter(([, point]) => point.weights_home === "on chip").map(([stage]) => hwsim.site.stages[stage].label);
      return [strong(`${label}, ${memory} on chip: `), home.length === 0 ? "at no stage do all weights fit." : home.length === rows.length ? "the weights of every stage fit." : `all weights fit at: ${home.join(", ")}.`];
    },
    async facts() {
      if (!cliffs.includes("alexnet")) return {};
      const grid = await hwsim.grid("alexnet");
      const { start, axes, weight_bytes: bytes } = hwsim.site.networks.alexnet;
      const fits = axes.stage.map(({ label }, stage) => [label, grid.at({ ...start, stage })]);
      const home = fits.filter(([, point]) => point.weights_home === "on chip").map(([stage]) => hwsim.site.stages[stage].label);
      const size = engineering(bytes.huffman, "B");
      return { fits: home.length ? `Only at: ${home.join(", ")}.` : `None: even Huffman-coded, ${size} of weights leave too little room for activations; ${fits[3][1].weights_home}.` };
    },
    command: (at) => { const { name, place } = at5(at); return hwsim.commandOf(name, place); },
  };

  /* 6: dark silicon. */
  const rows = data().capping;
  const all = (key) => [...new Set(rows.map((row) => row[key]))];
  const [caps, batches, ways] = [all("cap_W"), all("batch"), all("strategy")];
  const capping = (at) => rows.find((row) => row.stage === stageNames()[at.stage] && row.batch === batches[at.batch] && row.cap_W === caps[at.cap] && row.strategy === ways[at.way]);
  hwsim.tour.dark = {
    knobs: [
      ["radios", "stage", "Compression stage", stageLabels(), 0],
      ["radios", "batch", "Batch", batches.map(String), 1],
      ["radios", "way", "The cap is kept by", ways, 1],
      ["slider", "cap", "Power cap", caps.map((cap) => `${cap} W`), caps.indexOf(250)],
    ],
    draw(part, at) {
      const row = capping(at);
      const capacity = data().chip.sram_B;
      hwsim.floorplan(box(part, "plan"), {
        shares: row.shares, weights: row.pinned_B / capacity, activations: row.other_B / capacity,
        dramW: row.watts.dram ?? 0, capW: row.cap_W, sram: data().chip.sram,
      });
      hwsim.powerStack(box(part, "watts"), row.watts, row.cap_W, caps[caps.length - 1]);
      part.dataset.rate = row.inferences_per_s;
      const dark = row.shares.throttled + row.shares.power_gated;
      const state = dark > 0.005 ? `${percent(dark)} of the tiles are dark` : row.shares.stalled > 0.3 ? `tiles stall ${percent(row.shares.stalled)} of the time` : "the cap does not bind";
      return [strong(`${stageLabels()[at.stage].replace("+ ", "pruned and ")}, batch ${row.batch}, ${row.cap_W} W: `), `${state}; ${engineering(row.inferences_per_s)} inferences per second, ${engineering(row.energy_J, "J")} each.`];
    },
    facts() {
      const of = (stage, batch, way) => rows.find((row) => row.stage === stage && row.batch === batch && row.cap_W === 250 && row.strategy === way);
      const dense = of("dense", 1, "dimming");
      const used = Object.values(dense.watts).reduce((sum, value) => sum + value, 0);
      const rates = ways.map((way) => of("pruned", 64, way)).sort((a, b) => b.inferences_per_s - a.inferences_per_s);
      return { stalled: percent(dense.shares.stalled), unused: engineering(250 - used, "W"), best: rates[0].strategy, rates: rates.map((row) => `${row.strategy} ${engineering(row.inferences_per_s)}`).join(", ") + " inferences per second" };
    },
    command: (at) => {
      if (ways[at.way] !== "dimming") return "python -m experiments.page.lessons capping"; // what `hwsim run` does is dimming
      const change = caps[at.cap] === data().chip.cap_W ? "" : ` --set power.cap_W=${caps[at.cap]}`;
      return `${data().chip.command} --stage ${stageNames()[at.stage]} --batch ${batches[at.batch]} --layers ${data().chip.layers}${change}`;
    },
  };

  /* 7: a token of a language model. */
  const { rows: tokens, cap_W: cardCap, tokens: cached } = data().token;
  const kinds = (key) => [...new Set(tokens.map((row) => row[key]))];
  const [passes, forms] = [kinds("pass"), kinds("form")];
  const tokenAt = (pass, form) => tokens.find((row) => row.pass === passes[pass] && row.form === forms[form]);
  const total = (watts) => Object.values(watts).reduce((sum, value) => sum + value, 0);
  hwsim.tour.token = {
    knobs: [
      ["radios", "pass", "The model is", passes, 0],
      ["radios", "form", "Weights in", forms, 0],
    ],
    draw(part, at) {
      const shown = forms.map((_, form) => tokenAt(at.pass, form));
      const names = Object.keys(hwsim.site.components).filter((name) => shown.some((row) => row.watts[name] > 0.004 * total(row.watts)));
      hwsim.plot(box(part, "a"), names.map((name) => ({
        type: "bar", orientation: "h", name: hwsim.site.components[name].label, y: forms, hoverinfo: "skip",
        x: shown.map((row) => (row.energy_J * (row.watts[name] ?? 0)) / total(row.watts)),
        marker: { color: hwsim.colour(component(name)), line: { width: 0 }, opacity: forms.map((_, form) => (form === at.form ? 1 : 0.45)) },
      })), {
        barmode: "stack", margin: { l: 104, r: 12, t: 6, b: 44 },
        xaxis: { title: { text: "J per token", font: { size: 12.5 } }, rangemode: "tozero" },
        yaxis: { autorange: "reversed", showgrid: false },
      });
      const row = tokenAt(at.pass, at.form);
      hwsim.powerStack(box(part, "watts"), row.watts, cardCap, 1.2 * cardCap);
      const bound = row.clock < 1 ? `the cap lowers the clock to ${percent(row.clock)}` : `the cap of ${cardCap} W does not lower the clock`;
      return [strong(`${passes[at.pass]}, ${forms[at.form]}: `), `${engineering(row.energy_J, "J")} per token, ${engineering(row.tokens_per_s)} tokens per second; ${bound}.`];
    },
    facts() {
      const saved = (pass) => `${times(tokenAt(pass, 0).energy_J / tokenAt(pass, forms.length - 1).energy_J)} less`;
      return { alone: saved(0), batch: saved(1), reading: saved(2), clock: percent(tokenAt(2, 0).clock), writing: percent(tokenAt(0, 0).clock), power: engineering(total(tokenAt(0, 0).watts), "W") };
    },
    command: (at) => `hwsim run ${data().token.card} ${data().token.model} ${at.pass === 2 ? `--prompt ${cached}` : `--context ${cached} --batch ${[1, 64][at.pass]}`} --weights ${["bf16", "bf16-huffman", "int8", "int4-g128"][at.form]}`,
  };
})();
