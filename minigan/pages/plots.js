// Plots as SVG: curves over numbers, with a line that follows the pointer or the arrow keys and says the values there.
//
// Each <div class="plot" data-plot="NAME"> gets the plot of that name in the page's data "plots":
//   {x, y: labels, log, curves: [{name, x: [], y: [], low: [], high: []}], lines: [{y, name}], marks: [{x, name, over}]}
// A number that is NaN is a gap. low and high, where they are given, are drawn as a band.
"use strict";

const DASHES = ["", "7 4", "2 3", "9 3 2 3", "12 4", "4 2 1 2"]; // so that curves differ without colours, too
const COLORS = 6; // --curve-1 ... in page.css
const SVG = "http://www.w3.org/2000/svg";

// An element with attributes and children; texts become text, never HTML.
function make(name, attributes, ...children) {
  const isSvg = ["svg", "g", "path", "line", "text", "circle", "rect", "polygon"].includes(name);
  const node = isSvg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
}

// Six digits, as the table has them.
function shown(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(6))) : String(value);
}

// About `count` round numbers from low to high, at least `least` apart.
function ticksBetween(low, high, count, least = 0) {
  const rough = Math.max(least, (high - low) / count || 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) {
    ticks.push(Number((k * step).toPrecision(12)));
  }
  return ticks;
}

function powersBetween(low, high) {
  const ticks = [];
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  const every = Math.max(1, Math.ceil((last - first) / 6));
  for (let power = first; power <= last; power += every) {
    ticks.push(10 ** power);
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}

// The least and the largest number, with some room around them.
function rangeOf(values, log) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (Number.isFinite(value)) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  if (low > high) {
    return [0, 1];
  }
  if (log) {
    return [low / 1.3, high * 1.3];
  }
  const room = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 0.5;
  return [low - room, high + room];
}

