"""The arrays of layers: what is assigned arrives, what backward needs stays as it was, copies are whole."""

import copy
import pickle
import threading

import numpy as np
import pytest
from layer_cases import LAYERS

from minigan import GAN, Sequential, layers
from minigan.errors import CacheError, DtypeError, OptionError, ShapeError
from minigan.gan import objectives
from minigan.layers import LSTM, BatchNorm, Conv2D, Dense, Dropout, Flatten, Layer, LeakyReLU, Reshape, Sigmoid, Tanh
from minigan.optimizers import SGD, Adam, RMSProp


def network(dtype="float64", seed=0):
    parts = [Dense(4), BatchNorm(), LeakyReLU(), Dropout(0.3), Sequential([Dense(3), Tanh()])]
    return Sequential(parts, (5,), seed=seed, dtype=dtype)


# What is assigned arrives


def test_assigned_parameters_gradients_and_state_are_those_of_the_network(rng, tmp_path):
    net = network()
    w = rng.standard_normal((5, 4))
    net.layers[0].params["W"] = w
    assert np.array_equal(net.flat_params[: w.size], w.ravel()) and net.layers[0].params["W"] is not w
    net.params["0.Dense.W"] = 2 * w
    assert np.array_equal(net.layers[0].params["W"], 2 * w)
    net.layers[0].grads["W"] = w
    assert np.array_equal(net.flat_grads[: w.size], w.ravel())
    net.layers[1].state["mean"] = np.arange(4.0)
    net.save(tmp_path / "net.npz")
    loaded = Sequential.load(tmp_path / "net.npz")
    assert loaded.layers[1].state["mean"].tolist() == [0, 1, 2, 3]
    assert np.array_equal(loaded.layers[0].params["W"], 2 * w)


def test_update_and_whole_dictionaries_arrive_too(rng):
    net = network()
    w = rng.standard_normal((5, 4))
    net.layers[0].params.update(W=w)
    assert np.array_equal(net.flat_params[: w.size], w.ravel())
    net.layers[0].params = {"W": 2 * w, "b": np.ones(4)}
    assert np.array_equal(net.flat_params[: w.size], 2 * w.ravel())
    net.layers[0].params["b"] += 1
    assert net.flat_params[w.size : w.size + 4].tolist() == [2] * 4
    net.params |= {"0.Dense.b": np.zeros(4)}
    assert net.flat_params[w.size : w.size + 4].tolist() == [0] * 4


def test_flat_vectors_can_be_assigned():
    net = network()
    values = np.arange(net.flat_params.size, dtype=float)
    net.flat_params = values
    assert net.layers[0].params["W"][0].tolist() == [0, 1, 2, 3] and net.flat_params is not values
    net.flat_grads = values
    net.flat_grads /= 4
    assert net.layers[0].grads["W"][0].tolist() == [0, 0.25, 0.5, 0.75]
    net.forget_grads()
    net.flat_grads += 1
    assert (net.flat_grads == 1).all() and (net.layers[0].grads["b"] == 1).all()
    net.forget_grads()
    net.layers[0].grads["b"] = np.ones(4)
    assert net.flat_grads.sum() == 4


