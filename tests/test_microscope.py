"""The microscope: the products that it lists add up to the numbers in the arrays, for every layer that it explains."""

import copy
import warnings

import numpy as np
import pytest
from layer_cases import LAYERS, labels_for

import minigan
from minigan import Sequential, backend
from minigan.analysis.microscope.explain import SUMS
from minigan.analysis.microscope.formula import formula_of
from minigan.errors import CacheError, OptionError, ShapeError
from minigan.layers import (
    LSTM,
    Add,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Tanh,
)
from minigan.layers.base import Layer
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import SGD, Adam, AdamW, clip_grad_norm

MORE = {  # what the microscope takes apart, with options that the other cases do not have
    "conv in groups, dilated, strides, padding": (
        lambda: Conv2D(4, (2, 3), (2, 1), ((1, 0), (2, 1)), dilation=(2, 1), groups=2),
        (6, 5, 4),
    ),
    "max pool of equals": (lambda: MaxPool2D(2, 1), (3, 3, 1)),
    "fast lstm": (lambda: LSTM(12, return_sequences=True), (6, 5)),
    "frozen batch norm": (lambda: frozen(BatchNorm()), (3,)),
}


def frozen(layer):
    layer.trainable = False
    return layer


def scope_of(make, shape, rng, training=True, n=4, dtype="float32", **options):
    net = Sequential([make()], shape, seed=1, dtype=dtype)
    net.flat_params += 0.1 * rng.standard_normal(net.flat_params.size).astype(dtype)
    x = rng.standard_normal((n, *shape)).astype(dtype)
    return minigan.microscope(net, x, rng_like(rng), training=training, **labels_for(net, n), **options)


def rng_like(rng):
    return lambda y: rng.standard_normal(y.shape).astype(y.dtype)


def places(array, rng, count):
    """Some indices of an array, the first and the last one always."""
    flat = {0, array.size - 1, *rng.integers(array.size, size=count).tolist()}
    return [tuple(int(i) for i in np.unravel_index(k, array.shape)) for k in sorted(flat)]


IN_INFERENCE = ("batch norm of vectors", "dropout", "gaussian noise", "spectral norm of dense")


@pytest.mark.parametrize(
    ("name", "training"), [*((name, True) for name in [*LAYERS, *MORE]), *((name, False) for name in IN_INFERENCE)]
)
def test_the_sum_of_the_products_is_the_number_in_the_array(name, training, rng):
    make, shape = (LAYERS | MORE)[name]
    scope = scope_of(make, shape, rng, training)
    view = scope.layers[-1]
    sums = SUMS.get(type(view.layer), {})
    for what in ["y", "dx", *(f"d{name}" for name in view.params if view.layer.trainable)]:
        array = view.arrays[what]
        size = max(1.0, float(abs(array).max()))
        for index in places(array, rng, 1):
            found = scope.explain(view.name, what, index)
            assert found.value == array[index]
            assert abs((found.again if what == "y" else found.measured) - found.value) < 3e-5 * size, found
            assert bool(found.formula) == (what in sums)
            if what in sums:
                assert abs(found.total - found.value) < 1e-5 * size, found
                assert what == "y" or found.term.startswith("(")


@pytest.mark.parametrize("name", ["dense", "conv", "batch norm of images", "max pool", "fast lstm"])
def test_in_float64_the_sum_is_the_number_to_the_last_digits(name, rng):
    make, shape = (LAYERS | MORE)[name]
    scope = scope_of(make, shape, rng, dtype="float64")
    for what in SUMS[type(scope.layers[0].layer)]:
        array = scope.layers[0].arrays[what]
        for index in places(array, rng, 2):
            found = scope.explain(0, what, index)
            assert abs(found.total - found.value) < 1e-12 * max(1, abs(array).max())
            if what != "y":
                assert abs(found.measured - found.value) < 1e-8 * max(1, abs(array).max())


def test_parts_are_what_they_say(rng):
    """The numbers in between: their own products add up to them."""
    for name in ("batch norm of images", "lstm, all outputs"):
        scope = scope_of(*LAYERS[name], rng, dtype="float64")
        for what in SUMS[type(scope.layers[0].layer)]:
            found = scope.explain(0, what, [-1] * scope.layers[0].arrays[what].ndim)
            for part in found.parts:
                if part.products:
                    assert sum(product.value for product in part.products) == pytest.approx(part.value, abs=1e-12)


