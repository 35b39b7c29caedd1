"""Mistakes in a layer of one's own are named: the error says which layer, what it did, and what to write."""

import numpy as np
import pytest

from minigan import Sequential
from minigan.checks import check_gradients, check_layer
from minigan.errors import CacheError, GradientError, OptionError, ShapeError, UnknownArrayError
from minigan.initializers import Ones
from minigan.layers import Add, Dense, Layer, Tanh
from minigan.layers.base import retaining

ARRAY = "an array of float32"


class Scale(Layer):
    """y = w x, with one of several mistakes."""

    def __init__(self, mistake=None):
        self.mistake = mistake

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.add_param("w", input_shape, Ones(), rng)
        return {"no shape": None, "a number": 3, "too wide": (5,)}.get(self.mistake, input_shape)

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward(x)
        wrong = {"no y": None, "a tuple": (x, x), "y too short": x[1:], "float64": x.astype("float64"), "float": 2.5}
        return wrong.get(self.mistake, x * self.params["w"])

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        dw = (dy * x).sum(axis=0)
        name = "v" if self.mistake == "unknown name" else "w"
        self.add_grad(name, {"no sum": dy * x, "one sum": dw.sum()}.get(self.mistake, dw))
        wrong = {"no dx": None, "dx is a list": [dy], "dx summed": dy.sum(axis=0), "dx too narrow": dy[:, :1]}
        return wrong.get(self.mistake, dy * self.params["w"])


@pytest.mark.parametrize(
    ("mistake", "error", "message"),
    [
        ("no shape", OptionError, "0.Scale: expected the shape of one output from build, .*None.*end with a return"),
        ("a number", OptionError, "0.Scale: expected the shape of one output from build, .*got 3"),
        ("too wide", ShapeError, rf"0.Scale forward: .*shape \(4, 5\), got {ARRAY} of shape \(4, 2\)"),
        ("unknown name", UnknownArrayError, "there is no 'v'; the parameters are w"),
        ("no sum", ShapeError, rf"add_grad\('w', ...\): .*shape \(2,\).*got {ARRAY} of shape \(4, 2\)"),
        ("one sum", ShapeError, r"add_grad\('w', ...\): .*shape \(2,\)"),
    ],
)
def test_mistakes_in_a_layer_of_ones_own_are_named(mistake, error, message):
    x = np.ones((4, 2), "float32")
    for run in ("predict", "forward"):
        with pytest.raises(error, match=message):
            net = Sequential([Scale(mistake)], (2,))
            getattr(net, run)(x)
            net.forward(x)
            net.backward(x)
    Sequential([Scale()], (2,)).forward(x)


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        ("no y", rf"forward: expected it to return y, {ARRAY} of shape \(4, 2\), got None\. .* its forward returns y"),
        ("a tuple", "forward: expected it to return y, .*, got a tuple"),
        ("y too short", rf"forward: expected it to return y, .*, got {ARRAY} of shape \(3, 2\)"),
        ("float", r"forward: expected it to return y, .*, got 2\.5"),
        (
            "float64",
            "forward: expected it to return y, .*, got an array of float64 .*Plain Python numbers keep the dtype",
        ),
        ("no dx", rf"backward: expected it to return dx, {ARRAY} of shape \(4, 2\), got None\. .*the shape of x"),
        ("dx is a list", "backward: expected it to return dx, .*, got a list"),
        ("dx summed", rf"backward: expected it to return dx, .*, got {ARRAY} of shape \(2,\)"),
        ("dx too narrow", rf"backward: expected it to return dx, .*, got {ARRAY} of shape \(4, 1\)"),
    ],
)
@pytest.mark.parametrize("place", range(3))
def test_what_a_layer_returns_is_compared_at_once(mistake, message, place):
    """Not by the layer that gets it, which would be blamed for it, nor by nobody, at the ends of a network."""
    x = np.ones((4, 2), "float32")
    for around in (tuple, lambda parts: [Sequential(parts)], lambda parts: [Add(parts, [])]):
        parts = [Dense(2), Dense(2)]
        parts.insert(place, Scale(mistake))
        net = Sequential(around(parts), (2,))
        with pytest.raises(ShapeError, match=rf"{place}\.Scale {message}"):
            net.forward(x)
            net.backward(x)


