// The kernels of minigan: what NumPy does in several passes over an array, a GPU does here in one.
//
// One file for two compilers. For a GPU (NVRTC, nvcc) FOR(i, n) shares the numbers 0 ... n-1 out to all threads of the
// grid. For a CPU (g++) it is a plain loop, and the same arithmetic is compared with its NumPy twin where there is no
// GPU. So a kernel never uses what only a GPU has: no shared memory, no atomics, no warps. Each number of the result is
// written by one thread, which gathers what belongs to it: the same bits in every run.
//
// REAL is float or double; the file is compiled once for each. Sizes fit an int (kernels.py sees to it): 64-bit
// divisions of indices cost a GPU more than the arithmetic of most kernels.

#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define DEVICE __device__ __forceinline__
#define FOR(i, n) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)
#else
#include <math.h>
#define KERNEL extern "C" void
#define DEVICE static inline
#define FOR(i, n) for (int i = 0; i < (n); ++i)
#endif

typedef REAL real;
typedef unsigned char byte;
typedef unsigned long long word;

// ---------------------------------------------------------------------------------------------------------------------
// Convolution by im2col (twin: ops/im2col.py). Images are (n, h, w, c), windows (p, q) with kernels (kh, kw).

// Both kernels exist for single numbers and for quads of neighbouring channels, which share the work of finding their
// place and travel in one access to memory. `T` is the one or the other, c counts in them.

struct alignas(4 * sizeof(real)) quad {
  real lane[4];
};
DEVICE void add_to(real& sum, real x) { sum += x; }
DEVICE void add_to(quad& sum, const quad& x) {
  for (int i = 0; i < 4; ++i) sum.lane[i] += x.lane[i];
}

// columns[n,i,j, u,v,c] = x[n, i sh + u dh - top, j sw + v dw - left, c], 0 outside of the image
template <typename T>
DEVICE void windows_of(const T* x, T* columns, int h, int w, int c, int p, int q, int kh, int kw, int sh, int sw,
                       int dh, int dw, int top, int left, int size) {
  FOR(index, size) {
    int rest = index;
    int channel = rest % c; rest /= c;
    int v = rest % kw; rest /= kw;
    int u = rest % kh; rest /= kh;
    int j = rest % q; rest /= q;
    int i = rest % p;
    int n = rest / p;
    int row = i * sh + u * dh - top, column = j * sw + v * dw - left;
    bool inside = row >= 0 && row < h && column >= 0 && column < w;
    columns[index] = inside ? x[((n * h + row) * w + column) * c + channel] : T();
  }
}

// The adjoint. dx[n,k,l,c] = sum of columns[n,i,j,u,v,c] over all windows and places with
// i sh + u dh - top = k, j sw + v dw - left = l: every pixel gathers from the windows that cover it, so nothing is added
// up by two threads.
template <typename T>
DEVICE void sums_of_windows(const T* columns, T* dx, int h, int w, int c, int p, int q, int kh, int kw, int sh, int sw,
                            int dh, int dw, int top, int left, int size) {
  FOR(index, size) {
    int rest = index;
    int channel = rest % c; rest /= c;
    int l = rest % w + left; rest /= w;
    int k = rest % h + top;
    int n = rest / h;
    T sum = T();
    // without dilation, only every sh-th u meets the stride
    for (int u = dh == 1 ? k % sh : 0; u < kh; u += dh == 1 ? sh : 1) {
      int above = k - u * dh, i = above / sh;
      if (above < 0 || i >= p || above % sh) continue;
      for (int v = dw == 1 ? l % sw : 0; v < kw; v += dw == 1 ? sw : 1) {
        int before = l - v * dw, j = before / sw;
        if (before < 0 || j >= q || before % sw) continue;
        add_to(sum, columns[((((n * p + i) * q + j) * kh + u) * kw + v) * c + channel]);
      }
    }
    dx[index] = sum;
  }
}

KERNEL im2col(const real* x, real* columns, int h, int w, int c, int p, int q, int kh, int kw, int sh, int sw, int dh,
              int dw, int top, int left, int size) {
  windows_of(x, columns, h, w, c, p, q, kh, kw, sh, sw, dh, dw, top, left, size);
}
KERNEL im2col_quads(const quad* x, quad* columns, int h, int w, int c, int p, int q, int kh, int kw, int sh, int sw,
                    int dh, int dw, int top, int left, int size) {
  windows_of(x, columns, h, w, c, p, q, kh, kw, sh, sw, dh, dw, top, left, size);
}
KERNEL col2im(const real* columns, real* dx, int h, int w, int c, int p, int q, int kh, int kw, int sh, int sw, int dh,
              int dw, int top, int left, int size) {
  sums_of_windows(columns, dx, h, w, c, p, q, kh, kw, sh, sw, dh, dw, top, left, size);
}
KERNEL col2im_quads(const quad* columns, quad* dx, int h, int w, int c, int p, int q, int kh, int kw, int sh, int sw,
                    int dh, int dw, int top, int left, int size) {
  sums_of_windows(columns, dx, h, w, c, p, q, kh, kw, sh, sw, dh, dw, top, left, size);
}

