// The page: which network, checkpoint, layer and number is shown, and everything that follows from that.
"use strict";

const networks = pageData("networks");
const store = pageData("store"); // each array once, by its number
const byId = (id) => document.getElementById(id);
const state = { network: 0, checkpoint: 0, layer: 0, array: null, index: null };
let pictures = [];

function make(tag, content = "", attributes = {}) {
  const found = document.createElement(tag);
  found.append(...[content].flat());
  Object.entries(attributes).forEach(([name, value]) => found.setAttribute(name, value));
  return found;
}

// A number with so many digits, small ones with an exponent.
function written(number, digits) {
  if (!Number.isFinite(number)) {
    return String(number);
  }
  const rounded = Number(number.toPrecision(digits));
  return rounded !== 0 && Math.abs(rounded) < 1e-3 ? rounded.toExponential() : String(rounded);
}

// Numbers in JSON are texts where they are NaN or infinite.
function short(value) {
  return written(Number(value), 3);
}

// Nine digits are enough to tell every float32 from its neighbours.
function exact(value) {
  return written(value, 9);
}

function whole(count) {
  return count.toLocaleString("en");
}

function checkpointNow() {
  return networks[state.network].checkpoints[state.checkpoint];
}

function layerNow() {
  return checkpointNow().layers[state.layer];
}

// A name that may break where its parts begin.
function breakable(name) {
  return name.replaceAll("/", "/\u200b");
}

// the strip of layers

function showStrip() {
  const cards = checkpointNow().layers.map((layer, k) => {
    const ratios = Object.values(layer.ratios).map(Number).filter(Number.isFinite);
    const notes = [`(n, ${layer.y.slice(1).join(", ")})`];
    if (ratios.length) {
      notes.push(`update ${short(Math.max(...ratios))}`);
    }
    if (layer.dead !== null) {
      notes.push(`never > 0: ${Math.round(layer.dead * 100)} %`);
    }
    const button = make("button", [make("b", breakable(layer.name)), ...notes.map((note) => make("small", note))], { type: "button" });
    if (layer.histograms.y) {
      const bars = histogramPicture(layer.histograms.y, `y of ${layer.name}`);
      bars.setAttribute("aria-hidden", "true");
      bars.setAttribute("preserveAspectRatio", "none");
      button.append(bars);
    }
    button.setAttribute("aria-current", k === state.layer);
    button.addEventListener("click", () => {
      state.layer = k;
      chooseFirst();
      show();
      byId("layers").children[k].firstChild.focus({ preventScroll: true });
    });
    return make("li", button);
  });
  const strip = byId("layers");
  const before = strip.scrollLeft;
  strip.replaceChildren(...cards);
  const card = cards[state.layer];
  const [left, right] = [card.offsetLeft - strip.offsetLeft, card.offsetLeft - strip.offsetLeft + card.offsetWidth];
  strip.scrollLeft = Math.min(Math.max(before, right + 8 - strip.clientWidth), left - 8);
}

// one layer

function showLayer() {
  const layer = layerNow();
  const arrays = new LayerArrays(layer, store);
  const facts = [["x", `(${layer.x.join(", ")})`], ["y", `(${layer.y.join(", ")})`]];
  if (layer.parameters) {
    facts.push(["parameters", whole(layer.parameters) + (layer.frozen ? ", frozen" : "")]);
  }
  facts.push(["kept for backward", `${whole(layer.kept)} bytes`]);
  Object.entries(layer.ratios).forEach(([name, ratio]) => facts.push([`|update| / |${name}|`, short(ratio)]));
  if (layer.dead !== null) {
    facts.push(["units never above 0", `${(layer.dead * 100).toFixed(1)} %`]);
  }
  const list = make("dl", facts.map(([name, value]) => make("div", [make("dt", name), make("dd", value)])), { class: "facts" });
  const parts = [make("h2", [layer.name, " ", make("small", layer.title)]), list, formulaOf(layer)];
  pictures = [];
  const groups = {
    Forward: ["x", "keep", "mask", "winner", "y"],
    Backward: ["dy", "dx"],
    "Parameters, their gradients, and the step of the optimizer": Object.keys(layer.arrays).filter(isOfParameter),
  };
  for (const [title, names] of Object.entries(groups)) {
    const figures = names.filter((name) => name in layer.arrays).map((name) => figureOf(arrays, name));
    if (figures.length) {
      parts.push(make("h3", title), make("div", figures, { class: "pictures" }));
    }
  }
  const bars = Object.entries(layer.histograms).map(([name, histogram]) => {
    const odd = histogram.odd ? `; ${whole(histogram.odd)} not finite` : "";
    const words = ` ${short(histogram.low)} to ${short(histogram.high)}${odd}`;
    return make("figure", [make("figcaption", [make("b", name), words]), histogramPicture(histogram, name)]);
  });
  parts.push(make("h3", "How the numbers are spread, over the whole arrays"), make("div", bars, { class: "pictures histograms" }));
  byId("layer").replaceChildren(...parts);
}

