"""Weights under a spectral norm, from PyTorch and Keras and for them: files that the two wrote give their outputs."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from minigan import Sequential
from minigan.errors import CheckpointError, MisuseWarning, OptionError
from minigan.interop import from_keras, from_torch, safetensors_file, to_keras, to_torch
from minigan.layers import (
    LSTM,
    BatchNorm,
    ConditionalBatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Embedding,
    Flatten,
    LeakyReLU,
    Projection,
    ReLU,
    Reshape,
    SpectralNorm,
    Tanh,
)

FILES = Path(__file__).resolve().parent / "files" / "weights"
U, V = "parametrizations.weight.0._u", "parametrizations.weight.0._v"


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", MisuseWarning)
        yield


# the networks of make_weight_files.py, as they are written here


def for_torch(seed=0):
    return Sequential(
        [
            *(SpectralNorm(Embedding(5, 4)), SpectralNorm(Dense(18)), Tanh(), Reshape((3, 3, 2))),
            *(SpectralNorm(Conv2DTranspose(4, 4, 2, padding=1)), Tanh()),
            *(SpectralNorm(Conv2D(6, 3, 2, padding=1, groups=2, use_bias=False)), BatchNorm(), ReLU(), Flatten()),
            *(SpectralNorm(Dense(5)), Tanh(), SpectralNorm(Dense(3, use_bias=False))),
        ],
        (1,),
        seed=seed,
    )


def for_keras(padding="same", **options):
    return Sequential(
        [
            *(SpectralNorm(Conv2D(4, 3, 2, padding)), LeakyReLU(0.3)),
            *(SpectralNorm(Conv2D(4, 3, groups=2, use_bias=False)), Flatten()),
            *(SpectralNorm(Dense(5)), SpectralNorm(Dense(5, use_bias=False))),
        ],
        (6, 6, 2),
        **options,
    )


def outputs(net, seed=1):
    x = np.random.default_rng(seed).normal(size=(5, *net.input_shape)).astype(net.dtype)
    return net.predict(x, labels=np.arange(5) % net.classes if net.takes_labels else None)


def saved(name):
    with np.load(FILES / f"{name}.npz") as found:
        return [found[key] for key in sorted(found)]


@pytest.mark.parametrize("name", ["spectral", "older"])
def test_files_of_pytorch_give_the_outputs_of_pytorch(name):
    net, (labels, y) = from_torch(for_torch(), FILES / f"torch_{name}.safetensors"), saved(f"torch_{name}_outputs")
    np.testing.assert_allclose(net.predict(np.zeros((3, 1), "float32"), labels=labels), y, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("file", ["keras", "weights.h5", "h5", "list"])
def test_files_of_keras_give_the_outputs_of_keras(file):
    x, y = saved("keras_spectral_outputs")
    net = from_keras(for_keras(), saved("keras_spectral_list") if file == "list" else FILES / f"keras_spectral.{file}")
    np.testing.assert_allclose(net.predict(x), y, rtol=1e-5, atol=2e-6)


# there and back, long before the power iteration has converged


def stale(net):
    """The network after a large step of an optimizer, which leaves all u behind."""
    net.flat_params += np.random.default_rng(3).normal(0, 0.3, net.flat_params.shape).astype(net.dtype)
    return net


def test_what_goes_to_pytorch_comes_back():
    net = stale(for_torch())
    state = to_torch(net)
    again = from_torch(for_torch(seed=5), state)
    np.testing.assert_allclose(again.flat_params, net.flat_params)
    np.testing.assert_allclose(outputs(again), outputs(net), rtol=1e-5, atol=1e-6)
    back = to_torch(again)
    assert [*back] == [*state] and all(np.allclose(back[name], state[name], atol=1e-6) for name in state)
    assert {name for name in state if name.startswith("10.")} == {
        *(f"10.parametrizations.weight.{name}" for name in ("original", "0._u", "0._v")), "10.bias"
    }  # fmt: skip


def test_what_goes_to_keras_computes_the_same_and_has_a_norm_of_1():
    net = stale(for_keras())
    again = from_keras(for_keras(seed=5), to_keras(net))
    np.testing.assert_allclose(outputs(again), outputs(net), rtol=1e-5, atol=1e-6)
    assert [array.shape for array in to_keras(net)] == [array.shape for array in saved("keras_spectral_list")]
    layer = stale(Sequential([SpectralNorm(Embedding(4, 3))], (1,)))
    table, u = to_keras(layer)
    assert u.shape == (1, 3) and np.linalg.norm(table @ u[0]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("inner", "shape", "rows"),
    [
        (Dense(5), (4,), lambda W: W),
        (Conv2D(6, 3, groups=2), (4, 4, 4), lambda W: W.reshape(6, -1)),
        (Conv2DTranspose(6, 3, 2), (4, 4, 4), lambda W: W.transpose(1, 0, 2, 3).reshape(6, -1)),
        (Embedding(7, 3), (1,), lambda W: W),
    ],
    ids=lambda value: type(value).__name__,
)
def test_their_matrix_has_our_sigma(inner, shape, rows):
    """PyTorch's W = weight as (outputs, k): u^T W v is what minigan divides by, and v is as new as u allows."""
    net = stale(Sequential([SpectralNorm(inner)], shape))
    state = {name.removeprefix("0."): array for name, array in to_torch(net).items()}
    W = rows(state["parametrizations.weight.original"])
    ((_, sigma, _),) = net.layers[0].measured().values()
    assert state[U] @ W @ state[V] == pytest.approx(float(sigma), rel=1e-5)
    assert sigma < np.linalg.svd(W)[1][0] * (1 + 1e-6)
    assert np.linalg.norm(state[U]) == pytest.approx(1) and np.linalg.norm(state[V]) == pytest.approx(1)


