"""Networks in files: old ones still load, changed ones never give other weights."""

import io
from pathlib import Path

import numpy as np
import pytest

from minigan import Sequential, npz
from minigan.errors import CheckpointError
from minigan.initializers import RandomNormal
from minigan.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, LeakyReLU

OLD = Path(__file__).with_name("files") / "network_1.npz"  # written by minigan 0.1


def small():
    layers = [Conv2D(2, 3), BatchNorm(), LeakyReLU(0.1), Flatten(), Dropout(0.3)]
    return Sequential([*layers, Dense(3, initializer=RandomNormal(0.1))], input_shape=(3, 3, 1), seed=1)


def saved(network):
    file = io.BytesIO()
    network.save(file)
    return file.getvalue()


def state_of(network):
    return {"params": network.flat_params, **network.state}


def assert_same(one, other):
    assert set(state_of(one)) == set(state_of(other))
    for name, value in state_of(one).items():
        np.testing.assert_array_equal(value, state_of(other)[name])


def without_sum(content):
    """The file of a network as it would be without the sum"""
    return content[: -npz.SUM_SIZE - 2] + b"\0\0"


def test_networks_of_the_version_before_load():
    net = Sequential.load(OLD)
    np.testing.assert_array_equal(net.flat_params, np.linspace(-1, 1, 59).astype("float32"))
    x = np.linspace(-2, 2, 32, dtype="float32").reshape(2, 4, 4, 1)
    expected = [[2.2378804683685303, 2.3253400325775146], [3.379883050918579, 3.514908790588379]]
    np.testing.assert_allclose(net.predict(x), expected, rtol=1e-5)
    assert_same(Sequential.load(io.BytesIO(saved(net))), net)


def test_a_network_without_its_sum():
    content = saved(small())
    assert npz.has_sum(content)
    with pytest.raises(CheckpointError, match="the sum at its end is missing"):
        Sequential.load(io.BytesIO(without_sum(content)))


def test_a_later_format():
    arrays = dict(npz.from_bytes(saved(small()), "x"))
    arrays["architecture"] = np.array(str(arrays["architecture"]).replace("network 2", "network 3"))
    with pytest.raises(CheckpointError, match="'minigan network 3', expected 'minigan network 2'"):
        Sequential.load(io.BytesIO(npz.to_bytes(arrays)))


def check_flips(content, bits):
    """With any one of these bits changed, a file gives an error or the very same network."""
    network = Sequential.load(io.BytesIO(content))
    for position in bits:
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        try:
            found = Sequential.load(io.BytesIO(flipped))
        except CheckpointError:
            continue
        assert not npz.has_sum(content), f"bit {position} of a file with a sum"
        assert_same(network, found)


@pytest.mark.parametrize("content", [saved(small()), OLD.read_bytes()], ids=["new", "old"])
def test_some_flipped_bits(content, rng):
    check_flips(content, rng.choice(8 * len(content), 300, replace=False))


@pytest.mark.slow
@pytest.mark.parametrize("content", [saved(small()), OLD.read_bytes()], ids=["new", "old"])
def test_every_flipped_bit(content):
    check_flips(content, range(8 * len(content)))


@pytest.mark.slow
@pytest.mark.parametrize("content", [saved(small()), OLD.read_bytes()], ids=["new", "old"])
def test_5000_random_mutations(content, rng):
    network = Sequential.load(io.BytesIO(content))
    for _ in range(5_000):
        mutant = bytearray(content)
        for _ in range(rng.integers(1, 5)):
            start, size = rng.integers(len(mutant)), rng.integers(1, 9)
            new = rng.bytes(rng.integers(0, 9)) if rng.random() < 0.3 else rng.bytes(len(mutant[start : start + size]))
            mutant[start : start + size] = new
        try:
            found = Sequential.load(io.BytesIO(mutant))
        except CheckpointError:
            continue
        assert_same(network, found)
