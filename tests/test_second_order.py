"""Second-order gradients: the tangent pass of every layer against differences of its gradient."""

import copy

import numpy as np
import pytest

from minigan import Sequential
from minigan.checks import check_gradients
from minigan.errors import CacheError, DtypeError, OptionError, ShapeError
from minigan.input_gradient import InputGradient
from minigan.layers import (
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Sigmoid,
    SpectralNorm,
    Tanh,
    UpSampling2D,
)
from minigan.layers.base import retaining

NETWORKS = {
    "pieces of straight lines": ([Dense(7), LeakyReLU(), Dense(5), ReLU(), Dense(1)], (6,)),
    "curves": ([Tanh(), Dense(7), Tanh(), Dense(5), Sigmoid(), Dense(1)], (6,)),
    "ends in a curve": ([Dense(5), Sigmoid(), Dense(3), Tanh()], (6,)),
    "convolutions": ([Conv2D(4, 3, strides=2), Tanh(), Conv2D(3, 3), LeakyReLU(), Flatten(), Dense(1)], (7, 6, 2)),
    "transposed": ([Conv2DTranspose(4, 3, 2), Tanh(), Conv2DTranspose(2, 3), Tanh(), Flatten(), Dense(1)], (3, 3, 2)),
    "fourier": ([Conv2D(3, 3, algorithm="fourier"), Tanh(), Conv2D(2, 3), Tanh(), Flatten(), Dense(1)], (5, 4, 1)),
    "pools": (
        [Conv2D(3, 3), Tanh(), MaxPool2D(3, 2, "same"), UpSampling2D(2), Tanh(), AveragePool2D(2), Flatten(), Dense(1)],
        (5, 4, 2),
    ),
    "dropout": ([Dense(9), Tanh(), Dropout(0.4), Dense(6), Tanh(), Dense(1)], (6,)),
    "batch norm": ([Dense(5), BatchNorm(), Tanh(), Dense(4), BatchNorm(), Sigmoid(), Dense(1)], (6,)),
    "batch norm of images": (
        [Conv2D(3, 3), BatchNorm(), Tanh(), Conv2D(2, 3), BatchNorm(), LeakyReLU(), Flatten(), Dense(1)],
        (4, 5, 2),
    ),
    "sample norms": (
        [Conv2D(4, 2), InstanceNorm(), Tanh(), GroupNorm(2), Conv2D(3, 2), LayerNorm(), Tanh(), Flatten(), Dense(1)],
        (2, 3, 1),
    ),
    "batch norm of sequences": ([Reshape((3, 2)), Tanh(), BatchNorm(), Tanh(), Flatten(), Dense(1)], (6,)),
    "spectral norm": (
        [SpectralNorm(Dense(5)), Tanh(), SpectralNorm(Dense(4)), LeakyReLU(), SpectralNorm(Dense(1))],
        (6,),
    ),
    "spectral norm of convolutions": (
        [SpectralNorm(Conv2D(2, 2)), Tanh(), SpectralNorm(Conv2DTranspose(1, 2, 2)), Tanh(), Flatten(), Dense(1)],
        (2, 3, 1),
    ),
    "spectral norm of lstm": ([Reshape((3, 2)), SpectralNorm(LSTM(3)), Tanh(), SpectralNorm(Dense(1))], (6,)),
    "lstm": ([Reshape((5, 3)), LSTM(4, return_sequences=True), Tanh(), LSTM(3), Dense(1)], (15,)),
    "nested": ([Sequential([Dense(5), Tanh()]), Sequential([Dense(4), Sequential([Sigmoid()])]), Dense(1)], (6,)),
}


def network(name):
    layers, shape = NETWORKS[name]
    return Sequential(copy.deepcopy(layers), shape, dtype="float64", seed=3)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_of_the_input_gradient_are_what_differences_measure(name, training):
    check_gradients(InputGradient(network(name)), NETWORKS[name][1], training, tolerance=1e-6, seed=1)


def retained(net, x, dy, training=True):
    """Run forward and a retained backward, so that a tangent can follow."""
    net.forward(x, training)
    with retaining():
        return net.backward(dy, param_grads=False)


class Square(Layer):
    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward(x)
        return x * x

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        return 2 * x * dy if input_grad else None


class SquareWithTangent(Square):
    def forward(self, x, training=False):
        return super().forward(x, training)

    def backward(self, dy, param_grads=True, input_grad=True):
        return super().backward(dy, param_grads, input_grad)

    def tangent(self, xdot):
        dy, x = self.retained(xdot)
        self.bend = 2 * xdot * dy
        return 2 * x * xdot


class Halved(Tanh):
    """Another forward and backward than Tanh: the inherited tangent does not belong to it."""

    def forward(self, x, training=False):
        return super().forward(x, training) / 2

    def backward(self, dy, param_grads=True, input_grad=True):
        return super().backward(dy / 2, param_grads, input_grad)


@pytest.mark.parametrize("layer", [Square, Halved])
def test_an_own_layer_without_tangent_gets_an_error_that_says_what_to_write(layer, rng):
    net = Sequential([Dense(3), Sequential([layer()])], (4,), dtype="float64")
    retained(net, rng.standard_normal((2, 4)), np.ones((2, 3)))
    with pytest.raises(OptionError, match=rf"{layer.__name__}.tangent\(xdot\), which is missing") as caught:
        net.tangent(np.ones((2, 4)))
    assert "self.retained(xdot)" in str(caught.value) and "self.bend = " in str(caught.value)


