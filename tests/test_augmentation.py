"""DiffAugment: each change against loops, its numbers in parts, on GPUs and in files; GANs that train with it."""

import copy
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_gpu_kernels import fast
from test_layers import built

from minigan import GAN, Sequential
from minigan.__main__ import main
from minigan.backend import to_device
from minigan.checks import loops
from minigan.errors import MisuseWarning, OptionError, ShapeError
from minigan.experiments import find
from minigan.gan import penalties
from minigan.input_gradient import InputGradient
from minigan.layers import Conv2D, Cutout, Dense, Flatten, LeakyReLU, RandomColor, RandomTranslation, Reshape, Tanh
from minigan.models import diff_augment
from minigan.ops.random_bits import uniform_numbers
from minigan.optimizers import SGD

KINDS = (RandomColor, RandomTranslation, Cutout)
LOOPS = {
    RandomColor: lambda layer, x, b, s, k: loops.random_color(x, *(number.ravel() for number in (b, s, k))),
    RandomTranslation: lambda layer, x, p, q: loops.random_translation(x, p, q),
    Cutout: lambda layer, x, top, left: loops.cutout(x, top, left, *layer.pixels_of_ratio()),
}


@settings(deadline=None, max_examples=30)
@given(
    st.sampled_from(KINDS),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 3),
    st.floats(0, 0.99),
    st.integers(0, 99),
)
def test_against_loops(kind, h, w, c, ratio, call):
    layer = built(kind(0.5, ratio, 1 - ratio) if kind is RandomColor else kind(ratio), (h, w, c))
    layer.state["calls"] += call
    x, dy = np.random.default_rng(call).standard_normal((2, 4, h, w, c))
    u = uniform_numbers((4, layer.draws), layer.state["seed"], layer.state["calls"], np)
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y, LOOPS[kind](layer, x, *layer.choose(u)), atol=1e-12)
    # the adjoint of the linear part: <dy, A x> = <A^T dy, x>
    moved = y - layer.choose(u)[0] if kind is RandomColor else y
    np.testing.assert_allclose((dy * moved).sum(), (layer.backward(dy) * x).sum(), rtol=1e-9, atol=1e-9)
    assert layer.forward(x) is x and layer.backward(dy) is dy
    assert layer.state["calls"] == call + 1


def test_each_image_and_each_pass_gets_its_own_change():
    x = np.broadcast_to(np.random.default_rng(0).standard_normal((1, 16, 16, 3)), (20, 16, 16, 3))
    for kind in KINDS:
        layer = built(kind(), (16, 16, 3))
        passes = [layer.forward(x, training=True).copy() for _ in range(2)]
        assert len({image.tobytes() for images in passes for image in images}) > 15, kind


def test_the_ranges_are_those_of_the_paper():
    u = np.random.default_rng(0).random((20_000, 3))
    u[0], u[1] = 0, 1 - 2**-53
    b, s, k = (number.ravel() for number in built(RandomColor(), (8, 8, 3)).choose(u))
    for numbers, low, high in ((b, -0.5, 0.5), (s, 0, 2), (k, 0.5, 1.5)):
        assert numbers.min() == pytest.approx(low) and numbers.max() == pytest.approx(high)
        assert numbers.mean() == pytest.approx((low + high) / 2, abs=0.02)
    for size, moves in ((32, 4), (28, 4), (8, 1), (3, 0), (20, 3)):
        p, _ = built(RandomTranslation(), (size, size, 1)).choose(u)
        assert sorted(set(p)) == list(range(-moves, moves + 1))
    for size, side in ((8, 4), (9, 5), (1, 1), (2, 1)):
        layer = built(Cutout(), (size, size, 1))
        assert layer.pixels_of_ratio() == (side, side)
        middles = layer.choose(u)[0] + side // 2
        assert sorted(set(middles)) == list(range(size + 1 - side % 2))


def test_uniform_numbers():
    u, other = (uniform_numbers((1000, 100), 7, np.array(call), np) for call in (0, 1))
    assert u.min() >= 0 and u.max() < 1 and len(np.unique(u)) == u.size and not np.isin(u, other).any()
    assert abs(u.mean() - 0.5) < 4 / np.sqrt(12 * u.size) and abs(u.var() - 1 / 12) < 0.002
    whole = uniform_numbers((9, 3), 5, np.array(2), np)
    parts = uniform_numbers((5, 3), 5, np.array(2), np, (slice(1, 3), slice(6, 9)))
    np.testing.assert_array_equal(parts, whole[[1, 2, 6, 7, 8]])


