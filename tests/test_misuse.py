"""Mistakes that run without an error are told once, in words; sound use and all experiments give no warning."""

import warnings

import numpy as np
import pytest

from minigan import GAN, Sequential, data
from minigan.checks import check_layer
from minigan.errors import MisuseWarning
from minigan.experiments import EXPERIMENTS, find
from minigan.gan import objectives
from minigan.layers import (
    ELU,
    GELU,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    UpSampling2D,
)
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import SGD, Adam, RMSProp


@pytest.fixture(autouse=True)
def every_warning(request):
    """Each warning is an error here, unless a test expects it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", MisuseWarning)
        yield


def generator(*end, shape=(4, 4, 1)):
    return Sequential([Dense(int(np.prod(shape))), *(end or [Tanh()]), Reshape(shape)], (3,))


def discriminator(*end, shape=(4, 4, 1)):
    return Sequential([Flatten(), Dense(6), LeakyReLU(), Dense(1), *end], shape)


def images(low=-1, high=1, n=6, shape=(4, 4, 1)):
    drawn = np.random.default_rng(0).uniform(low, high, (n, *shape))
    drawn.flat[:2] = low, high
    return drawn.astype("float32")


def told(run):
    """The texts of all MisuseWarnings while `run` runs, and the files that they point to."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    found = [warning for warning in caught if issubclass(warning.category, MisuseWarning)]
    return [str(warning.message) for warning in found], {warning.filename for warning in found}


# how networks end


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ([Sigmoid()], "the objectives take unbounded logits"),
        ([Tanh()], "D can never be sure"),
        ([ReLU()], "D can never call an image generated"),
        ([Softplus()], "D can never call an image generated"),
        ([ELU()], "lower bound"),
        ([SiLU()], "lower bound"),
        ([GELU()], "lower bound"),
        ([Softmax()], "always 1"),
        ([Dropout(0.5)], "0 by chance"),
        ([GaussianNoise(0.5)], "is chance"),
        ([BatchNorm()], "gives both the same mean"),
        ([Sigmoid(), Flatten()], "ends in Sigmoid"),
        ([Sequential([Reshape((1,)), Sigmoid()])], "ends in Sigmoid"),
    ],
)
def test_endings_of_a_discriminator(end, reason):
    G, D = generator(), discriminator(*end)
    gans = []
    texts, files = told(lambda: gans.append(GAN(G, D)))
    assert len(texts) == 1
    gans[0].train_step(images())  # nothing more in its steps
    assert texts[0].startswith("GAN: the discriminator ends in") and reason in texts[0]
    assert files == {__file__}, "the warning points to who made the GAN"


def test_a_generator_that_ends_in_chance():
    with pytest.warns(MisuseWarning, match="the generator ends in Dropout: .*pixels"):
        GAN(generator(Tanh(), Dropout(0.3)), discriminator())
    with pytest.warns(MisuseWarning, match="the generator ends in GaussianNoise: .*tell them apart"):
        GAN(generator(Tanh(), GaussianNoise(0.3)), discriminator())


@pytest.mark.parametrize("end", [[], [LeakyReLU()], [Reshape((1,))], [LeakyReLU(0.9), Dense(1)], [Sigmoid(), Dense(1)]])
def test_sound_endings(end):
    G, D = generator(), discriminator(*end)
    for objective in (None, objectives.Hinge(), objectives.Wasserstein(), objectives.LeastSquares()):
        GAN(G, D, objective=objective).train_step(images())


def test_channels_first():
    D = Sequential([Conv2D(2, 3), Flatten(), Dense(1)], (1, 8, 8))
    with pytest.warns(MisuseWarning, match=r"of shape \(1, 8, 8\) the channels seem to come first.*\(8, 8, 1\)"):
        GAN(generator(shape=(1, 8, 8)), D)


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 8, 3), (3, 8, 2), (1, 1, 4), (3, 3, 3)])
def test_channels_last(shape):
    GAN(generator(shape=shape), Sequential([Conv2D(2, 1), Flatten(), Dense(1)], shape))
    GAN(generator(shape=(1, 8, 8)), discriminator(shape=(1, 8, 8)))  # Dense layers do not mind


