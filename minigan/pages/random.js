// Random numbers as NumPy draws them: new Random(seed) gives those of numpy.random.default_rng(seed).
//
// So a seed stands for the same latents in a page and in Python. Three parts, as in NumPy:
//   the seed is spread over 256 bits (numpy.random.SeedSequence, after O'Neill 2015, "Developing a seed_seq alternative")
//   PCG64 gives 64 random bits at a time (O'Neill 2014, "PCG: a family of simple fast ... generators", XSL-RR 128/64)
//   the ziggurat turns them into normal numbers (Marsaglia & Tsang 2000, "The ziggurat method")
"use strict";

const MASK64 = (1n << 64n) - 1n;
const MASK128 = (1n << 128n) - 1n;
const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n; // of PCG64

class Random {
  // seed: an integer from 0 to Number.MAX_SAFE_INTEGER
  constructor(seed) {
    const words = seedWords(seed);
    const start = (words[0] << 64n) | words[1];
    this.increment = ((((words[2] << 64n) | words[3]) << 1n) | 1n) & MASK128;
    this.state = 0n;
    this.step();
    this.state = (this.state + start) & MASK128;
    this.step();
  }

  step() {
    this.state = (this.state * MULTIPLIER + this.increment) & MASK128;
  }

  // 64 random bits: both halves of the state, turned by its highest six bits
  bits() {
    this.step();
    const folded = (this.state >> 64n) ^ (this.state & MASK64);
    const turn = this.state >> 122n;
    return ((folded >> turn) | (folded << (64n - turn))) & MASK64;
  }

  // a number from U(0, 1), with 53 random bits
  uniform() {
    return Number(this.bits() >> 11n) / 2 ** 53;
  }

  // a number from N(0, 1)
  //
  // The area below exp(-x^2 / 2) lies in 256 layers of one size. A layer is chosen, then a place in it; nearly always it
  // is below the curve. Else it is drawn again, in the lowest layer from the tail.
  normal() {
    for (;;) {
      const bits = this.bits();
      const layer = Number(bits & 0xffn);
      const negative = (bits >> 8n) & 1n;
      const place = Number((bits >> 9n) & 0xfffffffffffffn);
      const x = place * ZIGGURAT.width[layer];
      if (place < ZIGGURAT.inside[layer]) {
        return negative ? -x : x;
      }
      if (layer === 0) {
        const tail = this.tail();
        return (bits >> 17n) & 1n ? -tail : tail;
      }
      const { height } = ZIGGURAT;
      if ((height[layer - 1] - height[layer]) * this.uniform() + height[layer] < Math.exp(-0.5 * x * x)) {
        return negative ? -x : x;
      }
    }
  }

  // a normal number beyond the last layer's edge
  tail() {
    for (;;) {
      const beyond = -Math.log1p(-this.uniform()) / EDGE;
      const y = -Math.log1p(-this.uniform());
      if (2 * y > beyond * beyond) {
        return EDGE + beyond;
      }
    }
  }
}

// A seed as four numbers of 64 bits. Math.imul multiplies integers of 32 bits.
function seedWords(seed) {
  const entropy = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0, 0, 0];
  let constant = 0x43b0d7e5;
  function hashed(value) {
    value ^= constant;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant);
    return value ^ (value >>> 16);
  }
  const pool = entropy.map(hashed);
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) {
      if (from !== to) {
        const mixed = Math.imul(0xca01f9dd, pool[to]) - Math.imul(0x4973f715, hashed(pool[from]));
        pool[to] = mixed ^ (mixed >>> 16);
      }
    }
  }
  constant = 0x8b51f9dd;
  const halves = [];
  for (let i = 0; i < 8; i++) {
    let value = pool[i % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    value = Math.imul(value, constant);
    halves.push(BigInt((value ^ (value >>> 16)) >>> 0));
  }
  return [0, 2, 4, 6].map((i) => (halves[i + 1] << 32n) | halves[i]);
}

const EDGE = 3.6541528853610088; // where the tail begins
const AREA = 0.004928673233974655; // of each layer: EDGE density(EDGE) and the tail beyond
const ZIGGURAT = ziggurat();

// The 256 layers: width, what one of 2^52 places stands for; inside, how many places are surely below the curve;
// height, that of the curve at the layer's edge
function ziggurat() {
  const places = 2 ** 52;
  const density = (x) => Math.exp(-0.5 * x * x);
  const [width, inside, height] = [0, 1, 2].map(() => new Float64Array(256));
  width[0] = AREA / density(EDGE) / places; // the lowest layer as a rectangle: its tail counts as width
  height[0] = 1;
  let edge = EDGE;
  inside[0] = edge / width[0];
  for (let i = 255; i >= 1; i--) {
    width[i] = edge / places;
    height[i] = density(edge);
    const next = i > 1 ? Math.sqrt(-2 * Math.log(AREA / edge + height[i])) : 0;
    inside[i] = (next / edge) * places;
    edge = next;
  }
  return { width, inside, height };
}
