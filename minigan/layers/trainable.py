"""Layers that do not learn: `layer.trainable = False`. What this means, and for what it is good: docs/freezing.md"""

from minigan.options import require_flag


class Trainable:
    """The attribute `trainable` of a layer: True, or False for a frozen layer. A network hands it on to its layers.

    Of a frozen layer, backward gives dx, but adds nothing to the gradients; and optimizers leave its parameters alone.
    """

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        layers = getattr(layer, "layers", ())
        if layers:  # a network: as long as one of its layers with parameters learns
            return any(part.trainable for part in [part for part in layers if part.params] or layers)
        return vars(layer).get("_trainable", True)

    def __set__(self, layer, trainable):
        trainable = require_flag(f"{layer.name or type(layer).__name__}", trainable=trainable)
        for part in getattr(layer, "layers", ()):
            part.trainable = trainable
        vars(layer)["_trainable"] = trainable


def config_of(layer):
    """Return the class and options of a layer as JSON values, and a mark if it is frozen; networks have none."""
    frozen = {} if layer.trainable or hasattr(layer, "layers") else {"trainable": False}
    return {"layer": type(layer).__name__, **layer.config(), **frozen}


def first_to_learn(parts):
    """Return the index of the first layer that has parameters to learn; the number of layers if there is none."""
    return next((i for i, part in enumerate(parts) if part.params and part.trainable), len(parts))


def parameters_of(net):
    """Yield (layer, name, slice of the flat vector) for each parameter of a network, in the order of the vector."""
    start = 0
    for layer in net.inner_layers():
        for name, value in layer.params.items():
            yield layer, name.rpartition(".")[2], slice(start, start + value.size)
            start += value.size


def slices_that_learn(net, kind=lambda name: None):
    """Return [(slice of the flat vector, kind of its parameters)] of all layers that are not frozen.

    There are as few slices as possible: neighbours of the same kind, by their names, are in one.
    """
    found = []
    for layer, name, place in parameters_of(net):
        if layer.trainable:
            if found and found[-1][0].stop == place.start and found[-1][1] == kind(name):
                place = slice(found.pop()[0].start, place.stop)
            found.append((place, kind(name)))
    return found
