"""Activations without ReLU's kink: ELU, Softplus, SiLU and GELU. Like those of activations.py, they treat each number
by itself:

    Forward    y = f(x)
    Backward   dx = dy f'(x)
    Tangent    ydot = xdot f'(x),   bend = dy xdot f''(x)
    Shapes     x (n, ...) -> y, same shape

Derivations: docs/layers/activations.md
"""

import math

import numpy as np

from minigan.layers.base import Layer
from minigan.ops.normal import normal_cdf, normal_density
from minigan.ops.sigmoid import sigmoid, softplus
from minigan.options import require_choice, require_positive


class ELU(Layer):
    """The activation that passes positive numbers, and goes down to -alpha along an exponential: its mean is near 0.

    Forward    y = x where x > 0, else alpha (exp(x) - 1)
    Backward   (1) dx = dy slope,   slope = 1 where y > 0, else y + alpha
    Cost       saves y: the slope follows from it
    Options    alpha > 0; with 1, the slope has no jump at 0
    Source     Clevert, Unterthiner & Hochreiter 2016, arXiv:1511.07289
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = require_positive("ELU", alpha=alpha)

    def forward(self, x, training=False):
        self.check_input(x)
        y = self.xp.minimum(x, 0)
        self.xp.expm1(y, out=y)  # all digits near 0, where exp(x) - 1 would lose them
        y *= self.alpha
        y += self.xp.maximum(x, 0)
        self.save_for_backward(y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        if not input_grad:
            return None
        dx = self.slope(y)
        dx *= dy  # (1)
        return dx

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        self.bend = (y <= 0) * (self.xp.minimum(y, 0) + self.alpha) * xdot * dy  # f'' = alpha e^x where x <= 0
        ydot = self.slope(y)
        ydot *= xdot
        return ydot

    def slope(self, y):
        """Return the slope at the output y."""
        slope = self.xp.minimum(y, 0)
        slope += self.alpha
        if self.alpha != 1:
            slope += (y > 0).astype(y.dtype) * (1 - self.alpha)
        return slope


class Softplus(Layer):
    """A smooth ReLU: its outputs are above 0.

    Forward    y = log(1 + exp(x))
    Backward   (1) dx = dy sigmoid(x),   sigmoid(x) = 1 - exp(-y)
    Cost       saves y: the slope follows from it
    Source     Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing"
    """

    def forward(self, x, training=False):
        self.check_input(x)
        y = softplus(x)
        self.save_for_backward(y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        if not input_grad:
            return None
        dx = self.minus_slope(y)
        dx *= dy
        return self.xp.negative(dx, out=dx)  # (1)

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        ydot = -self.minus_slope(y) * xdot
        with np.errstate(under="ignore"):
            self.bend = self.xp.exp(-y) * ydot * dy  # f'' = s (1 - s), s = sigmoid(x)
        return ydot

    def minus_slope(self, y):
        """Return exp(-y) - 1 with all digits."""
        slope = self.xp.negative(y)
        return self.xp.expm1(slope, out=slope)


class Gated(Layer):
    """The base class of SiLU and GELU: x times a gate that opens from 0 to 1, a smooth form of x (x > 0).

    A subclass gives the gate g(x), its slope g'(x), and its curve g''(x).
    Where one of them is 0, the product with x is 0, also if x is infinite: as its limit, not NaN. So infinity counts
    as the largest number there.
    """

    def forward(self, x, training=False):
        self.check_input(x)
        g = self.gate(x)
        x = self.xp.maximum(x, -self.largest)
        self.save_for_backward(x, g)
        return x * g

    @property
    def largest(self):
        return float(np.finfo(self.dtype).max)

    def backward(self, dy, param_grads=True, input_grad=True):
        x, g = self.saved(dy)
        if not input_grad:
            return None
        dx = self.gate_slope(x, g)
        dx *= self.xp.minimum(x, self.largest)
        dx += g
        dx *= dy  # (1)
        return dx

    def tangent(self, xdot):
        dy, x, g = self.retained(xdot)
        x = self.xp.minimum(x, self.largest)
        slope, curve = self.gate_slope(x, g), self.gate_curve(x, g)
        self.bend = (2 * slope + x * curve) * xdot * dy  # f'' = 2 g' + x g''
        return (g + x * slope) * xdot

    def flops(self):
        return 2 * super().flops()


class SiLU(Gated):
    """The sigmoid linear unit, x times its own sigmoid; also called swish.

    Forward    y = x g,   g = sigmoid(x)
    Backward   (1) dx = dy (g + x g'),   g' = g (1 - g)
    Cost       saves x and g
    Source     Elfwing, Uchibe & Doya 2017, arXiv:1702.03118; Hendrycks & Gimpel 2016, arXiv:1606.08415
    """

    def gate(self, x):
        return sigmoid(x)

    def gate_slope(self, x, g):
        slope = 1 - g
        slope *= g
        return slope

    def gate_curve(self, x, g):
        return g * (1 - g) * (1 - 2 * g)


class GELU(Gated):
    """The Gaussian error linear unit: x times the probability that a standard normal number is below x.

    Forward    y = x g,   g = Phi(x) = (1 + erf(x / sqrt(2))) / 2
               approximate="tanh":   g = sigmoid(v) = (1 + tanh(v / 2)) / 2,   v = A (x + B x^3)
    Backward   (1) dx = dy (g + x g'),   g' = phi(x) = exp(-x^2 / 2) / sqrt(2 pi);   with tanh: g' = g (1 - g) v'
    Cost       saves x and g. The approximation takes less time; its y is off by at most 0.0005
    Options    approximate: "none" or "tanh", as in PyTorch
    Source     Hendrycks & Gimpel 2016, arXiv:1606.08415, section 2
    """

    A, B = 2 * math.sqrt(2 / math.pi), 0.044715
    FAR = 30  # numbers beyond have the gate of this one, 0 or 1, also in float64; without the limit x^3 overflows

    def __init__(self, approximate: str = "none"):
        self.approximate = require_choice("GELU", ("none", "tanh"), approximate=approximate)

    def gate(self, x):
        if self.approximate == "none":
            return normal_cdf(x)
        x = self.xp.clip(x, -self.FAR, self.FAR)
        v = x * x
        v *= self.A * self.B
        v += self.A
        v *= x
        return sigmoid(v)

    def gate_slope(self, x, g):
        if self.approximate == "none":
            return normal_density(x)
        x = self.xp.clip(x, -self.FAR, self.FAR)
        slope = x * x
        slope *= 3 * self.A * self.B
        slope += self.A  # v'
        slope *= g
        slope *= 1 - g
        return slope

    def gate_curve(self, x, g):
        if self.approximate == "none":
            return -x * normal_density(x)
        x = self.xp.clip(x, -self.FAR, self.FAR)
        first, second = self.A + 3 * self.A * self.B * x * x, 6 * self.A * self.B * x  # v', v''
        return g * (1 - g) * ((1 - 2 * g) * first * first + second)
