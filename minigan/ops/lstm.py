"""The passes of the LSTM in another order of memory: one matrix product a step, and each gate in one piece.

The formulas are those of layers/recurrent.py, where they can be read; a test compares both. What is different:

The batch is the last axis. So a[t] is (4 units, n), each gate one contiguous block of it, as are c[t] and h[t].
x[t], h[t-1] and a row of ones lie one below the other in `xh[t]`, and W, U and b likewise in one matrix. So a[t] is one
product, the gradients of W, U and b are one, and those of x[t] and h[t-1] are one.
The sign of sigmoid(a) = 1 / (1 + e^-a) is put into the weights, once for all steps.
"""

import numpy as np

from minigan.backend import array_module
from minigan.ops.matmul import matmul

GATES = 4  # in the order of the columns of W, U and b: input, forget, cell, output
FEW = 2**8  # numbers in all states, as in examples by hand, for which the plain passes take no time worth saving


def pays(x, units):
    """Return whether the states hold many numbers, or are on a GPU: x (n, steps, size)."""
    return array_module(x) is not np or len(x) * x.shape[1] * units > FEW


def forward(x, W, U, b, h0, c0):
    """Return (xh, c, gates, tanh_c), what `backward` needs; the states are in xh, see `states`.

    Shapes     x (n, steps, size); h0, c0 (n, units), or 0;
               xh (steps + 1, size + units + 1, n), c (steps + 1, units, n), gates (steps, 4, units, n)
    """
    xp, (n, steps, size), units = array_module(x), x.shape, len(U)
    xh, c = xp.empty((steps + 1, size + units + 1, n), x.dtype), xp.empty((steps + 1, units, n), x.dtype)
    gates, tanh_c = xp.empty((steps, GATES, units, n), x.dtype), xp.empty((steps, units, n), x.dtype)
    h = states(xh, size)
    xh[:steps, :size], xh[:, -1] = x.transpose(1, 2, 0), 1
    h[0], c[0] = (state if isinstance(state, int) else state.T for state in (h0, c0))
    weights = xp.concatenate((W, U, b[None]))
    for columns in (slice(2 * units), slice(3 * units, None)):  # of i, f and o
        weights[:, columns] *= -1
    with np.errstate(over="ignore", under="ignore"):  # far from 0 e^-a is infinite or 0, and the gate 0 or 1
        for t in range(steps):
            matmul(weights.T, xh[t], out=gates[t].reshape(-1, n))
            i_and_f, g, o = gates[t, :2], gates[t, 2], gates[t, 3]
            xp.tanh(g, out=g)
            for gate in (i_and_f, o):
                xp.exp(gate, out=gate)
                gate += 1
                xp.reciprocal(gate, out=gate)
            i, f = i_and_f
            xp.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += i * g
            xp.tanh(c[t + 1], out=tanh_c[t])
            xp.multiply(o, tanh_c[t], out=h[t + 1])
    return xh, c, gates, tanh_c


def states(xh, size):
    """Return h[0] ... h[steps], a view (steps + 1, units, n)."""
    return xh[:, size:-1]


def backward(dy, xh, c, gates, tanh_c, W, U, param_grads):
    """Return (dx, gradients of W, U and b, dh[0], dc[0]); without param_grads those in the middle are 0.

    Shapes     dy (n, steps, units), or (n, units) where only the last state was handed out
    """
    xp, (steps, _, units, n), size = array_module(dy), gates.shape, len(W)
    weights = xp.concatenate((W, U))
    dweights = xp.zeros((size + units + 1, GATES * units), dy.dtype)
    dxh, da = xp.empty((steps, size + units, n), dy.dtype), xp.empty((GATES, units, n), dy.dtype)
    da_rows = da.reshape(-1, n)
    dh, dc = (xp.zeros((units, n), dy.dtype) for _ in range(2))
    if dy.ndim == 2:
        dh += dy.T  # (1)
    for t in reversed(range(steps)):
        i, f, g, o = gates[t]
        if dy.ndim == 3:
            dh += dy[:, t].T  # (1)
        dc += dh * o * (1 - tanh_c[t] * tanh_c[t])  # (2)
        xp.multiply(dc * g, i * (1 - i), out=da[0])  # (3)
        xp.multiply(dc * c[t], f * (1 - f), out=da[1])
        xp.multiply(dc * i, 1 - g * g, out=da[2])
        xp.multiply(dh * tanh_c[t], o * (1 - o), out=da[3])
        if param_grads:
            dweights += matmul(xh[t], da_rows.T)  # (4)  while da is in the processor's cache
        matmul(weights, da_rows, out=dxh[t])  # (5)
        dh = dxh[t, size:]  # (6)
        dc *= f
    gradients = dweights[:size], dweights[size:-1], dweights[-1]
    return dxh[:, :size].transpose(2, 0, 1), gradients, dh.T.copy(), dc.T.copy()
