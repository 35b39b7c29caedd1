"""The fully connected layer."""

from minigan.errors import ShapeError
from minigan.initializers import Initializer, Zeros, checked_initializer
from minigan.layers.base import Layer
from minigan.layers.torch_calls import require_no_inputs
from minigan.ops.matmul import matmul
from minigan.ops.sums import column_sum
from minigan.options import require_count, require_flag, shown


class Dense(Layer):
    """A fully connected layer: every output is a weighted sum of all inputs, plus a bias.

    Forward    y[n,o] = b[o] + sum_i x[n,i] W[i,o]                             y = x W + b
    Backward   (1) dW[i,o] = sum_n x[n,i] dy[n,o]                              dW = x^T dy
               (2) db[o]   = sum_n dy[n,o]
               (3) dx[n,i] = sum_o dy[n,o] W[i,o]                              dx = dy W^T
    Tangent    ydot = xdot W;   (4) dS/dW = xdot^T dy   of S = sum(dy ydot);   S is linear in x: no bend
    Shapes     x (n, in) -> y (n, units); W (in, units), b (units,)
    Cost       2 n in units flops forward, twice that backward; saves x
    Options    units: the number of outputs; use_bias; initializer: of W, by default Glorot uniform (b starts at 0)
    Errors     ShapeError if the input is not a vector: put a Flatten before it
    Source     docs/layers/dense.md
    """

    follows_directions = True
    kernel_axes = (-2, -1)  # of the inputs and the outputs in W's shape

    def __init__(self, units: int, use_bias: bool = True, initializer: Initializer | None = None):
        require_no_inputs("Dense", "outputs", f"Dense({shown(use_bias)})", use_bias=use_bias)
        self.units, self.use_bias = require_count("Dense", units=units), require_flag("Dense", use_bias=use_bias)
        self.initializer = checked_initializer("Dense", initializer)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if len(input_shape) != 1:
            advice = "Put a Flatten() before it."
            if len(input_shape) == 2:
                steps, features = input_shape
                each_step = f"Reshape(({steps}, 1, {features})), Conv2D({self.units}, 1)"
                advice += f" Or, for each step of a sequence by itself: {each_step}."
            got = ", ".join(map(str, input_shape))
            raise ShapeError(f"{self.name}: expected vectors as input, (n, in), got (n, {got}). {advice}")
        self.add_param("W", (*input_shape, self.units), self.initializer, rng)
        if self.use_bias:
            self.add_param("b", (self.units,), Zeros(), rng)
        self.output_shape = (self.units,)
        return self.output_shape

    def forward(self, x, training=False):
        y = self.product(x)
        if self.use_bias:
            y += self.params["b"]
        return y

    def product(self, x, training=False):
        """Return x W, the forward pass without the bias."""
        self.check_input(x)
        self.save_for_backward(x)
        return matmul(x, self.params["W"])

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        if param_grads:
            self.add_grad("W", matmul, x.T, dy)  # (1)
            if self.use_bias:
                self.add_grad("b", column_sum, dy)  # (2)
        return matmul(dy, self.params["W"].T) if input_grad else None  # (3)

    def tangent(self, xdot):
        dy, x = self.retained(xdot)
        self.add_grad("W", matmul, xdot.T, dy)  # (4)
        ydot = matmul(xdot, self.params["W"])
        if self.directions:  # W and b move, too
            ydot += matmul(x, self.directions["W"])
            self.bend = matmul(dy, self.directions["W"].T)
            if self.use_bias:
                ydot += self.directions["b"]
        return ydot

    def flops(self):
        self.require_built()
        return 2 * self.input_shape[0] * self.units
