"""The sigmoid and its logarithm, to the last digit at both ends.

sigmoid(x) = 1 / (1 + e^-x) is small for negative x and near 1 for positive x. Two rules keep all digits: what is left
to 1 is never a difference, since 1 - sigmoid(x) = sigmoid(-x); and log sigmoid(x) = -softplus(-x).
"""

import numpy as np

from minigan.backend import array_module


def sigmoid(x):
    """Return 1 / (1 + e^-x)."""
    xp = array_module(x)
    y = xp.negative(x, out=xp.empty_like(x))
    # far from 0 e^-x is infinite or 0, and 1 / infinity = 0 and 1 / 1 are right
    with np.errstate(over="ignore", under="ignore"):
        xp.exp(y, out=y)
    y += 1
    return xp.reciprocal(y, out=y)


def softplus(x):
    """Return log(1 + e^x), as max(x, 0) + log(1 + e^-|x|): the same, and the exponent is never above 0."""
    xp = array_module(x)
    y = xp.abs(x, out=xp.empty_like(x))  # of an array without axes, abs alone is a number that cannot be written into
    xp.negative(y, out=y)
    with np.errstate(under="ignore"):
        xp.exp(y, out=y)
        xp.log1p(y, out=y)
    y += xp.maximum(x, 0)
    return y


def weighted(w, x):
    """Return w x, and 0 where w is 0: a loss that counts nothing counts nothing even if it is infinite."""
    return w * array_module(x).where(w == 0, 0, x)
