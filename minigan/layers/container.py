"""Layers that consist of layers: what a network and a layer with branches have in common.

And the passes through layers that run one after the other. `parts` are the layers as they run: some fused into one.
"""

import math
from typing import Any, NoReturn

import numpy as np

from minigan import backend
from minigan.errors import OptionError, ShapeError
from minigan.layers.arrays import ArraysOfLayers
from minigan.layers.base import Layer
from minigan.layers.trainable import first_to_learn
from minigan.memory import require_room
from minigan.options import require_shape, shown
from minigan.other_libraries import OF_NETWORKS, NamesOfOthers


class Container(NamesOfOthers, Layer):
    """The base class of layers that consist of layers.

    All parameters of its layers are views of one flat vector, and all gradients of another one. A subclass sets
    `_layers` and `classes` (see lists.py), builds its layers, then calls `_allocate`.
    """

    _layers: tuple[Layer, ...] = ()
    elsewhere = OF_NETWORKS

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Return the layers, first to last. They cannot be replaced."""
        return self._layers

    @layers.setter
    def layers(self, layers):
        kind = type(self).__name__
        raise OptionError(f"{kind}: the layers of a network cannot be replaced. Make a new one: {kind}([...]).")

    def __len__(self) -> int:
        raise TypeError(f"{type(self).__name__} has no length in minigan. Write len(net.layers).")

    def __bool__(self) -> bool:
        """Return True: without this, Python would ask for the length."""
        return True

    def __getitem__(self, index: Any) -> NoReturn:
        """Raise TypeError; Python comes here for `for layer in net`, too."""
        raise TypeError(
            f"{type(self).__name__} has no items in minigan. Its layers are in net.layers, a tuple: net.layers[0], for "
            'layer in net.layers. Its arrays: net.params["0.Dense.W"].'
        )

    def _allocate(self):
        size = sum(value.size for layer in self.layers for value in layer.params.values())
        self.bind(self.xp.zeros(size, self.dtype), self.xp.zeros(size, self.dtype))
        self.make_parts()

    def make_parts(self):
        """Decide how the layers run on the arrays of `xp`."""
        raise NotImplementedError(f"{type(self).__name__} has no make_parts()")

    def bind(self, flat_params, flat_grads):
        """Move the parameters and gradients of all layers into the flat vectors, layer by layer."""
        self._flat_params, self._flat_grads = flat_params, flat_grads
        start = 0
        for layer in self.layers:
            place = slice(start, start + sum(value.size for value in layer.params.values()))
            layer.bind(flat_params[place], flat_grads[place])
            start = place.stop
        for kind in ("params", "grads", "state"):
            setattr(self, f"_{kind}", ArraysOfLayers(self.layers, kind))

    def owns(self, array):
        """Return False: all arrays belong to the layers."""
        return False

    @property
    def mixes_samples(self):
        return any(layer.mixes_samples for layer in self.layers)

    @property
    def asks_group(self):
        return self.mixes_samples and all(layer.asks_group for layer in self.layers if layer.mixes_samples)

    @property
    def takes_labels(self):
        return self.classes is not None

    def forget_grads(self):
        """Clear all gradients without writing zeros: the next backward overwrites them, reading them writes zeros.

        Read `flat_grads` or a layer's `grads` again afterwards: an array read before still holds the old numbers.
        """
        for layer in self.layers:
            layer.forget_grads()

    def clear_cache(self):
        super().clear_cache()
        for layer in self.layers:
            layer.clear_cache()

    def inner_layers(self) -> list[Layer]:
        """Return all layers, with those of containers within it in place of these."""
        return [layer for layer in with_inner_layers(self) if not isinstance(layer, Container)]

    def convert(self, dtype, xp):
        for layer in self.layers:
            layer.convert(dtype, xp)
        self.dtype, self.xp, self.cache, self.upstream = np.dtype(dtype), xp, None, None
        self._flat_params = self._flat_grads = None  # freed before the new ones are made
        self._allocate()

    def __getstate__(self):
        """Return what copies and pickles hold: only the layers. Flat vectors and their views are made again.

        Threads that share the batches stay behind.
        """
        made_again = ("_flat_params", "_flat_grads", "_params", "_grads", "_state", "parts", "shared")
        return {name: value for name, value in super().__getstate__().items() if name not in made_again}

    def __setstate__(self, values):
        super().__setstate__(values)
        if self.input_shape is not None:
            self._allocate()

    def flops(self) -> int:
        self.require_built()
        return sum(layer.flops() for layer in self.layers)


def with_inner_layers(container):
    """Return the container and all layers in it, also those of containers within it."""
    found = [container]
    for layer in container.layers:
        found += with_inner_layers(layer) if isinstance(layer, Container) else [layer]
    return found


def build_in_a_row(layers, shape, rng, dtype, xp, prefix=""):
    """Build every layer for the output shape of the layer before, and return the last output shape.

    The layers get names from their numbers: 0.Dense
    """
    for index, layer in enumerate(layers):
        if layer.input_shape is None:
            layer.name = f"{prefix}{index}.{type(layer).__name__}"
        shape = layer.output_shape = built_shape(layer, layer.build(shape, rng, dtype, xp))
        require_room(layer.name, f"one output of shape {shape}", math.prod(shape) * dtype.itemsize, xp)
    return shape


def built_shape(layer, shape):
    """Return what a layer's `build` returned as a tuple of numbers; OptionError for a wrong build."""
    layer.require_begun()
    name = layer.name or type(layer).__name__
    try:
        return require_shape(name, output_shape=shape)
    except (OptionError, ShapeError) as error:
        raise OptionError(
            f"{name}: expected the shape of one output from build, such as (10,), got {shown(shape)}. Does "
            f"{type(layer).__name__}.build end with a return?"
        ) from error


