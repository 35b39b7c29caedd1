"""Each layer: forward against the plain loops and by hand, and its errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minigan.checks import check_layer, loops
from minigan.errors import CacheError, DtypeError, OptionError, ShapeError
from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU, ReLU, Reshape, Sigmoid, Tanh
from minigan.layers.base import Layer
from minigan.ops.random_bits import LEVELS, drop_levels, keep_mask
from minigan.ops.sums import column_dot, column_sum


def built(layer, input_shape, dtype="float64", seed=0):
    layer.build(input_shape, np.random.default_rng(seed), np.dtype(dtype), np)
    return layer


finite = st.floats(-10, 10)
batches = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=4, max_side=5), elements=finite)


@settings(deadline=None, max_examples=25)
@given(batches)
def test_activations_against_loops(x):
    for layer, loop in (
        (ReLU(), loops.relu),
        (LeakyReLU(0.3), lambda x: loops.leaky_relu(x, 0.3)),
        (Tanh(), loops.tanh),
        (Sigmoid(), loops.sigmoid),
    ):
        y = built(layer, x.shape[1:]).forward(x)
        np.testing.assert_allclose(y, loop(x), rtol=1e-12, atol=1e-15)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_dense_against_loops(n, size, units, seed):
    rng = np.random.default_rng(seed)
    layer, x = built(Dense(units), (size,), seed=seed), rng.standard_normal((n, size))
    layer.params["b"][...] = rng.standard_normal(units)
    # atol: a sum can come near 0, while its terms, and with them its rounding, do not
    expected = loops.dense(x, layer.params["W"], layer.params["b"])
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-12, atol=1e-15)


@settings(deadline=None, max_examples=25)
@given(hnp.array_shapes(min_dims=2, max_dims=4, max_side=4))
def test_batchnorm_against_loops_in_both_modes(shape):
    rng = np.random.default_rng(sum(shape))
    layer, x = built(BatchNorm(), shape[1:]), 3 * rng.standard_normal(shape) + 1
    gamma, beta = (rng.standard_normal(shape[-1]) for _ in range(2))
    layer.params["gamma"][...], layer.params["beta"][...] = gamma, beta
    np.testing.assert_allclose(
        layer.forward(x, training=True), loops.batch_norm(x, gamma, beta, 1e-5), rtol=1e-9, atol=1e-12
    )
    mean, variance = layer.state["mean"], layer.state["variance"]
    np.testing.assert_allclose(
        layer.forward(x), loops.batch_norm(x, gamma, beta, 1e-5, mean, variance), rtol=1e-9, atol=1e-12
    )


@settings(deadline=None, max_examples=25)
@given(batches)
def test_reshaping_against_loops(x):
    target = x.shape[1:][::-1]
    np.testing.assert_array_equal(built(Flatten(), x.shape[1:]).forward(x), loops.flatten(x))
    np.testing.assert_array_equal(built(Reshape(target), x.shape[1:]).forward(x), loops.reshape(x, target))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.sampled_from([0.1, 0.25, 0.4, 0.5, 0.9]), st.integers(0, 9))
def test_dropout_against_loops(size, rate, call):
    layer, x = built(Dropout(rate), (size,)), np.random.default_rng(call).standard_normal((3, size))
    layer.state["calls"] += call
    keep = keep_mask(x.shape, rate, layer.state["seed"], layer.state["calls"], np)
    expected = loops.dropout(x, keep, 1 - drop_levels(rate) / LEVELS)
    np.testing.assert_allclose(layer.forward(x, training=True), expected, rtol=1e-12)
    np.testing.assert_array_equal(layer.forward(x), x)


# by hand


def test_dense_by_hand():
    layer = built(Dense(2), (2,))
    layer.params["W"][...], layer.params["b"][...] = [[1, 2], [3, 4]], [10, 20]
    x, dy = np.array([[1.0, 1.0], [0.0, 2.0]]), np.array([[1.0, 0.0], [2.0, 1.0]])
    assert layer.forward(x).tolist() == [[14, 26], [16, 28]]
    assert layer.backward(dy).tolist() == [[1, 3], [4, 10]]
    assert layer.grads["W"].tolist() == [[1, 0], [5, 2]]
    assert layer.grads["b"].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("layer", "x", "y", "dx"),
    [
        (ReLU(), [-2.0, 0.0, 3.0], [0, 0, 3], [0, 0, 1]),
        (LeakyReLU(0.25), [-2.0, 0.0, 3.0], [-0.5, 0, 3], [0.25, 0.25, 1]),
        (Tanh(), [0.0, np.log(2), -np.log(2)], [0, 0.6, -0.6], [1, 0.64, 0.64]),
        (Sigmoid(), [0.0, np.log(3), -np.log(3)], [0.5, 0.75, 0.25], [0.25, 0.1875, 0.1875]),
    ],
)
def test_activations_by_hand(layer, x, y, dx):
    built(layer, (3,))
    np.testing.assert_allclose(layer.forward(np.array([x])), [y], rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(layer.backward(np.ones((1, 3))), [dx], rtol=1e-14, atol=1e-15)


def test_activations_do_not_overflow():
    x = np.array([[-1e4, 1e4]])
    with np.errstate(all="raise"):
        assert built(Sigmoid(), (2,)).forward(x).tolist() == [[0, 1]]
        assert built(Tanh(), (2,)).forward(x).tolist() == [[-1, 1]]


def test_batchnorm_by_hand():
    # one channel, values 1 and 3: mean 2, biased variance 1; epsilon 3 makes the root 2
    layer = built(BatchNorm(momentum=0.5, epsilon=3), (1,))
    layer.params["gamma"][...], layer.params["beta"][...] = 4, 5
    assert layer.forward(np.array([[1.0], [3.0]]), training=True).tolist() == [[3], [7]]
    assert layer.state["mean"].tolist() == [1.0] and layer.state["variance"].tolist() == [1.0]
    # xhat = -1/2, 1/2; dy = 1, 3: dbeta 4, dgamma 1; dx = 4/2 (dy - 4/2 - xhat 1/2)
    assert layer.backward(np.array([[1.0], [3.0]])).tolist() == [[-1.5], [1.5]]
    assert layer.grads["beta"].tolist() == [4] and layer.grads["gamma"].tolist() == [1]
    # inference: running mean 1, variance 1, root 2
    assert layer.forward(np.array([[5.0]])).tolist() == [[13]]
    assert layer.backward(np.array([[1.0]])).tolist() == [[2]]


def test_batchnorm_of_a_single_vector_gives_beta():
    layer = built(BatchNorm(), (2,))
    assert layer.forward(np.array([[7.0, -7.0]]), training=True).tolist() == [[0, 0]]


def test_dropout_by_hand_and_on_average():
    layer = built(Dropout(0.5), (10_000,))
    x = np.ones((4, 10_000))
    y = layer.forward(x, training=True)
    assert set(np.unique(y)) == {0, 2}
    assert abs(y.mean() - 1) < 0.02  # four standard deviations
    dx = layer.backward(x)
    np.testing.assert_array_equal(dx, y)
    assert not np.array_equal(layer.forward(x, training=True), y), "the second pass draws another mask"


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.4, 0.999, 0.9999999])
def test_dropout_keeps_the_expected_value(rate):
    keep = keep_mask((1_000_000,), rate, 3, np.array(0), np)
    probability = 1 - drop_levels(rate) / LEVELS
    assert probability > 0 and abs(probability - (1 - rate)) < 1 / LEVELS
    assert abs(keep.mean() - probability) < 5 * np.sqrt(probability / 1e6)


def test_reshape_by_hand():
    layer = built(Reshape((2, 2)), (4,))
    assert layer.forward(np.array([[1.0, 2, 3, 4]])).tolist() == [[[1, 2], [3, 4]]]
    assert layer.backward(np.array([[[5.0, 6], [7, 8]]])).tolist() == [[5, 6, 7, 8]]
    layer = built(Flatten(), (2, 1, 2))
    assert layer.forward(np.array([[[[1.0, 2]], [[3, 4]]]])).tolist() == [[1, 2, 3, 4]]


def test_column_sums_against_numpy(rng):
    x, y = rng.standard_normal((2, 50, 7))
    np.testing.assert_allclose(column_sum(x), x.sum(axis=0), rtol=1e-12)
    assert column_sum(x, out=(out := np.empty(x.shape[1]))) is out and (out == column_sum(x)).all()
    np.testing.assert_allclose(column_dot(x, y), (x * y).sum(axis=0), rtol=1e-12)


# errors


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan"), "half", None, True])
def test_dropout_rate_out_of_range(rate):
    with pytest.raises(OptionError, match=r"rate in \[0, 1\)"):
        Dropout(rate)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Dense(0), "units"),
        (lambda: Dense(2.5), "units"),
        (lambda: Dense("ten"), "units"),
        (lambda: LeakyReLU(1.0), "negative_slope"),
        (lambda: BatchNorm(momentum=1), "momentum"),
        (lambda: BatchNorm(epsilon=0), "epsilon"),
        (lambda: Reshape(5), "target_shape"),
        (lambda: Reshape((2, -1)), "target_shape"),
    ],
)
def test_impossible_options(make, match):
    with pytest.raises(OptionError, match=match):
        make()


@pytest.mark.parametrize(
    ("layer", "shape", "match"),
    [
        (Dense(3), (28, 28, 1), "Flatten"),
        (Reshape((5,)), (2, 3), "6 numbers"),
        (BatchNorm(), (2, 3, 4, 5), "vectors"),
    ],
)
def test_impossible_input_shapes(layer, shape, match):
    with pytest.raises(ShapeError, match=match):
        built(layer, shape)


@pytest.mark.parametrize(
    "make", [lambda: Dense(3), ReLU, LeakyReLU, Tanh, Sigmoid, lambda: Dropout(0.5), BatchNorm, Flatten]
)
def test_wrong_arrays_are_refused_in_words(make):
    layer = built(make(), (4,), dtype="float32")
    name = type(layer).__name__
    x = np.ones((2, 4), np.float32)
    with pytest.raises(ShapeError, match=rf"{name} forward: expected x of shape \(n, 4\), got \(2, 5\)"):
        layer.forward(np.ones((2, 5), np.float32))
    with pytest.raises(DtypeError, match=r"forward: expected x as an array of float32, got np\.float32\(1\.0\)"):
        layer.forward(np.float32(1))
    with pytest.raises(DtypeError, match="float64"):
        layer.forward(x.astype("float64"))
    with pytest.raises(DtypeError, match="scale"):
        layer.forward(x.astype("uint8"))
    with pytest.raises(DtypeError, match="list"):
        layer.forward([[1, 2, 3, 4]])
    dy = layer.forward(x, training=True)
    with pytest.raises(ShapeError, match=rf"{name} backward: expected dy of shape \(2, "):
        layer.backward(dy[:1])
    with pytest.raises(DtypeError, match="backward"):
        layer.backward(dy.astype("float64"))
    layer.backward(dy)
    with pytest.raises(CacheError, match=name):
        layer.backward(dy)


def test_a_layer_has_one_place():
    layer = built(Dense(2), (3,))
    with pytest.raises(OptionError, match="was already built"):
        layer.build((3,), np.random.default_rng(0), np.dtype("float32"), np)


def test_a_layer_that_was_not_built():
    with pytest.raises(ShapeError, match="not built"):
        Dense(2).forward(np.ones((1, 3), np.float32))


def test_a_layer_without_forward():
    class Empty(Layer):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        built(Empty(), (3,)).forward(np.ones((1, 3)))
    with pytest.raises(OptionError, match=r"check_layer: Empty has no forward\(x, training=False\)"):
        check_layer(Empty, (3,))
