"""Layers of minigan that are several operators in ONNX: each is found by its first operator."""

import math
from itertools import pairwise

import numpy as np

from minigan.layers import GELU, LSTM, GroupNorm, SiLU, Softplus

# one operator after the other, each with the constant, or the name "x", that it takes beside the result before it
GELU_BY_ERF = [("Div", math.sqrt(2)), ("Erf", None), ("Add", 1.0), ("Mul", "x"), ("Mul", 0.5)]
GELU_BY_TANH = [
    *(("Mul", "x"), ("Mul", GELU.A * GELU.B), ("Add", GELU.A), ("Mul", "x"), ("Sigmoid", None), ("Mul", "x")),
]


def constant_beside(work, node, name):
    """Return the constant of floats that a node takes beside the tensor `name`, or None."""
    others = [other for other in node.inputs if other != name]
    if len(node.inputs) != 2 or len(others) != 1 or others[0] not in work.constants:
        return None
    values = work.constants[others[0]]
    return values.astype(work.model.dtype) if values.dtype.kind == "f" else None


def chain(work, node, steps):
    """Return the nodes of a pattern that begins with `node`, or None if it is another one."""
    x, nodes = node.input(0), []
    before = x
    for operator, beside in steps:
        if node is None or node.operator != operator or before not in node.inputs:
            return None
        if beside == "x" and sorted(node.inputs) != sorted([before, x]):
            return None
        if isinstance(beside, float):
            value = constant_beside(work, node, before)
            if value is None or value.size != 1 or not np.isclose(value.reshape(-1)[0], beside, rtol=1e-5):
                return None
        nodes.append(node)
        before, node = node.outputs[0], work.next_node(node.outputs[0])
    return nodes


def found(work, nodes, layer, arrays=None, **laid_out):
    """Let one layer stand for several nodes, from the input of the first to the output of the last."""
    work.done |= {node.number for node in nodes}
    for node in nodes[1:]:
        node.require_all_read()
    work.add(nodes[0], layer, arrays, output=nodes[-1].outputs[0], **laid_out)


def part(work, node):
    """Refuse an operator that is read only together with one before it."""
    raise ValueError(
        "minigan reads it only as a part of a layer: Erf of GELU, LSTM with time first between Transposes, ReduceSum "
        "of Projection"
    )


def gelu(work, node):
    for steps, approximate in ((GELU_BY_ERF, "none"), (GELU_BY_TANH, "tanh")):
        nodes = chain(work, node, steps)
        if nodes:
            found(work, nodes, GELU(approximate))
            return
    raise ValueError(
        f"minigan has {node.operator} only as a part of other layers: of SiLU, GELU, GroupNorm as PyTorch writes it, "
        "and of ConditionalBatchNorm and Projection as minigan writes them"
    )


def silu(work, node):
    """x sigmoid(x). Returns whether it is one."""
    x, y = node.input(0), node.outputs[0]
    after = work.next_node(y)
    if after is None or after.operator != "Mul" or sorted(after.inputs) != sorted([x, y]):
        return False
    found(work, [node, after], SiLU())
    return True


def softplus(work, node):
    """log(1 + exp(x)), which PyTorch writes with a Where: x itself where x is so large that it makes no difference."""
    x, y = node.input(0), node.outputs[0]
    where = work.next_node(y)
    greater = work.makers.get(where.input(0)) if where is not None and where.operator == "Where" else None
    if greater is not None and greater.operator == "Greater" and where.inputs[1:] == [x, y] and greater.input(0) == x:
        limit = constant_beside(work, greater, x)
        if limit is not None and limit.size == 1 and limit.reshape(-1)[0] >= 20:
            found(work, [node, greater, where], Softplus())
            return
    work.add(node, Softplus())


