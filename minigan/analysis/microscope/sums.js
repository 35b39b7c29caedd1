// The sum that made one number, from the arrays in the page: the same sums as in the Python files sums_of_*.py.
"use strict";

// A number that a sum needs and that is not in the page.
class Missing extends Error {}

// The arrays of one layer. An array has crops: which indices of each axis it holds, and the numbers.
class LayerArrays {
  constructor(layer, store) {
    this.layer = layer;
    this.store = store;
    this.options = layer.options;
  }

  // The numbers of a crop; they are decoded when they are first needed.
  numbers(crop) {
    if (typeof this.store[crop.data] === "string") {
      const [kind, text] = this.store[crop.data].split(":");
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const kinds = { f4: Float32Array, f8: Float64Array, u1: Uint8Array };
      this.store[crop.data] = new kinds[kind](bytes.buffer);
    }
    return this.store[crop.data];
  }

  // The place of an index in a crop, or -1.
  place(crop, index) {
    let place = 0;
    for (let k = 0; k < index.length; k++) {
      const axis = crop.axes[k];
      const size = typeof axis === "number" ? axis : axis.length;
      const at = typeof axis === "number" ? (index[k] < axis ? index[k] : -1) : axis.indexOf(index[k]);
      if (at < 0) {
        return -1;
      }
      place = place * size + at;
    }
    return place;
  }

  // One number of an array; an error if no crop holds it.
  value(name, ...index) {
    for (const crop of this.layer.arrays[name]?.crops ?? []) {
      const place = this.place(crop, index);
      if (place >= 0) {
        return this.numbers(crop)[place];
      }
    }
    throw new Missing(`${name}[${index.join(", ")}]`);
  }

  has(name) {
    return name in this.layer.arrays;
  }

  shape(name) {
    return this.layer.arrays[name].shape;
  }

  // A number as a factor of a product.
  factor(name, ...index) {
    return { array: name, index, label: `${name}[${index.join(", ")}]`, value: this.value(name, ...index) };
  }
}

function product(...factors) {
  return { factors, value: factors.reduce((value, factor) => value * factor.value, 1) };
}

function plain(label, value) {
  return { label, value };
}

function part(label, value, rule, products = []) {
  return { label, value, rule, products };
}

function total(products) {
  return products.reduce((sum, { value }) => sum + value, 0);
}

function range(size) {
  return Array.from({ length: size }, (_, i) => i);
}

// All indices of a shape, in order.
function indices(shape) {
  return shape.reduce((found, size) => found.flatMap((index) => range(size).map((i) => [...index, i])), [[]]);
}

function sigmoid(x) {
  return x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x));
}

// Where windows lie on the image: see Windows in sums_of_windows.py.
class Windows {
  constructor({ image, window, strides, starts, outputs, dilation }) {
    Object.assign(this, { image, window, strides, starts, outputs, dilation });
  }

  along(axis, i) {
    return range(this.window[axis])
      .map((u) => [u, i * this.strides[axis] + u * this.dilation[axis] - this.starts[axis]])
      .filter(([, row]) => row >= 0 && row < this.image[axis]);
  }

  over(axis, row) {
    return range(this.window[axis])
      .map((u) => [u, (row + this.starts[axis] - u * this.dilation[axis]) / this.strides[axis]])
      .filter(([, i]) => Number.isInteger(i) && i >= 0 && i < this.outputs[axis]);
  }

  pixels(i, j) {
    return this.along(0, i).flatMap(([u, r]) => this.along(1, j).map(([v, s]) => [u, v, r, s]));
  }

  windows(row, column) {
    return this.over(0, row).flatMap(([u, i]) => this.over(1, column).map(([v, j]) => [u, v, i, j]));
  }

  pairs(u, v) {
    const at = (axis, k) =>
      range(this.outputs[axis]).flatMap((i) => this.along(axis, i).filter(([n]) => n === k).map(([, row]) => [i, row]));
    return at(0, u).flatMap(([i, r]) => at(1, v).map(([j, s]) => [i, j, r, s]));
  }
}

const bias = (a, f) => (a.has("b") ? [product(a.factor("b", f))] : []);

const dense = {
  y(a, [n, o]) {
    const products = range(a.shape("W")[0]).map((i) => product(a.factor("x", n, i), a.factor("W", i, o)));
    return { term: "Forward", products: [...products, ...bias(a, o)] };
  },
  dW(a, [i, o]) {
    return { term: "(1)", products: range(a.shape("x")[0]).map((n) => product(a.factor("x", n, i), a.factor("dy", n, o))) };
  },
  db(a, [o]) {
    return { term: "(2)", products: range(a.shape("dy")[0]).map((n) => product(a.factor("dy", n, o))) };
  },
  dx(a, [n, i]) {
    return { term: "(3)", products: range(a.shape("W")[1]).map((o) => product(a.factor("dy", n, o), a.factor("W", i, o))) };
  },
};

function convolutionBias(a, [f]) {
  const [n, p, q] = a.shape("dy");
  return { term: "(1)", products: indices([n, p, q]).map((place) => product(a.factor("dy", ...place, f))) };
}