// One plot in its place in the page.
class Plot {
  constructor(place, plot) {
    this.place = place;
    this.plot = plot;
    this.curves = plot.curves.map((curve) => ({
      ...curve,
      x: curve.x.map(Number),
      y: curve.y.map(Number),
      low: (curve.low || []).map(Number),
      high: (curve.high || []).map(Number),
    }));
    this.points = [...new Set(this.curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
    this.at = null; // the number of the point that is shown
    this.readout = make("div", { class: "readout", hidden: "" });
    this.drawing = make("div", { class: "drawing" });
    place.replaceChildren(this.legend(), this.drawing, this.readout);
    place.setAttribute("aria-valuemin", "0");
    place.setAttribute("aria-valuemax", String(Math.max(0, this.points.length - 1)));
    place.setAttribute("aria-valuenow", String(Math.max(0, this.points.length - 1)));
    place.onkeydown = (event) => this.onKey(event);
    place.onpointermove = (event) => this.onPointer(event);
    place.onpointerdown = (event) => this.onPointer(event);
    place.onpointerleave = () => document.activeElement === place || this.show(null);
    place.onblur = () => this.show(null);
    this.draw();
  }

  legend() {
    const list = make("ul", { class: "legend" });
    this.curves.forEach((curve, k) => {
      const sample = make("svg", { width: 34, height: 10, "aria-hidden": "true" });
      sample.append(make("line", { x1: 1, x2: 33, y1: 5, y2: 5, class: this.styleOf(k), "stroke-dasharray": this.dashOf(k) }));
      list.append(make("li", {}, sample, make("bdi", {}, curve.name)));
    });
    return list;
  }

  styleOf(k) {
    return "curve curve-" + ((k % COLORS) + 1);
  }

  dashOf(k) {
    return DASHES[(k + Math.floor(k / COLORS)) % DASHES.length];
  }

  // Draw everything for the width that the page has now.
  draw() {
    const width = Math.max(240, this.place.clientWidth);
    const height = Math.round(Math.min(320, Math.max(200, width * 0.45)));
    this.width = width;
    const log = this.plot.log;
    const ys = this.curves.flatMap((curve) => [...curve.y, ...curve.low, ...curve.high]).filter((y) => !log || y > 0);
    const [low, high] = rangeOf([...ys, ...this.plot.lines.map((line) => line.y)], log);
    let [left, right] = [this.points[0], this.points[this.points.length - 1]];
    if (left === right) {
      [left, right] = [left - 1, right + 1];
    }
    const yTicks = log ? powersBetween(low, high) : ticksBetween(low, high, 6);
    const texts = yTicks.map((tick) => (log ? tick.toExponential(0).replace("e+", "e") : shown(tick)));
    const margin = { top: this.plot.marks.length ? 20 : 8, bottom: 42, right: 14 };
    margin.left = 24 + 7.2 * Math.max(2, ...texts.map((text) => text.length));
    const inner = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
    this.xPlace = (x) => margin.left + ((x - left) / (right - left)) * inner.width;
    const scale = log ? Math.log10 : (y) => y;
    this.yPlace = (y) => margin.top + inner.height * (1 - (scale(y) - scale(low)) / (scale(high) - scale(low)));

    const svg = make("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const [bottom, end] = [margin.top + inner.height, margin.left + inner.width];
    yTicks.forEach((tick, k) => {
      const y = this.yPlace(tick);
      svg.append(make("line", { x1: margin.left, x2: end, y1: y, y2: y, class: "rule" }));
      svg.append(make("text", { x: margin.left - 8, y: y + 4, "text-anchor": "end" }, texts[k]));
    });
    const whole = this.points.every(Number.isInteger) ? 1 : 0; // no ticks between epochs
    for (const tick of ticksBetween(left, right, Math.max(2, Math.min(10, inner.width / 70)), whole)) {
      svg.append(make("text", { x: this.xPlace(tick), y: bottom + 18, "text-anchor": "middle" }, shown(tick)));
    }
    svg.append(make("line", { x1: margin.left, x2: end, y1: bottom, y2: bottom, class: "axis" }));
    svg.append(make("text", { x: end, y: height - 6, "text-anchor": "end", class: "label" }, this.plot.x));
    svg.append(make("text", { x: 12, y: margin.top + inner.height / 2, "text-anchor": "middle", class: "label",
      transform: `rotate(-90 12 ${margin.top + inner.height / 2})` }, this.plot.y));
    for (const line of this.plot.lines) {
      const y = this.yPlace(line.y);
      svg.append(make("line", { x1: margin.left, x2: end, y1: y, y2: y, class: "reference" }));
      svg.append(make("text", { x: end, y: y - 5, "text-anchor": "end", class: "label" }, line.name));
    }
    this.curves.forEach((curve, k) => svg.append(this.band(curve, k), ...this.lines(curve, k)));
    for (const mark of this.plot.marks) {
      const x = Math.min(end, Math.max(margin.left, this.xPlace(mark.x)));
      svg.append(make("polygon", { points: `${x - 6},2 ${x + 6},2 ${x},13`, class: mark.over ? "mark over" : "mark" }));
    }
    this.cursor = make("g", { class: "cursor" });
    svg.append(this.cursor);
    this.edges = { top: margin.top, bottom, left: margin.left, end };
    this.drawing.replaceChildren(svg);
    this.show(this.at);
  }

  // The curve as a path, with gaps where a number is missing; a point without neighbours as a dot.
  lines(curve, k) {
    let path = "", pen = false;
    const dots = [];
    const fits = (i) => i >= 0 && i < curve.y.length && Number.isFinite(curve.y[i]) && (!this.plot.log || curve.y[i] > 0);
    curve.y.forEach((y, i) => {
      if (!fits(i)) {
        pen = false;
        return;
      }
      const place = `${this.xPlace(curve.x[i]).toFixed(2)} ${this.yPlace(y).toFixed(2)}`;
      path += (pen ? "L" : "M") + place;
      pen = true;
      if (!fits(i - 1) && !fits(i + 1)) {
        const [cx, cy] = place.split(" ");
        dots.push(make("circle", { cx, cy, r: 3.5, class: "dot " + this.styleOf(k) }));
      }
    });
    return [make("path", { d: path, class: this.styleOf(k), "stroke-dasharray": this.dashOf(k) }), ...dots];
  }

  band(curve, k) {
    if (!curve.low.length) {
      return "";
    }
    const inside = curve.x.map((x, i) => i).filter((i) => Number.isFinite(curve.low[i]) && Number.isFinite(curve.high[i])
      && (!this.plot.log || curve.low[i] > 0));
    const edge = (values, i) => `${this.xPlace(curve.x[i]).toFixed(2)},${this.yPlace(values[i]).toFixed(2)}`;
    const points = [...inside.map((i) => edge(curve.high, i)), ...inside.reverse().map((i) => edge(curve.low, i))];
    return make("polygon", { points: points.join(" "), class: "band " + this.styleOf(k) });
  }

  // The marks between the point before and this one.
  marksAt(k) {
    const [before, here] = [k > 0 ? this.points[k - 1] : -Infinity, this.points[k]];
    const last = k === this.points.length - 1;
    return this.plot.marks.filter((mark) => mark.x > before && (mark.x <= here || last));
  }

  // Show the values at a point: a line, dots on the curves, and a box; nothing for null.
  show(k) {
    this.at = k;
    this.cursor.replaceChildren();
    this.readout.hidden = k === null;
    if (k === null) {
      return;
    }
    const x = this.points[k];
    const place = this.xPlace(x);
    this.cursor.append(make("line", { x1: place, x2: place, y1: this.edges.top, y2: this.edges.bottom }));
    const rows = [];
    const words = [`${this.plot.x} ${shown(x)}`];
    this.curves.forEach((curve, c) => {
      const i = curve.x.indexOf(x);
      if (i < 0) {
        return;
      }
      const y = curve.y[i];
      const spread = curve.low.length ? ` (${shown(curve.low[i])} to ${shown(curve.high[i])})` : "";
      if (Number.isFinite(y) && (!this.plot.log || y > 0)) {
        this.cursor.append(make("circle", { cx: place, cy: this.yPlace(y), r: 4, class: "dot " + this.styleOf(c) }));
      }
      rows.push(make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, curve.name)), make("td", {}, shown(y) + spread)));
      words.push(`${curve.name}: ${shown(y)}${spread}`);
    });
    const marks = this.marksAt(k).slice(0, 3).map((mark) => mark.name);
    this.readout.replaceChildren(
      make("strong", {}, words[0]),
      make("table", {}, make("tbody", {}, ...rows)),
      ...marks.map((text) => make("p", {}, text)),
    );
    const after = place > this.width / 2;
    this.readout.style.left = after ? "auto" : `${place + 14}px`;
    this.readout.style.right = after ? `${this.place.clientWidth - place + 14}px` : "auto";
    this.readout.style.top = `${this.drawing.offsetTop + this.edges.top + 4}px`;
    this.place.setAttribute("aria-valuenow", String(k));
    this.place.setAttribute("aria-valuetext", [...words, ...marks].join(", "));
  }