def group_norm(work, node):
    """Reshape to groups, InstanceNormalization, Reshape back, Mul, Add. Returns whether it is one."""
    nodes = [node]
    for operator in ("InstanceNormalization", "Reshape", "Mul", "Add"):
        after = work.next_node(nodes[-1].outputs[0])
        if after is None or after.operator != operator or after.input(0) != nodes[-1].outputs[0]:
            return False
        nodes.append(after)
    x, groups = work.tensor(node), work.integers(node.input(1))
    normalization, back = nodes[1], work.integers(nodes[2].input(1))
    if x.order is not None or (len(x.shape) > 1 and not x.first) or groups is None or len(groups) != 3:
        return False
    count, (ones, zeros) = int(groups[1]), (work.constant(normalization, place) for place in (1, 2))
    numbers = [constant_beside(work, after, before.outputs[0]) for before, after in pairwise(nodes[2:])]
    for reshape in (nodes[0], nodes[2]):
        reshape.option("allowzero")  # there are no sizes of 0
    c = x.shape[-1]
    places = tuple(1 for _ in x.shape[:-1])
    if (
        back is None
        or tuple(back[1:]) != x.onnx_shape
        or int(groups[2]) not in (-1, math.prod(x.shape) // max(count, 1))
        or not ((ones == 1).all() and (zeros == 0).all() and len(ones) == count)
        or any(array is None or array.shape[-len(x.shape) :] != (c, *places) for array in numbers)
        or any(array.size != c for array in numbers)
    ):
        return False
    arrays = dict(zip(("gamma", "beta"), (array.reshape(-1) for array in numbers), strict=True))
    epsilon = normalization.option("epsilon", 1e-5)
    found(work, nodes, GroupNorm(count, epsilon), arrays)
    return True


def lstm(work, node):
    """Transpose to time first, LSTM, Squeeze, and a Transpose back unless only the last step counts."""
    x, after = work.tensor(node), work.next_node(node.outputs[0])
    if len(x.shape) != 2 or x.first or after is None or after.operator != "LSTM" or after.input(0) != node.outputs[0]:
        raise ValueError("minigan moves the time to the front only for an LSTM")
    nodes, layer, arrays = [node, after], *lstm_layer(work, after)
    whole, last = [*after.outputs, "", ""][:2]
    sequences = bool(work.consumers.get(whole)) if whole else False
    if sequences == bool(last and work.consumers.get(last)):
        raise ValueError("minigan's LSTM returns all steps, or the last one, and here both or none are used")
    layer.return_sequences = sequences
    squeeze = work.next_node(whole if sequences else last)
    axis = None if squeeze is None or squeeze.operator != "Squeeze" else work.integers(squeeze.input(1))
    if axis is None or axis.tolist() not in (([1], [-3]) if sequences else ([0], [-3])):
        raise ValueError("expected a Squeeze of the axis of directions after its LSTM")
    nodes.append(squeeze)
    if sequences:
        back = work.next_node(squeeze.outputs[0])
        if back is None or back.operator != "Transpose" or back.option("perm") != [1, 0, 2]:
            raise ValueError("expected a Transpose back to (n, steps, units) after its LSTM")
        nodes.append(back)
    found(work, nodes, layer, arrays)


def lstm_layer(work, node):
    """Return the layer of an LSTM node, and its weights: gates i, o, f, g become i, f, g, o; two biases become one."""
    units = node.option("hidden_size")
    node.require("direction", "forward", default="forward")
    node.require("activations", ["Sigmoid", "Tanh", "Tanh"], None)
    for name in ("input_forget", "layout"):
        node.require(name, 0, default=0)
    started = [name for name in (node.input(5), node.input(6)) if name and not work.is_zero(name)]
    if node.input(4) or started or node.input(7):
        raise ValueError("minigan's LSTM starts from 0, has no peepholes, and reads every sequence to its end")
    W, U, b = (work.constant(node, place, optional=place == 3) for place in (1, 2, 3))
    layer = LSTM(units)
    if W.ndim != 3 or W.shape[:2] != (1, 4 * units) or U.shape != (1, 4 * units, units):
        raise ValueError(f"expected weights of one direction and {units} units, found {W.shape} and {U.shape}")
    b = np.zeros((1, 8 * units), W.dtype) if b is None else b
    if b.shape != (1, 8 * units):
        raise ValueError(f"expected two biases for {units} units, found {b.shape}")
    both = b[0, : 4 * units] + b[0, 4 * units :]
    return layer, {"W": gates(W[0].T), "U": gates(U[0].T), "b": gates(both)}


def gates(array):
    """Return weights (..., 4 units), gates i, o, f, g, in minigan's order, i, f, g, o."""
    i, o, f, g = np.split(array, 4, axis=-1)
    return np.concatenate((i, f, g, o), axis=-1)