RETURNS = {
    "forward": ("y", "Its build returns the shape of one output, without the batch axis, and its forward returns y."),
    "backward": ("dx", "dx has the shape of x. If input_grad is True, backward returns it."),
    "tangent": ("ydot", "ydot has the shape of y."),
}
KEEP_THE_DTYPE = "Plain Python numbers keep the dtype; NumPy's float64 scalars and bool * float do not."


def require_returned(layer, method, array, shape):
    """Raise ShapeError unless a pass of a layer returned what it should: else the next layer would be blamed for it."""
    wrong = what_is_wrong(layer, method, array, shape)
    if wrong:
        raise ShapeError(wrong)


def what_is_wrong(layer, method, array, shape):
    """Return in words what is wrong with what a pass of a layer returned, or None if it is as it should be."""
    fits = backend.is_array(array) and array.shape == shape
    if fits and array.dtype == layer.dtype:
        return None
    name, advice = RETURNS[method]
    return (
        f"{layer.name} {method}: expected it to return {name}, an array of {layer.dtype} of shape {shape}, got "
        f"{shown(array)}. {KEEP_THE_DTYPE if fits else advice}"
    )


def forward_through(parts, x, training, labels):
    """Pass checked rows through layers, first to last."""
    given = x
    for part in parts:
        # what goes from layer to layer is read-only, unless it is the caller's own array in another shape
        if not backend.share_memory(x, given):
            backend.make_read_only(x)
        n = len(x)
        x = part.forward(x, training, labels) if part.takes_labels else part.forward(x, training)
        require_returned(part, "forward", x, (n, *part.output_shape))
    return x


def backward_through(parts, dy, param_grads, input_grad):
    """Pass checked rows of dy through layers, last to first.

    Without `input_grad` it ends at the first layer that has parameters to learn: nothing before that is needed.
    """
    first = 0 if input_grad else first_to_learn(parts)
    if not (param_grads or input_grad):
        first = len(parts)
    n = len(dy)
    for part in reversed(parts[first:]):
        wants_dx = input_grad or part is not parts[first]
        dy = part.backward(dy, param_grads and part.trainable, wants_dx)
        if wants_dx:
            require_returned(part, "backward", dy, (n, *part.input_shape))
    for part in parts[:first]:
        part.clear_cache()
    return dy if input_grad else None


def tangent_through(parts, xdot):
    """Pass checked rows of xdot through layers, first to last."""
    n = len(xdot)
    for part in parts:
        xdot = part.tangent(xdot)
        require_returned(part, "tangent", xdot, (n, *part.output_shape))
    return xdot


def tangent_backward_through(parts, dy, param_grads, input_grad):
    """Pass checked rows of dy, or None, through layers, last to first, with the bends."""
    first = 0 if input_grad else first_to_learn(parts)
    for part in reversed(parts[first:]):
        dy = part.tangent_backward(dy, param_grads and part.trainable, input_grad or part is not parts[first])
    for part in parts[:first]:
        part.clear_cache()
    return dy if input_grad else None
