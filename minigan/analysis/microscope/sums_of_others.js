// The sums of the other layers: pooling, activations, LSTM; and central differences of what the page can compute itself.
"use strict";

// The pixel that a MaxPool2D took: the first of the largest.
function winner(a, [n, i, j, c]) {
  let best = null;
  let largest = -Infinity;
  for (const [, , r, s] of new Windows(a.options).pixels(i, j)) {
    const value = a.value("x", n, r, s, c);
    if (best === null || value > largest) {
      best = [r, s];
    }
    largest = best === null || value > largest || Number.isNaN(value) ? value : largest;
  }
  return best;
}

const maxPool = {
  y(a, [n, i, j, c]) {
    const pixels = new Windows(a.options).pixels(i, j).map(([, , r, s]) => a.factor("x", n, r, s, c));
    const odd = pixels.find(({ value }) => Number.isNaN(value));
    const best = odd ?? pixels.reduce((most, factor) => (factor.value > most.value ? factor : most));
    return { term: "Forward", products: [product(best)], parts: pixels.map((p) => part(p.label, p.value, "in the window")) };
  },
  dx(a, [n, r, s, c]) {
    const products = new Windows(a.options).windows(r, s)
      .filter(([, , i, j]) => winner(a, [n, i, j, c]).join() === [r, s].join())
      .map(([, , i, j]) => product(a.factor("dy", n, i, j, c)));
    return { term: "(1)", products };
  },
};

const shareOf = (a, i, j) => plain("1/m", 1 / new Windows(a.options).pixels(i, j).length);

const averagePool = {
  y(a, [n, i, j, c]) {
    const pixels = new Windows(a.options).pixels(i, j);
    return { term: "Forward", products: pixels.map(([, , r, s]) => product(a.factor("x", n, r, s, c), shareOf(a, i, j))) };
  },
  dx(a, [n, r, s, c]) {
    const windows = new Windows(a.options).windows(r, s);
    return { term: "(1)", products: windows.map(([, , i, j]) => product(a.factor("dy", n, i, j, c), shareOf(a, i, j))) };
  },
};

const globalPool = {
  y(a, [n, c]) {
    const [, h, w] = a.shape("x");
    const share = plain("1/(h w)", 1 / (h * w));
    return { term: "Forward", products: indices([h, w]).map(([i, j]) => product(a.factor("x", n, i, j, c), share)) };
  },
  dx(a, [n, , , c]) {
    const [, h, w] = a.shape("x");
    return { term: "(1)", products: [product(a.factor("dy", n, c), plain("1/(h w)", 1 / (h * w)))] };
  },
};

// Layers that treat each number by itself: f gives y, and slope gives the factors of dy.
function each(f, slope) {
  return {
    y: (a, index) => ({ term: "Forward", products: [product(...f(a, index, a.factor("x", ...index)))] }),
    dx: (a, index) => ({ term: "(1)", products: [product(a.factor("dy", ...index), ...slope(a, index))] }),
  };
}

const leakySlope = (a, index) => plain("slope", a.value("y", ...index) > 0 ? 1 : a.options.slope);
const leaky = each((a, index, x) => [x, leakySlope(a, index)], (a, index) => [leakySlope(a, index)]);
const kept = (a, index) => (a.has("keep") ? [a.factor("keep", ...index), plain("scale", a.options.scale)] : []);
const dropout = each((a, index, x) => [x, ...kept(a, index)], kept);
const tanh = each(
  (a, index, x) => [{ ...x, label: `tanh(${x.label})`, value: Math.tanh(x.value) }],
  (a, index) => [plain(`1 - y[${index.join(", ")}]^2`, 1 - a.value("y", ...index) ** 2)],
);
const logistic = each(
  (a, index, x) => [{ ...x, label: `sigmoid(${x.label})`, value: sigmoid(x.value) }],
  (a, index) => [1, -1].map((sign) => plain(`sigmoid(${sign < 0 ? "-" : ""}x)`, sigmoid(sign * a.value("x", ...index)))),
);

// The index in another shape of the sample whose numbers keep their order.
function samePlace([n, ...rest], shape, other) {
  let place = rest.reduce((sum, i, k) => sum * shape[k + 1] + i, 0);
  const index = [];
  for (const size of other.slice(1).reverse()) {
    index.unshift(place % size);
    place = Math.floor(place / size);
  }
  return [n, ...index];
}

const reshape = {
  y: (a, index) => ({ term: "Forward", products: [product(a.factor("x", ...samePlace(index, a.shape("y"), a.shape("x"))))] }),
  dx: (a, index) => ({ term: "(1)", products: [product(a.factor("dy", ...samePlace(index, a.shape("x"), a.shape("y"))))] }),
};

const upsampling = {
  y(a, [n, i, j, c]) {
    const [sh, sw] = a.options.size;
    return { term: "Forward", products: [product(a.factor("x", n, Math.floor(i / sh), Math.floor(j / sw), c))] };
  },
  dx(a, [n, i, j, c]) {
    const [sh, sw] = a.options.size;
    return { term: "(1)", products: indices([sh, sw]).map(([u, v]) => product(a.factor("dy", n, i * sh + u, j * sw + v, c))) };
  },
};

// LSTM: h, c, the gates and da are in the page, computed by Python in float64 as the docstring says. They count from
// h[0], so x[:, t - 1] belongs to h[:, t].
const gates = ["i", "f", "g", "o"];

function lstmWeights(a, column, left) {
  const places = indices([a.shape("x")[0], a.options.steps]).map(([n, t]) => [n, t + 1]);
  return { term: "(4)", products: places.map(([n, t]) => product(...left(n, t), a.factor("da", n, t, column))) };
}

