// A page that follows its run: it asks its server for the version, and takes over the new page where it has changed.
"use strict";

const SECONDS = 2;

// What the reader has done to the page, to be done again to the new one.
function stateOfReader() {
  const slider = document.getElementById("epoch");
  return {
    open: [...document.querySelectorAll("details[open]")].map((part) => part.id),
    slide: slider && Number(slider.value) < Number(slider.max) ? Number(slider.value) : null, // null: the newest
    plot: document.activeElement && document.activeElement.dataset.plot,
    focus: document.activeElement && document.activeElement.id,
    playing: document.getElementById("play") && document.getElementById("play").textContent === "Stop",
  };
}

function restore(state) {
  state.open.forEach((id) => {
    const part = id && document.getElementById(id);
    if (part) {
      part.open = true;
    }
  });
  const slider = document.getElementById("epoch");
  if (slider && state.slide !== null) {
    slider.value = state.slide;
    slider.dispatchEvent(new Event("input"));
  }
  const target = state.plot ? document.querySelector(`.plot[data-plot="${CSS.escape(state.plot)}"]`)
    : state.focus && document.getElementById(state.focus);
  if (target) {
    target.focus({ preventScroll: true });
  }
}

// Put the parts of the new page in place of the old ones. Scripts of the new page do not run: they are the same.
function takeOver(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const state = stateOfReader();
  for (const place of ["main", "#state"]) {
    document.querySelector(place).replaceWith(document.importNode(page.querySelector(place), true));
  }
  for (const data of page.querySelectorAll('script[type="application/json"]')) {
    document.getElementById(data.id).textContent = data.textContent;
  }
  document.title = page.title;
  pageParts.forEach((draw) => draw());
  restore(state);
}

function say(text) {
  let place = document.getElementById("following");
  if (!place) {
    place = document.createElement("p");
    place.id = "following";
    place.className = "soft";
    place.setAttribute("role", "status");
    document.querySelector("header").append(place);
  }
  if (place.textContent !== text) {
    place.textContent = text;
  }
}

(async function follow() {
  let version = null;
  for (;;) {
    try {
      const found = await (await fetch("/version", { cache: "no-store" })).text();
      if (found !== version) {
        const answer = await fetch("/", { cache: "no-store" });
        if (answer.ok) {
          const playing = stateOfReader().playing;
          if (!playing) { // else the slides would stop in the middle
            takeOver(await answer.text());
            version = answer.headers.get("X-Version");
          }
          say("This page follows the run.");
        } else {
          say(await answer.text());
        }
      }
    } catch {
      say("The program that follows the run has ended. This page stays as it is.");
    }
    await new Promise((done) => setTimeout(done, SECONDS * 1000));
  }
})();
