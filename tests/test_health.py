"""What goes wrong in training is said in words, once, and a healthy run is left in peace."""

import copy
import math
import warnings

import numpy as np
import pytest
from run_helpers import SMALL

from minigan import GAN, Sequential, data
from minigan.errors import MisuseWarning, NonFiniteError
from minigan.experiments import EXPERIMENTS
from minigan.gan import objectives
from minigan.gan.state import state_arrays
from minigan.initializers import RandomNormal, Zeros
from minigan.layers import BatchNorm, Dense, Flatten, LeakyReLU, Reshape, Tanh
from minigan.models import mlp_discriminator, mlp_generator
from minigan.optimizers import SGD
from minigan.training.loop import start_run
from minigan.training.watchers import health as limits
from minigan.training.watchers.health import Health, least_d_loss

pytestmark = pytest.mark.filterwarnings("ignore::minigan.errors.NonFiniteWarning")  # what health says is tested here


@pytest.fixture(scope="module")
def images():
    return data.scale(data.load("digits").images[:1024])


def watched(g_layers=None, d_layers=None, g_lr=None, d_lr=None, **options):
    """A small GAN, its watcher, and the list of what it says; a rate means SGD."""
    generator = Sequential(g_layers or mlp_generator((32,), batch_norm=True), (20,), seed=1)
    discriminator = Sequential(d_layers or mlp_discriminator((32,)), (28, 28, 1), seed=2)
    rates = ((generator, "g_optimizer", g_lr), (discriminator, "d_optimizer", d_lr))
    options |= {name: SGD(net, lr) for net, name, lr in rates if lr}
    gan, said = GAN(generator, discriminator, **options), []
    return gan, Health(gan, said.append), said


def train(gan, health, images, steps, batch_size=32):
    for step in range(1, steps + 1):
        batch = images[(step - 1) * batch_size % len(images) :][:batch_size]
        health.after_step(step, batch, *gan.train_step(batch))


def end_epoch(health, step=1):
    health.after_epoch({"step": step}, None)


def test_a_healthy_run_says_nothing(images):
    gan, health, said = watched()
    train(gan, health, images, 120)
    end_epoch(health, 120)
    health.close()
    assert said == []


def test_good_samples_say_nothing(images):
    gan, health, said = watched()
    train(gan, health, images, 1)
    gan.g_optimizer.steps, gan.sample = limits.WARM_UP, lambda n, seed, averaged: images[-n:]
    end_epoch(health)
    assert said == []


# NaN and infinity


@pytest.mark.parametrize(
    ("network", "layer", "parameter"), [("generator", 1, "gamma"), ("generator", 3, "W"), ("discriminator", 3, "b")]
)
def test_a_parameter_that_is_not_finite_is_named(images, network, layer, parameter):
    gan, health, said = watched()
    train(gan, health, images, 1)
    spoiled = getattr(gan, network).layers[layer]
    spoiled.params[parameter].flat[0] = math.nan
    text = (
        rf"step 7: in the {network}, {spoiled.name} has NaN or infinity \(1 of [\d,]+ numbers\) in its parameter "
        rf"{parameter}\. .* rates.* max_grad_norm.* checkpoint is from before this step and is good"
    )
    with pytest.raises(NonFiniteError, match=text):
        health.check_finite(7)
    assert said == []


def test_nothing_spoiled_passes_check_finite(images):
    """Running statistics and optimizers too: all that a checkpoint would hold."""
    gan, health, _ = watched()
    train(gan, health, images, 1)
    health.check_finite(1)
    for array in state_arrays(gan).values():
        number, array.flat[0] = array.flat[0], math.inf
        with pytest.raises(NonFiniteError, match="step 1: "):
            health.check_finite(1)
        array.flat[0] = number
        health.check_finite(1)
    gan.generator.layers[1].state["variance"][:] = math.nan
    with pytest.raises(NonFiniteError, match=r"generator, 1\.BatchNorm has .* in its running variance"):
        health.check_finite(1)


