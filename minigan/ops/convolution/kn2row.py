"""Convolution by kn2row: every pixel is multiplied by the whole kernel, and the products are added where they belong.

    products[u,v,o,n,k,l] = sum_c W[u,v,c,o] x[n,k,l,c]                                      (kh kw o, n h w)
    correlate          y[n,i,j,o] = sum_{u,v} products[u,v,o, n, i s + u, j s + v]
    input_gradient     dx = spread^T W, where spread = the adjoint of that sum applied to dy
    weight_gradient    dw = spread x

It is im2col seen from the other side: there the large matrix holds kh kw c numbers for each output pixel, here kh kw o
for each input pixel. So it is the one to take where a convolution has few filters, as the last one of a generator.
Source: Vasudevan, Anderson & Gregg 2017, arXiv:1704.04428
"""

from minigan.ops.convolution.plan import Plan
from minigan.ops.matmul import matmul


class Kn2row(Plan):
    """A plan whose large matrix holds the products of every pixel with the whole kernel."""

    name = "kn2row"

    # encode the three operands: here nearly nothing

    def encode_image(self, x):
        """(n, h, w, c) -> zero-padded"""
        return self.pad(x)

    def encode_kernel(self, w):
        """(kh, kw, c, o) -> (kh kw o, c)"""
        return w.transpose(0, 1, 3, 2).reshape(-1, w.shape[2])

    def encode_output(self, y):
        """(n, p, q, o) -> (o, n, p, q), a plane for each filter"""
        return self.xp.ascontiguousarray(y.transpose(3, 0, 1, 2))

    # multiply two encoded operands

    def correlate(self, image, kernel):
        """y[n,i,j,o] = sum_{u,v} (kernel image[n, i s + u, j s + v])[u,v,o]"""
        kh, kw, c, o = self.kernel_shape
        y = self.xp.zeros((o, len(image), *self.outputs), image.dtype)
        for block in self.blocks(len(image)):
            products = matmul(kernel, image[block].reshape(-1, c).T).reshape(kh, kw, o, -1, *self.padded)
            for u, v, down, across in self.places():
                y[:, block] += products[u, v, ..., down, across]
        return self.xp.ascontiguousarray(y.transpose(1, 2, 3, 0))

    def input_gradient(self, output, kernel):
        """dx[n,k,l,c] = sum_{u,v,o} spread[u,v,o,n,k,l] kernel[u,v,o,c], then unpadded"""
        n, c = output.shape[1], kernel.shape[1]
        dx = self.xp.empty((n, *self.padded, c), output.dtype)
        for block in self.blocks(n):
            matmul(self.spread(output[:, block]).T, kernel, out=dx[block].reshape(-1, c))
        return self.unpad(dx)

    def weight_gradient(self, image, output):
        """dw[u,v,c,o] = sum_{n,k,l} spread[u,v,o,n,k,l] image[n,k,l,c]"""
        kh, kw, c, o = self.kernel_shape
        dw = self.xp.zeros((kh * kw * o, c), image.dtype)
        for block in self.blocks(len(image)):
            dw += matmul(self.spread(output[:, block]), image[block].reshape(-1, c))
        return dw.reshape(kh, kw, o, c).transpose(0, 1, 3, 2)

    def spread(self, output):
        """Return each output pixel laid at every place of its window: (o, n, p, q) -> (kh kw o, n h w)"""
        kh, kw, _, o = self.kernel_shape
        spread = self.xp.zeros((kh, kw, *output.shape[:2], *self.padded), output.dtype)
        for u, v, down, across in self.places():
            spread[u, v, ..., down, across] = output
        return spread.reshape(kh * kw * o, -1)

    def flops(self):
        return 2 * self.matrix_size() * self.kernel_shape[2]

    def matrix_size(self):
        """Return how many numbers the products of one image hold."""
        (h, w), (kh, kw, _, o) = self.padded, self.kernel_shape
        return h * w * kh * kw * o
