"""The passes of the LSTM with few calls of NumPy, each on many numbers.

The formulas are those of layers/recurrent.py, where they can be read; a test compares both. What is different:

The gates have the order o, f, i, g and come before steps and batch: so one call does all three sigmoids. Each of them
lets something through: o lets through tanh(c[t]), f c[t-1], i g. These are the `gated`, in the same order.
x[t], h[t-1] and ones lie side by side in `xh[t]`, and W, U and b are one matrix. So a[t] is one product, and the
gradients of W, U and b are one.
The sign of sigmoid(a) = 1 / (1 + e^-a) is put into the weights, once for all steps.
Going backward, only dh and dc wait for the step after. So for a piece of several steps, the factors of dh and dc in (2)
and (3) are computed before the loop over these steps, and (4) and (5) after it, in a few calls for all of them.
"""

import numpy as np

from minigan.backend import array_module
from minigan.ops.matmul import matmul

GATES = 4  # in the order of the columns of W, U and b: input, forget, cell, output
FEW = 2**8  # numbers in all states, as in examples by hand, for which the plain passes take no time worth saving
PIECE = 2**18  # numbers of da in a piece of steps: more do not stay in the processor's cache


def pays(x, units):
    """Return whether the states hold many numbers, or are on a GPU: x (n, steps, size)."""
    return array_module(x) is not np or len(x) * x.shape[1] * units > FEW


def forward(x, W, U, b, h0, c0):
    """Return (xh, gates, gated), what `backward` needs; the states are in xh, see `states`.

    Shapes     x (n, steps, size); h0, c0 (n, units), or 0;
               xh (steps + 1, n, size + units + 1); gates (3, steps, n, units): o, f, i;
               gated (3, steps + 1, n, units): tanh(c[t]), c[t-1], g
    """
    xp, (n, steps, size), units = array_module(x), x.shape, len(U)
    xh = xp.empty((steps + 1, n, size + units + 1), x.dtype)
    gates, gated = (xp.empty((3, length, n, units), x.dtype) for length in (steps, steps + 1))
    h, (tanh_c, c, g) = states(xh, size), gated
    xh[:steps, :, :size], xh[:, :, -1], h[0], c[0] = x.transpose(1, 0, 2), 1, h0, c0
    weights = in_order_ofig(xp.concatenate((W, U, b[None])))
    weights[:, : 3 * units] *= -1
    weights = weights.reshape(-1, GATES, units).transpose(1, 0, 2)  # one matrix for each gate
    xh_for_gates = xp.broadcast_to(xh, (GATES, *xh.shape))
    a, products = (xp.empty((count, n, units), x.dtype) for count in (GATES, 2))
    sigmoids, a_g, (f_c, i_g) = a[:3], a[3], products
    with np.errstate(over="ignore", under="ignore"):  # far from 0 e^-a is infinite or 0, and the gate 0 or 1
        for t in range(steps):
            matmul(xh_for_gates[:, t], weights, out=a)
            xp.exp(sigmoids, out=sigmoids)
            sigmoids += 1
            xp.divide(1, sigmoids, out=gates[:, t])
            xp.tanh(a_g, out=g[t])
            xp.multiply(gates[1:, t], gated[1:, t], out=products)
            xp.add(f_c, i_g, out=c[t + 1])
            xp.tanh(c[t + 1], out=tanh_c[t])
            xp.multiply(gates[0, t], tanh_c[t], out=h[t + 1])
    return xh, gates, gated


def states(xh, size):
    """Return h[0] ... h[steps], a view (steps + 1, n, units)."""
    return xh[:, :, size:-1]


