"""Convolution by im2col: every window of the image becomes one row of a matrix, and the rest is a matrix product.

    columns[n,i,j] = the window at (i, j), kh kw c numbers in a row          (n p q, kh kw c)
    correlate          y  = columns W                                        W as a matrix (kh kw c, o)
    weight_gradient    dw = columns^T dy
    input_gradient     dx = the adjoint of "columns" applied to dy W^T: each number is added back where it was read

The column matrix is kh kw / stride^2 times as large as the image. So the batch is taken in blocks whose columns fit
the cache; they are made again for the weight gradient, which is cheaper than keeping and fetching them.
"""

from minigan.ops.convolution.plan import Plan
from minigan.ops.matmul import matmul


class Im2col(Plan):
    """A plan whose large matrix holds every window as a row."""

    name = "im2col"

    # encode the three operands: here nearly nothing

    def encode_image(self, x):
        """(n, h, w, c) -> zero-padded"""
        return self.pad(x)

    def encode_kernel(self, w):
        """(kh, kw, c, o) -> (kh kw c, o)"""
        return w.reshape(-1, w.shape[3])

    def encode_output(self, y):
        """(n, p, q, o) -> (n, p q, o)"""
        return y.reshape(len(y), -1, y.shape[3])

    # multiply two encoded operands

    def correlate(self, image, kernel):
        """y[n,i,j,o] = sum_{u,v,c} image[n, i s + u, j s + v, c] kernel[u,v,c,o]"""
        (p, q), o = self.outputs, kernel.shape[1]
        y = self.xp.empty((len(image), p * q, o), image.dtype)
        for block in self.blocks(len(image)):
            matmul(self.columns(image[block]), kernel, out=y[block].reshape(-1, o))
        return y.reshape(-1, p, q, o)

    def weight_gradient(self, image, output):
        """dw[u,v,c,o] = sum_{n,i,j} image[n, i s + u, j s + v, c] output[n,i,j,o]"""
        kh, kw, c, o = self.kernel_shape
        dw = self.xp.zeros((kh * kw * c, o), image.dtype)
        for block in self.blocks(len(image)):
            dw += matmul(self.columns(image[block]).T, output[block].reshape(-1, o))
        return dw.reshape(self.kernel_shape)

    def input_gradient(self, output, kernel):
        """dx[n, i s + u, j s + v, c] += sum_o output[n,i,j,o] kernel[u,v,c,o] for all i, j, u, v; then unpadded"""
        (kh, kw, c), (p, q) = self.kernel_shape[:3], self.outputs
        dx = self.xp.zeros((len(output), *self.padded, c), output.dtype)
        for block in self.blocks(len(output)):
            columns = matmul(output[block].reshape(-1, output.shape[2]), kernel.T).reshape(-1, p, q, kh, kw, c)
            for u, v, down, across in self.places():  # windows overlap: their contributions add up
                dx[block, down, across] += columns[:, :, :, u, v]
        return self.unpad(dx)

    def columns(self, padded):
        """Return the windows of a block of padded images as rows: (n, ...) -> (n p q, kh kw c), a copy"""
        (kh, kw), (sh, sw), (dh, dw), (p, q) = self.kernel_shape[:2], self.strides, self.dilation, self.outputs
        n, h, w, c = padded.shape
        # a view: how many bytes further the next one lies, along each of the six axes. (The strides are counted, not
        # asked for: along an axis of length 1 an array may hold any.)
        padded, number = self.xp.ascontiguousarray(padded), padded.itemsize
        pixel, row, image = c * number, w * c * number, h * w * c * number
        windows = self.xp.lib.stride_tricks.as_strided(
            padded, (n, p, q, kh, kw, c), (image, row * sh, pixel * sw, row * dh, pixel * dw, number)
        )
        return windows.reshape(n * p * q, kh * kw * c)

    def flops(self):
        return 2 * self.matrix_size() * self.kernel_shape[3]

    def matrix_size(self):
        (p, q), (kh, kw, c, _) = self.outputs, self.kernel_shape
        return p * q * kh * kw * c
