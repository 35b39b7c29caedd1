"""The initializers: the spread that each paper asks for, the dtype, the same numbers from the same seed."""

import numpy as np
import pytest

from minigan import Sequential, initializers
from minigan.errors import OptionError, ShapeError, TooLargeError
from minigan.layers import Conv2D, Conv2DTranspose, Dense

SHAPE = (3, 3, 40, 60)
FAN_IN, FAN_OUT = 9 * 40, 9 * 60


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (initializers.RandomNormal(), 0.02),
        (initializers.RandomNormal(0.5), 0.5),
        (initializers.GlorotUniform(), np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (initializers.GlorotNormal(), np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (initializers.HeNormal(), np.sqrt(2 / FAN_IN)),
        (initializers.HeUniform(), np.sqrt(2 / FAN_IN)),
    ],
)
def test_spread(initializer, deviation):
    w = initializer(SHAPE, np.random.default_rng(0), "float32")
    assert w.shape == SHAPE and w.dtype == np.float32
    assert abs(w.mean()) < 4 * deviation / np.sqrt(w.size)
    assert w.std() == pytest.approx(deviation, rel=0.02)
    if "Uniform" in type(initializer).__name__:
        assert abs(w).max() <= deviation * np.sqrt(3)
    np.testing.assert_array_equal(w, initializer(SHAPE, np.random.default_rng(0), "float32"))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 2, 3, 5)])
def test_orthogonal(shape):
    w = initializers.Orthogonal(gain=2)(shape, np.random.default_rng(0), "float64").reshape(-1, shape[-1])
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_prefers_no_direction():
    """QR alone gives diagonals of one sign; drawn uniformly, they average to 0."""
    rng = np.random.default_rng(0)
    diagonals = [np.diag(initializers.Orthogonal()((4, 4), rng, "float64")) for _ in range(400)]
    assert abs(np.mean(diagonals)) < 0.05


@pytest.mark.parametrize("kind", [Dense, Conv2D, Conv2DTranspose])
@pytest.mark.parametrize(
    ("initializer", "fan"),
    [
        (initializers.HeNormal(), "in"),
        (initializers.HeUniform(), "in"),
        (initializers.GlorotNormal(), "mean"),
        (initializers.GlorotUniform(), "mean"),
    ],
)
def test_signals_keep_their_size_in_every_layer(kind, initializer, fan, rng):
    """Each output sums over fan_in products, each input gets a gradient from fan_out: whatever W's axes are called."""
    inputs, outputs, window = 96, 24, 1 if kind is Dense else 9
    layer = Dense(outputs, initializer=initializer) if kind is Dense else kind(outputs, 3, initializer=initializer)
    shape = (inputs,) if kind is Dense else (9, 9, inputs)
    net = Sequential([layer], shape, dtype="float64")
    x = rng.standard_normal((400 if kind is Dense else 10, *shape))
    y = net.forward(x)
    dy = rng.standard_normal(y.shape)
    dx = net.backward(dy)
    if kind is not Dense:  # away from the border, where windows reach over the edge
        y, dx = y[:, 2:-2, 2:-2], dx[:, 2:-2, 2:-2]
    variance = {"in": 2 / (window * inputs), "mean": 2 / (window * (inputs + outputs))}[fan]
    assert y.var() == pytest.approx(window * inputs * variance, rel=0.1)
    assert dx.var() == pytest.approx(window * outputs * variance, rel=0.1)


@pytest.mark.parametrize("filters", [3, 40])
@pytest.mark.parametrize("kind", [Conv2D, Conv2DTranspose])
def test_orthogonal_kernels(kind, filters):
    """As a matrix from all that a window reads to the filters: W is (kh, kw, in, out), transposed (kh, kw, out, in)."""
    net = Sequential([kind(filters, (2, 3), initializer=initializers.Orthogonal())], (5, 5, 4), dtype="float64")
    w = net.layers[0].params["W"]
    matrix = (w if kind is Conv2D else w.transpose(0, 1, 3, 2)).reshape(2 * 3 * 4, filters)
    gram = matrix.T @ matrix if filters <= 24 else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_an_initializer_is_told_the_axes_if_it_asks_for_them():
    class Plain(initializers.Initializer):
        def __call__(self, shape, rng, dtype):
            return np.full(shape, len(shape), dtype)

    class Asking(initializers.Initializer):
        def __call__(self, shape, rng, dtype, axes=(-2, -1)):
            return np.full(shape, 100 * shape[axes[0]] + shape[axes[1]], dtype)

    for kind in (Conv2D, Conv2DTranspose):
        for initializer, value in ((Plain(), 4), (Asking(), 203)):
            net = Sequential([kind(3, 5, use_bias=False, initializer=initializer)], (6, 6, 2))
            assert (net.flat_params == value).all()


def test_constants():
    assert not initializers.Zeros()((2, 3), np.random.default_rng(0), "float32").any()
    assert (initializers.Ones()((2, 3), np.random.default_rng(0), "float32") == 1).all()


def test_errors():
    with pytest.raises(OptionError, match="stddev"):
        initializers.RandomNormal(0)
    with pytest.raises(OptionError, match="gain"):
        initializers.Orthogonal(-1)
    with pytest.raises(OptionError, match="two axes"):
        initializers.HeNormal()((5,), np.random.default_rng(0), "float32")


@pytest.mark.parametrize("kind", initializers.ALL)
def test_odd_arguments_of_a_call(kind, rng):
    initializer = kind()
    assert initializer(np.array([4, 3]), rng, np.float32, [0, np.int64(1)]).dtype == np.float32
    for arguments, error, match in (
        ((5, rng, "float32"), ShapeError, "expected shape as a tuple"),
        (((2.0, 3), rng, "float32"), ShapeError, "expected shape as a tuple"),
        (((4, 3), 0, "float32"), OptionError, "expected rng to be a numpy Generator"),
        (((4, 3), rng, None), OptionError, "expected dtype float32 or float64"),
        (((4, 3), rng, "int8"), OptionError, "expected dtype float32 or float64"),
        (((4, 3), rng, "float32", (0, 2)), OptionError, "expected axes as two different axes"),
        (((4, 3), rng, "float32", (0, -2)), OptionError, "expected axes as two different axes"),
        (((4, 3), rng, "float32", None), OptionError, "expected axes as two different axes"),
        (((10**9, 10**9), rng, "float32"), TooLargeError, "weights of shape"),
    ):
        with pytest.raises(error, match=f"{kind.__name__}: {match}"):
            initializer(*arguments)


def test_an_unfinished_initializer_says_what_it_lacks(rng):
    with pytest.raises(NotImplementedError, match=r"Initializer has no draw\(shape, rng, axes\)"):
        initializers.Initializer()((4, 3), rng, "float32")
