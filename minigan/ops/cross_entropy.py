"""Binary cross-entropy of many logits: the value and the gradient of losses.py from one exponential.

With e = e^-|x|, the larger of s = sigmoid(x) and 1 - s is 1 / (1 + e), the smaller e / (1 + e); the larger of
softplus(x) and softplus(-x) is |x| + log(1 + e), the smaller log(1 + e). On the CPU in pieces that stay in the
processor's cache, on a GPU by one kernel.
"""

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch
from minigan.ops.sigmoid import weighted
from minigan.ops.sums import mean

FEW = 32  # logits, as in examples by hand, for which the plain formula takes no time worth saving
PIECE = 2**14  # numbers at a time: some ten arrays of 64 KB


def pays(logits):
    """Return whether the logits are many, or on a GPU."""
    return array_module(logits) is not np or logits.size > FEW


def binary_cross_entropy(logits, targets):
    """Return (value, dlogits) for targets of the shape of the logits, or one number for all"""
    xp, number = array_module(logits), isinstance(targets, (int, float))
    x, dx = xp.ascontiguousarray(logits).reshape(-1), xp.empty(logits.size, logits.dtype)
    t = targets if number else xp.ascontiguousarray(targets).reshape(-1)
    if xp is np:
        value = mean_in_pieces(x, t, dx)
    else:
        losses, t = xp.empty_like(x), (None, float(t)) if number else (t, 0.0)
        launch("binary_cross_entropy", x.dtype, x.size, x, *t, losses, dx)
        value = mean(losses)
    return value, dx.reshape(logits.shape)


def mean_in_pieces(x, t, dx):
    """Return the mean loss of a vector of logits; the gradient goes into dx."""
    total = 0.0
    for start in range(0, x.size, PIECE):
        piece = slice(start, start + PIECE)
        losses = losses_of(x[piece], t if isinstance(t, (int, float)) else t[piece], dx[piece], x.size)
        total += losses.sum(dtype="float64")
    return x.dtype.type(total / x.size)


def losses_of(x, t, dx, count):
    """Return the loss of each logit of a piece; its gradient, over `count`, goes into dx."""
    e = np.exp(-np.abs(x))
    if isinstance(t, (int, float)) and t in (0, 1):  # the targets of a GAN need half of it
        larger = x if t == 0 else -x
        np.divide(np.maximum(larger > 0, e), (count if t == 0 else -count) * (1 + e), out=dx)
        return np.maximum(larger, 0) + np.log1p(e)
    one_minus_t, zero = 1 - t, np.zeros_like(x)
    s, rest = np.maximum(x > 0, e), np.maximum(x <= 0, e)  # sigmoid(x) and sigmoid(-x), times 1 + e
    np.divide(one_minus_t * s - t * rest, count * (1 + e), out=dx)
    above, below = np.maximum(x, zero), np.maximum(-x, zero)
    if max(above.max(), below.max()) < np.inf:
        losses = one_minus_t * above + t * below
    else:
        losses = weighted(one_minus_t, above) + weighted(t, below)
    losses += np.log1p(e)
    return losses
