// The page of a generator: a grid of images from a seed, and the path from one latent to another.
"use strict";

(function generatorPage() {
  const GAP = 2; // pixels between the images of a grid
  const PATIENCE = 50; // milliseconds of work before the page may do something else
  const GLIDE = 1500; // milliseconds of a whole path that plays

  const given = pageData("generator");
  const [height, width, channels] = given.shape;
  const by = (id) => document.getElementById(id);
  const seedField = by("generator-seed");
  const place = by("path-place");

  let network = null;
  let latents = new Float32Array(0); // those of the grid, one after the other
  let turn = 0; // of drawing the grid: an older one ends as soon as a newer one has begun
  let waiting = false; // for the next frame, to draw the image on the path
  let playing = 0; // the animation that plays, 0 for none

  // -- from numbers to pixels

  // Draw image number i of the network's output y where a canvas has room for it.
  function paint(canvas, y, i, left, top) {
    const picture = new ImageData(width, height);
    const [low, high] = given.range;
    for (let pixel = 0; pixel < width * height; pixel++) {
      const from = (i * width * height + pixel) * channels;
      for (let k = 0; k < 4; k++) {
        const grey = channels < 3 && k < 3;
        const value = k < 3 || channels === 4 ? y[from + (grey ? 0 : k)] : high;
        if (Number.isNaN(value)) {
          throw new Error("The generator's images hold NaN: its training has diverged.");
        }
        picture.data[4 * pixel + k] = Math.round(((value - low) / (high - low)) * 255); // beyond 0 ... 255 it is clipped
      }
    }
    canvas.getContext("2d").putImageData(picture, left, top);
  }

  function corner(i, columns) {
    return [GAP + (i % columns) * (width + GAP), GAP + Math.floor(i / columns) * (height + GAP)];
  }

  // -- the grid

  // How many images, their classes and columns, as `python -m minigan sample` draws them
  function plan() {
    const chosen = given.classes === null ? null : by("generator-class").value;
    if (chosen === "all") {
      return { n: given.labels.length, labels: given.labels, columns: given.columns || squarish(given.labels.length) };
    }
    const labels = chosen === null ? null : Array(given.shown).fill(Number(chosen));
    return { n: given.shown, labels, columns: squarish(given.shown) };
  }

  function squarish(n) {
    return Math.ceil(Math.sqrt(n));
  }

  // Draw all images of the seed, a few at a time, so that the page stays responsive.
  async function drawGrid() {
    if (!seedField.checkValidity() || seedField.value === "") {
      by("generator-status").textContent = `A seed is a whole number from 0 to ${Number(seedField.max).toLocaleString("en")}.`;
      return;
    }
    const mine = ++turn;
    const seed = Number(seedField.value);
    const { n, labels, columns } = plan();
    const size = network.inputShape[0];
    latents = drawLatents(given.latent, n, size, seed, given.latentRange);
    for (const id of ["path-from", "path-to"]) {
      by(id).max = n;
      by(id).value = Math.min(by(id).value, n);
    }
    const canvas = by("generator-grid");
    canvas.setAttribute("aria-busy", "true");
    canvas.width = columns * (width + GAP) + GAP;
    canvas.height = Math.ceil(n / columns) * (height + GAP) + GAP;
    canvas.setAttribute("aria-label", `${n} generated images of the seed ${seed}, ${columns} in a row`);
    by("generator-command").textContent = commandFor(seed);
    drawPath();
    frameEnds(columns);

    let milliseconds = 0;
    let batch = 1;
    for (let done = 0; done < n; ) {
      const count = Math.min(batch, n - done);
      const begin = performance.now();
      const y = network.predict(latents.subarray(done * size, (done + count) * size), count, labels && labels.slice(done));
      const spent = performance.now() - begin;
      for (let i = 0; i < count; i++) {
        paint(canvas, y, i, ...corner(done + i, columns));
      }
      milliseconds += spent;
      done += count;
      batch = Math.max(1, Math.min(2 * batch, Math.floor((batch * PATIENCE) / Math.max(spent, 1))));
      await new Promise((resume) => setTimeout(resume));
      if (mine !== turn) {
        return;
      }
    }
    canvas.setAttribute("aria-busy", "false");
    const each = milliseconds / n;
    by("generator-status").textContent =
      `${n} images in ${milliseconds.toFixed(0)} ms, ${each.toFixed(each < 10 ? 1 : 0)} ms each.`;
  }

  function commandFor(seed) {
    const chosen = given.classes === null ? "all" : by("generator-class").value;
    return `${given.command} --seed ${seed}${chosen === "all" ? "" : ` --labels ${chosen}`}`;
  }

  // Frame the images at both ends of the path, in the gaps of the grid.
  function frameEnds(columns) {
    const canvas = by("generator-grid");
    const context = canvas.getContext("2d");
    const around = (i, paintPart) => {
      const [left, top] = corner(i, columns);
      paintPart(left - GAP, top - GAP, width + 2 * GAP, GAP);
      paintPart(left - GAP, top + height, width + 2 * GAP, GAP);
      paintPart(left - GAP, top, GAP, height);
      paintPart(left + width, top, GAP, height);
    };
    for (let i = 0; i < latents.length / network.inputShape[0]; i++) {
      around(i, (...part) => context.clearRect(...part));
    }
    for (const [field, picture] of [["path-from", "path-start"], ["path-to", "path-end"]]) {
      context.fillStyle = getComputedStyle(by(picture)).borderBottomColor;
      around(indexOf(field), (...part) => context.fillRect(...part));
    }
  }

  // -- the path

  // Which image a field names, from 0 on
  function indexOf(id) {
    const field = by(id);
    const whole = Math.round(Number(field.value)) || 1;
    return Math.min(Math.max(whole, 1), Number(field.max)) - 1;
  }

  function latentOf(id) {
    const size = network.inputShape[0];
    return latents.subarray(indexOf(id) * size, (indexOf(id) + 1) * size);
  }

  function drawOne(id, z) {
    const labels = given.classes === null ? null : [Number(by("path-class").value)];
    const canvas = by(id);
    canvas.width = width;
    canvas.height = height;
    paint(canvas, network.predict(z, 1, labels), 0, 0, 0);
  }

  // Draw both ends and the image between them.
  function drawPath() {
    drawOne("path-start", latentOf("path-from"));
    drawOne("path-end", latentOf("path-to"));
    drawPlace();
  }

  function drawPlace() {
    const t = Number(place.value);
    const between = given.latent === "normal" ? slerp : lerp;
    drawOne("path-image", between(latentOf("path-from"), latentOf("path-to"), t));
    const words = `${Math.round(100 * t)} % of the way from image ${indexOf("path-from") + 1} to image ${indexOf("path-to") + 1}.`;
    place.setAttribute("aria-valuetext", words);
    by("path-words").textContent = words;
  }

  // Draw the image on the path once before the next frame, however often the slider moves.
  function drawPlaceSoon() {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        safely(drawPlace);
      });
    }
  }

  function endsChanged() {
    safely(() => {
      frameEnds(plan().columns);
      drawPath();
    });
  }

  // Move along the path, to its end; from its end, back to its start.
  function play(goal) {
    const begin = performance.now();
    const start = 1 - goal;
    const mine = ++playing;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
      place.value = goal;
      drawPlaceSoon();
      return;
    }
    requestAnimationFrame(function step(now) {
      if (mine !== playing) {
        return;
      }
      const share = Math.min(Math.max((now - begin) / GLIDE, 0), 1);
      place.value = start + (goal - start) * share;
      safely(drawPlace);
      if (share < 1) {
        requestAnimationFrame(step);
      }
    });
  }

  function stop() {
    playing++;
  }

  // A click in the grid: the path leads from its former end to the image there.
  function leadTo(event) {
    const canvas = by("generator-grid");
    const box = canvas.getBoundingClientRect();
    const { n, labels, columns } = plan();
    const column = Math.floor(((event.clientX - box.left) / box.width) * canvas.width / (width + GAP));
    const row = Math.floor(((event.clientY - box.top) / box.height) * canvas.height / (height + GAP));
    const index = row * columns + column;
    if (column < 0 || column >= columns || index < 0 || index >= n) {
      return;
    }
    by("path-from").value = indexOf("path-to") + 1;
    by("path-to").value = index + 1;
    if (labels) {
      by("path-class").value = labels[index];
    }
    place.value = 0;
    endsChanged();
    play(1);
  }

  // -- errors, as a sentence in the page

  function fail(error) {
    const note = by("generator-trouble");
    note.textContent = error.message;
    note.hidden = false;
    turn++;
    stop();
  }

  async function safely(work) {
    try {
      await work();
    } catch (error) {
      fail(error);
    }
  }

  const redraw = () => safely(drawGrid);
  seedField.addEventListener("input", redraw);
  by("generator-new").addEventListener("click", () => {
    seedField.value = Math.floor(Math.random() * 2 ** 32);
    redraw();
  });
  by("generator-grid").addEventListener("click", leadTo);
  for (const id of ["path-from", "path-to"]) {
    by(id).addEventListener("input", endsChanged);
  }
  place.addEventListener("input", () => { stop(); drawPlaceSoon(); });
  by("path-play").addEventListener("click", () => play(Number(place.value) < 1 ? 1 : 0));
  if (given.classes !== null) {
    by("generator-class").addEventListener("change", redraw);
    by("path-class").addEventListener("change", endsChanged);
  }
  by("generator-python").hidden = given.command === null;
  safely(() => {
    network = new Network(given.network);
    return drawGrid();
  });
})();
