"""Convolution with a group for each channel: a filter sees one channel, so there is nothing to sum over channels.

    correlate          y[n,i,j,o]  = sum_{u,v} x_pad[n, i s + u, j s + v, o] W[u,v,o]
    weight_gradient    dw[u,v,o]   = sum_{n,i,j} x_pad[n, i s + u, j s + v, o] dy[n,i,j,o]
    input_gradient     dx_pad[n, i s + u, j s + v, o] += dy[n,i,j,o] W[u,v,o]

No matrix product is left: each place (u, v) of the window is one product of two arrays, number by number. With several
filters for each channel, the channel is repeated once for each of them. The batch is taken in blocks, so that such a
product stays in the cache until it is added up.
"""

import numpy as np

from minigan.ops.convolution.plan import Plan
from minigan.ops.sums import column_sum


class Depthwise(Plan):
    """A plan for kernels (kh, kw, 1, o) and images of c channels, where o is a multiple of c."""

    name = "depthwise"

    @property
    def block(self):
        """Return how many numbers of a product are made at a time; on a GPU there is no cache to fit, only memory."""
        return 2**16 if self.xp is np else 2**26

    # encode the three operands

    def encode_image(self, x):
        """(n, h, w, c) -> (n, h, w, o), zero-padded"""
        x = self.pad(x)
        return x if self.filters_each == 1 else x.repeat(self.filters_each, axis=-1)

    def encode_kernel(self, w):
        """(kh, kw, 1, o) -> (kh, kw, q, o): once for each column of y, so that a product has long rows"""
        kh, kw, _, o = self.kernel_shape
        return self.xp.ascontiguousarray(self.xp.broadcast_to(w, (kh, kw, self.outputs[1], o)))

    def encode_output(self, y):
        """(n, p, q, o)"""
        return self.xp.ascontiguousarray(y)

    # multiply two encoded operands

    def correlate(self, image, kernel):
        """y[n,i,j,o] = sum_{u,v} image[n, i s + u, j s + v, o] kernel[u,v,j,o]"""
        y = self.xp.zeros((len(image), *self.outputs, self.kernel_shape[3]), image.dtype)
        for block in self.blocks(len(image)):
            product = self.xp.empty_like(y[block])
            for u, v, down, across in self.places():
                y[block] += self.xp.multiply(image[block, down, across], kernel[u, v], out=product)
        return y

    def weight_gradient(self, image, output):
        """dw[u,v,o] = sum_{n,i,j} image[n, i s + u, j s + v, o] output[n,i,j,o]"""
        kh, kw, _, o = self.kernel_shape
        dw = self.xp.zeros((kh, kw, self.outputs[1] * o), image.dtype)
        for block in self.blocks(len(image)):
            product = self.xp.empty_like(output[block])
            for u, v, down, across in self.places():
                self.xp.multiply(image[block, down, across], output[block], out=product)
                dw[u, v] += column_sum(product.reshape(-1, dw.shape[2]))  # over n and i
        return dw.reshape(kh, kw, -1, o).sum(axis=2, keepdims=True)  # over j

    def input_gradient(self, output, kernel):
        """dx[n, i s + u, j s + v, o] += output[n,i,j,o] kernel[u,v,j,o], then unpadded

        The filters of one channel are added up.
        """
        dx = self.xp.zeros((len(output), *self.padded, self.kernel_shape[3]), output.dtype)
        for block in self.blocks(len(output)):
            product = self.xp.empty_like(output[block])
            for u, v, down, across in self.places():
                dx[block, down, across] += self.xp.multiply(output[block], kernel[u, v], out=product)
        dx = self.unpad(dx)
        return dx if self.filters_each == 1 else dx.reshape(*dx.shape[:3], -1, self.filters_each).sum(axis=-1)

    @property
    def filters_each(self):
        """Return how many filters each channel has."""
        return self.kernel_shape[3] // self.image_shape[2]

    def flops(self):
        kh, kw, _, _ = self.kernel_shape
        return 2 * kh * kw * self.matrix_size()

    def matrix_size(self):
        """Return how many numbers a product has for one image."""
        p, q = self.outputs
        return p * q * self.kernel_shape[3]