def test_u_follows_the_order_of_the_units():
    """Behind a Flatten and before a Reshape: PyTorch's u has the order of its rows."""
    net = stale(Sequential([Conv2D(3, 1), Flatten(), SpectralNorm(Dense(12)), Tanh(), Reshape((2, 2, 3))], (2, 2, 1)))
    state, u = to_torch(net), net.layers[2].state["u"]
    np.testing.assert_array_equal(state[f"2.{U}"], u.reshape(2, 2, 3).transpose(2, 0, 1).ravel())
    W = net.layers[2].params["W"].reshape(2, 2, 3, 2, 2, 3).transpose(2, 0, 1, 5, 3, 4).reshape(12, 12)
    np.testing.assert_array_equal(state["2.parametrizations.weight.original"], W.T)


def test_a_network_on_a_gpu(gpu):
    for make, convert, back in ((for_torch, to_torch, from_torch), (for_keras, to_keras, from_keras)):
        net = stale(make())
        expected = outputs(net)
        weights = convert(net.to("gpu"))
        assert all(type(array) is np.ndarray for array in (weights.values() if make is for_torch else weights))
        again = back(make(seed=5).to("gpu"), weights)
        np.testing.assert_allclose(outputs(again.to("cpu")), expected, rtol=1e-5, atol=1e-6)


# what differs


def dense():
    return Sequential([SpectralNorm(Dense(3))], (3,))


def test_a_power_iteration_that_has_not_converged_is_told():
    state = dict(safetensors_file.from_bytes((FILES / "torch_older.safetensors").read_bytes(), "")[0])
    u = np.random.default_rng(0).normal(size=5).astype("float32")
    state["fc1.weight_u"] = u / np.linalg.norm(u)
    with pytest.warns(MisuseWarning, match=r"10\.SpectralNorm divides its weights by .*, but PyTorch by .*converged"):
        from_torch(for_torch(), state)
    kernel, *rest = to_keras(dense())
    with pytest.warns(MisuseWarning, match=r"0\.SpectralNorm divides its weights by 1\.25, but Keras by 1, "):
        from_keras(dense(), [1.25 * kernel, *rest])


def refused(convert, net, weights):
    before = net.flat_params.copy()
    with pytest.raises(CheckpointError) as error:
        convert(net, weights)
    assert np.array_equal(net.flat_params, before)
    return str(error.value)


@pytest.mark.parametrize("factor", [0, 0.5, 1.02])
def test_vectors_of_another_length(factor):
    state = to_torch(dense())
    state[f"0.{U}"] = factor * state[f"0.{U}"]
    assert "has the length" in refused(from_torch, dense(), state)
    kernel, u, b = to_keras(dense())
    assert "has the length" in refused(from_keras, dense(), [kernel, factor * u, b])