@pytest.mark.parametrize(
    ("assign", "error", "words"),
    [
        (lambda net: net.layers[0].params.__setitem__("W", np.ones((4, 5))), ShapeError, r"W.*\(5, 4\).*\(4, 5\)"),
        (lambda net: net.layers[0].params.__setitem__("W", np.ones((5, 4), "f")), DtypeError, "float64.*float32"),
        (lambda net: net.layers[0].params.__setitem__("W", 0), ShapeError, r"\[\.\.\.\] = value"),
        (lambda net: net.layers[0].params.__setitem__("w", np.ones((5, 4))), OptionError, "no 'w'.*W, b"),
        (lambda net: net.params.__setitem__("Dense.W", np.ones((5, 4))), OptionError, "0.Dense.W"),
        (lambda net: net.layers[1].state.__setitem__("mena", np.ones(4)), OptionError, "mean"),
        (lambda net: net.layers[0].params.pop("W"), OptionError, "cannot be removed"),
        (lambda net: net.params.clear(), OptionError, "cannot be removed"),
        (lambda net: setattr(net.layers[0], "params", {"W": np.ones((5, 4))}), OptionError, "names"),
        (lambda net: setattr(net.layers[0], "params", 3), OptionError, "dict"),
        (lambda net: setattr(net, "flat_params", np.ones(3)), ShapeError, "flat_params"),
        (lambda net: setattr(net, "layers", [Dense(1)]), OptionError, "cannot be replaced"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(assign, error, words):
    net = network()
    before = net.flat_params.copy()
    with pytest.raises(error, match=words):
        assign(net)
    assert np.array_equal(net.flat_params, before)


def test_reading_an_unknown_name_says_which_names_there_are():
    net = Sequential([Dense(2)], (3,), seed=0)
    layer = net.layers[0]
    for arrays, name, known in (
        (layer.params, "w", "it holds W, b"),
        (layer.grads, "w", "it holds W, b"),
        (net.params, "W", "the names are 0.Dense.W, 0.Dense.b"),
        (layer.state, "mean", "it holds nothing"),
    ):
        with pytest.raises(KeyError, match=f"there is no '{name}'; {known}") as caught:
            arrays[name]
        assert isinstance(caught.value, OptionError) and str(caught.value).endswith(".")
        assert name not in arrays and arrays.get(name) is None


def test_the_networks_of_a_gan_cannot_be_exchanged_under_its_optimizers():
    gan = GAN(Sequential([Dense(2)], (3,)), Sequential([Dense(1)], (2,)))
    with pytest.raises(OptionError, match="new GAN"):
        gan.generator = Sequential([Dense(2)], (3,))


# What backward needs stays as it was

ENDS = [
    lambda: [Dense(3), Tanh()],
    lambda: [Dense(3), Sigmoid()],
    lambda: [Dense(3), layers.ReLU()],
    lambda: [Dense(3), LeakyReLU()],
    lambda: [Dense(4), Tanh(), Reshape((2, 2)), Flatten()],
    lambda: [Reshape((5, 1)), LSTM(3)],
    lambda: [Reshape((5, 1)), LSTM(3, return_sequences=True)],
    lambda: [Dense(3), BatchNorm()],
    lambda: [Dense(3), layers.LayerNorm()],
    lambda: [layers.SpectralNorm(Dense(3))],
    lambda: [Dropout(0.5), Dense(3), Dropout(0.5)],
]


@pytest.mark.parametrize("make", ENDS)
@pytest.mark.parametrize("training", [False, True])
def test_changing_y_is_an_error_or_changes_no_gradient(make, training, rng):
    net = Sequential(make(), (5,), dtype="float64")
    x, twin = rng.standard_normal((6, 5)), copy.deepcopy(net)
    y = net.forward(x, training)
    dy = rng.standard_normal(y.shape)
    try:
        y += 1
    except ValueError as error:
        assert "read-only" in str(error)
    twin.forward(x, training)
    np.testing.assert_array_equal(net.backward(dy), twin.backward(dy))
    np.testing.assert_array_equal(net.flat_grads, twin.flat_grads)


FIRST = [
    lambda: ([Dense(3)], (5,)),
    lambda: ([Flatten(), Dense(3)], (5, 1, 1)),
    lambda: ([Dropout(0.0), Dense(3)], (5,)),
    lambda: ([Conv2D(2, 1, padding="valid", algorithm="im2col")], (3, 3, 2)),
    lambda: ([Conv2D(2, 3, algorithm="im2col")], (3, 3, 2)),
    lambda: ([Conv2D(2, 3, algorithm="kn2row")], (3, 3, 2)),
    lambda: ([layers.Conv2DTranspose(2, 3, strides=2, algorithm="im2col")], (3, 3, 2)),
    lambda: ([layers.SpectralNorm(Dense(3))], (5,)),
    lambda: ([layers.SpectralNorm(Conv2D(2, 3, algorithm="im2col"))], (3, 3, 2)),
    lambda: ([layers.LayerNorm()], (5,)),
    lambda: ([layers.InstanceNorm()], (3, 3, 2)),
    lambda: ([layers.MaxPool2D()], (4, 4, 2)),
    lambda: ([LSTM(3)], (4, 2)),
    lambda: ([Sequential([Dense(3)]), Tanh()], (5,)),
]


@pytest.mark.parametrize("make", FIRST)
@pytest.mark.parametrize("alone", [False, True])
def test_changing_x_after_forward_changes_no_gradient(make, alone, rng):
    """The caller's x stays writeable; also where the layer stands alone, outside a network."""
    parts, shape = make()
    net = Sequential(parts, shape, dtype="float64")
    if alone and len(parts) > 1:
        pytest.skip("several layers")
    x = rng.standard_normal((6, *shape))
    twin = copy.deepcopy(net)
    layer, other = (net.layers[0], twin.layers[0]) if alone else (net, twin)
    y = layer.forward(x, training=True)
    dy = rng.standard_normal(y.shape)
    other.forward(x.copy(), training=True)
    x += 1
    np.testing.assert_array_equal(layer.backward(dy), other.backward(dy))
    np.testing.assert_array_equal(net.flat_grads, twin.flat_grads)


def test_on_a_gpu_copies_are_handed_out(gpu, rng):
    from minigan import backend

    net = Sequential([Dense(3), Tanh()], (5,), device="gpu")
    twin = copy.deepcopy(net)
    x, dy = (backend.to_device(rng.standard_normal((6, k)).astype("float32"), gpu) for k in (5, 3))
    y = net.forward(x, training=True)
    twin.forward(x.copy(), training=True)
    x += 1
    y += 1
    np.testing.assert_array_equal(backend.to_cpu(net.backward(dy)), backend.to_cpu(twin.backward(dy)))
    np.testing.assert_array_equal(backend.to_cpu(net.flat_grads), backend.to_cpu(twin.flat_grads))


def test_a_layer_of_ones_own_is_protected_without_doing_anything(rng):
    class Square(Layer):
        def forward(self, x, training=False):
            self.save_for_backward(x)
            return x * x

        def backward(self, dy, param_grads=True, input_grad=True):
            return 2 * self.saved(dy) * dy if input_grad else None

    net = Sequential([Square()], (3,), dtype="float64")
    x = rng.standard_normal((2, 3))
    expected = 2 * x
    net.forward(x)
    x[...] = 0
    np.testing.assert_array_equal(net.backward(np.ones((2, 3))), expected)


# Inference has no share in what training saves


def test_predict_between_forward_and_backward_changes_nothing(rng):
    net = network()
    twin = copy.deepcopy(net)
    x, dy = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))
    net.forward(x, training=True)
    net.predict(rng.standard_normal((9, 5)))
    twin.forward(x, training=True)
    np.testing.assert_array_equal(net.backward(dy), twin.backward(dy))
    np.testing.assert_array_equal(net.flat_grads, twin.flat_grads)


def test_sampling_in_another_thread_does_not_disturb_the_training():
    def make():
        generator = Sequential([Dense(16), BatchNorm(), LeakyReLU(), Dense(8), Tanh()], (4,))
        discriminator = Sequential([Dense(16), LeakyReLU(), Dropout(0.3), Dense(1)], (8,))
        return GAN(generator, discriminator)

    batch = np.random.default_rng(0).uniform(-1, 1, (32, 8)).astype("float32")
    alone, watched = make(), make()
    stop, failures = threading.Event(), []

    def sample():
        while not stop.is_set():
            try:
                watched.sample(16, seed=0)
                watched.discriminator.predict(batch)
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        for _ in range(150):
            alone.train_step(batch)
            watched.train_step(batch)
    finally:
        stop.set()
        thread.join()
    assert not failures, failures
    assert np.array_equal(alone.generator.flat_params, watched.generator.flat_params)
    assert np.array_equal(alone.discriminator.flat_params, watched.discriminator.flat_params)


# Copies and pickles are whole

COPIES = {"deepcopy": copy.deepcopy, "pickle": lambda thing: pickle.loads(pickle.dumps(thing))}


@pytest.mark.parametrize("how", COPIES)
def test_copied_networks_work_on(how, rng):
    net = network()
    x, dy = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))
    net.forward(x, training=True)
    net.backward(dy)
    twin = COPIES[how](net)
    assert np.array_equal(twin.flat_grads, net.flat_grads)
    assert all(np.shares_memory(value, twin.flat_params) for value in twin.params.values())
    assert not np.shares_memory(twin.flat_params, net.flat_params)
    for each in (net, twin):
        each.zero_grads()
    np.testing.assert_array_equal(twin.forward(x, training=True), net.forward(x, training=True))
    np.testing.assert_array_equal(twin.backward(dy), net.backward(dy))
    np.testing.assert_array_equal(twin.flat_grads, net.flat_grads)
    twin.layers[0].params["b"] = np.full(4, 7.0)
    assert 7 in twin.flat_params and 7 not in net.flat_params
    unbuilt = COPIES[how](Sequential([Dense(3)]))
    assert unbuilt.build((2,), rng, "float32", np) == (3,)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("algorithm", ["im2col", "kn2row", "fourier"])
