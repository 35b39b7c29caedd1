"""The tangent pass of the LSTM: every line of its forward and backward pass, differentiated along a direction.

The formulas are in layers/recurrent.py. A "dot" is the change of a number if x moves along xdot: the line
f = sigmoid(a_f), for example, becomes fdot = f (1 - f) adot_f. dy is held fixed, so its dot is 0. Backward computes the
gradient of L = sum(dy y). So its lines with dots compute the gradient of S = sum(dy ydot), the change of L.
"""

from minigan.backend import array_module
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