def test_norms_on_one_side_alone():
    plain, state = Sequential([Dense(3)], (3,)), to_torch(dense())
    told = refused(from_torch, Sequential([Dense(3)], (3,)), state)
    assert "1 modules there have weights under a spectral norm ('0'), and 0 layers here (none)" in told
    assert "SpectralNorm(Dense(64))" in told and "remove_parametrizations" in told and "remove_spectral_norm" in told
    assert "0 modules there" in refused(from_torch, dense(), to_torch(plain))
    assert "array 0.bias has the shape (1, 3)" in refused(from_keras, plain, to_keras(dense()))
    told = refused(from_keras, for_keras_without_norm(), FILES / "keras_spectral.keras")
    assert "no place for 'first_normed.vector_u'" in told


def for_keras_without_norm():
    layers = [Conv2D(4, 3, 2), LeakyReLU(0.3), Conv2D(4, 3, groups=2, use_bias=False), Flatten(), Dense(5)]
    return Sequential([*layers, Dense(5, use_bias=False)], (6, 6, 2))


@pytest.mark.parametrize(
    "name",
    ["0.weight_g", "0.parametrizations.weight.original0", "0.parametrizations.weight.1._u", "parametrizations.W.0._u"],
)
def test_other_rules_of_pytorch_are_refused(name):
    assert "another rule than the spectral norm" in refused(from_torch, dense(), {name: np.zeros(3, "float32")})


def test_options_within_a_spectral_normalization_are_compared():
    told = refused(from_keras, for_keras(padding=1), FILES / "keras_spectral.keras")
    assert (
        "0.SpectralNorm has padding ((1, 1), (1, 1)), but 'first_normed' of the Keras model has ((0, 1), (0, 1))"
        in told
    )


@pytest.mark.parametrize(
    ("layer", "shape", "name", "arrays"),
    [
        (Projection(3), (4,), "0.Projection", ["0.Projection.w'] (4, 1)", "0.Projection.E'] (3, 4)"]),
        (ConditionalBatchNorm(3), (4,), "0.ConditionalBatchNorm", ["gamma'] (3, 4)", "net.state['0.Conditional"]),
        (SpectralNorm(Projection(3)), (4,), "0.SpectralNorm of Projection", ["u_E'] (4,)"]),
        (SpectralNorm(LSTM(3)), (4, 2), "0.SpectralNorm of LSTM", ["u_U'] (12,)"]),
    ],
)  # fmt: skip
def test_layers_that_neither_has_say_what_to_do(layer, shape, name, arrays):
    net = Sequential([layer], shape)
    for convert, library in ((to_torch, "PyTorch"), (to_keras, "Keras")):
        with pytest.raises(OptionError, match=f"{name} has no counterpart in {library}") as error:
            convert(net)
        assert all(text in str(error.value) for text in arrays) and "net.params['0." in str(error.value)


def test_keras_takes_the_norm_of_another_matrix_of_a_transposed_convolution():
    net = Sequential([SpectralNorm(Conv2DTranspose(3, 3, 2))], (2, 2, 3))
    with pytest.raises(OptionError, match="SpectralNorm of Conv2DTranspose has no counterpart in Keras"):
        to_keras(net)
    to_torch(net)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["spectral", "older"])
def test_pytorch_loads_what_goes_out(name):
    torch = pytest.importorskip("torch")
    from make_weight_files import torch_modules

    module, _ = torch_modules()[name]
    net = stale(for_torch())
    state = to_torch(net, names=["table", "fc", "up", "conv1", "norm", "fc1", "fc2"])
    if name == "older":
        new = {"parametrizations.weight.original": "weight_orig", U: "weight_u", V: "weight_v"}
        for theirs, older in new.items():
            state = {key.replace(theirs, older): array for key, array in state.items()}
    module.load_state_dict({key: torch.from_numpy(array) for key, array in state.items()})
    labels = np.arange(5)
    y = module.eval()(torch.from_numpy(labels)).detach().numpy()
    np.testing.assert_allclose(net.predict(np.zeros((5, 1), "float32"), labels=labels), y, rtol=1e-5, atol=2e-6)
