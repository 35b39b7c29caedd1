"""Upsampling: making images larger by repeating pixels."""

from minigan.hints import Size
from minigan.layers.base import Layer
from minigan.ops.convolution.windows import pair


class UpSampling2D(Layer):
    """Nearest-neighbour upsampling: every pixel becomes a block of equal pixels.

    Forward    y[n, i sh + u, j sw + v, c] = x[n,i,j,c]                        0 <= u < sh, 0 <= v < sw
    Backward   (1) dx[n,i,j,c] = sum_{u,v} dy[n, i sh + u, j sw + v, c]        the sum over all copies
    Shapes     x (n, h, w, c) -> y (n, h sh, w sw, c)
    Cost       no flops forward; saves nothing
    Options    size: an integer or (sh, sw)
    Errors     ShapeError if the input is no image
    Source     Odena, Dumoulin & Olah 2016, "Deconvolution and checkerboard artifacts": followed by a convolution, it
               avoids the checkerboard of strided transposed convolutions
    """

    def __init__(self, size: Size = 2):
        self.size = pair("UpSampling2D", "size", size)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.require_images()
        h, w, c = input_shape
        self.output_shape = (h * self.size[0], w * self.size[1], c)
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        return self.repeated(x)

    def repeated(self, x):
        """Return images in which every pixel of x is a block."""
        (n, h, w, c), (sh, sw) = x.shape, self.size
        if (sh, sw) == (1, 1):
            return x  # a view of x would be read-only, and so it would look as if nobody could change it
        blocks = self.xp.broadcast_to(x[:, :, None, :, None, :], (n, h, sh, w, sw, c))
        return blocks.reshape(n, h * sh, w * sw, c)

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        (h, w, c), (sh, sw) = self.input_shape, self.size
        return dy.reshape(-1, h, sh, w, sw, c).sum(axis=(2, 4)) if input_grad else None  # (1)

    def tangent(self, xdot):
        self.retained(xdot)
        return self.repeated(xdot)

    def flops(self):
        return 0
