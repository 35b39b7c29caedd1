"""The GAN step: its mathematics against a plain version, what it does not compute, reproducibility, errors."""

import copy
import math

import numpy as np
import pytest

from minigan import GAN, Sequential
from minigan.errors import DataError, DtypeError, OptionError, ShapeError
from minigan.experiments.mlp import SYSTEMS
from minigan.experiments.system import make_gan
from minigan.gan import latent, objectives
from minigan.gan.architectures import mlp_discriminator, mlp_generator
from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import SGD, Adam


def small_gan(d_layers=None, dtype="float64", seed=0, **options):
    generator = Sequential(mlp_generator((6,), (2, 2, 1), batch_norm=True), (3,), seed=1, dtype=dtype)
    d_layers = d_layers or mlp_discriminator((5,), dropout=0.3)
    discriminator = Sequential(d_layers, (2, 2, 1), seed=2, dtype=dtype)
    options = {"g_optimizer": SGD(generator, 0.1), "d_optimizer": SGD(discriminator, 0.1), **options}
    return GAN(generator, discriminator, seed=seed, **options)


def with_batch_norm():
    return [Flatten(), Dense(5), BatchNorm(), LeakyReLU(), Dense(1)]


def plain():
    return [Flatten(), Dense(5), LeakyReLU(), Dense(1)]


