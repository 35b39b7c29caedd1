"""GaussianNoise: the numbers it draws, when, and that they can be drawn again, in parts and on a GPU."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gpu_kernels import DTYPES, agree, fast
from test_layers import built

from minigan import Sequential
from minigan.backend import to_device
from minigan.checks import loops
from minigan.errors import OptionError
from minigan.layers import Dense, GaussianNoise
from minigan.ops import random_bits
from minigan.ops.normal import normal_cdf
from minigan.ops.random_bits import normal_numbers


@settings(deadline=None, max_examples=15)
@given(st.integers(1, 40), st.sampled_from([0, 0.1, 1, 7.5]), st.integers(0, 9))
def test_against_loops(size, stddev, call):
    layer, x = built(GaussianNoise(stddev), (size,)), np.random.default_rng(call).standard_normal((3, size))
    layer.state["calls"] += call
    z = normal_numbers(x.shape, x.dtype, layer.state["seed"], layer.state["calls"], np)
    np.testing.assert_allclose(layer.forward(x, training=True), loops.gaussian_noise(x, z, stddev), rtol=1e-14)
    np.testing.assert_array_equal(layer.backward(x), x)
    np.testing.assert_array_equal(layer.forward(x), x)


def test_the_numbers_are_normal():
    """Their shares below some bounds, within four standard deviations; neighbours and passes do not depend."""
    z, other = (normal_numbers((1000, 1001), np.float32, 7, np.array(call), np) for call in (0, 1))
    z, other, n = z.ravel().astype("float64"), other.ravel().astype("float64"), z.size
    for bound in (-4, -3, -2, -1, -0.1, 0, 0.5, 1.5, 2.5, 3.5):
        p = float(normal_cdf(np.array([bound], "float64"))[0])
        assert abs((z < bound).mean() - p) < 4 * math.sqrt(p * (1 - p) / n), bound
    for one, two in ((z[:-1], z[1:]), (z[::2], z[1::2]), (z, other)):
        for power in (1, 2):
            assert abs(np.corrcoef(one**power, two**power)[0, 1]) < 4 / math.sqrt(len(two))
    assert np.isfinite(z).all() and len(np.unique(z)) > 0.9 * n


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_a_batch_get_the_numbers_of_the_whole(dtype, monkeypatch):
    """Wherever a part begins, and however many numbers are made at a time."""
    whole = normal_numbers((9, 7), dtype, 5, np.array(3), np)
    parts = normal_numbers((5, 7), dtype, 5, np.array(3), np, (slice(1, 3), slice(6, 9)))
    np.testing.assert_array_equal(parts, whole[[1, 2, 6, 7, 8]])
    monkeypatch.setattr(random_bits, "PIECE", 3)
    np.testing.assert_array_equal(normal_numbers((9, 7), dtype, 5, np.array(3), np), whole)


@fast
@given(st.integers(1, 500), st.integers(0, 9), DTYPES, st.integers(0, 2**63 - 1), st.integers(0, 10**9))
def test_a_gpu_draws_the_same_numbers(gpu, size, start, dtype, seed, call):
    numbers, places = (np.array(seed), np.array(call)), (slice(start, start + size),)
    ours = normal_numbers((size, 3), dtype, *(to_device(number, gpu) for number in numbers), gpu, places)
    agree(ours, normal_numbers((size, 3), dtype, *numbers, np, places))


def test_a_saved_network_goes_on_with_the_same_noise(tmp_path):
    net = Sequential([GaussianNoise(0.5), Dense(2)], (4,))
    x = np.ones((3, 4), "float32")
    first = net.forward(x, training=True)
    net.save(tmp_path / "net.npz")
    loaded = Sequential.load(tmp_path / "net.npz")
    second = net.forward(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(loaded.forward(x, training=True), second)
    np.testing.assert_array_equal(net.predict(x), loaded.predict(x))


@pytest.mark.parametrize("stddev", [-0.1, float("nan"), math.inf, "x", None, True])
def test_impossible_noise(stddev):
    with pytest.raises(OptionError, match="GaussianNoise: expected stddev >= 0"):
        GaussianNoise(stddev)
