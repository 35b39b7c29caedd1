"""The GAN step: its mathematics against a plain version, what it does not compute, reproducibility, errors."""

import copy
import math

import numpy as np
import pytest

from minigan import GAN, Sequential
from minigan.errors import DataError, DtypeError, OptionError, ShapeError, TooLargeError
from minigan.gan import latent, objectives, penalties
from minigan.gan.average import MovingAverage
from minigan.layers import BatchNorm, Conv2DTranspose, Dense, Flatten, LeakyReLU, Reshape
from minigan.losses import BinaryCrossEntropy
from minigan.models import mlp_discriminator, mlp_generator
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


def test_gradients_are_clipped_as_a_whole_and_their_norms_known(rng):
    """Each network's update is the one of SGD on the gradient of an unclipped twin, shortened to the limit."""
    images = rng.standard_normal((4, 2, 2, 1))
    plain, clipped = small_gan(), small_gan(max_grad_norm=0.05)
    for gan in (plain, clipped):
        assert gan.d_grad_norm == gan.g_grad_norm == 0
        gan.d_optimizer.lr = 1e-9  # so that both generators learn from the same discriminator
    starts = [net.flat_params.copy() for net in (plain.discriminator, plain.generator)]
    for gan in (plain, clipped):
        gan.train_step(images)
    for start, net, twin, lr in (
        (starts[0], clipped.discriminator, plain.discriminator, 1e-9),
        (starts[1], clipped.generator, plain.generator, 0.1),
    ):
        norm = np.linalg.norm(twin.flat_grads)
        assert norm > 0.06, "a gradient that is clipped"
        np.testing.assert_allclose(np.linalg.norm(net.flat_grads), 0.05, rtol=1e-12)
        np.testing.assert_allclose(net.flat_params, start - lr * twin.flat_grads * 0.05 / norm, rtol=1e-6, atol=1e-9)
        for gan in (plain, clipped):
            known = gan.d_grad_norm if net is clipped.discriminator else gan.g_grad_norm
            np.testing.assert_allclose(known, norm, rtol=1e-6)


def test_what_reaches_the_optimizers_is_within_the_limit(rng):
    gan, norms = small_gan(max_grad_norm=0.5, d_steps=2), []
    for optimizer in (gan.d_optimizer, gan.g_optimizer):

        def update(params, grads, numbers, update=optimizer.update):
            norms.append(np.linalg.norm(grads))
            update(params, grads, numbers)

        optimizer.update = update
    for _ in range(20):
        gan.train_step(3 * rng.standard_normal((4, 2, 2, 1)))
    assert len(norms) == 30 and max(norms) == pytest.approx(0.5) and min(norms) < 0.49


def test_a_limit_that_is_never_reached_changes_nothing(rng):
    gans = [small_gan(dtype="float32"), small_gan(dtype="float32", max_grad_norm=1e3)]
    for images in rng.standard_normal((3, 4, 2, 2, 1)).astype("float32"):
        assert len({gan.train_step(images) for gan in gans}) == 1
    np.testing.assert_array_equal(gans[0].generator.flat_params, gans[1].generator.flat_params)
    np.testing.assert_allclose(gans[0].g_grad_norm, gans[1].g_grad_norm, rtol=1e-6)
    assert gans[0].d_grad_norm.dtype == gans[1].d_grad_norm.dtype == np.float64  # no float32 holds every length


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


# latents


def test_latents(rng):
    normal, uniform = latent.Normal(50).sample(1000, rng), latent.Uniform(50).sample(1000, rng)
    assert normal.shape == uniform.shape == (1000, 50) and normal.dtype == uniform.dtype == np.float32
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02
    assert uniform.min() < -0.99 and uniform.max() > 0.99 and abs(uniform.mean()) < 0.02
    other = latent.Uniform(50, low=0, high=3).sample(1000, rng)
    assert 0 <= other.min() < 0.01 and 2.99 < other.max() <= 3 and abs(other.mean() - 1.5) < 0.02
    assert str(latent.Uniform(5)) == "Uniform(5)" and str(latent.Uniform(5, 0, 1)) == "Uniform(5, low=0, high=1)"


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


