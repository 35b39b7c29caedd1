"""Convolution by im2col: every window of the image becomes one row of a matrix, and the rest is a matrix product.

    columns[n,i,j] = the window at (i, j), kh kw c numbers in a row          (n p q, kh kw c)
    correlate          y  = columns W                                        W as a matrix (kh kw c, o)
    weight_gradient    dw = columns^T dy
    input_gradient     dx = the adjoint of "columns" applied to dy W^T: each number is added back where it was read

The column matrix is kh kw / stride^2 times as large as the image. So the batch is taken in blocks whose columns fit
the cache; they are made again for the weight gradient, which is cheaper than keeping and fetching them.
"""

import numpy as np

BLOCK = 2**20  # numbers in the columns of a block: 4 MB in float32


class Im2col:
    """A plan for one shape. See minigan/ops/fourier.py for the other algorithm with the same six methods.

    image_shape (h, w, c), kernel_shape (kh, kw, c, o), pads ((top, bottom), (left, right)), outputs (p, q)
    """

    name = "im2col"

    def __init__(self, image_shape, kernel_shape, strides, pads, outputs, dtype, xp):
        self.image_shape, self.kernel_shape = tuple(image_shape), tuple(kernel_shape)
        self.strides, self.pads, self.outputs, self.xp = strides, pads, outputs, xp

    def __deepcopy__(self, memo):
        return self  # a plan never changes: copies of a layer share it

    # encode the three operands: here nearly nothing

    def image(self, x):
        """(n, h, w, c) -> zero-padded"""
        return self.xp.pad(x, ((0, 0), *self.pads, (0, 0))) if any(map(any, self.pads)) else x

    def kernel(self, w):
        """(kh, kw, c, o) -> (kh kw c, o)"""
        return w.reshape(-1, w.shape[3])

    def output(self, y):
        """(n, p, q, o) -> (n, p q, o)"""
        return y.reshape(len(y), -1, y.shape[3])

    # multiply two encoded operands

    def correlate(self, image, kernel):
        """y[n,i,j,o] = sum_{u,v,c} image[n, i s + u, j s + v, c] kernel[u,v,c,o]"""
        (p, q), o = self.outputs, kernel.shape[1]
        y = self.xp.empty((len(image), p * q, o), image.dtype)
        for block in self.blocks(len(image)):
            self.xp.matmul(self.columns(image[block]), kernel, out=y[block].reshape(-1, o))
        return y.reshape(-1, p, q, o)

    def weight_gradient(self, image, output):
        """dw[u,v,c,o] = sum_{n,i,j} image[n, i s + u, j s + v, c] output[n,i,j,o]"""
        kh, kw, c, o = self.kernel_shape
        dw = self.xp.zeros((kh * kw * c, o), image.dtype)
        for block in self.blocks(len(image)):
            dw += self.columns(image[block]).T @ output[block].reshape(-1, o)
        return dw.reshape(self.kernel_shape)

    def input_gradient(self, output, kernel):
        """dx[n, i s + u, j s + v, c] += sum_o output[n,i,j,o] kernel[u,v,c,o] for all i, j, u, v; then unpadded"""
        (h, w, c), (kh, kw), (sh, sw), (p, q) = self.image_shape, self.kernel_shape[:2], self.strides, self.outputs
        (top, bottom), (left, right) = self.pads
        dx = self.xp.zeros((len(output), h + top + bottom, w + left + right, c), output.dtype)
        for block in self.blocks(len(output)):
            columns = (output[block].reshape(-1, output.shape[2]) @ kernel.T).reshape(-1, p, q, kh, kw, c)
            for u, v in np.ndindex(kh, kw):  # windows overlap: their contributions add up
                dx[block, u : u + sh * p : sh, v : v + sw * q : sw] += columns[:, :, :, u, v]
        return dx[:, top : top + h, left : left + w]

    def columns(self, padded):
        """The windows of a block of padded images as rows: (n, ...) -> (n p q, kh kw c), a copy"""
        (kh, kw), (sh, sw), (p, q) = self.kernel_shape[:2], self.strides, self.outputs
        n, h, w, c = padded.shape
        # a row of a window, kw c numbers, lies contiguously in memory; only where they begin differs. (The strides are
        # counted, not asked for: along an axis of length 1 an array may hold any.)
        padded, number = self.xp.ascontiguousarray(padded), padded.itemsize
        pixel, row, image = c * number, w * c * number, h * w * c * number
        windows = self.xp.lib.stride_tricks.as_strided(
            padded, (n, p, q, kh, kw * c), (image, row * sh, pixel * sw, row, number)
        )
        return windows.reshape(n * p * q, kh * kw * c)

    def blocks(self, n):
        """Slices of the batch whose columns hold about BLOCK numbers."""
        (p, q), (kh, kw, c, _) = self.outputs, self.kernel_shape
        step = max(1, BLOCK // (p * q * kh * kw * c))
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def flops(self):
        """Of one correlate of one image; the two gradients cost the same."""
        (p, q), (kh, kw, c, o) = self.outputs, self.kernel_shape
        return 2 * p * q * kh * kw * c * o
