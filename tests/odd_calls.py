"""Calls of everything public with one odd argument, and what is wrong with what comes of them."""

import copy
import itertools
import math
import signal
import traceback
import types
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from odd_values import kind_of, label, may_be, odd_values
from public_names import ABSTRACT, MODULES, places
from valid_arguments import base_arguments, built, floats, function_of

import minigan
from minigan import initializers, metrics, network, optimizers
from minigan.errors import MiniganError
from minigan.gan import GAN, latent, objectives
from minigan.layers.base import Layer

PACKAGE = str(Path(minigan.__file__).parent)
NOT_FINITE = "NaN or infinity comes of it"
SECONDS = 20  # that a call may take


def random_calls(count, seed, modules=MODULES):
    """Yield (entry, parameter, number of the odd value): each parameter once, in random order, then again."""
    rng, everything, size = np.random.default_rng(seed), places(modules), len(odd_values())
    order = itertools.chain.from_iterable(rng.permutation(len(everything)) for _ in itertools.count())
    for place in itertools.islice(order, count):
        yield (*everything[place], int(rng.integers(size)))


@contextmanager
def at_most(seconds):
    """Stop what takes longer with a TimeoutError, where the system can."""

    def stop(*_):
        raise TimeoutError(f"takes more than {seconds} seconds")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fault_of_call(entry, name, value, known):
    """Return what is wrong with the call in which the parameter `name` is `value`; None for nothing."""
    arguments, subject = base_arguments(entry, known)
    usual = arguments[name]
    arguments[name] = value
    function = function_of(entry, subject)
    try:
        with warnings.catch_warnings(), at_most(SECONDS):
            warnings.simplefilter("ignore")
            result = function(**arguments)
            problem = exercise(result)
    except MiniganError as error:
        return None if str(error) else "an error without a text"
    except Exception as error:
        return bare_traceback(error)
    if problem == NOT_FINITE and not moderate(value):
        return None  # what came in comes out
    if problem is None and not may_be(entry, name, usual, value):
        problem = f"accepted, where {label(usual)} is usual"
    return problem


def bare_traceback(error):
    """Return the error and the line of minigan in which it came up."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(PACKAGE)]
    if not frames:
        return None if isinstance(error, TypeError) else f"{type(error).__name__}: {error}"
    place = frames[-1]
    return f"{type(error).__name__}: {str(error)[:100]} ({Path(place.filename).name}:{place.lineno} {place.line})"


def exercise(result):
    """Use what a call gave, as its user would; return what is wrong with it, or None."""
    rng = np.random.default_rng(1)
    if type(result) in ABSTRACT or isinstance(result, metrics.Reference):
        return odd_options(result)
    if isinstance(result, Layer):
        return odd_options(result) or use_layer(result)
    if isinstance(result, GAN):
        result.train_step(floats(4, *result.discriminator.input_shape))
        return odd_options(result) or odd_array("samples", result.sample(2), "float32")
    if isinstance(result, optimizers.Optimizer):
        result.net.flat_grads[...] = 0.5
        for _ in range(2):
            result.step()
        return odd_options(result) or odd_array("params", result.net.flat_params)
    if isinstance(result, initializers.Initializer):
        return odd_options(result) or odd_array("weights", result((4, 3), rng, "float32"), "float32")
    if isinstance(result, latent.Latent):
        return odd_options(result) or odd_array("latents", result.sample(2, rng), "float32")
    if isinstance(result, objectives.Objective):
        logits = floats(4, 1)
        pairs = (result.real(logits, rng), result.fake(logits, rng), result.generator(logits))
        return odd_options(result) or odd_result(pairs)
    if isinstance(result, types.GeneratorType):
        return odd_array("batch", next(result))
    if isinstance(result, (list, tuple)) and all(isinstance(part, Layer) for part in result):
        return next((wrong for wrong in map(odd_options, result) if wrong), None)
    return odd_result(result)


def use_layer(layer):
    """Run a layer, or a network, forward and back in both modes."""
    if layer.input_shape is None:
        made = layer
        net = built(lambda: copy.deepcopy(made))
    elif isinstance(layer, network.Sequential):
        net = layer
    else:
        return None
    dtype = net.dtype
    for training in (False, True):
        x = floats(2, *net.input_shape).astype(dtype)
        y = net.forward(x, training=training)
        dx = net.backward(np.ones_like(y))
        for what, array in (("y", y), ("dx", dx), ("gradients", net.flat_grads)):
            wrong = odd_array(what, array, dtype)
            if wrong:
                return wrong
    return odd_array("prediction", net.predict(x), dtype)


def odd_options(thing):
    """Return which attribute of an object is no sound option."""
    for name, value in vars(thing).items():
        if isinstance(value, np.generic) and name != "g_loss":
            return f"{name} is kept as {type(value).__name__}"
        if isinstance(value, float) and not math.isfinite(value) and name != "g_loss":
            return f"{name} is kept as {value}"
    return None


def odd_array(what, array, dtype=None):
    """Return what is wrong with an array, or a number, that was computed."""
    array = np.asarray(array)
    if array.dtype.kind not in "biuf":
        return f"{what} of {array.dtype}"
    if dtype is not None and array.dtype != dtype:
        return f"{what} of {array.dtype}, not {dtype}"
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return NOT_FINITE
    return None


def moderate(value):
    """Return whether the squares of a number, or of all numbers of an array, are finite in float32."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind != "f" or bool((np.abs(value) < 1e18).all())
    return kind_of(value) != "number" or abs(value) < 1e18


def odd_result(result):
    """Return what is wrong with numbers and arrays, also in tuples, lists and dicts; everything else is fine."""
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return next((wrong for wrong in map(odd_result, result) if wrong), None)
    if isinstance(result, (np.ndarray, np.generic, int, float, complex)):
        return odd_array("result", result)
    return None
