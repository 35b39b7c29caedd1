"""ONNX models with labels as networks: minigan's own back again, others' that are the same, those that only look so."""

import io
import random

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_helpers import exported, inputs_of, require_equal_to_onnxruntime, session, shaken
from test_onnx_import import channels, imported, kinds, model, numbers, read_or_refuse, require_round_trip

from minigan import Sequential
from minigan.errors import CheckpointError, DataError, OptionError
from minigan.experiments import EXPERIMENTS
from minigan.layers import (
    LSTM,
    Add,
    Concatenate,
    ConcatenateLabel,
    ConditionalBatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Projection,
    ReLU,
    Reshape,
    SpectralNorm,
    Tanh,
)

CONDITIONAL = [name for name, experiment in EXPERIMENTS.items() if experiment.conditional]

# back again


@pytest.mark.parametrize("name", CONDITIONAL)
def test_conditional_experiments_come_back_layer_by_layer(name):
    experiment = EXPERIMENTS[name]
    for net in experiment.make_networks(experiment.image_shape):
        shaken(net)
        again = require_round_trip(net)
        assert again.classes == net.classes == 10
        assert kinds(again) == [kind for kind in kinds(net) if kind is not Dropout]
        np.testing.assert_array_equal(again.flat_params, net.flat_params)
        assert exported(again) == exported(net)


@pytest.mark.parametrize(
    "layers",
    [
        [ConcatenateLabel(3), Dense(8), ConditionalBatchNorm(3, 0.8, 1e-3), ReLU(), Projection(3)],
        [Concatenate([Embedding(3, 4), Dense(2), ReLU()], [Dense(3)]), Projection(3, use_bias=False)],
        [Dense(4), Concatenate([Embedding(3, 4)], []), Concatenate([Tanh()], [Embedding(3, 2), Tanh()]), Dense(1)],
        [Dense(4), Add([Embedding(3, 4)], [ReLU()], [Tanh()])],
        [Embedding(3, 4), Dense(2), Tanh()],
        [Add([Embedding(3, 4)], [Embedding(3, 2), Dense(4)])],
        [Dense(4), ConcatenateLabel(3, 2), ConcatenateLabel(3), ReLU()],
        [Dense(6), Add([ConcatenateLabel(3), Dense(6)], []), ConcatenateLabel(3, 4)],
        [Reshape((5, 1)), ConcatenateLabel(3, 2), LSTM(3, True), ConditionalBatchNorm(3), LSTM(2)],
        [SpectralNorm(Embedding(3, 4)), SpectralNorm(Projection(3))],
        [Dense(4), Embedding(3, 2)],
        [ConcatenateLabel(3, 1)],
        [ConcatenateLabel(1), Projection(1)],
    ],
)
def test_networks_of_vectors_and_back(layers):
    again = require_round_trip(shaken(Sequential(layers, (5,), seed=2)))
    require_equal_to_onnxruntime(again)


@pytest.mark.parametrize(
    "layers",
    [
        [ConcatenateLabel(3), Conv2D(2, 3), ConditionalBatchNorm(3), ReLU(), Flatten(), Projection(3)],
        [Conv2D(4, 3), ConcatenateLabel(4, 4), Conv2DTranspose(2, 3, 2), ConditionalBatchNorm(4), ConcatenateLabel(4)],
        [ConditionalBatchNorm(3), Conv2D(3, 1), ConditionalBatchNorm(3)],
        [Concatenate([Embedding(3, 2), Dense(16), Reshape((4, 4, 1))], []), Conv2D(2, 3)],
        [Add([Conv2D(1, 3), ConditionalBatchNorm(3)], []), ConcatenateLabel(3, 4)],
        [ConcatenateLabel(4)],
    ],
)
def test_networks_of_images_and_back(layers):
    again = require_round_trip(shaken(Sequential(layers, (4, 4, 1), seed=2)))
    require_equal_to_onnxruntime(again)


def test_what_comes_back_learns_and_wants_labels(tmp_path):
    net = Sequential([ConcatenateLabel(3, 2), Dense(4), ConditionalBatchNorm(3), Projection(3)], (2,))
    again = require_round_trip(shaken(net))
    x, labels = inputs_of(net, 5)
    again.backward(again.forward(x, training=True, **labels))
    assert all(again.grads[name].any() for name in again.grads if name != "1.Dense.b")
    with pytest.raises(OptionError, match="needs the labels"):
        again.predict(x)
    with pytest.raises(DataError, match="labels from 0 to 2"):
        again.predict(x, labels=[0, 1, 2, 3, 0])
    again.save(tmp_path / "again.npz")
    np.testing.assert_array_equal(
        Sequential.load(tmp_path / "again.npz").predict(x, **labels), again.predict(x, **labels)
    )


