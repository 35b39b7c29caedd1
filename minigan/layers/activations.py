"""The activations: functions of one number, applied to every element, so backward is one product per element.

    Forward    y = f(x)
    Backward   dx = dy f'(x)                                                   the slope f'(x) at every element
    Tangent    ydot = xdot f'(x),   bend = dy xdot f''(x)                      0 for the pieces of straight lines
    Shapes     x (n, ...) -> y, same shape

All except Sigmoid save only their output y: the slope follows from y, and the next layer saves the same array as its
input.
ReLU and LeakyReLU compute the slope without `where`: a choice between two values for every element costs nine times as
much (benchmarks/elementwise.py), since a processor cannot predict it.
Derivations: docs/layers/activations.md
"""

from minigan.layers.base import Layer
from minigan.ops.sigmoid import sigmoid
from minigan.options import require_share


class LeakyReLU(Layer):
    """The activation that passes positive numbers and a small part of negative ones, so no unit stays at 0 forever.

    Forward    y = max(x, negative_slope x)
    Backward   (1) dx = dy slope,   slope = 1 where y > 0, else negative_slope          also at the kink, 0
    Cost       2 flops per element; saves y, which has the sign of x
    Options    negative_slope in [0, 1): 0.2 in DCGAN's discriminator
    Source     Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models"
    """

    def __init__(self, negative_slope: float = 0.2):
        self.negative_slope = require_share("LeakyReLU", negative_slope=negative_slope)

    def forward(self, x, training=False):
        self.check_input(x)
        # zeros for a slope of 0, since 0 times infinity is NaN; as an array, since that is twice as fast
        y = x * self.negative_slope if self.negative_slope else self.xp.zeros_like(x)
        self.xp.maximum(x, y, out=y)
        self.save_for_backward(y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        if not input_grad:
            return None
        return self.times_slope(dy, y)  # (1)

    def tangent(self, xdot):
        _, y = self.retained(xdot)
        return self.times_slope(xdot, y)

    def times_slope(self, dy, y):
        """Return dy slope, where the slope is that at the output y; the tangent gives xdot as dy."""
        slope = (y > 0).astype(y.dtype)
        self.xp.maximum(slope, self.negative_slope, out=slope)
        slope *= dy
        return slope

    def flops(self):
        return 2 * super().flops()


class ReLU(LeakyReLU):
    """The positive part: LeakyReLU with a negative_slope of 0.

    Forward    y = max(x, 0)
    Backward   (1) dx = dy slope,   slope = 1 where y > 0, else 0
    Source     Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines"
    """

    def __init__(self):
        super().__init__(0.0)


class Tanh(Layer):
    """The hyperbolic tangent. Its outputs lie in (-1, 1), the range of scaled images: the last layer of a generator.

    Forward    y = tanh(x)
    Backward   (1) dx = dy (1 - y^2)
    Cost       saves y: the slope follows from it
    """

    def forward(self, x, training=False):
        self.check_input(x)
        y = self.xp.tanh(x)
        self.save_for_backward(y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        return dy * (1 - y * y) if input_grad else None  # (1)

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        ydot = xdot * (1 - y * y)
        self.bend = -2 * y * ydot * dy  # f'' = -2 y (1 - y^2)
        return ydot


class Sigmoid(Layer):
    """The logistic function. Its outputs lie in (0, 1).

    Forward    y = sigmoid(x) = 1 / (1 + exp(-x))
    Backward   (1) dx = dy y (1 - y),   1 - y = sigmoid(-x)
    Cost       saves x and y: where y is nearly 1, only x gives the exact difference to 1
    Note       a discriminator ends in a logit, without Sigmoid: the losses contain the sigmoid, and stay exact
               where it saturates
    """

    def forward(self, x, training=False):
        self.check_input(x)
        y = sigmoid(x)
        self.save_for_backward(x, y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        x, y = self.saved(dy)
        if not input_grad:
            return None
        dx = sigmoid(-x)
        dx *= y
        dx *= dy  # (1)
        return dx

    def tangent(self, xdot):
        dy, x, y = self.retained(xdot)
        complement = sigmoid(-x)
        ydot = xdot * y
        ydot *= complement
        self.bend = (complement - y) * ydot * dy  # f'' = y (1 - y) (1 - 2 y)
        return ydot