def test_a_wrong_backward_shows(rng, monkeypatch):
    """The sums come from the formula, not from what the layer computed."""
    right = Dense.backward
    monkeypatch.setattr(Dense, "backward", lambda self, dy, *options: 2 * right(self, dy, *options))
    found = scope_of(*LAYERS["dense"], rng).explain(0, "dx", (0, 0))
    assert found.value == pytest.approx(2 * found.total, rel=1e-4) and found.measured == pytest.approx(
        found.total, 1e-4
    )


def test_a_sum_by_hand():
    net = Sequential([Dense(2)], (2,), dtype="float64")
    net.layers[0].params["W"] = np.array([[1.0, 2.0], [3.0, 4.0]])
    net.layers[0].params["b"] = np.array([0.5, -0.5])
    scope = minigan.microscope(net, np.array([[10.0, 100.0]]), np.array([[1.0, -1.0]]))
    found = scope.explain("0.Dense", "y", (0, 1))
    assert [product.value for product in found.products] == [20, 400, -0.5]
    assert found.products[0].factors == (("x[0, 0]", 10), ("W[0, 1]", 2))
    assert (found.value, found.total, found.again, found.measured) == (419.5, 419.5, 419.5, None)
    assert str(found).startswith("0.Dense: y[0, 1] = +419.5    y[n,o] = b[o] + sum_i x[n,i] W[i,o]")
    found = scope.explain(0, "W", (1, 0))
    assert (found.what, found.term, found.value) == ("dW", "(1)", 100.0)
    assert found.formula.startswith("dW[i,o] = sum_n x[n,i] dy[n,o]") and found.measured == pytest.approx(100)
    assert "&" not in found._repr_html_() and "<pre>" in found._repr_html_()


def deep():
    return [
        Conv2D(3, 3, 2),
        BatchNorm(),
        ReLU(),
        Add([Conv2D(3, 3), Dropout(0.3)], []),
        Sequential([Flatten(), Dense(4), LeakyReLU()]),
        Dropout(0.4),
        Dense(1),
    ]


def test_a_network_is_not_changed(rng):
    net = Sequential(deep(), (5, 4, 2))
    optimizer = Adam(net, lr=0.01)
    x = rng.standard_normal((6, 5, 4, 2)).astype("float32")
    y = net.forward(x, training=True)
    net.zero_grads()
    net.backward(y)
    optimizer.step()
    net.forward(x, training=True)  # its backward is still to come
    kept = ["flat_params", "flat_grads"]
    before = {name: getattr(net, name).copy() for name in kept}, copy.deepcopy(dict(net.state))
    moments = copy.deepcopy(optimizer.state), optimizer.steps
    scope = minigan.microscope(net, x, lambda y: y, optimizer=optimizer)
    scope.explain(0, "dW", (0, 0, 0, 0)), scope.explain("1.BatchNorm", "dx", (0, 0, 0, 0))
    for name in kept:
        np.testing.assert_array_equal(getattr(net, name), before[0][name])
    for name, value in before[1].items():
        np.testing.assert_array_equal(net.state[name], value)
    assert all((optimizer.state[name] == moments[0][name]).all() for name in moments[0])
    assert optimizer.steps == moments[1]
    net.backward(y)
    with pytest.raises(CacheError):
        net.backward(y)


def test_arrays_are_those_of_the_network(rng):
    """What goes from layer to layer, the gradients and the updates: the same bits as without a microscope."""
    net = Sequential(deep(), (5, 4, 2))
    optimizer = AdamW(net, lr=0.01)
    x = rng.standard_normal((6, 5, 4, 2)).astype("float32")
    scope = minigan.microscope(net, x, lambda y: y, optimizer=optimizer, max_grad_norm=0.5)
    y = net.forward(x, training=True)
    net.zero_grads()
    dx = net.backward(y)
    grads, start = net.flat_grads.copy(), net.flat_params.copy()
    clip_grad_norm(net, 0.5)
    optimizer.step()
    for array, wanted in ((scope.y, y), (scope.dx, dx), (scope.x, x), (scope.dy, y)):
        np.testing.assert_array_equal(array, wanted)
    for kind, wanted in {"params": start, "grads": grads, "updates": net.flat_params - start}.items():
        found = [getattr(view, kind)[name].ravel() for view in scope.layers for name in view.params]
        np.testing.assert_array_equal(np.concatenate(found), wanted)
    view = scope["0.Conv2D"]
    update, W = view.updates["W"], view.params["W"]
    assert view.update_ratios["W"] == pytest.approx(np.linalg.norm(update) / np.linalg.norm(W))
    names = [view.name for view in scope.layers]
    assert names[3:8] == [
        "3.Add/branch0.0.Conv2D",
        "3.Add/branch0.1.Dropout",
        "3.Add",
        "4.Sequential/0.Flatten",
        "4.Sequential/1.Dense",
    ]
    np.testing.assert_array_equal(scope["3.Add"].x, scope[2].y)
    np.testing.assert_array_equal(scope["3.Add/branch0.0.Conv2D"].dx + scope["3.Add"].dy, scope["3.Add"].dx)
    assert scope["3.Add"].params == {}