# models of others, made by hand


def labelled(nodes, shape, constants=None, labels=("n",), kind=TensorProto.INT64, first=False, **more):
    """The bytes of a model with the inputs x and k, the labels"""
    info = helper.make_tensor_value_info("k", kind, labels)
    return model(nodes, shape, constants, input=lambda inputs: inputs.insert(0 if first else len(inputs), info), **more)


def require_same(content, n=4, dtype="int64"):
    """The network gives what onnxruntime gives for images with the channels first."""
    net = imported(content)
    x, labels = inputs_of(net, n)
    labels = labels["labels"]
    (expected,) = session(content).run(
        None, {"x": np.ascontiguousarray(channels(x, -1, 1)), "k": np.asarray(labels, dtype)}
    )
    np.testing.assert_allclose(net.predict(x, labels=labels), channels(expected, 1, -1), rtol=1e-5, atol=1e-6)
    return net


NORM = {"one": np.ones(2, "float32"), "zero": np.zeros(2, "float32"), "m": numbers(2), "v": abs(numbers(2)) + 0.5}
BY_CLASS = [
    ("Gather", "G k", "g", {}),
    ("Gather", "B k", "b", {}),
    ("BatchNormalization", "c one zero m v", "n", {}),
    ("Mul", "g n", "s", {}),
    ("Add", "b s", "y", {}),
]


def by_class(**changes):
    """A convolution of images with the channels first, and a scale and shift of each class behind it."""
    tables = {"G": numbers(3, 2, 1, 1), "B": numbers(3, 2, 1, 1), "K": numbers(2, 1, 2, 2)}
    return labelled([("Conv", "x K", "c", {}), *BY_CLASS], ["n", 1, 3, 3], NORM | tables | changes)


def test_a_scale_for_each_class_with_the_channels_first():
    assert kinds(require_same(by_class())) == [Conv2D, ConditionalBatchNorm]


def test_a_scale_for_each_class_with_a_reshape():
    """self.gamma(labels).view(-1, c, 1, 1) * self.norm(x) + self.beta(labels).view(-1, c, 1, 1) in PyTorch."""
    tables = {"G": numbers(3, 2), "B": numbers(3, 2), "K": numbers(2, 1, 2, 2), "shape": np.array([-1, 2, 1, 1])}
    nodes = [
        ("Conv", "x K", "c", {}),
        ("Gather", "G k", "g0", {}),
        ("Reshape", "g0 shape", "g", {}),
        ("Gather", "B k", "b0", {}),
        ("Reshape", "b0 shape", "b", {}),
        *BY_CLASS[2:],
    ]
    assert kinds(require_same(labelled(nodes, ["n", 1, 3, 3], NORM | tables))) == [Conv2D, ConditionalBatchNorm]
    for shape in ([-1, 1, 2, 1], [2, -1, 1, 1], [1, -1, 2, 1, 1]):
        with pytest.raises(CheckpointError, match=r"Mul only as a part|expected tables|reshapes each sample"):
            imported(labelled(nodes, ["n", 1, 3, 3], NORM | tables | {"shape": np.array(shape)}))


def test_a_table_becomes_an_image():
    """An Embedding that a Reshape makes an image of is a branch, not a scale."""
    nodes = [
        ("Gather", "E k", "e", {}),
        ("Reshape", "e shape", "i", {}),
        ("Concat", "x i", "c", {"axis": 1}),
        ("Conv", "c K", "y", {}),
    ]
    constants = {"E": numbers(4, 9), "shape": np.array([-1, 1, 3, 3]), "K": numbers(2, 2, 2, 2)}
    assert kinds(require_same(labelled(nodes, ["n", 1, 3, 3], constants))) == [Concatenate, Conv2D]


