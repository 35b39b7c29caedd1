"""Batch normalization."""

from minigan.errors import ShapeError
from minigan.initializers import Ones, Zeros
from minigan.layers.base import Layer
from minigan.layers.torch_calls import require_no_channels
from minigan.misuse import tell_once
from minigan.ops.squares import half_the_largest
from minigan.ops.sums import column_dot, column_square_sum, column_sum
from minigan.options import require_epsilon, require_share

ONE_ROW = (
    "{}: trained on a single row, which is its own mean. So the output is beta whatever the input is, and dx is 0. "
    "Use a batch of two samples or more."
)


class BatchNorm(Layer):
    """Batch normalization: every channel gets mean 0 and variance 1 over the batch, then a learned scale and shift.

    Forward    mean[c] = 1/m sum_i x[i,c],   var[c] = 1/m sum_i (x[i,c] - mean[c])^2      (biased: divided by m)
               xhat    = (x - mean) / sqrt(var + epsilon)
               y       = gamma xhat + beta
    Backward   (1) dbeta  = sum_i dy[i]
               (2) dgamma = sum_i dy[i] xhat[i]
               (3) dx     = gamma / sqrt(var + epsilon) (dy - dbeta/m - xhat dgamma/m)
    Inference  uses the running mean and variance instead. They are constants, so
               (4) dx     = gamma / sqrt(var + epsilon) dy
    Frozen     (trainable = False) it works as in inference in training, too: the running statistics stay as they are
    Tangent    r = 1 / sqrt(var + epsilon) moves, too. With M for the mean over all rows and S = sum(dy ydot),
               (5) xhatdot = r (xdot - M(xdot)) + xhat rdot / r,   rdot = -r^2 M(xdot xhat)
               (6) dS/dgamma = sum_i dy[i] xhatdot[i],   ydot = gamma xhatdot
               (7) bend    = how (3) moves = gamma (rdot inner - r (xhatdot dgamma/m + xhat dS/dgamma/m)),
                   inner = dy - dbeta/m - xhat dgamma/m
               Inference: xhatdot = r xdot, no bend
    Shapes     x (n, c), (n, t, c) or (n, h, w, c) -> y, same shape; i runs over all m = n, n t or n h w rows
    Cost       about 8 flops per element forward; saves xhat
    Options    momentum: the share of the old running statistics that each training pass keeps; epsilon
    State      mean, variance: the running statistics, old <- momentum old + (1 - momentum) new
    Source     Ioffe & Szegedy 2015, arXiv:1502.03167; docs/layers/batchnorm.md
    """

    mixes_samples = asks_group = follows_directions = True

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5):
        owner = type(self).__name__
        require_no_channels(owner, f"{owner}()", momentum=momentum)
        self.momentum = require_share(owner, momentum=momentum)
        self.epsilon = require_epsilon(owner, epsilon=epsilon)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if len(input_shape) not in (1, 2, 3):
            raise ShapeError(
                f"{self.name}: expected vectors (n, c), sequences (n, t, c) or images (n, h, w, c), got (n, "
                f"{', '.join(map(str, input_shape))})."
            )
        self.add_scale_and_shift(input_shape[-1], rng)
        self.add_state("mean", xp.zeros(input_shape[-1:], dtype))
        self.add_state("variance", xp.ones(input_shape[-1:], dtype))
        return self.output_shape

    def add_scale_and_shift(self, channels, rng):
        self.add_param("gamma", (channels,), Ones(), rng)
        self.add_param("beta", (channels,), Zeros(), rng)

    def forward(self, x, training=False):
        self.check_input(x)
        xhat, r, m = self.normalized(x, training)
        self.save_for_backward(xhat, r, m)
        y = xhat * self.params["gamma"]
        y += self.params["beta"]
        return y.reshape(x.shape)

    def normalized(self, x, training):
        """Return (xhat as rows, r, m), with m = None in inference; update the running statistics."""
        x_rows = x.reshape(-1, x.shape[-1])
        if training and self.trainable:
            m = self.group.total(len(x_rows))
            if m == 1:
                tell_once(self, ONE_ROW.format(self.name), stacklevel=4)
            mean = self.group.sum(column_sum(x_rows)) / m
            xhat = x_rows - mean
            variance = self.group.sum(column_square_sum(xhat)) / m  # in float64: the square of 1e20 is beyond float32
            for name, new in (("mean", mean), ("variance", self.xp.minimum(variance, half_the_largest(self.dtype)))):
                self.state[name] *= self.momentum
                self.state[name] += ((1 - self.momentum) * new).astype(self.dtype)
        else:
            m = None
            xhat, variance = x_rows - self.state["mean"], self.state["variance"]
        r = (1 / self.xp.sqrt(variance + self.epsilon)).astype(self.dtype)
        xhat *= r
        return xhat, r, m

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r, m = self.saved(dy)
        dy_rows = dy.reshape(xhat.shape)
        dbeta = column_sum(dy_rows)  # (1)
        dgamma = column_dot(dy_rows, xhat)  # (2)
        if param_grads:
            self.add_grad("beta", dbeta)
            self.add_grad("gamma", dgamma)
        if not input_grad:
            return None
        scale = self.params["gamma"] * r
        if m is None:
            return (dy_rows * scale).reshape(dy.shape)  # (4)
        # like all gradients, those above are the part of this worker's rows; (3) needs the sums over the whole batch
        dbeta, dgamma = self.group.sum(dbeta), self.group.sum(dgamma)
        dx = xhat * (-dgamma / m)  # (3)
        dx += dy_rows
        dx -= dbeta / m
        dx *= scale
        return dx.reshape(dy.shape)

    def tangent(self, xdot):
        dy, xhat, r, m = self.retained(xdot)
        xdot_rows, dy_rows, gamma = xdot.reshape(xhat.shape), dy.reshape(xhat.shape), self.params["gamma"]
        xhatdot = xdot_rows * r
        if m is not None:
            rdot = -r * r * (self.group.sum(column_dot(xdot_rows, xhat)) / m)
            xhatdot -= self.group.sum(column_sum(xdot_rows)) / m * r
            xhatdot += xhat * (rdot / r)  # (5)
        gamma_grad = column_dot(dy_rows, xhatdot)
        self.add_grad("gamma", gamma_grad)  # (6)
        ydot = gamma * xhatdot
        if self.directions:  # gamma and beta move, too
            ydot += xhat * self.directions["gamma"]
            ydot += self.directions["beta"]
        if m is not None:
            dbeta, dgamma = self.group.sum(column_sum(dy_rows)), self.group.sum(column_dot(dy_rows, xhat))
            inner = dy_rows - dbeta / m
            inner -= xhat * (dgamma / m)
            bend = gamma * rdot * inner
            bend -= xhatdot * (gamma * r * dgamma / m)
            bend -= xhat * (gamma * r * self.group.sum(gamma_grad) / m)  # (7)
            if self.directions:
                bend += self.directions["gamma"] * r * inner
            self.bend = bend.reshape(dy.shape)
        elif self.directions:
            self.bend = (dy_rows * (self.directions["gamma"] * r)).reshape(dy.shape)
        return ydot.reshape(xdot.shape)

    def flops(self):
        return 8 * super().flops()
