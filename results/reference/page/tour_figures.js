"use strict";
/* The figures of the lessons. Each opens on the case that its title promises. */
(() => {
  const { make, engineering, percent, times } = hwsim;
  const pJ = (value) => engineering(1e-12 * value, "J");
  const strong = (text) => make("strong", {}, text);
  const component = (name) => hwsim.site.components[name].colour;
  const data = () => hwsim.lessons.tour;
  const box = (part, name) => part.querySelector(`.${name}`);
  const STAGES = ["dense", "pruned", "shared", "huffman", "int8"];
  const stageLabels = () => STAGES.map((name) => hwsim.site.stages[name].label);
  const whole = (count) => count.toLocaleString("en");
  const counts = (values, format = whole) => values.map((value) => [value, format(value)]);
  const MAGNIFIER = ["radios", "magnifier", "Magnifier", hwsim.MAGNIFIED.map((factor) => (factor === 1 ? "to scale" : `${factor}×`)), 0];
  const magnified = (at) => hwsim.MAGNIFIED[at.magnifier];

  /* 1: reuse. */
  const drams = Object.keys(data().dram.word_pJ);
  hwsim.tour.dram = {
    knobs: [
      ["radios", "dram", "DRAM", drams, 0],
      ["slider", "reuse", "Uses of each DRAM word", data().dram.reuses.map(whole), 0],
      MAGNIFIER,
    ],
    draw(part, at) {
      const { rungs, mac_pJ: mac, multiply_pJ: multiply, word_pJ: words, reuses } = data().dram;
      const groups = { arithmetic: component("mac"), "on chip": component("sram"), DRAM: component("dram") };
      const shown = rungs.map((rung) => (rung.label === "DRAM" ? { ...rung, label: `DRAM, ${drams[at.dram]}`, energy_pJ: words[drams[at.dram]] } : rung));
      const most = Math.max(...Object.values(words)) / magnified(at);
      hwsim.rows(box(part, "a"), shown.map((rung) => ({
        key: rung.label, label: rung.label,
        bars: [{ parts: [[rung.energy_pJ / most, groups[rung.group]]], said: `${pJ(rung.energy_pJ)} · ${rung.energy_pJ < multiply ? `${(rung.energy_pJ / multiply).toFixed(2)}×` : times(rung.energy_pJ / multiply)}` }],
      })));
      const [word, uses] = [words[drams[at.dram]], reuses[at.reuse]];
      const top = 1e-12 * most;
      hwsim.lines(box(part, "b"), {
        label: `Energy per multiply-add: the DRAM word costs ${pJ(word / uses)} of it after ${whole(uses)} uses, the arithmetic ${pJ(mac)}`,
        x: { range: [0.8, reuses[reuses.length - 1] * 1.2], log: true, ticks: counts(reuses), title: "uses of each DRAM word" },
        y: { range: [0, top], ticks: hwsim.ticks(top, "J") },
        series: [
          { name: "DRAM", colour: component("dram"), width: 2.5, points: dense(reuses).map((count) => [count, (1e-12 * word) / count]) },
          { name: "multiply and add", colour: component("mac"), width: 2.5, points: reuses.map((count) => [count, 1e-12 * mac]) },
        ],
        marks: [{ at: [uses, (1e-12 * word) / uses], colour: component("dram") }, { at: [uses, 1e-12 * mac], colour: component("mac") }],
        rules: [uses],
      });
      const share = word / uses;
      return [strong(uses === 1 ? "Used once, " : `Used ${whole(uses)} times, `),
        `a ${drams[at.dram]} word costs ${pJ(share)} per multiply-add, ${share > mac ? `${times(share / mac)} as much as the arithmetic itself` : `${times(mac / share)} less than the arithmetic itself`} (${pJ(mac)}).`];
    },
    facts() {
      const { mac_pJ: mac, multiply_pJ: multiply, word_pJ: words } = data().dram;
      return { ratio: times(words.DDR3 / multiply).replace("×", ""), multiply: pJ(multiply), word: pJ(words.DDR3), mac: pJ(mac), even: String(Math.ceil(words.DDR3 / mac)), "even-hbm": String(Math.ceil(words.HBM2 / mac)) };
    },
    command: () => "hwsim energy --op dram_read_32b",
  };
  /* Points between powers of two, so that a curve is round. */
  const dense = (powers) => powers.flatMap((count, row) => (row + 1 < powers.length ? [1, 1.2, 1.45, 1.7].map((factor) => count * factor) : [count]));

  /* 2: pruning; what comes back has a box of its own. */
  const STEPS = ["dense", "pruned", "retrained"];
  const runs = data().pruning.runs;
  hwsim.tour.pruning = {
    knobs: [
      ["radios", "step", "Step", STEPS, 1],
      ["slider", "density", "Weights that stay", runs.map((run) => percent(run.density)), runs.findIndex((run) => run.density === 0.1)],
    ],
    draw(part, at) {
      const run = runs[at.density];
      const step = run.steps[STEPS[at.step]];
      const { centres, weights, images, held_out: others } = data().pruning;
      const most = 1.08 * Math.max(...step.counts);
      hwsim.columns(box(part, "a"), {
        label: `Histogram of the weights of the first layer that are not zero, ${STEPS[at.step]}: ${whole(step.zeros)} are zero`,
        x: { range: [-0.2, 0.2], ticks: counts([-0.2, -0.1, 0, 0.1, 0.2], (value) => String(value).replace("-", "−")), title: "value of a weight (zeros left out)" },
        y: { range: [0, most], ticks: hwsim.ticks(most, "") },
        columns: step.counts.map((value, row) => ({ at: centres[row], value, colour: component("mac") })), step: centres[1] - centres[0], share: 1,
      });
      const worst = 1.25 * Math.max(...STEPS.map((name) => run.steps[name].error_pct));
      hwsim.columns(box(part, "b"), {
        label: `Error at each step: ${STEPS.map((name) => `${name} ${run.steps[name].error_pct}%`).join(", ")}`,
        x: { range: [-0.6, 2.6], ticks: STEPS.map((name, row) => [row, name]) },
        y: { range: [0, worst], ticks: hwsim.ticks(worst, "").map(([value, said]) => [value, `${said}%`]) },
        columns: STEPS.map((name, row) => ({ at: row, value: run.steps[name].error_pct, colour: row === at.step ? component("dram") : hwsim.css("--muted"), label: `${run.steps[name].error_pct}%` })), share: 0.45,
      });
      const kept = whole(Math.round(weights * run.density));
      const words = {
        dense: `The dense network has ${whole(weights)} weights and an error of ${step.error_pct}% on ${whole(others)} held-out images.`,
        pruned: run.density === 1 ? "With every weight kept, nothing changes." : `Only its ${kept} largest weights are left, and the error is ${step.error_pct}%.`,
        retrained: `Trained on ${run.density === 1 ? "with all weights" : `with the ${kept} that stay`}, it has an error of ${step.error_pct}% and takes ${engineering(run.stored_bytes, "B")}.`,
      }[STEPS[at.step]];
      return [strong(`LeNet-300-100, ${STEPS[at.step]}. `), `${words} `, make("span", { class: "why" }, `A short training on ${whole(images)} images.`)];
    },
    facts() {
      const of = (density) => runs.find((run) => run.density === density);
      return { shrink: (of(1).stored_bytes / of(0.1).stored_bytes).toFixed(1) };
    },
    command: () => "python -m experiments.page.lessons pruning",
  };

  /* Dense-sparse-dense: a box of its own, for it ends as large as it began. */
  const sparse = runs.filter((run) => run.density < 1);
  hwsim.tour.dsd = {
    knobs: [["slider", "density", "Weights that stay in the sparse period", sparse.map((run) => percent(run.density)), sparse.findIndex((run) => run.density === 0.5)]],
    draw(part, at) {
      const run = sparse[at.density];
      const before = run.steps.dense.error_pct;
      const same = runs.find(({ density }) => density === 1).steps["dense again"].error_pct;
      const found = run.steps["dense again"].error_pct;
      const bars = [["dense,\none period", before, hwsim.css("--muted")], ["dense,\nthree periods", same, hwsim.colour(hwsim.site.stages.dense.colour)], ["dense, sparse,\ndense", found, component("dram")]];
      const most = 1.3 * Math.max(...bars.map(([, value]) => value));
      hwsim.columns(box(part, "a"), {
        label: bars.map(([name, value]) => `${name.replace("\n", " ")}: error ${value}%`).join("; "), height: 260,
        x: { range: [-0.6, 2.6], ticks: bars.map(([name], row) => [row, name]), title: " " }, y: { range: [0, most], ticks: hwsim.ticks(most, "").map(([value, said]) => [value, `${said}%`]) },
        columns: bars.map(([, value, colour], row) => ({ at: row, value, colour, label: `${value}%` })), share: 0.45,
      });
      return [strong("The same time of training: "), `dense-sparse-dense has an error of ${found}%, the dense network ${same}%. Both are as large as at first.`];
    },
    facts() {
      const of = (density) => runs.find((run) => run.density === density);
      const [same, dsd] = [of(1).steps["dense again"].error_pct, of(0.5).steps["dense again"].error_pct];
      return { same: `${same}% error`, dsd: `${dsd}%${dsd > same ? " (worse, here)" : ""}` };
    },
    command: () => "python -m experiments.page.lessons pruning",
  };

  /* 3: sharing by hand, and convolution as sharing. */
  const matrix = (title, rows, text, tint) => make("div", { class: "matrix" }, make("h3", {}, title),
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
        const svg = make("svg", { viewBox: `0 0 ${convolution[0].length * cell} ${convolution.length * cell}`, class: "as-matrix", role: "img", "aria-label": "The convolution as a matrix: each row repeats the nine values of the kernel" });
        convolution.forEach((row, r) => row.forEach((value, c) => svg.append(make("rect", { x: c * cell + 0.5, y: r * cell + 0.5, width: cell - 1, height: cell - 1, rx: 1.5, style: value < 0 ? "fill:var(--faint)" : `fill:${nine(value)}` }))));
        holder.replaceChildren(matrix("The kernel", kernel, (value) => `w${value + 1}`, (r, c) => `background:${nine(kernel[r][c])};color:#222`), make("div", { class: "matrix wide" }, make("h3", {}, `As a matrix: ${convolution.length} outputs × ${size * size} inputs`), svg));
        return [strong("Nine weights, shared. "), `A 3 × 3 convolution of a ${size} × ${size} image multiplies by a matrix of ${convolution.length * size * size} entries that holds nine values.`];
      }
      const codebook = (title, values) => matrix(title, values.map((value) => [value]), signed, (r) => wash(r, 60));
      const parts = at.view === 0
        ? [matrix("Weights", weights, signed, group), matrix("Labels", found.labels, (label) => label.toString(2).padStart(found.bits, "0"), group), codebook("Codebook", found.codebook), matrix("As executed", found.labels, (label) => signed(found.codebook[label]), group)]
        : [matrix("Gradients", gradient, signed, group), codebook("Summed by group", found.gradient_sums), codebook("Codebook before", found.codebook), codebook("and after a step", found.tuned)];
      holder.replaceChildren(...parts);
      return at.view === 0
        ? [strong(`${found.bits} bit${found.bits > 1 ? "s" : ""} per label: `), `${found.stored_bits} bits instead of 512, ${(512 / found.stored_bits).toFixed(1)} times smaller; weights are off by ${found.rms_error.toFixed(2)} (root mean square).`]
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
      ["slider", "decoders", "Decoders on the chip", decoders.map(whole), 3],
    ],
    draw(part, at) {
      const code = data().huffman[at.skew];
      hwsim.columns(box(part, "a"), {
        label: `Code lengths of 16 labels: ${code.lengths.join(", ")} bits; ${code.mean_bits.toFixed(2)} bits on average`,
        x: { range: [-0.7, 15.7], ticks: [[0, "1st"], [5, "6th"], [10, "11th"], [15, "16th"]], title: "label, the most common first; its share on top" },
        y: { range: [0, 9.4], ticks: counts([0, 2, 4, 6, 8], (value) => `${value} bits`) },
        columns: code.lengths.map((value, row) => ({ at: row, value, colour: component("decoder"), label: percent(code.shares[row]) })), share: 0.75, rules: [4],
      });
      const rows = (stage) => data().decoder.filter((row) => row.stage === stage);
      const most = 1.08 * Math.max(...data().decoder.map((row) => row.inferences_per_s));
      hwsim.lines(box(part, "b"), {
        label: `Tokens per second of one layer by decoders: ${["shared", "huffman"].map((stage) => `${hwsim.site.stages[stage].label} ${rows(stage).map((row) => engineering(row.inferences_per_s)).join(", ")}`).join("; ")}`,
        x: { range: [decoders[0] / 1.2, decoders[decoders.length - 1] * 1.2], log: true, ticks: counts(decoders), title: "decoders" },
        y: { range: [0, most], ticks: hwsim.ticks(most, "") },
        series: ["shared", "huffman"].map((stage) => ({ name: hwsim.site.stages[stage].label, colour: hwsim.colour(hwsim.site.stages[stage].colour), dots: 5, width: 2.5, points: rows(stage).map((row) => [row.decoders, row.inferences_per_s]) })),
        rules: [decoders[at.decoders]],
        marks: ["shared", "huffman"].map((stage) => ({ at: [decoders[at.decoders], rows(stage)[at.decoders].inferences_per_s], ring: true, colour: hwsim.css("--ink") })),
      });
      const row = rows("huffman")[at.decoders];
      return [strong(`${code.mean_bits.toFixed(2)} bits per label `), `on average instead of 4; the entropy is ${code.entropy_bits.toFixed(2)}. With ${whole(row.decoders)} decoders the Huffman-coded layer makes ${engineering(row.inferences_per_s)} tokens per second at ${engineering(row.energy_J, "J")} each, limited by ${row.limiter === "decoder" ? "the decoders" : row.limiter}.`];
    },
    facts() {
      const of = (stage) => data().decoder.find((row) => row.stage === stage && row.decoders === 768);
      const [shared, coded] = [of("shared"), of("huffman")];
      const more = coded.energy_J / shared.energy_J - 1;
      return { flat: data().huffman[0].entropy_bits.toFixed(0), slower: percent(1 - coded.inferences_per_s / shared.inferences_per_s), energy: `${percent(Math.abs(more))} ${more > 0 ? "more" : "less"} energy`, limiter: coded.limiter };
    },
    command: (at) => `hwsim run reference_250w llama_layer_decode --stage huffman --set decoder.count=${decoders[at.decoders]}`,
  };

  /* 5: fitting on chip, from the explorer's own points. */
  const cliffs = ["lenet300", "alexnet_fc", "alexnet", "vgg16", "lstm"].filter((name) => name in hwsim.site.networks);
  const memories = cliffs.map((name) => hwsim.site.networks[name].axes.sram);
  const at5 = (at) => {
    const name = cliffs[at.network];
    return { name, place: { ...hwsim.site.networks[name].start, sram: Math.min(at.sram, memories[at.network].length - 1) } };
  };
  hwsim.tour["on-chip"] = {
    knobs: [
      ["radios", "network", "Network", cliffs.map((name) => hwsim.site.networks[name].label), 0],
      ["slider", "sram", "On-chip SRAM", Array.from({ length: Math.max(...memories.map((found) => found.length)) }, (_, place) => `step ${place + 1}`), hwsim.site.networks[cliffs[0]].start.sram],
      MAGNIFIER,
    ],
    async draw(part, at) {
      const { name, place } = at5(at);
      const grid = await hwsim.grid(name);
      const { axes, label, weight_bytes: bytes } = hwsim.site.networks[name];
      const memory = axes.sram[place.sram].label;
      part.querySelector("#on-chip-sram").setAttribute("aria-valuetext", memory);
      part.querySelector("[data-control='on-chip-sram'] output").textContent = memory;
      part.querySelector("[data-control='on-chip-sram'] .ends").replaceChildren(make("span", {}, axes.sram[0].label), make("span", {}, axes.sram[axes.sram.length - 1].label));
      hwsim.cliff(box(part, "a"), grid, name, place, [], magnified(at));
      const rows = axes.stage.map(({ label: stage }, number) => [stage, grid.at({ ...place, stage: number })]);
      const cells = rows.map(([stage, point]) => make("tr", { "data-stage": stage }, make("th", { scope: "row" }, hwsim.site.stages[stage].label), make("td", {}, engineering(bytes[stage], "B")),
        ...(point.refused ? ["not possible", "", ""] : [{ "on chip": "all", DRAM: "none" }[point.weights_home] ?? point.weights_home.replace(" on chip", ""), engineering(point.weight_bits / 8, "B"), engineering(point.total, "J")]).map((text) => make("td", {}, text))));
      box(part, "stages").replaceChildren(make("thead", {}, make("tr", {}, ...["stage", "weights", "on chip", "from DRAM", "energy"].map((head) => make("th", { scope: "col" }, head)))), make("tbody", {}, ...cells));
      const home = rows.filter(([, point]) => point.weights_home === "on chip").map(([stage]) => hwsim.site.stages[stage].spoken);
      return [strong(`${label}, ${memory} on chip: `), home.length === 0 ? "at no stage do all weights fit." : home.length === rows.length ? "the weights of every stage fit." : `all weights fit only if they are ${home.join("; or ")}.`];
    },
    async facts() {
      const name = "alexnet_fc";
      const grid = await hwsim.grid(name);
      const { start, axes, weight_bytes: bytes } = hwsim.site.networks[name];
      const home = axes.stage.filter((_, stage) => grid.at({ ...start, stage }).weights_home === "on chip").map(({ label }) => `${hwsim.site.stages[label].spoken} (${engineering(bytes[label], "B")})`);
      return { fits: home.length ? `Those that are ${home.join("; ")}.` : "None." };
    },
    command: (at) => { const { name, place } = at5(at); return hwsim.commandOf(name, place); },
  };

  /* 6: dark silicon. */
  const rows = data().capping;
  const all = (key) => [...new Set(rows.map((row) => row[key]))];
  const [caps, batches, ways] = [all("cap_W"), all("batch"), all("strategy")];
  const capping = (at) => rows.find((row) => row.stage === STAGES[at.stage] && row.batch === batches[at.batch] && row.cap_W === caps[at.cap] && row.strategy === ways[at.way]);
  const dark = (row) => row.shares.throttled + row.shares.power_gated;
  /* The lesson opens where most of the chip is dark at the cap that it ships with, tiles switched off. */
  const darkest = () => STAGES.map((_, stage) => ({ stage, batch: batches.length - 1, way: 1, cap: caps.indexOf(data().chip.cap_W) })).sort((a, b) => dark(capping(b)) - dark(capping(a)))[0];
  const squares = (share) => `${Math.round(48 * share)} of 48 tiles`;
  hwsim.tour.dark = {
    knobs: [
      ["radios", "stage", "Compression", stageLabels(), darkest().stage],
      ["radios", "batch", "Batch", batches.map(String), batches.length - 1],
      ["radios", "way", "The cap is kept by", ways, 1],
      ["slider", "cap", "Power cap", caps.map((cap) => `${cap} W`), caps.indexOf(data().chip.cap_W)],
    ],
    draw(part, at) {
      const row = capping(at);
      const capacity = data().chip.sram_B;
      hwsim.floorplan(box(part, "plan"), {
        shares: row.shares, weights: row.pinned_B / capacity, activations: row.other_B / capacity,
        dramW: row.watts.dram ?? 0, capW: row.cap_W, sram: data().chip.sram,
      });
      hwsim.powerBars(box(part, "power"), [{ title: "Watts", watts: row.watts, capW: row.cap_W }], caps[caps.length - 1]);
      part.dataset.rate = row.inferences_per_s;
      const state = dark(row) > 0.005 ? `${squares(dark(row))} are dark` : row.shares.stalled > 0.3 ? `${squares(row.shares.stalled)} stall` : "the cap does not bind";
      return [strong(`${stageLabels()[at.stage].replace("+ ", "pruned and ")}, batch ${row.batch}, ${row.cap_W} W: `), `${state}; ${engineering(row.inferences_per_s)} inferences per second, ${engineering(row.energy_J, "J")} each.`];
    },
    facts() {
      const of = (stage, batch, way) => rows.find((row) => row.stage === stage && row.batch === batch && row.cap_W === data().chip.cap_W && row.strategy === way);
      const alone = of("dense", 1, "dimming");
      const used = Object.values(alone.watts).reduce((sum, value) => sum + value, 0);
      const rates = ways.map((way) => of("pruned", 64, way)).sort((a, b) => b.inferences_per_s - a.inferences_per_s);
      return { stalled: squares(alone.shares.stalled), unused: engineering(data().chip.cap_W - used, "W"), best: rates[0].strategy, rates: `${rates.map((row) => `${row.strategy} ${engineering(row.inferences_per_s)}`).join(", ")} inferences per second` };
    },
    command: (at) => {
      if (ways[at.way] !== "dimming") return "python -m experiments.page.lessons capping"; // what `hwsim run` does is dimming
      const change = caps[at.cap] === data().chip.cap_W ? "" : ` --set power.cap_W=${caps[at.cap]}`;
      return `${data().chip.command} --stage ${STAGES[at.stage]} --batch ${batches[at.batch]} --layers ${data().chip.layers}${change}`;
    },
  };

  /* 7: a token of a language model. */
  const { rows: tokens, cap_W: cardCap, tokens: cached, forms: names } = data().token;
  const kinds = (key) => [...new Set(tokens.map((row) => row[key]))];
  const [passes, forms] = [kinds("pass"), kinds("form")];
  const tokenAt = (pass, form) => tokens.find((row) => row.pass === passes[pass] && row.form === forms[form]);
  const nominal = (row) => `${row.clock.toFixed(2)} of nominal`;
  const total = (watts) => Object.values(watts).reduce((sum, value) => sum + value, 0);
  hwsim.tour.token = {
    knobs: [
      ["radios", "pass", "The model is", passes, 0],
      ["radios", "form", "Weights in", forms, 0],
      MAGNIFIER,
    ],
    draw(part, at) {
      const shown = forms.map((_, form) => tokenAt(at.pass, form));
      const most = Math.max(...shown.map((row) => row.energy_J)) / magnified(at);
      const used = Object.keys(hwsim.site.components).filter((name) => shown.some((row) => row.watts[name] > 0));
      hwsim.rows(box(part, "a"), shown.map((row, form) => ({
        key: row.form, label: row.form, off: form !== at.form,
        bars: [{ parts: used.map((name) => [((row.watts[name] ?? 0) / total(row.watts)) * (row.energy_J / most), component(name), hwsim.site.components[name].label]), said: engineering(row.energy_J, "J") }],
      })));
      const row = tokenAt(at.pass, at.form);
      hwsim.powerBars(box(part, "power"), [{ title: "Watts", watts: row.watts, capW: cardCap }], 1.2 * cardCap);
      const bound = row.clock < 1 ? `the cap lowers the clock to ${nominal(row)}` : `the cap of ${cardCap} W does not lower the clock`;
      return [strong(`${passes[at.pass]}, ${forms[at.form]}: `), `${engineering(row.energy_J, "J")} per token, ${engineering(row.tokens_per_s)} tokens per second; ${bound}.`];
    },
    facts() {
      const saved = (pass) => `${times(tokenAt(pass, 0).energy_J / tokenAt(pass, forms.length - 1).energy_J)} less`;
      return { alone: saved(0), batch: saved(1), reading: saved(2), clock: nominal(tokenAt(2, 0)), writing: nominal(tokenAt(0, 0)), power: engineering(total(tokenAt(0, 0).watts), "W") };
    },
    command: (at) => `hwsim run ${data().token.card} ${data().token.model} ${at.pass === 2 ? `--prompt ${cached}` : `--context ${cached} --batch ${[1, 64][at.pass]}`} --weights ${names[at.form]}`,
  };
})();