@pytest.mark.parametrize("factors", ["a r", "r a"])
def test_a_projection_follows_the_order_of_the_channels(factors):
    """An image becomes a vector: the rows of w and the columns of E are sorted, and so are the scales of classes."""
    norm = {name: np.resize(value, 8) for name, value in NORM.items()}
    tables = {"G": numbers(3, 8), "B": numbers(3, 8), "E": numbers(3, 8), "w": numbers(1, 8), "K": numbers(2, 1, 2, 2)}
    nodes = [
        ("Conv", "x K", "i", {}),
        ("Flatten", "i", "c", {}),
        *BY_CLASS[:-1],
        ("Add", "b s", "a", {}),
        ("Gather", "E k", "r", {}),
        ("Gemm", "a w", "f", {"transB": 1}),
        ("Mul", factors, "p", {}),
        ("ReduceSum", "p axis", "l", {}),
        ("Add", "l f", "y", {}),
    ]
    net = require_same(labelled(nodes, ["n", 1, 3, 3], norm | tables | {"axis": np.array([-1])}))
    assert kinds(net) == [Conv2D, Flatten, ConditionalBatchNorm, Projection]


def test_more_channels_by_label():
    nodes = [
        ("OneHot", "k depth values", "h", {}),
        ("Reshape", "h pixel", "r", {}),
        ("Expand", "r places", "e", {}),
        ("Concat", "x e", "c", {"axis": 1}),
        ("Conv", "c K", "y", {}),
    ]
    constants = {
        "depth": np.array([3]),
        "values": np.array([0, 1], "float32"),
        "pixel": np.array([-1, 3, 1, 1]),
        "places": np.array([1, 1, 3, 3]),
        "K": numbers(2, 4, 2, 2),
    }
    assert kinds(require_same(labelled(nodes, ["n", 1, 3, 3], constants, first=True))) == [ConcatenateLabel, Conv2D]


def test_a_table_that_several_layers_share():
    nodes = [("Gather", "E k", "e", {}), ("Concat", "x e", "a", {"axis": 1}), ("Concat", "a e", "y", {"axis": -1})]
    content = labelled(nodes, ["n", 2], {"E": numbers(3, 2)}, kind=TensorProto.INT32)
    assert kinds(require_same(content, dtype="int32")) == [ConcatenateLabel] * 2


def test_a_vector_of_each_class_is_added():
    nodes = [("Gemm", "x W", "a", {}), ("Gather", "E k", "y0", {}), ("Add", "y0 a", "y", {})]
    content = labelled(nodes, [2, 3], {"W": numbers(3, 2), "E": numbers(4, 2)}, labels=[2])
    net = require_same(content, n=2)
    assert kinds(net) == [Dense, Add] and [*map(type, net.layers[1].branches[0])] == [Embedding]


# what only looks alike


PROJECTION = [
    ("Gather", "E k", "r", {}),
    ("Mul", "x r", "p", {}),
    ("ReduceSum", "p axis", "l", {}),
    ("Gemm", "x w", "f", {}),
    ("Add", "f l", "y", {}),
]
BEHIND = [("Gather", "E k", "e", {}), ("Concat", "x e", "y", {"axis": 1})]
EVERYWHERE = [
    ("Gather", "E k", "e", {}),
    ("Reshape", "e pixel", "r", {}),
    ("Expand", "r places", "s", {}),
    ("Concat", "x s", "y", {"axis": 3}),
]
ONE_HOT = [("OneHot", "k depth values", "e", {}), ("Concat", "x e", "y", {"axis": 1})]
CONSTANTS = {
    "E": numbers(3, 4),
    "w": numbers(4, 1),
    "axis": np.array([1]),
    "depth": np.array(3),
    "values": np.array([0, 1], "float32"),
    "pixel": np.array([0, 1, 1, 4]),
    "places": np.array([1, 4, 4, 1]),
    "squares": np.arange(3) ** 2,
}


