"""Adam's update of a long vector in one pass: the lines of optimizers.py, rearranged.

With a = sum_k beta1^k and b = sum_k beta2^k, the weights of m and v,

    lr (m / a) / (sqrt(v / b) + epsilon)  =  rate m / (sqrt(v) + floor)
    rate = lr sqrt(b) / a,   floor = epsilon sqrt(b)

which divides once for each number of the vector, not three times. Weight decay joins the same pass. On the CPU in
pieces that stay in the processor's cache, on a GPU by one kernel; both work in place.
"""

import math

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch
from minigan.ops.pieces import PIECE, in_pieces
from minigan.ops.squares import bounded

FEW = 2**12  # numbers, for which the plain formula takes no time worth saving


def pays(params):
    """Return whether the vector is long, or on a GPU."""
    return array_module(params) is not np or params.size > FEW


def adam_update(params, grads, m, v, numbers, beta1, beta2, epsilon, limit, weight_decay=0.0, decoupled=False):
    """Advance the moments m and v by the gradients, and the parameters by the moments.

    numbers    an array of the learning rate and the weights a and b, which change from step to step
    limit      gradients beyond it count as if they were it: their squares would overflow
    decoupled  True: the decay shrinks the parameters themselves (AdamW); False: it is added to the gradients
    """
    added, shrinking = (0.0, weight_decay) if decoupled else (weight_decay, 0.0)
    if array_module(params) is not np:
        options = (beta1, beta2, epsilon, limit, added, shrinking)
        launch("adam", params.dtype, params.size, params, grads, m, v, numbers, *map(float, options))
        return
    lr, a, b = map(float, numbers)
    rate, floor = lr * math.sqrt(b) / a, epsilon * math.sqrt(b)
    scratch = np.empty(min(PIECE, params.size), params.dtype)
    for p, g, m_piece, v_piece in in_pieces(params, grads, m, v):
        t, g = scratch[: p.size], bounded(g + added * p if added else g, limit)
        m_piece *= beta1
        m_piece += g
        np.multiply(g, g, out=t)
        v_piece *= beta2
        v_piece += t
        np.sqrt(v_piece, out=t)
        t += floor
        np.divide(m_piece, t, out=t)
        t *= rate
        if shrinking:
            p *= 1 - lr * shrinking
        p -= t