# the range of images


@pytest.mark.parametrize(
    ("end", "low", "high"),
    [
        ([Tanh()], 0, 255),
        ([Tanh()], -0.42, 2.82),  # MNIST with mean 0 and deviation 1
        ([Tanh()], -2, 1),
        ([Sigmoid()], -1, 1),
        ([Sigmoid()], 0, 255),
        ([Sequential([Tanh()]), Flatten()], 0, 255),
        ([Tanh(), Reshape((2, 2, 4)), UpSampling2D(2), Reshape((4, 16, 1))], 0, 255),
    ],
)
def test_images_far_outside_what_the_generator_makes(end, low, high):
    G = Sequential([Dense(16), *end], (3,))
    gan, batch = GAN(G, discriminator(shape=G.output_shape)), images(low, high, shape=G.output_shape)
    texts, files = told(lambda: [gan.train_step(batch) for _ in range(3)])
    assert len(texts) == 1 and f"the images go from {low} to {high}" in texts[0]
    assert "minigan.data.scale(images" in texts[0] and files == {__file__}


@pytest.mark.parametrize(
    ("end", "low", "high"),
    [
        ([Tanh()], -1, 1),
        ([Tanh()], -1.3, 1.3),  # with noise
        ([Tanh()], -0.01, 1),
        ([Tanh()], 0, 0.8),  # dark
        ([Tanh()], 0.3, 1),  # bright
        ([Sigmoid()], 0, 1),
        ([Sigmoid()], -0.1, 1.1),
        ([LeakyReLU()], 0, 255),
        ([Tanh()], 0.5, 0.5),  # one colour, as in a first experiment
    ],
)
def test_images_in_range(end, low, high):
    GAN(generator(*end), discriminator()).train_step(images(low, high))


def test_images_in_0_1_for_a_tanh():
    gan, batch = GAN(generator(), discriminator()), images(0, 1)
    texts, files = told(lambda: [gan.train_step(batch) for _ in range(3)])
    assert len(texts) == 1 and files == {__file__}
    assert "the images go from 0 to 1, but the images of G go from -1 to 1, where 0 is grey and not black" in texts[0]
    GAN(generator(), discriminator()).train_step(2 * batch - 1)  # what the warning says


@pytest.mark.parametrize("name", ["B7", "E6-upsampling01", "mlp-gan+data_range=0:1"])
def test_an_experiment_may_have_images_in_0_1(name):
    experiment = find(name)
    gan = experiment.make_gan(experiment.image_shape)
    gan._check_images(images(0, 1, 2, experiment.image_shape))


@pytest.mark.parametrize(("end", "scaled_twice"), [(Tanh(), (-1.0, -0.992)), (Sigmoid(), (0.0, 0.004))])
def test_images_scaled_twice(end, scaled_twice):
    gan = GAN(generator(end), discriminator())
    with pytest.warns(MisuseWarning, match=r"nearly all of one colour\. Were they scaled twice"):
        gan.train_step(images(*scaled_twice))


def test_floats_that_were_cut_to_bytes():
    cut = np.zeros((4, 3, 3, 1), "uint8")
    data.batches(cut, 2, np.random.default_rng(0))  # black is black
    data.batches(cut + 2, 2, np.random.default_rng(0))
    cut[0, 1] = 1
    with pytest.warns(MisuseWarning, match=r"all bytes are 0 or 1, .* \(images \* 255\)"):
        data.batches(cut, 2, np.random.default_rng(0))


# layers, losses, optimizers


@pytest.mark.parametrize("shape", [(5,), (1, 1, 5)])
def test_batch_norm_on_one_row(shape):
    net = Sequential([BatchNorm()], shape)
    one, two = np.ones((1, *shape), "float32"), np.ones((2, *shape), "float32")
    net.predict(one)
    net.forward(two, training=True)
    texts, _ = told(lambda: [net.forward(one, training=True) for _ in range(3)])
    assert len(texts) == 1 and "0.BatchNorm: trained on a single row" in texts[0]
    assert not net.backward(one).any()