def test_a_parameter_is_named_before_the_first_step():
    gan, health, _ = watched()
    gan.generator.layers[0].params["W"][:] = math.inf
    with pytest.raises(NonFiniteError, match=r"step 0: in the generator, 0\.Dense .* \(640 of 640 numbers\)"):
        health.check_finite(0)


def test_the_first_layer_that_overflows_is_found_in_the_forward_pass(images):
    """1.Dense makes 1e30 of its input, which is finite; 3.Dense makes infinity of that, 5.Dense NaN."""
    gan, health, _ = watched(d_layers=mlp_discriminator((16, 16)))
    for layer in (1, 3):
        gan.discriminator.layers[layer].params["W"] *= 1e30
    with pytest.raises(NonFiniteError, match=r"step 8: in the discriminator, 3\.Dense .* forward pass"):
        health.after_step(8, images[:16], math.nan, 1.0)


class Overflowing(LeakyReLU):
    """A layer whose backward pass is too large for float32."""

    def backward(self, dy, param_grads=True, input_grad=True):
        return super().backward(dy, param_grads, input_grad) * np.float32(3e38) * np.float32(3e38)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_the_first_layer_that_overflows_is_found_in_the_backward_pass(images, network):
    d_layers = [Flatten(), Dense(8), LeakyReLU(), Dense(8), LeakyReLU(), Dense(1)]
    g_layers = [Dense(8), LeakyReLU(), Dense(784), Tanh(), Reshape((28, 28, 1))]
    layers = {"discriminator": d_layers, "generator": g_layers}[network]
    index = max(i for i, layer in enumerate(layers) if isinstance(layer, LeakyReLU))
    layers[index] = Overflowing()
    _, health, _ = watched(g_layers, d_layers)
    with pytest.raises(NonFiniteError, match=rf"{network}, {index}\.Overflowing is .* backward pass .* in dx"):
        health.after_step(8, images[:16], math.nan, 1.0)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_an_overflow_in_training_is_blamed_on_the_network_and_layer_where_it_began(images, network):
    """One step later both networks would hold NaN."""
    d_layers = [Flatten(), Dense(8), LeakyReLU(), Dense(1)]
    g_layers = [Dense(8), LeakyReLU(), Dense(784), Tanh(), Reshape((28, 28, 1))]
    layers, index = {"discriminator": (d_layers, 2), "generator": (g_layers, 1)}[network]
    layers[index] = Overflowing()
    gan, health, _ = watched(g_layers, d_layers)
    first = 1 if network == "discriminator" else 0
    text = rf"step 1: in the {network}, {first}\.Dense has .* parameter W.* gradients from {first}\.Dense to"
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match=text):
        train(gan, health, images, 3)


@pytest.mark.parametrize("d_lr", [0.3, 300, 1e20])
def test_an_explosion_in_training_is_traced_to_a_layer_and_to_the_network_that_grew(images, d_lr):
    gan, health, _ = watched(d_layers=mlp_discriminator((32, 32)), d_lr=d_lr, objective=objectives.LeastSquares())
    text = r"in the (generator|discriminator), \d\.\w+ (has|is) .*The weights of the discriminator have exploded"
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match=text):
        train(gan, health, images, 20)


@pytest.mark.parametrize("large", ["loss", "weight"])
def test_a_step_is_replayed_with_the_weights_from_before_it(images, large):
    """After it both networks hold NaN, and nothing could be told."""
    gan, health, _ = watched(d_layers=mlp_discriminator((16, 16)))
    gan.discriminator.layers[3].params["W"] *= 1e38
    gan.discriminator.layers[1].params["W"] *= 1e3
    if large == "weight":
        gan.discriminator.layers[1].params["b"][0] = 1e7
    health.after_step(1, images[:32], 1e7 if large == "loss" else 1.0, 1.0)
    losses = gan.train_step(images[:32])
    with pytest.raises(NonFiniteError, match=r"step 2: in the discriminator, 3\.Dense is .* forward pass"):
        health.after_step(2, images[:32], *losses)


