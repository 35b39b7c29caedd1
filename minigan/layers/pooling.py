"""Pooling: each window of an image becomes one number, its maximum or its mean, in each channel separately.

And global pooling, whose window is the whole image.
"""

import math

from minigan.budget import spend
from minigan.errors import OptionError
from minigan.hints import Padding, Size
from minigan.layers.base import Layer
from minigan.ops.convolution.windows import checked_padding, output_size, pair, places_on_image
from minigan.ops.sums import pixel_sum


class Pooling(Layer):
    """The base class of both: the windows, seen as one shifted image for each place in a window.

    The shifted image of the place (u, v) holds the entry at this place of every window: x_pad[:, u::s, v::s]. There
    are only kh kw of them, so pooling is a few operations on whole arrays.

    A subclass writes prepare_windows(), besides forward, backward and tangent: it finds out what these need to know of
    the windows, whenever the layer is built or converted.
    """

    def __init__(self, pool_size: Size = 2, strides: Size | None = None, padding: Padding = "valid"):
        owner = type(self).__name__
        self.pool_size, self.padding = pair(owner, "pool_size", pool_size), checked_padding(owner, padding)
        self.strides = pair(owner, "strides", self.pool_size if strides is None else strides)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.require_images()
        self.outputs, self.pads = output_size(self.name, input_shape, self.pool_size, self.strides, self.padding)
        if any(pad >= k for pads, k in zip(self.pads, self.pool_size, strict=True) for pad in pads):
            raise OptionError(
                f"{self.name}: with padding {self.pads}, some windows of {self.pool_size} would not contain a pixel "
                "of the image. Use a padding that is smaller than pool_size."
            )
        if any(k > 2 * size for k, size in zip(self.pool_size, self.input_shape[:2], strict=True)):
            raise OptionError(
                f"{self.name}: windows of {self.pool_size} are more than twice as large as the images, "
                f"{self.input_shape[:2]}. Use a pool_size that is not larger than the images."
            )
        spend("windows", math.prod(self.pool_size), self.name, f"a pool_size of {self.pool_size}")
        self.output_shape = (*self.outputs, input_shape[2])
        spend("sample", math.prod(self.output_shape), self.name, f"one output of shape {self.output_shape}")
        self.prepare_windows()
        return self.output_shape

    def convert(self, dtype, xp):
        super().convert(dtype, xp)
        self.prepare_windows()

    def padded(self, x, value):
        return self.xp.pad(x, ((0, 0), *self.pads, (0, 0)), constant_values=value) if any(map(any, self.pads)) else x

    def shifted_images(self, padded):
        """Yield, for each place in a window, the entries of all windows at this place: kh kw views (n, p, q, c)."""
        (kh, kw), (sh, sw), (p, q) = self.pool_size, self.strides, self.outputs
        for u in range(kh):
            for v in range(kw):
                yield padded[:, u : u + sh * p : sh, v : v + sw * q : sw]

    def spread(self, shares):
        """Return dx from the share of dy for each place in a window; where windows overlap, the shares add up."""
        (h, w, c), ((top, bottom), (left, right)) = self.input_shape, self.pads
        dx = None
        for k, share in enumerate(shares):
            if dx is None:
                dx = self.xp.zeros((len(share), h + top + bottom, w + left + right, c), self.dtype)
                shifted = list(self.shifted_images(dx))
            shifted[k] += share
        return dx[:, top : top + h, left : left + w]

    def flops(self):
        return self.pool_size[0] * self.pool_size[1] * super().flops()


