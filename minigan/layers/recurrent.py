"""The recurrent layer: one small network applied to every step of a sequence, handing its state on to the next."""

from minigan.errors import ShapeError
from minigan.hints import Array
from minigan.initializers import EachBlock, GlorotUniform, Orthogonal, Zeros
from minigan.layers.base import Layer
from minigan.ops.matmul import matmul
from minigan.options import require_count, require_flag

GATES = 4  # in the order of the columns of W, U and b: input, forget, cell, output


class LSTM(Layer):
    """Reads a sequence step by step into a cell that gates write, erase and show (long short-term memory).

    Forward    h[0] = c[0] = 0 unless given; then for t = 1 ... steps
               a[t]       = x[t] W + h[t-1] U + b                              four blocks of columns: i, f, g, o
               i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), tanh(a_g)
               c[t]       = f c[t-1] + i g                                     the cell
               h[t]       = o tanh(c[t])                                       y[:,t] = h[t], or y = h[steps] alone
    Backward   dh[t] and dc[t] begin as what step t+1 hands back (0 behind the last); then for t = steps ... 1
               (1) dh[t]   += dy[:,t]
               (2) dc[t]   += dh[t] o (1 - tanh(c[t])^2)
               (3) da_i = dc[t] g i (1 - i),    da_f = dc[t] c[t-1] f (1 - f),
                   da_g = dc[t] i (1 - g^2),    da_o = dh[t] tanh(c[t]) o (1 - o)
               (4) dW += x[t]^T da,    dU += h[t-1]^T da,    db += sum_n da
               (5) dx[:,t]  = da W^T
               (6) dh[t-1]  = da U^T,    dc[t-1] = dc[t] f
    Shapes     x (n, steps, size) -> y (n, units), or (n, steps, units) with return_sequences;
               W (size, 4 units), U (units, 4 units), b (4 units,)
    State      forward(x, initial_state=(h0, c0)) begins with these, each (n, units), instead of 0; after backward
               `initial_state_grads` is (dh0, dc0)
    Cost       8 steps units (size + units) flops forward, twice that backward; keeps x, h (y is a view of it), c,
               tanh(c) and the gates. (5) and (6) are one product, so input_grad=False spares nothing
    Start      W Glorot uniform and U orthogonal, each gate by itself; b is 0 but for the forget gate's part, which is
               1: the cell remembers until it has learned to forget (Jozefowicz, Zaremba & Sutskever 2015, "An
               empirical exploration of recurrent network architectures")
    Options    units: of the state; return_sequences: hand out every h[t], not only the last
    Errors     ShapeError where the input is not a sequence of vectors: put a Reshape((steps, size)) before
    Source     Hochreiter & Schmidhuber 1997; the forget gate: Gers, Schmidhuber & Cummins 2000; docs/layers/lstm.md
    """

    initial_state_grads = None  # (dh0, dc0) of the last backward

    def __init__(self, units: int, return_sequences: bool = False):
        self.units = require_count("LSTM", units=units)
        self.return_sequences = require_flag("LSTM", return_sequences=return_sequences)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if len(input_shape) != 2:
            raise ShapeError(
                f"{self.name}: expected sequences, an input of shape (n, steps, size), got (n, "
                f"{', '.join(map(str, input_shape))}). Put a Reshape((steps, size)) before it."
            )
        steps, size = input_shape
        self.add_param("W", (size, GATES * self.units), EachBlock(GATES, GlorotUniform()), rng)
        self.add_param("U", (self.units, GATES * self.units), EachBlock(GATES, Orthogonal()), rng)
        self.add_param("b", (GATES * self.units,), Zeros(), rng)
        self.params["b"][self.units : 2 * self.units] = 1
        self.output_shape = (steps, self.units) if self.return_sequences else (self.units,)
        return self.output_shape

    # In both passes the batch is the last axis: then each gate is one contiguous block of memory, and all that a step
    # reads, x[t], h[t-1] and a 1 for the bias, lie one below the other in `xh`, so that a step is one matrix product.

    def forward(self, x: Array, training: bool = False, initial_state: tuple[Array, Array] | None = None) -> Array:
        self.check_input(x)
        xp, units, (steps, size), n = self.xp, self.units, self.input_shape, len(x)
        xh = xp.empty((steps + 1, size + units + 1, n), self.dtype)
        c = xp.empty((steps + 1, units, n), self.dtype)
        h = xh[:, size:-1]
        xh[:steps, :size] = x.transpose(1, 2, 0)
        xh[:, -1] = 1
        h[0], c[0] = (0, 0) if initial_state is None else self.checked_state(initial_state, n)
        gates, tanh_c = xp.empty((steps, GATES, units, n), self.dtype), xp.empty((steps, units, n), self.dtype)

        # sigmoid(a) = (1 + tanh(a / 2)) / 2: with the inner 1/2 in the weights, one tanh serves all four gates
        weights = xp.concatenate((self.params["W"], self.params["U"], self.params["b"][None]))
        weights[:, : 2 * units] *= 0.5
        weights[:, 3 * units :] *= 0.5
        for t in range(steps):
            matmul(weights.T, xh[t], out=gates[t].reshape(-1, n))
            xp.tanh(gates[t], out=gates[t])
            i, f, g, o = gates[t]
            for gate in (i, f, o):
                gate += 1
                gate *= 0.5
            xp.multiply(f, c[t], out=c[t + 1])
            c[t + 1] += i * g
            xp.tanh(c[t + 1], out=tanh_c[t])
            xp.multiply(o, tanh_c[t], out=h[t + 1])
        self.save_for_backward(xh, c, gates, tanh_c)
        h = xh[:, size:-1]  # read-only now, as xh is
        return h[1:].transpose(2, 0, 1) if self.return_sequences else h[steps].T

    def backward(self, dy, param_grads=True, input_grad=True):
        xh, c, gates, tanh_c = self.saved(dy)
        xp, units, (steps, size), n = self.xp, self.units, self.input_shape, len(dy)
        weights = xp.concatenate((self.params["W"], self.params["U"]))
        dweights = xp.zeros((size + units + 1, GATES * units), self.dtype)
        dxh, da = xp.empty((steps, size + units, n), self.dtype), xp.empty((GATES, units, n), self.dtype)
        da_rows = da.reshape(-1, n)
        dh, dc = (xp.zeros((units, n), self.dtype) for _ in range(2))
        if not self.return_sequences:
            dh += dy.T  # (1)
        for t in reversed(range(steps)):
            i, f, g, o = gates[t]
            if self.return_sequences:
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
        if param_grads:
            for name, rows in (("W", slice(size)), ("U", slice(size, -1)), ("b", -1)):
                self.add_grad(name, dweights[rows])
        self.initial_state_grads = dh.T.copy(), dc.T.copy()
        return dxh[:, :size].transpose(2, 0, 1) if input_grad else None

    def checked_state(self, initial_state, n):
        """(h0, c0) with the batch as the last axis; refused in words where they do not fit."""
        if not isinstance(initial_state, (tuple, list)) or len(initial_state) != 2:
            raise ShapeError(
                f"{self.name} forward: expected initial_state as a pair (h0, c0) of arrays of shape ({n}, "
                f"{self.units}), got {type(initial_state).__name__}."
            )
        for what, array in zip(("h0", "c0"), initial_state, strict=True):
            self._check_array("forward", what, array, (self.units,), batch=n)
        return [array.T for array in initial_state]

    def flops(self):
        steps, size = self.input_shape
        return 2 * steps * GATES * self.units * (size + self.units)
