"""Gradients that add up: several small batches are one large one, in a loop of one's own and in a GAN."""

import copy
import io
import json
import tracemalloc

import numpy as np
import pytest
from run_helpers import SMALL, results

from minigan import GAN, Sequential, pictures
from minigan.__main__ import main
from minigan.errors import MisuseWarning, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.gan import objectives, penalties
from minigan.layers import (
    LSTM,
    BatchNorm,
    ConcatenateLabel,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool2D,
    Reshape,
    Tanh,
)
from minigan.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from minigan.optimizers import SGD, Adam
from minigan.training.loop import resume_run, start_run

NETWORKS = {
    "dense": (lambda: [Dense(6), LeakyReLU(), Dense(3)], (5,)),
    "convolutions": (lambda: [Conv2D(4, 3, 2), LeakyReLU(), MaxPool2D(), Flatten(), Dense(3)], (9, 8, 2)),
    "lstm": (lambda: [LSTM(5), Dense(3)], (4, 3)),
}
LOSSES = {
    "bce": (BinaryCrossEntropy, lambda rng: rng.random((12, 3))),
    "mse": (MeanSquaredError, lambda rng: rng.standard_normal((12, 3))),
    "softmax": (SoftmaxCrossEntropy, lambda rng: rng.integers(0, 3, 12)),
}


@pytest.mark.parametrize("parts", [1, 2, 3, 5])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NETWORKS)
def test_several_small_batches_are_one_large_one(name, loss, parts, rng):
    layers, shape = NETWORKS[name]
    net = Sequential(layers(), shape, dtype="float64")
    (kind, draw), x = LOSSES[loss], rng.standard_normal((12, *shape))
    loss, targets = kind(), draw(rng)
    whole, dy = loss(net.forward(x, training=True), targets)
    net.backward(dy)
    expected = net.flat_grads.copy()

    net.zero_grads()
    total = 0
    for rows in np.array_split(np.arange(12), parts):  # of several sizes
        value, dy = loss(net.forward(x[rows], training=True), targets[rows])
        net.backward(dy * (len(rows) / 12))
        total += value * len(rows) / 12
    np.testing.assert_allclose(net.flat_grads, expected, rtol=1e-12, atol=1e-12)
    assert total == pytest.approx(whole, rel=1e-12)


# in a GAN

SHAPE = (4, 4, 1)


def networks(g_extra=(), d_extra=()):
    generator = [Dense(8), Tanh(), *g_extra, Dense(32), Reshape((4, 4, 2)), Conv2DTranspose(1, 3), Tanh()]
    discriminator = [Conv2D(3, 3), LeakyReLU(), *d_extra, Flatten(), Dense(1)]
    return Sequential(generator, (3,), 1, "float64"), Sequential(discriminator, SHAPE, 2, "float64")


def make_gan(accumulate, kind=SGD, lr=0.05, **options):
    nets = networks()
    optimizers = {f"{letter}_optimizer": kind(net, lr) for letter, net in zip("gd", nets, strict=True)}
    return GAN(*nets, **optimizers, accumulate=accumulate, **options)


def train(gan, steps=5, n=10):
    draw = np.random.default_rng(3)
    return [gan.train_step(draw.uniform(-1, 1, (n, *SHAPE))) for _ in range(steps)]


GANS = {
    "label noise": {"objective": objectives.NonSaturating(label_noise=True)},
    "minimax": {"objective": objectives.Minimax(smoothing=0.1)},
    "least squares": {"objective": objectives.LeastSquares()},
    "hinge": {"objective": objectives.Hinge()},
    "wasserstein": {"objective": objectives.Wasserstein(), "d_steps": 2},
    "clipped": {"max_grad_norm": 0.1},
    "adam": {"kind": Adam, "lr": 1e-3},
    "average": {"ema": 0.9},
    "wgan-gp": {"objective": objectives.Wasserstein(clip=None), "penalties": [penalties.WGANGP()], "d_steps": 2},
    "lazy penalties": {
        "penalties": [penalties.R1(every=2), penalties.R2(), penalties.DRAGAN(), penalties.ZeroCentered()]
    },
}


@pytest.mark.parametrize("parts", [2, 3, 10])
@pytest.mark.parametrize("name", GANS)
def test_a_step_in_parts_is_the_step_of_the_whole_batch(name, parts):
    options = GANS[name]
    whole, in_parts = make_gan(1, **options), make_gan(parts, **options)
    np.testing.assert_allclose(train(in_parts), train(whole), rtol=1e-11, atol=1e-12)
    assert in_parts.rng.bit_generator.state == whole.rng.bit_generator.state, "the same latents and label noise"
    for one, other in ((whole.generator, in_parts.generator), (whole.discriminator, in_parts.discriminator)):
        # Adam divides by the size of a gradient, where that is rounding, too
        tolerance = 1e-8 if options.get("kind") is Adam else 1e-12
        np.testing.assert_allclose(other.flat_params, one.flat_params, rtol=0, atol=tolerance)
        np.testing.assert_allclose(other.flat_grads, one.flat_grads, rtol=0, atol=1e-10)
    assert float(in_parts.d_grad_norm) == pytest.approx(float(whole.d_grad_norm), rel=1e-9)
    if in_parts.average is not None:
        np.testing.assert_allclose(in_parts.average.flat_params, whole.average.flat_params, rtol=0, atol=1e-12)


