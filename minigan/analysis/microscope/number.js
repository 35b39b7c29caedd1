// The chosen number: the panel with its sum, the marks in the pictures and in the formula, the form for an index.
"use strict";

const LARGEST = 12; // products in the table; the others are added up in one line

function choose(name, index) {
  Object.assign(state, { array: name, index });
  showNumber();
  drawAll();
}

// The number that is shown first: the largest one of dW, dx or y; of those that were measured, if there are any.
function chooseFirst() {
  const layer = layerNow();
  const arrays = new LayerArrays(layer, store);
  const name = ["dW", "dx", "y"].find((one) => one in layer.arrays && (one !== "dx" || layer.kind)) ?? "y";
  const crop = layer.arrays[name].crops[0];
  const numbers = arrays.numbers(crop);
  const { measured } = layer.arrays[name];
  const known = measured === undefined ? numbers : arrays.numbers({ data: measured });
  let best = known.findIndex((value) => !Number.isNaN(value));
  best = Math.max(best, 0);
  numbers.forEach((value, k) => {
    if (Math.abs(value) > Math.abs(numbers[best]) && !Number.isNaN(known[k])) {
      best = k;
    }
  });
  const sizes = crop.axes.map((axis) => (typeof axis === "number" ? axis : axis.length));
  const places = samePlace([0, best], [1, numbers.length], [1, ...sizes]).slice(1);
  state.array = name;
  state.index = places.map((place, k) => (typeof crop.axes[k] === "number" ? place : crop.axes[k][place]));
}

function tableOf(products, more = []) {
  const order = [...products].sort((a, b) => Math.abs(b.value) - Math.abs(a.value) || 0);
  const rows = order.slice(0, LARGEST).map(({ value, factors }) => {
    const texts = factors.flatMap((factor, k) => [k ? " × " : "", make("span", `${factor.label} = ${short(factor.value)}`)]);
    return make("tr", [make("td", short(value), { class: "number" }), make("td", texts)]);
  });
  const rest = order.slice(LARGEST);
  if (rest.length) {
    rows.push(make("tr", [make("td", short(total(rest)), { class: "number" }), make("td", `${whole(rest.length)} smaller products`)]));
  }
  const head = make("thead", make("tr", [make("th", "product", { scope: "col", class: "number" }), make("th", "factors", { scope: "col" })]));
  return [make("table", [head, make("tbody", [...more, ...rows])]), order.slice(0, LARGEST)];
}

function showNumber() {
  const { array: name, index } = state;
  const layer = layerNow();
  const arrays = new LayerArrays(layer, store);
  const value = arrays.value(name, ...index);
  const heading = make("h2", [make("code", `${name}[${index.join(", ")}]`), " = ", make("span", exact(value), { id: "value" })]);
  heading.id = "sum-heading";
  const parts = [heading];
  pictures.forEach((picture) => {
    picture.marked = [];
    picture.chosen = picture.name === name ? picture.find(index) : null;
    if (picture.chosen) {
      [picture.row, picture.column] = picture.chosen;
    }
  });
  let sum = null;
  try {
    sum = sumOf(arrays, name, index);
  } catch (error) {
    if (!(error instanceof Missing)) {
      throw error;
    }
    parts.push(make("p", `Its sum needs ${error.message}, which is not in this page: the whole arrays would be too large. ${inPython()}`, { class: "soft" }));
  }
  markFormula(sum?.term, name);
  if (sum) {
    parts.push(...sumParts(sum, value, measuredOf(arrays, name, index)));
  } else if (parts.length === 1) {
    parts.push(make("p", wordsFor(layer, name), { class: "soft" }), ...measuredAlone(arrays, name, index));
  }
  byId("sum").replaceChildren(...parts, formOf(layer));
  byId("spoken").textContent = `${name}[${index.join(", ")}] = ${exact(value)}`;
}