def test_copied_convolutions_work_on(how, algorithm, rng):
    net = Sequential([Conv2D(2, 3, algorithm=algorithm)], (6, 6, 2), dtype="float64")
    x = rng.standard_normal((2, 6, 6, 2))
    np.testing.assert_array_equal(COPIES[how](net).forward(x), net.forward(x))


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize(
    "make", [Adam, lambda net: SGD(net, 0.1, momentum=0.5, nesterov=True), lambda net: RMSProp(net, 0.01)]
)
def test_copied_optimizers_work_on(how, make):
    optimizer = make(network())
    optimizer.net.flat_grads += 1
    optimizer.step()
    twin = COPIES[how](optimizer)
    for each in (optimizer, twin):
        each.step()
    assert twin.net is not optimizer.net and np.array_equal(twin.net.flat_params, optimizer.net.flat_params)


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("objective", [objectives.NonSaturating(label_noise=True), objectives.Wasserstein()])
def test_copied_gans_go_on_bit_for_bit(how, objective):
    generator = Sequential([Dense(6), BatchNorm(), LeakyReLU(), Dense(8), Tanh()], (4,))
    discriminator = Sequential([Dense(6), LeakyReLU(), Dropout(0.3), Dense(1)], (8,))
    gan = GAN(generator, discriminator, objective=objective, d_steps=2, max_grad_norm=1.0)
    batch = np.random.default_rng(0).uniform(-1, 1, (32, 8)).astype("float32")
    for _ in range(3):
        gan.train_step(batch)
    twin = COPIES[how](gan)
    for _ in range(3):
        assert gan.train_step(batch) == twin.train_step(batch)
    assert np.array_equal(gan.generator.flat_params, twin.generator.flat_params)
    assert twin.g_optimizer.net is twin.generator and float(twin.d_grad_norm) == float(gan.d_grad_norm)