def test_what_the_cases_below_change_is_read():
    for nodes, shape, kind in (
        (PROJECTION, ["n", 4], Projection),
        (BEHIND, ["n", 4], ConcatenateLabel),
        (ONE_HOT, ["n", 4], ConcatenateLabel),
        (EVERYWHERE, ["n", 4, 4, 2], ConcatenateLabel),
    ):
        content = labelled(nodes, shape, CONSTANTS, producer="minigan")
        net = imported(content)
        assert kinds(net) == [kind]
        x, labels = inputs_of(net, 3)
        (expected,) = session(content).run(None, {"x": x, "k": labels["labels"]})
        np.testing.assert_allclose(net.predict(x, **labels), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("nodes", "change", "reason"),
    [
        (PROJECTION, {"axis": np.array([0])}, r"axes=\[1\]"),
        (PROJECTION, {"2": ("ReduceSum", "p axis", "l", {"keepdims": 0})}, r"keeps this axis"),
        (PROJECTION, {"w": numbers(4, 4)}, "gives one number for each sample"),
        (PROJECTION, {"3": ("Gemm", "x w", "f", {"alpha": 2.0})}, "alpha=2.0"),
        (PROJECTION, {"3": ("Gemm", "r w", "f", {})}, "Mul only as a part"),
        (PROJECTION, {"4": ("Sub", "f l", "y", {})}, "Mul only as a part"),
        (PROJECTION, {"1": ("Mul", "r r", "p", {})}, "Mul only as a part"),
        (PROJECTION, {"E": numbers(3, 1)}, "a table with as many columns"),
        (PROJECTION, {"E": numbers(3, 1, 4)}, "a table with as many columns"),
        (BEHIND, {"0": ("Gather", "E k", "e", {"axis": 1})}, "axis=1"),
        (BEHIND, {"0": ("Gather", "E squares", "e", {})}, "only for labels"),
        (BEHIND, {"0": ("Gather", "x k", "e", {})}, "as a constant of floats, found 'x'"),
        (BEHIND, {"0": ("Gather", "squares k", "e", {})}, "as a constant of floats, found 'squares'"),
        (BEHIND, {"E": numbers(3)}, "a row for each class"),
        (BEHIND, {"E": numbers(3, 1, 4)}, "as 4 more channels|of the shape"),
        (BEHIND, {"1": ("Concat", "x e", "y", {"axis": 0})}, "axis=0 is another one"),
        (BEHIND, {"1": ("Concat", "x k", "y", {"axis": 1})}, "found 'k'"),
        (ONE_HOT, {"values": np.array([1, 0], "float32")}, "the numbers 0 and 1"),
        (ONE_HOT, {"values": np.array([0, 2], "float32")}, "the numbers 0 and 1"),
        (ONE_HOT, {"0": ("OneHot", "k depth values", "e", {"axis": 0})}, "axis=0"),
        (ONE_HOT, {"0": ("OneHot", "squares depth values", "e", {})}, "only for labels"),
        (ONE_HOT, {"1": ("Gemm", "e E", "y", {})}, "only in ConcatenateLabel"),
        (ONE_HOT, {"1": ("Concat", "e x", "y", {"axis": 1})}, "found 'e'"),
        (ONE_HOT, {"depth": np.array(0)}, "number of classes"),
        (ONE_HOT, {"depth": np.array(2**28)}, "too many numbers"),
        (EVERYWHERE, {"pixel": np.array([0, 4, 1, 1]), "places": np.array([1, 1, 4, 4])}, "as 4 more channels"),
        (EVERYWHERE, {"pixel": np.array([0, 2, 2, 1])}, "do not fit|as 4 more channels"),
        (EVERYWHERE, {"places": np.array([1, 4, 3, 1])}, "as 4 more channels"),
        (EVERYWHERE, {"places": np.array([2, 4, 4, 1])}, "the first axis changes"),
        (EVERYWHERE, {"pixel": np.array([4, 1, 1, -1])}, "not known before|first axis changes"),
        (EVERYWHERE, {"pixel": np.array([0, 4])}, "not known before"),
        (EVERYWHERE, {"1": ("Reshape", "e pixel", "r", {"allowzero": 1})}, "allowzero"),
        (EVERYWHERE, {"2": ("Expand", "x places", "s", {})}, "made while the network runs|Expand"),
        ([("Gather", "E k", "e", {}), ("Mul", "x e", "y", {})], {}, "Mul only as a part"),
        ([("Cast", "k", "f", {"to": 1}), ("Add", "x f", "y", {})], {}, "no such operator"),
        ([("Relu", "k", "y", {})], {}, "found 'k'"),
    ],
)
def test_models_that_look_alike_are_refused(nodes, change, reason):
    nodes, constants = [*nodes], {**CONSTANTS}
    for name, value in change.items():
        if name.isdigit():
            nodes[int(name)] = value
        else:
            constants[name] = value
    shape = ["n", 4, 4, 2] if nodes[0:1] == EVERYWHERE[0:1] and len(nodes) == 4 else ["n", 4]
    with pytest.raises(CheckpointError, match=reason) as error:
        imported(labelled(nodes, shape, constants, producer="minigan"))
    assert "\n" not in str(error.value) and "Error" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"G": numbers(3, 2)}, r"expected tables of the shape \(3, 2, 1, 1\).*found \(3, 2\)"),
        ({"B": numbers(4, 2, 1, 1)}, r"found \(3, 2, 1, 1\) and \(4, 2, 1, 1\)"),
        ({"B": numbers(3, 1, 2, 2)}, "expected tables"),
        ({"G": numbers(3, 1, 1, 1)}, "expected tables"),
        ({"one": np.array([1, 2], "float32")}, "has its own, too"),
        ({"zero": np.array([0, 1], "float32")}, "has its own, too"),
    ],
)
def test_scales_of_classes_that_look_alike_are_refused(change, reason):
    with pytest.raises(CheckpointError, match=reason):
        imported(by_class(**change))


