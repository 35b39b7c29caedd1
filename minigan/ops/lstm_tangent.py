"""The tangent pass of the LSTM: every line of its forward and backward pass, differentiated along a direction.

The formulas are in layers/recurrent.py. A "dot" is the change of a number if x moves along xdot: the line
f = sigmoid(a_f), for example, becomes fdot = f (1 - f) adot_f. dy is held fixed, so its dot is 0. Backward computes the
gradient of L = sum(dy y). So its lines with dots compute the gradient of S = sum(dy ydot), the change of L.

`tangent` has these lines one by one, `fast_tangent` in few calls, with the arrays of lstm.py. There, backward
multiplies dh and dc by factors. By the product rule, its lines with dots are the same lines again, with dhdot and
dcdot in place of dh and dc, plus the terms with the dots of the factors, which are known before the loop: its `more`.
"""

from minigan.backend import array_module
from minigan.ops import lstm
from minigan.ops.lstm import GATES
from minigan.ops.matmul import matmul
from minigan.ops.sums import column_sum


def tangent(xdot, dy, x, h, c, gates, params, moves=None):
    """Return (hdot, bend, gradients of S with respect to W, U and b).

    moves      (Wdot, Udot, bdot) where the parameters move as well
    Shapes     xdot, x (n, steps, size); dy (n, steps, units), or (n, units) if only the last state was handed out;
               h, c, hdot (steps + 1, n, units); gates (steps + 1, 4, n, units): i, f, g, o
    """
    xp, (n, steps, _), (W, U, b) = array_module(x), x.shape, params
    x, xdot = (xp.ascontiguousarray(array.transpose(1, 0, 2)) for array in (x, xdot))  # step by step
    hdot, cdot, gates_dot = xp.zeros_like(h), xp.zeros_like(c), xp.zeros_like(gates)
    for t in range(1, steps + 1):
        i, f, g, o = gates[t]
        adot = matmul(xdot[t - 1], W) + matmul(hdot[t - 1], U)
        if moves:
            adot += matmul(x[t - 1], moves[0]) + matmul(h[t - 1], moves[1]) + moves[2]
        adot_i, adot_f, adot_g, adot_o = xp.split(adot, GATES, axis=1)
        idot, fdot, gdot, odot = i * (1 - i) * adot_i, f * (1 - f) * adot_f, (1 - g * g) * adot_g, o * (1 - o) * adot_o
        tanh_c = xp.tanh(c[t])
        cdot[t] = fdot * c[t - 1] + f * cdot[t - 1] + idot * g + i * gdot
        hdot[t] = odot * tanh_c + o * (1 - tanh_c * tanh_c) * cdot[t]
        gates_dot[t] = xp.stack((idot, fdot, gdot, odot))

    dWdot, dUdot, dbdot, bend = xp.zeros_like(W), xp.zeros_like(U), xp.zeros_like(b), xp.empty(x.shape, x.dtype)
    dh, dc, dhdot, dcdot = (xp.zeros((n, len(U)), x.dtype) for _ in range(4))
    for t in range(steps, 0, -1):
        (i, f, g, o), (idot, fdot, gdot, odot) = gates[t], gates_dot[t]
        tanh_c = xp.tanh(c[t])
        slope = 1 - tanh_c * tanh_c
        tanh_c_dot = slope * cdot[t]
        if dy.ndim == 3:
            dh = dh + dy[:, t - 1]  # (1)
        elif t == steps:
            dh = dh + dy
        dc = dc + dh * o * slope  # (2)
        dcdot = dcdot + dhdot * o * slope + dh * odot * slope - 2 * dh * o * tanh_c * tanh_c_dot
        da = xp.concatenate(  # (3)
            (dc * g * i * (1 - i), dc * c[t - 1] * f * (1 - f), dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)), axis=1
        )
        da_i = (dcdot * g + dc * gdot) * i * (1 - i) + dc * g * (1 - 2 * i) * idot
        da_f = (dcdot * c[t - 1] + dc * cdot[t - 1]) * f * (1 - f) + dc * c[t - 1] * (1 - 2 * f) * fdot
        da_g = (dcdot * i + dc * idot) * (1 - g * g) - 2 * dc * i * g * gdot
        da_o = (dhdot * tanh_c + dh * tanh_c_dot) * o * (1 - o) + dh * tanh_c * (1 - 2 * o) * odot
        dadot = xp.concatenate((da_i, da_f, da_g, da_o), axis=1)
        dWdot += matmul(xdot[t - 1].T, da) + matmul(x[t - 1].T, dadot)  # (4)
        dUdot += matmul(hdot[t - 1].T, da) + matmul(h[t - 1].T, dadot)
        dbdot += column_sum(dadot)
        bend[t - 1] = matmul(dadot, W.T)  # (5)
        dcdot = dcdot * f + dc * fdot  # (6)
        dhdot, dh, dc = matmul(dadot, U.T), matmul(da, U.T), dc * f
        if moves:
            bend[t - 1] += matmul(da, moves[0].T)
            dhdot += matmul(da, moves[1].T)
    return hdot, bend.transpose(1, 0, 2), (dWdot, dUdot, dbdot)


