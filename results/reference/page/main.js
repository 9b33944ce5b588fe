"use strict";
/* Which part of the page is shown: the story, the explorer, your network or one lesson, by the address. */
(() => {
  const parts = () => [...document.querySelectorAll("main > section")];

  const route = () => {
    const wanted = location.hash.slice(1).split("?")[0];
    const shown = parts().find((part) => part.id === wanted || part.querySelector(`:scope > .box[id="${CSS.escape(wanted)}"]`)) ?? parts()[0];
    for (const part of parts()) part.hidden = part !== shown;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash !== `#${shown.id}`) link.removeAttribute("aria-current");
      else {
        link.setAttribute("aria-current", "page");
        link.parentElement.scrollLeft = link.offsetLeft - link.parentElement.offsetLeft - 60;
      }
    }
    document.title = `${shown.querySelector("h1").textContent} · hwsim`;
    hwsim.redraw();
  };

  hwsim.startTheme();
  hwsim.startStory();
  hwsim.startExplorer();
  hwsim.startDrop();
  hwsim.startTour();
  addEventListener("hashchange", () => { route(); scrollTo(0, 0); });
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; hwsim.redraw(); } });
  route();
})();