@pytest.mark.parametrize("d_layers", [plain, with_batch_norm])
def test_a_step_is_the_papers_algorithm(rng, d_layers):
    """The same step with every gradient computed, real and generated images always apart."""
    gan, bce = small_gan(d_layers()), BinaryCrossEntropy()
    G, D = copy.deepcopy(gan.generator), copy.deepcopy(gan.discriminator)
    latents = np.random.default_rng(0)
    for images in rng.standard_normal((3, 4, 2, 2, 1)):
        fake = G.forward(latent.Normal(3).sample(4, latents, "float64"), training=True)
        D.zero_grads()
        d_loss = 0
        for batch, target in ((images, 1), (fake, 0)):
            value, dlogits = bce(D.forward(batch, training=True), target)
            D.backward(dlogits)
            d_loss += value
        D.flat_params[...] -= 0.1 * D.flat_grads
        g_loss, dlogits = bce(D.forward(fake, training=True), 1)
        G.zero_grads()
        G.backward(D.backward(dlogits))
        G.flat_params[...] -= 0.1 * G.flat_grads

        losses = gan.train_step(images)
        np.testing.assert_allclose(losses, (d_loss, g_loss), rtol=1e-12)
        np.testing.assert_allclose(gan.discriminator.flat_params, D.flat_params, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(gan.generator.flat_params, G.flat_params, rtol=1e-12, atol=1e-15)
        for name, value in gan.discriminator.state.items():
            np.testing.assert_allclose(value, D.state[name], rtol=1e-12)


def recording(calls):
    class Recording(Dense):
        """Notes the batch size of each pass and the options of each backward."""

        def forward(self, x, training=False):
            calls.append(("forward", len(x)))
            return super().forward(x, training)

        def backward(self, dy, param_grads=True, input_grad=True):
            calls.append(("backward", param_grads, input_grad))
            return super().backward(dy, param_grads, input_grad)

    return Recording


def test_nothing_is_computed_that_nobody_uses(rng):
    calls = []
    gan = small_gan([Flatten(), recording(calls)(1)])
    gan.train_step(rng.standard_normal((4, 2, 2, 1)))
    assert calls == [("forward", 8), ("backward", True, False), ("forward", 4), ("backward", False, True)]


def test_batch_norm_in_the_discriminator_sees_real_and_generated_apart(rng):
    calls = []
    gan = small_gan([Flatten(), recording(calls)(3), BatchNorm(), Dense(1)])
    gan.train_step(rng.standard_normal((4, 2, 2, 1)))
    assert [call for call in calls if call[0] == "forward"] == [("forward", 4)] * 3


def test_the_generators_step_leaves_the_discriminator_alone(rng):
    gan = small_gan()
    gan.d_optimizer.step = lambda: None
    before = gan.discriminator.flat_params.copy()
    gan.train_step(rng.standard_normal((4, 2, 2, 1)))
    np.testing.assert_array_equal(gan.discriminator.flat_params, before)


def test_several_discriminator_steps_for_one_of_the_generator(rng):
    gan = small_gan(d_steps=3)
    images = rng.standard_normal((4, 2, 2, 1))
    start, moved, losses = gan.generator.flat_params.copy(), [], []
    for _ in range(6):
        losses.append(gan.train_step(images)[1])
        moved.append(not np.array_equal(start, gan.generator.flat_params))
        start = gan.generator.flat_params.copy()
    assert moved == [False, False, True] * 2
    assert math.isnan(losses[0]) and losses[2] == losses[3] == losses[4] != losses[5]


def test_bitwise_reproducible(rng):
    images = rng.standard_normal((5, 4, 2, 2, 1)).astype("float32")
    runs = []
    for _ in range(2):
        gan = small_gan(dtype="float32", objective=objectives.NonSaturating(label_noise=True), seed=3)
        losses = [gan.train_step(batch) for batch in images]
        runs.append((losses, gan.sample(5, seed=1), gan.generator.flat_params.copy()))
    for one, other in zip(*runs, strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs[0][1].dtype == np.float32


def test_sampling_does_not_disturb_training(rng):
    images = rng.standard_normal((4, 2, 2, 1))
    one, other = small_gan(), small_gan()
    for gan in (one, other):
        gan.train_step(images)
        if gan is other:
            gan.sample(3)
        gan.train_step(images)
    np.testing.assert_array_equal(one.generator.flat_params, other.generator.flat_params)


def test_samples_are_copies_in_inference_mode():
    gan = small_gan()
    first = gan.sample(6, seed=1)
    kept = first.copy()
    gan.sample(6, seed=2)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(first[:2], gan.sample(2, seed=1)[:2])  # no statistics of the batch
    assert first.shape == (6, 2, 2, 1) and abs(first).max() <= 1


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_trains_and_draws(name, rng):
    gan = make_gan(SYSTEMS[name])
    losses = [gan.train_step(rng.uniform(-1, 1, (8, 28, 28, 1)).astype("float32")) for _ in range(2)]
    assert np.isfinite(losses).all() and gan.sample(2).shape == (2, 28, 28, 1)


def test_a4_has_the_layers_of_its_report():
    gan = make_gan(SYSTEMS["A4"])

    def widths(net):
        return [layer.units for layer in net.layers if isinstance(layer, Dense)]

    assert widths(gan.generator) == [256, 512, 1024, 784] and widths(gan.discriminator) == [1024, 512, 1]
    assert [layer.rate for layer in gan.discriminator.layers if isinstance(layer, Dropout)] == [0.4, 0.4]
    for net in (gan.generator, gan.discriminator):
        dense = [layer for layer in net.layers if isinstance(layer, Dense)]
        assert dense[0].params["W"].std() == pytest.approx(0.02, rel=0.05)
        assert type(dense[1].initializer).__name__ == "GlorotUniform"
    assert isinstance(gan.latent, latent.Normal) and isinstance(gan.g_optimizer, Adam)
    assert (gan.g_optimizer.lr, gan.g_optimizer.beta1) == (2e-4, 0.5)


# objectives


def test_non_saturating_by_hand():
    objective, logits = objectives.NonSaturating(), np.array([[0.0], [np.log(3)]])
    value, gradient = objective.real(logits, None)
    np.testing.assert_allclose((value, *gradient.ravel()), ((np.log(2) + np.log(4 / 3)) / 2, -0.25, -0.125))
    value, gradient = objective.fake(logits, None)
    np.testing.assert_allclose((value, *gradient.ravel()), ((np.log(2) + np.log(4)) / 2, 0.25, 0.375))
    np.testing.assert_allclose(objective.generator(logits)[1], objective.real(logits, None)[1])


def test_smoothing_is_one_sided():
    objective, logits = objectives.NonSaturating(smoothing=0.1), np.zeros((1, 1))
    assert objective.real(logits, None)[1].item() == pytest.approx(0.5 - 0.9)
    assert objective.fake(logits, None)[1].item() == 0.5
    assert objective.generator(logits)[1].item() == -0.5


def test_label_noise_has_the_reports_ranges(rng):
    objective, logits = objectives.NonSaturating(label_noise=True), np.zeros((10_000, 1), np.float32)
    real = 0.5 - objective.real(logits, rng)[1] * len(logits)  # the targets, from the gradient
    fake = 0.5 - objective.fake(logits, rng)[1] * len(logits)
    for targets, low, high in ((real, 0.7, 1.2), (fake, 0.0, 0.3)):
        assert low - 1e-3 <= targets.min() < low + 0.01 and high - 0.01 < targets.max() <= high + 1e-3
    assert real.dtype == np.float32
    assert objective.generator(logits)[1][0] * len(logits) == -0.5, "G's targets are exact"


# latents


def test_latents(rng):
    normal, uniform = latent.Normal(50).sample(1000, rng), latent.Uniform(50).sample(1000, rng)
    assert normal.shape == uniform.shape == (1000, 50) and normal.dtype == uniform.dtype == np.float32
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    assert uniform.min() < -0.99 and uniform.max() > 0.99 and abs(uniform.mean()) < 0.02


def test_slerp_by_hand():
    path = latent.slerp(np.array([1.0, 0.0]), np.array([0.0, 2.0]), 3)
    np.testing.assert_allclose(path, [[1, 0], [np.sqrt(0.5), 2 * np.sqrt(0.5)], [0, 2]], atol=1e-15)


def test_slerp_keeps_to_the_sphere_and_the_ends(rng):
    start, end = (z / np.linalg.norm(z) for z in rng.standard_normal((2, 100)).astype("float32"))
    path = latent.slerp(start, end, 9)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-6)
    assert path.dtype == np.float32
    np.testing.assert_allclose(latent.slerp(start, start, 3), [start] * 3, atol=1e-6)


# errors


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"latent": latent.Normal(4)}, ShapeError, r"input_shape=\(4,\)"),
        ({"d_steps": 0}, OptionError, "d_steps"),
        ({"d_layers": [Flatten(), Dense(2)]}, ShapeError, r"Dense\(1\)"),
    ],
)
def test_parts_that_do_not_fit(options, error, match):
    with pytest.raises(error, match=match):
        small_gan(**options)


