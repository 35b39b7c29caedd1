// Latents, as in Python (minigan/gan/latent.py): drawn by a seed, and on the path from one to another.
"use strict";

// n latents of `size` numbers, one after the other, as float32; kind: "normal", N(0, 1), or "uniform", U(low, high)
function drawLatents(kind, n, size, seed, [low, high]) {
  const random = new Random(seed);
  const draw = kind === "normal" ? () => random.normal() : () => low + (high - low) * random.uniform();
  return Float32Array.from({ length: n * size }, draw);
}

// z(t) = sin((1-t) a) / sin(a) start + sin(t a) / sin(a) end,    a: the angle between the two
function slerp(start, end, t) {
  const u = unit(start);
  const v = unit(end);
  const angle = 2 * Math.atan2(lengthOf(u.map((value, i) => value - v[i])), lengthOf(u.map((value, i) => value + v[i])));
  if (Math.sin(angle) < 1e-6) {
    return lerp(start, end, t); // the same direction, or opposite ones: no arc is special
  }
  const a = Math.sin((1 - t) * angle) / Math.sin(angle);
  const b = Math.sin(t * angle) / Math.sin(angle);
  return Float32Array.from(start, (value, i) => a * value + b * end[i]);
}

// z(t) = (1 - t) start + t end
function lerp(start, end, t) {
  return Float32Array.from(start, (value, i) => (1 - t) * value + t * end[i]);
}

function lengthOf(vector) {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

function unit(vector) {
  const size = lengthOf(vector);
  return Float64Array.from(vector, (value) => value / size);
}
