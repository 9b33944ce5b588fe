"use strict";
/* Simulated points: columns of doubles behind an index by the position of every control. */
(() => {
  const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const loading = {};

  class Grid {
    constructor(packed, axes) {
      this.sizes = hwsim.site.axes.map((axis) => axes[axis].length);
      this.index = new Uint16Array(bytes(packed.index).buffer);
      this.numbers = {};
      for (const [name, text] of Object.entries(packed.numbers)) this.numbers[name] = new Float64Array(bytes(text).buffer);
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
      const point = { energy: {}, components: {}, total: this.totals[row] };
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

    /* Fixed limits of axes: the least and the most over all points of the network. */
    get limits() {
      if (!this._limits) {
        const found = { total: [Infinity, 0], component: [Infinity, 0], power: 0 };
        for (let row = 0; row < this.rows; row += 1) {
          const { total, components, power } = this.point(row);
          found.total = [Math.min(found.total[0], total), Math.max(found.total[1], total)];
          found.power = Math.max(found.power, power);
          for (const joules of Object.values(components)) {
            if (joules > 0) found.component = [Math.min(found.component[0], joules), Math.max(found.component[1], joules)];
          }
        }
        this._limits = found;
      }
      return this._limits;
    }
  }

  /* Load the points of a network, once: a script, for a page opened from disk may read nothing else. */
  hwsim.grid = (name) => {
    loading[name] ??= new Promise((resolve, reject) => {
      const script = hwsim.make("script", { src: `grid-${name}.js` });
      script.addEventListener("load", () => {
        resolve(new Grid(hwsim.grids[name], hwsim.site.networks[name].axes));
        delete hwsim.grids[name];
      });
      script.addEventListener("error", () => reject(new Error(`grid-${name}.js is missing`)));
      document.head.append(script);
    });
    return loading[name];
  };

  /* The command that simulates a point. */
  hwsim.commandOf = (name, place) => {
    const { command, layers, axes } = hwsim.site.networks[name];
    const words = [command, "--stage", axes.stage[place.stage].label, "--batch", axes.batch[place.batch].label];
    if (layers) words.push("--layers", layers);
    for (const axis of hwsim.site.axes) words.push(...axes[axis][place[axis]].options);
    return words.join(" ");
  };
})();