def test_networks_that_do_not_fit():
    gan = small_gan()
    other = Sequential(plain(), (3, 3, 1), dtype="float64")
    with pytest.raises(ShapeError, match="The two must be the same"):
        GAN(gan.generator, other)
    with pytest.raises(OptionError, match="dtype"):
        GAN(gan.generator, gan.discriminator.astype("float32"))
    with pytest.raises(OptionError, match="made for the generator"):
        GAN(gan.generator, gan.discriminator, g_optimizer=Adam(gan.discriminator))


@pytest.mark.parametrize(
    ("images", "error", "match"),
    [
        (np.zeros((0, 2, 2, 1)), DataError, "got none"),
        (np.full((4, 2, 2, 1), np.nan), DataError, "NaN"),
        (np.full((4, 2, 2, 1), np.inf), DataError, "infinity"),
        (np.zeros((4, 2, 2, 1), np.uint8), DtypeError, "scale"),
        (np.zeros((4, 2, 2, 1), np.float32), DtypeError, "float64"),
        (np.zeros((4, 3, 3, 1)), ShapeError, r"\(4, 3, 3, 1\)"),
        ([1, 2], DataError, "array of images"),
    ],
)
def test_wrong_images(images, error, match):
    gan = small_gan()
    before = gan.discriminator.flat_params.copy()
    with pytest.raises(error, match=match):
        gan.train_step(images)
    np.testing.assert_array_equal(gan.discriminator.flat_params, before)


def test_other_options():
    for make, match in (
        (lambda: latent.Normal(0), "size"),
        (lambda: latent.slerp(np.zeros(3), np.ones(3), 4), "length 0"),
        (lambda: latent.slerp(np.ones(3), np.ones(3), 1), "steps"),
        (lambda: objectives.NonSaturating(smoothing=1.0), "smoothing"),
        (lambda: objectives.NonSaturating(label_noise=True, smoothing=0.1), "choose one"),
        (lambda: small_gan().sample(0), "n as an integer"),
        (lambda: make_gan(SYSTEMS["A1"], seed=-1), "seed"),
    ):
        with pytest.raises(OptionError, match=match):
            make()
    with pytest.raises(ShapeError, match="one shape"):
        latent.slerp(np.ones(3), np.ones(4), 3)