// ---------------------------------------------------------------------------------------------------------------------
// Philox4x64-10 (twin: ops/random_bits.py, where NumPy has it): random bits as a function of key and counter.
// Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"

DEVICE word high_product(word a, word b) {
#ifdef __CUDACC__
  return __umul64hi(a, b);
#else
  return (word)((unsigned __int128)a * b >> 64);
#endif
}

// Replaces the four words of `counter` by four random ones.
DEVICE void philox(word* counter, word key0, word key1) {
  for (int round = 0; round < 10; ++round) {
    word high0 = high_product(0xD2E7470EE14C6C93ull, counter[0]), low0 = 0xD2E7470EE14C6C93ull * counter[0];
    word high2 = high_product(0xCA5A826395121157ull, counter[2]), low2 = 0xCA5A826395121157ull * counter[2];
    counter[0] = high2 ^ counter[1] ^ key0;
    counter[1] = low2;
    counter[2] = high0 ^ counter[3] ^ key1;
    counter[3] = low0;
    key0 += 0x9E3779B97F4A7C15ull;
    key1 += 0xBB67AE8584CAA73Bull;
  }
}

// Word number `index` of a layer's stream, 64 random bits, in training pass `call`.
DEVICE word random_word(word seed, word call, int index) {
  word counter[4] = {(word)(index / 4) + 1, call, 0, 0};
  philox(counter, seed, 0);
  return counter[index % 4];
}

// Whether unit 4 index + lane is kept: its sixteen bits of the word are not below `levels`.
DEVICE byte is_kept(word bits, int lane, int levels) {
  return (int)(bits >> (16 * lane) & 0xFFFF) >= levels;
}

// keep[i] = 1 or 0 for unit number first + i of the pass, four units a thread
KERNEL dropout_mask(byte* keep, const long long* seed, const long long* call, int levels, int first, int size) {
  FOR(index, (first % 4 + size + 3) / 4) {
    word bits = random_word(seed[0], call[0], first / 4 + index);
    for (int lane = 0, i = 4 * index - first % 4; lane < 4 && i < size; ++lane, ++i)
      if (i >= 0) keep[i] = is_kept(bits, lane, levels);
  }
}

// u[i] = number first + i of the pass, from [0, 1): the upper 53 bits of a word; real is double
KERNEL uniform_numbers(real* u, const long long* seed, const long long* call, int first, int size) {
  FOR(i, size) u[i] = (real)(random_word(seed[0], call[0], first + i) >> 11) * (real)0x1p-53;
}

