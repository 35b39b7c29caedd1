"""The arguments of check_layer and parametrize_with_checks, checked."""

import inspect

import numpy as np

from minigan.errors import OptionError
from minigan.layers.base import Layer
from minigan.options import require_positive, require_seed, require_shape, shown


def listed(pairs):
    """Return the pairs as a list, also if there is only one; OptionError if there are none."""
    try:
        pairs = list(pairs)
    except TypeError:
        pairs = [pairs]
    if not pairs:
        raise OptionError("parametrize_with_checks: expected at least one pair (make_layer, input_shape), got none.")
    return pairs


def checked_arguments(owner, make_layer, input_shape, tolerance, seed):
    """Return the arguments of a Contract, or raise OptionError."""
    if isinstance(make_layer, Layer) or not callable(make_layer):
        raise OptionError(f"{owner}: expected a function that makes a layer: {owner}(lambda: MyLayer(), (5,)).")
    check_maker(owner, make_layer)
    input_shape = require_shape(owner, input_shape=input_shape)
    tolerance = require_positive(owner, tolerance=tolerance)
    seed = np.random.SeedSequence(require_seed(owner, seed=seed)).entropy  # of None: a new one
    return make_layer, input_shape, tolerance, seed


def check_maker(owner, make_layer):
    """Raise OptionError unless make_layer can be called without arguments and returns a layer."""
    try:
        inspect.signature(make_layer).bind()
    except TypeError as error:
        raise OptionError(
            f"{owner}: make_layer cannot be called without arguments ({error}). Write a function that passes them: "
            f"{owner}(lambda: MyLayer(3), (5,))."
        ) from error
    except ValueError:
        pass  # built in: it has no signature
    made = make_layer()
    if not isinstance(made, Layer):
        raise OptionError(
            f"{owner}: expected make_layer() to return a new layer, derived from minigan.layers.Layer, got "
            f"{shown(made)}."
        )
    kind = type(made)
    passes = {"forward": "x, training=False", "backward": "dy, param_grads=True, input_grad=True"}
    for name, arguments in passes.items():
        if getattr(kind, name) is getattr(Layer, name):
            raise OptionError(f"{owner}: {kind.__name__} has no {name}({arguments}). Write it in the class.")
