"""Layers that take labels, the classes of the samples: docs/conditional.md derives them.

A network hands on the labels that it gets: `net.forward(x, labels=labels)`, one integer from 0 to classes - 1 for each
sample.
"""

import math

from minigan.errors import ShapeError
from minigan.initializers import Initializer, RandomNormal, Zeros, checked_initializer
from minigan.layers.base import Layer
from minigan.layers.torch_calls import require_no_inputs
from minigan.ops.class_sums import class_sums
from minigan.ops.matmul import matmul
from minigan.ops.sums import column_sum
from minigan.options import require_count, require_flag


class Embedding(Layer):
    """A learned vector for each class. It takes only the labels: x is not used.

    Forward    y[n] = E[k],   k = labels[n]
    Backward   (1) dE[k] = sum_{n: labels[n] = k} dy[n]
               (2) dx    = 0
    Tangent    ydot = 0, and S = 0: what x does changes nothing
    Shapes     x (n, ...), labels (n,) -> y (n, size); E (classes, size)
    Cost       n size numbers are copied; saves the labels
    Options    classes, size: of a vector; initializer: of E, by default N(0, 1), like the latents of a GAN
    Use it as the first layer of a branch that works on the labels alone
    Source     Bengio et al. 2003, "A neural probabilistic language model"; docs/conditional.md
    """

    takes_labels = follows_directions = True

    def __init__(self, classes: int, size: int, initializer: Initializer | None = None):
        self.classes, self.size = require_count("Embedding", classes=classes, size=size)
        self.initializer = checked_initializer("Embedding", RandomNormal(1.0) if initializer is None else initializer)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_param("E", (self.classes, self.size), self.initializer, rng)
        self.output_shape = (self.size,)
        return self.output_shape

    def forward(self, x, training=False, labels=None):
        self.check_input(x)
        labels = self.check_labels(labels, x)
        self.save_for_backward(labels)
        return self.params["E"][labels]

    def backward(self, dy, param_grads=True, input_grad=True):
        labels = self.saved(dy)
        if param_grads:
            self.add_grad("E", class_sums, dy, labels, self.classes)  # (1)
        return self.xp.zeros((len(dy), *self.input_shape), self.dtype) if input_grad else None  # (2)

    def tangent(self, xdot):
        _, labels = self.retained(xdot)
        if self.directions:  # E moves
            return self.directions["E"][labels]
        return self.xp.zeros((len(xdot), self.size), self.dtype)

    def flops(self):
        return 0


class ConcatenateLabel(Layer):
    """A layer that appends the label to each sample: to a vector as more numbers, to an image as more channels.

    Forward    y[n] = (x[n], e[k]),   k = labels[n];   in an image the same e[k] at every pixel
               e[k] is one-hot: 1 at place k, else 0. With `size`, it is a learned vector E[k]
    Backward   (1) dx    = dy without the last columns or channels
               (2) dE[k] = sum_{n: labels[n] = k} of these last ones of dy[n], in an image also over all pixels
    Tangent    ydot = (xdot, 0);   S does not depend on E or x: no bend
    Shapes     x (n, size of x) or (n, h, w, c), labels (n,) -> y with `classes` or `size` more columns or channels;
               E (classes, size)
    Cost       copies x; saves the labels
    Options    classes; size: of the learned vectors, None for one-hot; initializer: of E, by default N(0, 1)
    Source     Mirza & Osindero 2014, arXiv:1411.1784; docs/conditional.md
    """

    takes_labels = follows_directions = True

    def __init__(self, classes: int, size: int | None = None, initializer: Initializer | None = None):
        self.classes, self.size = require_count("ConcatenateLabel", classes=classes), size
        if size is not None:
            self.size = require_count("ConcatenateLabel", size=size)
        owner = "ConcatenateLabel"
        self.initializer = checked_initializer(owner, RandomNormal(1.0) if initializer is None else initializer)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if self.size is not None:
            self.add_param("E", (self.classes, self.size), self.initializer, rng)
        self.output_shape = (*input_shape[:-1], input_shape[-1] + (self.size or self.classes))
        return self.output_shape

    def forward(self, x, training=False, labels=None):
        self.check_input(x)
        labels = self.check_labels(labels, x)
        self.save_for_backward(labels)
        if self.size is None:
            e = (labels[:, None] == self.xp.arange(self.classes)).astype(self.dtype)
        else:
            e = self.params["E"][labels]
        return self.appended(x, e)

    def appended(self, x, e):
        """Return x (n, ..., c) with the same numbers e (n, size) at the end of every pixel."""
        y = self.xp.empty((len(x), *self.output_shape), self.dtype)
        y[..., : x.shape[-1]] = x
        y[..., x.shape[-1] :] = e.reshape(len(x), *(1,) * (x.ndim - 2), e.shape[1])
        return y

    def backward(self, dy, param_grads=True, input_grad=True):
        labels, channels = self.saved(dy), self.input_shape[-1]
        if param_grads and self.size is not None:
            de = dy[..., channels:].reshape(len(dy), -1, self.size).sum(axis=1)
            self.add_grad("E", class_sums, de, labels, self.classes)  # (2)
        return dy[..., :channels] if input_grad else None  # (1)

    def tangent(self, xdot):
        _, labels = self.retained(xdot)
        if self.directions:  # E moves, too
            edot = self.directions["E"][labels]
        else:
            edot = self.xp.zeros((len(xdot), self.size or self.classes), self.dtype)
        return self.appended(xdot, edot)

    def flops(self):
        return 0