const conv = {
  y(a, [n, i, j, f]) {
    const [, , channels, filters] = a.shape("W");
    const first = Math.floor(f / (filters / a.options.groups)) * channels;
    const products = new Windows(a.options).pixels(i, j).flatMap(([u, v, r, s]) =>
      range(channels).map((c) => product(a.factor("x", n, r, s, first + c), a.factor("W", u, v, c, f))));
    return { term: "Forward", products: [...products, ...bias(a, f)] };
  },
  dW(a, [u, v, c, f]) {
    const [, , channels, filters] = a.shape("W");
    const channel = Math.floor(f / (filters / a.options.groups)) * channels + c;
    const pairs = new Windows(a.options).pairs(u, v);
    const products = range(a.shape("x")[0]).flatMap((n) =>
      pairs.map(([i, j, r, s]) => product(a.factor("x", n, r, s, channel), a.factor("dy", n, i, j, f))));
    return { term: "(2)", products };
  },
  db: convolutionBias,
  dx(a, [n, r, s, c]) {
    const [, , channels, all] = a.shape("W");
    const filters = all / a.options.groups;
    const first = Math.floor(c / channels) * filters;
    const products = new Windows(a.options).windows(r, s).flatMap(([u, v, i, j]) =>
      range(filters).map((f) => product(a.factor("dy", n, i, j, first + f), a.factor("W", u, v, c % channels, first + f))));
    return { term: "(3)", products };
  },
};

const transposed = {
  y(a, [n, r, s, f]) {
    const [, , filters, all] = a.shape("W");
    const channels = all / a.options.groups;
    const first = Math.floor(f / filters) * channels;
    const products = new Windows(a.options).windows(r, s).flatMap(([u, v, i, j]) =>
      range(channels).map((c) => product(a.factor("x", n, i, j, first + c), a.factor("W", u, v, f % filters, first + c))));
    return { term: "Forward", products: [...products, ...bias(a, f)] };
  },
  dW(a, [u, v, f, c]) {
    const [, , filters, all] = a.shape("W");
    const filter = Math.floor(c / (all / a.options.groups)) * filters + f;
    const pairs = new Windows(a.options).pairs(u, v);
    const products = range(a.shape("x")[0]).flatMap((n) =>
      pairs.map(([i, j, r, s]) => product(a.factor("x", n, i, j, c), a.factor("dy", n, r, s, filter))));
    return { term: "(2)", products };
  },
  db: convolutionBias,
  dx(a, [n, i, j, c]) {
    const [, , filters, all] = a.shape("W");
    const first = Math.floor(c / (all / a.options.groups)) * filters;
    const products = new Windows(a.options).pixels(i, j).flatMap(([u, v, r, s]) =>
      range(filters).map((f) => product(a.factor("dy", n, r, s, first + f), a.factor("W", u, v, f, c))));
    return { term: "(3)", products };
  },
};

// One channel of a BatchNorm, as Channel in sums_of_batches.py; `moved` is [row, by how much] for a difference.
function channelOf(a, c, moved = null) {
  const rows = indices(a.shape("x").slice(0, -1));
  const x = rows.map((row) => a.value("x", ...row, c));
  if (moved) {
    x[moved[0]] += moved[1];
  }
  const m = x.length;
  const ofBatch = a.options.ofBatch;
  const mean = ofBatch ? x.reduce((sum, value) => sum + value, 0) / m : a.value("mean", c);
  const variance = ofBatch ? x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / m : a.value("variance", c);
  const r = 1 / Math.sqrt(variance + a.options.epsilon);
  const xhat = x.map((value) => (value - mean) * r);
  const parts = [
    part(`mean[${c}]`, mean, ofBatch ? `of the ${m} numbers of channel ${c} in this batch` : "running"),
    part(`var[${c}]`, variance, ofBatch ? "mean squared distance from it" : "running"),
    part("r", r, "1 / sqrt(var + epsilon)"),
  ];
  return { rows, x, m, r, xhat, parts };
}

function rowOf(a, index) {
  return a.shape("x").slice(0, -1).reduce((row, size, k) => row * size + index[k], 0);
}

const batchNorm = {
  y(a, index) {
    const c = index.at(-1);
    const channel = channelOf(a, c);
    const xhat = plain(`xhat[${index.join(", ")}]`, channel.xhat[rowOf(a, index)]);
    const products = [product(a.factor("gamma", c), xhat), product(a.factor("beta", c))];
    return { term: "Forward", products, parts: [...channel.parts, part(xhat.label, xhat.value, "(x - mean) r")] };
  },
  dbeta(a, [c]) {
    const rows = indices(a.shape("dy").slice(0, -1));
    return { term: "(1)", products: rows.map((row) => product(a.factor("dy", ...row, c))) };
  },
  dgamma(a, [c]) {
    const channel = channelOf(a, c);
    const products = channel.rows.map((row, i) =>
      product(a.factor("dy", ...row, c), plain(`xhat[${[...row, c].join(", ")}]`, channel.xhat[i])));
    return { term: "(2)", products, parts: channel.parts };
  },
  dx(a, index) {
    const c = index.at(-1);
    const channel = channelOf(a, c);
    const gamma = a.factor("gamma", c);
    const r = plain("r", channel.r);
    const dy = a.factor("dy", ...index);
    if (!a.options.ofBatch) {
      return { term: "(4)", products: [product(gamma, r, dy)], parts: channel.parts };
    }
    const sums = [batchNorm.dbeta(a, [c]), batchNorm.dgamma(a, [c])];
    const [dbeta, dgamma] = sums.map(({ products }) => total(products));
    const xhat = plain(`xhat[${index.join(", ")}]`, channel.xhat[rowOf(a, index)]);
    const share = plain("-1/m", -1 / channel.m);
    const products = [
      product(gamma, r, dy),
      product(gamma, r, plain(`dbeta[${c}]`, dbeta), share),
      product(gamma, r, xhat, plain(`dgamma[${c}]`, dgamma), share),
    ];
    const parts = [
      ...channel.parts,
      part(xhat.label, xhat.value, "(x - mean) r"),
      part(`dbeta[${c}]`, dbeta, "(1), the sum of dy over the channel", sums[0].products),
      part(`dgamma[${c}]`, dgamma, "(2), the sum of dy xhat over the channel", sums[1].products),
    ];
    return { term: "(3)", products, parts };
  },
};