@fast
@given(st.integers(1, 300), st.integers(0, 9), st.integers(0, 2**63 - 1), st.integers(0, 10**9))
def test_a_gpu_draws_the_same_numbers(gpu, size, start, seed, call):
    numbers, places = (np.array(seed), np.array(call)), (slice(start, start + size),)
    ours = uniform_numbers((size, 3), *(to_device(number, gpu) for number in numbers), gpu, places)
    np.testing.assert_array_equal(ours.get(), uniform_numbers((size, 3), *numbers, np, places))


@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_changes_images_alike(gpu, kind):
    for shape, dtype in product(((6, 5, 3), (4, 4, 1)), ("float32", "float64")):
        net = Sequential([kind()], shape, dtype=dtype, seed=3)
        there = copy.deepcopy(net).to("gpu")
        x, dy = np.random.default_rng(0).standard_normal((2, 4, *shape)).astype(dtype)
        for part, other in (
            (net.forward(x, training=True), there.forward(to_device(x, gpu), training=True)),
            (net.backward(dy), there.backward(to_device(dy, gpu))),
        ):
            np.testing.assert_allclose(other.get(), part, atol=1e-6 if dtype == "float32" else 1e-12)
            assert other.dtype == part.dtype == dtype


def test_workers_change_each_image_as_one_does():
    x = np.random.default_rng(0).standard_normal((7, 6, 6, 3)).astype("float32")
    results = []
    for workers in (1, 2, 3):
        net = Sequential([*diff_augment(), Flatten(), Dense(1)], (6, 6, 3), seed=0)
        net.parallel(workers)
        results.append([np.array(net.forward(x, training=True)) for _ in range(2)])
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], rtol=1e-5, atol=1e-6)


def test_a_saved_network_goes_on_with_the_same_changes(tmp_path):
    net = Sequential([*diff_augment(), Flatten(), Dense(2)], (6, 6, 3))
    x = np.random.default_rng(0).standard_normal((3, 6, 6, 3)).astype("float32")
    net.forward(x, training=True)
    net.clear_cache()
    net.save(tmp_path / "net.npz")
    loaded = Sequential.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(loaded.forward(x, training=True), net.forward(x, training=True))


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_wanted(kind):
    with pytest.raises(ShapeError, match=r"expected images \(n, h, w, c\), got \(n, 784\)"):
        Sequential([kind()], (784,))


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: RandomColor(-0.1), "brightness >= 0"), (lambda: RandomColor(0.5, 1.1), r"saturation in \[0, 1\]"),
        (lambda: RandomColor(contrast="x"), r"contrast in \[0, 1\]"), (lambda: RandomTranslation(1), "ratio in"),
        (lambda: Cutout(True), "ratio in"), (lambda: Cutout(float("nan")), "ratio in"),
        (lambda: diff_augment("colour"), "which is unknown. Did you mean 'color'"),
        (lambda: diff_augment(["cutout", "cutout"]), "'cutout', twice"),
        (lambda: diff_augment(3), "expected names such"), (lambda: diff_augment([3]), "expected names such"),
        (lambda: diff_augment(""), "'', which is unknown"),
        (lambda: diff_augment("color", 1, 0), "low < high"),
    ],
)  # fmt: skip
def test_odd_options(make, match):
    with pytest.raises(OptionError, match=match):
        make()


def test_policies():
    kinds = [type(layer) for layer in diff_augment()]
    assert kinds == [RandomColor, RandomTranslation, Cutout]
    assert [type(layer) for layer in diff_augment("cutout, color")] == [Cutout, RandomColor]
    assert diff_augment(None) == diff_augment(()) == []
    assert diff_augment(["color"], 0, 1)[0].brightness == 0.25


# --- in a GAN --------------------------------------------------------------------------------------------------------


def make_gan(policy="color,translation,cutout", end=(), **options):
    G = Sequential([Dense(64), Tanh(), Reshape((8, 8, 1)), *end], (4,), seed=0, dtype="float64")
    layers = [*diff_augment(policy), Conv2D(4, 3, 2), LeakyReLU(), Flatten(), Dense(1)]
    D = Sequential(layers, (8, 8, 1), seed=1, dtype="float64")
    return GAN(G, D, g_optimizer=SGD(G, 0.1), d_optimizer=SGD(D, 0.1), seed=2, **options)


def images(n=6, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (n, 8, 8, 1))


def test_real_and_generated_images_are_changed_in_both_updates_each_in_its_own_way(monkeypatch):
    seen = []
    choose = RandomTranslation.choose
    monkeypatch.setattr(RandomTranslation, "choose", lambda self, u: seen.append(u) or choose(self, u))
    gan = make_gan("translation")
    gan.train_step(images())
    d_step, g_step = seen
    assert d_step.shape == (12, 2) and g_step.shape == (6, 2)  # real and generated; generated again
    assert len(np.unique(np.concatenate([d_step, g_step]))) == 36