def test_a_network_that_spoiled_the_other_is_not_guessed(images):
    gan, health, _ = watched()
    gan.discriminator.layers[3].params["W"][0] = math.nan
    with (
        np.errstate(all="ignore"),
        pytest.raises(NonFiniteError, match=r"both networks .* no longer possible to see which came first"),
    ):
        train(gan, health, images, 1)


def test_a_replay_changes_nothing(images):
    gan, health, _ = watched(d_layers=mlp_discriminator((16,), dropout=0.4))
    train(gan, health, images, 2)
    before, rng = copy.deepcopy(state_arrays(gan)), copy.deepcopy(gan.rng.bit_generator.state)
    with pytest.raises(NonFiniteError, match="in the losses"):
        health.after_step(3, images[:16], math.nan, 1.0)
    assert gan.rng.bit_generator.state == rng
    for name, array in state_arrays(gan).items():
        np.testing.assert_array_equal(array, before[name], err_msg=name)


def test_a_replay_says_nothing_that_the_gan_has_said(images):
    """With warnings as errors, it would hide the error that it explains."""
    with pytest.warns(MisuseWarning, match="BatchNorm"):
        gan, health, _ = watched(d_layers=[*mlp_discriminator((16,)), BatchNorm()])
    gan.train_step(images[:16])
    with warnings.catch_warnings():
        warnings.simplefilter("error", MisuseWarning)
        with pytest.raises(NonFiniteError, match="in the losses"):
            health.after_step(1, images[:16], math.nan, 1.0)


def test_images_that_are_not_finite(images):
    _, health, _ = watched()
    broken = images[:16].copy()
    broken[3, 5] = math.nan
    with pytest.raises(NonFiniteError, match=r"batch of images .*28 of 12,544"):
        health.after_step(1, broken, math.nan, math.nan)


def test_the_generators_loss_is_unknown_before_its_first_step(images):
    gan, health, _ = watched(d_steps=2)
    train(gan, health, images, 3)


def test_a_gpu_is_waited_for_only_now_and_then(images):
    gan, health, _ = watched()
    gan.train_step(images[:16])
    health.waits = True
    health.after_step(limits.EVERY - 1, images[:16], math.nan, 1.0)
    with pytest.raises(NonFiniteError):
        health.after_step(limits.EVERY, images[:16], math.nan, 1.0)


# What is said while training goes on


def feed(health, images, d_loss, start):
    for step in range(start + 1, start + limits.EVERY + 1):
        health.after_step(step, images[:16], d_loss, 1.0)


@pytest.mark.parametrize(
    ("objective", "d_loss"),
    [
        (objectives.NonSaturating(), 0.01),
        (objectives.Minimax(), 0.06),
        (objectives.NonSaturating(label_noise=True), 0.64),
        (objectives.NonSaturating(smoothing=0.1), 0.34),
    ],
)
def test_a_discriminator_that_wins(images, objective, d_loss):
    _, health, said = watched(objective=objective)
    feed(health, images, 1.2, 0)
    assert said == []
    feed(health, images, d_loss, 100)
    assert len(said) == 1 and said[0].startswith("step 200: the discriminator wins: its mean loss over 100 steps is")
    feed(health, images, d_loss, 200)
    assert len(said) == 1
    feed(health, images, 1.2, 300)
    assert len(said) == 2 and said[1].startswith("step 400: the discriminator no longer wins")


@pytest.mark.parametrize("objective", [objectives.Wasserstein(), objectives.Hinge(), objectives.LeastSquares()])
def test_a_loss_of_0_means_something_else_elsewhere(images, objective):
    _, health, said = watched(objective=objective)
    feed(health, images, 0.0, 0)
    assert said == []


def test_the_least_loss_is_the_entropy_of_the_targets():
    def entropy(t):
        return -t * math.log(t) - (1 - t) * math.log(1 - t)

    assert least_d_loss(objectives.NonSaturating()) == pytest.approx(0, abs=1e-6)
    assert least_d_loss(objectives.Minimax(smoothing=0.1)) == pytest.approx(entropy(0.9), abs=1e-6)
    noisy = objectives.NonSaturating(label_noise=True)
    assert least_d_loss(noisy) == pytest.approx(entropy(0.95) + entropy(0.15), abs=0.02)