# Building


def test_after_a_failed_build_the_layers_can_be_used_again():
    inner = Sequential([Dense(3), Tanh()])
    parts = [Dense(4), BatchNorm(), inner, Conv2D(2, 3)]
    for _ in range(2):
        with pytest.raises(ShapeError, match="expected images"):
            Sequential(parts, (5,))
    net = Sequential(parts[:3], (5,))
    assert net.output_shape == (3,) and net.flat_params.size == 4 * 5 + 4 + 8 + 4 * 3 + 3
    twice = Dense(4)
    with pytest.raises(OptionError, match="was already built"):
        Sequential([twice, twice], (4,))
    assert Sequential([twice], (4,)).output_shape == (4,)


@pytest.mark.parametrize(
    "use",
    [
        lambda net: net.flat_params,
        lambda net: net.flat_grads,
        lambda net: net.summary(),
        lambda net: net.flops(),
        lambda net: net.astype("float64"),
        lambda net: net.to("cpu"),
        lambda net: net.save("never.npz"),
        lambda net: net.zero_grads(),
        lambda net: net.predict(np.ones((1, 5), "f")),
        lambda net: net.forward(np.ones((1, 5), "f")),
        lambda net: setattr(net, "flat_params", np.ones(3)),
    ],
)
def test_an_unbuilt_network_says_so(use):
    with pytest.raises(ShapeError, match=r"not built yet.*input_shape"):
        use(Sequential([Dense(3)]))