def fast_tangent(xdot, xh, gates, gated, kept, params, moves=None):
    """Return what `tangent` returns, from what lstm.forward returned and lstm.backward kept.

    kept       (da, factors, dh, dc): see lstm.arrays_to_keep
    """
    xp, (_, steps, n, units), width, (da, factors, dh, dc) = array_module(xh), gates.shape, xh.shape[-1], kept
    (W, U, b), size, f, c = params, xdot.shape[2], gates[1], gated[1]
    xhdot, cdot = xp.zeros_like(xh), xp.zeros_like(c)
    hdot = lstm.states(xhdot, size)
    xhdot[:steps, :, :size] = xdot.transpose(1, 0, 2)
    adot = xp.empty((steps, GATES, n, units), xh.dtype)
    weights, xhdot_for_gates = one_for_each_gate(W, U, b), xp.broadcast_to(xhdot, (GATES, *xhdot.shape))
    moved = matmul(xh[:steps, None], one_for_each_gate(*moves)) if moves else None
    parts, part = xp.empty((3, n, units), xh.dtype), xp.empty((n, units), xh.dtype)
    for t in range(steps):
        matmul(xhdot_for_gates[:, t], weights, out=adot[t])
        if moves:
            adot[t] += moved[t]
        xp.multiply(f[t], cdot[t], out=cdot[t + 1])
        xp.multiply(factors[1:4, t], adot[t, 1:], out=parts)  # fdot c[t-1], idot g, i gdot
        for one in parts:
            cdot[t + 1] += one
        xp.multiply(factors[4, t], cdot[t + 1], out=part)
        xp.multiply(factors[0, t], adot[t, 0], out=hdot[t + 1])
        hdot[t + 1] += part

    def more(start, end):
        """Return the terms of dcdot and dadot with the dots of the factors and of f, for a piece of steps."""
        own = slice(start, end)
        o, _, i = gates[:, own]
        tanh_c, _, g = gated[:, own]
        slopes = gates[:, own] * (1 - gates[:, own])  # of the sigmoids
        changes = adot[own].transpose(1, 0, 2, 3)
        gates_dot = slopes * changes[:3]
        g_slope, c_slope = 1 - g * g, 1 - tanh_c * tanh_c
        gdot, tanh_c_dot = g_slope * changes[3], c_slope * cdot[start + 1 : end + 1]
        factors_dot = xp.empty_like(factors[:, own])
        xp.multiply(1 - 2 * gates[:, own], factors[:3, own], out=factors_dot[:3])
        factors_dot[:3] *= changes[:3]
        for k, change in enumerate((tanh_c_dot, cdot[own], gdot)):  # of what the gates o, f, i let through
            factors_dot[k] += slopes[k] * change
        factors_dot[3] = gates_dot[2] * g_slope - 2 * i * g * gdot
        factors_dot[4] = gates_dot[0] * c_slope - 2 * o * tanh_c * tanh_c_dot
        more_dc = factors_dot[4] * dh[own]
        last = min(end + 1, steps)  # the step after passes back fdot dc
        f_slope_after = f[start + 1 : last] * (1 - f[start + 1 : last])
        more_dc[: last - start - 1] += f_slope_after * adot[start + 1 : last, 1] * dc[start + 1 : last]
        factors_dot[0] *= dh[own]
        factors_dot[1:4] *= dc[own]
        return more_dc, factors_dot[:4]

    dhdot = None
    if moves:  # what da passes back by the change of U
        dhdot = xp.zeros((n, steps, units), xh.dtype)
        dhdot[:, :-1] = matmul(da[1:], lstm.in_order_ofig(moves[1]).T).transpose(1, 0, 2)
    bend, dweights, _, _ = lstm.backward(dhdot, xh, gates, gated, W, U, True, True, kept, more)
    if moves:
        bend = bend + matmul(da, lstm.in_order_ofig(moves[0]).T).transpose(1, 0, 2)
    rows = da.reshape(-1, GATES * units)
    others = lstm.split_weights(matmul(xhdot[:steps].reshape(-1, width).T, rows), size)
    return hdot, bend, tuple(one + other for one, other in zip(dweights, others, strict=True))


def one_for_each_gate(W, U, b):
    """Return W, U and b as one matrix for each gate: (4, size + units + 1, units), in the order o, f, i, g."""
    weights = lstm.in_order_ofig(array_module(W).concatenate((W, U, b[None])))
    return weights.reshape(len(weights), GATES, -1).transpose(1, 0, 2)
