"""ONNX models as networks: minigan's own back again, others' by hand and from PyTorch, and what cannot be read."""

import io
import random
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from layer_cases import LAYERS
from onnx import TensorProto, helper, numpy_helper
from onnx_helpers import exported, inputs_of, require_equal_to_onnxruntime, session, shaken

from minigan import Sequential, backend
from minigan.errors import CheckpointError, MiniganError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.interop import onnx_readers
from minigan.layers import (
    ELU,
    GELU,
    LSTM,
    Add,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)


def imported(content, **options):
    return Sequential.from_onnx(io.BytesIO(content), **options)


def kinds(net):
    return [type(layer) for layer in net.layers]


# back again


def require_round_trip(net):
    again = imported(exported(net))
    x, labels = inputs_of(net, 3)
    np.testing.assert_allclose(again.predict(x, **labels), net.predict(x, **labels), rtol=1e-5, atol=1e-6)
    return again


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_and_back(name):
    make, shape = LAYERS[name]
    require_round_trip(shaken(Sequential([make()], shape, seed=3)))


def test_the_same_layers_come_back():
    net = Sequential(
        [
            *(Dense(64, use_bias=False), BatchNorm(0.8, 1e-3), LeakyReLU(0.3), Reshape((4, 4, 4)), GroupNorm(2, 1e-4)),
            *(GELU(), Conv2DTranspose(3, 5, 2), SiLU(), Conv2D(4, 3, padding="valid"), MaxPool2D(2), ELU(0.5)),
            Add([Conv2D(4, 3), Softmax()], []),
            Concatenate([Conv2D(2, 1, padding="valid"), Tanh()], [LayerNorm()]),
            *(GlobalAveragePool2D(), Reshape((3, 2)), LSTM(3, True), LSTM(2), Dense(1)),
        ],
        (7,),
    )
    assert str(require_round_trip(shaken(net))) == str(net)


def check_experiment(name):
    experiment = find(name)
    for net in experiment.make_networks(experiment.image_shape):
        require_round_trip(shaken(net))


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_and_back(name):
    check_experiment(name)


def test_a_file_and_a_device(tmp_path, gpu):
    net = shaken(Sequential([Conv2D(2, 3), BatchNorm()], (4, 4, 1)))
    net.to_onnx(tmp_path / "net.onnx")
    again = Sequential.from_onnx(tmp_path / "net.onnx", device="gpu")
    assert backend.array_module(again.flat_params) is gpu
    np.testing.assert_array_equal(backend.to_cpu(again.flat_params), net.flat_params)


def test_what_is_read_can_be_trained_and_saved(tmp_path):
    net = require_round_trip(shaken(Sequential([Conv2D(2, 3), BatchNorm(), Flatten(), Dense(1)], (4, 4, 1))))
    x, _ = inputs_of(net, 3)
    net.backward(net.forward(x, training=True))
    assert net.flat_grads.any()
    net.save(tmp_path / "net.npz")
    np.testing.assert_array_equal(Sequential.load(tmp_path / "net.npz").predict(x), net.predict(x))


# models of others, made by hand

RNG = np.random.default_rng(5)


def numbers(*shape):
    return RNG.normal(0, 0.5, shape).astype("float32")


def model(nodes, shape, constants=None, opset=17, producer="", output="y", **changes):
    """The bytes of a model with the input x and the output y; nodes: (operator, inputs, output, options)"""
    made = [helper.make_node(op, inputs.split(), [out], name=out, **options) for op, inputs, out, options in nodes]
    values = {name: np.asarray(value) for name, value in (constants or {}).items()}
    graph = helper.make_graph(
        made,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name=producer)
    for name, change in changes.items():
        change(getattr(proto.graph, name))
    return proto.SerializeToString()


def require_same_as_onnxruntime(content, n=3):
    """The network gives what onnxruntime gives for images with the channels first."""
    net = imported(content)
    x, _ = inputs_of(net, n)
    (expected,) = session(content).run(None, {"x": np.ascontiguousarray(channels(x, -1, 1))})
    np.testing.assert_allclose(net.predict(x), channels(expected, 1, -1), rtol=1e-5, atol=1e-6)
    return net


def channels(x, old, new):
    return np.moveaxis(x, old, new) if x.ndim == 4 else x


