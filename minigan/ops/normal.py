"""The standard normal distribution: its density phi, and Phi, the probability of a number below x. NumPy has neither.

Phi falls far below 0 like phi. The ratio of both (Mills' ratio) falls slowly, like 1 / z; so a polynomial is enough:

    Phi(-z) = phi(z) t P(2 t - 1),   t = SCALE / (SCALE + z) in (0, 1]                           for z >= 0

P goes through exact values. So Phi is right to nearly the last digit, in the far tail, too; and for x > 0 it is
1 - Phi(-x). A GPU has a function for it.
"""

import math

import numpy as np
from numpy.polynomial import chebyshev

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch
from minigan.ops.pieces import in_pieces

SCALE = 4  # any number near it will do
DEGREES = {"float32": 9, "float64": 20}  # at which P is as exact as the dtype


def normal_density(x):
    """Return e^(-x^2 / 2) / sqrt(2 pi)."""
    xp = array_module(x)
    with np.errstate(over="ignore", under="ignore"):  # far from 0 it is 0
        y = x * x
        y *= -0.5
        xp.exp(y, out=y)
    y *= 1 / math.sqrt(2 * math.pi)
    return y


def normal_cdf(x):
    """Return Phi(x), the probability that a standard normal number is below x."""
    xp = array_module(x)
    x = xp.ascontiguousarray(x)
    y = xp.empty(x.shape, x.dtype)
    if xp is not np:
        launch("normal_cdf", x.dtype, x.size, x, y)
        return y
    for piece, result in in_pieces(x.reshape(-1), y.reshape(-1)):  # P alone walks over them many times
        fill_cdf(piece, result)
    return y


def fill_cdf(x, y):
    """Write Phi(x) into y, for a vector of NumPy."""
    z = np.abs(x)
    t = z + SCALE
    np.divide(SCALE, t, out=t)
    u = 2 * t
    u -= 1
    first, *others = POLYNOMIALS[x.dtype.name]
    np.multiply(u, first, out=y)
    for number in others[:-1]:
        y += number
        y *= u
    y += others[-1]  # P
    y *= t
    y *= normal_density(z)  # Phi(-z)
    np.subtract(x > 0, y, out=y)  # -Phi(-z) for x <= 0, else 1 - Phi(-z), which is Phi(x)
    np.abs(y, out=y)


def polynomial(degree):
    """Return the coefficients of P, the highest power first: P(2 t - 1) = Mills' ratio / t."""

    def exact(u):
        t = (1 + u) / 2
        return mills_ratio(SCALE / t - SCALE) / t

    return chebyshev.cheb2poly(chebyshev.chebinterpolate(np.vectorize(exact), degree))[::-1].tolist()


def mills_ratio(z):
    """Return Phi(-z) / phi(z): by Python's erfc near 0, further out by Laplace's continued fraction."""
    if z < 3:
        return math.sqrt(math.pi / 2) * math.erfc(z / math.sqrt(2)) * math.exp(z * z / 2)
    rest = 0.0
    for k in range(120, 0, -1):
        rest = k / (z + rest)
    return 1 / (z + rest)


POLYNOMIALS = {dtype: polynomial(degree) for dtype, degree in DEGREES.items()}
