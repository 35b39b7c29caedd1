"""LayerNorm, InstanceNorm, GroupNorm: against the plain loops, against one another, and their errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import Sequential
from minigan.checks import loops
from minigan.errors import OptionError, ShapeError
from minigan.layers import GroupNorm, InstanceNorm, LayerNorm
from minigan.ops.set_sums import group_sum, place_dot, place_sum, square_sum

places = st.lists(st.integers(1, 4), max_size=2).map(tuple)


def outputs(layer, x, gamma, beta):
    net = Sequential([layer], x.shape[1:], dtype="float64")
    layer.params["gamma"], layer.params["beta"] = gamma, beta
    return net.predict(x)


def arrays(shape):
    rng = np.random.default_rng(sum(shape))
    return 3 * rng.standard_normal(shape) + 1, rng.standard_normal(shape[-1]), rng.standard_normal(shape[-1])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 3), places, st.integers(1, 3), st.integers(1, 3))
def test_against_loops(n, places, groups, size):
    x, gamma, beta = arrays((n, *places, groups * size))
    close = {"rtol": 1e-9, "atol": 1e-11}
    if groups * size > 1:
        ours = outputs(LayerNorm(1e-3), x, gamma, beta)
        np.testing.assert_allclose(ours, loops.layer_norm(x, gamma, beta, 1e-3), **close)
    if np.prod(places) > 1:
        ours = outputs(InstanceNorm(1e-3), x, gamma, beta)
        np.testing.assert_allclose(ours, loops.instance_norm(x, gamma, beta, 1e-3), **close)
    if np.prod(places) * size > 1:
        ours = outputs(GroupNorm(groups, 1e-3), x, gamma, beta)
        np.testing.assert_allclose(ours, loops.group_norm(x, gamma, beta, 1e-3, groups), **close)


def test_by_hand():
    """Two channels, epsilon so small that it does not show: each pair becomes -1, 1."""
    x = np.array([[1.0, 5.0], [7.0, 3.0]])
    np.testing.assert_allclose(Sequential([LayerNorm(1e-12)], (2,), dtype="float64").predict(x), [[-1, 1], [1, -1]])
    pictures = x.reshape(1, 2, 1, 2)
    y = Sequential([InstanceNorm(1e-12)], (2, 1, 2), dtype="float64").predict(pictures)
    np.testing.assert_allclose(y.reshape(2, 2), [[-1, 1], [1, -1]])
    y = Sequential([GroupNorm(1, 1e-12)], (2, 1, 2), dtype="float64").predict(pictures)
    np.testing.assert_allclose(y.reshape(2, 2), np.array([[-3, 1], [3, -1]]) / 5**0.5)


def test_one_is_the_other():
    x, gamma, beta = arrays((3, 2, 4, 6))
    np.testing.assert_allclose(outputs(GroupNorm(6), x, gamma, beta), outputs(InstanceNorm(), x, gamma, beta))
    rows = x.reshape(-1, 6)
    np.testing.assert_allclose(outputs(GroupNorm(1), rows, gamma, beta), outputs(LayerNorm(), rows, gamma, beta))


@pytest.mark.parametrize("shape", [(3, 1, 8), (3, 5, 8), (2, 600, 8), (2, 257, 8)])
def test_sums_over_sets(shape, rng):
    x, y, weights = rng.standard_normal(shape), rng.standard_normal(shape), rng.standard_normal((2, 4))
    np.testing.assert_allclose(place_sum(x), x.sum(axis=1))
    np.testing.assert_allclose(place_dot(x, y), (x * y).sum(axis=1))
    np.testing.assert_allclose(group_sum(x[:, 0], weights), (x[:, 0].reshape(-1, 2, 4) * weights).sum(axis=2))
    np.testing.assert_allclose(square_sum(x, 2), (x**2).sum(axis=1).reshape(-1, 2, 4).sum(axis=2))


@pytest.mark.parametrize(
    ("layer", "shape", "match"),
    [
        (InstanceNorm(), (6,), r"expected images \(n, h, w, c\) or sequences"),
        (InstanceNorm(), (1, 1, 6), "each set is a single number"),
        (InstanceNorm(), (2, 2, 2, 6), "expected images"),
        (LayerNorm(), (4, 1), "each set is a single number"),
        (GroupNorm(6), (6,), "each set is a single number"),
        (GroupNorm(4), (2, 2, 6), "Choose a number of groups that divides 6"),
        (GroupNorm(), (2, 2, 16), "32 groups"),
        (GroupNorm(2), (2, 2, 2, 6), "expected vectors"),
    ],
)
def test_impossible_shapes(layer, shape, match):
    with pytest.raises(ShapeError, match=match):
        Sequential([layer], shape)


@pytest.mark.parametrize("make", [lambda: GroupNorm(0), lambda: GroupNorm(2.5), lambda: GroupNorm(2, epsilon=0)])
def test_impossible_options(make):
    with pytest.raises(OptionError, match="GroupNorm: expected"):
        make()
