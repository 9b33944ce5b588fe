"use strict";
/* The story: a weight travels from DRAM to a multiplier while the joules run up, then once more, compressed. */
(() => {
  const { make, pico } = hwsim;
  const told = () => hwsim.site.story;
  const WIDTH = 366;
  const HEIGHT = 430;
  const TOP = 40; // the meter's scale runs from here
  const BOTTOM = 404;
  const COLUMNS = { dense: 238, huffman: 300 };

  /* Where the weight is at each place of its way. */
  const PLACES = { dram: [166, 41], sram: [162, 187], decoder: [130, 249], register: [162, 316], mac: [178, 365], rest: [178, 365] };

  /* What a stop adds to the meter. */
  const joulesAt = (pass, stop) => {
    const { stops_pJ: stops, total_pJ: total } = told().passes[pass];
    if (stop === "rest") return total - Object.values(stops).reduce((sum, value) => sum + value, 0);
    return stops[stop] ?? 0;
  };

  /* Steps as the text has them: {element, pass, at, adds, before}; `before` is the meter when it begins. */
  const stepsOf = (section) => {
    const sums = { dense: 0, huffman: 0 };
    return [...section.querySelectorAll(".step")].map((element) => {
      const { pass, at, adds = "" } = element.dataset;
      const before = sums[pass];
      const joules = adds.split(" ").filter(Boolean).reduce((sum, stop) => sum + joulesAt(pass, stop), 0);
      sums[pass] += joules;
      const meter = element.querySelector(".meter");
      if (meter) meter.replaceChildren(make("b", {}, `+ ${pico(joules)}`), make("span", {}, `${pico(sums[pass])} so far`));
      return { element, pass, at, before, after: sums[pass], adds: adds.split(" ").filter(Boolean) };
    });
  };

  const text = (x, y, said, cls = "tick", extra = {}) => make("text", { x, y, class: cls, "text-anchor": "middle", ...extra }, said);

  /* The scene: DRAM above, the die below with SRAM, decoder, register and multiplier, and the meter beside. */
  const scene = () => {
    const { components } = hwsim.site;
    const part = (name, x, y, width, height, label, colour) => {
      const group = make("g", { class: "place", "data-place": name });
      group.append(make("rect", { x, y, width, height, rx: 6, fill: colour }), text(x + width / 2, y + height / 2 + 4.5, label, "place-label"));
      return group;
    };
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "scene", role: "img", "aria-label": "A weight on its way from DRAM through the on-chip memory and a register to a multiplier, and a meter of its energy" });
    svg.append(
      make("rect", { x: 8, y: 132, width: 200, height: 276, rx: 12, class: "die" }),
      text(34, 152, "chip", "on-die-label"),
      make("path", { d: "M108 62 V132", class: "wire far" }), make("path", { d: "M108 132 V166 M152 208 V300 M66 208 V234 M66 264 V300 M108 332 V346", class: "wire" }),
      part("dram", 20, 18, 176, 46, "DRAM", components.dram.colour),
      part("sram", 24, 166, 168, 42, "SRAM", components.sram.colour),
      part("decoder", 24, 234, 84, 30, "decoder", components.decoder.colour),
      part("register", 24, 300, 168, 32, "register", components.register.colour),
      part("mac", 60, 346, 96, 38, "×  +", components.mac.colour),
    );
    const most = told().passes.dense.total_pJ;
    const top = (value) => BOTTOM - ((BOTTOM - TOP) * value) / most;
    svg.append(text((COLUMNS.dense + COLUMNS.huffman) / 2 + 17, 14, "pJ per weight, to scale", "tick"));
    const bars = {};
    for (const [pass, x] of Object.entries(COLUMNS)) {
      bars[pass] = make("g", {});
      svg.append(make("rect", { x, y: TOP, width: 34, height: BOTTOM - TOP, class: "gauge" }), bars[pass], text(x + 17, HEIGHT - 10, pass === "dense" ? "dense" : "compressed", "tick"));
    }
    const weight = make("g", { class: "weight" });
    svg.append(weight);
    return { svg, bars, weight, top };
  };

  /* One column of the meter: what each stop has added, up to `reached` picojoules. */
  const fill = ({ bars, top }, pass, reached) => {
    const { components } = hwsim.site;
    let low = 0;
    const drawn = [];
    for (const [stop, colour] of [["dram", "dram"], ["decoder", "decoder"], ["sram", "sram"], ["register", "register"], ["mac", "mac"], ["rest", "static"]]) {
      const high = Math.min(low + joulesAt(pass, stop), reached);
      if (high > low) drawn.push(make("rect", { x: COLUMNS[pass], y: top(high), width: 34, height: top(low) - top(high), fill: components[colour].colour }));
      low = Math.max(high, low);
    }
    bars[pass].replaceChildren(...drawn, ...(reached > 0 ? [text(COLUMNS[pass] + 17, Math.max(top(reached) - 7, TOP - 6), pico(reached), "meter-label")] : []));
  };

  /* The weight as its bits: 32 squares, or the few that a compressed one has. */
  const bits = (pass) => Math.max(Math.round(pass === "dense" ? told().passes.dense.bits_per_weight : told().passes.huffman.bits_per_kept_weight), 1);
  const place = (weight, pass, [x, y]) => {
    const count = bits(pass);
    const across = pass === "dense" ? 8 : Math.ceil(Math.sqrt(count));
    const rows = Math.ceil(count / across);
    weight.replaceChildren(make("rect", { x: x - across * 2.5 - 3, y: y - rows * 2.5 - 3, width: across * 5 + 5, height: rows * 5 + 5, rx: 3, class: "parcel" }),
      ...Array.from({ length: count }, (_, bit) => make("rect", { x: x + ((bit % across) - across / 2) * 5 + 0.5, y: y + (Math.floor(bit / across) - rows / 2) * 5 + 0.5, width: 4, height: 4, class: "bit" })));
  };

  const facts = (section) => {
    const { passes, weights, sram_B: sram, word_pJ: word } = told();
    const { dense, huffman } = passes;
    const network = hwsim.site.networks[told().network];
    const error = (stage) => (network?.errors[stage] ? `${network.errors[stage].top1_error_pct.toFixed(2)}%` : "the published");
    const said = {
      word: pico(word), mac: pico(dense.stops_pJ.mac), ratio: hwsim.times(dense.stops_pJ.dram / dense.stops_pJ.mac), "word-ratio": hwsim.times(word / dense.stops_pJ.mac),
      total: pico(dense.total_pJ), small: pico(huffman.total_pJ), less: hwsim.times(dense.total_pJ / huffman.total_pJ),
      weights: hwsim.engineering(weights), bytes: hwsim.engineering(dense.stored_B, "B"), "small-bytes": hwsim.engineering(huffman.stored_B, "B"), smaller: hwsim.times(dense.stored_B / huffman.stored_B),
      bits: String(bits("dense")), "small-bits": String(bits("huffman")), "mean-bits": huffman.bits_per_weight.toFixed(2), kept: `${Math.round(10 * huffman.kept)} of 10`, home: huffman.home, sram: `${sram / 2 ** 20} MiB`,
      error: error("dense"), "small-error": error("huffman"), "rest-dense": pico(joulesAt("dense", "rest")),
    };
    for (const [name, value] of Object.entries(said)) for (const at of section.querySelectorAll(`[data-fact="${name}"]`)) at.textContent = value;
  };

  hwsim.startStory = () => {
    const section = hwsim.byId("story");
    facts(section);
    const steps = stepsOf(section);
    const drawn = scene();
    const running = hwsim.byId("running");
    section.querySelector(".stage").prepend(drawn.svg);
    const still = matchMedia("(prefers-reduced-motion: reduce)");
    let waiting = false;
    const show = () => {
      waiting = false;
      if (section.hidden) return;
      const line = innerHeight * (innerWidth <= 900 ? 0.78 : 0.55);
      let [number, share] = [0, 0];
      steps.forEach(({ element }, at) => {
        const { top, height } = element.getBoundingClientRect();
        if (top <= line) [number, share] = [at, Math.min((line - top) / height, 1)];
      });
      const step = steps[number];
      const moved = still.matches ? 1 : Math.min(share * 1.8, 1);
      const reached = step.before + (step.after - step.before) * moved;
      const [from, to] = [PLACES[steps[number - 1]?.pass === step.pass ? steps[number - 1].at : step.at], PLACES[step.at]];
      place(drawn.weight, step.pass, [0, 1].map((axis) => from[axis] + (to[axis] - from[axis]) * moved));
      fill(drawn, "dense", step.pass === "dense" ? reached : told().passes.dense.total_pJ);
      fill(drawn, "huffman", step.pass === "dense" ? 0 : reached);
      running.textContent = `${step.pass === "dense" ? "dense" : "compressed"}: ${pico(reached)}`;
      for (const { element } of steps) element.classList.toggle("now", element === step.element);
      for (const element of drawn.svg.querySelectorAll(".place")) element.classList.toggle("now", [step.at, ...step.adds].includes(element.dataset.place));
      drawn.svg.classList.toggle("compressed", step.pass !== "dense");
      section.dataset.pj = reached;
    };
    const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(show); } };
    addEventListener("beforeprint", () => Object.entries(told().passes).forEach(([pass, found]) => fill(drawn, pass, found.total_pJ)));
    addEventListener("afterprint", show);
    addEventListener("scroll", soon, { passive: true });
    addEventListener("resize", soon);
    hwsim.views.push(show);
  };
})();
