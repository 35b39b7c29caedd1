"""The moving average of the generator: the formula, what it averages, who uses it, how it is kept."""

import copy
import pickle

import numpy as np
import pytest
from rank_helpers import as_ranks
from test_gan_saving import convolutional, dense, edited, everything, images, make, through_a_file, train
from test_gpu_training import assert_same, batches
from test_gpu_training import make_gan as make_small

from minigan import GAN, Sequential
from minigan.errors import CheckpointError, OptionError
from minigan.gan.average import MovingAverage
from minigan.gan.state import gan_state, restore_gan, state_arrays
from minigan.layers import (
    BatchNorm,
    ConcatenateLabel,
    ConditionalBatchNorm,
    Dense,
    Flatten,
    Reshape,
    SpectralNorm,
    Tanh,
)
from minigan.ops import pieces
from minigan.ops.gpu.graphs import WARM_UP

STEPS, DECAY = 50, 0.8  # the warm-up reaches this decay in the update 35


def numbers_of(net):
    """All parameters and running statistics of a network, by name."""
    return {name: array for name, array in {**net.params, **net.state}.items() if array.dtype.kind == "f"}


@pytest.mark.parametrize("networks", [dense, convolutional])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 1e-6)])
@pytest.mark.parametrize("piece", [pieces.PIECE, 7])
def test_it_is_the_formula_number_by_number(networks, dtype, tolerance, piece, monkeypatch):
    """In float64 loops, from what the generator is after each step; parameters and running statistics alike."""
    monkeypatch.setattr(pieces, "PIECE", piece)
    gan = make(networks, dtype=dtype, ema=DECAY)
    expected = {name: array.astype("float64") for name, array in numbers_of(gan.generator).items()}
    start = copy.deepcopy(expected)
    for t in range(1, STEPS + 1):
        gan.train_step(images(t, gan))
        d = min(DECAY, (1 + t) / (10 + t))
        for name, array in numbers_of(gan.generator).items():
            flat = expected[name].ravel()
            for i, p in enumerate(array.ravel().tolist()):
                flat[i] = d * flat[i] + (1 - d) * p
    for name, array in numbers_of(gan.average).items():
        np.testing.assert_allclose(array, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)
        assert (abs(array - start[name]) > 1e-4).any(), name
    assert any(name.endswith("BatchNorm.variance") for name in expected)


def test_what_is_no_real_number_is_copied():
    gan = make(ema=DECAY)  # with Dropout in the generator
    train(gan, 0, 3)
    counters = {name: array for name, array in gan.generator.state.items() if array.dtype.kind != "f"}
    assert counters
    for name, array in counters.items():
        assert gan.average.state[name].tobytes() == array.tobytes() and gan.average.state[name] is not array


def test_a_layer_says_which_state_only_fits_the_latest_parameters():
    """A mean of SpectralNorm's unit vectors u would be shorter than 1."""
    generator = [Sequential([SpectralNorm(Dense(16)), BatchNorm()]), Tanh(), Reshape((4, 4, 1))]
    gan = make(lambda: (generator, dense()[1]), ema=DECAY)
    train(gan, 0, 4)
    own, latest = gan.average.inner_layers()[:2], gan.generator.inner_layers()[:2]
    assert (
        own[0].state["u"].tobytes() == latest[0].state["u"].tobytes() and own[0].state["u"] is not latest[0].state["u"]
    )
    assert abs(own[1].state["mean"] - latest[1].state["mean"]).max() > 1e-6


@pytest.mark.parametrize("networks", [dense, convolutional])
def test_training_is_the_same_with_and_without(networks):
    one, other = make(networks, ema=DECAY), make(networks)
    assert train(one, 0, 6) == train(other, 0, 6)
    arrays = state_arrays(one)
    for name, array in state_arrays(other).items():
        assert array.tobytes() == arrays[name].tobytes(), name
    assert one.rng.bit_generator.state == other.rng.bit_generator.state
    np.testing.assert_array_equal(one.sample(3, seed=1, averaged=False), other.sample(3, seed=1))


