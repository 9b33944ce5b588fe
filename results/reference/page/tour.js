"use strict";
/* The tour's frame: each lesson has knobs, a figure, a sentence that says what it shows, and facts for its answers. */
(() => {
  /* A lesson: {knobs: [[kind, name, legend, choices, start]], draw(part, at) -> sentence, facts(), command(at)}. */
  hwsim.tour = {};

  const start = (id, lesson) => {
    const part = hwsim.byId(id);
    const at = {};
    const draw = async () => {
      if (part.closest("main > section").hidden) return;
      const said = await lesson.draw(part, at);
      part.querySelector(".say").replaceChildren(...[said].flat());
      part.querySelector(".reproduce").replaceChildren(hwsim.command(lesson.command(at)));
      for (const [fact, text] of Object.entries(await lesson.facts())) {
        for (const place of part.querySelectorAll(`[data-fact="${fact}"]`)) place.textContent = text;
      }
    };
    for (const [kind, name, legend, choices, first] of lesson.knobs) {
      at[name] = first;
      part.querySelector(".knobs").append(hwsim[kind](`${id}-${name}`, legend, choices, first, (place) => { at[name] = place; draw(); }));
    }
    hwsim.views.push(draw);
  };

  /* The lessons' data is loaded when the first of them is opened. */
  let started = null;
  hwsim.startTour = () => hwsim.views.push(async () => {
    if (started || !document.querySelector("main > section.lesson:not([hidden])")) return;
    started = hwsim.load("lessons.js").then(() => hwsim.load("tour_figures.js"));
    await started;
    const before = hwsim.views.length;
    Object.entries(hwsim.tour).forEach(([id, lesson]) => start(id, lesson));
    hwsim.views.slice(before).forEach((view) => view());
  });
})();
