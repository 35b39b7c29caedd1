"""ONNX models with something changed at random: minigan computes what onnxruntime computes, or refuses the model."""

import copy
import random

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx_helpers import exported, session, shaken
from test_onnx_import import channels, imported

from minigan import Sequential
from minigan.errors import CheckpointError
from minigan.layers import (
    Add,
    BatchNorm,
    Concatenate,
    ConcatenateLabel,
    ConditionalBatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    GroupNorm,
    LayerNorm,
    Projection,
    ReLU,
    Reshape,
)

# all sizes are 3, so that a wrong axis has the right size
NETWORKS = [
    ([ConcatenateLabel(3), Dense(3), ConditionalBatchNorm(3), ReLU(), Projection(3)], (3,)),
    ([Concatenate([Embedding(3, 3), Dense(3), ReLU()], [Dense(3)]), Projection(3, use_bias=False)], (3,)),
    ([Dense(3), Add([Embedding(3, 3)], [ReLU()], []), ConcatenateLabel(3, 3)], (3,)),
    (
        [ConcatenateLabel(3), Conv2D(3, 3), ConditionalBatchNorm(3), ConcatenateLabel(3, 3), Flatten(), Dense(3)],
        (3,) * 3,
    ),
    ([Dense(9), Reshape((3, 3, 1)), ConcatenateLabel(3), ConditionalBatchNorm(3), Conv2DTranspose(3, 3)], (3,)),
    ([Dense(3), BatchNorm(), ReLU(), Add([Dense(3), LayerNorm()], []), Dense(3)], (3,)),
    ([Conv2D(3, 3), GroupNorm(3), Add([Conv2D(3, 3), BatchNorm()], []), GlobalAveragePool2D(), Dense(3)], (3,) * 3),
]
OPERATORS = [
    *("Add", "Mul", "Sub", "Concat", "Sum", "Relu", "Tanh", "ReduceMean", "ReduceSum", "Gather", "Identity", "Gemm"),
]


def change_an_option(graph, node, rng):
    for attribute in node.attribute:
        attribute.i = rng.choice([-1, 0, 1, 2, 3])
        numbers = [*attribute.ints]
        rng.shuffle(numbers)
        attribute.ints[:] = numbers


def change_an_input(graph, node, rng):
    made = [name for other in graph.node for name in other.output]
    names = [*(value.name for value in (*graph.input, *graph.initializer)), *made]
    node.input[rng.randrange(len(node.input))] = rng.choice(names)


def change_the_operator(graph, node, rng):
    node.op_type = rng.choice(OPERATORS)
    if rng.random() < 0.5:
        del node.attribute[:]


def turn_the_inputs(graph, node, rng):
    names = [*node.input]
    rng.shuffle(names)
    node.input[:] = names


def change_the_labels(graph, node, rng):
    for value in graph.input:
        if value.name == "labels":
            value.type.tensor_type.shape.dim[0].dim_value = 1


def change_a_constant(graph, node, rng):
    """Integers one by one; of floats the shape."""
    tensor = rng.choice(graph.initializer)
    array = numpy_helper.to_array(tensor).copy()
    if array.dtype.kind == "i":
        array.reshape(-1)[rng.randrange(array.size)] += rng.choice([-1, 1, 2])
    else:
        array = rng.choice([array.T, array.reshape(-1), array[None], array[..., None]])
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


CHANGES = [
    *(change_an_option, change_an_input, change_the_operator, turn_the_inputs, change_a_constant, change_the_labels),
]


def outcome(content, rng):
    """ "refused", "same", or "not run" where onnxruntime refuses it"""
    try:
        net = imported(content)
    except CheckpointError as error:
        assert "\n" not in str(error) and "Error: " not in str(error), error
        return "refused"
    try:
        model = session(content)
    except Exception:  # onnxruntime has many
        return "not run"
    found = set()
    for n in (3, 1, 2):  # 3 is the size of everything else, too; 1 is stretched to any size
        x, labels = rng.normal(size=(n, *net.input_shape)).astype("float32"), rng.integers(0, 3, n)
        last = model.get_inputs()[0].shape[1:] == [*net.input_shape]  # of 3 x 3 x 3, both layouts have this shape
        for given in [x, channels(x, -1, 1)] if last else [channels(x, -1, 1)]:
            feed = {"x": np.ascontiguousarray(given), "labels": labels}
            try:
                (y,) = model.run(None, {value.name: feed[value.name] for value in model.get_inputs()})
            except Exception:
                continue
            z = net.predict(x, labels=labels if net.takes_labels else None)
            same = [
                np.allclose(z, turned, 1e-4, 1e-5, equal_nan=True)
                for turned in (y, channels(y, 1, -1))
                if z.shape == turned.shape
            ]
            found.add((n, any(same)))
    if not found:
        return "not run"
    assert all((n, True) in found for n, _ in found), (content, str(net))
    return "same"


def try_mutants(count, seed):
    """Return how often each outcome came."""
    chance, rng, outcomes = random.Random(seed), np.random.default_rng(seed), []
    originals = [exported(shaken(Sequential(copy.deepcopy(layers), shape, seed=3))) for layers, shape in NETWORKS]
    with np.errstate(all="ignore"):
        for _ in range(count):
            model = onnx.load_from_string(chance.choice(originals))
            for _ in range(chance.choice([1, 1, 1, 2, 3])):
                chance.choice(CHANGES)(model.graph, chance.choice(model.graph.node), chance)
            outcomes.append(outcome(model.SerializeToString(), rng))
    return {how: outcomes.count(how) for how in ("refused", "same", "not run")}


def test_changed_models_are_refused_or_read_right():
    found = try_mutants(200, seed=0)
    assert found["refused"] > 50 and found["same"] > 25, found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_thousands_of_changed_models(seed):
    found = try_mutants(3000, seed)
    assert found["refused"] > 1000 and found["same"] > 500, found