def test_the_average_makes_the_samples():
    gan = make(ema=DECAY)
    train(gan, 0, 4)
    z = gan.latent.sample(3, np.random.default_rng(1), "float32")
    np.testing.assert_array_equal(gan.sample(3, seed=1), gan.average.predict(z))
    np.testing.assert_array_equal(gan.sample(3, seed=1, averaged=False), gan.generator.predict(z))
    assert abs(gan.sample(3, seed=1) - gan.sample(3, seed=1, averaged=False)).max() > 1e-4
    assert gan.sampler() is gan.average and gan.sampler(averaged=False) is gan.generator
    without = make()
    assert without.average is without.ema is None and without.sampler() is without.generator
    np.testing.assert_array_equal(without.sample(3, seed=1), without.sample(3, seed=1, averaged=False))


def test_it_counts_the_steps_of_the_generator():
    gan = make(ema=DECAY, d_steps=3)
    train(gan, 0, 2)
    assert gan.moving_average.steps == 0
    np.testing.assert_array_equal(gan.average.flat_params, gan.generator.flat_params)
    train(gan, 2, 7)
    assert gan.moving_average.steps == gan.g_optimizer.steps == 2


def test_the_decay_can_change_on_the_way():
    gan = make(ema=DECAY)
    train(gan, 0, 2)
    gan.moving_average.decay = 0.0
    train(gan, 2, 3)
    np.testing.assert_allclose(gan.average.flat_params, gan.generator.flat_params, rtol=1e-6, atol=1e-7)
    assert gan.ema == 0


def test_a_gan_can_begin_an_average_later():
    gan = make()
    train(gan, 0, 2)
    gan.moving_average = MovingAverage(gan.generator, DECAY)
    train(gan, 2, 4)
    again = through_a_file(gan)
    assert again.ema == DECAY and again.moving_average.steps == 2
    assert train(gan, 4, 6) == train(again, 4, 6) and everything(again) == everything(gan)


def test_a_gan_with_classes():
    generator = [ConcatenateLabel(3), Dense(6), ConditionalBatchNorm(3), Tanh(), Dense(16), Reshape((4, 4, 1))]
    nets = Sequential(generator, (8,)), Sequential([Flatten(), ConcatenateLabel(3), Dense(1)], (4, 4, 1), seed=1)
    gan = GAN(*nets, ema=DECAY)
    for step in range(4):
        gan.train_step(images(step, gan), np.arange(6) % 3)
    again = through_a_file(gan)
    for averaged, net in ((True, gan.average), (False, gan.generator)):
        z = gan.latent.sample(3, np.random.default_rng(1), "float32")
        expected = net.predict(z, labels=np.full(3, 2))
        for one in (gan, again):
            np.testing.assert_array_equal(one.sample(3, seed=1, labels=2, averaged=averaged), expected)
    mean = next(name for name in gan.average.state if name.endswith("ConditionalBatchNorm.mean"))
    assert abs(gan.average.state[mean] - gan.generator.state[mean]).max() > 1e-6


def test_in_a_loop_of_ones_own():
    net = Sequential([Dense(3), Tanh()], (2,))
    average = MovingAverage(net, decay=0.5)
    first = net.flat_params.copy()
    net.flat_params += 1
    average.update()
    np.testing.assert_allclose(average.network.flat_params, first + 9 / 11, rtol=1e-6)  # d = 2 / 11
    assert average.network.layers[0] is not net.layers[0] and average.source is net


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda gan: pickle.loads(pickle.dumps(gan)), through_a_file])
@pytest.mark.parametrize("stop", [0, 3])
def test_a_copy_and_a_file_go_on_bit_for_bit(copied, stop):
    whole = make(ema=DECAY, d_steps=2)
    train(whole, 0, stop)
    again = copied(whole)
    assert again.average is not whole.average and again.moving_average.source is again.generator
    assert everything(again) == everything(whole)
    assert str(train(whole, stop, 8)) == str(train(again, stop, 8))
    assert everything(again) == everything(whole) and again.ema == DECAY


@pytest.mark.parametrize("workers", [2, 3])
def test_threads(workers):
    alone, shared = (make(dtype="float64", ema=DECAY) for _ in range(2))
    shared.parallel(workers)
    for step in range(4):
        batch = images(step, alone)
        alone.train_step(batch)
        shared.train_step(batch)
    for name, array in numbers_of(alone.average).items():
        np.testing.assert_allclose(shared.average.params.get(name, shared.average.state.get(name)), array, atol=1e-9)


