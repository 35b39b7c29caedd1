"""Batch normalization whose scale and shift depend on the class."""

from minigan.initializers import Ones, Zeros
from minigan.layers.normalization import BatchNorm
from minigan.layers.torch_calls import require_no_channels
from minigan.ops.class_sums import class_sums
from minigan.ops.sums import column_dot, column_sum
from minigan.options import require_count


class ConditionalBatchNorm(BatchNorm):
    """Batch normalization with a scale and a shift for each class; the statistics are those of the whole batch.

    Forward    xhat = (x - mean) / sqrt(var + epsilon), as in BatchNorm
               y    = gamma[k] xhat + beta[k],   k the label of the sample
    Backward   (1) dbeta[k]  = sum of dy over the samples of class k and, in images, their pixels
               (2) dgamma[k] = sum of dy xhat over the same
               (3) dx        = r (dxhat - M(dxhat) - xhat M(dxhat xhat)),   dxhat = gamma[k] dy,
                   r = 1 / sqrt(var + epsilon), M the mean over all m rows, whatever their class
    Inference  uses the running mean and variance instead. They are constants, so
               (4) dx        = r dxhat
    Tangent    r moves, too. With S = sum(dy ydot),
               (5) xhatdot = r (xdot - M(xdot)) + xhat rdot / r,   rdot = -r^2 M(xdot xhat)
               (6) dS/dgamma[k] = sum of dy xhatdot over class k,   ydot = gamma[k] xhatdot
               (7) bend = how (3) moves = rdot inner - r (xhatdot M(dxhat xhat) + xhat M(dxhat xhatdot)),
                   inner = dxhat - M(dxhat) - xhat M(dxhat xhat)
               Inference: xhatdot = r xdot, no bend
    Shapes     x (n, c), (n, t, c) or (n, h, w, c), labels (n,) -> y like x; gamma, beta (classes, c)
    Cost       about 8 flops per element forward; saves xhat and the labels
    Options    classes; momentum, epsilon: as in BatchNorm
    State      mean, variance: the running statistics, over all classes
    Source     Dumoulin, Shlens & Kudlur 2017, arXiv:1610.07629; de Vries et al. 2017, arXiv:1707.00683;
               docs/conditional.md
    """

    takes_labels = True

    def __init__(self, classes: int, momentum: float = 0.9, epsilon: float = 1e-5):
        owner = "ConditionalBatchNorm"
        self.classes = require_count(owner, classes=classes)
        require_no_channels(owner, f"{owner}(classes)", momentum=momentum)
        super().__init__(momentum, epsilon)

    def add_scale_and_shift(self, channels, rng):
        self.add_param("gamma", (self.classes, channels), Ones(), rng)
        self.add_param("beta", (self.classes, channels), Zeros(), rng)

    def forward(self, x, training=False, labels=None):
        self.check_input(x)
        labels = self.check_labels(labels, x)
        xhat, r, m = self.normalized(x, training)
        self.save_for_backward(xhat, r, m, labels)
        y = self.of_class("gamma", labels) * self.by_sample(xhat, x)
        y += self.of_class("beta", labels)
        return y.reshape(x.shape)

    def of_class(self, name, labels, arrays=None):
        """Return gamma[k] or beta[k] of each sample: (n, 1, c)"""
        return (self.params if arrays is None else arrays)[name][labels][:, None]

    def by_sample(self, array, like):
        """Return an array with one axis for the pixels of a sample: (n, pixels, c)"""
        return array.reshape(len(like), -1, like.shape[-1])

    def sums_of_classes(self, array, labels):
        """Return the sums over the samples of each class: (n, pixels, c) -> (classes, c)"""
        return class_sums(array.sum(axis=1), labels, self.classes)

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r, m, labels = self.saved(dy)
        samples = self.by_sample(dy, dy)
        if param_grads:
            self.add_grad("beta", self.sums_of_classes(samples, labels))  # (1)
            self.add_grad("gamma", self.sums_of_classes(samples * self.by_sample(xhat, dy), labels))  # (2)
        if not input_grad:
            return None
        dxhat = (self.of_class("gamma", labels) * samples).reshape(xhat.shape)
        if m is None:
            dxhat *= r  # (4)
            return dxhat.reshape(dy.shape)
        inner, _ = self.centred(dxhat, xhat, m)
        inner *= r  # (3)
        return inner.reshape(dy.shape)

    def centred(self, dxhat, xhat, m):
        """Return (dxhat - M(dxhat) - xhat M(dxhat xhat), M(dxhat xhat)), with the means over all workers' rows."""
        mean = self.group.sum(column_dot(dxhat, xhat)) / m
        inner = xhat * -mean
        inner += dxhat
        inner -= self.group.sum(column_sum(dxhat)) / m
        return inner, mean

    def tangent(self, xdot):
        dy, xhat, r, m, labels = self.retained(xdot)
        xdot_rows, samples = xdot.reshape(xhat.shape), self.by_sample(dy, dy)
        xhatdot = xdot_rows * r
        if m is not None:
            rdot = -r * r * (self.group.sum(column_dot(xdot_rows, xhat)) / m)
            xhatdot -= self.group.sum(column_sum(xdot_rows)) / m * r
            xhatdot += xhat * (rdot / r)  # (5)
        moves = self.by_sample(xhatdot, dy)
        self.add_grad("gamma", self.sums_of_classes(samples * moves, labels))  # (6)
        ydot = self.of_class("gamma", labels) * moves
        if self.directions:  # gamma and beta move, too
            gammadot = self.of_class("gamma", labels, self.directions)
            ydot += gammadot * self.by_sample(xhat, dy)
            ydot += self.of_class("beta", labels, self.directions)
            turned = (gammadot * samples).reshape(xhat.shape)  # how dxhat moves
        bend = None
        if m is not None:
            dxhat = (self.of_class("gamma", labels) * samples).reshape(xhat.shape)
            inner, mean = self.centred(dxhat, xhat, m)
            bend = rdot * inner
            bend -= xhatdot * (r * mean)
            bend -= xhat * (r * self.group.sum(column_dot(dxhat, xhatdot)) / m)  # (7)
            if self.directions:
                bend += self.centred(turned, xhat, m)[0] * r
        elif self.directions:
            bend = turned * r
        self.bend = None if bend is None else bend.reshape(dy.shape)
        return ydot.reshape(xdot.shape)
