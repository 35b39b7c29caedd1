"""Convolution as a bilinear form with constant matrices: y = D ((A x) * (B w)), a Fourier transform as products.

A correlation becomes one product per frequency: Y(f) = X(f) conj-transformed W(f). Three things make it fast here:

1. The images are small, so the transforms are products with small constant matrices, done by BLAS: no FFT is needed.
2. A complex product (a + bi)(c + di) takes three real ones instead of four (Gauss):
       k1 = c (a + b),  k2 = a (d - c),  k3 = b (c + d);    real part k1 - k3, imaginary part k1 + k2
   The sums before the products go into the matrices A and B, those after them, and the transform back, into D. What
   remains is M real products per pair of channels: for each of M terms one matrix product (n, c) (c, o).
3. A stride s is folded into the channels: the s^2 phases of the image, each every s-th pixel, are correlated with the
   s^2 phases of the kernel at stride 1.

The form is linear in x, w and y, so the three maps are the three ways to contract it, and their adjoints use the same
matrices transposed. The transforms are as long as it takes that nothing that wraps around is ever read.
"""

import math
import weakref
from functools import cached_property

import numpy as np

from minigan.ops.convolution.plan import Plan
from minigan.ops.matmul import matmul

in_use = weakref.WeakValueDictionary()  # the Matrices of all plans that still exist: plans of one shape share them


class Matrices:
    """A (M, image cells), B (M, kernel cells) and D (outputs, M) for two `Axis` descriptions."""

    def __init__(self, rows, columns, dtype, xp):
        nh, nw = rows.length, columns.length
        f, g = np.mgrid[:nh, :nw].reshape(2, -1, 1)
        # the transform of real numbers at -f is the conjugate of that at f: one of each pair is enough
        half = (f * nw + g <= -f % nh * nw + -g % nw)[:, 0]
        f, g = f[half], g[half]
        paired = (2 * f % nh + 2 * g % nw > 0)[:, 0]  # the others are their own conjugates: real, k1 alone is exact

        # every angle 2 pi (f i / nh + g j / nw) is a multiple of 2 pi / (nh nw): there are only nh nw different ones
        angles = 2 * np.pi * np.arange(nh * nw) / (nh * nw)
        cos, sin = np.cos(angles), np.sin(angles)

        def terms(k1, k2, k3, height, width, top=0, left=0):
            """Return the three functions of the angle: a row for each term, a column for each point of a grid."""
            i, j = np.mgrid[top : top + height, left : left + width].reshape(2, -1)
            angle = (f * i * nw + g * j * nh) % (nh * nw)
            k1, k2, k3 = (function.astype(dtype) for function in (k1, k2, k3))
            return np.concatenate([k1[angle], k2[angle[paired]], k3[angle[paired]]])

        # X = sum x exp(-i angle): a = cos, b = -sin
        A = terms(cos - sin, cos, -sin, rows.cells, columns.cells)
        # W = sum w exp(+i angle): c = cos, d = sin
        B = terms(cos, sin - cos, cos + sin, rows.taps, columns.taps, rows.first, columns.first)
        # y = the real part of sum X W exp(+i angle) / (nh nw), where a pair counts twice
        weight = 2 / (nh * nw)
        D = terms(weight * (cos - sin), -weight * sin, -weight * cos, rows.outputs, columns.outputs)
        D[: len(f)][~paired] *= 0.5
        self.A, self.B, self.D = xp.asarray(A), xp.asarray(B), xp.asarray(D.T)