def test_processes_that_begin_with_other_averages():
    def work(group):
        gan = make(ema=DECAY)
        gan.average.flat_params += group.rank
        with pytest.raises(OptionError, match="not alike"):
            gan.join(group)

    as_ranks(2, work)


# GPUs: see also test_gpu_training.py


def test_a_captured_step_follows_the_warm_up(gpu):
    """The decay is not baked into the graph: after many launches the average is still that of the formula."""
    eager, captured = (make_small("gpu", ema=DECAY) for _ in range(2))
    captured.capture()
    for batch in batches(eager, 4 * WARM_UP):
        eager.train_step(batch)
        captured.train_step(batch)
    assert captured._graphs.graphs and captured.moving_average.steps == 4 * WARM_UP
    assert_same(eager, captured, 1e-9)


# errors


@pytest.mark.parametrize("ema", [1, 1.0, -0.1, 2, "0.998", True, float("nan"), [0.9]])
def test_a_decay_that_is_none(ema):
    with pytest.raises(OptionError, match=r"GAN: expected ema in \[0, 1\)"):
        make(ema=ema)
    with pytest.raises(OptionError, match=r"MovingAverage: expected decay in \[0, 1\)"):
        MovingAverage(Sequential([Dense(1)], (2,)), decay=ema)


def test_a_network_that_is_none():
    for net in (None, Dense(1), Sequential([Dense(1)])):
        with pytest.raises((OptionError, ValueError), match="MovingAverage"):
            MovingAverage(net)
    with pytest.raises(OptionError, match="averaged as True or False"):
        make().sample(1, averaged="no")


def wider():
    generator, discriminator = dense()
    generator[0] = Dense(7)
    return generator, discriminator


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        ({"ema": DECAY}, {}, "holds a moving average of the generator, but this GAN was made with ema=None"),
        ({}, {"ema": DECAY}, "holds no moving average of the generator"),
        ({"ema": DECAY}, {"ema": DECAY, "networks": wider}, r"\(8, 7\)|params of \("),
        ({"ema": DECAY}, {"ema": DECAY, "networks": convolutional}, "other arrays"),
    ],
)
def test_the_state_of_another_gan_is_one_error_and_nothing_is_lost(one, other, message):
    one, other = make(**one), make(**other)
    train(one, 0, 2)
    train(other, 0, 3)
    before = everything(other)
    with pytest.raises(ValueError, match=message):
        restore_gan(other, *gan_state(one))
    assert everything(other) == before


def test_an_average_is_not_put_into_another_architecture():
    gan, other = make(ema=DECAY), make(wider, ema=DECAY)
    before = everything(other)
    with pytest.raises(ValueError, match=r"flat_params: expected an array of shape"):
        other.average.flat_params = gan.average.flat_params
    with pytest.raises(OptionError, match="there is no"):
        other.average.params["0.LSTM.W"] = gan.average.params["0.Dense.W"]
    assert everything(other) == before


def test_files_without_an_average_load_as_before():
    assert GAN.load(edited(lambda settings, arrays: settings.pop("ema"))).average is None
    assert through_a_file(make()).average is None


@pytest.mark.parametrize(
    "change",
    [
        lambda settings, arrays: settings.update(ema="x"),
        lambda settings, arrays: settings.update(ema=1.5),
        lambda settings, arrays: settings.update(ema=None),
        lambda settings, arrays: settings.pop("ema"),
        lambda settings, arrays: settings["values"].pop("average_steps"),
        lambda settings, arrays: settings["values"].update(average_steps=-1),
        lambda settings, arrays: settings["values"].update(average_steps="3"),
        lambda settings, arrays: arrays.pop("average.params"),
        lambda settings, arrays: arrays.update({"average.params": np.zeros(3, np.float32)}),
        lambda settings, arrays: [arrays.pop(name) for name in list(arrays) if name.startswith("average.")],
    ],
)
def test_a_file_that_somebody_changed_is_refused(change):
    GAN.load(edited(lambda settings, arrays: None, ema=DECAY))
    with pytest.raises(CheckpointError) as caught:
        GAN.load(edited(change, ema=DECAY))
    assert "\n" not in str(caught.value)