def test_layers_for_other_numbers_of_classes_are_refused():
    nodes = [
        ("Gather", "E k", "e", {}),
        ("Concat", "x e", "a", {"axis": 1}),
        ("Gather", "F k", "f", {}),
        ("Concat", "a f", "y", {"axis": 1}),
    ]
    with pytest.raises(CheckpointError, match="classes"):
        imported(labelled(nodes, ["n", 4], {"E": numbers(3, 4), "F": numbers(4, 2)}))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"labels": [1]}, "1 labels for None samples"),
        ({"labels": ["n", 1]}, r"2 inputs \('x', 'k'\), and a Sequential has one, and perhaps labels"),
        ({"labels": None}, "2 inputs"),
        ({"labels": []}, "2 inputs"),
        ({"kind": TensorProto.FLOAT}, "2 inputs"),
        ({"shape": [5, 4]}, "None labels for 5 samples"),
        ({"shape": [5, 4], "labels": [4]}, "4 labels for 5 samples"),
    ],
)
def test_inputs_that_are_no_labels(options, reason):
    with pytest.raises(CheckpointError, match=reason):
        imported(labelled(BEHIND, **{"shape": ["n", 4], "constants": CONSTANTS} | options))


def test_labels_that_nobody_takes():
    assert imported(labelled([("Relu", "x", "y", {})], ["n", 3])).classes is None


def test_damaged_files():
    net = [ConcatenateLabel(3, 2), Dense(16), Reshape((2, 2, 4)), ConditionalBatchNorm(3), ConcatenateLabel(3)]
    content = exported(shaken(Sequential([*net, Flatten(), Projection(3)], (2,))))
    rng = random.Random(0)
    for _ in range(100):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        read_or_refuse(bytes(damaged))


# models of PyTorch


def torch_modules():
    """{name: (module, shape of an input, the layers it becomes)}"""
    from torch import cat, nn

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.fc = nn.Embedding(10, 4), nn.Linear(9, 3)

        def forward(self, z, labels):
            return self.fc(cat((z, self.table(labels)), 1))

    class Before(Beside):
        def forward(self, z, labels):
            return self.fc(cat((self.table(labels), z), 1))

    class Projects(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.fc, self.table = nn.Conv2d(1, 4, 3, 2, 1), nn.Linear(16, 1), nn.Embedding(10, 16)

        def forward(self, x, labels):
            h = self.conv(x).flatten(1)
            return self.fc(h) + (self.table(labels) * h).sum(1, keepdim=True)

    class Scales(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.ConvTranspose2d(1, 4, 3, padding=1), nn.BatchNorm2d(4, affine=False)
            self.gamma, self.beta = nn.Embedding(10, 4), nn.Embedding(10, 4)

        def forward(self, x, labels):
            gamma, beta = (table(labels).view(-1, 4, 1, 1) for table in (self.gamma, self.beta))
            return gamma * self.norm(self.conv(x)) + beta

    return {
        "beside": (Beside(), (5,), [ConcatenateLabel, Dense]),
        "before": (Before(), (5,), [Concatenate, Dense]),
        "projects": (Projects(), (1, 4, 4), [Conv2D, Flatten, Projection]),
        "scales": (Scales(), (1, 4, 4), [Conv2DTranspose, ConditionalBatchNorm]),
    }


@pytest.mark.torch
@pytest.mark.parametrize("name", ["beside", "before", "projects", "scales"])
@pytest.mark.filterwarnings("ignore")
def test_models_of_pytorch(name):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module, shape, expected = torch_modules()[name]
    x, k, file = torch.randn(3, *shape), torch.tensor([4, 0, 9]), io.BytesIO()
    axes = {"x": {0: "n"}, "k": {0: "n"}}
    torch.onnx.export(module.eval(), (x, k), file, dynamo=False, input_names=["x", "k"], dynamic_axes=axes)
    net = imported(file.getvalue())
    assert kinds(net) == expected
    y = net.predict(np.ascontiguousarray(channels(x.numpy(), 1, -1)), labels=k.numpy())
    np.testing.assert_allclose(y, channels(module(x, k).detach().numpy(), 1, -1), rtol=1e-5, atol=1e-6)