def test_lerp_by_hand_and_in_the_cube(rng):
    path = latent.lerp(np.array([1.0, 0.0]), np.array([0.0, 2.0]), 3)
    np.testing.assert_array_equal(path, [[1, 0], [0.5, 1], [0, 2]])
    start, end = latent.Uniform(100).sample(2, rng)
    path = latent.lerp(start, end, 7)
    assert path.dtype == np.float32 and path.shape == (7, 100) and abs(path).max() <= 1
    np.testing.assert_array_equal(path[[0, -1]], [start, end])
    assert abs(latent.slerp(start, end, 7)).max() > 1, "the arc leaves the cube, as its docstring says"


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
    with pytest.raises(ShapeError, match="Both must be the same"):
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
        (lambda: latent.Uniform(5, low=1), "Uniform: expected finite numbers low < high, got low=1 and high=1"),
        (lambda: latent.slerp(np.zeros(3), np.ones(3), 4), "length 0"),
        (lambda: latent.slerp(np.ones(3), np.ones(3), 1), "slerp: expected steps"),
        (lambda: latent.lerp(np.ones(3), np.ones(3), 1), "lerp: expected steps"),
        (lambda: small_gan(max_grad_norm=0), "max_grad_norm"),
        (lambda: small_gan(objective=objectives.Hinge), "Make an instance"),
        (lambda: small_gan().sample(0), "n as an integer"),
    ):
        with pytest.raises(OptionError, match=match):
            make()
    with pytest.raises(ShapeError, match="one shape"):
        latent.slerp(np.ones(3), np.ones(4), 3)


@pytest.mark.parametrize("falsy", [0, "", False, [], {}])
@pytest.mark.parametrize("name", ["latent", "objective", "g_optimizer", "d_optimizer"])
def test_a_falsy_part_is_not_the_default(name, falsy):
    with pytest.raises(OptionError, match=f"GAN: expected {name} as an? [A-Z]"):
        small_gan(**{name: falsy})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"latent": latent.Normal}, r"got the class Normal\. Make an instance"),
        ({"g_optimizer": Adam}, r"expected g_optimizer as an Optimizer, got the class Adam"),
        ({"d_optimizer": "adam"}, r"expected d_optimizer as an Optimizer, got 'adam'"),
        ({"d_steps": 2.0}, "d_steps as an integer"),
        ({"max_grad_norm": "1"}, "max_grad_norm > 0, got '1'"),
        ({"seed": -1}, "seed as an integer of at least 0"),
        ({"seed": "0"}, "seed as an integer of at least 0"),
    ],
)
def test_parts_of_another_kind(options, match):
    with pytest.raises(OptionError, match=match):
        small_gan(**options)


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("d_steps", 0, "GAN: expected d_steps as an integer of at least 1, got 0"),
        ("accumulate", 0, "GAN: expected accumulate as an integer of at least 1"),
        ("max_grad_norm", -1, "GAN: expected max_grad_norm > 0, got -1"),
        ("objective", "x", "GAN: expected objective as an Objective, got 'x'"),
        ("latent", latent.Normal, r"GAN: expected latent as a Latent, .* Make an instance"),
        ("latent", latent.Normal(7), r"the latents have 7 numbers"),
        ("penalties", ["R1"], r"expected penalties as a list of gradient penalties"),
        ("g_optimizer", None, "expected g_optimizer as an Optimizer"),
        ("moving_average", 0.9, "expected moving_average as a MovingAverage"),
    ],
)
def test_parts_and_options_are_checked_when_they_change(name, value, match):
    gan = small_gan()
    before = getattr(gan, name)
    with pytest.raises((OptionError, ShapeError), match=match):
        setattr(gan, name, value)
    assert getattr(gan, name) is before
    setattr(gan, name, before)


def test_parts_that_change_belong_to_the_right_network():
    gan = small_gan()
    with pytest.raises(OptionError, match=r"g_optimizer must be made for the generator: Adam\(generator\)"):
        gan.g_optimizer = Adam(gan.discriminator)
    with pytest.raises(OptionError, match=r"d_optimizer must be made for the discriminator"):
        gan.d_optimizer = Adam(gan.generator)
    with pytest.raises(OptionError, match="moving_average must be one of the generator"):
        gan.moving_average = MovingAverage(gan.discriminator)
    gan.objective = objectives.Wasserstein()
    with pytest.raises(OptionError, match="Choose one"):
        gan.penalties = [penalties.R1()]
    gan.objective = objectives.Hinge()
    gan.penalties = penalties.R1()
    assert len(gan.penalties) == 1
    with pytest.raises(OptionError, match="Choose one"):
        gan.objective = objectives.Wasserstein()


def test_exchanged_networks():
    gan = small_gan()
    with pytest.raises(ShapeError, match=r"seem to be exchanged.* comes first: GAN\(generator, discriminator\)\."):
        GAN(gan.discriminator, gan.generator)
    point, judge = Sequential([Dense(1)], (5,)), Sequential([Dense(1)], (1,))
    with pytest.raises(ShapeError, match="seem to be exchanged"):
        GAN(judge, point)
    GAN(point, judge)
    GAN(Sequential([Dense(1)], (1,)), judge)  # they fit both ways
    with pytest.raises(ShapeError, match="Both must be the same"):
        GAN(point, gan.discriminator.astype("float32"))


