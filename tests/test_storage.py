"""Networks in files: old ones still load, changed ones never give other weights."""

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from minigan import GAN, Sequential, npz
from minigan.errors import CheckpointError, OptionError
from minigan.initializers import Initializer, RandomNormal
from minigan.layers import BatchNorm, Conv2D, Dense, Dropout, Flatten, Layer, LeakyReLU

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
    with pytest.raises(CheckpointError, match="the checksum at its end is missing"):
        Sequential.load(io.BytesIO(without_sum(content)))


def test_a_later_format():
    arrays = dict(npz.from_bytes(saved(small()), "x"))
    arrays["architecture"] = np.array(str(arrays["architecture"]).replace("network 2", "network 3"))
    with pytest.raises(CheckpointError, match="'minigan network 3', expected 'minigan network 2'"):
        Sequential.load(io.BytesIO(npz.to_bytes(arrays)))


# classes of the user's own


class Halves(Initializer):
    """An initializer of the user's own; it counts how often it draws."""

    drawn = 0

    def __init__(self, value=0.5):
        self.value = value
        self._note = "kept besides the options"

    def draw(self, shape, rng, axes):
        Halves.drawn += 1
        return np.full(shape, self.value)


class Scale(Layer):
    def __init__(self, initializer):
        self.initializer = initializer

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_param("scale", input_shape, self.initializer, rng)
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        return x * self.params["scale"]


def test_initializers_of_the_users_own():
    net = Sequential([Dense(2, initializer=Halves()), Scale(Halves(0.25))], (3,))
    assert net.layers[0].params["W"][0, 0] == 0.5
    content = saved(net)
    with pytest.raises(CheckpointError, match=r"an initializer 'Halves', .*custom_layers=\[Halves\]"):
        Sequential.load(io.BytesIO(content), custom_layers=[Scale])
    with pytest.raises(CheckpointError, match=r"a layer 'Scale', .*custom_layers=\[Scale\]"):
        Sequential.load(io.BytesIO(content), custom_layers=(Halves,))
    loaded = Sequential.load(io.BytesIO(content), custom_layers=[Halves, Scale])
    assert_same(net, loaded)
    assert (loaded.layers[0].initializer.value, loaded.layers[1].initializer.value) == (0.5, 0.25)
    assert saved(loaded) == content


def test_an_initializer_that_does_not_keep_its_options(tmp_path):
    class Forgetful(Halves):
        def __init__(self, size):
            self.value = size / 2

    with pytest.raises(
        OptionError, match=r"Forgetful cannot be saved, because it does not store its argument 'size' as self\.size"
    ):
        Sequential([Dense(2, initializer=Forgetful(1))], (3,)).save(tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def test_loading_draws_nothing():
    content = saved(Sequential([Dense(2, initializer=Halves())], (3,)))
    before = Halves.drawn
    Sequential.load(io.BytesIO(content), custom_layers=[Halves])
    assert Halves.drawn == before


@pytest.mark.parametrize("value", [Halves(), [Halves()], ["Halves"], Halves, 3, None, [int]])
def test_what_custom_layers_cannot_be(value):
    with pytest.raises(OptionError, match="list of classes of layers and initializers"):
        Sequential.load(io.BytesIO(saved(small())), custom_layers=value)


class Named(Sequential):
    pass


def test_networks_of_the_users_own_class():
    net = Named([Dense(2), Named([Dense(3)]), Sequential([Dense(2)])], (3,))
    loaded = Named.load(io.BytesIO(saved(net)))
    assert [type(part) for part in (loaded, *loaded.layers)] == [Named, Dense, Named, Sequential]
    assert_same(net, loaded)
    with pytest.raises(CheckpointError, match=r"custom_layers=\[Named\]"):
        Sequential.load(io.BytesIO(saved(net)))
    assert_same(net, Sequential.load(io.BytesIO(saved(net)), custom_layers=[Named]))


def test_names_from_a_file_cannot_write_to_the_terminal():
    arrays = dict(npz.from_bytes(saved(small()), "x"))
    text = str(arrays["architecture"]).replace('"BatchNorm"', r'"\u001b]0;title\u0007\udc80"')
    with pytest.raises(CheckpointError) as caught:
        Sequential.load(io.BytesIO(npz.to_bytes({**arrays, "architecture": text})))
    assert str(caught.value).isprintable() and "title" in str(caught.value)


# changed files


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


def peak(work):
    """Bytes that `work` takes at most, NumPy's arrays included"""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_reading_takes_a_few_times_the_memory_of_the_file(tmp_path):
    # its content; parameters and gradients; both again as the flat vectors
    path = tmp_path / "net.npz"
    Sequential([Dense(700), Dense(700)], (700,)).save(path)
    assert peak(lambda: Sequential.load(path)) < 5.1 * path.stat().st_size
    net = Sequential([Dense(700), Dense(700)], (700,))
    assert peak(lambda: net.save(path)) < 2.2 * path.stat().st_size


def test_reading_a_gan_takes_a_few_times_the_memory_of_the_file(tmp_path):
    path = tmp_path / "gan.npz"
    GAN(Sequential([Dense(700), Dense(700)], (700,)), Sequential([Dense(700), Dense(1)], (700,))).save(path)
    assert peak(lambda: GAN.load(path)) < 8 * path.stat().st_size
