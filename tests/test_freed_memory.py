"""Networks and GANs are free as soon as nobody holds them: their arrays do not wait for Python's garbage collector."""

import copy
import gc
import weakref

import numpy as np
import pytest

from minigan import GAN, Sequential, models
from minigan.gan import objectives, penalties
from minigan.layers import Add, BatchNorm, Dense, Dropout, ReLU
from minigan.ops.gpu.graphs import WARM_UP


@pytest.fixture(autouse=True)
def without_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def make_gan(device="cpu", classes=None, **options):
    shape = (4, 4, 1)
    if classes:
        generator = models.conditional_mlp_generator((8,), classes, shape)
        discriminator = models.conditional_mlp_discriminator((8,), classes)
    else:
        generator, discriminator = models.mlp_generator((8,), shape, batch_norm=True), models.mlp_discriminator((8,))
    return GAN(Sequential(generator, (3,), device=device), Sequential(discriminator, shape, device=device), **options)


def train(gan, steps=2):
    xp = gan.generator.xp
    for _ in range(steps):
        labels = None if gan.generator.classes is None else xp.arange(6) % gan.generator.classes
        gan.train_step(xp.zeros((6, 4, 4, 1), "float32"), labels)
    gan.sample(2, seed=0)
    return gan


def alive(make):
    """The parts of a GAN that are still there after it is deleted."""
    gan = make()
    parts = {"gan": gan, "g_optimizer": gan.g_optimizer, "d_optimizer": gan.d_optimizer}
    networks = {"generator": gan.generator, "discriminator": gan.discriminator}
    if gan.moving_average:
        networks["average"] = gan.moving_average.network
    parts |= {f"{name}'s parameters": net.flat_params for name, net in networks.items()}
    parts |= {f"{name}'s gradients": net.flat_grads for name, net in networks.items()} | networks
    watched = {name: weakref.ref(part) for name, part in parts.items()}
    del gan, parts, networks
    return [name for name, part in watched.items() if part() is not None]


def shared(gan):
    gan.parallel(2)
    return gan


CASES = {
    "new": lambda: make_gan(),
    "trained": lambda: train(make_gan()),
    "with an average": lambda: train(make_gan(ema=0.9)),
    "in parts of a batch": lambda: train(make_gan(accumulate=2)),
    "with a penalty": lambda: train(make_gan(objective=objectives.Hinge(), penalties=[penalties.R1()])),
    "with labels": lambda: train(make_gan(classes=3)),
    "shared by threads": lambda: train(shared(make_gan(ema=0.9))),
    "a copy": lambda: train(copy.deepcopy(train(make_gan()))),
    "captured, on a CPU": lambda: captured(make_gan()),
}


def captured(gan):
    gan.capture()
    return train(gan, WARM_UP + 2)


@pytest.mark.parametrize("case", CASES)
def test_a_gan_is_free_at_once(case):
    assert alive(CASES[case]) == []


def test_a_gan_with_captured_steps_is_free_at_once(gpu):
    left = alive(lambda: captured(make_gan("gpu", ema=0.9)))
    assert [name for name in left if "'s" not in name] == []  # a device's arrays may wait in a pool


def test_the_graphs_of_a_gan_are_not_taken_by_a_copy(gpu):
    gan = captured(make_gan("gpu"))
    assert gan._graphs.graphs and copy.deepcopy(gan)._graphs is None


def test_a_loaded_gan_is_free_at_once(tmp_path):
    train(make_gan()).save(tmp_path / "gan.npz")
    assert alive(lambda: train(GAN.load(tmp_path / "gan.npz"))) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_network_is_free_at_once(workers):
    net = Sequential([Dense(4), BatchNorm(), Add([Dense(4), Dropout(0.2)], []), ReLU(), Dense(2)], (3,))
    net.parallel(workers)
    net.backward(net.forward(np.ones((8, 3), "float32"), training=True))
    watched = [weakref.ref(part) for part in (net, net.flat_params, net.flat_grads, *net.layers)]
    del net
    assert [part() for part in watched if part() is not None] == []


def test_threads_find_their_network_again():
    """What a shared network holds of itself does not end while it computes, nor does a copy lose it."""
    net = Sequential([Dense(4), Dense(2)], (3,))
    net.parallel(2)
    twin, x = copy.deepcopy(net), np.ones((8, 3), "float32")
    expected = net.predict(x)
    del net
    twin.parallel(2)
    np.testing.assert_array_equal(twin.forward(x, training=True), twin.shared.forward(x, True, None))
    np.testing.assert_allclose(twin.predict(x), expected)
