"""Every layer on a GPU: the same numbers as on the CPU, and gradients that differences confirm on the device itself.

On any machine with the strict stand-in for CuPy, whose kernels g++ compiles; with -m gpu on a device.
"""

from functools import partial

import numpy as np
import pytest
from layer_cases import LAYERS, labels_for

from minigan import Sequential, backend
from minigan.checks import check_gradients, gradient_check
from minigan.input_gradient import InputGradient
from minigan.layers import (
    LSTM,
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
    SpectralNorm,
)
from minigan.layers.base import Layer


def alone(make_layer):
    return [make_layer()]


# a function that makes the layers, and the shape of an input: each layer alone, and some together
CASES = {
    **{name: (partial(alone, make), shape) for name, (make, shape) in LAYERS.items()},
    "flatten, reshape": (lambda: [Flatten(), Reshape((3, 4))], (2, 3, 2)),
    "lstm of sequences": (lambda: [LSTM(3, return_sequences=True), LSTM(2)], (2, 2)),
    "dense, leaky relu": (lambda: [Dense(6), LeakyReLU(), Dense(2)], (5,)),
    "dense, relu, dropout": (lambda: [Dense(6), ReLU(), Dropout(0.3), Dense(2), ReLU()], (5,)),
    "dense without bias, leaky relu, dropout": (lambda: [Dense(6, use_bias=False), LeakyReLU(), Dropout(0.3)], (5,)),
    "conv, leaky relu, dropout": (lambda: [Conv2D(3, 3, 2), LeakyReLU(), Dropout(0.3)], (4, 3, 2)),
    "conv by fourier, leaky relu": (lambda: [Conv2DTranspose(3, 3, 2, algorithm="fourier"), LeakyReLU()], (3, 4, 2)),
    "spectral norms, leaky relu, dropout": (
        lambda: [SpectralNorm(Dense(4)), LeakyReLU(), Dropout(0.3), SpectralNorm(Dense(2)), ReLU()],
        (3,),
    ),
    "dense, batch norm, leaky relu": (lambda: [Dense(6), BatchNorm(), LeakyReLU(), Dropout(0)], (5,)),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def arrays_of(net, x, dy, training):
    """All that a forward and a backward pass give and leave behind, as NumPy arrays."""
    x, dy = (backend.to_device(array, net.xp) for array in (x, dy))
    net.zero_grads()
    y = net.forward(x, training=training, **labels_for(net, len(x)))
    results = {"y": y.copy(), "dx": net.backward(dy), "gradients": net.flat_grads, **net.state}
    assert all(backend.array_module(array) is net.xp for array in results.values())
    return {name: backend.to_cpu(array).copy() for name, array in results.items()}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-10), ("float32", 1e-5)])
def test_the_same_numbers_as_on_the_cpu(gpu, case, dtype, tolerance, training, rng):
    make, shape = case
    net = Sequential(make(), shape, dtype=dtype)
    net.flat_params += (0.1 * rng.standard_normal(net.flat_params.size)).astype(dtype)
    on_gpu = net.to("gpu")
    for n in (6, 1, 6):
        x = rng.standard_normal((n, *shape)).astype(dtype)
        dy = rng.standard_normal((n, *net.output_shape)).astype(dtype)
        ours, numpys = arrays_of(on_gpu, x, dy, training), arrays_of(net, x, dy, training)
        for name, expected in numpys.items():
            assert ours[name].dtype == expected.dtype
            largest = np.abs(expected).max(initial=1)
            np.testing.assert_allclose(ours[name], expected, rtol=tolerance, atol=tolerance * largest, err_msg=name)


def test_a_network_made_on_the_gpu_is_the_one_made_on_the_cpu(gpu, case, tmp_path):
    make, shape = case
    one, other = (Sequential(make(), shape, seed=3, device=device) for device in ("cpu", "gpu"))
    assert other.xp is gpu and "parameters" in other.summary()
    np.testing.assert_array_equal(one.flat_params, backend.to_cpu(other.flat_params))
    other.save(tmp_path / "net.npz")  # a file of one device is one of the other
    for loaded in (Sequential.load(tmp_path / "net.npz", device=device) for device in ("cpu", "gpu")):
        np.testing.assert_array_equal(one.flat_params, backend.to_cpu(loaded.flat_params))
        for name, value in one.state.items():
            np.testing.assert_array_equal(value, backend.to_cpu(loaded.state[name]))