def test_a_product_and_its_bias():
    nodes = [("MatMul", "x W", "a", {}), ("Add", "b a", "y", {})]
    net = require_same_as_onnxruntime(model(nodes, ["n", 3], {"W": numbers(3, 2), "b": numbers(2)}))
    assert kinds(net) == [Dense] and net.layers[0].use_bias


def test_a_transposed_product():
    nodes = [("Gemm", "x W", "y", {"transB": 1})]
    assert kinds(require_same_as_onnxruntime(model(nodes, ["n", 3], {"W": numbers(2, 3)}))) == [Dense]


def test_rows_and_columns_follow_the_order_of_the_channels():
    """Where an image becomes a vector, and where a vector becomes an image, with a BatchNorm on the way."""
    norm = {name: numbers(12) for name in ("s", "b", "m")} | {"v": abs(numbers(12)) + 0.5}
    nodes = [
        ("Conv", "x K", "c", {}),
        ("Flatten", "c", "f", {}),
        ("BatchNormalization", "f s b m v", "o", {}),
        ("Relu", "o", "r", {}),
        ("Gemm", "r W", "g", {}),
        ("BatchNormalization", "g s b m v", "h", {}),
        ("Reshape", "h shape", "i", {}),
        ("ConvTranspose", "i T", "y", {}),
    ]
    shape = np.array([-1, 3, 2, 2])
    weights = {"K": numbers(3, 2, 3, 3), "W": numbers(12, 12), "T": numbers(3, 2, 2, 2), "shape": shape}
    net = require_same_as_onnxruntime(model(nodes, ["n", 2, 4, 4], weights | norm))
    expected = [Conv2D, Flatten, BatchNorm, ReLU, Dense, BatchNorm, Reshape, Conv2DTranspose]
    assert kinds(net) == expected and net.input_shape == (4, 4, 2)


def test_a_vector_whose_order_nobody_can_change():
    nodes = [("Reshape", "x shape", "i", {}), ("Conv", "i K", "y", {})]
    with pytest.raises(CheckpointError, match="no Gemm before it"):
        imported(model(nodes, ["n", 8], {"shape": np.array([0, 2, 2, 2]), "K": numbers(1, 2, 1, 1)}))
    nodes = [("Conv", "x K", "c", {}), ("Flatten", "c", "y", {})]
    with pytest.raises(CheckpointError, match="its output is an image as a vector"):
        imported(model(nodes, ["n", 1, 2, 2], {"K": numbers(2, 1, 1, 1)}))


def test_the_mean_of_an_image_in_three_ways():
    start = ("Conv", "x K", "c", {})
    for nodes in (
        [("GlobalAveragePool", "c", "p", {}), ("Flatten", "p", "y", {})],
        [("GlobalAveragePool", "c", "p", {}), ("Squeeze", "p axes", "y", {})],
        [("ReduceMean", "c", "y", {"axes": [-1, 2], "keepdims": 0})],
    ):
        content = model([start, *nodes], ["n", 1, 4, 4], {"K": numbers(3, 1, 2, 2), "axes": np.array([2, 3])})
        assert kinds(require_same_as_onnxruntime(content)) == [Conv2D, GlobalAveragePool2D]
    content = model(
        [start, ("ReduceMean", "c axes", "y", {})],
        ["n", 1, 4, 4],
        {"K": numbers(3, 1, 2, 2), "axes": np.array([2, 3])},
        18,
    )
    assert kinds(require_same_as_onnxruntime(content)) == [Conv2D, GlobalAveragePool2D, Reshape]


def test_a_shape_that_is_calculated():
    """x.view(len(x), -1), as PyTorch writes it."""
    nodes = [
        ("Conv", "x K", "c", {}),
        ("Shape", "c", "shape", {}),
        ("Gather", "shape zero", "n", {"axis": 0}),
        ("Unsqueeze", "n axes", "m", {}),
        ("Concat", "m rest", "target", {"axis": 0}),
        ("Reshape", "c target", "f", {}),
        ("Gemm", "f W", "y", {}),
    ]
    whole = {"zero": np.array(0), "axes": np.array([0]), "rest": np.array([-1])}
    content = model(nodes, ["n", 1, 3, 3], {"K": numbers(2, 1, 2, 2), "W": numbers(8, 1), **whole})
    assert kinds(require_same_as_onnxruntime(content)) == [Conv2D, Flatten, Dense]