def test_one_image_has_many_rows():
    Sequential([BatchNorm()], (3, 3, 2)).forward(np.ones((1, 3, 3, 2), "float32"), training=True)


def test_what_minigan_does_itself_is_no_misuse():
    G = Sequential([Dense(16), BatchNorm(), Tanh(), Reshape((4, 4, 1))], (3,))
    gan = GAN(G, Sequential([Flatten(), Dense(4), BatchNorm(), LeakyReLU(), Dense(1)], (4, 4, 1)))
    assert "BatchNorm" in gan.generator.summary() and "BatchNorm" in gan.discriminator._repr_html_()
    gan.sample(1)
    gan.train_step(images())


def test_the_check_of_a_layer_says_nothing_of_its_own_batch_of_one():
    check_layer(BatchNorm, (3,))


@pytest.mark.parametrize(
    ("layer", "shape", "meant"),
    [
        (lambda: Conv2D(3, 16, 3), (28, 28, 3), r"Conv2D\(16, 3\)"),
        (lambda: Conv2D(1, 64, 4), (28, 28, 1), r"Conv2D\(64, 4\)"),
        (lambda: Conv2DTranspose(8, 16, 2), (7, 7, 8), r"Conv2DTranspose\(16, 2\)"),
    ],
)
def test_convolutions_in_the_order_of_pytorch(layer, shape, meant):
    with pytest.warns(MisuseWarning, match=f"takes no number of input channels. Did you mean {meant}") as caught:
        Sequential([layer()], shape)
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize(
    ("layer", "channels"),
    [
        (lambda: Conv2D(16, 3, 2), 16),
        (lambda: Conv2D(3, 7, 2), 3),
        (lambda: Conv2D(96, 11, 4), 3),  # AlexNet
        (lambda: Conv2D(32, 16, 16), 3),  # patches
        (lambda: Conv2D(1, 15), 1),  # a blur
    ],
)
def test_sound_convolutions(layer, channels):
    Sequential([layer()], (32, 32, channels))


@pytest.mark.parametrize("target", [-1, 2, np.array([[1.0], [-1.0]]), np.array([[0.0], [255.0]])])
def test_targets_that_are_no_shares(target):
    loss = BinaryCrossEntropy()
    texts, files = told(lambda: [loss(np.ones((2, 1)), target) for _ in range(3)])
    assert len(texts) == 1 and "0 means no and 1 means yes" in texts[0] and files == {__file__}


def test_targets_near_shares(rng):
    loss = BinaryCrossEntropy()
    for target in (0, 1, 0.9, 1.2, -0.3, rng.uniform(0.7, 1.2, (4, 1))):
        loss(np.ones((4, 1)), target)


@pytest.mark.parametrize("kind", [Adam, RMSProp])
def test_learning_rates_beyond_all_use(kind):
    net = Sequential([Dense(2)], (3,))
    for lr in (1e-5, 0.1, 0.9):
        kind(net, lr)
    SGD(net, 5.0)  # what it moves by depends on the gradients
    for lr in (1, 2e4):
        texts, files = told(lambda lr=lr: kind(net, lr))
        assert len(texts) == 1 and f"{kind.__name__}: lr={lr:g} moves" in texts[0] and files == {__file__}


# no false alarm


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=list(EXPERIMENTS))
def test_no_experiment_is_warned_of(experiment):
    """Its networks, its optimizers, its objective, and a batch in its range."""
    shape = experiment.image_shape
    gan = experiment.make_gan(shape)
    low, high = experiment.data_range
    gan._check_images(images(low, high, 2, shape))
    logits = np.ones((4, 1), "float32")
    for loss in (gan.objective.real, gan.objective.fake):
        loss(logits, gan.rng)
