"""Noise on the numbers that go through a network, in training."""

from minigan.layers.base import Layer
from minigan.ops.random_bits import draw_seed, normal_numbers
from minigan.options import require_non_negative


class GaussianNoise(Layer):
    """A layer that, in training, adds a normal random number to each number.

    Forward    training: y = x + stddev z,   z from the normal distribution with mean 0 and variance 1;
               otherwise: y = x
    Backward   (1) dx = dy                                                     the noise does not depend on x
    Shapes     x (n, ...) -> y, same shape
    Cost       2 flops and 32 random bits per element; saves nothing
    Options    stddev >= 0, the standard deviation of the noise
    State      seed, calls: the noise of a pass depends only on these two numbers, as with Dropout
    Source     Arjovsky & Bottou 2017, arXiv:1701.04862, section 3: noise on D's images lets both distributions overlap;
               docs/layers/dropout.md
    """

    def __init__(self, stddev: float):
        self.stddev = require_non_negative("GaussianNoise", stddev=stddev)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_state("seed", draw_seed(rng, xp))
        self.add_state("calls", xp.zeros((), "int64"))
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        if not training or self.stddev == 0:
            return x
        places = self.group.places(len(x))
        y = normal_numbers(x.shape, x.dtype, self.state["seed"], self.state["calls"], self.xp, places)
        self.state["calls"] += 1
        y *= self.stddev
        y += x
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy if input_grad else None  # (1)

    def tangent(self, xdot):
        self.retained(xdot)
        return xdot

    def flops(self):
        return 2 * super().flops()
