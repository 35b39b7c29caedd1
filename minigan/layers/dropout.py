"""Dropout: training with some units switched off at random."""

from minigan.layers.base import Layer
from minigan.ops.random_bits import draw_seed, keep_mask, kept_scale
from minigan.options import require_share


class Dropout(Layer):
    """A layer that, in training, switches each unit off with probability `rate` and scales up the others.

    Forward    training: y = x keep scale,   keep = 1 with probability 1 - rate, else 0;   scale = 1 / (1 - rate),
               so that E[y] = x;   otherwise: y = x
    Backward   (1) dx = dy keep scale                                          with the same keep, never a new one
    Shapes     x (n, ...) -> y, same shape
    Cost       2 flops and 16 random bits per element; saves one byte per element
    Options    rate in [0, 1): the share of dropped units; 0.5 in the paper, 0.3 to 0.4 in discriminators
    State      seed, calls: the random bits of a pass depend only on these two numbers, so a saved network continues
               with the same masks
    Source     Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from overfitting";
               docs/layers/dropout.md
    """

    def __init__(self, rate: float):
        self.rate = require_share("Dropout", rate=rate)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_state("seed", draw_seed(rng, xp))
        self.add_state("calls", xp.zeros((), "int64"))
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        if not training or self.rate == 0:
            self.save_for_backward(None)
            return x
        places = self.group.places(len(x))
        keep = keep_mask(x.shape, self.rate, self.state["seed"], self.state["calls"], self.xp, places)
        self.state["calls"] += 1
        self.save_for_backward(keep)
        return self.switched(x, keep)

    def backward(self, dy, param_grads=True, input_grad=True):
        keep = self.saved(dy)
        if not input_grad:
            return None
        return dy if keep is None else self.switched(dy, keep)  # (1)

    def tangent(self, xdot):
        _, keep = self.retained(xdot)
        return xdot if keep is None else self.switched(xdot, keep)

    def switched(self, x, keep):
        """Return x keep scale. The scale is exact for the rate that the random bits can express."""
        y = keep.astype(x.dtype)  # cast first: multiplying floats by bools is three times slower in NumPy
        y *= kept_scale(self.rate)
        y *= x
        return y

    def flops(self):
        return 2 * super().flops()
