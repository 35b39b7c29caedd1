"""Networks and GANs with labels: each sample gets its own, wherever it goes, and wrong labels change nothing."""

import copy

import numpy as np
import pytest
from rank_helpers import as_ranks

from minigan import GAN, Sequential, backend
from minigan.checks import check_gradients, check_layer, loops
from minigan.checks.step_check import check_step
from minigan.errors import DataError, DtypeError, GradientError, OptionError, ShapeError
from minigan.gan import latent, objectives, penalties
from minigan.gan.state import gan_state
from minigan.input_gradient import InputGradient
from minigan.layers import (
    BatchNorm,
    Concatenate,
    ConcatenateLabel,
    ConditionalBatchNorm,
    Conv2D,
    Dense,
    Embedding,
    Flatten,
    Layer,
    LeakyReLU,
    Projection,
    Reshape,
    Tanh,
)
from minigan.losses import BinaryCrossEntropy
from minigan.ops.class_sums import MANY, class_sums
from minigan.optimizers import SGD
from minigan.parallel import ALONE

CLASSES = 3
LABELS = np.array([2, 0, 2, 1, 2])


def test_layers_that_only_copy_cost_no_flops():
    for layers in ([ConcatenateLabel(CLASSES)], [ConcatenateLabel(CLASSES, size=4)], [Embedding(CLASSES, 7)]):
        assert Sequential(layers, (5,)).flops() == 0


def generator_layers():
    return [ConcatenateLabel(CLASSES), Dense(8), ConditionalBatchNorm(CLASSES), LeakyReLU(), Dense(4), Tanh()]


def network(dtype="float64", seed=0):
    return Sequential([*generator_layers(), Reshape((2, 2, 1))], (3,), seed=seed, dtype=dtype)


def make_gan(d_layers=None, dtype="float64", device="cpu", lr=0.1, **options):
    generator = network(dtype).to(device)
    d_layers = d_layers or [Flatten(), Dense(6), LeakyReLU(), Projection(CLASSES)]
    discriminator = Sequential(d_layers, (2, 2, 1), seed=1, dtype=dtype).to(device)
    optimizers = {"g_optimizer": SGD(generator, lr), "d_optimizer": SGD(discriminator, lr)}
    return GAN(generator, discriminator, **optimizers, **options)


# the layers


@pytest.mark.parametrize("classes", [1, 4, MANY + 40])
def test_sums_of_classes(xp, classes, rng):
    for n in (1, 9):
        rows, labels = rng.standard_normal((n, 3)), rng.integers(0, classes, n)
        expected = loops.class_sums(rows, labels, classes)
        at = np.zeros((classes, 3))
        np.add.at(at, labels, rows)
        np.testing.assert_allclose(at, expected, rtol=1e-12)
        there = [backend.to_device(array, xp) for array in (rows, labels)]
        out = xp.full((classes, 3), 7.0)
        for sums in (class_sums(*there, classes), class_sums(*there, classes, out=out), out):
            np.testing.assert_allclose(backend.to_cpu(sums), expected, rtol=1e-12, atol=1e-12)


def randomised(layer, shape, rng):
    net = Sequential([layer], shape, dtype="float64")
    net.flat_params += rng.standard_normal(net.flat_params.size)
    return net


@pytest.mark.parametrize("shape", [(4,), (2, 3, 2)])
def test_layers_against_loops(shape, rng):
    x = rng.standard_normal((5, *shape))

    def y(layer, training=False):
        return randomised(layer, shape, rng).forward(x, training, LABELS), layer.params

    for layer in (ConcatenateLabel(CLASSES), ConcatenateLabel(CLASSES, size=2)):
        found, params = y(layer)
        expected = loops.concatenate_label(x, LABELS, params.get("E", np.eye(CLASSES)))
        np.testing.assert_array_equal(found, expected)
    found, params = y(Embedding(CLASSES, 4))
    np.testing.assert_array_equal(found, loops.embedding(x, LABELS, params["E"]))
    norm = ConditionalBatchNorm(CLASSES)
    found, params = y(norm, training=True)
    scale = params["gamma"], params["beta"], norm.epsilon
    np.testing.assert_allclose(found, loops.conditional_batch_norm(x, LABELS, *scale), rtol=1e-9, atol=1e-12)
    found, state = norm.forward(x, False, LABELS), norm.state
    expected = loops.conditional_batch_norm(x, LABELS, *scale, state["mean"], state["variance"])
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    if len(shape) == 1:
        found, params = y(Projection(CLASSES))
        np.testing.assert_allclose(found, loops.projection(x, LABELS, params["w"], params["b"], params["E"]))


