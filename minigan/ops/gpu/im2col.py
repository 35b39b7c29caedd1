"""im2col on a GPU: the same plan with kernels that find the windows, put the zeros around, and gather the overlaps."""

from minigan.ops.convolution.im2col import Im2col
from minigan.ops.gpu.kernels import launch
from minigan.ops.matmul import matmul


class Im2colGpu(Im2col):
    """The plan of im2col.py for arrays of a GPU; correlate and weight_gradient are inherited."""

    block = 2**26  # numbers of the large matrix: there is no cache to fit, only memory

    def encode_image(self, x):
        """(n, h, w, c), contiguous: the kernel supplies the padding"""
        return self.xp.ascontiguousarray(x)

    def columns(self, image):
        """(n, h, w, c) -> (n p q, kh kw c)"""
        columns = self.xp.empty((len(image) * self.outputs[0] * self.outputs[1], self.window_size), image.dtype)
        self.launch("im2col", image, columns)
        return columns

    def input_gradient(self, output, kernel):
        """Return the adjoint of columns: every pixel gathers its sum from the windows that cover it."""
        dx = self.xp.empty((len(output), *self.image_shape), output.dtype)
        for block in self.blocks(len(output)):
            columns = matmul(output[block].reshape(-1, output.shape[2]), kernel.T)
            self.launch("col2im", columns, dx[block])
        return dx

    def launch(self, kernel, source, target):
        """Fill `target`; four channels at a time where their number allows it."""
        lanes = 1 if self.image_shape[2] % 4 else 4
        h, w, c, *rest = self.geometry
        name = kernel if lanes == 1 else f"{kernel}_quads"
        launch(name, target.dtype, target.size // lanes, source, target, h, w, c // lanes, *rest)

    @property
    def window_size(self):
        kh, kw, c, _ = self.kernel_shape
        return kh * kw * c

    @property
    def geometry(self):
        """h, w, c, p, q, kh, kw, sh, sw, dh, dw, top, left"""
        (top, _), (left, _) = self.pads
        return (*self.image_shape, *self.outputs, *self.kernel_shape[:2], *self.strides, *self.dilation, top, left)