function isOfParameter(name) {
  return layerNow().parameterNames.some((own) => [own, `d${own}`, `update of ${own}`].includes(name));
}

function formulaOf(layer) {
  if (!layer.formula.length) {
    return make("p", "The docstring of this layer has no Forward and no Backward, so there is no formula to show.", { class: "soft" });
  }
  const lines = layer.formula.flatMap(([name, texts]) => texts.map((text, k) => [(k ? "" : name).padEnd(11) + text, name, text]));
  const rows = lines.map(([text, name, line], k) => make("span", k ? `\n${text}` : text, { "data-section": name, "data-line": line }));
  return make("pre", rows, { class: "formula", tabindex: "0", role: "group", "aria-label": "Formula of the layer" });
}

const WORDS = {
  x: "goes in", y: "comes out", dy: "the gradient that comes back", dx: "the gradient handed on",
  keep: "1 where Dropout keeps a number", mask: "1 where y is above 0", winner: "the place of the largest in its window",
};

function figureOf(arrays, name) {
  const { shape, crops } = arrays.layer.arrays[name];
  const picture = new ArrayPicture(arrays, name, choose);
  pictures.push(picture);
  const sizes = picture.axes.map((axis) => axis.length);
  const part = sizes.every((size, k) => size === shape[k]) ? "" : `; shown: ${sizes.join(" × ")}`;
  const words = WORDS[name] ? `${WORDS[name]}, ` : "";
  const caption = make("figcaption", [make("b", name), ` ${words}(${shape.join(", ")})${part}`]);
  const size = short(picture.scale);
  const scale = make("div", [make("span", `−${size}`), make("i"), make("span", size)], { class: "scale", "aria-hidden": "true" });
  picture.canvas.setAttribute("aria-label", `${name}, shape ${shape.join(" by ")}${part}. Arrow keys choose a number.`);
  return make("figure", [caption, make("div", picture.canvas, { class: "holder" }), scale]);
}

function drawAll() {
  const palette = colours();
  for (const picture of pictures) {
    const holder = picture.canvas.parentElement;
    picture.draw(Math.max(80, holder.clientWidth - 8), palette);
  }
}

// everything

function show() {
  const { checkpoints, lead } = networks[state.network];
  byId("lead").textContent = lead;
  const slider = byId("checkpoint");
  slider.max = checkpoints.length - 1;
  slider.value = state.checkpoint;
  slider.setAttribute("aria-valuetext", checkpointNow().label);
  byId("checkpoint-name").textContent = checkpointNow().label;
  showStrip();
  showLayer();
  showNumber();
  drawAll();
}

byId("network").addEventListener("change", (event) => {
  state.network = Number(event.target.value);
  start();
});

byId("checkpoint").addEventListener("input", (event) => {
  state.checkpoint = Number(event.target.value);
  show();
});

let waiting = 0;
function drawSoon() {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(drawAll);
}
addEventListener("resize", drawSoon);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawSoon);
new MutationObserver(drawSoon).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });

// Begin with the first layer that has parameters.
function start() {
  state.layer = Math.max(0, checkpointNow().layers.findIndex((layer) => layer.parameterNames.length));
  chooseFirst();
  show();
}

state.checkpoint = networks[0].checkpoints.length - 1;
start();
