"""Frozen layers: they do not move, and the others train as if they could."""

import copy
import io

import numpy as np
import pytest
from layer_cases import LAYERS

from minigan import GAN, Sequential
from minigan.checks import check_gradients
from minigan.checks.contract import labels_of
from minigan.checks.step_check import check_layer_of_network, check_step
from minigan.errors import CheckpointError, MisuseWarning, OptionError
from minigan.gan import objectives, penalties
from minigan.gan.average import MovingAverage
from minigan.input_gradient import InputGradient
from minigan.layers import BatchNorm, Dense, Dropout, Layer, LeakyReLU, Reshape, Tanh
from minigan.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp, clip_weights
from minigan.training.watchers.health import Health

KINDS = {
    "sgd": lambda net: SGD(net, 0.05, weight_decay=0.1),
    "momentum": lambda net: SGD(net, 0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda net: RMSProp(net, 0.01, weight_decay=0.1),
    "adam": lambda net: Adam(net, 0.01),
    "adamw": lambda net: AdamW(net, 0.01, weight_decay=0.1, no_decay=("b",)),
}


def network(seed=0, dtype="float64"):
    """A network in a network, and a layer without parameters at its beginning."""
    inner = Sequential([Dense(6), Dropout(0.3), LeakyReLU()])
    return Sequential([Tanh(), Dense(5), LeakyReLU(), inner, Dense(4), Tanh(), Dense(2)], (3,), seed, dtype)


def step(net, optimizer, t):
    """A training step on random data."""
    draw = np.random.default_rng(t)
    net.zero_grads()
    y = net.forward(draw.standard_normal((8, 3)), training=True)
    net.backward(y - draw.standard_normal(y.shape), input_grad=False)
    optimizer.step()


def numbers(layer):
    """All that a layer has learned, without the counters of random numbers."""
    state = [value.tobytes() for value in layer.state.values() if value.dtype.kind == "f"]
    return [value.tobytes() for value in layer.params.values()] + state


def has_batch_norm(net):
    return any(isinstance(layer, BatchNorm) for layer in net.inner_layers())


# every layer


@pytest.mark.parametrize("name", LAYERS)
def test_a_frozen_layer_gives_dx_and_does_not_move(name, rng):
    make, shape = LAYERS[name]
    net = Sequential([make()], shape, dtype="float64")
    layer, labels = net.layers[0], {"labels": labels_of(net, 6)} if net.takes_labels else {}
    x = rng.standard_normal((6, *shape))
    dy = rng.standard_normal((6, *net.output_shape))
    twin = copy.deepcopy(net)
    # a frozen BatchNorm works as in inference
    twin.forward(x, training=not has_batch_norm(net), **labels)
    expected = twin.backward(dy)

    layer.trainable, optimizer, before = False, AdamW(net, 0.1, weight_decay=0.1), numbers(layer)
    net.forward(x, training=True, **labels)
    np.testing.assert_array_equal(net.backward(dy), expected)
    optimizer.step()
    assert not net.flat_grads.any() and numbers(layer) == before
    assert not any(array.any() for array in optimizer.state.values())

    layer.trainable = True
    net.forward(x, training=True, **labels)
    net.backward(dy)
    optimizer.step()
    assert numbers(layer) != before or not layer.params


@pytest.mark.parametrize("name", LAYERS)
def test_a_frozen_layer_has_a_tangent_and_adds_no_gradients(name, rng):
    make, shape = LAYERS[name]
    net = Sequential([make()], shape, dtype="float64")
    labels = {"labels": labels_of(net, 6)} if net.takes_labels else {}
    x, v = rng.standard_normal((2, 6, *shape))
    dy = rng.standard_normal((6, *net.output_shape))
    twin, found = copy.deepcopy(net), []
    twin.layers[0].trainable = False
    for one in (net, twin):
        slope = InputGradient(one, dy)
        g = slope.forward(x, training=not has_batch_norm(one), **labels)
        found.append((g, slope.backward(v)))
    np.testing.assert_array_equal(*(g for g, _ in found))
    np.testing.assert_array_equal(*(dx for _, dx in found))
    assert not twin.flat_grads.any()


# a network


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_others_train_as_if_the_gradient_were_computed(kind, workers):
    """Against a network whose layer is put back by hand after each step; to the last bit."""
    net, by_hand = network(), network()
    frozen = [net.layers[3], net.layers[4]]
    optimizers = {net: KINDS[kind](net), by_hand: KINDS[kind](by_hand)}
    for one in (net, by_hand):
        one.parallel(workers)
        step(one, optimizers[one], 0)  # so that there is a momentum
    for layer in frozen:
        layer.trainable = False
    kept = [{name: value.copy() for name, value in by_hand.layers[i].params.items()} for i in (3, 4)]
    before = [numbers(layer) for layer in frozen]
    for t in range(1, 6):
        for one, optimizer in optimizers.items():
            step(one, optimizer, t)
        for i, params in zip((3, 4), kept, strict=True):
            by_hand.layers[i].params.update(params)
    assert [numbers(layer) for layer in frozen] == before
    for name, value in net.params.items():
        np.testing.assert_array_equal(value, by_hand.params[name], err_msg=name)
    assert not any(grad.any() for layer in frozen for grad in layer.grads.values())
    assert all(net.layers[i].grads["W"].any() for i in (1, 6))


def test_a_layer_that_learns_again_goes_on_with_the_moments_of_before():
    net = network()
    optimizer = Adam(net, 0.01)
    step(net, optimizer, 0)
    before = {name: array.copy() for name, array in optimizer.state.items()}
    net.layers[4].trainable = False
    step(net, optimizer, 1)
    start = sum(value.size for layer in net.layers[:4] for value in layer.params.values())
    place = slice(start, start + sum(value.size for value in net.layers[4].params.values()))
    for name, array in optimizer.state.items():
        np.testing.assert_array_equal(array[place], before[name][place])
        assert (np.delete(array, np.r_[place]) != np.delete(before[name], np.r_[place])).all()


def test_an_optimizer_that_looks_at_the_whole_vector_leaves_frozen_layers_alone():
    class Normed(Optimizer):
        def update(self, params, grads, numbers):
            params -= numbers[0] * (grads / np.linalg.norm(grads) + params)

    net = network()
    net.layers[4].trainable = False
    before = [numbers(layer) for layer in net.layers]
    step(net, Normed(net, 0.1), 0)
    after = [numbers(layer) for layer in net.layers]
    assert after[4] == before[4] and after[1] != before[1] and after[6] != before[6]


def test_backward_ends_at_the_first_layer_that_learns():
    net = network()
    net.layers[1].trainable = net.layers[3].trainable = False
    called = []
    for i, layer in enumerate(net.layers):
        layer.backward = lambda *args, i=i, of=layer.backward, **options: called.append(i) or of(*args, **options)
    step(net, SGD(net, 0.1), 0)
    assert called == [6, 5, 4]
    net.trainable = False
    called.clear()
    step(net, SGD(net, 0.1), 0)
    assert called == []


def test_a_layer_of_ones_own_that_writes_its_gradients_itself_is_not_asked_for_them():
    class Scale(Layer):
        def build(self, input_shape, rng, dtype, xp):
            super().build(input_shape, rng, dtype, xp)
            self.params["s"], self.grads["s"] = xp.ones(1, dtype), xp.zeros(1, dtype)
            return self.output_shape

        def forward(self, x, training=False):
            self.check_input(x)
            self.save_for_backward(x)
            return x * self.params["s"]

        def backward(self, dy, param_grads=True, input_grad=True):
            x = self.saved(dy)
            if param_grads:
                self.grads["s"] += (x * dy).sum()
            return dy * self.params["s"] if input_grad else None

    net = Sequential([Dense(3), Scale()], (3,), dtype="float64")
    net.layers[1].trainable = False
    step(net, SGD(net, 0.1), 0)
    assert not net.layers[1].grads["s"].any() and net.layers[0].grads["W"].any()


def test_a_frozen_batch_norm_works_as_in_inference(rng):
    net = Sequential([Dense(4), BatchNorm(), Dense(2)], (3,), dtype="float64")
    optimizer = Adam(net, 0.01)
    for t in range(3):
        step(net, optimizer, t)
    norm, x = net.layers[1], rng.standard_normal((8, 3))
    norm.trainable, before = False, numbers(norm)
    np.testing.assert_array_equal(net.forward(x, training=True), net.predict(x))
    step(net, optimizer, 3)
    assert numbers(norm) == before
    norm.trainable = True
    assert (net.forward(x, training=True) != net.predict(x)).any() and numbers(norm) != before


def test_a_network_hands_it_on_and_learns_as_long_as_a_layer_does():
    net = network()
    assert net.trainable and all(layer.trainable for layer in net.layers)
    net.trainable = False
    assert not net.trainable and not any(layer.trainable for layer in net.inner_layers())
    net.layers[3].layers[0].trainable = True
    assert net.trainable and net.layers[3].trainable and not net.layers[4].trainable
    layer = Dense(3)
    layer.trainable = np.False_  # before it is built
    assert Sequential([layer], (2,)).trainable is False


@pytest.mark.parametrize("value", ["False", 0, None])
def test_only_true_and_false(value):
    net = network()
    with pytest.raises(OptionError, match="expected trainable as True or False"):
        net.trainable = value
    with pytest.raises(OptionError, match=r"4.Dense: expected trainable"):
        net.layers[4].trainable = value
    assert net.trainable


def test_clipping_weights_leaves_frozen_layers_alone():
    net = network()
    net.layers[1].trainable = False
    before = numbers(net.layers[1])
    clip_weights(net, 1e-3)
    assert numbers(net.layers[1]) == before and abs(net.layers[6].params["W"]).max() <= 1e-3


def test_the_summary_counts_them():
    net = network()
    assert "frozen" not in net.summary()
    net.layers[4].trainable = False
    text = net.summary()
    assert "4.Dense (frozen)" in text and text.count("(frozen)") == 1
    total = net.flat_params.size
    assert text.endswith(f"; {total - 28:,} parameters are trainable, 28 are frozen")
    assert "28 are frozen" in net._repr_html_()


def test_copies_and_files_keep_it():
    net, file = network(), io.BytesIO()
    net.layers[4].trainable = net.layers[3].layers[0].trainable = False
    net.save(file)
    file.seek(0)
    for other in (Sequential.load(file), copy.deepcopy(net), net.astype("float32")):
        assert [layer.trainable for layer in other.layers] == [layer.trainable for layer in net.layers]
        assert not other.layers[3].layers[0].trainable and not other.layers[4].trainable
        assert other.config() == net.config()


def test_a_file_cannot_say_anything_else(monkeypatch):
    net, file = network(), io.BytesIO()
    config = net.config()
    config["layers"][4]["trainable"] = "no"
    monkeypatch.setattr(net, "config", lambda: config, raising=False)
    net.save(file)
    file.seek(0)
    with pytest.raises(CheckpointError, match="expected trainable as True or False"):
        Sequential.load(file)


# checks


def test_checks_look_at_frozen_layers_too(rng):
    net = network()
    net.trainable = False
    assert check_gradients(net, (3,)).worst < 1e-6 and not net.trainable
    assert check_layer_of_network(net.layers[4], 0, with_tangent=True) < 1e-6
    gan = make_gan()
    networks = {"generator": gan.generator, "discriminator": gan.discriminator}
    for one in networks.values():
        one.trainable = False
    assert check_step(networks, "discriminator", gan.latent, gan.objective, (-1, 1), 0) < 1e-6


# in a GAN


def make_gan(device="cpu", **options):
    generator = Sequential([Dense(5), BatchNorm(), Tanh(), Dense(4), Reshape((2, 2, 1))], (3,), 0, "float64", device)
    discriminator = Sequential(
        [Reshape((4,)), Dense(6), LeakyReLU(), Dropout(0.3), Dense(1)], (2, 2, 1), 1, "float64", device
    )
    return GAN(generator, discriminator, **options)


def test_a_gan_trains_the_rest_saves_and_goes_on():
    gan = make_gan(objective=objectives.Wasserstein(clip=None), penalties=[penalties.WGANGP()])
    frozen = [gan.generator.layers[1], gan.generator.layers[3], gan.discriminator.layers[1]]
    average = MovingAverage(gan.generator)
    for layer in frozen:
        layer.trainable = False
    before, draw, file = [numbers(layer) for layer in frozen], np.random.default_rng(0), io.BytesIO()
    batches = draw.uniform(-1, 1, (6, 8, 2, 2, 1))
    for batch in batches[:3]:
        gan.train_step(batch)
        average.update()
    assert [numbers(layer) for layer in frozen] == before
    assert numbers(average.network.layers[3]) == before[1], "the average of what stays is what it is, to the last bit"
    gan.save(file)
    again = GAN.load(io.BytesIO(file.getvalue()))
    assert not again.generator.layers[3].trainable
    assert [gan.train_step(batch) for batch in batches[3:]] == [again.train_step(batch) for batch in batches[3:]]
    assert gan.generator.flat_params.tobytes() == again.generator.flat_params.tobytes()


def test_a_gan_with_a_frozen_network_says_that_it_will_never_learn():
    discriminator = make_gan().discriminator
    discriminator.trainable = False
    generator = make_gan().generator
    with pytest.warns(MisuseWarning, match=r"all layers of the discriminator are frozen.*trainable = True"):
        GAN(generator, discriminator)


@pytest.mark.parametrize("whole", [False, True])
def test_health_does_not_miss_the_gradients_of_frozen_layers(whole):
    gan, said = make_gan(), []
    (gan.discriminator if whole else gan.discriminator.layers[1]).trainable = False
    health = Health(gan, said.append)
    for t, batch in enumerate(np.random.default_rng(0).uniform(-1, 1, (3, 4, 2, 2, 1)), start=1):
        health.after_step(t, batch, *gan.train_step(batch))
    health.look_at_gradients(3)
    assert not [text for text in said if "vanishes in the discriminator" in text]