def test_output_padding_and_two_kinds_of_resize():
    nodes = [
        ("ConvTranspose", "x K", "c", {"strides": [2, 2], "pads": [2, 2, 2, 2], "output_padding": [1, 1]}),
        ("Resize", "c none scales", "y", {"mode": "nearest"}),
    ]
    scales = {"scales": np.array([1, 1, 2, 3], "float32"), "none": np.zeros(0, "float32")}
    net = require_same_as_onnxruntime(model(nodes, ["n", 2, 3, 3], {"K": numbers(2, 3, 5, 5), **scales}))
    assert net.layers[0].padding == ((2, 1), (2, 1)) and net.layers[1].size == (2, 3)


def test_branches_of_more_than_two():
    nodes = [
        ("Relu", "x", "a", {}),
        ("Tanh", "x", "b", {}),
        ("Softplus", "b", "c", {}),
        ("Sum", "a c x", "s", {}),
        ("Concat", "s x", "y", {"axis": -1}),
    ]
    net = require_same_as_onnxruntime(model(nodes, ["n", 3]))
    assert str(net.layers) == "(Concatenate([Add([ReLU()], [Tanh(), Softplus()], [])], []),)"


def test_the_softplus_of_pytorch():
    nodes = [("Softplus", "x", "s", {}), ("Greater", "x limit", "g", {}), ("Where", "g x s", "y", {})]
    assert kinds(require_same_as_onnxruntime(model(nodes, ["n", 3], {"limit": np.float32(20)}))) == [Softplus]
    with pytest.raises(CheckpointError, match=r"Greater.*no such operator"):
        imported(model(nodes, ["n", 3], {"limit": np.float32(2)}))


def test_a_dropout_and_an_identity_vanish():
    nodes = [("Dropout", "x", "d", {}), ("Identity", "d", "i", {}), ("Relu", "i", "y", {})]
    assert kinds(imported(model(nodes, ["n", 3]))) == [ReLU]
    assert kinds(imported(model([("Identity", "x", "y", {})], ["n", 3]))) == [Reshape]
    net = imported(exported(Sequential([Dropout(0.5), Dense(2)], (3,))))
    assert kinds(net) == [Dense]


# what cannot be read