def test_conditional_batch_norm_of_equal_classes_is_batch_norm(rng):
    x, dy = rng.standard_normal((2, 5, 2, 2, 3))
    plain, conditional = BatchNorm(), ConditionalBatchNorm(CLASSES)
    nets = [Sequential([layer], (2, 2, 3), dtype="float64") for layer in (plain, conditional)]
    gamma, beta = rng.standard_normal((2, 3))
    for layer in (plain, conditional):
        layer.params["gamma"][...], layer.params["beta"][...] = gamma, beta
    for training in (True, False):
        ours, theirs = nets[1].forward(x, training, LABELS), nets[0].forward(x, training)
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
        np.testing.assert_allclose(nets[1].backward(dy), nets[0].backward(dy), rtol=1e-10, atol=1e-12)
    for name in ("gamma", "beta"):
        np.testing.assert_allclose(conditional.grads[name].sum(axis=0), plain.grads[name], rtol=1e-10)


# labels in a network


def test_gradients_of_a_network_and_of_its_input_gradient(rng):
    net, x = network(), rng.standard_normal((5, 3))
    assert check_gradients(net, x, labels=LABELS).worst < 1e-6
    assert check_gradients(net, (3,)).worst < 1e-6, "the check takes labels of its own"
    assert check_gradients(InputGradient(net), x, training=False, labels=LABELS).worst < 1e-6
    with pytest.raises(OptionError, match="no layer takes them"):
        check_gradients(Dense(2), (3,), labels=[0, 1, 1])


def test_labels_reach_networks_within_networks(rng):
    inner = Sequential([Dense(2), ConcatenateLabel(CLASSES)])
    net = Sequential([inner, Dense(1)], (3,), dtype="float64")
    assert net.takes_labels and net.classes == CLASSES and not Sequential([Dense(1)]).takes_labels
    assert check_gradients(net, (3,)).worst < 1e-6
    assert "1.Dense" in net.summary() and copy.deepcopy(net).classes == CLASSES


def test_a_branch_of_the_labels_alone(rng):
    """As one writes it with Keras: an Embedding, a Dense and a Reshape make one more channel of the image."""
    branch = [Embedding(CLASSES, 5), Dense(12), Reshape((4, 3, 1))]
    net = Sequential(
        [Concatenate([], branch), Conv2D(2, 3), Flatten(), Projection(CLASSES)], (4, 3, 2), dtype="float64"
    )
    x = rng.standard_normal((5, 4, 3, 2))
    assert check_gradients(net, x, labels=LABELS).worst < 1e-6
    assert check_gradients(InputGradient(net), x, labels=LABELS).worst < 1e-6
    y = net.forward(x, labels=LABELS)
    net.parallel(2)
    np.testing.assert_allclose(net.forward(x, labels=LABELS), y, rtol=1e-12)
    layer = net.layers[0]
    vectors = loops.embedding(x, LABELS, layer.layers[0].params["E"])
    maps = loops.dense(vectors, layer.layers[1].params["W"], layer.layers[1].params["b"]).reshape(5, 4, 3, 1)
    np.testing.assert_allclose(layer.forward(x, labels=LABELS), np.concatenate([x, maps], axis=3), rtol=1e-12)


