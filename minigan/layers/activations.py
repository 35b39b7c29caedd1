"""The activations: functions of one number, applied to every element, so that backward is one product.

    Forward    y = f(x)
    Backward   dx = dy f'(x)                                                   the slope f'(x) at every element
    Shapes     x (n, ...) -> y, same shape

The slope of ReLU and LeakyReLU is all there is to them: f(x) = x f'(x). It is computed once, serves both passes, and
needs no choice between two values per element, which a processor cannot predict (`where` costs ten times as much).
Derivations: docs/layers/activations.md
"""

from minigan.errors import OptionError
from minigan.layers.base import Layer


class ReLU(Layer):
    """The positive part.

    Forward    y = max(x, 0) = x slope,   slope = 1 where x > 0, else 0
    Backward   (1) dx = dy slope                                               at x = 0, the kink, slope 0
    Cost       2 flops an element; keeps the slope
    Source     Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines"
    """

    def forward(self, x, training=False):
        self.check_input(x)
        slope = (x > 0).astype(x.dtype)
        self.keep(x, slope)
        return x * slope

    def backward(self, dy, param_grads=True, input_grad=True):
        slope = self.take_cache(dy)
        return dy * slope if input_grad else None  # (1)

    def flops(self):
        return 2 * super().flops()


class LeakyReLU(ReLU):
    """ReLU that lets a part of the negative side through, so that no unit goes silent for good.

    Forward    y = x slope,   slope = 1 where x > 0, else negative_slope
    Backward   (1) dx = dy slope                                               inherited: only the slope differs
    Cost       3 flops an element; keeps the slope
    Options    negative_slope: 0.2 in DCGAN's discriminator
    Source     Maas, Hannun & Ng 2013, "Rectifier nonlinearities improve neural network acoustic models"
    """

    def __init__(self, negative_slope=0.2):
        if not 0 <= negative_slope < 1:
            raise OptionError(f"LeakyReLU: expected negative_slope in [0, 1), got {negative_slope}.")
        self.negative_slope = negative_slope

    def forward(self, x, training=False):
        self.check_input(x)
        slope = self.xp.multiply(x > 0, 1 - self.negative_slope, dtype=x.dtype)
        slope += self.negative_slope
        self.keep(x, slope)
        return x * slope


class Tanh(Layer):
    """The hyperbolic tangent: outputs in (-1, 1), the range of scaled images, so the last layer of a generator.

    Forward    y = tanh(x)
    Backward   (1) dx = dy (1 - y^2)
    Cost       keeps y: the slope follows from it
    """

    def forward(self, x, training=False):
        self.check_input(x)
        y = self.xp.tanh(x)
        self.keep(x, y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.take_cache(dy)
        return dy * (1 - y * y) if input_grad else None  # (1)


class Sigmoid(Layer):
    """The logistic function: outputs in (0, 1).

    Forward    y = 1 / (1 + exp(-x)) = (1 + tanh(x / 2)) / 2                   the second form never overflows
    Backward   (1) dx = dy y (1 - y)
    Cost       keeps y: the slope follows from it
    Note       a discriminator ends in a logit without it: the losses fold the sigmoid in, and stay exact where
               it saturates
    """

    def forward(self, x, training=False):
        self.check_input(x)
        y = 0.5 * (1 + self.xp.tanh(0.5 * x))
        self.keep(x, y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.take_cache(dy)
        return dy * y * (1 - y) if input_grad else None  # (1)
