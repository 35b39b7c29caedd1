"""One pass forward and back on a copy of a network, in which every layer's arrays are recorded."""

import numpy as np

from minigan import backend
from minigan.analysis.microscope.formula import formula_of
from minigan.analysis.microscope.view import LayerView
from minigan.layers.branches import Branches
from minigan.layers.container import Container
from minigan.layers.trainable import parameters_of
from minigan.summary import array_bytes


def views_of(network, before, training, prefix=""):
    """Return a LayerView of each layer of a network, and let it be filled when the layer computes.

    before     a copy of the network that stays as it is: where the explanations take their layers from
    Of a container within it, the layers are shown; a layer with branches is shown as well, after those.
    """
    views = []
    unfuse(network)
    for layer, twin in zip(network.layers, before.layers, strict=True):
        name = f"{prefix}{layer.name}"
        if isinstance(layer, Container):
            views += views_of(layer, twin, training, f"{name}/")
        if not isinstance(layer, Container) or isinstance(layer, Branches):
            view = LayerView(name, type(layer).__name__, twin, formula_of(layer), training)
            view.state = {key: on_cpu(value) for key, value in twin.state.items()}
            watch(layer, view)
            views.append(view)
    return views


def unfuse(network):
    """Let each layer run by itself, also on a GPU, so that what is between them can be seen."""
    if isinstance(network, Branches):
        network.parts = list(network.branches)
    else:
        network.parts = network.layers


def watch(layer, view):
    """Replace forward and backward of one layer by passes that record."""
    forward, backward = layer.forward, layer.backward

    def recording_forward(x, *options):
        view.x, view.labels = on_cpu(x), options[1] if layer.takes_labels else None
        y = forward(x, *options)
        view.y, view.kept_bytes = on_cpu(y), array_bytes(layer)
        if layer.cache is not None:
            view.saved = tuple(on_cpu(part) if backend.is_array(part) else part for part in layer.cache[1])
        return y

    def recording_backward(dy, *options):
        view.dy = on_cpu(dy)
        dx = backward(dy, *options)
        view.dx = None if dx is None else on_cpu(dx)
        return dx

    layer.forward, layer.backward = recording_forward, recording_backward


def record_parameters(network, views):
    """Write the parameters and the gradients into the views."""
    for layer, view in zip(with_views(network), views, strict=True):
        if not isinstance(layer, Container):  # a container's are those of its layers
            for name, value in layer.params.items():
                view.params[name], view.grads[name] = on_cpu(value), on_cpu(layer.grads[name])


def record_updates(network, views, update):
    """Write the parts of an update of all parameters, a vector like flat_params, into the views."""
    view_of = {id(layer): view for layer, view in zip(with_views(network), views, strict=True)}
    for layer, name, place in parameters_of(network):
        view = view_of[id(layer)]
        view.updates[name] = on_cpu(update[place].reshape(view.params[name].shape))


def with_views(network):
    """Yield the layers of a network that have views, in the order of these."""
    for layer in network.layers:
        if isinstance(layer, Container):
            yield from with_views(layer)
        if not isinstance(layer, Container) or isinstance(layer, Branches):
            yield layer


def on_cpu(array):
    """Return a copy of an array as a NumPy array."""
    return np.array(backend.to_cpu(array))
