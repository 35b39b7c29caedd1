"""SpectralNorm: against the plain loops, its u along training, and what is around it: files, workers, GPU, errors."""

import copy

import numpy as np
import pytest
from layer_cases import labels_for

from minigan import GAN, Sequential, npz
from minigan.analysis import hessian_vector_product
from minigan.checks import loops
from minigan.errors import CheckpointError, MisuseWarning, OptionError, ShapeError
from minigan.gan import objectives
from minigan.gan.state import gan_state
from minigan.layers import (
    LSTM,
    ConcatenateLabel,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LeakyReLU,
    Projection,
    Reshape,
    SpectralNorm,
    Tanh,
)
from minigan.optimizers import Adam

INNER = {
    "dense": (lambda: Dense(4), (5,)),
    "conv": (lambda: Conv2D(3, (2, 3)), (4, 5, 2)),
    "transposed conv": (lambda: Conv2DTranspose(3, (2, 3), 2), (2, 3, 2)),
}
SEVERAL = {  # with other matrices, or two: their names, and those of their u
    "embedding": (lambda: Embedding(4, 3), (2,), {"E": "u_E"}),
    "projection": (lambda: Projection(3), (5,), {"w": "u_w", "E": "u_E"}),
    "lstm": (lambda: LSTM(3, return_sequences=True), (4, 2), {"W": "u", "U": "u_U"}),
}


def network(layers, shape, rng, seed=0):
    """A network whose weights have moved away from the u that it was built with."""
    net = Sequential(layers, shape, dtype="float64", seed=seed)
    net.flat_params += 0.5 * rng.standard_normal(net.flat_params.size)
    return net


