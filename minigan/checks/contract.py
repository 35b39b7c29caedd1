"""What the clauses of check_layer work with: networks of the one layer that is checked, and its passes."""

import copy
import inspect

import numpy as np

from minigan.errors import CacheError, GradientError
from minigan.layers.container import what_is_wrong
from minigan.network import Sequential

BATCH = 5  # not the size of a window or image, so that a factor n can be recognised


class Contract:
    """The layer that is checked: makes networks that consist of this one layer."""

    def __init__(self, make_layer, input_shape, tolerance, seed):
        self.make_layer, self.input_shape = make_layer, tuple(input_shape)
        self.tolerance, self.seed = tolerance, seed
        self.rng = np.random.default_rng(seed)
        layer = make_layer()
        self.name = type(layer).__name__
        labels = (None,) if layer.takes_labels else ()
        self.require_arguments(layer, "build", "input_shape, rng, dtype, xp", None, None, None, None)
        self.require_arguments(layer, "forward", "x, training=False", None, True, *labels)
        gradients = {"param_grads": True, "input_grad": True}
        self.require_arguments(layer, "backward", "dy, param_grads=True, input_grad=True", None, **gradients)

    def require_arguments(self, layer, method, wanted, *given, **named):
        """Raise GradientError unless a method takes the arguments that a network gives it."""
        try:
            inspect.signature(getattr(layer, method)).bind(*given, **named)
        except TypeError as error:
            self.require(False, f"{method} cannot be called ({error})", f"Write it as {method}(self, {wanted})")

    def network(self, dtype="float64", seed=None):
        """Return a network of the one layer, with parameters moved away from their special start values."""
        seed = self.seed if seed is None else seed
        net = Sequential([self.make_layer()], self.input_shape, seed=seed, dtype=dtype)
        noise = np.random.default_rng(self.seed).standard_normal(net.flat_params.size)
        net.flat_params += (0.1 * noise).astype(dtype)
        return net

    def batch(self, net, n=BATCH):
        """Return random x and dy for a network."""
        draw = self.rng.standard_normal
        return draw((n, *net.input_shape)).astype(net.dtype), draw((n, *net.output_shape)).astype(net.dtype)

    def forward(self, net, x, training, labels=None):
        """Return y of the layer of a network; GradientError unless it is what build promised."""
        layer = net.layers[0]
        y = forward(layer, x, training, labels)
        self.require_returned(layer, "forward", y, (len(x), *net.output_shape), training)
        return y

    def backward(self, net, dy, training, **options):
        """Return dx of the layer of a network; GradientError if backward finds nothing saved, or returns no dx."""
        layer = net.layers[0]
        saved_twice = layer.cache is not None
        try:
            dx = layer.backward(dy, **options)
        except CacheError:
            self.require(
                False,
                f"what forward saves in {mode(training)}",
                "backward asked for it twice. Call self.saved(dy) only once, and keep what it returns."
                if saved_twice
                else "forward saved nothing. Call self.save_for_backward(...) in forward, even if there are no arrays "
                "to save.",
            )
        if options.get("input_grad", True):
            self.require_returned(layer, "backward", dx, (len(dy), *net.input_shape), training)
        return dx

    def run(self, net, x, dy, training=True, **options):
        """Run forward and backward on a copy of `net`, and return (y, dx, gradients, the copy)."""
        net = copy.deepcopy(net)
        net.zero_grads()
        y = np.array(self.forward(net, x, training))
        dx = self.backward(net, dy, training, **options)
        return y, dx, net.flat_grads.copy(), net

    def require_returned(self, layer, method, array, shape, training):
        wrong = what_is_wrong(layer, method, array, shape)
        self.require(not wrong, f"what {method} returns in {mode(training)}", wrong)

    def require(self, condition, clause, message):
        if not condition:
            raise GradientError(f"check_layer, {self.name}, input {self.input_shape}: {clause}. {message}")


def mode(training):
    return "training mode" if training else "inference mode"


def labels_of(layer, n):
    """Return labels for n samples, always the same ones, if the layer takes labels; else None.

    They are the first, the middle and the last class, mixed, so a batch holds some class more than once.
    """
    if not layer.takes_labels:
        return None
    some = np.array([0, layer.classes // 2, layer.classes - 1])
    return some[np.random.default_rng(n).integers(3, size=n)]


def forward(layer, x, training, labels=None):
    """Return y of a layer or network. Layers that take labels get some, by default those of `labels_of`."""
    if not layer.takes_labels:
        return layer.forward(x, training)
    return layer.forward(x, training, labels_of(layer, len(x)) if labels is None else labels)