class Axis:
    """One axis of the image, in cells of `stride` pixels: how many the image, the kernel and the output have.

    cells, taps: of the image and of the kernel; front: zeros before the kernel's first entry that align it to a cell;
    first: the cell that this entry meets in the first window, at most 0; length: of the transform
    """

    def __init__(self, size, k, stride, before, outputs):
        self.outputs = outputs
        self.first, self.front = divmod(-before, stride)
        self.cells, self.taps = -(-size // stride), -(-(self.front + k) // stride)
        self.length = max(self.cells - self.first, outputs + self.first + self.taps - 1)
        self.key = (outputs, self.first, self.cells, self.taps, self.length)


class Fourier(Plan):
    """A plan whose products are taken frequency by frequency."""

    name = "fourier"
    can_dilate = False

    def __init__(self, image_shape, kernel_shape, strides, pads, outputs, dtype, xp, dilation=(1, 1)):
        super().__init__(image_shape, kernel_shape, strides, pads, outputs, dtype, xp, dilation)
        self.rows, self.columns = (
            Axis(image_shape[i], kernel_shape[i], strides[i], pads[i][0], outputs[i]) for i in (0, 1)
        )

    @cached_property
    def matrices(self):
        """Return A, B and D, made when a product first needs them, or shared with a plan that has them."""
        key = (self.rows.key, self.columns.key, np.dtype(self.dtype).name, self.xp.__name__)
        matrices = in_use.get(key)
        if matrices is None:
            matrices = in_use[key] = Matrices(self.rows, self.columns, self.dtype, self.xp)
        return matrices

    @property
    def A(self):
        """(M, cells of the image)"""
        return self.matrices.A

    @property
    def B(self):
        """(M, cells of the kernel)"""
        return self.matrices.B

    @property
    def D(self):
        """(outputs, M)"""
        return self.matrices.D

    # encode: transform the three operands

    def encode_image(self, x):
        """(n, h, w, c) -> (M, n, s^2 c): A on the phases of the image"""
        (n, h, w, c), (sh, sw) = x.shape, self.strides
        u, v = self.rows.cells, self.columns.cells
        if (h, w) != (u * sh, v * sw):
            x = self.xp.pad(x, ((0, 0), (0, u * sh - h), (0, v * sw - w), (0, 0)))
        phases = x.reshape(n, u, sh, v, sw, c).transpose(1, 3, 0, 2, 4, 5)
        return matmul(self.A, phases.reshape(u * v, -1)).reshape(-1, n, sh * sw * c)

    def encode_kernel(self, w):
        """(kh, kw, c, o) -> (M, s^2 c, o): B on the phases of the kernel"""
        (kh, kw, c, o), (sh, sw) = w.shape, self.strides
        (u, front), (v, left) = (self.rows.taps, self.rows.front), (self.columns.taps, self.columns.front)
        if (kh, kw) != (u * sh, v * sw):
            w = self.xp.pad(w, ((front, u * sh - kh - front), (left, v * sw - kw - left), (0, 0), (0, 0)))
        phases = w.reshape(u, sh, v, sw, c, o).transpose(0, 2, 1, 3, 4, 5)
        return matmul(self.B, phases.reshape(u * v, -1)).reshape(-1, sh * sw * c, o)

    def encode_output(self, y):
        """(n, p, q, o) -> (M, n, o): the adjoint of the way back"""
        n, p, q, o = y.shape
        return matmul(self.D.T, y.transpose(1, 2, 0, 3).reshape(p * q, -1)).reshape(-1, n, o)

    # multiply two encoded operands, term by term, and transform the result back

    def correlate(self, image, kernel):
        """y[n,i,j,o] = sum_{u,v,c} x[n, i s + u, j s + v, c] w[u,v,c,o]"""
        terms = matmul(image, kernel)
        (_, n, o), (p, q) = terms.shape, self.outputs
        y = matmul(self.D, terms.reshape(len(terms), -1)).reshape(p, q, n, o)
        return self.xp.ascontiguousarray(y.transpose(2, 0, 1, 3))

    def input_gradient(self, output, kernel):
        """Return the gradient of correlate with respect to the image"""
        terms = matmul(output, kernel.transpose(0, 2, 1))
        (h, w, c), (sh, sw), n = self.image_shape, self.strides, terms.shape[1]
        u, v = self.rows.cells, self.columns.cells
        phases = matmul(self.A.T, terms.reshape(len(terms), -1)).reshape(u, v, n, sh, sw, c)
        return phases.transpose(2, 0, 3, 1, 4, 5).reshape(n, u * sh, v * sw, c)[:, :h, :w]

    def weight_gradient(self, image, output):
        """Return the gradient of correlate with respect to the kernel"""
        terms = matmul(image.transpose(0, 2, 1), output)
        (kh, kw, c, o), (sh, sw) = self.kernel_shape, self.strides
        (u, front), (v, left) = (self.rows.taps, self.rows.front), (self.columns.taps, self.columns.front)
        phases = matmul(self.B.T, terms.reshape(len(terms), -1)).reshape(u, v, sh, sw, c, o)
        w = phases.transpose(0, 2, 1, 3, 4, 5).reshape(u * sh, v * sw, c, o)
        return w[front : front + kh, left : left + kw]

    # counted from the shapes: the matrices need not be there

    @property
    def M(self):
        """Return the number of terms: three for a pair of frequencies, one for a frequency that is its own conjugate"""
        frequencies = self.rows.length * self.columns.length
        single = math.prod(2 - axis.length % 2 for axis in (self.rows, self.columns))
        return (3 * frequencies - single) // 2

    @property
    def phase_channels(self):
        """s^2 c: the channels of the image once the stride is folded into them"""
        return math.prod(self.strides) * self.kernel_shape[2]

    def flops(self):
        """Return the flops; the kernel's transform is shared by a batch and not counted."""
        c, o, cells, outputs = self.phase_channels, self.kernel_shape[3], self.cells(), math.prod(self.outputs)
        return 2 * self.M * (cells * c + c * o + outputs * o)

    def matrix_size(self):
        """Return how many numbers the image's transform and the products hold"""
        return self.M * (self.phase_channels + self.kernel_shape[3])

    def cells(self):
        """Return the cells of the image, once the stride is folded into the channels"""
        return self.rows.cells * self.columns.cells

    def constants(self):
        """Return how many numbers A, B and D hold: they grow with the square of the number of pixels"""
        return self.M * (self.cells() + self.rows.taps * self.columns.taps + math.prod(self.outputs))