def test_an_own_layer_with_tangent(rng):
    check_gradients(InputGradient(Sequential([SquareWithTangent(), Dense(2), Tanh()], (3,), dtype="float64")), (3,))


def test_tangent_at_the_wrong_time_or_with_a_wrong_direction(rng):
    net = Sequential([Dense(3), Tanh()], (4,), dtype="float64")
    x, dy = rng.standard_normal((2, 4)), np.ones((2, 3))
    for way in ("before any pass", "after an ordinary backward", "after a forward alone", "a second time"):
        if way == "after an ordinary backward":
            net.forward(x)
            net.backward(dy)
        elif way == "after a forward alone":
            retained(net, x, dy)
            net.forward(x)
        elif way == "a second time":
            retained(net, x, dy)
            net.tangent(x)
            net.tangent_backward(dy)
        for layer, xdot in ((net, x), (net.layers[1], dy)):
            with pytest.raises(CacheError, match="tangent needs a forward before it"):
                layer.tangent(xdot)
    with pytest.raises(CacheError, match="tangent needs a forward before it"):
        net.tangent_backward(dy)
    retained(net, x, dy)
    with pytest.raises(ShapeError, match=r"tangent: expected xdot of shape \(2, 4\)"):
        net.tangent(np.ones((3, 4)))
    with pytest.raises(DtypeError, match="tangent: expected xdot as an array of float64"):
        net.tangent(x.astype("float32"))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_the_tangent_pass(name, workers, rng):
    x = rng.standard_normal((6, *NETWORKS[name][1]))
    results = []
    for count in (1, workers):
        net = network(name)
        net.parallel(count)
        gradient = InputGradient(net)
        g = gradient.forward(x, training=True)
        dx = gradient.backward(np.cos(g))
        results.append((g, dx, net.flat_grads.copy()))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


def test_a_pass_leaves_nothing_behind(rng):
    net = network("curves")
    x = rng.standard_normal((4, 6))
    gradient = InputGradient(net)
    gradient.backward(gradient.forward(x))
    for layer in (net, *net.layers):
        assert layer.cache is None and layer.upstream is None and layer.bend is None
    with pytest.raises(CacheError):
        gradient.backward(x)


WRITTEN_TO = {
    "dense": (lambda: Dense(2), (3,)),
    "tanh": (Tanh, (3,)),
    "reshape": (lambda: Reshape((3,)), (3,)),
    **{name: (lambda name=name: Conv2D(2, 3, algorithm=name), (4, 4, 2)) for name in ("im2col", "kn2row", "fourier")},
    "transposed": (lambda: Conv2DTranspose(2, 3, padding="valid", algorithm="im2col"), (4, 4, 2)),
}


@pytest.mark.parametrize("lone", [True, False])
@pytest.mark.parametrize("name", WRITTEN_TO)
def test_who_writes_to_dy_after_backward_changes_nothing(name, lone, rng):
    """tangent needs dy again, so backward keeps a copy of what the caller may change."""
    make, shape = WRITTEN_TO[name]
    start, gradients = Sequential([make()], shape, dtype="float64"), []
    x, xdot = rng.standard_normal((2, 2, *shape))
    dy = rng.standard_normal((2, *start.output_shape))
    for changed in (False, True):
        net, given = copy.deepcopy(start), dy.copy()
        layer = net.layers[0] if lone else net
        layer.forward(x, True)
        with retaining():
            layer.backward(given)
        net.zero_grads()
        if changed:
            given[...] = 100
        layer.tangent(xdot)
        gradients.append((net.flat_grads.copy(), layer.tangent_backward()))
    np.testing.assert_array_equal(gradients[0][0], gradients[1][0])
    np.testing.assert_array_equal(gradients[0][1], gradients[1][1])


@pytest.mark.parametrize("lone", [True, False])
@pytest.mark.parametrize("name", ["curves", "lstm", "pieces of straight lines"])
def test_backward_of_the_input_gradient_leaves_alone_what_it_is_told_to(name, lone, rng):
    """param_grads=False does not touch the gradients, input_grad=False returns None, and neither changes the other."""
    net, shape = (Sequential([Dense(4)], (6,), dtype="float64"), (6,)) if lone else (network(name), NETWORKS[name][1])
    gradient = InputGradient(net.layers[0] if lone else net)
    x, v = rng.standard_normal((2, 5, *shape))
    results = {}
    for flags in ((True, True), (False, True), (True, False), (False, False)):
        net.flat_grads[...] = 1.0
        gradient.forward(x, training=True)
        results[flags] = gradient.backward(v, *flags), net.flat_grads - 1
    (dx, grads), (dx_only, untouched), (nothing, grads_only), (neither, unchanged) = results.values()
    assert nothing is None and neither is None and not untouched.any() and not unchanged.any()
    np.testing.assert_array_equal(dx_only, dx)
    np.testing.assert_array_equal(grads_only, grads)
    assert grads.any()


@pytest.mark.parametrize("net", [None, "net", 3])
def test_the_input_gradient_of_something_else(net):
    with pytest.raises(OptionError, match="InputGradient"):
        InputGradient(net)
