"""What the author of a layer has to write, as the text of errors."""


def no_tangent(layer):
    """Return what is missing where a layer has no tangent, and what to write."""
    kind = type(layer).__name__
    return (
        f"{layer.name or kind}: gradients of gradients need {kind}.tangent(xdot), which is missing, or belongs to "
        "another forward. Write in the class\n"
        "    def tangent(self, xdot):\n"
        "        dy, ... = self.retained(xdot)              # then what forward saved\n"
        "        self.add_grad(...)                         # for each parameter: the gradient of sum(dy ydot)\n"
        "        self.bend = ...                            # its gradient with respect to x; not if linear in x\n"
        "        return ydot                                # how y changes if x moves along xdot\n"
        "check_layer checks it. Examples: Tanh, Dense; docs/second_order.md"
    )


def nothing_saved(layer):
    """Return why backward may find nothing that forward saved, and what to do."""
    return (
        f"{layer.name or type(layer).__name__}: backward found nothing that forward saved. Call forward once before "
        "each backward; predict and sample save nothing. If this is a layer of your own: forward calls "
        "self.save_for_backward(...), also if there are no arrays to save, and backward calls self.saved(dy) only once "
        "and keeps what it returns."
    )


def nothing_retained(layer):
    """Return what a tangent needs before it."""
    return (
        f"{layer.name or type(layer).__name__}: tangent needs a forward before it, and then a backward within `with "
        "retaining():` (minigan.layers.base), which keeps what tangent needs."
    )


def no_build(layer):
    """Return with what a build must begin."""
    name = layer.name or type(layer).__name__
    return f"{name}: build must begin with super().build(input_shape, rng, dtype, xp)."


def built_twice(layer):
    """Return what to do where a layer stands in two places."""
    return f"{layer.name}: this layer was already built. Make a new layer for each place in a network."


def not_stored(layer, argument):
    """Return where an argument of the constructor must be, so that the layer can be saved."""
    return (
        f"{layer.name}: {type(layer).__name__} cannot be saved, because it does not store its argument {argument!r} as "
        f"self.{argument}."
    )


def not_built(layer):
    """Return how a layer is built."""
    return (
        f"{type(layer).__name__}: not built yet. To build a network, give its input shape: Sequential([...], "
        "input_shape=(784,)). To build a single layer, put it into a network or call build."
    )


def not_called(layer):
    """Return what to write in place of layer(x): the name of a pass says whether it saves arrays for backward."""
    return (
        f"{type(layer).__name__} cannot be called in minigan. Write net.forward(x, training=True) in training, and "
        "net.predict(x) afterwards."
    )


def other_device(layer, where, what, module):
    """Return what to do if a pass gets an array of another module than the layer's: of NumPy in place of CuPy, say."""
    return (
        f"{layer.name} {where}: the layer uses {layer.xp.__name__}, but {what} is an array of {module.__name__}. Move "
        f"one of them: network.to(device), backend.to_device({what}, xp)."
    )