def test_the_gradient_reaches_the_generator_through_the_change():
    """The gradient of the generator's loss, by central differences with the same random numbers."""
    gan = make_gan()
    z = np.random.default_rng(0).standard_normal((3, 4))
    calls = [layer.state["calls"].copy() for layer in gan.discriminator.layers[:3]]

    def loss_and_gradient(backward=False):
        for layer, count in zip(gan.discriminator.layers[:3], calls, strict=True):
            layer.state["calls"][...] = count
        value, dlogits = gan.objective.generator(gan.discriminator.forward(gan.generator.forward(z, True), True))
        if backward:
            gan.generator.zero_grads()
            gan.generator.backward(gan.discriminator.backward(dlogits, param_grads=False), input_grad=False)
        gan.generator.clear_cache()
        gan.discriminator.clear_cache()
        return float(value)

    loss_and_gradient(backward=True)
    gradient, params = gan.generator.flat_grads.copy(), gan.generator.flat_params
    direction = np.random.default_rng(1).standard_normal(params.size)
    start, h = params.copy(), 1e-6
    params[...] = start + h * direction
    above = loss_and_gradient()
    params[...] = start - h * direction
    below = loss_and_gradient()
    assert (above - below) / (2 * h) == pytest.approx(gradient @ direction, rel=1e-6)
    assert np.abs(gradient).max() > 0


def test_penalties_look_through_the_change():
    """R1's gradient of D's parameters, by central differences with the same random numbers."""
    gan = make_gan(penalties=[penalties.R1(weight=2)])
    D, x, penalty = gan.discriminator, images(3), penalties.R1(weight=2)
    calls = [layer.state["calls"].copy() for layer in D.layers[:3]]

    def value(backward=False):
        for layer, count in zip(D.layers[:3], calls, strict=True):
            layer.state["calls"][...] = count
        slope = InputGradient(D)
        found, v = penalty.value(slope.forward(x, training=True))
        if backward:
            D.zero_grads()
            slope.backward(v, input_grad=False)
        D.clear_cache()
        return float(found)

    value(backward=True)
    gradient, start = D.flat_grads.copy(), D.flat_params.copy()
    direction, h = np.random.default_rng(1).standard_normal(start.size), 1e-6
    D.flat_params[...] = start + h * direction
    above = value()
    D.flat_params[...] = start - h * direction
    assert (above - value()) / (2 * h) == pytest.approx(gradient @ direction, rel=1e-6)
    D.flat_params[...] = start
    assert np.isfinite(gan.train_step(images())).all()


def test_a_gan_goes_on_from_a_file_with_the_same_changes(tmp_path):
    gan = make_gan()
    gan.train_step(images())
    gan.save(tmp_path / "gan.npz")
    again = GAN.load(tmp_path / "gan.npz")
    for _ in range(2):
        assert gan.train_step(images()) == again.train_step(images())
    np.testing.assert_array_equal(gan.discriminator.flat_params, again.discriminator.flat_params)


def test_it_belongs_in_front_of_the_discriminator():
    with pytest.warns(MisuseWarning, match="the generator ends in Cutout: it belongs in front of D"):
        make_gan(end=[Cutout()])


# --- in experiments and on the command line --------------------------------------------------------------------------


def test_an_experiment_puts_the_changes_in_front_of_its_discriminator():
    plain, augmented = find("dcgan"), find("dcgan+augment=color:cutout")
    assert augmented.augment == ("color", "cutout") and plain.augment == ()
    layers = augmented.make_gan().discriminator.layers
    assert [type(layer) for layer in layers[:2]] == [RandomColor, Cutout]
    assert len(layers) == len(plain.make_gan().discriminator.layers) + 2
    assert plain.but("x", augment="color").augment == ("color",) and plain.but("x", augment=None).augment == ()
    assert plain.but("x", augment="color", data_range=(0, 1)).make_gan().discriminator.layers[0].brightness == 0.25
    for odd in ("colour", "color:color", "3", "true"):
        with pytest.raises(OptionError, match="augment"):
            find(f"dcgan+augment={odd}")
    assert find("dcgan+augment=none").augment == ()


@pytest.mark.usefixtures("no_pictures")
def test_on_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            main([str(argument) for argument in arguments])
        return end.value.code or 0

    options = ("--batch-size", 20, "--steps", 2, "--quiet")
    assert run("train", "mlp-gan", *options, "--augment", "color,translation") == 0
    out = "out/mlp-gan+augment=color_translation-seed0"
    assert run("resume", out, "--steps", 3, "--quiet") == 0 and run("sample", out, "--n", 4) == 0
    assert run("train", "mlp-gan", *options, "--augment", "blur", "--out", "x") == 2
    assert "'blur', which is unknown" in capsys.readouterr().err
