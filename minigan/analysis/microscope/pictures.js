// Arrays as pictures: tiles of cells, coloured around zero. A cell is chosen by pointer or by the arrow keys.
"use strict";

const CELL = { least: 3, most: 18, row: 16 }; // pixels; the rows of vectors are higher than wide
const GAP = 4; // pixels between tiles
const ACTIVATIONS = ["x", "y", "dx", "dy", "keep", "mask", "winner"];

function colours() {
  const probe = document.createElement("span");
  document.body.append(probe);
  const found = {};
  for (const name of ["negative", "zero", "positive", "odd", "ink", "ground", "accent"]) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return found;
}

function mixed(zero, end, share) {
  const [a, b] = [zero, end].map((colour) => colour.match(/[\d.]+/g).map(Number));
  return `rgb(${[0, 1, 2].map((k) => Math.round(a[k] + (b[k] - a[k]) * share)).join(" ")})`;
}

// The size of a number in the middle of the colour's range: 99 of 100 numbers are not larger, so that one far number
// does not make all others look like zero.
function scaleOf(numbers) {
  const sizes = Array.from(numbers, Math.abs).filter(Number.isFinite).sort((a, b) => a - b);
  const most = sizes[Math.max(0, Math.ceil(sizes.length * 0.99) - 1)] || sizes.at(-1) || 0;
  return most;
}

// How the axes of a crop lie in the plane: tiles in rows and columns, each with rows and columns of cells.
function layoutOf(name, sizes) {
  const places = {
    1: () => ({ tiles: [1, 1], cells: [1, sizes[0]], at: (i, j, r, s) => [s] }),
    2: () => ({ tiles: [1, 1], cells: sizes, at: (i, j, r, s) => [r, s] }),
    3: () => ({ tiles: [sizes[0], 1], cells: [sizes[1], sizes[2]], at: (i, j, r, s) => [i, r, s] }),
  };
  if (sizes.length === 4 && ACTIVATIONS.includes(name)) {
    return { tiles: [sizes[0], sizes[3]], cells: [sizes[1], sizes[2]], at: (i, j, r, s) => [i, r, s, j] };
  }
  if (sizes.length === 4) {
    return { tiles: [sizes[2], sizes[3]], cells: [sizes[0], sizes[1]], at: (i, j, r, s) => [r, s, i, j] };
  }
  return (places[sizes.length] ?? places[1])();
}

