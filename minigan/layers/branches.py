"""Layers with branches: x goes through several rows of layers, whose outputs are added up or put side by side."""

import inspect
import math
from collections.abc import Sequence

from minigan.budget import spend
from minigan.errors import OptionError, ShapeError
from minigan.labels import labels_for
from minigan.layers.base import Layer
from minigan.layers.container import (
    Container,
    backward_through,
    build_in_a_row,
    forward_through,
    tangent_backward_through,
    tangent_through,
)
from minigan.layers.fused import fuse
from minigan.layers.lists import common_classes
from minigan.layers.trainable import config_of
from minigan.memory import require_room
from minigan.options import shown


class Branches(Container):
    """The base class of both. A subclass says how the outputs become one, and which part of dy each branch gets."""

    def __init__(self, *branches: Sequence[Layer]):
        self.branches = checked_branches(type(self).__name__, branches)
        self._layers = tuple(layer for branch in self.branches for layer in branch)
        self.classes = common_classes(self._layers)

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        try:
            shapes = [
                build_in_a_row(branch, self.input_shape, rng, self.dtype, xp, prefix=f"branch{k}.")
                for k, branch in enumerate(self.branches)
            ]
        except (ShapeError, OptionError) as error:
            raise type(error)(f"{self.name}, {error}") from error
        shape = self.joined_shape(shapes)
        spend("sample", math.prod(shape), self.name, f"one output of shape {shape}")
        require_room(self.name, f"one output of shape {shape}", math.prod(shape) * self.dtype.itemsize, xp)
        self.output_shape = shape
        self._allocate()
        return shape

    def make_parts(self):
        self.parts = [fuse(branch, self.xp) for branch in self.branches]

    def forward(self, x, training=False, labels=None):
        self.check_input(x)
        labels = labels_for(self, labels, f"{self.name} forward")
        if labels is not None:
            labels = self.check_labels(labels, x)
        self.save_for_backward()
        return self.joined([forward_through(parts, x, training, labels) for parts in self.parts])

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        shares = zip(self.parts, self.shares(dy), strict=True)
        dxs = [backward_through(parts, share, param_grads, input_grad) for parts, share in shares]
        return sum_of(dxs) if input_grad else None  # (2)

    def tangent(self, xdot):
        self.retained(xdot)
        return self.joined([tangent_through(parts, xdot) for parts in self.parts])

    def tangent_backward(self, dy=None, param_grads=True, input_grad=True):
        """Pass dy down all branches, and add the bends of their layers on the way; None counts as 0."""
        if dy is not None:
            self.saved(dy)
        self.cache = self.upstream = None
        shares = zip(self.parts, [None] * len(self.parts) if dy is None else self.shares(dy), strict=True)
        dxs = [tangent_backward_through(parts, share, param_grads, input_grad) for parts, share in shares]
        found = [dx for dx in dxs if dx is not None]
        return sum_of(found) if found else None

    def shapes_text(self, shapes):
        """Return the output shape of each branch, for an error."""
        return "; ".join(f"branch {k}: (n, {', '.join(map(str, shape))})" for k, shape in enumerate(shapes))

    def describe(self):
        return f"{self.name} of {len(self.branches)} branches"

    def config(self):
        """Return the branches as JSON values; of a class that makes them from options of its own, these options."""
        if "branches" not in inspect.signature(type(self).__init__).parameters:
            return super().config()
        return {"branches": [[config_of(layer) for layer in branch] for branch in self.branches]}

    def __repr__(self):
        if "branches" not in inspect.signature(type(self).__init__).parameters:
            return super().__repr__()
        return f"{type(self).__name__}({', '.join(str(list(branch)) for branch in self.branches)})"


