// The slider through the grids of samples: one picture for each epoch, in the page's data "grids".
"use strict";

const MILLISECONDS = 250; // that a grid is shown while the slides play

function startSlider() {
  const slides = pageData("grids");
  const picture = document.getElementById("grid");
  const slider = document.getElementById("epoch");
  const output = document.getElementById("epoch-shown");
  const play = document.getElementById("play");
  if (!picture || !slider || slides.length < 2) {
    return;
  }
  let timer = null;

  function show(k) {
    const epoch = slides[k].epoch;
    picture.src = slides[k].src;
    picture.alt = `A grid of generated images after epoch ${epoch}`;
    slider.value = k;
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    output.textContent = epoch;
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }

  slider.oninput = () => {
    stop();
    show(Number(slider.value));
  };
  play.onclick = () => {
    if (timer !== null) {
      stop();
      return;
    }
    play.textContent = "Stop";
    let k = Number(slider.value) >= slides.length - 1 ? 0 : Number(slider.value);
    show(k);
    timer = setInterval(() => {
      k += 1;
      if (k >= slides.length || !document.contains(slider)) {
        stop();
        return;
      }
      show(k);
    }, MILLISECONDS);
  };
  slider.closest(".slider").hidden = false;
  show(Number(slider.value));
}

pageParts.push(startSlider);
startSlider();