def test_labels_go_with_their_images():
    def make(accumulate):
        generator = Sequential([ConcatenateLabel(3, 2), Dense(16), Tanh(), Reshape(SHAPE)], (3,), 1, "float64")
        discriminator = Sequential(
            [ConcatenateLabel(3), Flatten(), Dense(8), LeakyReLU(), Dense(1)], SHAPE, 2, "float64"
        )
        return GAN(generator, discriminator, accumulate=accumulate, penalties=[penalties.R1()])

    draw, gans = np.random.default_rng(0), [make(1), make(3)]
    for _ in range(3):
        images, labels = draw.uniform(-1, 1, (7, *SHAPE)), draw.integers(0, 3, 7)
        np.testing.assert_allclose(*(gan.train_step(images, labels) for gan in gans), rtol=1e-10)


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_each_part(workers):
    one, other = make_gan(3), make_gan(3)
    other.parallel(workers)
    np.testing.assert_allclose(train(other), train(one), rtol=1e-11)
    np.testing.assert_allclose(other.generator.flat_params, one.generator.flat_params, rtol=0, atol=1e-12)


def test_what_g_learns_from_are_the_images_that_d_saw():
    """Dropout draws the same masks the second time, and BatchNorm counts each part once."""
    generator, discriminator = networks(g_extra=[BatchNorm(momentum=0.5), Dropout(0.5)])
    gan, seen = GAN(generator, discriminator, accumulate=2), []
    forward = discriminator.forward
    discriminator.forward = lambda x, **options: seen.append(x.copy()) or forward(x, **options)
    twin = copy.deepcopy(generator)
    rng = copy.deepcopy(gan.rng)
    train(gan, steps=1)
    real, fake, again = seen[:2], seen[2:4], seen[4:]
    assert len(again) == 2 and not np.array_equal(real[0], fake[0])
    np.testing.assert_array_equal(fake, again)
    z = gan.latent.sample(10, rng, "float64")
    for part in (z[:5], z[5:]):
        twin.forward(part, training=True)
    for name, value in twin.state.items():
        np.testing.assert_array_equal(generator.state[name], value)


def test_it_takes_less_memory():
    def peak(accumulate):
        generator = Sequential([Dense(256), Tanh(), Dense(256), Tanh(), Dense(16), Reshape(SHAPE)], (3,), 1)
        discriminator = Sequential([Flatten(), Dense(256), Tanh(), Dense(256), Tanh(), Dense(1)], SHAPE, 2)
        gan, images = GAN(generator, discriminator, accumulate=accumulate), np.zeros((2000, *SHAPE), "float32")
        gan.train_step(images)
        tracemalloc.start()
        gan.train_step(images)
        memory = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return memory

    assert peak(8) < peak(1) / 4


def test_a_file_keeps_it_and_goes_on():
    gan, file = make_gan(3, objective=objectives.NonSaturating(label_noise=True)), io.BytesIO()
    train(gan, 2)
    gan.save(file)
    again = GAN.load(io.BytesIO(file.getvalue()))
    assert again.accumulate == 3 and train(again) == train(gan)


@pytest.mark.parametrize("value", [0, 1.5, "2", None, True])
def test_only_counts(value):
    with pytest.raises(OptionError, match="accumulate as an integer of at least 1"):
        make_gan(value)


def test_more_parts_than_images():
    gan = make_gan(5)
    state = copy.deepcopy(gan.rng.bit_generator.state)
    with pytest.raises(OptionError, match=r"a batch of 4 images cannot be computed in 5 parts .*fewer parts"):
        train(gan, n=4)
    assert gan.rng.bit_generator.state == state and gan.d_updates == 0


def test_a_part_of_one_image_for_batch_norm_is_told():
    generator, discriminator = networks(g_extra=[BatchNorm()])
    with pytest.warns(MisuseWarning, match="single row"):
        train(GAN(generator, discriminator, accumulate=10), steps=1)


# in a run


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    monkeypatch.setattr(pictures, "save_figure", lambda path, figure: None)  # they take longest


def test_a_run_in_parts_of_its_batches(tmp_path, known):
    command = ["train", "Small", "--accumulate", "3", "--steps", "6", "--batch-size", "500", "--quiet"]
    with pytest.raises(SystemExit) as end:
        main([*command, "--out", str(tmp_path / "whole")])
    assert not end.value.code
    experiment = find("Small+accumulate=3")
    assert experiment.make_gan().accumulate == 3
    start_run(experiment, tmp_path / "parts", steps=2, batch_size=500).run(quiet=True)
    resume_run(tmp_path / "parts", steps=6).run(quiet=True)
    assert json.loads((tmp_path / "parts" / "config.json").read_text())["settings"]["accumulate"] == 3
    one, other = results(tmp_path / "whole"), results(tmp_path / "parts")
    assert {name for name in one if one[name] != other[name]} == set()


def test_a_run_with_more_parts_than_images_writes_nothing(tmp_path, known):
    with pytest.raises(OptionError, match="accumulate is 30, but a batch has only 20 images"):
        start_run(SMALL.but("Small", accumulate=30), tmp_path / "run", batch_size=20)
    assert not (tmp_path / "run").exists()
