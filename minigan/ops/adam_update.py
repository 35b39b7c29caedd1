"""Adam's update of a flat vector, in place and in pieces that stay in the processor's cache."""

import math

from minigan.backend import array_module

PIECE = 2**16  # numbers at a time: parameters, gradients and both moments are 1 MB together


def adam_update(params, grads, m, v, scratch, step, lr, beta1, beta2, epsilon):
    """Advance the moments m and v by the gradients, and the parameters by the moments; `step` counts from 1.

    m <- beta1 m + g          that is the usual first moment over (1 - beta1), a factor taken out of every element
    v <- beta2 v + g^2        and put into `rate` and `floor`, two plain numbers
    p <- p - rate m / (sqrt(v) + floor)
    """
    xp = array_module(params)
    # lr m_hat / (sqrt(v_hat) + eps), m_hat = (1 - b1) m / (1 - b1^t), v_hat = (1 - b2) v / (1 - b2^t); multiplied
    # above and below by sqrt((1 - b2^t) / (1 - b2))
    correction = math.sqrt((1 - beta2**step) / (1 - beta2))
    rate = lr * correction * (1 - beta1) / (1 - beta1**step)
    floor = epsilon * correction
    for start in range(0, params.size, PIECE):
        p, g, mi, vi = (array[start : start + PIECE] for array in (params, grads, m, v))
        t = scratch[: p.size]
        mi *= beta1
        mi += g
        xp.multiply(g, g, out=t)
        vi *= beta2
        vi += t
        xp.sqrt(vi, out=t)
        t += floor
        xp.divide(mi, t, out=t)
        t *= rate
        p -= t
