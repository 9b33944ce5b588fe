"use strict";
/* Charts drawn as plain SVG: lines and dots over two axes, columns, and rows of bars that are to scale. */
(() => {
  const make = hwsim.make;
  const HEIGHT = 300;

  /* An axis: {range: [low, high], log, ticks: [[value, label]], title}. Gives a value's share of the axis. */
  const scaleOf = ({ range: [low, high], log }) => (value) =>
    log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);

  /* Round ticks of a linear axis from zero. */
  hwsim.ticks = (high, unit, count = 4) => {
    const rough = high / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((found) => found >= rough * 0.999);
    return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, number) => [number * step, hwsim.engineering(number * step, unit)]);
  };

  const text = (x, y, said, extra = {}) => make("text", { x, y, class: "tick", ...extra }, said);

  /* Frame with axes; gives the SVG, where a value lies, and the plot's box. */
  const frame = (holder, { x, y, label, height = HEIGHT, left = 58 }) => {
    const width = Math.max(holder.clientWidth, 260);
    const box = { left, right: width - 14, top: 14, bottom: height - (x.title ? 44 : 28) };
    const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": label });
    const [atX, atY] = [scaleOf(x), scaleOf(y)];
    const place = ([a, b]) => [box.left + (box.right - box.left) * atX(a), box.bottom - (box.bottom - box.top) * atY(b)];
    for (const [value, said] of y.ticks) {
      const [, at] = place([x.range[0], value]);
      svg.append(make("line", { x1: box.left, x2: box.right, y1: at, y2: at, class: "gridline" }), text(box.left - 7, at + 4, said, { "text-anchor": "end" }));
    }
    const most = Math.max(Math.floor((box.right - box.left) / 58), 2);
    const every = Math.ceil(x.ticks.length / most);
    x.ticks.forEach(([value, said], number) => {
      if (number % every) return;
      const [at] = place([value, y.range[0]]);
      said.split("\n").forEach((line, row) => svg.append(text(at, box.bottom + 18 + 14 * row, line, { "text-anchor": "middle" })));
    });
    if (x.title) svg.append(text((box.left + box.right) / 2, height - 6, x.title, { "text-anchor": "middle", class: "tick title" }));
    return { svg, place, box };
  };

  /* What is drawn above the frame is cut off there, as a magnified figure is. */
  let clips = 0;
  const clipped = (svg, { left, right, top, bottom }) => {
    const id = `clip-${(clips += 1)}`;
    const clip = document.createElementNS("http://www.w3.org/2000/svg", "clipPath");
    clip.setAttribute("id", id);
    clip.append(make("rect", { x: left - 9, y: top - 9, width: right - left + 18, height: bottom - top + 18 }));
    const inside = make("g", { "clip-path": `url(#${id})` });
    svg.append(clip, inside);
    return inside;
  };

  /* Lines: series [{name, colour, points: [[x, y]], width, dots}], marks [{at, colour, label}], rules [x]. */
  hwsim.lines = (holder, { series, marks = [], rules = [], ...axes }) => {
    const { svg, place, box } = frame(holder, axes);
    const inside = clipped(svg, box);
    for (const rule of rules) {
      const [at] = place([rule, axes.y.range[0]]);
      inside.append(make("line", { x1: at, x2: at, y1: box.top, y2: box.bottom, class: "rule" }));
    }
    for (const { colour, points, width = 2, dots = 0, dash = "" } of series) {
      const path = points.map((point, number) => `${number ? "L" : "M"}${place(point).map((value) => value.toFixed(1)).join(" ")}`).join("");
      inside.append(make("path", { d: path, fill: "none", stroke: colour, "stroke-width": width, "stroke-linejoin": "round", "stroke-dasharray": dash }));
      if (dots) for (const point of points) inside.append(dot(place(point), dots, colour));
    }
    for (const { at, colour, label, ring } of marks) {
      const [x, y] = place(at);
      inside.append(ring ? make("circle", { cx: x, cy: y, r: 9, fill: "none", stroke: colour, "stroke-width": 2.5 }) : dot([x, y], 6.5, colour));
      const above = Math.max(y, box.top + 12) - 13;
      if (label) svg.append(make("text", { x: Math.min(Math.max(x, box.left + 12), box.right - 12), y: above < box.top ? Math.max(y, box.top) + 24 : above, class: "mark-label", "text-anchor": "middle" }, label));
    }
    const named = series.filter(({ name }) => name);
    holder.replaceChildren(svg, ...(named.length ? [legend(named)] : []));
  };

  const dot = ([cx, cy], r, fill) => make("circle", { cx, cy, r, fill, class: "dot" });

  const legend = (entries) => make("ul", { class: "key" }, ...entries.map(({ name, colour }) =>
    make("li", {}, make("span", { class: "swatch", style: `background:${colour}` }), name)));

  /* Columns: [{at, value, colour, label}] of one width. */
  hwsim.columns = (holder, { columns, share = 0.8, step = 1, rules = [], ...axes }) => {
    const { svg, place, box } = frame(holder, axes);
    const inside = clipped(svg, box);
    for (const { at, value, colour, label } of columns) {
      const [left, top] = place([at - (step * share) / 2, value]);
      const [right] = place([at + (step * share) / 2, value]);
      inside.append(make("rect", { x: left, y: top, width: Math.max(right - left, 0.5), height: Math.max(box.bottom - top, 0), fill: colour }));
      if (label && right - left > 14) svg.append(text((left + right) / 2, top - 5, label, { "text-anchor": "middle", class: "tick small" }));
    }
    for (const rule of rules) {
      const [, at] = place([axes.x.range[0], rule]);
      inside.append(make("line", { x1: box.left, x2: box.right, y1: at, y2: at, class: "rule" }));
    }
    holder.replaceChildren(svg);
  };

  /* Rows of bars to scale: [{label, bars: [{parts: [[share, colour, title]], pale, said}], note, key}].
     Shares are of the full width; a bar that is longer, as under a magnifier, ends torn. */
  hwsim.rows = (holder, rows) => holder.replaceChildren(...rows.map(({ label, bars, key = "", off }) => make("div", { class: off ? "row off" : "row", "data-row": key },
    make("span", { class: "name" }, label),
    make("div", { class: "bars" }, ...bars.map(({ parts, pale, said }) => {
      const whole = parts.reduce((sum, [share]) => sum + share, 0);
      const long = whole > 1 + 1e-9;
      let left = 0;
      const drawn = parts.map(([share, colour, title]) => {
        const shown = Math.max(Math.min(share, 1 - left), 0);
        left += share;
        return make("span", { class: "part", style: `width:${100 * shown}%;background:${colour}`, title: title ?? "" });
      });
      return make("div", { class: `bar${pale ? " pale" : ""}` }, make("div", { class: long ? "track torn" : "track", "aria-hidden": "true" }, ...drawn), make("span", { class: "said" }, said));
    })))));
})();