def test_figures_of_a_layer():
    net = Sequential([Dense(3), ReLU(), Dense(1)], (2,), dtype="float64")
    net.layers[0].params["W"] = np.array([[1.0, -1.0, 0.0], [1.0, -2.0, 0.0]])
    scope = minigan.microscope(net, np.array([[1.0, 2.0], [2.0, 3.0]]), np.ones((2, 1)), optimizer=0.1)
    relu = scope["1.ReLU"]
    assert relu.dead_share == pytest.approx(2 / 3) and scope[0].dead_share is None
    assert relu.kept_bytes == relu.y.nbytes == 48 and scope[0].kept_bytes == 32
    found = relu.histogram("y", bins=5)
    np.testing.assert_array_equal(found.counts, [4, 0, 0, 1, 1])
    assert (found.edges[0], found.edges[-1], found.odd) == (0, 5, 0)
    np.testing.assert_allclose(scope[2].updates["W"], -0.1 * scope[2].grads["W"])
    assert set(scope[0].arrays) == {"x", "y", "dy", "dx", "W", "dW", "update of W", "b", "db", "update of b"}
    assert scope[0].histogram("db").counts.sum() == 3 and np.isfinite(scope[0].update_ratios["W"])


def test_formulas_are_those_of_the_docstrings():
    for make, _ in LAYERS.values():
        layer = make()
        names = [name for name, _ in formula_of(layer)]
        assert names[:2] == ["Forward", "Backward"], type(layer)
    formula = dict(formula_of(BatchNorm()))
    assert formula["Backward"][2] == "(3) dx     = gamma / sqrt(var + epsilon) (dy - dbeta/m - xhat dgamma/m)"
    assert formula["Inference"][1].startswith("(4)") and "Options" not in formula


class Cube(Layer):
    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward(x)
        return x**3

    def backward(self, dy, param_grads=True, input_grad=True):
        return 3 * self.saved(dy) ** 2 * dy


def test_an_own_layer_without_a_formula(rng):
    net = Sequential([Dense(2), Cube()], (3,), dtype="float64")
    scope = minigan.microscope(net, rng.standard_normal((4, 3)), rng_like(rng))
    found = scope.explain(1, "dx", (2, 1))
    assert scope[1].formula == [] and found.products == [] and found.measured == pytest.approx(found.value, rel=1e-6)
    assert "cannot take apart dx of a Cube" in str(found) and "Cube" in scope._repr_html_()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_networks_with_numbers_that_are_not_finite(value, rng):
    net = Sequential([Conv2D(2, 3), BatchNorm(), MaxPool2D(2), Flatten(), LSTM_of(4), Tanh(), Dense(1)], (4, 4, 1))
    net.layers[0].params["W"][0, 0, 0, 0] = value
    x = rng.standard_normal((3, 4, 4, 1)).astype("float32")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scope = minigan.microscope(net, x, lambda y: y, optimizer=Adam(net))
    assert scope[0].histogram("y").odd > 0 and "NaN" in str(scope) and "NaN" in scope._repr_html_()
    for view in scope.layers:
        for what in SUMS.get(type(view.layer), {}):
            found = scope.explain(view.name, what, [0] * view.arrays[what].ndim)
            assert np.isfinite(found.total) == np.isfinite(found.value) or "but 0 times NaN" in str(found), found


def LSTM_of(units):
    return Sequential([Reshape((4, 2)), LSTM(units)])


def test_an_empty_gradient(rng):
    net = Sequential([Dense(3), LeakyReLU(), Dense(1)], (2,))
    x = rng.standard_normal((2, 2)).astype("float32")
    scope = minigan.microscope(net, x, np.zeros((2, 1), "float32"), optimizer=SGD(net, lr=0.1))
    assert scope[0].update_ratios["W"] == 0 and not scope.dx.any()
    found = scope.explain(0, "dW", (0, 0))
    assert found.value == found.total == found.measured == 0


