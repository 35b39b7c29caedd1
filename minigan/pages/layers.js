// The forward pass of every layer of minigan: FORWARD[kind](x, n, layer, labels) -> y
//
// layer      its options and arrays, by their names in Python; `input` and `output`: its shapes
// The weights of Dense and the convolutions come with a row for each output: W[o] holds what belongs to the sum of o.
"use strict";

const FORWARD = {
  // y[n,o] = b[o] + sum_i x[n,i] W[o,i]
  Dense(x, n, layer) {
    return addBias(matmul(x, n, count(layer.input), layer.W, count(layer.output)), layer.b);
  },

  // y[n,i,j,f] = b[f] + sum_{u,v,c} x_pad[n, i s + u d, j s + v d, c] W[u,v,c,f]
  //
  // The numbers of each window become a row of a matrix, so the sums are a product of matrices (im2col). Group g: the
  // g-th part of the channels gives the g-th part of the filters.
  Conv2D(x, n, layer) {
    const [, , c] = layer.input;
    const [p, q, filters] = layer.output;
    const inputs = c / layer.groups; // channels that a filter sees
    const outputs = filters / layer.groups;
    const size = layer.kernel[0] * layer.kernel[1] * inputs;
    const y = new Float64Array(n * p * q * filters);
    for (let m = 0; m < n; m++) {
      for (let g = 0; g < layer.groups; g++) {
        const windows = new Float64Array(p * q * size);
        let row = 0;
        forWindows(layer.input, [p, q], layer, (i, j, u, v, pixel) => {
          row = (i * q + j) * size + (u * layer.kernel[1] + v) * inputs;
          const from = m * count(layer.input) + pixel * c + g * inputs;
          for (let k = 0; k < inputs; k++) {
            windows[row + k] = x[from + k];
          }
        });
        const W = layer.W.subarray(g * outputs * size, (g + 1) * outputs * size);
        const sums = matmul(windows, p * q, size, W, outputs);
        for (let i = 0; i < p * q; i++) {
          y.set(sums.subarray(i * outputs, (i + 1) * outputs), (m * p * q + i) * filters + g * outputs);
        }
      }
    }
    return addBias(y, layer.b);
  },

  // y[n, i s + u d - top, j s + v d - left, f] += x[n,i,j,c] W[u,v,f,c] for all i, j, u, v, c;   then y += b
  //
  // First all products of a pixel with the kernel (one product of matrices), then they are added up where they belong.
  Conv2DTranspose(x, n, layer) {
    const [h, w, c] = layer.input;
    const filters = layer.output[2];
    const inputs = c / layer.groups;
    const outputs = filters / layer.groups;
    const places = layer.kernel[0] * layer.kernel[1];
    const y = new Float64Array(n * count(layer.output));
    for (let m = 0; m < n; m++) {
      for (let g = 0; g < layer.groups; g++) {
        const pixels = new Float64Array(h * w * inputs);
        for (let i = 0; i < h * w; i++) {
          for (let k = 0; k < inputs; k++) {
            pixels[i * inputs + k] = x[(m * h * w + i) * c + g * inputs + k];
          }
        }
        const kernel = places * outputs * inputs;
        const W = layer.W.subarray(g * kernel, (g + 1) * kernel);
        const products = matmul(pixels, h * w, inputs, W, places * outputs);
        forWindows(layer.output, [h, w], layer, (i, j, u, v, pixel) => {
          const from = ((i * w + j) * places + u * layer.kernel[1] + v) * outputs;
          const to = m * count(layer.output) + pixel * filters + g * outputs;
          for (let f = 0; f < outputs; f++) {
            y[to + f] += products[from + f];
          }
        });
      }
    }
    return addBias(y, layer.b);
  },

  // The inner layer with Wbar = W / sigma, which Python has computed
  SpectralNorm(x, n, layer, labels) {
    return FORWARD[layer.inner](x, n, layer, labels);
  },

  // y[n, i sh + u, j sw + v, c] = x[n,i,j,c]
  UpSampling2D(x, n, layer) {
    const [, w, c] = layer.input;
    const [p, q] = layer.output;
    const [sh, sw] = layer.size;
    const y = new Float64Array(n * count(layer.output));
    for (let m = 0; m < n; m++) {
      for (let i = 0; i < p; i++) {
        for (let j = 0; j < q; j++) {
          const from = m * count(layer.input) + (Math.floor(i / sh) * w + Math.floor(j / sw)) * c;
          for (let k = 0; k < c; k++) {
            y[((m * p + i) * q + j) * c + k] = x[from + k];
          }
        }
      }
    }
    return y;
  },

  // y[n,i,j,c] = max_{u,v} x[n, i s + u - top, j s + v - left, c]
  MaxPool2D(x, n, layer) {
    return pooled(x, n, layer, -Infinity, Math.max);
  },

  // y[n,i,j,c] = 1/m[i,j] sum_{u,v} x[n, i s + u - top, j s + v - left, c];   m: pixels of the image in the window
  AveragePool2D(x, n, layer) {
    const y = pooled(x, n, layer, 0, (sum, value) => sum + value);
    const pixels = pooled(new Float64Array(count(layer.input)).fill(1), 1, layer, 0, (sum, value) => sum + value);
    return y.map((sum, i) => sum / pixels[i % pixels.length]);
  },

  // y[n,c] = 1/(h w) sum_{i,j} x[n,i,j,c]
  GlobalAveragePool2D(x, n, layer) {
    const [h, w, c] = layer.input;
    const y = new Float64Array(n * c);
    for (let i = 0; i < x.length; i++) {
      y[Math.floor(i / (h * w * c)) * c + (i % c)] += x[i] / (h * w);
    }
    return y;
  },

  // y = gamma (x - mean) / sqrt(var + epsilon) + beta,   with the running mean and variance
  BatchNorm(x, n, layer) {
    return scaled(x, n, layer, () => 0);
  },

  // y = gamma[k] (x - mean) / sqrt(var + epsilon) + beta[k],   k the label of the sample
  ConditionalBatchNorm(x, n, layer, labels) {
    return scaled(x, n, layer, (m) => labels[m] * layer.mean.length);
  },

  LayerNorm: (x, n, layer) => normalized(x, n * (count(layer.input) / last(layer.input)), 1, layer),
  InstanceNorm: (x, n, layer) => normalized(x, n, last(layer.input), layer),
  GroupNorm: (x, n, layer) => normalized(x, n, layer.groups, layer),

  // Off in inference: y = x
  Dropout: (x) => x,
  GaussianNoise: (x) => x,
  RandomColor: (x) => x,
  RandomTranslation: (x) => x,
  Cutout: (x) => x,

  // The numbers keep their order: only the shape changes.
  Flatten: (x) => x,
  Reshape: (x) => x,

  ReLU: (x) => each(x, (value) => Math.max(value, 0)),
  LeakyReLU: (x, n, layer) => each(x, (value) => Math.max(value, layer.negative_slope * value)),
  Tanh: (x) => each(x, Math.tanh),
  Sigmoid: (x) => each(x, sigmoid),
  ELU: (x, n, layer) => each(x, (value) => (value > 0 ? value : layer.alpha * Math.expm1(value))),
  // log(1 + exp(x)), without a number that is too large
  Softplus: (x) => each(x, (value) => Math.max(value, 0) + Math.log1p(Math.exp(-Math.abs(value)))),
  SiLU: (x) => each(x, (value) => value * sigmoid(value)),

  // y = x Phi(x);   approximate: y = x sigmoid(A (x + B x^3))
  GELU(x, n, layer) {
    if (layer.approximate === "none") {
      return each(x, (value) => value * normalCdf(value, layer.polynomial, layer.scale));
    }
    return each(x, (value) => value * sigmoid(layer.A * (value + layer.B * value ** 3)));
  },

  // y_i = exp(x_i) / sum_j exp(x_j),   over the last axis
  Softmax(x, n, layer) {
    const k = last(layer.input);
    const y = new Float64Array(x.length);
    for (let row = 0; row < x.length; row += k) {
      const values = x.subarray(row, row + k);
      const largest = values.reduce((most, value) => Math.max(most, value), -Infinity); // exp never overflows
      const exponentials = values.map((value) => Math.exp(value - largest));
      const sum = exponentials.reduce((total, value) => total + value, 0);
      y.set(exponentials.map((value) => value / sum), row);
    }
    return y;
  },

  // a[t] = x[t] W + h[t-1] U + b, four blocks of columns: i, f, g, o
  // c[t] = sigmoid(a_f) c[t-1] + sigmoid(a_i) tanh(a_g),   h[t] = sigmoid(a_o) tanh(c[t])
  LSTM(x, n, layer) {
    const [steps, size] = layer.input;
    const units = last(layer.output);
    const y = new Float64Array(n * count(layer.output));
    for (let m = 0; m < n; m++) {
      const sums = addBias(matmul(x.subarray(m * steps * size), steps, size, layer.W, 4 * units), layer.b);
      let h = new Float64Array(units);
      const c = new Float64Array(units);
      for (let t = 0; t < steps; t++) {
        const a = matmul(h, 1, units, layer.U, 4 * units).map((value, k) => value + sums[t * 4 * units + k]);
        h = new Float64Array(units);
        for (let k = 0; k < units; k++) {
          const i = sigmoid(a[k]);
          const f = sigmoid(a[units + k]);
          const g = Math.tanh(a[2 * units + k]);
          const o = sigmoid(a[3 * units + k]);
          c[k] = f * c[k] + i * g;
          h[k] = o * Math.tanh(c[k]);
        }
        if (layer.return_sequences) {
          y.set(h, (m * steps + t) * units);
        }
      }
      if (!layer.return_sequences) {
        y.set(h, m * units);
      }
    }
    return y;
  },

  // y[n] = E[k],   k = labels[n]
  Embedding(x, n, layer, labels) {
    const [size] = layer.output;
    const y = new Float64Array(n * size);
    for (let m = 0; m < n; m++) {
      y.set(layer.E.subarray(labels[m] * size, (labels[m] + 1) * size), m * size);
    }
    return y;
  },

  // y[n] = (x[n], e[k]), at every pixel;   e[k] is one-hot, or with `size` a learned vector E[k]
  ConcatenateLabel(x, n, layer, labels) {
    const size = last(layer.output) - last(layer.input);
    const pixels = count(layer.input) / last(layer.input);
    const e = new Float64Array(n * pixels * size);
    for (let row = 0; row < n * pixels; row++) {
      const k = labels[Math.floor(row / pixels)];
      if (layer.E) {
        e.set(layer.E.subarray(k * size, (k + 1) * size), row * size);
      } else {
        e[row * size + k] = 1;
      }
    }
    return sideBySide([x, e], n * pixels);
  },

  // y[n] = b + sum_i x[n,i] (w[i] + E[k,i]),   k = labels[n]
  Projection(x, n, layer, labels) {
    const [size] = layer.input;
    const y = new Float64Array(n);
    for (let m = 0; m < n; m++) {
      for (let i = 0; i < size; i++) {
        y[m] += x[m * size + i] * (layer.w[i] + layer.E[labels[m] * size + i]);
      }
    }
    return addBias(y, layer.b);
  },

  // y = sum_k f_k(x)
  Add(x, n, layer, labels) {
    const ys = layer.branches.map((branch) => forwardThrough(branch, x, n, labels));
    return Float64Array.from(ys[0], (_, i) => ys.reduce((sum, y) => sum + y[i], 0));
  },

  // y = (f_1(x), f_2(x), ...), along the last axis
  Concatenate(x, n, layer, labels) {
    const ys = layer.branches.map((branch) => forwardThrough(branch, x, n, labels));
    return sideBySide(ys, (n * count(layer.output)) / last(layer.output));
  },

  // A network within the network
  Sequential(x, n, layer, labels) {
    return forwardThrough(layer.branches[0], x, n, labels);
  },
};