// A picture of one array on a canvas. `choose(index)` is called when a reader chooses a number.
class ArrayPicture {
  constructor(arrays, name, choose) {
    this.arrays = arrays;
    this.name = name;
    this.choose = choose;
    this.crop = arrays.layer.arrays[name].crops[0];
    this.numbers = arrays.numbers(this.crop);
    this.axes = this.crop.axes.map((axis) => (typeof axis === "number" ? range(axis) : axis));
    this.layout = layoutOf(name, this.axes.map((axis) => axis.length));
    this.scale = scaleOf(this.numbers);
    this.marked = [];
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.dataset.array = name;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "picture of an array");
    this.canvas.addEventListener("click", (event) => this.clicked(event));
    this.canvas.addEventListener("keydown", (event) => this.moved(event));
    this.row = this.column = 0; // over all tiles: where the arrow keys are
  }

  // The index in the array of the cell at a row and column over all tiles.
  index(row, column) {
    const { tiles, cells, at } = this.layout;
    const places = at(Math.floor(row / cells[0]), Math.floor(column / cells[1]), row % cells[0], column % cells[1]);
    return places.map((place, k) => this.axes[k][place]);
  }

  get rows() {
    return this.layout.tiles[0] * this.layout.cells[0];
  }

  get columns() {
    return this.layout.tiles[1] * this.layout.cells[1];
  }

  // The row and column of an index, or null if this picture does not show it.
  find(index) {
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        if (this.index(row, column).join() === index.join()) {
          return [row, column];
        }
      }
    }
    return null;
  }

  // Pixels of one cell for a width, and how many tiles stand in a line.
  fit(width) {
    const { tiles, cells } = this.layout;
    const room = (count) => (width - GAP * (count - 1)) / (count * cells[1]);
    let line = tiles[1];
    while (line > 1 && room(line) < CELL.least) {
      line--;
    }
    const wide = Math.max(CELL.least, Math.min(CELL.most, Math.floor(room(line))));
    const flat = cells[0] <= 2 && this.axes.length <= 2;
    return { wide, high: flat || this.axes.length === 1 ? CELL.row : wide, line };
  }

  // The upper left corner of a cell, in pixels.
  corner(row, column) {
    const { tiles, cells } = this.layout;
    const { wide, high, line } = this.size;
    const [tileRow, tileColumn] = [Math.floor(row / cells[0]), Math.floor(column / cells[1])];
    const lines = Math.ceil(tiles[1] / line);
    const below = tileRow * lines + Math.floor(tileColumn / line);
    return [
      (tileColumn % line) * (cells[1] * wide + GAP) + (column % cells[1]) * wide,
      below * (cells[0] * high + GAP) + (row % cells[0]) * high,
    ];
  }

  draw(width, palette) {
    const { tiles, cells } = this.layout;
    this.size = this.fit(width);
    const { wide, high, line } = this.size;
    const lines = Math.ceil(tiles[1] / line) * tiles[0];
    const [w, h] = [line * (cells[1] * wide + GAP) - GAP, lines * (cells[0] * high + GAP) - GAP];
    const dense = devicePixelRatio || 1;
    this.canvas.width = Math.round(w * dense);
    this.canvas.height = Math.round(h * dense);
    this.canvas.style.width = `${w}px`;
    this.canvas.style.height = `${h}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(dense, dense);
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        pen.fillStyle = this.colour(this.arrays.value(this.name, ...this.index(row, column)), palette);
        pen.fillRect(...this.corner(row, column), wide, high);
      }
    }
    for (const [row, column] of this.marked) {
      this.outline(pen, row, column, palette.accent, 1.5);
    }
    if (this.chosen) {
      this.outline(pen, ...this.chosen, palette.ground, 4);
      this.outline(pen, ...this.chosen, palette.ink, 2);
    }
  }

  colour(value, palette) {
    if (!Number.isFinite(value)) {
      return palette.odd;
    }
    const share = this.scale ? Math.min(1, Math.abs(value) / this.scale) : 0;
    return mixed(palette.zero, value < 0 ? palette.negative : palette.positive, share);
  }

  outline(pen, row, column, colour, width) {
    const [x, y] = this.corner(row, column);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.strokeRect(x - 0.5, y - 0.5, this.size.wide + 1, this.size.high + 1);
  }

  clicked(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let nearest = [Infinity, 0, 0];
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        const [left, top] = this.corner(row, column);
        const away = Math.hypot(x - left - this.size.wide / 2, y - top - this.size.high / 2);
        if (away < nearest[0]) {
          nearest = [away, row, column];
        }
      }
    }
    [, this.row, this.column] = nearest;
    this.choose(this.name, this.index(this.row, this.column));
  }

  moved(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1], Enter: [0, 0], " ": [0, 0] };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.altKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    this.row = Math.min(this.rows - 1, Math.max(0, this.row + move[0]));
    this.column = Math.min(this.columns - 1, Math.max(0, this.column + move[1]));
    this.choose(this.name, this.index(this.row, this.column));
  }
}

// A histogram as SVG.
function histogramPicture({ counts, low, high, odd }, label) {
  const [width, height] = [240, 56];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const most = Math.max(1, ...counts);
  const all = counts.reduce((sum, count) => sum + count, 0);
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${label}: ${all} numbers from ${low.toPrecision(3)} to ${high.toPrecision(3)}`);
  counts.forEach((count, k) => {
    const bar = document.createElementNS(svg.namespaceURI, "rect");
    const size = count ? Math.max(1, (height * count) / most) : 0;
    const wide = width / counts.length;
    const place = { x: k * wide, y: height - size, width: wide - 1, height: size };
    Object.entries(place).forEach(([name, value]) => bar.setAttribute(name, value));
    svg.append(bar);
  });
  if (low < 0 && high > 0) {
    const zero = document.createElementNS(svg.namespaceURI, "line");
    const x = (-low / (high - low)) * width;
    Object.entries({ x1: x, x2: x, y1: 0, y2: height }).forEach(([name, value]) => zero.setAttribute(name, value));
    svg.append(zero);
  }
  return svg;
}
