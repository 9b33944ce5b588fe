"use strict";
/* The page's one global: data that scripts hand over, and helpers that everything uses. */
const hwsim = { site: {}, grids: {}, lessons: {}, shapes: {}, views: [] };

/* Numbers as people read them: three digits and an SI prefix, as in the tables of `hwsim run`. */
hwsim.engineering = (value, unit = "") => {
  if (value === 0) return `0 ${unit}`.trim();
  const rounded = Number(value.toPrecision(3));
  const exponent = Math.min(Math.max(3 * Math.floor(Math.log10(Math.abs(rounded)) / 3 + 1e-12), -15), 15);
  const prefix = { "-15": "f", "-12": "p", "-9": "n", "-6": "µ", "-3": "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P" }[exponent];
  return `${Number((rounded / 10 ** exponent).toPrecision(3))} ${prefix}${unit}`.trim();
};

hwsim.percent = (share) => {
  const points = 100 * share;
  if (points > 0 && points < 1) return "<1%";
  if (points < 100 && points > 99) return ">99%";
  return `${Math.round(points)}%`;
};

/* Picojoules of one thing, as whole as they are large. */
hwsim.pico = (value) => `${value >= 100 ? Math.round(value).toLocaleString("en") : value >= 10 ? value.toFixed(1) : value.toFixed(2)} pJ`;

hwsim.times = (ratio) => `${ratio >= 9.95 ? Math.round(ratio).toLocaleString("en") : ratio.toFixed(1)}×`;

/* Elements: hwsim.make("p", { class: "note" }, "text", child, ...). */
hwsim.make = (tag, attributes = {}, ...children) => {
  const svg = ["svg", "rect", "text", "path", "g", "line", "title", "circle"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

hwsim.byId = (id) => document.getElementById(id);

/* Theme: the system's, unless the reader chose one. */
hwsim.isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
};

hwsim.css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/* A colour of the figures; ink turns light on a dark page, all others stay what they are. */
hwsim.colour = (hex) => (hex === hwsim.site.ink && hwsim.isDark() ? hwsim.css("--ink") : hex);

hwsim.redraw = () => hwsim.views.forEach((view) => view());

hwsim.startTheme = () => {
  const button = hwsim.byId("theme");
  const say = () => {
    button.textContent = hwsim.isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${hwsim.isDark() ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = hwsim.isDark() ? "light" : "dark";
    say();
    hwsim.redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { say(); hwsim.redraw(); });
  say();
};

/* A button that copies a command; the command wraps instead of overflowing. */
hwsim.command = (text) => {
  const button = hwsim.make("button", { type: "button", class: "copy" }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(button.previousSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1200);
  });
  return hwsim.make("div", { class: "command" }, hwsim.make("code", {}, text), button);
};

/* Load a script of data, once: a page opened from disk may read nothing else. */
const loaded = {};
hwsim.load = (file) => {
  loaded[file] ??= new Promise((resolve, reject) => {
    const script = hwsim.make("script", { src: file });
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => reject(new Error(`${file} is missing`)));
    document.head.append(script);
  });
  return loaded[file];
};

/* Controls. A radio group is one tab stop that arrow keys move through; a slider has fixed stops. */
hwsim.radios = (name, legend, choices, start, onChange) => {
  const box = hwsim.make("fieldset", { class: "control", "data-control": name }, hwsim.make("legend", {}, legend));
  const row = hwsim.make("div", { class: "segments" });
  choices.forEach((choice, place) => {
    const input = hwsim.make("input", { type: "radio", name, value: place, id: `${name}-${place}` });
    input.checked = place === start;
    input.addEventListener("change", () => onChange(place));
    row.append(input, hwsim.make("label", { for: `${name}-${place}` }, choice));
  });
  box.append(row);
  box.hidden = choices.length < 2;
  box.set = (place) => { row.querySelectorAll("input").forEach((input) => { input.checked = Number(input.value) === place; }); };
  return box;
};

hwsim.slider = (name, legend, choices, start, onChange) => {
  const shown = hwsim.make("output", { for: name });
  const input = hwsim.make("input", { type: "range", id: name, min: 0, max: choices.length - 1, step: 1 });
  const say = () => {
    shown.textContent = choices[input.value];
    input.setAttribute("aria-valuetext", choices[input.value]);
  };
  const ends = hwsim.make("div", { class: "ends", "aria-hidden": "true" },
    hwsim.make("span", {}, choices[0]), hwsim.make("span", {}, choices[choices.length - 1]));
  const head = hwsim.make("div", { class: "head" }, hwsim.make("label", { for: name }, legend), shown);
  const box = hwsim.make("div", { class: "control", "data-control": name }, head, input, ends);
  input.value = start;
  box.hidden = choices.length < 2;
  say();
  input.addEventListener("input", () => { say(); onChange(Number(input.value)); });
  box.set = (place) => { input.value = place; say(); };
  return box;
};

/* The magnifier: how many times larger than to scale a figure is drawn. */
hwsim.MAGNIFIED = [1, 10, 100];
hwsim.magnifier = (name, onChange) => hwsim.radios(name, "Magnifier", hwsim.MAGNIFIED.map((factor) => (factor === 1 ? "to scale" : `${factor}×`)), 0, (place) => onChange(hwsim.MAGNIFIED[place]));
