"""Softmax: numbers become shares that add up to 1. Derivation: docs/layers/softmax.md"""

from minigan.layers.base import Layer


class Softmax(Layer):
    """The shares of the exponentials, over the last axis: k numbers become k probabilities.

    Forward    y_i = exp(x_i) / sum_j exp(x_j)
    Backward   (1) dx_i = y_i (dy_i - sum_j dy_j y_j)
    Tangent    ydot = the same formula with xdot in place of dy;   bend = how (1) changes if y moves along ydot
    Shapes     x (n, ..., k) -> y, same shape
    Cost       5 flops per number; saves y: the slopes follow from it
    Note       the loss SoftmaxCrossEntropy takes logits and contains this function: a classifier that is trained
               ends without Softmax
    Source     Bridle 1990, "Training stochastic model recognition algorithms as networks ..."
    """

    def forward(self, x, training=False):
        self.check_input(x)
        y = x - x.max(axis=-1, keepdims=True)  # exp never overflows, and the shares stay the same
        self.xp.exp(y, out=y)
        y /= y.sum(axis=-1, keepdims=True)
        self.save_for_backward(y)
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        return self.times_slopes(dy, y) if input_grad else None

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        ydot = self.times_slopes(xdot, y)  # the matrix of slopes is symmetric
        mean, meandot = ((dy * shares).sum(axis=-1, keepdims=True) for shares in (y, ydot))
        self.bend = ydot * (dy - mean) - y * meandot
        return ydot

    def times_slopes(self, dy, y):
        """Return dx: each dy_i less their mean, which is weighted by the shares."""
        dx = dy * y
        mean = dx.sum(axis=-1, keepdims=True)
        dx -= y * mean  # (1)
        return dx

    def flops(self):
        return 5 * super().flops()