def test_labels_reach_the_layers(rng):
    scope = scope_of(*LAYERS["projection"], rng)
    found = scope.explain(0, "dE", (0, 0))
    assert found.measured == pytest.approx(found.value, abs=1e-5)


def test_a_gpu_computes_the_same(gpu, rng):
    layers = [Conv2D(3, 3, 2), LeakyReLU(), Dropout(0.3), Flatten(), Dense(2), BatchNorm()]
    net = Sequential(layers, (4, 3, 2))
    x, dy = rng.standard_normal((4, 4, 3, 2)).astype("float32"), rng.standard_normal((4, 2)).astype("float32")
    here = minigan.microscope(net, x, dy, optimizer=0.1)
    there = net.to("gpu")
    scope = minigan.microscope(there, backend.to_device(x, there.xp), backend.to_device(dy, there.xp), optimizer=0.1)
    assert isinstance(scope.y, np.ndarray) and len(scope.layers) == 6
    for view, other in zip(here.layers, scope.layers, strict=True):
        for name, array in view.arrays.items():
            np.testing.assert_allclose(other.arrays[name], array, rtol=1e-3, atol=1e-4, err_msg=f"{view.name} {name}")
    found = scope.explain(0, "dW", (0, 0, 0, 0))
    assert found.total == pytest.approx(found.value, abs=1e-4) and found.measured == pytest.approx(
        found.value, abs=1e-3
    )


def test_a_loss_of_the_library(rng):
    net = Sequential([Dense(1)], (2,))
    x, targets = rng.standard_normal((3, 2)).astype("float32"), np.ones((3, 1), "float32")
    scope = minigan.microscope(net, x, lambda y: BinaryCrossEntropy()(y, targets)[1])
    np.testing.assert_allclose(scope.dy, (1 / (1 + np.exp(-scope.y)) - 1) / 3, rtol=1e-5)


def test_texts(rng):
    scope = scope_of(*LAYERS["dense"], rng, optimizer=0.1)
    assert "0.Dense" in str(scope) and "training mode" in str(scope) and "1 layers" in repr(scope)
    page = scope._repr_html_()
    assert page.count("<svg") == 2 and "dW[i,o] = sum_n x[n,i] dy[n,o]" in page and len(page) < 10_000
    scope.layers[0].name = "<script>alert(1)</script>"
    assert "<script>" not in scope._repr_html_()


@pytest.mark.parametrize(
    ("layer", "what", "index", "kind", "message"),
    [
        ("0.Dnse", "y", (0, 0), OptionError, "Did you mean '0.Dense'"),
        (7, "y", (0, 0), OptionError, "0 to 1"),
        (0, "z", (0, 0), OptionError, "one of y, dx, dW, db, got 'z'"),
        (0, "x", (0, 0), OptionError, "one of y, dx, dW, db, got 'x'"),
        (0, "y", (0,), ShapeError, "2 integers within the shape"),
        (0, "y", (0, 7), ShapeError, "within the shape"),
        (0, "y", "ab", ShapeError, "within the shape"),
        (0, "y", None, ShapeError, "within the shape"),
        (None, "y", 0, OptionError, "by its number"),
    ],
)
def test_mistakes_in_explain(layer, what, index, kind, message, rng):
    net = Sequential([Dense(7), Tanh()], (5,))
    scope = minigan.microscope(net, np.ones((1, 5), "float32"), lambda y: y)
    with pytest.raises(kind, match=message):
        scope.explain(layer, what, index)


def test_mistakes():
    net, other = Sequential([Dense(1)], (2,)), Sequential([Dense(1)], (2,))
    x, dy = np.ones((1, 2), "float32"), np.ones((1, 1), "float32")
    with pytest.raises(OptionError, match="microscope: the optimizer was made for another network"):
        minigan.microscope(net, x, dy, optimizer=Adam(other))
    with pytest.raises(OptionError, match="microscope: expected net as a built network"):
        minigan.microscope(Sequential([Dense(1)]), x, dy)
    with pytest.raises(OptionError, match="microscope: expected optimizer > 0"):
        minigan.microscope(net, x, dy, optimizer=-1)
    with pytest.raises(ShapeError, match="expected dy of shape"):
        minigan.microscope(net, x, x)
    with pytest.raises(OptionError, match="expected dy as an array, or a function of y alone"):
        minigan.microscope(net, x, lambda y, targets: y)
    with pytest.raises(AttributeError, match="no attribute 'telescope'"):
        _ = minigan.telescope