def test_predict_gives_each_batch_its_labels(rng, tmp_path):
    net, x, labels = network(), rng.standard_normal((7, 3)), rng.integers(0, CLASSES, 7)
    whole = net.predict(x, labels=labels)
    np.testing.assert_allclose(net.predict(x, batch_size=2, labels=labels.tolist()), whole, rtol=1e-12)
    rows = [net.forward(x[[i]], labels=labels[[i]])[0] for i in range(7)]
    np.testing.assert_allclose(rows, whole, rtol=1e-12)
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(Sequential.load(tmp_path / "net.npz").predict(x, labels=labels), whole)
    for kind in ("uint8", "int32"):
        np.testing.assert_array_equal(net.predict(x, labels=labels.astype(kind)), whole)


def test_labels_that_change_between_forward_and_backward(rng):
    net, x, dy = network(), rng.standard_normal((5, 3)), rng.standard_normal((5, 2, 2, 1))
    given = LABELS.copy()
    results = []
    for change in (False, True):
        net.zero_grads()
        net.forward(x, True, given)
        if change:
            given[:] = 0  # the caller's own array: it stays writeable
        results.append((net.backward(dy), net.flat_grads.copy()))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


WRONG = {
    "none": (None, OptionError, "needs the labels"),
    "too few": (LABELS[:4], ShapeError, r"\(5,\), got \(4,\)"),
    "one-hot": (np.eye(3, dtype="int64")[LABELS], ShapeError, "argmax"),
    "one number": (1, DtypeError, "integers"),
    "floats": (LABELS.astype("float64"), DtypeError, "astype"),
    "booleans": (LABELS > 1, DtypeError, "integers"),
    "texts": (["a"] * 5, DtypeError, "integers"),
    "lists of several lengths": ([[1], [1, 2], 1, 1, 1], DtypeError, "integers"),
    "negative": (LABELS - 1, DataError, "from 0 on, got -1"),
    "too large": (LABELS + 1, DataError, "0 to 2, got 1 to 3"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_labels(name, rng):
    """One error from each place that takes labels; nothing is trained, and the next step is the one it would be."""
    labels, kind, text = WRONG[name]
    net, x, images = network(), rng.standard_normal((5, 3)), rng.standard_normal((5, 2, 2, 1))
    with pytest.raises(kind, match=f"Sequential.forward: .*{text}"):
        net.forward(x, True, labels)
    with pytest.raises(kind, match=f"Sequential.predict: .*{text}"):
        net.predict(x, labels=labels)
    gan, other = make_gan(), make_gan()
    with pytest.raises(kind, match=f"GAN.train_step: .*{text}"):
        gan.train_step(images, labels)
    if name not in ("none", "one number"):
        with pytest.raises(kind, match=f"GAN.sample: .*{text}"):
            gan.sample(5, labels=labels)
    assert gan.train_step(images, LABELS) == other.train_step(images, LABELS)
    for one, two in zip(*(gan_state(each)[0].values() for each in (gan, other)), strict=True):
        np.testing.assert_array_equal(one, two)


def test_labels_where_nobody_takes_them(rng):
    net = Sequential([Dense(2)], (3,), dtype="float64")
    for call in (net.forward, net.predict):
        with pytest.raises(OptionError, match="no layer takes them"):
            call(rng.standard_normal((5, 3)), labels=LABELS)


def test_networks_whose_layers_do_not_agree():
    with pytest.raises(OptionError, match=r"Projection: it takes labels of 4 classes, but a ConcatenateLabel.* of 3"):
        Sequential([ConcatenateLabel(3), Projection(4)])
    generator, plain = network(), Sequential([Dense(4), Reshape((2, 2, 1))], (3,), dtype="float64")
    discriminator = Sequential([Flatten(), Projection(CLASSES)], (2, 2, 1), dtype="float64")
    with pytest.raises(OptionError, match="the generator takes labels, but the discriminator does not"):
        GAN(generator, Sequential([Flatten(), Dense(1)], (2, 2, 1), dtype="float64"))
    with pytest.raises(OptionError, match="the discriminator takes labels, but the generator does not"):
        GAN(plain, discriminator)
    with pytest.raises(OptionError, match="labels of 3 classes, but the discriminator of 4"):
        GAN(generator, Sequential([Flatten(), Projection(4)], (2, 2, 1), dtype="float64"))


class Shift(Layer):
    """A layer of a user: y = x + t[label]"""

    takes_labels = True

    def __init__(self, classes):
        self.classes = classes

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_param("t", (self.classes, *input_shape), lambda shape, rng, dtype: np.zeros(shape, dtype), rng)
        return self.output_shape

    def forward(self, x, training=False, labels=None):
        self.check_input(x)
        labels = self.check_labels(labels, x)
        self.save_for_backward(labels)
        return x + self.params["t"][labels]

    def backward(self, dy, param_grads=True, input_grad=True):
        labels = self.saved(dy)
        if param_grads:
            self.add_grad("t", class_sums(dy, labels, self.classes))
        return dy if input_grad else None


class ShiftOfTheLast(Shift):
    def backward(self, dy, param_grads=True, input_grad=True):
        labels = self.saved(dy)
        if param_grads:
            self.grads["t"][labels] += dy
        return dy if input_grad else None


class Nameless(Shift):
    def __init__(self):
        pass


def test_a_layer_of_ones_own():
    assert "keeps the contract" in check_layer(lambda: Shift(3), (2,))
    with pytest.raises(GradientError, match="dt: "):
        check_layer(lambda: ShiftOfTheLast(3), (2,))
    with pytest.raises(OptionError, match="Nameless: it takes labels, but does not say of how many classes"):
        Sequential([Nameless()])
    with pytest.raises(OptionError, match="Nameless: it takes labels, but does not say of how many classes"):
        check_gradients(Nameless(), (2,))


# GANs


def mixing():
    return [Flatten(), Dense(6), ConditionalBatchNorm(CLASSES), LeakyReLU(), Projection(CLASSES)]


@pytest.mark.parametrize("d_layers", [None, mixing])
def test_a_step_judges_pairs(rng, d_layers):
    """The same step by hand, real and generated images apart, both with the labels of the batch."""
    gan, bce = make_gan(d_layers and d_layers()), BinaryCrossEntropy()
    G, D = copy.deepcopy(gan.generator), copy.deepcopy(gan.discriminator)
    latents = np.random.default_rng(0)
    for images in rng.standard_normal((3, 5, 2, 2, 1)):
        fake = G.forward(latent.Normal(3).sample(5, latents, "float64"), True, LABELS)
        D.zero_grads()
        d_loss = 0
        for batch, target in ((images, 1), (fake, 0)):
            value, dlogits = bce(D.forward(batch, True, LABELS), target)
            D.backward(dlogits)
            d_loss += value
        D.flat_params[...] -= 0.1 * D.flat_grads
        g_loss, dlogits = bce(D.forward(fake, True, LABELS), 1)
        G.zero_grads()
        G.backward(D.backward(dlogits))
        G.flat_params[...] -= 0.1 * G.flat_grads
        np.testing.assert_allclose(gan.train_step(images, LABELS), (d_loss, g_loss), rtol=1e-12)
    np.testing.assert_allclose(gan.discriminator.flat_params, D.flat_params, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(gan.generator.flat_params, G.flat_params, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_the_gradients_of_a_step_with_penalties(name):
    gan = make_gan()
    networks = {"generator": gan.generator, "discriminator": gan.discriminator}
    checked = [penalties.WGANGP(), penalties.R1()] if name == "discriminator" else []
    worst = check_step(networks, name, gan.latent, objectives.Wasserstein(clip=None), (-1, 1), 0, checked)
    assert worst < 1e-6


def test_samples(rng):
    gan = make_gan()
    z = latent.Normal(3).sample(7, np.random.default_rng(5), "float64")
    np.testing.assert_array_equal(gan.sample(7, 5), gan.generator.predict(z, labels=[0, 1, 2, 0, 1, 2, 0]))
    np.testing.assert_array_equal(gan.sample(7, 5, labels=2), gan.generator.predict(z, labels=[2] * 7))
    np.testing.assert_array_equal(gan.sample(7, 5, [1] * 6 + [0]), gan.generator.predict(z, labels=[1] * 6 + [0]))
    with pytest.raises(DataError, match=r"GAN.sample: expected labels from 0 to 2, got 3 to 3"):
        gan.sample(2, labels=3)
    plain = GAN(Sequential([Dense(4), Reshape((2, 2, 1))], (3,)), Sequential([Flatten(), Dense(1)], (2, 2, 1)))
    with pytest.raises(OptionError, match=r"GAN.sample: labels were given, but no layer takes them"):
        plain.sample(2, labels=0)
    with pytest.raises(OptionError, match=r"GAN.train_step: labels were given, but no layer takes them"):
        plain.train_step(rng.standard_normal((2, 2, 2, 1)).astype("float32"), [0, 1])


@pytest.mark.parametrize("workers", [2, 3])
def test_workers(workers, rng):
    alone, shared = make_gan(mixing(), penalties=[penalties.R1()]), make_gan(mixing(), penalties=[penalties.R1()])
    shared.parallel(workers)
    for images in rng.standard_normal((4, 5, 2, 2, 1)):
        np.testing.assert_allclose(shared.train_step(images, LABELS), alone.train_step(images, LABELS), rtol=1e-12)
    for one, other in zip(*(gan_state(each)[0].values() for each in (alone, shared)), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(shared.sample(9, 0), alone.sample(9, 0), rtol=1e-10)


def test_saved_and_loaded(rng, tmp_path):
    images = rng.standard_normal((4, 5, 2, 2, 1))
    gan = make_gan()
    gan.train_step(images[0], LABELS)
    gan.save(tmp_path / "gan.npz")
    other = GAN.load(tmp_path / "gan.npz")
    for batch in images[1:]:
        assert gan.train_step(batch, LABELS) == other.train_step(batch, LABELS)
    np.testing.assert_array_equal(gan.sample(5, 0), other.sample(5, 0))


@pytest.mark.parametrize("capture", [False, True])
def test_on_a_gpu(gpu, capture, rng):
    """The same steps as on the CPU; a captured step gets the labels of each batch."""

    def layers():
        return [ConcatenateLabel(CLASSES, size=2), Conv2D(2, 2), LeakyReLU(), Flatten(), Projection(CLASSES)]

    cpu, device = (make_gan(layers(), device=name) for name in ("cpu", "gpu"))
    if capture:
        device.capture(say=pytest.fail)
    for images in rng.standard_normal((7, 5, 2, 2, 1)):
        labels = rng.integers(0, CLASSES, 5)
        there = backend.to_device(images, gpu)
        given = backend.to_device(labels, gpu) if capture else labels
        expected = cpu.train_step(images, labels)
        for one, other in zip(expected, device.train_step(there, given), strict=True):
            np.testing.assert_allclose(backend.to_cpu(other), one, rtol=1e-9)
    np.testing.assert_allclose(backend.to_cpu(device.sample(4, 0)), cpu.sample(4, 0), rtol=1e-9, atol=1e-12)
    with pytest.raises(DataError, match="expected labels from 0 to 2"):
        device.train_step(there, backend.to_device(labels + 3, gpu))


@pytest.mark.parametrize("d_layers", [None, mixing])
def test_processes(d_layers, rng):
    """Each process makes and judges its own rows, with their labels."""
    images = rng.uniform(-1, 1, (3, 7, 2, 2, 1))
    labels = rng.integers(0, CLASSES, (3, 7))

    def trained(group):
        gan = make_gan(d_layers and d_layers(), penalties=[] if d_layers else [penalties.WGANGP()], seed=3)
        gan.join(group)
        losses = [gan.train_step(*batch) for batch in zip(images, labels, strict=True)]
        return losses, gan_state(gan)[0]

    alone, arrays = trained(ALONE)
    for losses, of_rank in as_ranks(3, trained):
        np.testing.assert_allclose(losses, alone, rtol=1e-11)
        for name, array in arrays.items():
            np.testing.assert_allclose(of_rank[name], array, rtol=1e-9, atol=1e-12)