function last(shape) {
  return shape[shape.length - 1];
}

// Call visit(i, j, u, v, pixel) for each number (u, v) of each window (i, j) that lies on the image, not on padding;
// pixel: which pixel of the image it is
function forWindows([h, w], [p, q], { kernel, strides, dilation, padding }, visit) {
  for (let i = 0; i < p; i++) {
    for (let j = 0; j < q; j++) {
      for (let u = 0; u < kernel[0]; u++) {
        const row = i * strides[0] + u * dilation[0] - padding[0];
        for (let v = 0; v < kernel[1]; v++) {
          const column = j * strides[1] + v * dilation[1] - padding[1];
          if (row >= 0 && row < h && column >= 0 && column < w) {
            visit(i, j, u, v, row * w + column);
          }
        }
      }
    }
  }
}

// join all numbers of each window into one, channel by channel
function pooled(x, n, layer, start, join) {
  const [h, w, c] = layer.input;
  const [p, q] = layer.output;
  const y = new Float64Array(n * p * q * c).fill(start);
  for (let m = 0; m < n; m++) {
    forWindows(layer.input, [p, q], layer, (i, j, u, v, pixel) => {
      for (let k = 0; k < c; k++) {
        const to = ((m * p + i) * q + j) * c + k;
        y[to] = join(y[to], x[(m * h * w + pixel) * c + k]);
      }
    });
  }
  return y;
}