const lstm = {
  y(a, index) {
    const [n, j] = [index[0], index.at(-1)];
    const t = a.options.several ? index[1] + 1 : a.options.steps;
    const units = a.options.units;
    const gate = Object.fromEntries(gates.map((name) => [name, a.factor(name, n, t, j)]));
    const cell = [product(gate.f, a.factor("c", n, t - 1, j)), product(gate.i, gate.g)];
    const parts = [part(`c[${n}, ${t}, ${j}]`, a.value("c", n, t, j), "f c[t-1] + i g", cell)];
    gates.forEach((name, k) => {
      const column = k * units + j;
      const products = [
        ...range(a.shape("W")[0]).map((row) => product(a.factor("x", n, t - 1, row), a.factor("W", row, column))),
        ...range(units).map((row) => product(a.factor("h", n, t - 1, row), a.factor("U", row, column))),
        product(a.factor("b", column)),
      ];
      const rule = `${name} = ${name === "g" ? "tanh" : "sigmoid"}(a_${name}) = ${gate[name].value.toPrecision(6)}`;
      parts.push(part(`a_${name}[${n}, ${t}, ${j}]`, total(products), rule, products));
    });
    const out = { ...a.factor("c", n, t, j), label: `tanh(c[${n}, ${t}, ${j}])`, value: Math.tanh(a.value("c", n, t, j)) };
    return { term: "h[t]", products: [product(gate.o, out)], parts };
  },
  dW: (a, [k, column]) => lstmWeights(a, column, (n, t) => [a.factor("x", n, t - 1, k)]),
  dU: (a, [k, column]) => lstmWeights(a, column, (n, t) => [a.factor("h", n, t - 1, k)]),
  db: (a, [column]) => lstmWeights(a, column, () => []),
  dx(a, [n, t, k]) {
    const columns = range(a.shape("W")[1]);
    return { term: "(5)", products: columns.map((o) => product(a.factor("da", n, t + 1, o), a.factor("W", k, o))) };
  },
};

const SUMS = {
  Dense: dense,
  Conv2D: conv,
  Conv2DTranspose: transposed,
  BatchNorm: batchNorm,
  MaxPool2D: maxPool,
  AveragePool2D: averagePool,
  GlobalAveragePool2D: globalPool,
  LSTM: lstm,
  ReLU: leaky,
  LeakyReLU: leaky,
  Tanh: tanh,
  Sigmoid: logistic,
  Dropout: dropout,
  Flatten: reshape,
  Reshape: reshape,
  UpSampling2D: upsampling,
};

// The sum that made a number: {term, products, parts}; null if the page does not take this layer apart.
function sumOf(a, what, index) {
  const explain = SUMS[a.layer.kind]?.[what];
  return explain ? { parts: [], ...explain(a, index) } : null;
}

// A copy of the arrays in which one number is moved.
function withMoved(a, name, index, step) {
  const moved = Object.create(a);
  moved.value = (other, ...place) => {
    const value = a.value(other, ...place);
    return other === name && place.join() === index.join() ? value + step : value;
  };
  return moved;
}

// y where x is moved; the activations are computed again from x, not from the y of the page.
function outputAt(a, place) {
  const x = () => a.value("x", ...place);
  switch (a.layer.kind) {
    case "ReLU":
    case "LeakyReLU":
      return Math.max(x(), a.options.slope * x());
    default:
      return total(sumOf(a, "y", place).products);
  }
}

// The central difference of L = sum(dy y) along one number, where the page holds all that y needs; null elsewhere.
// Dense, convolutions and LSTM are not here: minigan's own forward pass has measured them when the page was written.
function differenceOf(a, what, index) {
  const name = what.slice(1);
  const here = ["MaxPool2D", "AveragePool2D", "GlobalAveragePool2D", "ReLU", "LeakyReLU", "Tanh", "Sigmoid", "Dropout",
    "Flatten", "Reshape", "UpSampling2D", "BatchNorm"];
  if (!here.includes(a.layer.kind) || what === "y") {
    return null;
  }
  const value = a.value(name, ...index);
  const step = 1e-4 * Math.max(1, Math.abs(value));
  const losses = [step, -step].map((move) => {
    if (a.layer.kind === "BatchNorm") {
      return lossOfChannel(a, what, index, move);
    }
    const moved = withMoved(a, name, index, move);
    return touched(a, index).reduce((sum, place) => sum + a.value("dy", ...place) * outputAt(moved, place), 0);
  });
  return (losses[0] - losses[1]) / (2 * step);
}

// The loss of one channel of a BatchNorm, with x, gamma or beta moved.
function lossOfChannel(a, what, index, move) {
  const c = index.at(-1);
  const channel = channelOf(a, c, what === "dx" ? [rowOf(a, index), move] : null);
  const gamma = a.value("gamma", c) + (what === "dgamma" ? move : 0);
  const beta = a.value("beta", c) + (what === "dbeta" ? move : 0);
  return channel.rows.reduce((sum, row, i) => sum + a.value("dy", ...row, c) * (gamma * channel.xhat[i] + beta), 0);
}

// The places of y that depend on one number of x.
function touched(a, index) {
  const [n, i, j, c] = index;
  switch (a.layer.kind) {
    case "MaxPool2D":
    case "AveragePool2D":
      return new Windows(a.options).windows(i, j).map(([, , p, q]) => [n, p, q, c]);
    case "GlobalAveragePool2D":
      return [[n, c]];
    case "Flatten":
    case "Reshape":
      return [samePlace(index, a.shape("x"), a.shape("y"))];
    case "UpSampling2D":
      return indices(a.options.size).map(([u, v]) => [n, i * a.options.size[0] + u, j * a.options.size[1] + v, c]);
    default:
      return [index];
  }
}
