"""Odd arguments of layers: told by name and in words; NumPy's numbers are taken, sizes that fit nowhere refused."""

import json
import re

import numpy as np
import pytest

from minigan import Sequential, layers
from minigan.errors import DtypeError, OptionError, ShapeError, TooLargeError
from minigan.initializers import HeNormal, Initializer
from minigan.layers import (
    LSTM,
    AveragePool2D,
    BatchNorm,
    ConditionalBatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Projection,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    UpSampling2D,
)


@pytest.mark.parametrize("layer", layers.ALL)
def test_unknown_arguments_are_refused(layer):
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'nonsense'|takes no arguments"):
        layer(nonsense=1)


@pytest.mark.parametrize("layer", [Tanh, Sigmoid, ReLU, Flatten])
def test_layers_without_options_take_none(layer):
    with pytest.raises(TypeError):
        layer(0.5, "x")


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Dense(3, use_bias="False"), "Dense: expected use_bias as True or False, got 'False'"),
        (lambda: Conv2D(3, 3, use_bias=0), "Conv2D: expected use_bias as True or False, got 0"),
        (lambda: LSTM(3, return_sequences="no"), "LSTM: expected return_sequences as True or False"),
        (lambda: Dense(3, initializer="he_normal"), "as an Initializer, got 'he_normal'. Give one, such as HeNormal()"),
        (lambda: Dense(3, initializer=HeNormal), "got the class HeNormal. Make an instance of it: HeNormal(...)"),
        (lambda: Dense(3, initializer=0), "expected initializer as an Initializer, got 0"),
        (lambda: Conv2DTranspose(3, 3, initializer=""), "expected initializer as an Initializer, got ''"),
        (lambda: Conv2D(3, 3, padding=np.ones(2)), "expected padding as"),
        (lambda: Conv2D(3, 3, padding=True), "expected padding as"),
        (lambda: Conv2D(3, 3, padding="Same"), "expected padding as"),
        (lambda: Conv2D(3, np.ones(2, int)), "expected kernel_size as"),
        (lambda: Conv2D(3, 3, algorithm=["fourier"]), "expected algorithm as"),
        (lambda: Conv2D(3, 3, algorithm="Fourier"), "Did you mean 'fourier'?"),
        (lambda: MaxPool2D(2, padding=None), "expected padding as"),
        (lambda: BatchNorm(epsilon=1e-320), "expected epsilon > 0, got 1e-320"),
        (lambda: BatchNorm(momentum=None), "expected momentum in [0, 1)"),
        (lambda: Dropout(np.ones(2)), "expected rate in [0, 1)"),
        (lambda: Reshape((True, 2)), "expected target_shape as"),
        (lambda: Reshape(np.ones((2, 2), int)), "expected target_shape as"),
    ],
)
def test_odd_options_are_told_by_name(make, match):
    with pytest.raises(OptionError, match=re.escape(match)):
        make()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Dense(784, 64), "got 64. Dense takes only the number of outputs: Dense(64). It sees the inputs when"),
        (lambda: LSTM(28, 64), "got 64. LSTM takes only the number of outputs: LSTM(64)."),
        (lambda: Projection(10, 64), "got 64. Projection takes only the number of classes: Projection(10)."),
        (lambda: Conv2D(3, 64, 4, 2, 1), "got 1. Conv2D takes no number of input channels: Conv2D(64, 4, 2, 1)."),
        (lambda: Conv2DTranspose(100, 512, 4, 1, 0), "no number of input channels: Conv2DTranspose(512, 4, 1, 0)."),
        (lambda: BatchNorm(16), "expected momentum below 1, got 16. It takes no number of channels: BatchNorm()."),
        (lambda: ConditionalBatchNorm(16, 10), "no number of channels: ConditionalBatchNorm(classes)."),
        (lambda: LayerNorm(16), "LayerNorm: expected epsilon below 1, got 16. It takes no number of channels: LayerNo"),
        (lambda: LayerNorm((16,)), "got (16,). It takes no number of channels: LayerNorm()."),
        (lambda: LayerNorm(1), "got 1. It takes no number of channels: LayerNorm()."),
        (lambda: InstanceNorm(16), "got 16. It takes no number of channels: InstanceNorm()."),
        (lambda: GroupNorm(8, 16), "got 16. It takes no number of channels: GroupNorm(8)."),
        (lambda: Dropout(50), "Dropout: expected rate in [0, 1), got 50. It is a share: from 0 on, and below 1."),
    ],
)
def test_calls_of_pytorch_are_told_what_to_write_here(make, match):
    with pytest.raises(OptionError, match=re.escape(match)):
        make()