// y = gamma (x - mean) / sqrt(variance + epsilon) + beta, where gamma and beta of sample m start at first(m)
function scaled(x, n, layer, first) {
  const channels = layer.mean.length;
  const r = layer.variance.map((variance) => 1 / Math.sqrt(variance + layer.epsilon));
  const size = x.length / n;
  const y = new Float64Array(x.length);
  for (let m = 0; m < n; m++) {
    const start = first(m);
    for (let i = m * size; i < (m + 1) * size; i++) {
      const c = i % channels;
      y[i] = layer.gamma[start + c] * (x[i] - layer.mean[c]) * r[c] + layer.beta[start + c];
    }
  }
  return y;
}

// xhat = (x - M(x)) / sqrt(M((x - M(x))^2) + epsilon),   y = gamma xhat + beta;   M: the mean over a set, which is one of
// `groups` parts of the channels at all places of one of `samples`
function normalized(x, samples, groups, layer) {
  const c = last(layer.input);
  const k = c / groups;
  const places = x.length / samples / c;
  const y = new Float64Array(x.length);
  for (let s = 0; s < samples * groups; s++) {
    const start = Math.floor(s / groups) * places * c + (s % groups) * k;
    const overSet = (f) => {
      for (let place = 0; place < places; place++) {
        for (let i = 0; i < k; i++) {
          f(start + place * c + i);
        }
      }
    };
    let mean = 0;
    let variance = 0;
    overSet((i) => { mean += x[i] / (places * k); });
    overSet((i) => { variance += (x[i] - mean) ** 2 / (places * k); });
    const r = 1 / Math.sqrt(variance + layer.epsilon);
    overSet((i) => { y[i] = layer.gamma[i % c] * r * (x[i] - mean) + layer.beta[i % c]; });
  }
  return y;
}

// Rows of several arrays side by side
function sideBySide(arrays, rows) {
  const y = new Float64Array(arrays.reduce((sum, array) => sum + array.length, 0));
  const width = y.length / rows;
  let start = 0;
  for (const array of arrays) {
    const size = array.length / rows;
    for (let row = 0; row < rows; row++) {
      y.set(array.subarray(row * size, (row + 1) * size), row * width + start);
    }
    start += size;
  }
  return y;
}