def test_a_vanishing_gradient_and_its_recovery(images):
    """Last weights of 0 let nothing through; after the first step they are others."""
    g_layers = [Dense(16), LeakyReLU(), Dense(16), LeakyReLU(), Dense(784, initializer=Zeros()), Tanh()]
    gan, health, said = watched([*g_layers, Reshape((28, 28, 1))])
    gan.train_step(images[:16])
    health.look_at_gradients(100)
    health.look_at_gradients(200)
    assert len(said) == 1
    assert "step 100: the gradient vanishes in the generator, in 0.Dense, 2.Dense (2 of 3 layers" in said[0]
    gan.train_step(images[:16])
    health.look_at_gradients(300)
    assert said[1:] == ["step 300: the gradient in the generator no longer vanishes in 0.Dense, 2.Dense."]


def test_a_network_without_a_step_has_no_vanishing_gradient(images):
    gan, health, said = watched(d_steps=5)
    train(gan, health, images, 4)
    end_epoch(health, 4)
    assert said == []


@pytest.mark.parametrize("max_grad_norm", [None, 1.0])
def test_an_exploding_gradient_and_its_recovery(images, max_grad_norm):
    gan, health, said = watched(d_layers=mlp_discriminator((16, 16)), max_grad_norm=max_grad_norm)
    gan.discriminator.layers[5].params["W"] *= 1e6
    gan.train_step(images[:16])
    health.look_at_gradients(100)
    health.look_at_gradients(200)
    mine = [line for line in said if "discriminator" in line]
    assert len(mine) == 1 and "step 100: the gradient explodes in the discriminator, in 1.Dense, 3.Dense: " in mine[0]
    gan.discriminator.layers[5].params["W"] /= 1e6
    gan.train_step(images[:16])
    health.look_at_gradients(300)
    assert "step 300: the gradient in the discriminator has its usual size again in 1.Dense, 3.Dense." in said


@pytest.mark.parametrize(("usual", "lines"), [(0.5, 1), (1e-4, 0)])
def test_a_gradient_that_grows_a_hundredfold_has_exploded(images, usual, lines):
    """200 x 0.5 is an explosion, though far below the limit; 200 x 1e-4 is a recovery."""
    gan, health, said = watched(d_layers=[Flatten(), Dense(1)])
    train(gan, health, images, 1)
    grads = gan.discriminator.flat_grads
    grads *= usual / np.linalg.norm(grads)
    for step in range(limits.ENOUGH_LOOKS):
        health.look_at_gradients(step)
    grads *= 10
    health.look_at_gradients(500)
    assert said == []
    grads *= 20
    health.look_at_gradients(600)
    assert len(said) == lines
    assert all(line.startswith("step 600: the gradient explodes in the discriminator, in 1.Dense") for line in said)


def test_mode_collapse_and_its_recovery(images):
    gan, health, said = watched([Dense(784, initializer=Zeros()), Tanh(), Reshape((28, 28, 1))])
    health.batch = images[:128]
    end_epoch(health, 10)  # an untrained generator is not judged
    assert said == []
    gan.g_optimizer.steps = limits.WARM_UP
    end_epoch(health, 400)
    end_epoch(health, 500)
    vanished = [line for line in said if "nearly equal (mode collapse)" in line]
    assert (
        len(vanished) == 1
        and vanished[0].startswith("step 400: the samples")
        and "0.0% of that of real images" in vanished[0]
    )
    gan.sample = lambda n, seed, averaged: images[:n]
    end_epoch(health, 600)
    assert said[-1].startswith("step 600: the samples differ again")