def backward(dy, xh, gates, gated, W, U, param_grads, input_grad, kept=None, more=None):
    """Return (dx, gradients of W, U and b, dh[0], dc[0]); None for what is not asked for.

    kept       arrays that keep (da, factors, dh, dc) of all steps for a tangent pass: see arrays_to_keep
    more       a function of a piece of steps, (start, end), that returns what else is added to dc and to da in these
               steps: the tangent pass has such terms. It finds the factors in `kept`
    Shapes     dy (n, steps, units), or (n, units) where only the last state was handed out, or None for 0
    """
    xp, (_, steps, n, units), (size, width) = array_module(xh), gates.shape, (len(W), xh.shape[-1])
    W, U = in_order_ofig(W), in_order_ofig(U)
    dweights = xp.zeros((width, GATES * units), xh.dtype) if param_grads else None
    dx = xp.empty((steps, n, size), xh.dtype) if input_grad else None
    length = max(1, min(steps, PIECE // (GATES * n * units)))  # of a piece
    da_of_piece = xp.empty((length, n, GATES * units), xh.dtype)
    factors_of_piece = None if kept else xp.empty((5, length, n, units), xh.dtype)
    dh, dc, part = (xp.zeros((n, units), xh.dtype) for _ in range(3))
    if dy is not None and dy.ndim == 2:
        dh += dy  # (1)
    for end in range(steps, 0, -length):
        start = max(0, end - length)
        da, factors = da_of_piece, factors_of_piece
        if kept:
            factors = kept[1][:, start:end]
            da = da if more else kept[0][start:end]
        if not more:
            write_factors(gates[:, start:end], gated[:, start:end], factors[:, : end - start])
        more_dc, more_da = more(start, end) if more else (None, None)
        da_of_gates = da.reshape(len(da), n, GATES, units).transpose(2, 0, 1, 3)
        for t in reversed(range(start, end)):
            if dy is not None and dy.ndim == 3:
                dh += dy[:, t]  # (1)
            dc += xp.multiply(dh, factors[4, t - start], out=part)  # (2)
            if more:
                dc += more_dc[t - start]
            elif kept:
                kept[2][t], kept[3][t] = dh, dc
            xp.multiply(dh, factors[0, t - start], out=da_of_gates[0, t - start])  # (3)
            xp.multiply(dc, factors[1:4, t - start], out=da_of_gates[1:, t - start])
            if more:
                da_of_gates[:, t - start] += more_da[:, t - start]
            matmul(da[t - start], U.T, out=dh)  # (6)
            dc *= gates[1, t]
        rows = da[: end - start].reshape(-1, GATES * units)
        if param_grads:
            dweights += matmul(xh[start:end].reshape(-1, width).T, rows)  # (4)
        if input_grad:
            matmul(rows, W.T, out=dx[start:end].reshape(-1, size))  # (5)
    if param_grads:
        dweights = split_weights(dweights, size)
    return dx.transpose(1, 0, 2) if input_grad else None, dweights, dh, dc


def arrays_to_keep(gates):
    """Return empty arrays for (da, factors, dh, dc) of all steps, which `backward` writes for a tangent pass.

    Shapes     da (steps, n, 4 units); factors (5, steps, n, units); dh, dc (steps, n, units)
    """
    xp, (_, steps, n, units) = array_module(gates), gates.shape
    shapes = (steps, n, GATES * units), (5, steps, n, units), (steps, n, units), (steps, n, units)
    return tuple(xp.empty(shape, gates.dtype) for shape in shapes)


def write_factors(gates, gated, factors):
    """Write what dh or dc is multiplied by in (3), for o, f, i and g, and dh in (2), for several steps at once.

    Shapes     gates, gated (3, steps, n, units); factors (5, steps, n, units)
    """
    xp, (o, _, i), (tanh_c, _, g), sigmoids = array_module(factors), gates, gated, factors[:3]
    xp.subtract(1, gates, out=sigmoids)
    sigmoids *= gates
    sigmoids *= gated
    for gate, tanh, factor in ((i, g, factors[3]), (o, tanh_c, factors[4])):
        xp.multiply(tanh, tanh, out=factor)
        xp.subtract(1, factor, out=factor)
        factor *= gate


def in_order_ofig(weights):
    """Return (rows, 4 units) with the columns of the gates in the order o, f, i, g."""
    xp = array_module(weights)
    i, f, g, o = xp.split(weights, GATES, axis=1)
    return xp.concatenate((o, f, i, g), axis=1)


def split_weights(weights, size):
    """Return the rows of W, of U and of b, with their columns in the order i, f, g, o."""
    xp = array_module(weights)
    o, f, i, g = xp.split(weights, GATES, axis=1)
    weights = xp.concatenate((i, f, g, o), axis=1)
    return weights[:size], weights[size:-1], weights[-1]