def test_options_of_numpys_types_are_kept_as_pythons():
    """float64 of NumPy would turn float32 arrays into float64, and JSON knows none of them."""
    made = [
        Dense(np.int64(3), use_bias=np.True_),
        Dropout(np.float64(0.25)),
        LeakyReLU(np.float64(0.25)),
        BatchNorm(np.float32(0.5), np.float64(1e-5)),
    ]
    net = Sequential(made, np.array([4]), seed=np.uint8(3))
    x = np.ones((2, 4), "float32")
    assert net.forward(x, training=np.True_).dtype == net.backward(np.ones((2, 3), "float32")).dtype == np.float32
    conv = Conv2D(np.int32(2), np.int32(3), (np.int8(1), 1), padding=[[np.int64(1), 1], (1, 1)])
    assert json.loads(json.dumps([layer.config() for layer in (*made[1:], Reshape(np.array([2, 2])))]))
    for value in (conv.filters, *conv.kernel_size, *conv.strides, *conv.padding[0], made[0].units, made[0].use_bias):
        assert type(value) in (int, bool)


@pytest.mark.parametrize("make", [lambda: Dense(10**9), lambda: LSTM(10**9), lambda: Conv2D(10**9, 3)])
def test_a_billion_units_are_told_in_bytes(make):
    shape = {"Dense": (10**6,), "LSTM": (4, 4), "Conv2D": (8, 8, 10**4)}[type(make()).__name__]
    with pytest.raises(TooLargeError, match=r"would need [\d.,]+ [TG]B, but this machine has|more than a million TB"):
        Sequential([make()], shape)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: UpSampling2D(10**7), "one output"),
        (lambda: Conv2D(1, 3, padding=10**9), "one padded image"),
        (lambda: Conv2DTranspose(1, 3, strides=10**9), "one padded image"),
    ],
)
def test_images_that_fit_nowhere_are_told_when_the_network_is_built(make, what):
    with pytest.raises(TooLargeError, match=f"{what} of shape .* would need"):
        Sequential([make()], (8, 8, 1))


@pytest.mark.parametrize("pooling", [MaxPool2D, AveragePool2D])
def test_windows_much_larger_than_the_image(pooling):
    """Each place in a window is a pass over the images: 10,000 x 10,000 of them would never end."""
    with pytest.raises(OptionError, match="more than twice as large as the images"):
        Sequential([pooling(10_000, padding="same")], (8, 8, 1))
    Sequential([pooling(9, padding="same")], (8, 8, 1))


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("input_shape", None, ShapeError),
        ("input_shape", "abc", ShapeError),
        ("input_shape", 1.5, ShapeError),
        ("input_shape", (10**12, 10**12), TooLargeError),
        ("rng", 0, OptionError),
        ("dtype", "float16", OptionError),
        ("dtype", None, OptionError),
        ("xp", "numpy", OptionError),
    ],
)
def test_build_checks_its_arguments(argument, value, error):
    arguments = {"input_shape": (4,), "rng": np.random.default_rng(0), "dtype": "float32", "xp": np, argument: value}
    for layer in (Tanh(), Dense(3), Flatten()):
        with pytest.raises(error, match=type(layer).__name__):
            layer.build(**arguments)
        assert layer.input_shape is None


@pytest.mark.parametrize(
    "draw",
    [
        lambda shape, rng, dtype: np.zeros(shape),  # float64
        lambda shape, rng, dtype: np.zeros((1, *shape), dtype),
        lambda shape, rng, dtype: np.full(shape, np.inf, dtype),
        lambda shape, rng, dtype: 0.5,
        lambda shape, rng, dtype: None,
    ],
)
def test_an_own_initializer_that_gives_something_else(draw):
    class Own(Initializer):
        def __call__(self, shape, rng, dtype):
            return draw(shape, rng, dtype)

    with pytest.raises(OptionError, match=r"0\.Dense: expected from the initializer Own\(\) of W an array of float32"):
        Sequential([Dense(2, initializer=Own())], (3,))


@pytest.mark.parametrize("x", [None, [[1.0]], "x", 1.0, np.ones((2, 4), object), Tanh(), np.array("x"), Sequential])
def test_what_is_no_array_is_told_in_both_directions(x):
    layer = Sequential([Dense(4)], (4,)).layers[0]
    with pytest.raises(DtypeError, match="Dense forward: expected x as an array of float32"):
        layer.forward(x)
    layer.forward(np.ones((2, 4), "float32"))
    with pytest.raises(DtypeError, match="Dense backward: expected dy as an array of float32"):
        layer.backward(x)