def test_what_a_layer_returns_for_its_part_of_a_batch_is_compared():
    for mistake, message in (("no y", r"forward: .*\(3, 2\), got None"), ("dx summed", r"backward: .*got .*\(2,\)")):
        net = Sequential([Dense(2), Scale(mistake), Dense(2)], (2,))
        net.parallel(2)
        x = np.ones((6, 2), "float32")
        with pytest.raises(ShapeError, match=rf"1\.Scale {message}"):
            net.forward(x)
            net.backward(x)


def test_a_tangent_of_another_shape_is_named():
    class Summed(Tanh):
        def tangent(self, xdot):
            return super().tangent(xdot).sum(axis=0)

    net, x = Sequential([Dense(2), Summed(), Dense(2)], (2,)), np.ones((4, 2), "float32")
    net.forward(x)
    with retaining():
        net.backward(x)
    with pytest.raises(ShapeError, match=r"1\.Summed tangent: expected it to return ydot, .* \(4, 2\), got .* \(2,\)"):
        net.tangent(x)


@pytest.mark.parametrize(
    "use",
    [
        lambda layer: layer.add_param("w", (2,), Ones(), None),
        lambda layer: layer.add_state("mean", np.ones(2)),
        lambda layer: layer.require_images(),
        lambda layer: None,
    ],
)
def test_a_build_that_does_not_begin_with_that_of_layer(use):
    class Bare(Tanh):
        def build(self, input_shape, rng, dtype, xp):
            use(self)
            return input_shape

    message = r"Bare: build must begin with super\(\)\.build\(input_shape, rng, dtype, xp\)\."
    for make in (
        lambda: Sequential([Bare()], (2,)),
        lambda: check_layer(Bare, (2,)),
        lambda: check_gradients(Bare(), (2,)),
    ):
        with pytest.raises(OptionError, match=message):
            make()


def test_a_forward_that_saves_nothing_is_told_to():
    """It ran, so an error that only asks for a forward would be false."""

    class SavesNothing(Tanh):
        def forward(self, x, training=False):
            return np.tanh(x)

    net, x = Sequential([Dense(2), SavesNothing()], (2,)), np.ones((4, 2), "float32")
    net.forward(x)
    with pytest.raises(CacheError, match=r"1.SavesNothing: .*forward calls self.save_for_backward\(...\), also if"):
        net.backward(x)


def test_gradient_checks_name_what_is_returned():
    x = np.ones((4, 2))
    for mistake, message in (("no y", "forward: .*got None"), ("no dx", "backward: .*got None")):
        with pytest.raises(GradientError, match=f"Scale {message}"):
            check_gradients(Scale(mistake), x)


class OwnWeights(Layer):
    """y = W x, with a W that add_param does not know: an attribute, or only half of a parameter."""

    def __init__(self, where):
        if where == "params":
            self.params = {"W": np.ones(2, "float32")}
        self.W = np.ones(2, "float32")

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward(x)
        return x * self.W

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        self.add_grad("W", (dy * x).sum(axis=0))
        return dy * self.W


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("params", r"grads: there is no 'W'; it holds nothing. .* in build: self.add_param\(...\) makes a parameter"),
        ("attribute", r"the layer has no parameters yet. .* in build: self.add_param\('W', shape, initializer, rng\)"),
    ],
)
def test_weights_without_add_param_are_told_how_to_make_them(where, message):
    x = np.ones((4, 2), "float32")
    with pytest.raises(UnknownArrayError, match=message):
        net = Sequential([OwnWeights(where)], (2,))
        net.forward(x)
        net.backward(x)


def test_one_number_is_the_gradient_of_a_parameter_of_one_number():
    net = Sequential([Scale("one sum")], (1,))
    net.forward(np.ones((4, 1), "float32"))
    net.backward(np.ones((4, 1), "float32"))
    assert net.grads["0.Scale.w"] == 4
