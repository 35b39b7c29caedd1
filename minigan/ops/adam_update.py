"""Adam's update of a flat vector, in place: on the CPU in pieces that stay in the processor's cache."""

import math

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch

PIECE = 2**16  # numbers at a time: parameters, gradients and both moments are 1 MB together


def adam_numbers(step, lr, beta1, beta2, epsilon):
    """(rate, floor) of a step, counted from 1: the two plain numbers that take up all corrections."""
    # lr m_hat / (sqrt(v_hat) + eps), m_hat = (1 - b1) m / (1 - b1^t), v_hat = (1 - b2) v / (1 - b2^t); multiplied
    # above and below by sqrt((1 - b2^t) / (1 - b2))
    correction = math.sqrt((1 - beta2**step) / (1 - beta2))
    return lr * correction * (1 - beta1) / (1 - beta1**step), epsilon * correction


def adam_update(params, grads, m, v, numbers, beta1, beta2):
    """Advance the moments m and v by the gradients, and the parameters by the moments.

    m <- beta1 m + g          that is the usual first moment over (1 - beta1), a factor taken out of every element
    v <- beta2 v + g^2        and put into `rate` and `floor`, see adam_numbers
    p <- p - rate m / (sqrt(v) + floor)
    """
    if array_module(params) is not np:
        launch("adam", params.dtype, params.size, params, grads, m, v, numbers, beta1, beta2)
        return
    rate, floor = numbers
    scratch = np.empty(min(PIECE, params.size), params.dtype)
    for start in range(0, params.size, PIECE):
        p, g, mi, vi = (array[start : start + PIECE] for array in (params, grads, m, v))
        t = scratch[: p.size]
        mi *= beta1
        mi += g
        np.multiply(g, g, out=t)
        vi *= beta2
        vi += t
        np.sqrt(vi, out=t)
        t += floor
        np.divide(mi, t, out=t)
        t *= rate
        p -= t
