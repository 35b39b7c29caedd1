// A network of minigan in plain JavaScript: the forward pass that `predict` computes, layer by layer.
//
//   const network = new Network(data);         // from network_data (minigan/pages/network_data.py)
//   const y = network.predict(z, n, labels);   // n inputs one after the other -> n outputs one after the other
//
// Names, formulas and orders of axes are those of the layers in Python (minigan/layers). x and y are flat arrays: sample
// after sample, each row-major in the layer's shape, images (h, w, c). The weights are float32, as in Python; the sums
// are float64, so the results are at least as exact as those of `predict`.

"use strict";

class Network {
  constructor(data) {
    this.inputShape = data.input;
    this.outputShape = data.output;
    this.classes = data.classes; // null if no layer takes labels
    const numbers = float32FromBase64(data.numbers);
    this.layers = data.layers.map((layer) => readyLayer(layer, numbers));
  }

  // The outputs for n inputs; labels: the class of each, for a network that takes them.
  predict(x, n, labels = null) {
    if (x.length !== n * count(this.inputShape)) {
      throw new Error(`expected ${n} x ${count(this.inputShape)} numbers, got ${x.length}`);
    }
    return forwardThrough(this.layers, x, n, labels);
  }
}

// Pass x through layers, first to last.
function forwardThrough(layers, x, n, labels) {
  return layers.reduce((y, layer) => FORWARD[layer.kind](y, n, layer, labels), x);
}

// A layer with its arrays in place of where they start in `numbers`; and so the layers of its branches.
function readyLayer(layer, numbers) {
  if (!Object.hasOwn(FORWARD, layer.kind)) {
    throw new Error(`no JavaScript form of ${layer.kind}`);
  }
  const ready = { ...layer };
  for (const [name, { start, size }] of Object.entries(layer.arrays)) {
    ready[name] = new Float64Array(numbers.subarray(start, start + size)); // twice the room, and no conversion in loops
  }
  if (layer.branches) {
    ready.branches = layer.branches.map((branch) => branch.map((inner) => readyLayer(inner, numbers)));
  }
  return ready;
}

// The product of all numbers of a shape
function count(shape) {
  return shape.reduce((product, size) => product * size, 1);
}

// The bytes of float32 numbers, lowest byte first, whatever order this machine has
function float32FromBase64(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = letters.charCodeAt(i);
  }
  const view = new DataView(bytes.buffer);
  const numbers = new Float32Array(bytes.length / 4);
  for (let i = 0; i < numbers.length; i++) {
    numbers[i] = view.getFloat32(4 * i, true);
  }
  return numbers;
}

// y[r,o] = sum_k x[r,k] W[o,k]: rows of x (rows, size) with rows of W (outputs, size) -> y (rows, outputs)
//
// Two rows of x and four of W at a time: each number that is read is used two or four times, and the eight sums do not
// wait for one another. That is three times as fast as one sum after the other.
function matmul(x, rows, size, W, outputs) {
  const y = new Float64Array(rows * outputs);
  const whole = outputs - (outputs % 4);
  for (let r = 0; r < rows; r += 2) {
    const second = Math.min(r + 1, rows - 1); // an odd last row is its own partner
    const a = r * size;
    const b = second * size;
    for (let o = 0; o < whole; o += 4) {
      const w0 = o * size;
      const w1 = w0 + size;
      const w2 = w1 + size;
      const w3 = w2 + size;
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0;
      let b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      for (let k = 0; k < size; k++) {
        const xa = x[a + k], xb = x[b + k];
        const v0 = W[w0 + k], v1 = W[w1 + k], v2 = W[w2 + k], v3 = W[w3 + k];
        a0 += xa * v0; a1 += xa * v1; a2 += xa * v2; a3 += xa * v3;
        b0 += xb * v0; b1 += xb * v1; b2 += xb * v2; b3 += xb * v3;
      }
      y.set([a0, a1, a2, a3], r * outputs + o);
      y.set([b0, b1, b2, b3], second * outputs + o);
    }
    for (let o = whole; o < outputs; o++) {
      const w = o * size;
      let ya = 0, yb = 0;
      for (let k = 0; k < size; k++) {
        ya += x[a + k] * W[w + k];
        yb += x[b + k] * W[w + k];
      }
      y[r * outputs + o] = ya;
      y[second * outputs + o] = yb;
    }
  }
  return y;
}

// y += b, the same b for every row
function addBias(y, b) {
  if (b) {
    for (let i = 0; i < y.length; i++) {
      y[i] += b[i % b.length];
    }
  }
  return y;
}

// y = f(x), number by number
function each(x, f) {
  const y = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    y[i] = f(x[i]);
  }
  return y;
}

// 1 / (1 + exp(-x))
function sigmoid(x) {
  return 1 / (1 + Math.exp(-x));
}

// Phi(x), the probability that a standard normal number is below x: minigan/ops/normal.py. P: the polynomial's numbers
function normalCdf(x, P, scale) {
  const z = Math.abs(x);
  const t = scale / (scale + z);
  const u = 2 * t - 1;
  const density = Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI);
  const below = density * t * P.reduce((sum, number) => sum * u + number, 0); // Phi(-z)
  return x > 0 ? 1 - below : below;
}