def test_backward_of_an_unbuilt_network():
    with pytest.raises(CacheError):
        Sequential([Dense(3)]).backward(np.ones((1, 3), "f"))


# The old names


def test_keep_and_take_cache_work_for_one_release(rng):
    class Square(Layer):
        def forward(self, x, training=False):
            self.keep(x, x)
            return x * x

        def backward(self, dy, param_grads=True, input_grad=True):
            return 2 * self.take_cache(dy) * dy if input_grad else None

    net = Sequential([Square()], (3,), dtype="float64")
    x = rng.standard_normal((2, 3))
    with pytest.warns(DeprecationWarning, match="save_for_backward"):
        net.forward(x)
    with pytest.warns(DeprecationWarning, match="saved"):
        np.testing.assert_array_equal(net.backward(np.ones((2, 3))), 2 * x)


def test_a_gradient_is_added_in_one_way(rng):
    """By value or by an operation that writes in place; after forget_grads the first one overwrites."""
    layer = Sequential([Dense(4)], (5,), dtype="float64").layers[0]
    value = rng.standard_normal((5, 4))
    layer.add_grad("W", value)
    layer.add_grad("W", value)
    np.testing.assert_allclose(layer.grads["W"], 2 * value)
    layer.forget_grads()
    layer.add_grad("W", value)
    np.testing.assert_array_equal(layer.grads["W"], value)
    layer.add_grad("W", np.matmul, np.eye(5), value)
    np.testing.assert_allclose(layer.grads["W"], 2 * value)
    layer.forget_grads()
    layer.add_grad("W", np.matmul, np.eye(5), value)
    np.testing.assert_allclose(layer.grads["W"], value)


# Mistakes


def test_all_arrays_are_checked_before_the_first_is_changed(rng):
    net = network()
    dense, before = net.layers[0], net.flat_params.copy()
    with pytest.raises(ShapeError, match="'b'"):
        dense.params = {"W": 0 * dense.params["W"], "b": np.zeros(9)}
    assert np.array_equal(net.flat_params, before)


def test_a_mapping_is_copied_into_a_whole_network():
    net = network()
    twice = {name: 2 * array for name, array in net.params.items()}
    before = net.flat_params.copy()
    net.params = twice
    assert np.array_equal(net.flat_params, 2 * before)
    with pytest.raises(OptionError, match=r"expected a dict of arrays with the names .*0\.Dense\.W"):
        net.params = {"W": before}


def test_an_upsampling_by_1_does_not_let_the_caller_change_what_was_saved():
    net = Sequential([layers.UpSampling2D(1), Flatten(), Dense(1)], (2, 2, 1), dtype="float64")
    x = np.ones((3, 2, 2, 1))
    net.forward(x, training=True)
    x[...] = 100
    net.backward(np.ones((3, 1)))
    assert (net.grads["2.Dense.W"] == 3).all()


@pytest.mark.parametrize("convert", [lambda x: x.view(np.matrix), np.ma.masked_array], ids=["matrix", "masked"])
def test_matrices_and_masked_arrays_are_refused(convert):
    # their products and sums are others, so gradients would be wrong
    net = Sequential([Dense(2, use_bias=False), Tanh()], (2,))
    with pytest.raises(DtypeError, match=r"numpy\.asarray\(x"):
        net.forward(convert(np.ones((3, 2), "float32")))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_is_not_built_says_so(name):
    layer = LAYERS[name][0]()
    try:
        assert layer.flops() == 0, "its flops cannot depend on a shape that is not known"
    except ShapeError as error:
        assert "not built yet" in str(error)
