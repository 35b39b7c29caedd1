"""The layers of a network that hold arrays, and in which order the units of their vectors stand in PyTorch.

An image is (h, w, c) here and (c, h, w) in PyTorch. As long as it is an image, each array only has its axes exchanged.
But Flatten makes a vector of it: here unit (i w + j) c + k is pixel (i, j) of channel k, there it is unit
(k h + i) w + j. So a Dense behind a Flatten has its rows in another order, a Dense before a Reshape its columns, and
everything between the two that has a number for each unit, such as a BatchNorm, has another order, too.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from minigan.errors import OptionError
from minigan.layers import ConcatenateLabel, Dense, Embedding, Layer, Reshape, SpectralNorm
from minigan.layers.branches import Branches
from minigan.layers.container import Container
from minigan.network import Sequential
from minigan.options import require_built, require_instance


@dataclass(frozen=True)
class Place:
    """A layer that holds arrays.

    path       its number in the network, in branches several: "3" or "3.branch0.1"
    before     the order of its input's units: `theirs[before]` is ours; None if it is the same
    after      the order of its output's units
    """

    layer: Layer
    path: str
    before: np.ndarray | None = None
    after: np.ndarray | None = None


def checked_places(
    net: Sequential, owner: str, library: str, counterparts: Collection[type], normed: Collection[type], reordered: bool
) -> list[Place]:
    """Return the places of a network; OptionError for layers that the other library does not have.

    counterparts   the classes of the layers that it has; normed: those that it has in a spectral norm
    """
    require_instance(owner, Sequential, "Sequential([Dense(1)], input_shape=(3,))", net=net)
    require_built(owner, net=net)
    places = places_of(net, reordered)
    for place in places:
        if type(place.layer) is SpectralNorm and type(place.layer.inner) in normed:
            continue
        if type(place.layer) in counterparts:
            continue
        raise OptionError(
            f"{owner}: {described(place.layer)} has no counterpart in {library}. Layers that have one: "
            f"{listed_kinds(counterparts)}; SpectralNorm around {listed_kinds(normed)}. Exchange the arrays of this "
            f"layer yourself, in these axes: {', '.join(by_hand(net, place.layer))}. {flattened(place)}For the others, "
            "make a network of those alone: docs/interop.md."
        )
    return places


def described(layer):
    """Return the name of a layer, with that of the layer in a SpectralNorm."""
    return f"{layer.name} of {type(layer.inner).__name__}" if isinstance(layer, SpectralNorm) else layer.name


def listed_kinds(kinds):
    return ", ".join(sorted(kind.__name__ for kind in kinds))


def flattened(place):
    """Return a sentence about the order of what was an image."""
    if place.before is None:
        return ""
    return "What it takes was an image: sort its numbers from (c, h, w), the order there, to (h, w, c). "


def by_hand(net, layer):
    """Return texts that name the arrays of a layer in a network: net.params['3.Projection.E'] (10, 64)"""
    return [
        f"net.{kind}[{full!r}] {array.shape}"
        for kind in ("params", "state")
        for full, array in getattr(net, kind).items()
        if any(array is own for own in getattr(layer, kind).values())
    ]


def places_of(network: Sequential, reordered: bool) -> list[Place]:
    """Return the layers of a network that hold arrays, first to last.

    reordered   True if the other library has images as (c, h, w), as PyTorch does
    Errors      OptionError where no order of PyTorch's fits
    """
    found, _ = follow(listed(network.layers, ""), None, reordered)
    return found


def listed(layers, prefix):
    """Return (path, layer) of all layers; those of a network within a network stand in its place."""
    found = []
    for number, layer in enumerate(layers):
        path = f"{prefix}{number}"
        if isinstance(layer, Container) and not isinstance(layer, Branches):
            found += listed(layer.layers, f"{path}.")
        else:
            found.append((path, layer))
    return found


def follow(layers, order, reordered):
    """Follow a row of layers from the order of its input; return their places and the order of its output."""
    found = []
    for number, (path, layer) in enumerate(layers):
        before = order
        if isinstance(layer, Branches):
            parts, orders = [], []
            for k, branch in enumerate(layer.branches):
                part, order = follow(listed(branch, f"{path}.branch{k}."), before, reordered)
                parts += part
                orders.append(order)
            found += parts
            order = joined(layer, orders)
            continue
        if reordered and isinstance(layer, Reshape):
            order = reshaped(layer, before)
        elif isinstance(inner_of(layer), Embedding):
            order = None  # nothing of its input is left
        elif isinstance(inner_of(layer), Dense):
            order = wanted(layers[number + 1 :]) if reordered else None
        elif isinstance(layer, ConcatenateLabel) and before is not None:
            order = np.append(before, np.arange(len(before), layer.output_shape[0]))
        elif layer.output_shape != layer.input_shape or len(layer.output_shape) != 1:
            order = None  # images and sequences; a vector that is made of them, as by GlobalAveragePool2D
        if layer.params:
            found.append(Place(layer, path, before, order))
    return found, order


def inner_of(layer):
    """Return the layer in a SpectralNorm, or the layer itself."""
    return layer.inner if isinstance(layer, SpectralNorm) else layer


def image_order(shape):
    """Return for each number of an image (h, w, c) its place among those of (c, h, w); None if all are the same."""
    h, w, c = shape
    if c == 1 or h * w == 1:
        return None
    return np.arange(c * h * w).reshape(c, h, w).transpose(1, 2, 0).ravel()


def wanted(layers):
    """Return the order that the layers behind a Dense want its outputs in: that of the image which a Reshape makes."""
    for _, layer in layers:
        if isinstance(layer, Reshape) and len(layer.output_shape) == 3:
            return image_order(layer.output_shape)
        if isinstance(inner_of(layer), (Dense, Branches)) or len(layer.output_shape) != 1:
            return None
        if layer.output_shape != layer.input_shape:
            return None
    return None


def reshaped(layer, order):
    """Return the order behind a Reshape or Flatten; OptionError where PyTorch would mix the numbers in another way."""
    before, after = layer.input_shape, layer.output_shape
    if before == after or len(before) == len(after) == 1:
        return order
    if len(before) == 3 and len(after) == 1:
        return image_order(before)
    mine = None if len(after) != 3 else image_order(after)
    if len(before) == 1 and same(order, mine):
        return None
    if len(before) == 3:  # to a sequence, or to another image
        order = image_order(before)
    if order is None and mine is None:
        return None
    raise OptionError(
        f"{layer.name}: from {before} to {after}, minigan and PyTorch put the numbers into different places: an image "
        "is (h, w, c) here and (c, h, w) there. Weights can be exchanged only if an image becomes a vector or a "
        "vector an image, with a Dense between the two."
    )


def same(a, b):
    """Return whether two orders are equal."""
    return (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b))


def joined(layer, orders):
    """Return the order of the outputs of branches, put side by side or added up."""
    if all(order is None for order in orders):
        return None
    if math.prod(layer.output_shape) == len(next(order for order in orders if order is not None)):  # Add
        if all(same(order, orders[0]) for order in orders):
            return orders[0]
        raise OptionError(f"{layer.name}: its branches have their units in different orders in PyTorch.")
    sizes = [width(branch, layer) for branch in layer.branches]
    starts = np.cumsum([0, *sizes[:-1]])
    parts = [np.arange(size) if order is None else order for size, order in zip(sizes, orders, strict=True)]
    return np.concatenate([start + part for start, part in zip(starts, parts, strict=True)])


def width(branch, layer):
    """Return how many units a branch gives."""
    return branch[-1].output_shape[0] if branch else layer.input_shape[0]
