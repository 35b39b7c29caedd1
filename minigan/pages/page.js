// What every page of minigan has: its data, and the button for dark or light.
"use strict";

// The data that the page was written with, by its name.
function pageData(name) {
  return JSON.parse(document.getElementById("data-" + name).textContent);
}

// Functions that draw the parts of a page that need a script, each called once where it is written. A page that gets
// news calls them again.
const pageParts = [];

// Dark or light: as the system wishes, until the reader presses the button. The choice stays where the browser allows it.
(function theme() {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem("minigan-theme");
    } catch {
      return null; // a browser that keeps nothing for files
    }
  }

  function show(choice) {
    if (choice === "dark" || choice === "light") {
      root.dataset.theme = choice;
    }
    const dark = (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Show this page on a light ground" : "Show this page on a dark ground");
  }

  button.addEventListener("click", () => {
    const choice = button.textContent === "Dark" ? "dark" : "light";
    try {
      localStorage.setItem("minigan-theme", choice);
    } catch {
      // then the choice holds until the page is closed
    }
    show(choice);
  });
  system.addEventListener("change", () => show(null));
  show(chosen());
  button.hidden = false;
})();