function sumParts(sum, value, measured) {
  const added = total(sum.products);
  const line = (label, number, id) => make("tr", [make("td", exact(number), { class: "number", id }), make("th", label, { scope: "row" })], { class: "total" });
  const count = sum.products.length;
  const rows = [line(count === 1 ? "the product" : `sum of ${whole(count)} products`, added, "total")];
  if (measured !== null) {
    rows.push(line("by central differences", measured, "measured"));
  }
  const notes = measured === null && state.array !== "y" ? [`It was not measured by central differences for this page. ${inPython()}`] : [];
  const [table, largest] = tableOf(sum.products, rows);
  largest.flatMap(({ factors }) => factors).forEach(mark);
  const found = [table];
  if (!count) {
    found.unshift(make("p", "The sum is empty: no window has this number, so it is 0.", { class: "soft" }));
  }
  if (Number.isFinite(added) && !Number.isFinite(value)) {
    found.push(make("p", "The sum leaves out products with 0 (padding), but 0 times NaN or infinity is NaN.", { class: "soft" }));
  }
  notes.forEach((note) => found.push(make("p", note, { class: "soft" })));
  sum.parts.forEach((one) => {
    const words = [make("code", `${one.label} = ${short(one.value)}`), ` ${one.rule}`];
    found.push(one.products.length ? make("details", [make("summary", words), tableOf(one.products)[0]]) : make("p", words, { class: "soft" }));
  });
  return found;
}

function mark(factor) {
  for (const picture of pictures) {
    const place = picture.name === factor.array && picture.find(factor.index);
    if (place) {
      picture.marked.push(place);
    }
  }
}

// What Python measured with minigan's own forward pass, or what this page can measure itself; null if neither.
function measuredOf(arrays, name, index) {
  const stored = arrays.layer.arrays[name];
  if (stored.measured !== undefined) {
    const value = arrays.numbers({ data: stored.measured })[arrays.place(stored.crops[0], index)];
    return Number.isNaN(value) || value === undefined ? null : value;
  }
  try {
    return differenceOf(arrays, name, index);
  } catch (error) {
    if (error instanceof Missing) {
      return null;
    }
    throw error;
  }
}

function measuredAlone(arrays, name, index) {
  const measured = measuredOf(arrays, name, index);
  return measured === null ? [] : [make("p", [make("span", exact(measured), { id: "measured" }), " by central differences of the layer's forward pass"])];
}

function wordsFor(layer, name) {
  const before = checkpointNow().layers[state.layer - 1];
  const after = checkpointNow().layers[state.layer + 1];
  if (name === "x") {
    return before ? `It came out of the layer before, ${before.name}.` : "It is the input of the network.";
  }
  if (name === "dy") {
    return after ? `It is what the layer after this one, ${after.name}, handed back.` : "It is the gradient of the loss, where the way back begins.";
  }
  if (layer.parameterNames.includes(name)) {
    return `A parameter. What the loss says about it is in d${name}, and what the optimizer does in "update of ${name}".`;
  }
  if (name.startsWith("update of ")) {
    return "What the optimizer would add to this parameter now, by its own state: moments, learning rate, weight decay.";
  }
  if (WORDS[name] && name !== "y" && name !== "dx") {
    return `${WORDS[name][0].toUpperCase()}${WORDS[name].slice(1)}.`;
  }
  return `The microscope does not take ${name} of this layer apart into products. Its formula says how it is computed.`;
}

function inPython() {
  const index = state.index.length === 1 ? `${state.index[0]},` : state.index.join(", ");
  return `In Python: scope.explain(${JSON.stringify(layerNow().name)}, "${state.array}", (${index})).`;
}

function markFormula(term, name) {
  let first = true;
  for (const line of byId("layer").querySelectorAll("pre.formula span")) {
    const { section, line: text } = line.dataset;
    const hit = Boolean(term) && first && (term === section ? true : text.includes(term));
    first = first && !hit;
    const words = line.textContent;
    line.replaceChildren(hit ? make("mark", words) : words);
  }
}

// A form for everybody who knows the index of a number: it needs no pointer.
function formOf(layer) {
  const names = Object.keys(layer.arrays).filter((name) => pictures.some((picture) => picture.name === name));
  const select = make("select", names.map((name) => make("option", name, { value: name })));
  select.value = state.array;
  const field = make("input", "", { value: state.index.join(", "), inputmode: "numeric", autocomplete: "off" });
  const message = make("p", "", { class: "soft", role: "status" });
  const form = make("form", [make("label", ["Array", select]), make("label", ["Index", field]), make("button", "Show", { type: "submit" }), message]);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const index = field.value.split(",").map((text) => (text.trim() === "" ? NaN : Number(text)));
    const picture = pictures.find((one) => one.name === select.value);
    if (index.length === picture.axes.length && picture.find(index)) {
      choose(select.value, index);
      byId("sum").querySelector("input").focus();
    } else {
      const last = picture.axes.map((axis) => `${axis[0]} to ${axis.at(-1)}`);
      message.textContent = `This page shows of ${select.value} some indices from (${last.join(", ")}): ${picture.axes.length} numbers with commas.`;
    }
  });
  return form;
}

