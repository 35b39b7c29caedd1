"""Layers that only change the shape of an array, not its numbers."""

import math

from minigan.errors import OptionError, ShapeError
from minigan.hints import Shape
from minigan.layers.base import Layer
from minigan.options import is_shape, require_shape, shown


class Reshape(Layer):
    """A layer that gives each sample another shape; the numbers keep their order (row-major).

    Forward    y = x seen in the shape (n, *target_shape)
    Backward   (1) dx = dy seen in the shape of x
    Errors     ShapeError if the two shapes have different numbers of elements
    """

    def __init__(self, target_shape: Shape):
        if not is_shape(target_shape):
            raise OptionError(
                f"Reshape: expected target_shape as a tuple of positive integers, got {shown(target_shape)}."
            )
        self.target_shape = tuple(int(size) for size in target_shape)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if math.prod(input_shape) != math.prod(self.target_shape):
            raise ShapeError(
                f"{self.name}: cannot reshape {tuple(input_shape)} with {math.prod(input_shape)} numbers to "
                f"{self.target_shape} with {math.prod(self.target_shape)} numbers."
            )
        self.output_shape = self.target_shape
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        return x.reshape(len(x), *self.output_shape)

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy.reshape(len(dy), *self.input_shape) if input_grad else None  # (1)

    def tangent(self, xdot):
        self.retained(xdot)
        return xdot.reshape(len(xdot), *self.output_shape)

    def flops(self):
        return 0


class Flatten(Reshape):
    """A layer that makes each sample a vector: (n, h, w, c) -> (n, h w c). Its backward is that of Reshape."""

    def __init__(self):
        pass

    def build(self, input_shape, rng, dtype, xp):
        self.target_shape = (math.prod(require_shape("Flatten", input_shape=input_shape)),)
        return super().build(input_shape, rng, dtype, xp)