class ThroughGpu(Layer):
    """A network of the GPU as a layer of the CPU: what a gradient check moves and reads lies here, the work there."""

    def __init__(self, layers):
        self.net = Sequential(layers)
        self.takes_labels, self.classes = self.net.takes_labels, self.net.classes

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.net.build(input_shape, rng, dtype, backend.cupy)
        self.params = {name: backend.to_cpu(value).copy() for name, value in self.net.params.items()}
        self.grads.update({name: np.zeros_like(value) for name, value in self.params.items()})
        return self.net.output_shape

    def forward(self, x, training=False, labels=None):
        for name, value in self.params.items():
            self.net.params[name][...] = backend.to_device(value, self.net.xp)
        self.save_for_backward()
        return backend.to_cpu(self.net.forward(backend.to_device(x, self.net.xp), training, labels))

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        self.net.zero_grads()
        dx = self.net.backward(backend.to_device(dy, self.net.xp))
        for name, grad in self.net.grads.items():
            self.grads[name] += backend.to_cpu(grad)
        return backend.to_cpu(dx)


def test_gradients_by_differences_on_the_device(gpu, case, monkeypatch):
    """Along random directions, each of which moves all entries at once; on the CPU the contract looks at each entry."""
    monkeypatch.setattr(gradient_check, "EXHAUSTIVE", 0)
    make, shape = case
    layers = make()
    modes = (
        (True, False) if any(isinstance(layer, BatchNorm | Dropout | GaussianNoise) for layer in layers) else (True,)
    )
    for training in modes:
        assert check_gradients(ThroughGpu(make()), shape, training=training).worst < 1e-6


def test_what_runs_as_one(gpu):
    layers = [
        Dense(4),
        LeakyReLU(),
        Dropout(0.2),
        Dense(4),
        ReLU(),
        Dense(3),
        Dropout(0.3),
        Dense(2),
        ReLU(),
        Dropout(0),
    ]
    net = Sequential(layers, (5,), device="gpu")
    kinds = ["with dropout" if getattr(part, "dropout", None) else type(part).__name__ for part in net.parts]
    assert kinds == ["with dropout", "FusedLayers", "Dense", "Dropout", "FusedLayers", "Dropout"]
    on_cpu = net.to("cpu")
    assert on_cpu.parts == on_cpu.layers


def test_a_layer_of_ones_own_is_never_fused(gpu):
    class Twice(LeakyReLU):
        def forward(self, x, training=False):
            return 2 * super().forward(x, training)

    net = Sequential([Dense(4), Twice()], (5,), device="gpu")
    assert net.parts == net.layers


def test_options_of_backward(gpu, rng):
    """param_grads=False leaves the gradients alone, input_grad=False gives None; fused layers included."""
    net = Sequential([Dense(4), LeakyReLU(), Dropout(0.2), Dense(2)], (5,), dtype="float64").to("gpu")
    x, dy = (backend.to_device(rng.standard_normal((3, k)), gpu) for k in (5, 2))
    net.zero_grads()
    net.forward(x, training=True)
    net.backward(dy, param_grads=False)
    assert not backend.to_cpu(net.flat_grads).any()
    net.forward(x, training=True)
    assert net.backward(dy, input_grad=False) is None and backend.to_cpu(net.flat_grads).any()


def test_a_forward_pass_that_was_never_followed_by_a_backward_is_forgotten(gpu, rng):
    """In either order of the modes, backward belongs to the forward before it."""
    net = Sequential([Dense(6), LeakyReLU(), Dropout(0.5), Dense(2)], (5,), dtype="float64")
    on_gpu = net.to("gpu")
    first, x, dy = (rng.standard_normal((4, k)) for k in (5, 5, 2))
    for training in (True, False):
        on_gpu.forward(backend.to_device(first, gpu), training=not training)
        net.forward(first, training=not training)
        ours, numpys = (arrays_of(one, x, dy, training) for one in (on_gpu, net))
        for name, expected in numpys.items():
            np.testing.assert_allclose(ours[name], expected, rtol=1e-10, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("training", [True, False])
def test_the_tangent_pass_gives_the_same_numbers_as_on_the_cpu(gpu, case, training, rng):
    make_layers, shape = case
    cpu = Sequential(make_layers(), shape, dtype="float64")
    device = cpu.to("gpu")
    x, dy, v = (rng.standard_normal((4, *size)) for size in (shape, cpu.output_shape, shape))
    results = []
    for net in (cpu, device):
        x_there, dy_there, v_there = (backend.to_device(array, net.xp) for array in (x, dy, v))
        slope = InputGradient(net, dy_there)
        net.zero_grads()
        arrays = slope.forward(x_there, training, **labels_for(net, len(x))), slope.backward(v_there), net.flat_grads
        assert all(backend.array_module(array) is net.xp for array in arrays)
        results.append([backend.to_cpu(array) for array in arrays])
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-10)