class Add(Branches):
    """The sum of the branches. With an empty branch, which is x itself, it is a skip connection: x plus a change.

    Forward    y = sum_k f_k(x)                    f_k: the layers of branch k, one after the other; f(x) = x if empty
    Backward   (1) every branch gets the same dy
               (2) dx = sum_k dx_k                 what comes out of the branches below
    Tangent    ydot = sum_k ydot_k;   the bends are those of the layers in the branches
    Shapes     x -> y, the shape that all branches give
    Cost       one addition per number and branch; saves nothing itself
    Options    branches: lists of layers, as in Add([Conv2D(64, 3), ReLU(), Conv2D(64, 3)], [])
    Errors     ShapeError if the branches give different shapes
    Source     He et al. 2016, arXiv:1512.03385, section 3
    """

    def joined_shape(self, shapes):
        if len(set(shapes)) > 1:
            raise ShapeError(
                f"{self.name}: expected branches that give the same shape, got {self.shapes_text(shapes)}. For images, "
                "a Conv2D(filters, 1, strides) in the short branch fits channels and size."
            )
        return shapes[0]

    def joined(self, ys):
        return sum_of(ys)

    def flops(self):
        return super().flops() + (len(self.branches) - 1) * math.prod(self.output_shape)

    def shares(self, dy):
        return [dy] * len(self.branches)  # (1)


class Concatenate(Branches):
    """The outputs of the branches side by side, along the last axis: the channels of an image, the numbers of a vector.

    Forward    y = (f_1(x), f_2(x), ...)           f_k: the layers of branch k, one after the other; f(x) = x if empty
    Backward   (1) each branch gets its own part of dy
               (2) dx = sum_k dx_k                 what comes out of the branches below
    Tangent    ydot = (ydot_1, ydot_2, ...);   the bends are those of the layers in the branches
    Shapes     x -> y (n, ..., c_1 + c_2 + ...), where branch k gives (n, ..., c_k)
    Cost       copies the outputs; saves nothing itself
    Options    branches: lists of layers, as in Concatenate([Conv2D(8, 3), ReLU()], [])
    Errors     ShapeError if the branches differ in another axis than the last one
    Source     Huang et al. 2017, arXiv:1608.06993, section 3; Szegedy et al. 2015, arXiv:1409.4842
    """

    def joined_shape(self, shapes):
        if len({shape[:-1] for shape in shapes}) > 1:
            raise ShapeError(
                f"{self.name}: expected branches whose shapes differ in the last axis alone, got "
                f"{self.shapes_text(shapes)}."
            )
        self.sizes = [shape[-1] for shape in shapes]
        return (*shapes[0][:-1], sum(self.sizes))

    def joined(self, ys):
        return self.xp.concatenate(ys, axis=-1)

    def shares(self, dy):
        shares, start = [], 0
        for size in self.sizes:
            shares.append(self.xp.ascontiguousarray(dy[..., start : start + size]))  # (1)
            start += size
        return shares


def sum_of(arrays):
    """Return the sum of arrays of one shape, as a new array, or the array itself if there is only one."""
    if len(arrays) == 1:
        return arrays[0]
    total = arrays[0] + arrays[1]
    for array in arrays[2:]:
        total += array
    return total


def checked_branches(owner, branches):
    """Return branches as tuples of layers; raise OptionError for anything else."""
    if len(branches) < 2:
        raise OptionError(
            f"{owner}: expected at least two branches, got {len(branches)}. Each is a list of layers; an empty list is "
            f"the input itself: {owner}([Dense(8), ReLU()], [])."
        )
    for k, branch in enumerate(branches):
        if not isinstance(branch, (tuple, list)):
            raise OptionError(
                f"{owner}: expected branch {k} as a list of layers, got {shown(branch)}. Put even a single layer into "
                "a list; an empty list is the input itself."
            )
        for layer in branch:
            if not isinstance(layer, Layer):
                raise OptionError(
                    f"{owner}: expected layers in branch {k}, got {shown(layer)}. Use an instance, Tanh() and not Tanh."
                )
    return tuple(map(tuple, branches))