@pytest.mark.parametrize(
    ("nodes", "shape", "reason"),
    [
        ([("Cos", "x", "y", {})], ["n", 3], r"node 'y' \(Cos\) .* no such operator. It reads Add, .*Unsqueeze"),
        ([("Mul", "x x", "y", {})], ["n", 3], "Mul only as a part"),
        ([("Add", "x c", "y", {})], ["n", 3], "from the operators before, found 'c'"),
        ([("Gemm", "x W", "y", {"alpha": 2.0})], ["n", 3], "no layer for alpha=2.0"),
        ([("Gemm", "x W", "y", {"transA": 1})], ["n", 3], "transA=1"),
        ([("Gemm", "x W", "y", {})], ["n", 4], "expected weights with 4 rows, found 3"),
        (
            [("Conv", "x K", "i", {}), ("Flatten", "i", "f", {}), ("Gemm", "f W", "y", {})],
            ["n", 1, 3, 3],
            "with 4 rows",
        ),
        ([("Gemm", "x W column", "y", {})], ["n", 3], r"a bias of 2 numbers, found the shape \(2, 1\)"),
        ([("MatMul", "x W", "m", {}), ("Add", "m column", "y", {})], ["n", 3], r"the shape \(2, 1\)"),
        ([("MatMul", "x W", "y", {})], ["n", 2, 3], "Dense: expected vectors"),
        ([("LeakyRelu", "x", "y", {"alpha": 1.5})], ["n", 3], "negative_slope in"),
        ([("Relu", "x", "y", {"strange": 1})], ["n", 3], "its option 'strange'"),
        ([("Conv", "x K", "y", {"auto_pad": "SAME_LOWER"})], ["n", 1, 4, 4], "no padding 'SAME_LOWER'"),
        ([("Conv", "x K", "y", {"strides": [0, 1]})], ["n", 1, 4, 4], "strides"),
        ([("Conv", "x K", "y", {"pads": [1]})], ["n", 1, 4, 4], "pads as 4 integers"),
        ([("Conv", "x K", "y", {"pads": [-1, 0, 0, 0]})], ["n", 1, 4, 4], "padding"),
        ([("Conv", "x K", "y", {"group": 3})], ["n", 1, 4, 4], "groups"),
        ([("Conv", "x K", "y", {})], ["n", 2, 4, 4], r"expected an array of shape|W"),
        ([("MaxPool", "x", "y", {})], ["n", 1, 4, 4], "kernel_shape is missing"),
        (
            [("MaxPool", "x", "y", {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1})],
            ["n", 1, 4, 4],
            "ceil_mode",
        ),
        (
            [("AveragePool", "x", "y", {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1})],
            ["n", 1, 4, 4],
            "does not count padding",
        ),
        ([("Softmax", "x", "y", {"axis": 0})], ["n", 3], "axis=0"),
        ([("Flatten", "x", "y", {"axis": 0})], ["n", 3], "axis=0"),
        ([("Reshape", "x x", "y", {})], ["n", 3], "new shape is not known"),
        ([("Transpose", "x", "y", {"perm": [1, 0]})], ["n", 3], "does not move axes"),
        ([("Relu", "x", "a", {}), ("Concat", "a x", "y", {"axis": 0})], ["n", 3], "axis=0 is another one"),
        ([("LayerNormalization", "x v", "y", {"axis": 1})], ["n", 2, 3], "axis=1"),
        ([("LSTM", "x W W", "y", {"hidden_size": 2})], ["n", 2, 3], "only as a part of a layer"),
        ([("ConstantOfShape", "s", "y", {})], ["n", 3], "not made from its input"),
        ([("Relu", "x", "y", {})], [None, None], "needs to know all but the first axis"),
        ([("Relu", "x", "y", {})], None, "needs to know all but the first axis"),
        ([("Relu", "x", "y", {})], ["n", 2**40], "too many numbers"),
        ([("Reshape", "x s", "y", {})], ["n", 4], "reshapes each sample by itself"),
    ],
)
def test_what_is_refused_by_name(nodes, shape, reason):
    constants = {"W": numbers(3, 2), "K": numbers(1, 1, 2, 2), "v": numbers(3), "c": numbers(3), "s": np.array([2, 2])}
    constants["column"] = numbers(2, 1)
    with pytest.raises(CheckpointError, match=reason) as error:
        imported(model(nodes, shape, constants))
    assert len(str(error.value)) < 900 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["b", "a"], "needs 'b'|needs 'a'"),  # in a circle
        (["missing", "x"], "needs 'missing', which nothing before it makes"),
    ],
)
def test_circles_and_gaps(names, reason):
    nodes = [("Relu", names[0], "a", {}), ("Relu", names[1], "b", {}), ("Relu", "b", "y", {})]
    with pytest.raises(CheckpointError, match=reason):
        imported(model(nodes, ["n", 3]))


def test_too_many_operators():
    nodes = [("Relu", f"a{i}" if i else "x", f"a{i + 1}" if i < 10_000 else "y", {}) for i in range(10_001)]
    with pytest.raises(CheckpointError, match=r"10,001 operators .* more than the 10,000"):
        imported(model(nodes, ["n", 3]))


@pytest.mark.slow
def test_branches_that_take_ages_to_follow():
    row = [("Relu", f"a{i}" if i else "x", f"a{i + 1}", {}) for i in range(2000)]
    ends = [("Add", "a2000 x", f"b{i}", {}) for i in range(1000)]
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match="too many and too long"):
        imported(model([*row, *ends, ("Add", "b0 b1", "y", {})], ["n", 3]))
    assert time.perf_counter() - start < 10


def test_tensors_that_are_made_twice():
    with pytest.raises(CheckpointError, match="makes 'a', which is there already"):
        imported(model([("Relu", "x", "a", {}), ("Relu", "x", "a", {}), ("Relu", "a", "y", {})], ["n", 3]))


def test_branches_that_cross():
    nodes = [
        ("Relu", "x", "a", {}),
        ("Tanh", "a", "b", {}),
        ("Sigmoid", "a", "c", {}),
        ("Sum", "b c x", "y", {}),
    ]
    with pytest.raises(CheckpointError, match="its branches are crossed"):
        imported(model(nodes, ["n", 3]))