def test_networks_that_are_none():
    gan = small_gan()
    for wrong in ([Dense(1)], Sequential([Dense(1)]), Dense(1), Sequential, None):
        with pytest.raises(OptionError, match="GAN: expected generator as a built network"):
            GAN(wrong, gan.discriminator)
        with pytest.raises(OptionError, match=r"discriminator as a built network.*input_shape=\.\.\."):
            GAN(gan.generator, wrong)


def test_latents_as_images_get_the_right_advice():
    """Latents of shape (1, 1, 100) are what many examples for other libraries take."""
    generator = Sequential([Conv2DTranspose(1, 4, padding="valid")], (1, 1, 100))
    discriminator = Sequential([Flatten(), Dense(1)], (4, 4, 1))
    for options in ({}, {"latent": latent.Normal(100)}):
        with pytest.raises(
            ShapeError, match=r"input_shape=\(100,\)\. .* start the generator with Reshape\(\(1, 1, 100\)\)"
        ):
            GAN(generator, discriminator, **options)
    advised = Sequential([Reshape((1, 1, 100)), Conv2DTranspose(1, 4, padding="valid")], (100,))
    assert GAN(advised, discriminator).sample(2).shape == (2, 4, 4, 1)


def test_more_samples_than_fit_are_refused_in_words():
    with pytest.raises(TooLargeError, match=r"GAN\.sample: 1000000000000 images would need 32\.0 TB"):
        small_gan().sample(10**12)
    with pytest.raises(TooLargeError, match="latents would need"):
        latent.Normal(100).sample(10**12, np.random.default_rng(0))
    with pytest.raises(TooLargeError, match=r"lerp: \d+ latents would need"):
        latent.lerp(np.zeros(3), np.ones(3), 10**15)


def test_sample_takes_seeds_alone():
    gan = small_gan()
    np.testing.assert_array_equal(gan.sample(np.int64(2), seed=np.uint8(3)), gan.sample(2, seed=3))
    for seed in ("0", -1, 0.5, True, np.arange(2)):
        with pytest.raises(OptionError, match=r"GAN\.sample: expected seed"):
            gan.sample(2, seed=seed)


def test_say_is_a_function():
    with pytest.raises(OptionError, match="such as print"):
        small_gan().capture(say="loud")


@pytest.mark.parametrize("kind", [latent.Normal, latent.Uniform])
def test_latents_check_what_they_are_asked_for(kind, rng):
    z = kind(np.int64(3))
    assert type(z.size) is int and z.sample(np.int64(2), rng, "float32").shape == (2, 3)
    for arguments, match in (
        ((0, rng), "n as an integer of at least 1"),
        ((2, 0), "rng to be a numpy Generator"),
        ((2, rng, None), "dtype float32 or float64"),
        ((2, rng, object), "dtype float32 or float64"),
        ((2, rng, "float32", "numpy"), "xp as the module"),
    ):
        with pytest.raises(OptionError, match=rf"{kind.__name__}\.sample: expected {match}"):
            z.sample(*arguments)


@pytest.mark.parametrize("between", [latent.slerp, latent.lerp])
def test_ways_between_whole_numbers_have_fractions(between):
    np.testing.assert_allclose(latent.lerp([0, 0], [1, 1], 3), [[0, 0], [0.5, 0.5], [1, 1]])
    path = between(np.array([1, 0]), np.array([0, 1]), np.int64(5))
    assert path.dtype == np.float64 and path.shape == (5, 2) and 0 < path[1, 0] < 1
    assert between(np.ones(2, "float32"), np.array([1, 2]), 3).dtype == np.float64
    assert between(np.ones(2, "float32"), np.zeros(2, "float32") + 2, 3).dtype == np.float32


@pytest.mark.parametrize("between", [latent.slerp, latent.lerp])
@pytest.mark.parametrize(
    "value", [None, "ab", [1, [2]], [None, 1], np.array([np.nan, 1]), [1j, 2], np.array([True, False])]
)
def test_ways_between_what_is_no_latent(between, value):
    with pytest.raises(DtypeError, match=f"{between.__name__}: expected start as an array of finite numbers"):
        between(value, np.ones(2), 3)
    with pytest.raises(DtypeError, match=f"{between.__name__}: expected end as an array of finite numbers"):
        between(np.ones(2), value, 3)


def test_slerp_between_long_latents_in_float32():
    path = latent.slerp(np.array([1e30, 0], "float32"), np.array([0, 1e30], "float32"), 3)
    np.testing.assert_allclose(path[1], [0.5**0.5 * 1e30] * 2, rtol=1e-6)