def matrix(name, W):
    """W with a column for each output, number by number."""
    if name == "dense":
        return W
    M = np.zeros((W[..., 0].size, W.shape[-1]) if name == "conv" else (W[:, :, 0].size, W.shape[2]))
    for index in np.ndindex(W.shape):
        *window, i, f = index if name == "conv" else (*index[:2], index[3], index[2])
        row = (window[0] * W.shape[1] + window[1]) * (len(M) // W.shape[0] // W.shape[1]) + i
        M[row, f] = W[index]
    return M


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("training", [True, False])
def test_against_loops(name, training, rng):
    make, shape = INNER[name]
    net = network([SpectralNorm(make())], shape, rng)
    layer, u = net.layers[0], net.layers[0].state["u"].copy()
    plain = Sequential([make()], shape, dtype="float64")
    Mbar, next_u = loops.spectral_norm(matrix(name, layer.params["W"]), u)
    sigma = matrix(name, layer.params["W"])[0, 0] / Mbar[0, 0]
    plain.layers[0].params = {"W": layer.params["W"] / sigma, "b": layer.params["b"]}
    x = rng.standard_normal((3, *shape))
    np.testing.assert_allclose(net.forward(x, training), plain.forward(x), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.state["u"], next_u if training else u, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("training", [True, False])
def test_each_matrix_has_a_u_and_a_sigma_of_its_own(name, training, rng):
    make, shape, matrices = SEVERAL[name]
    net, plain = network([SpectralNorm(make())], shape, rng), Sequential([make()], shape, dtype="float64")
    layer, inner = net.layers[0], plain.layers[0]
    assert set(layer.state) == set(matrices.values())
    before = {of_u: u.copy() for of_u, u in layer.state.items()}
    inner.params = dict(layer.params)
    next_us = {}
    for matrix_name, of_u in matrices.items():
        Mbar, next_us[of_u] = loops.spectral_norm(layer.params[matrix_name], before[of_u])
        inner.params[matrix_name] = Mbar
    x = rng.standard_normal((5, *shape))
    y, expected = (one.forward(x, training, **labels_for(one, 5)) for one in (net, plain))
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-13)
    for of_u, u in layer.state.items():
        np.testing.assert_allclose(u, next_us[of_u] if training else before[of_u], rtol=1e-12, atol=1e-13)
    for _ in range(200):
        net.forward(x, True, **labels_for(net, 5))
    for matrix_name, of_u in matrices.items():
        M = layer.params[matrix_name]
        assert np.isclose(np.linalg.norm(M @ layer.state[of_u]), np.linalg.svd(M)[1][0])


def test_a_projection_discriminator_of_normalized_layers_trains_and_is_saved(tmp_path):
    """As Miyato and Koyama have it, with a penalty, too; the weights of an LSTM likewise."""
    from minigan.gan import penalties

    gans = []
    for last in ([SpectralNorm(Projection(3))], [Reshape((3, 2)), SpectralNorm(LSTM(4)), SpectralNorm(Projection(3))]):
        G = Sequential([ConcatenateLabel(3), Dense(4), Tanh()], (2,))
        D = Sequential([SpectralNorm(Dense(6)), LeakyReLU(), *last], (4,), seed=1)
        gans.append(GAN(G, D, None, objectives.Hinge(), penalties=[penalties.R1()]))
    batches, labels = np.random.default_rng(0).uniform(-1, 1, (4, 9, 4)).astype("float32"), np.arange(9) % 3
    for gan in gans:
        gan.train_step(batches[0], labels)
        gan.save(tmp_path / "gan.npz")
        twins = gan, GAN.load(tmp_path / "gan.npz")
        for images in batches[1:]:
            losses = [twin.train_step(images, labels) for twin in twins]
        assert losses[0] == losses[1] and np.isfinite(losses).all()


@pytest.mark.parametrize("inner", [Embedding(3, 4), Projection(3)])
def test_products_with_the_hessian_where_there_are_labels(inner, rng):
    net = network([Dense(3), SpectralNorm(inner), Tanh(), SpectralNorm(Dense(1))], (2,), rng)
    x, v, labels = rng.standard_normal((5, 2)), rng.standard_normal(net.flat_params.size), np.array([2, 0, 2, 1, 0])

    def gradient(step):
        twin = copy.deepcopy(net)
        twin.flat_params += step * v
        twin.zero_grads()
        twin.backward(twin.forward(x, labels=labels) ** 2)
        return twin.flat_grads.copy()

    product = hessian_vector_product(net, x, lambda y: y**2, v, labels=labels)
    wanted = (gradient(1e-5) - gradient(-1e-5)) / 2e-5
    np.testing.assert_allclose(product, wanted, rtol=1e-6, atol=1e-7 * abs(wanted).max())


def test_labels_reach_the_inner_layer_or_are_refused(rng):
    layer = Sequential([SpectralNorm(Projection(3))], (2,)).layers[0]
    x = rng.standard_normal((2, 2)).astype("float32")
    with pytest.raises(OptionError, match="labels"):
        layer.forward(x)
    with pytest.raises(OptionError, match="labels"):
        Sequential([SpectralNorm(Dense(3))], (2,)).layers[0].forward(x, False, np.array([0, 1]))


@pytest.mark.parametrize("name", INNER)
def test_sigma_becomes_the_largest_singular_value(name, rng):
    make, shape = INNER[name]
    net = network([SpectralNorm(make())], shape, rng)
    M, x = matrix(name, net.layers[0].params["W"]), rng.standard_normal((2, *shape))
    largest = np.linalg.svd(M)[1][0]
    sigmas = []
    for _ in range(100):
        sigmas.append(np.linalg.norm(M @ net.layers[0].state["u"]))
        net.forward(x, training=True)
    assert (np.diff(sigmas) > -1e-12).all() and sigmas[0] < 0.999 * largest and np.isclose(sigmas[-1], largest)


def test_a_new_layer_divides_by_nearly_the_largest_singular_value():
    net = Sequential([SpectralNorm(Dense(64))], (100,), seed=1)
    W, u = net.layers[0].params["W"], net.layers[0].state["u"]
    assert 0.95 < np.linalg.norm(W @ u) / np.linalg.svd(W)[1][0] <= 1 + 1e-6


def test_no_slope_of_a_trained_discriminator_exceeds_1():
    """The singular values after 40 steps, whose rate is high: the u of the step before is good enough."""
    gan = make_gan(1, dtype="float32", lr=2e-3)
    for images in np.random.default_rng(0).uniform(-1, 1, (40, 16, 6)).astype("float32"):
        gan.train_step(images)
    for layer in gan.discriminator.layers[::3]:
        M = matrix("dense", layer.params["W"])
        assert np.linalg.svd(M)[1][0] / np.linalg.norm(M @ layer.state["u"]) < 1.02


def make_gan(workers, dtype="float64", lr=1e-2):
    hidden = [SpectralNorm(Dense(7)), LeakyReLU(), Dropout(0.2), SpectralNorm(Dense(5)), Tanh(), Dropout(0.1)]
    G = Sequential([Dense(8), LeakyReLU(), Dense(6), Tanh()], (4,), dtype=dtype)
    D = Sequential([*hidden, SpectralNorm(Dense(1))], (6,), dtype=dtype, seed=1)
    gan = GAN(G, D, None, objectives.Hinge(), Adam(G, lr), Adam(D, lr))
    gan.parallel(workers)
    return gan


def test_u_and_all_else_do_not_depend_on_the_number_of_workers():
    states = []
    for workers in (1, 2, 3):
        gan = make_gan(workers)
        for images in np.random.default_rng(0).uniform(-1, 1, (4, 9, 6)):
            gan.train_step(images)
        states.append(gan_state(gan)[0])
    for other in states[1:]:
        for name, value in states[0].items():
            np.testing.assert_allclose(other[name], value, rtol=1e-8, atol=1e-10, err_msg=name)


def test_each_training_pass_moves_u_once_for_all_workers(rng):
    net = network([SpectralNorm(Dense(4))], (5,), rng)
    net.parallel(3)
    W, u = net.layers[0].params["W"], net.layers[0].state["u"].copy()
    x = rng.standard_normal((7, 5))
    for _ in range(3):
        net.forward(x, training=True)
        _, u = loops.spectral_norm(W, u)
        np.testing.assert_allclose(net.layers[0].state["u"], u, rtol=1e-12)
        net.predict(x)


def test_saved_and_loaded_gans_go_on_bit_for_bit(tmp_path):
    gan = make_gan(1)
    batches = np.random.default_rng(0).uniform(-1, 1, (4, 9, 6))
    for images in batches[:2]:
        gan.train_step(images)
    gan.save(tmp_path / "gan.npz")
    twins = [gan, GAN.load(tmp_path / "gan.npz"), copy.deepcopy(gan)]
    for twin in twins:
        for images in batches[2:]:
            twin.train_step(images)
    for twin in twins[1:]:
        for name, value in gan_state(gan)[0].items():
            np.testing.assert_array_equal(gan_state(twin)[0][name], value)


def test_predict_between_forward_and_backward_changes_nothing(rng):
    """Even though u, and with it Wbar, has moved since forward."""
    for make, shape in INNER.values():
        net = network([SpectralNorm(make())], shape, rng)
        twin, x = copy.deepcopy(net), rng.standard_normal((3, *shape))
        dy = rng.standard_normal((3, *net.output_shape))
        for each in (net, twin):
            each.zero_grads()
            each.forward(x, training=True)
        net.predict(x)
        np.testing.assert_array_equal(net.backward(dy), twin.backward(dy))
        np.testing.assert_array_equal(net.flat_grads, twin.flat_grads)


def test_weights_that_are_all_0(rng):
    """y is the bias, nothing is NaN, and u is kept for weights that have a direction again."""
    net = Sequential([SpectralNorm(Dense(3))], (4,))
    u = net.layers[0].state["u"].copy()
    net.flat_params = np.zeros_like(net.flat_params)
    x = rng.standard_normal((2, 4)).astype("float32")
    assert not net.forward(x, training=True).any()
    net.backward(np.ones((2, 3), "float32"))
    assert np.isfinite(net.flat_grads).all()
    np.testing.assert_array_equal(net.layers[0].state["u"], u)


@pytest.mark.parametrize("scale", [1e-9, 1e15])
def test_the_scale_of_the_weights_does_not_matter(scale, rng):
    net = Sequential([SpectralNorm(Dense(3, use_bias=False))], (4,))
    x = rng.standard_normal((2, 4)).astype("float32")
    y = net.predict(x)
    net.flat_params *= np.float32(scale)
    np.testing.assert_allclose(net.predict(x), y, rtol=1e-5)


def test_the_summary_counts_what_the_inner_layer_does():
    layers = [Conv2D(4, 3, algorithm="im2col"), LeakyReLU(), Flatten(), Dense(3)]
    plain = Sequential(layers, (6, 6, 2))
    layers = [SpectralNorm(Conv2D(4, 3, algorithm="im2col")), LeakyReLU(), Flatten(), SpectralNorm(Dense(3))]
    net = Sequential(layers, (6, 6, 2))
    assert net.flat_params.size == plain.flat_params.size and net.flops() == plain.flops()
    ours, theirs = net.summary().splitlines(), plain.summary().splitlines()
    assert "0.SpectralNorm Conv2D im2col" in ours[3] and "3.SpectralNorm Dense" in ours[6]
    for one, other in zip(ours[2:7], theirs[2:7], strict=True):
        assert one.split()[-4:] == other.split()[-4:]


def test_after_a_failed_build_the_layers_can_be_used_again():
    parts = [SpectralNorm(Dense(4)), SpectralNorm(Conv2D(2, 3))]
    for _ in range(2):
        with pytest.raises(ShapeError, match=r"1\.SpectralNorm: expected images"):
            Sequential(parts, (5,))
    assert Sequential(parts[:1], (5,)).output_shape == (4,)


@pytest.mark.parametrize(
    "inner", [Tanh(), ConcatenateLabel(3, 2), SpectralNorm(Dense(2)), Sequential([Dense(2)]), Dense, 3, None]
)
def test_layers_without_matrices_of_weights_are_refused(inner):
    with pytest.raises(OptionError, match="SpectralNorm: expected inner as a"):
        SpectralNorm(inner)


def test_wrong_input_is_refused_in_words(rng):
    net = Sequential([SpectralNorm(Dense(2))], (3,))
    with pytest.raises(ShapeError, match=r"0\.SpectralNorm forward: expected x of shape \(n, 3\)"):
        net.layers[0].forward(np.zeros((2, 4), "float32"))
    with pytest.raises(ShapeError, match="SpectralNorm: not built yet"):
        SpectralNorm(Dense(2)).flops()


@pytest.mark.parametrize("change", [("Dense", "Tanh"), ("Dense", "SpectralNorm"), ('"units": 2', '"units": 10000000')])
def test_a_file_with_another_inner_layer_is_refused(change, tmp_path):
    net = Sequential([SpectralNorm(Dense(2))], (3,))
    net.save(tmp_path / "net.npz")
    arrays = npz.from_bytes((tmp_path / "net.npz").read_bytes(), "net")
    arrays["architecture"] = str(arrays["architecture"]).replace(*change)
    (tmp_path / "net.npz").write_bytes(npz.to_bytes(arrays))
    with pytest.raises(CheckpointError):
        Sequential.load(tmp_path / "net.npz")


def test_channels_first_are_noticed_within():
    G = Sequential([Dense(64), Tanh(), Reshape((1, 8, 8))], (4,))
    D = Sequential([SpectralNorm(Conv2D(2, 3)), Flatten(), Dense(1)], (1, 8, 8))
    with pytest.warns(MisuseWarning, match="channels seem to come first"):
        GAN(G, D)