def test_old_foreign_and_empty_models():
    relu = [("Relu", "x", "y", {})]
    with pytest.raises(CheckpointError, match="has opset 11; minigan reads opset 13 and later"):
        imported(model(relu, ["n", 3], opset=11))
    with pytest.raises(CheckpointError, match="an operator of 'com"):
        imported(model([("Relu", "x", "y", {"domain": "com.stranger"})], ["n", 3]))
    for content in (b"\x08\x08", b"no model", b"\x00" * 100):
        with pytest.raises(CheckpointError, match="not an ONNX model"):
            imported(content)
    with pytest.raises(CheckpointError, match="its output 'z'"):
        imported(model(relu, ["n", 3], output="z"))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        Sequential.from_onnx(tmp_path / "missing.onnx")
    with pytest.raises(CheckpointError, match="is a folder"):
        Sequential.from_onnx(tmp_path)
    with pytest.raises(OptionError):
        Sequential.from_onnx(7)


# hostile files


def constant(tensor, **changes):
    """A change of a model's first constant."""

    def change(initializers):
        for name, value in changes.items():
            field = getattr(initializers[0], name)
            if isinstance(value, list):
                del field[:]
                field.extend(value)
            else:
                setattr(initializers[0], name, value)

    return {"initializer": change}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dims": [2**40, 2**20]}, "should have the shape"),
        ({"dims": [-1, 2]}, "should have the shape"),
        ({"dims": [3, 2, 0]}, "should have the shape"),
        ({"raw_data": b"\x00" * 7}, "should have the shape"),
        ({"raw_data": b""}, "should have the shape"),
        ({"data_type": 8}, "has the type STRING"),
        ({"data_type": 10}, "has the type FLOAT16"),
        ({"data_type": 999}, "has the type unknown"),
        ({"data_location": 1}, "in another file, which minigan does not open"),
    ],
)
def test_constants_that_lie(changes, reason):
    content = model([("MatMul", "x W", "y", {})], ["n", 3], {"W": numbers(3, 2)}, **constant("W", **changes))
    with pytest.raises(CheckpointError, match=reason):
        imported(content)


def test_paths_to_other_files_are_not_followed(tmp_path):
    proto = onnx.load_from_string(model([("MatMul", "x W", "y", {})], ["n", 3], {"W": numbers(3, 2)}))
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    with pytest.raises(CheckpointError, match="in another file, which minigan does not open"):
        imported(proto.SerializeToString())


@pytest.mark.parametrize(
    "nodes",
    [
        [("Conv", "x K", "y", {"pads": [2**30] * 4})],
        [("Conv", "x K", "y", {"dilations": [2**31, 2**31]})],
        [("ConvTranspose", "x K", "y", {"strides": [2**20, 2**20]})],
        [("MaxPool", "x", "y", {"kernel_shape": [2**30, 2**30], "pads": [2**29] * 4})],
        [("Resize", "x none huge", "y", {"mode": "nearest"})],
        [("Concat", " ".join(["x"] * 500), "a0", {"axis": 1})]
        + [("Concat", " ".join([f"a{i}"] * 500), f"a{i + 1}" if i < 3 else "y", {"axis": 1}) for i in range(4)],
        [("Relu", "x", "a0", {})] + [("Add", f"a{i} a{i}", f"a{i + 1}" if i < 60 else "y", {}) for i in range(61)],
    ],
)
def test_small_files_never_become_large(nodes):
    constants = {"K": numbers(1, 1, 2, 2), "none": np.zeros(0, "float32"), "huge": np.array([1, 1, 2**20, 2**20], "f4")}
    content, start = model(nodes, ["n", 1, 4, 4], constants), time.perf_counter()
    with suppress(CheckpointError):
        assert imported(content).flat_params.size < 100
    assert time.perf_counter() - start < 2


def small_model():
    net = [Conv2D(2, 3, 2), BatchNorm(), LeakyReLU(), Add([Conv2D(2, 1), GELU()], []), Flatten(), Dense(2)]
    return exported(shaken(Sequential(net, (4, 4, 1))))


def read_or_refuse(content):
    """What is read is a network; what is not is one clear error."""
    try:
        net = imported(content)
    except CheckpointError as error:
        assert "\n" not in str(error), error
        return
    labels = [0] if net.takes_labels else None
    with np.errstate(all="ignore"):
        net.predict(np.zeros((1, *net.input_shape), net.dtype), labels=labels)


def test_a_truncated_file():
    content = small_model()
    for size in range(0, len(content), 29):
        with pytest.raises(MiniganError):
            imported(content[:size])


def fuzz(count, seed):
    content, rng = small_model(), random.Random(seed)
    for _ in range(count):
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 5])):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        read_or_refuse(bytes(damaged))