class MaxPool2D(Pooling):
    """The largest number of each window.

    Forward    y[n,i,j,c] = max_{u,v} x[n, i s + u - top, j s + v - left, c]               padding never wins
    Backward   (1) dx = dy at the place of the maximum, the first one of equals; added up where windows overlap
    Shapes     x (n, h, w, c) -> y (n, p, q, c) with p = (h + top + bottom - kh) // s + 1; q likewise
    Cost       kh kw comparisons an output; keeps the number of the winning place, one byte an output (or four)
    Options    pool_size: kh and kw; strides: s, by default pool_size; padding: top, bottom, left and right, by default
               none ("valid"); otherwise as for Conv2D, and smaller than pool_size
    Errors     ShapeError if the input is no image, or no window fits into it; OptionError if a window could lie in the
               padding alone, or is more than twice as large as the image
    """

    def prepare_windows(self):
        """Number the first pixel of each window: it wins if no other is larger, for example if all are -infinity."""
        kh, kw = self.pool_size
        (first_row, _), (first_column, _) = places_on_image(self.input_shape, self.pool_size, self.strides, self.pads)
        places = (first_row[:, None] * kw + first_column)[:, :, None]  # (p, q, 1)
        self.first_pixels = self.xp.asarray(places.astype("uint8" if kh * kw <= 256 else "int32"))

    def forward(self, x, training=False):
        self.check_input(x)
        first, *others = self.shifted_images(self.padded(x, -math.inf))
        y = first.copy()
        winner = self.xp.zeros(y.shape, self.first_pixels.dtype)
        winner += self.first_pixels
        for k, image in enumerate(others, start=1):
            better = image > y
            self.xp.maximum(y, image, out=y)
            winner *= ~better
            winner += better * winner.dtype.type(k)
        self.save_for_backward(winner)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        winner = self.saved(dy)
        if not input_grad:
            return None
        return self.spread(dy * (winner == k) for k in range(self.pool_size[0] * self.pool_size[1]))  # (1)

    def tangent(self, xdot):
        _, winner = self.retained(xdot)
        return sum(image * (winner == k) for k, image in enumerate(self.shifted_images(self.padded(xdot, 0))))


class AveragePool2D(Pooling):
    """The mean of each window.

    Forward    y[n,i,j,c] = 1/m[i,j] sum_{u,v} x[n, i s + u - top, j s + v - left, c]      m: pixels of the image in
               the window; padding does not count
    Backward   (1) dx = dy / m, to every place of the window; added up where windows overlap
    Shapes     x (n, h, w, c) -> y (n, p, q, c)
    Cost       kh kw additions an output; keeps nothing
    Options    as for MaxPool2D
    Errors     as for MaxPool2D
    """

    def prepare_windows(self):
        """Count the pixels in each window, m; without padding this is one number."""
        self.pixels = self.pool_size[0] * self.pool_size[1]
        if any(map(any, self.pads)):
            ranges = places_on_image(self.input_shape, self.pool_size, self.strides, self.pads)
            rows, columns = (end - first for first, end in ranges)
            self.pixels = self.xp.asarray((rows[:, None] * columns)[:, :, None].astype(self.dtype))  # (p, q, 1)

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        return self.averaged(x)

    def averaged(self, x):
        """Return the mean of each window of x."""
        return sum(self.shifted_images(self.padded(x, 0))) / self.pixels

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        if not input_grad:
            return None
        share = dy / self.pixels
        return self.spread(share for _ in range(self.pool_size[0] * self.pool_size[1]))  # (1)

    def tangent(self, xdot):
        self.retained(xdot)
        return self.averaged(xdot)


class GlobalAveragePool2D(Layer):
    """The mean of each channel over the whole image: from images of any size to one vector.

    Forward    y[n,c] = 1/(h w) sum_{i,j} x[n,i,j,c]
    Backward   (1) dx[n,i,j,c] = dy[n,c] / (h w)                                the same for every pixel
    Shapes     x (n, h, w, c) -> y (n, c)
    Cost       one addition per number of the input; saves nothing
    Errors     ShapeError if the input is no image
    Source     Lin, Chen & Yan 2014, "Network in network", arXiv:1312.4400, section 3.2
    """

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.require_images()
        self.pixels, self.output_shape = input_shape[0] * input_shape[1], (input_shape[2],)
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        return pixel_sum(x) / self.pixels

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        if not input_grad:
            return None
        dx = self.xp.empty((len(dy), *self.input_shape), self.dtype)
        dx[...] = (dy / self.pixels)[:, None, None]  # (1)
        return dx

    def tangent(self, xdot):
        self.retained(xdot)
        return pixel_sum(xdot) / self.pixels

    def flops(self):
        self.require_built()
        return math.prod(self.input_shape)
