"""Layers in a list, as users give them to a network."""

from minigan.errors import OptionError
from minigan.labels import require_classes
from minigan.layers.base import Layer
from minigan.options import shown


def checked_layers(layers):
    """Return the layers of a network as a tuple; raise OptionError for anything that is not a layer."""
    if not isinstance(layers, (tuple, list)):
        raise OptionError(
            f"Sequential: expected a list of layers, got {shown(layers)}. Put even a single layer into a list: "
            "Sequential([Dense(1)])."
        )
    if not layers:
        raise OptionError("Sequential: expected at least one layer, got none.")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise OptionError(
                f"Sequential: expected layers, got {shown(layer)}. Use an instance, Tanh() and not Tanh. Layers of "
                "your own must be derived from minigan.layers.Layer."
            )
    return tuple(layers)


def common_classes(layers):
    """Return how many classes the labels are of that some of the layers take, or None if no layer takes labels.

    Errors     OptionError if two layers do not agree, or one does not say it
    """
    takers = [layer for layer in layers if layer.takes_labels]
    for layer in takers:
        require_classes(layer)
        if layer.classes != takers[0].classes:
            raise OptionError(
                f"{type(layer).__name__}: it takes labels of {layer.classes} classes, but a "
                f"{type(takers[0]).__name__} before it of {takers[0].classes}. Every layer of a network gets the same "
                "labels."
            )
    return takers[0].classes if takers else None