def test_damaged_files():
    fuzz(150, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_damaged_files(seed):
    fuzz(3000, seed)


def test_names_of_strangers_are_escaped():
    nodes = [("Cos", "x", "y", {"domain": ""})]
    proto = onnx.load_from_string(model(nodes, ["n", 3]))
    proto.graph.node[0].name = "\x1b[31m\n" * 1000
    with pytest.raises(CheckpointError) as error:
        imported(proto.SerializeToString())
    assert str(error.value).isprintable() and len(str(error.value)) < 900


# models of PyTorch


def torch_cases():
    """{name: (network, shape of an input, the layers it becomes)}"""
    from torch import nn

    class View(nn.Module):
        def forward(self, x):
            return x.view(x.size(0), -1)

    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.SiLU())

        def forward(self, x):
            return x + self.inner(x)

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(4, 3, batch_first=True)

        def forward(self, x):
            return self.lstm(x)[0]

    return {
        "dcgan generator": (
            nn.Sequential(
                *(nn.ConvTranspose2d(6, 8, 4, 1, 0, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
                *(nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()),
            ),
            (6, 1, 1),
        ),
        "generator from a vector": (
            nn.Sequential(
                *(nn.Linear(5, 18), nn.BatchNorm1d(18), nn.ReLU(), nn.Unflatten(1, (2, 3, 3))),
                *(nn.ConvTranspose2d(2, 1, 4, 2, 1), nn.Sigmoid()),
            ),
            (5,),
        ),
        "discriminator": (
            nn.Sequential(
                *(nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.LeakyReLU(0.2), nn.Dropout(0.3)),
                *(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ELU(), nn.Linear(8, 1)),
            ),
            (1, 8, 8),
        ),
        "view": (nn.Sequential(nn.Conv2d(1, 2, 3), View(), nn.Linear(32, 1)), (1, 6, 6)),
        "norms": (
            nn.Sequential(
                *(nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True), nn.GELU(), nn.SiLU()),
                *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(4), nn.Softmax(-1), nn.Softplus()),
            ),
            (4, 6, 6),
        ),
        "sizes": (
            nn.Sequential(
                *(nn.Upsample(scale_factor=2), nn.ConvTranspose2d(1, 2, 5, 2, 2, 1), nn.MaxPool2d(2)),
                *(nn.AvgPool2d(3, 2, 1, count_include_pad=False), nn.Conv2d(2, 4, 3, dilation=2, groups=2, padding=2)),
            ),
            (1, 6, 6),
        ),
        "residual": (Residual(), (1, 5, 5)),
        "lstm": (Recurrent(), (5, 4)),
    }


TORCH_CASES = (
    *("dcgan generator", "generator from a vector", "discriminator", "view", "norms", "sizes", "residual", "lstm"),
)


@pytest.mark.torch
@pytest.mark.parametrize("fixed", [False, True], ids=["any batch", "fixed batch"])
@pytest.mark.parametrize("dynamo", [False, True], ids=["older exporter", "newer exporter"])
@pytest.mark.parametrize("name", TORCH_CASES)
@pytest.mark.filterwarnings("ignore")
def test_models_of_pytorch(name, dynamo, fixed):
    torch = pytest.importorskip("torch")
    if dynamo:
        pytest.importorskip("onnxscript")
        if name == "lstm":
            pytest.skip("docs/interop.md: LSTM by the older exporter")
    torch.manual_seed(0)
    net, shape = torch_cases()[name]
    for part in net.modules():
        if getattr(part, "running_mean", None) is not None:
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    net.eval()
    x, file = torch.randn(2, *shape), io.BytesIO()
    options = {}
    if not fixed and dynamo:
        options = {"dynamic_shapes": ({0: torch.export.Dim("n")},)}
    elif not fixed:
        options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n"}}}
    torch.onnx.export(net, (x,), file, dynamo=dynamo, **options)
    read = imported(file.getvalue())
    expected = channels(net(x).detach().numpy(), 1, -1)
    y = read.predict(np.ascontiguousarray(channels(x.numpy(), 1, -1)))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-6)
    require_equal_to_onnxruntime(read)


def test_every_operator_is_in_the_list():
    page = (Path(__file__).parents[1] / "docs" / "interop.md").read_text()
    for name in onnx_readers.READERS:
        assert name in page, f"docs/interop.md does not name {name}"
