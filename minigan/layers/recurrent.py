"""The recurrent layer: one small network that reads every step of a sequence and passes its state to the next step."""

from minigan.errors import ShapeError
from minigan.hints import Array
from minigan.initializers import EachBlock, GlorotUniform, Orthogonal, Zeros
from minigan.layers.base import Layer, retains_saved
from minigan.layers.torch_calls import require_no_inputs
from minigan.ops import lstm, lstm_tangent
from minigan.ops.lstm import GATES
from minigan.ops.sigmoid import sigmoid
from minigan.options import require_count, require_flag, shown


class LSTM(Layer):
    """A long short-term memory: it reads a sequence step by step into a cell, which gates write, erase and show.

    Forward    h[0] = c[0] = 0 unless given; then for t = 1 ... steps
               a[t]       = x[t] W + h[t-1] U + b                              four blocks of columns: i, f, g, o
               i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), tanh(a_g)
               c[t]       = f c[t-1] + i g                                     the cell
               h[t]       = o tanh(c[t])                                       y[:,t] = h[t], or y = h[steps] alone
    Backward   dh[t] and dc[t] start as what step t+1 passes back (0 after the last step); then for t = steps ... 1
               (1) dh[t]   += dy[:,t]
               (2) dc[t]   += dh[t] o (1 - tanh(c[t])^2)
               (3) da_i = dc[t] g i (1 - i),    da_f = dc[t] c[t-1] f (1 - f),
                   da_g = dc[t] i (1 - g^2),    da_o = dh[t] tanh(c[t]) o (1 - o)
               (4) dW += x[t]^T da,    dU += h[t-1]^T da,    db += sum_n da
               (5) dx[:,t]  = da W^T
               (6) dh[t-1]  = da U^T,    dc[t-1] = dc[t] f
    Tangent    every line of both passes with a dot, dy held fixed: minigan/ops/lstm_tangent.py, in both forms
    Shapes     x (n, steps, size) -> y (n, units), or (n, steps, units) with return_sequences;
               W (size, 4 units), U (units, 4 units), b (4 units,)
    State      forward(x, initial_state=(h0, c0)) starts from these, each (n, units), instead of 0; after
               backward, `initial_state_grads` is (dh0, dc0); with workers, that of the first worker's samples alone
    Cost       8 steps units (size + units) flops forward, twice that backward; saves x, h (y is a view of it), c and
               the gates
    Fast form  minigan/ops/lstm.py, for more than a few numbers and for GPUs
    Start      W Glorot uniform and U orthogonal, each gate separately; b is 0, but 1 for the forget gate: the
               cell remembers until it has learned to forget (Jozefowicz, Zaremba & Sutskever 2015, "An
               empirical exploration of recurrent network architectures")
    Options    units: the size of the state; return_sequences: return every h[t], not only the last
    Errors     ShapeError if the input is not a sequence of vectors: put a Reshape((steps, size)) before it;
               ShapeError or DtypeError if initial_state is no pair of arrays (n, units) in the layer's dtype
    Source     Hochreiter & Schmidhuber 1997; the forget gate: Gers, Schmidhuber & Cummins 2000; docs/layers/lstm.md
    """

    follows_directions = True
    initial_state_grads = None  # (dh0, dc0) of the last backward
    kept = None  # by a backward within `retaining`, for tangent

    def __init__(self, units: int, return_sequences: bool = False):
        call = f"LSTM({shown(return_sequences)})"
        require_no_inputs("LSTM", "outputs", call, return_sequences=return_sequences)
        self.units = require_count("LSTM", units=units)
        self.return_sequences = require_flag("LSTM", return_sequences=return_sequences)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if len(input_shape) != 2:
            vectors = " If an LSTM is before it, give that one return_sequences=True." if len(input_shape) == 1 else ""
            raise ShapeError(
                f"{self.name}: expected sequences as input, (n, steps, size), got (n, "
                f"{', '.join(map(str, input_shape))}). Put a Reshape((steps, size)) before it.{vectors}"
            )
        steps, size = input_shape
        self.add_param("W", (size, GATES * self.units), EachBlock(GATES, GlorotUniform()), rng)
        self.add_param("U", (self.units, GATES * self.units), EachBlock(GATES, Orthogonal()), rng)
        self.add_param("b", (GATES * self.units,), Zeros(), rng)
        self.params["b"][self.units : 2 * self.units] = 1
        self.output_shape = (steps, self.units) if self.return_sequences else (self.units,)
        return self.output_shape

    def forward(self, x: Array, training: bool = False, initial_state: tuple[Array, Array] | None = None) -> Array:
        self.check_input(x)
        xp, units, (steps, size), n = self.xp, self.units, self.input_shape, len(x)
        W, U, b = (self.params[name] for name in ("W", "U", "b"))
        h0, c0 = (0, 0) if initial_state is None else self.checked_state(initial_state, n)
        if lstm.pays(x, units):
            saved = lstm.forward(x, W, U, b, h0, c0)
            self.save_for_backward(True, *saved)
            h = lstm.states(saved[0], size)
            return h[1:].transpose(1, 0, 2) if self.return_sequences else h[steps]

        h, c = xp.empty((steps + 1, n, units), self.dtype), xp.empty((steps + 1, n, units), self.dtype)
        gates = xp.empty((steps + 1, GATES, n, units), self.dtype)
        h[0], c[0] = h0, c0
        for t in range(1, steps + 1):
            a = x[:, t - 1] @ W + h[t - 1] @ U + b
            a_i, a_f, a_g, a_o = xp.split(a, GATES, axis=1)
            i, f, g, o = sigmoid(a_i), sigmoid(a_f), xp.tanh(a_g), sigmoid(a_o)
            c[t] = f * c[t - 1] + i * g
            h[t] = o * xp.tanh(c[t])
            gates[t] = xp.stack((i, f, g, o))
        self.save_for_backward(False, x, h, c, gates)
        return h[1:].transpose(1, 0, 2) if self.return_sequences else h[steps]

    def backward(self, dy, param_grads=True, input_grad=True):
        fast, *saved = self.saved(dy)
        xp, units, steps, n = self.xp, self.units, self.input_shape[0], len(dy)
        W, U, b = (self.params[name] for name in ("W", "U", "b"))
        if fast:
            self.kept = lstm.arrays_to_keep(saved[1]) if retains_saved.get() else None
            dx, dweights, dh, dc = lstm.backward(dy, *saved, W, U, param_grads, input_grad, self.kept)
        else:
            x, h, c, gates = saved
            if not self.return_sequences:
                dy = xp.concatenate((xp.zeros((n, steps - 1, units), self.dtype), dy[:, None]), axis=1)
            dW, dU, db, dx = xp.zeros_like(W), xp.zeros_like(U), xp.zeros_like(b), xp.empty(x.shape, self.dtype)
            dh, dc = xp.zeros((n, units), self.dtype), xp.zeros((n, units), self.dtype)
            for t in range(steps, 0, -1):
                i, f, g, o = gates[t]
                tanh_c = xp.tanh(c[t])
                dh = dh + dy[:, t - 1]  # (1)
                dc = dc + dh * o * (1 - tanh_c * tanh_c)  # (2)
                da_i = dc * g * i * (1 - i)  # (3)
                da_f = dc * c[t - 1] * f * (1 - f)
                da_g = dc * i * (1 - g * g)
                da_o = dh * tanh_c * o * (1 - o)
                da = xp.concatenate((da_i, da_f, da_g, da_o), axis=1)
                dW += x[:, t - 1].T @ da  # (4)
                dU += h[t - 1].T @ da
                db += da.sum(axis=0)
                dx[:, t - 1] = da @ W.T  # (5)
                dh, dc = da @ U.T, dc * f  # (6)
            dweights = dW, dU, db
        if param_grads:
            for name, gradient in zip(("W", "U", "b"), dweights, strict=True):
                self.add_grad(name, gradient)
        self.initial_state_grads = dh, dc
        return dx if input_grad else None

    def tangent(self, xdot):
        dy, fast, *saved = self.retained(xdot)
        params = tuple(self.params[name] for name in ("W", "U", "b"))
        moves = tuple(self.directions[name] for name in ("W", "U", "b")) if self.directions else None
        if fast:
            hdot, self.bend, dweights = lstm_tangent.fast_tangent(xdot, *saved, self.kept, params, moves)
        else:
            hdot, self.bend, dweights = lstm_tangent.tangent(xdot, dy, *saved, params, moves)
        for name, gradient in zip(("W", "U", "b"), dweights, strict=True):
            self.add_grad(name, gradient)
        return hdot[1:].transpose(1, 0, 2) if self.return_sequences else hdot[-1]

    def clear_cache(self):
        super().clear_cache()
        self.kept = None

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "kept"}

    def checked_state(self, initial_state, n):
        """Return (h0, c0), or raise ShapeError if they do not fit."""
        if not isinstance(initial_state, (tuple, list)) or len(initial_state) != 2:
            raise ShapeError(
                f"{self.name} forward: expected initial_state as a pair (h0, c0) of arrays of shape ({n}, "
                f"{self.units}), got {type(initial_state).__name__}."
            )
        for what, array in zip(("h0", "c0"), initial_state, strict=True):
            self._check_array("forward", what, array, (self.units,), batch=n)
        return initial_state

    def flops(self):
        self.require_built()
        steps, size = self.input_shape
        return 2 * steps * GATES * self.units * (size + self.units)