def test_samples_of_noise(images):
    """An untrained generator of large weights: every pixel is black or white, whatever its neighbours are."""
    layers = [Dense(784, initializer=RandomNormal(1)), Tanh(), Reshape((28, 28, 1))]
    gan, health, said = watched(layers, g_lr=1e-9)
    train(gan, health, images, 2, batch_size=128)
    end_epoch(health, 2)
    assert said == []
    gan.g_optimizer.steps = limits.WARM_UP
    end_epoch(health, 3)
    end_epoch(health, 4)
    assert len(said) == 1 and said[0].startswith("step 3: the samples are noise, even if the losses look good")
    gan.sample = lambda n, seed, averaged: images[:n]
    end_epoch(health, 5)
    assert len(said) == 2 and said[1].startswith("step 5: the samples are no longer noise")


# Numbers that stay near a limit


def flicker(health, said, look):
    """Let `look` see a number on either side of its limit ten times, then a much better one: what is said."""
    for step in range(10):
        look((0.9, 1.1)[step % 2], step)
    assert len(said) == 1, said
    look(20, 10)
    assert len(said) == 2, said
    look(1.1, 11)
    assert len(said) == 2, "no new problem on the good side of the limit"


def test_a_gradient_near_the_limit_has_vanished_once(images):
    gan, health, said = watched(d_layers=[Flatten(), Dense(1)])
    train(gan, health, images, 1)
    layer = gan.discriminator.layers[1]
    size = math.sqrt(785)

    def look(times, step):
        health.gradient_norms = lambda net: {layer: times * limits.VANISHED * size} if layer in net.layers else {}
        health.look_at_gradients(step)

    flicker(health, said, look)


@pytest.mark.parametrize("limit", [limits.EXPLODED, limits.GROWTH])
def test_a_gradient_near_the_limit_has_exploded_once(images, limit):
    gan, health, said = watched(d_layers=[Flatten(), Dense(1)])
    train(gan, health, images, 1)
    layer = gan.discriminator.layers[1]
    if limit == limits.GROWTH:
        health.usual_norms["discriminator", layer.name].extend([1.0] * limits.ENOUGH_LOOKS)

    def look(times, step):
        health.gradient_norms = lambda net: {layer: limit / times} if layer in net.layers else {}
        health.look_at_gradients(step)

    flicker(health, said, look)


def test_a_discriminator_near_the_limit_wins_once(images):
    _, health, said = watched()
    limit = limits.WON * 2 * math.log(2)
    flicker(health, said, lambda times, step: feed(health, images, min(times, 10) * limit, 100 * step))


def test_samples_near_the_limits_have_collapsed_once_and_are_noise_once(images, monkeypatch):
    gan, health, said = watched()
    train(gan, health, images, 1)
    gan.g_optimizer.steps = limits.WARM_UP
    real = health.batch

    def difference(times, step):
        monkeypatch.setattr(limits, "spread", lambda x: 1.0 if x is real else min(1, times * limits.COLLAPSED))
        monkeypatch.setattr(limits, "roughness", lambda x: 0.3)
        health.look_at_samples(step)

    flicker(health, said, difference)
    said.clear()

    def roughness(times, step):
        monkeypatch.setattr(limits, "roughness", lambda x: 0.3 if x is real else limits.NOISE / times)
        health.look_at_samples(step)

    monkeypatch.setattr(limits, "spread", lambda x: 1.0)
    flicker(health, said, roughness)


# In a run


def test_a_run_names_the_spoiled_layer_before_it_draws_the_samples(tmp_path, monkeypatch):
    """On a GPU health looks rarely: the grid of NaN must not be drawn before it has looked."""
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    training = start_run(SMALL, tmp_path, steps=5)
    training.health.waits = True
    train_step = training.gan.train_step

    def spoiled(batch):
        losses = train_step(batch)
        if training.step == 4:
            for net in (training.gan.generator, training.gan.average):
                net.flat_params[...] = math.nan
        return losses

    training.gan.train_step = spoiled
    with pytest.raises(NonFiniteError, match=r"step 5: in the generator, 0\.Dense has NaN"):
        training.run(quiet=True)
    assert not list((tmp_path / "samples").glob("epoch_*.png"))