  onPointer(event) {
    const x = event.clientX - this.drawing.getBoundingClientRect().left;
    let nearest = 0;
    this.points.forEach((point, k) => {
      if (Math.abs(this.xPlace(point) - x) < Math.abs(this.xPlace(this.points[nearest]) - x)) {
        nearest = k;
      }
    });
    this.show(nearest);
  }

  onKey(event) {
    const last = this.points.length - 1;
    const at = this.at === null ? last : this.at;
    const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 10, PageDown: -10, Home: -last, End: last };
    if (event.key === "Escape") {
      this.show(null);
    } else if (event.key in steps) {
      event.preventDefault();
      const first = this.at === null && Math.abs(steps[event.key]) === 1; // the first key shows the last point
      this.show(first ? last : Math.min(last, Math.max(0, at + steps[event.key])));
    }
  }
}

let plotsOfPage = [];
let widthOfPlots = 0;

function drawPlots() {
  const plots = pageData("plots");
  const places = [...document.querySelectorAll(".plot[data-plot]")].filter((place) => plots[place.dataset.plot]);
  plotsOfPage = places.map((place) => new Plot(place, plots[place.dataset.plot]));
}

addEventListener("resize", () => plotsOfPage.forEach((plot) => {
  if (plot.place.clientWidth !== plot.width) {
    plot.draw();
  }
}));
pageParts.push(drawPlots);
drawPlots();