// z[i] = normal number first + i of the pass, two numbers a thread: the coordinates of a point at a random angle, whose
// distance from the centre has an exponential square
KERNEL normal_numbers(real* z, const long long* seed, const long long* call, int first, int size) {
  FOR(index, (first % 2 + size + 1) / 2) {
    word bits = random_word(seed[0], call[0], first / 2 + index);
    real share = ((real)(bits & 0xFFFFFFFF) + (real)0.5) * (real)0x1p-32;
    real angle = ((real)(bits >> 32) + (real)0.5) * (real)(0x1p-32 * 6.283185307179586);
    real distance = sqrt(-2 * log(share));
    int i = 2 * index - first % 2;
    if (i >= 0) z[i] = distance * cos(angle);
    if (i + 1 < size) z[i + 1] = distance * sin(angle);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Bias, LeakyReLU and Dropout behind a matrix product, in one pass (twins: Dense or Conv2D, LeakyReLU, Dropout)

// max(z, slope z); for a slope of 0 without the product, since 0 times infinity is no number
DEVICE real leaky(real z, real slope) {
  if (z > 0) return z;
  return slope == 0 && z <= 0 ? 0 : slope * z;
}

// y = max(z, slope z), z = y + b, in place; units: length of b, which repeats along y (b may be null)
KERNEL bias_leaky(real* y, const real* b, real slope, int units, int size) {
  FOR(i, size) {
    real z = b ? y[i] + b[i % units] : y[i];
    y[i] = leaky(z, slope);
  }
}

// The same, then y = keep scale y, keep as in dropout_mask. LeakyReLU's backward needs the sign of z, which a dropped
// unit loses: it is kept beside it, so bit 0 of `keep` says whether the unit is kept and bit 1 whether z > 0.
KERNEL bias_leaky_dropout(real* y, const real* b, byte* keep, const long long* seed, const long long* call, real slope,
                          int levels, real scale, int units, int first, int size) {
  FOR(index, (first % 4 + size + 3) / 4) {
    word bits = random_word(seed[0], call[0], first / 4 + index);
    for (int lane = 0, i = 4 * index - first % 4; lane < 4 && i < size; ++lane, ++i) {
      if (i < 0) continue;
      real z = b ? y[i] + b[i % units] : y[i];
      keep[i] = is_kept(bits, lane, levels) | (z > 0) << 1;
      y[i] = keep[i] & 1 ? leaky(z, slope) * scale : (real)0;
    }
  }
}

// dz = dy where y > 0, else slope dy
KERNEL leaky_backward(const real* dy, const real* y, real* dz, real slope, int size) {
  FOR(i, size) dz[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

// dz = keep scale (1 where z > 0, else slope) dy
KERNEL leaky_dropout_backward(const real* dy, const byte* keep, real* dz, real slope, real scale, int size) {
  FOR(i, size) dz[i] = keep[i] & 1 ? (keep[i] & 2 ? dy[i] : slope * dy[i]) * scale : (real)0;
}

// ---------------------------------------------------------------------------------------------------------------------
// Sums over the rows of a matrix, one per column: bias gradients, BatchNorm's statistics (twin: ops/sums.py)

// parts[k,c] = sum of x[r,c] y[r,c] over the rows r of part k, each `length` rows long; y may be null: sum of x[r,c].
// Neighbouring threads take neighbouring columns, so they read neighbouring numbers.
KERNEL column_parts(const real* x, const real* y, real* parts, int rows, int columns, int length, int size) {
  FOR(index, size) {
    int c = index % columns, first = index / columns * length, end = first + length < rows ? first + length : rows;
    real sum = 0;
    for (int r = first; r < end; ++r) sum += y ? x[r * columns + c] * y[r * columns + c] : x[r * columns + c];
    parts[index] = sum;
  }
}

// The same of x[r,c]^2, in double, since squares of float can overflow
KERNEL column_squares(const real* x, double* parts, int rows, int columns, int length, int size) {
  FOR(index, size) {
    int c = index % columns, first = index / columns * length, end = first + length < rows ? first + length : rows;
    double sum = 0;
    for (int r = first; r < end; ++r) sum += (double)x[r * columns + c] * x[r * columns + c];
    parts[index] = sum;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Binary cross-entropy of logits x with its gradient (twin: ops/cross_entropy.py)

// loss = (1 - t) softplus(x) + t softplus(-x), dx = ((1 - t) sigmoid(x) - t sigmoid(-x)) / size; targets may be null:
// `target` for all. A weight of 0 counts nothing, even times infinity.
KERNEL binary_cross_entropy(const real* x, const real* targets, real target, real* loss, real* dx, int size) {
  FOR(i, size) {
    real t = targets ? targets[i] : target, e = exp(-fabs(x[i]));
    real s = x[i] > 0 ? 1 : e, rest = x[i] > 0 ? e : 1;  // sigmoid(x) and sigmoid(-x), times 1 + e
    real above = x[i] > 0 ? x[i] : 0, below = x[i] > 0 ? 0 : -x[i];
    loss[i] = (t == 1 ? 0 : (1 - t) * above) + (t == 0 ? 0 : t * below) + log1p(e);
    dx[i] = ((1 - t) * s - t * rest) / ((1 + e) * size);
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// The standard normal distribution (twin: ops/normal.py)

KERNEL normal_cdf(const real* x, real* y, int size) {
  FOR(i, size) y[i] = (real)0.5 * erfc(x[i] * (real)-0.70710678118654752);
}

// ---------------------------------------------------------------------------------------------------------------------
// Adam on a whole network at once (twin: ops/adam_update.py)

// `numbers`: the learning rate and the weights of m and v, which change from step to step; they are read from memory, so
// that a captured step sees the ones of its day. Gradients beyond `limit` count as if they were it, but infinity shows.
// Weight decay: `added` to the gradients, or `shrinking` the parameters (AdamW); one of them is 0.
KERNEL adam(real* params, const real* grads, real* m, real* v, const real* numbers, real beta1, real beta2,
            real epsilon, real limit, real added, real shrinking, int size) {
  real rate = numbers[0] * sqrt(numbers[2]) / numbers[1], floor = epsilon * sqrt(numbers[2]);
  FOR(i, size) {
    real g = grads[i] + added * params[i];
    if (fabs(g) > limit && g - g == 0) g = g > 0 ? limit : -limit;
    m[i] = beta1 * m[i] + g;
    v[i] = beta2 * v[i] + g * g;
    params[i] = params[i] * (1 - numbers[0] * shrinking) - m[i] / (sqrt(v[i]) + floor) * rate;
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// A batch out of a data set of bytes (twin: ops/gather.py)

// batch[k, i] = low + scale images[order[k], i]; length: numbers of one image
KERNEL gather_images(const byte* images, const long long* order, real* batch, real low, real scale, int length,
                     int size) {
  FOR(index, size) {
    long long image = order[index / length];
    batch[index] = images[image * length + index % length] * scale + low;
  }
}