class Projection(Layer):
    """The last layer of a projection discriminator: does x look real, and does it look like its class?

    Forward    y[n] = b + sum_i x[n,i] (w[i] + E[k,i]),   k = labels[n]
    Backward   (1) dw    = sum_n x[n] dy[n]
               (2) db    = sum_n dy[n]
               (3) dE[k] = sum_{n: labels[n] = k} x[n] dy[n]
               (4) dx[n] = (w + E[k]) dy[n]
    Tangent    ydot[n] = sum_i xdot[n,i] (w[i] + E[k,i]);   (5) dS/dw, dS/dE: (1) and (3) with xdot in place of x.
               S is linear in x: no bend
    Shapes     x (n, size), labels (n,) -> y (n, 1); w (size, 1), b (1,), E (classes, size)
    Cost       4 n size flops forward; saves x and the labels
    Options    classes; use_bias; initializer: of w and E, by default Glorot uniform (b starts at 0)
    Errors     ShapeError if the input is not a vector: put a Flatten before it
    Source     Miyato & Koyama 2018, arXiv:1802.05637: x is phi of the image, w and b are psi; docs/conditional.md
    """

    takes_labels = follows_directions = True

    def __init__(self, classes: int, use_bias: bool = True, initializer: Initializer | None = None):
        self.classes = require_count("Projection", classes=classes)
        require_no_inputs("Projection", "classes", f"Projection({self.classes})", use_bias=use_bias)
        self.use_bias = require_flag("Projection", use_bias=use_bias)
        self.initializer = checked_initializer("Projection", initializer)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if len(input_shape) != 1:
            raise ShapeError(
                f"{self.name}: expected vectors as input, (n, size), got (n, {', '.join(map(str, input_shape))}). Put "
                "a Flatten() before it."
            )
        (size,) = input_shape
        self.add_param("w", (size, 1), self.initializer, rng)
        if self.use_bias:
            self.add_param("b", (1,), Zeros(), rng)
        self.add_param("E", (self.classes, size), self.initializer, rng, axes=(1, 0))
        self.output_shape = (1,)
        return self.output_shape

    def forward(self, x, training=False, labels=None):
        self.check_input(x)
        labels = self.check_labels(labels, x)
        self.save_for_backward(x, labels)
        y = self.weighted(x, labels, self.params["w"], self.params["E"])
        if self.use_bias:
            y += self.params["b"]
        return y

    def weighted(self, x, labels, w, E):
        """Return sum_i x[n,i] (w[i] + E[k,i]): x (n, size) -> (n, 1)"""
        return matmul(x, w) + (x * E[labels]).sum(axis=1, keepdims=True)

    def backward(self, dy, param_grads=True, input_grad=True):
        x, labels = self.saved(dy)
        if param_grads:
            self.add_grad("w", matmul, x.T, dy)  # (1)
            if self.use_bias:
                self.add_grad("b", column_sum, dy)  # (2)
            self.add_grad("E", class_sums, x * dy, labels, self.classes)  # (3)
        return self.slope(labels, self.params["w"], self.params["E"]) * dy if input_grad else None  # (4)

    def slope(self, labels, w, E):
        """Return w + E[k] for each sample: (n, size)"""
        return E[labels] + w.T

    def tangent(self, xdot):
        dy, x, labels = self.retained(xdot)
        self.add_grad("w", matmul, xdot.T, dy)  # (5)
        self.add_grad("E", class_sums, xdot * dy, labels, self.classes)
        ydot = self.weighted(xdot, labels, self.params["w"], self.params["E"])
        if self.directions:  # w, b and E move, too
            wdot, Edot = self.directions["w"], self.directions["E"]
            ydot += self.weighted(x, labels, wdot, Edot)
            self.bend = self.slope(labels, wdot, Edot) * dy
            if self.use_bias:
                ydot += self.directions["b"]
        return ydot

    def flops(self):
        self.require_built()
        return 4 * math.prod(self.input_shape)
