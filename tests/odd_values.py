"""Values that somebody might give by mistake, and which kinds of values may stand for which others."""

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
from valid_arguments import discriminator, floats, generator, small_net

from minigan import initializers, layers, losses, network, optimizers
from minigan.gan import GAN, latent, objectives
from minigan.layers.base import Layer


def odd_values():
    """Return (label, value) of everything that somebody might give by mistake."""
    nan, inf = float("nan"), float("inf")
    values = [
        *("", "abc", "same", "0.5", "False", "he_normal", "x" * 500, "a\0b", b"bytes"),
        *(None, True, False, np.True_, nan, inf, -inf, 1j, 0, -1, -3, -0.5, 0.0, 1, 2, 0.5, 1.5),
        *(10**9, 10**30, 10**400, 1e308, 1e-320, -1e308),
        *(np.float32(0.9), np.float64(0.5), np.float64(nan), np.float16(2), np.int64(2), np.uint8(3), np.int8(-1)),
        *(np.longdouble(0.5), np.complex64(1), np.str_("abc"), np.datetime64("2020-01-01"), np.timedelta64(3, "s")),
        *(Fraction(1, 3), Decimal("0.5"), Ellipsis, NotImplemented, slice(None), range(3), object()),
        *(
            [],
            [1],
            [1, 2],
            [0.5, 0.5],
            [[1, 2], [3, 4]],
            [None],
            ["a"],
            [nan, 1.0],
            (),
            (1,),
            (2, 3),
            (2, -3),
            (2.0, 3),
        ),
        *(
            (1, 2, 3),
            (0, 0),
            (True, True),
            ((1, 1), (1, 1)),
            ((1, 2), (3,)),
            (None, None),
            (10**9, 10**9),
            {},
            {"a": 1},
        ),
        *({1, 2}, float, int, str, np.float32, layers.Tanh, layers.Dense, initializers.HeNormal, latent.Normal),
        *(objectives.Hinge, optimizers.Adam, Layer, GAN, layers.Tanh(), layers.Dense(2), initializers.HeNormal()),
        *(latent.Normal(3), latent.Uniform(5), objectives.Hinge(), losses.BinaryCrossEntropy(), np, print, len),
        *(lambda: None, lambda *_: 1, lambda *_: layers.Dense(2), Path("."), Path("/nowhere/at/all"), iter([1, 2])),
        *(np.zeros(()), np.zeros(3), np.ones((2, 3)), np.zeros((0, 3)), np.ones((4, 4, 4, 1)), np.arange(4)),
        *(np.array(0.9), np.array([None, 1]), np.array(["a", "b"]), np.array([1j]), np.array([True, False])),
        *(np.full((4, 4, 4, 1), nan, "float32"), np.full((2, 4), inf, "float32"), floats(4, 1), floats(2, 4)),
        *(np.full((4, 1), 1e30, "float32"), floats(4, 4, 4, 3), floats(4, 4, 4, 5), floats(1, 3), floats(3)),
        *(np.zeros((4, 4, 4, 1), "uint8"), np.zeros((2, 4, 4, 1), "int64"), np.zeros((4, 4, 4, 1), "float16")),
        *(np.zeros(3, dtype=[("a", "f4")]), np.zeros((4, 4, 4, 1), ">f4"), np.array("2020", "datetime64[D]")),
        *(np.array([nan, nan, nan], "float32"), small_net(), generator(), discriminator()),
        network.Sequential([layers.Dense(2)]),
        optimizers.SGD(small_net(), 0.1),
        np.random.default_rng(0),
        np.random.RandomState(0),
        np.dtype("float16"),
    ]
    return [(label(value), value) for value in values]


def label(value):
    text = f"array {value.dtype} {value.shape}" if isinstance(value, np.ndarray) else ""
    try:
        text = text or repr(value)
    except Exception:
        text = type(value).__name__
    return text if len(text) < 60 else text[:57] + "..."


def kind_of(value):
    if isinstance(value, (bool, np.bool_)):
        return "flag"
    if isinstance(value, (int, float, np.integer, np.floating, Fraction)) and not isinstance(value, np.timedelta64):
        return "number"
    if value is None:
        return "none"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (tuple, list)):
        return "sequence"
    if isinstance(value, np.ndarray):
        return "array"
    if isinstance(value, (Layer, initializers.Initializer, latent.Latent, objectives.Objective, optimizers.Optimizer)):
        return "part"
    return "function" if callable(value) else type(value).__name__


# parameter -> the kinds that it takes besides the kind of its example; each is documented where the parameter is
ALSO = {
    "seed": {"number", "none", "sequence"},
    "policy": {"sequence"},
    "padding": {"text", "number", "sequence"},
    "kernel_size": {"sequence"},
    "strides": {"number", "sequence", "none"},
    "pool_size": {"sequence"},
    "size": {"sequence"},
    "initializer": {"part"},
    "first": {"part"},
    "max_grad_norm": {"number"},
    "ema": {"number"},
    "columns": {"number"},
    "targets": {"number", "array"},
    "dtype": {"function", "Float32DType", "Float64DType", "Float16DType"},
    "input_shape": {"none", "array", "range"},
    "initial_state": {"sequence"},
    "x": {"array", "sequence"},
    "path": {"text", "bytes", "PosixPath"},
    "directory": {"text", "bytes", "PosixPath"},
    "say": {"function", "part"},
    "latent": {"part", "none"},
    "objective": {"part", "none"},
    "g_optimizer": {"part"},
    "d_optimizer": {"part"},
    "optimizer": {"part", "number"},  # a number: the learning rate of microscope
    "test": {"none"},
    "labels": {"none", "sequence", "array", "number"},  # a number: GAN.sample
    "generator": {"part"},  # some parts can be called
    "discriminator": {"part"},
    "start": {"sequence", "range"},
    "end": {"sequence", "range"},
    "d_losses": {"array"},
    "g_losses": {"array"},
    "class_shares": {"array", "none"},
    "steps": {"number"},
    "frames": {"array"},
    "custom_layers": {"sequence"},
    "no_test": {"text", "none"},
    "dropout": {"number"},
    "activation": {"function"},
    "workers": {"number"},
    "image_size": {"number", "sequence"},
    "channels": {"number"},
    "value_range": {"sequence"},
    "classes": {"sequence", "number"},
    "given": {"dict"},
    "metadata": {"dict"},
}


def may_be(entry, name, usual, value):
    """Return whether a value of this kind is sound in the place of the usual one, given that the call accepted it."""
    kinds = {kind_of(usual), *ALSO.get(name, ())}
    return kind_of(value) in kinds
