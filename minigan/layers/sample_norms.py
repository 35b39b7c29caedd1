"""Normalization within each sample: LayerNorm, InstanceNorm and GroupNorm, which differ only in what a set is."""

import math

from minigan.errors import ShapeError
from minigan.initializers import Ones, Zeros
from minigan.layers.base import Layer
from minigan.layers.torch_calls import require_no_channels
from minigan.ops.set_sums import group_sum, place_dot, place_sum, square_sum
from minigan.ops.sums import column_sum
from minigan.options import require_count, require_epsilon


class SampleNorm(Layer):
    """The base class of the three: the numbers of each set get mean 0 and variance 1, then a scale and a shift.

    A sample has some places (the pixels of an image, the steps of a sequence) with c channels each. A set is a group of
    k channels at all places: m = places k numbers. M(a) is the mean of each set of a.

    Forward    xhat = r (x - M(x)),   r = 1 / sqrt(M((x - M(x))^2) + epsilon)            (biased: divided by m)
               y    = gamma xhat + beta                                   gamma, beta: a number for each channel
    Backward   (1) dbeta  = sum dy          over all samples and places
               (2) dgamma = sum dy xhat
               (3) dx     = P(gamma dy),    P(a) = r (a - M(a) - xhat M(a xhat))
    Tangent    (4) xhatdot = P(xdot),   ydot = gamma xhatdot,   dS/dgamma = sum dy xhatdot
               (5) bend = how (3) moves = -r (M(xdot xhat) dx + xhatdot M(gamma dy xhat) + xhat M(gamma dy xhatdot))
    """

    follows_directions = True
    groups = 1  # of channels, for each sample

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.choose_groups()
        channels = self.input_shape[-1:]
        _, places, c = self.places_shape((1, *self.input_shape))
        self.set_size = places * c // self.groups
        if self.set_size == 1:
            raise ShapeError(
                f"{self.name}: in inputs of shape (n, {', '.join(map(str, self.input_shape))}) each set is a single "
                "number, which is its own mean, so the output is beta whatever the input is. Leave the layer out."
            )
        self.add_param("gamma", channels, Ones(), rng)
        self.add_param("beta", channels, Zeros(), rng)
        return self.output_shape

    def choose_groups(self):
        """Check the input shape, and set how many groups there are; ShapeError if the layer cannot have this shape."""

    def places_shape(self, shape):
        """Return the shape (n, places, c) in which a set is a group of channels of one n; shape: that of x."""
        return (shape[0], math.prod(shape[1:-1]), shape[-1])

    def forward(self, x, training=False):
        self.check_input(x)
        x_places = x.reshape(self.places_shape(x.shape))  # (n, places, c)
        ones = self.xp.ones(x.shape[-1:], self.dtype)
        xhat = x_places - self.mean(place_sum(x_places), ones)
        variance = square_sum(xhat, self.groups) / self.set_size
        r = self.for_each_number((1 / self.xp.sqrt(variance + self.epsilon)).astype(self.dtype))
        xhat *= r
        self.save_for_backward(xhat, r)
        y = xhat * self.params["gamma"]
        y += self.params["beta"]
        return y.reshape(x.shape)

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r = self.saved(dy)
        dy, shape = dy.reshape(xhat.shape), dy.shape
        sums, dots = place_sum(dy), place_dot(dy, xhat)
        if param_grads:
            self.add_grad("beta", column_sum(sums))  # (1)
            self.add_grad("gamma", column_sum(dots))  # (2)
        if not input_grad:
            return None
        gamma = self.params["gamma"]
        dx = dy * (r * gamma)
        dx -= r * self.mean(sums, gamma)
        dx -= xhat * (r * self.mean(dots, gamma))  # (3)
        return dx.reshape(shape)

    def tangent(self, xdot):
        dy, xhat, r = self.retained(xdot)
        dy, a, shape = dy.reshape(xhat.shape), xdot.reshape(xhat.shape), xdot.shape
        gamma, ones = self.params["gamma"], self.xp.ones(shape[-1:], self.dtype)
        along_xhat = self.mean(place_dot(a, xhat), ones)
        xhatdot = r * (a - self.mean(place_sum(a), ones) - xhat * along_xhat)
        ydot = gamma * xhatdot  # (4)
        dots, moved = place_dot(dy, xhat), place_dot(dy, xhatdot)
        self.add_grad("gamma", column_sum(moved))
        share = self.mean(dots, gamma)
        dx = r * (gamma * dy - self.mean(place_sum(dy), gamma) - xhat * share)
        bend = -r * (along_xhat * dx + xhatdot * share + xhat * self.mean(moved, gamma))  # (5)
        if self.directions:  # gamma and beta move, too
            gammadot = self.directions["gamma"]
            ydot += xhat * gammadot
            ydot += self.directions["beta"]
            bend += r * (gammadot * dy - self.mean(place_sum(dy), gammadot) - xhat * self.mean(dots, gammadot))
        self.bend = bend.reshape(shape)
        return ydot.reshape(shape)

    def mean(self, sums, weights):
        """Return M(weights a) for each number, where `sums` (n, c) are the sums of a over the places."""
        weights = weights.reshape(self.groups, -1)
        return self.for_each_number(group_sum(sums, weights) / self.set_size)

    def for_each_number(self, values):
        """Return one value for each set, (n, groups), in a shape that fits (n, places, c)."""
        if self.groups > 1:  # NumPy is slow along axes as short as a group
            values = self.xp.repeat(values, self.input_shape[-1] // self.groups, axis=1)
        return values[:, None]

    def flops(self):
        return 8 * super().flops()


class LayerNorm(SampleNorm):
    """Layer normalization: the channels at each place of each sample get mean 0 and variance 1, then a scale and shift.

    Forward    M    = the mean over the channels:   M(x)[n,i] = 1/c sum_j x[n,i,j]
               xhat = r (x - M(x)),   r = 1 / sqrt(M((x - M(x))^2) + epsilon)            (biased: divided by c)
               y    = gamma xhat + beta
    Backward   (1) dbeta  = sum_{n,i} dy[n,i]
               (2) dgamma = sum_{n,i} dy[n,i] xhat[n,i]
               (3) dx     = r (a - M(a) - xhat M(a xhat)),   a = gamma dy
    Tangent    (4) and (5) of SampleNorm
    Shapes     x (n, c), (n, t, c), (n, h, w, c) or with more axes -> y, same shape; gamma, beta (c,)
    Cost       about 8 flops per element forward; saves xhat
    Options    epsilon. To normalise over a whole image, take GroupNorm(1)
    Source     Ba, Kiros & Hinton 2016, arXiv:1607.06450; docs/layers/sample_norms.md
    """

    def __init__(self, epsilon: float = 1e-5):
        require_no_channels("LayerNorm", "LayerNorm()", epsilon=epsilon)
        self.epsilon = require_epsilon("LayerNorm", epsilon=epsilon)

    def places_shape(self, shape):
        """Return the shape in which each place is a sample by itself."""
        return (math.prod(shape[:-1]), 1, shape[-1])


class InstanceNorm(SampleNorm):
    """Instance normalization: each channel of each image gets mean 0 and variance 1, then a learned scale and shift.

    Forward    M    = the mean over the places:   M(x)[n,c] = 1/m sum_i x[n,i,c],   m = h w
               xhat = r (x - M(x)),   r = 1 / sqrt(M((x - M(x))^2) + epsilon)            (biased: divided by m)
               y    = gamma xhat + beta
    Backward   (1) dbeta  = sum_{n,i} dy[n,i]
               (2) dgamma = sum_{n,i} dy[n,i] xhat[n,i]
               (3) dx     = r (a - M(a) - xhat M(a xhat)),   a = gamma dy
    Tangent    (4) and (5) of SampleNorm
    Shapes     x (n, h, w, c) or (n, t, c) -> y, same shape; gamma, beta (c,)
    Cost       about 8 flops per element forward; saves xhat
    Options    epsilon
    Source     Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022; docs/layers/sample_norms.md
    """

    def __init__(self, epsilon: float = 1e-5):
        require_no_channels("InstanceNorm", "InstanceNorm()", epsilon=epsilon)
        self.epsilon = require_epsilon("InstanceNorm", epsilon=epsilon)

    def choose_groups(self):
        if len(self.input_shape) not in (2, 3):
            raise ShapeError(
                f"{self.name}: expected images (n, h, w, c) or sequences (n, t, c), got (n, "
                f"{', '.join(map(str, self.input_shape))})."
            )
        self.groups = self.input_shape[-1]


class GroupNorm(SampleNorm):
    """Group normalization: each group of channels of each sample gets mean 0 and variance 1, then a scale and shift.

    Forward    M    = the mean over a group of k = c / groups channels at all places: over m = h w k numbers
               xhat = r (x - M(x)),   r = 1 / sqrt(M((x - M(x))^2) + epsilon)            (biased: divided by m)
               y    = gamma xhat + beta
    Backward   (1) dbeta  = sum_{n,i} dy[n,i]
               (2) dgamma = sum_{n,i} dy[n,i] xhat[n,i]
               (3) dx     = r (a - M(a) - xhat M(a xhat)),   a = gamma dy
    Tangent    (4) and (5) of SampleNorm
    Shapes     x (n, c), (n, t, c) or (n, h, w, c) -> y, same shape; gamma, beta (c,)
    Cost       about 8 flops per element forward; saves xhat
    Options    groups: how many, each of consecutive channels; 1 normalises over the whole sample; epsilon
    Source     Wu & He 2018, arXiv:1803.08494; docs/layers/sample_norms.md
    """

    def __init__(self, groups: int = 32, epsilon: float = 1e-5):
        self.groups = require_count("GroupNorm", groups=groups)
        require_no_channels("GroupNorm", f"GroupNorm({self.groups})", epsilon=epsilon)
        self.epsilon = require_epsilon("GroupNorm", epsilon=epsilon)

    def choose_groups(self):
        shape = f"(n, {', '.join(map(str, self.input_shape))})"
        if len(self.input_shape) not in (1, 2, 3):
            raise ShapeError(
                f"{self.name}: expected vectors (n, c), sequences (n, t, c) or images (n, h, w, c), got {shape}."
            )
        channels = self.input_shape[-1]
        if channels % self.groups:
            raise ShapeError(
                f"{self.name}: expected a number of channels that {self.groups} groups can share equally, got {shape}. "
                f"Choose a number of groups that divides {channels}."
            )
