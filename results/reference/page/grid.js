"use strict";
/* Simulated points: columns of numbers behind an index by the position of every control. */
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const loading = {};
  /* Columns of zeros are not in the file. */
  const NOTHING = { pinned_B: 0, activations_B: 0, buffers_B: 0, weight_bits: 0, activation_bits: 0, computing: 0, loading: 0, stalled: 0, throttled: 0, power_gated: 0 };

  class Grid {
    constructor(packed, axes) {
      this.sizes = hwsim.site.axes.map((axis) => axes[axis].length);
      this.index = new Uint16Array(bytes(packed.index).buffer);
      this.numbers = {};
      for (const [name, text] of Object.entries(packed.numbers)) this.numbers[name] = new Float32Array(bytes(text).buffer);
      this.texts = {};
      for (const [name, { values, codes }] of Object.entries(packed.texts)) this.texts[name] = { values, codes: bytes(codes) };
      this.refused = packed.refused;
      this.energies = Object.keys(this.numbers).filter((name) => name.includes("|"));
      this.rows = this.numbers.inferences_per_s.length;
      this.totals = Float64Array.from({ length: this.rows }, (_, row) => this.energies.reduce((sum, name) => sum + this.numbers[name][row], 0));
    }

    /* The point at positions {stage, sram, dram, node, cap, batch}: figures, or {refused: why}. */
    at(place) {
      const flat = hwsim.site.axes.reduce((sum, axis, number) => sum * this.sizes[number] + place[axis], 0);
      const row = this.index[flat];
      if (row >= this.rows) return { refused: this.refused[0xffff - row] };
      return this.point(row);
    }

    point(row) {
      const point = { ...NOTHING, energy: {}, components: {}, total: this.totals[row] };
      for (const [name, column] of Object.entries(this.numbers)) {
        if (!name.includes("|")) point[name] = column[row];
      }
      for (const name of this.energies) {
        const [, component] = name.split("|");
        point.energy[name] = this.numbers[name][row];
        point.components[component] = (point.components[component] ?? 0) + this.numbers[name][row];
      }
      for (const [name, { values, codes }] of Object.entries(this.texts)) point[name] = values[codes[row]];
      point.power = point.total * point.inferences_per_s;
      return point;
    }
  }

  hwsim.grid = (name) => {
    loading[name] ??= hwsim.load(`grid-${name}.js`).then(() => {
      const grid = new Grid(hwsim.grids[name], hwsim.site.networks[name].axes);
      delete hwsim.grids[name];
      return grid;
    });
    return loading[name];
  };

  /* The command that simulates a point. */
  hwsim.commandOf = (name, place) => {
    const { command, layers, axes } = hwsim.site.networks[name];
    const words = [command];
    for (const axis of hwsim.site.axes) words.push(...axes[axis][place[axis]].options);
    if (layers) words.push("--layers", layers);
    return words.join(" ");
  };
})();
