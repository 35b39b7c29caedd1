"""Every operator of ONNX that minigan has as a layer, one function for each kind: the reverse of onnx_layers.py.

A function takes the Work and a Node, and adds layers by `work.add`. It raises ValueError for options and shapes that no
layer of minigan has. What one layer of minigan is in several operators is found by its first one (onnx_patterns.py).
"""

import math

import numpy as np

from minigan.interop import onnx_image_readers as images
from minigan.interop import onnx_labels as labels
from minigan.interop import onnx_patterns as patterns
from minigan.interop.onnx_image_readers import require_first
from minigan.interop.onnx_integers import BATCH
from minigan.interop.onnx_work import permutation, turns
from minigan.layers import (
    ELU,
    GELU,
    Add,
    BatchNorm,
    Concatenate,
    Dense,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Reshape,
    Sigmoid,
    Softmax,
    Tanh,
)

# vectors


def gemm(work, node):
    dense(work, node, *work.weights(node))


def matmul(work, node):
    """A product, and the Add of a bias after it."""
    after = work.next_node(node.outputs[0])
    b = patterns.constant_beside(work, after, node.outputs[0]) if after and after.operator == "Add" else None
    if b is not None:
        work.done.add(after.number)
    dense(work, node, work.constant(node, 1), b, output=None if b is None else after.outputs[0])


def dense(work, node, W, b, output=None):
    x = work.tensor(node)
    if W.ndim != 2:
        raise ValueError(f"expected weights with 2 axes, found {W.ndim}")
    if len(x.shape) == 1:
        if len(W) != x.shape[0]:
            raise ValueError(f"expected weights with {x.shape[0]} rows, found {len(W)}")
        W = W[permutation(x.order)]
    arrays = {"W": W}
    if b is not None:
        if b.size != W.shape[1] or b.shape[-1:] not in ((b.size,), ()):  # a column would count for the samples
            raise ValueError(f"expected a bias of {W.shape[1]} numbers, found the shape {b.shape}")
        arrays["b"] = b.reshape(-1)
    work.add(node, Dense(W.shape[1], use_bias=b is not None), arrays, order=None, output=output)


# normalization


def batch_norm(work, node):
    x = require_first(work, node)
    node.require("training_mode", 0, default=0)
    channels = x.shape[-1]
    names = ("gamma", "beta", "mean", "variance")
    arrays = {name: work.vector(node, place, channels, x) for place, name in enumerate(names, start=1)}
    if labels.conditional_batch_norm(work, node, arrays):
        return
    work.add(node, BatchNorm(node.option("momentum", 0.9), node.option("epsilon", 1e-5)), arrays)


def instance_norm(work, node):
    x = require_first(work, node)
    arrays = {name: work.vector(node, place, x.shape[-1], x) for place, name in enumerate(("gamma", "beta"), start=1)}
    work.add(node, InstanceNorm(node.option("epsilon", 1e-5)), arrays)


def group_norm(work, node):
    x = require_first(work, node)
    node.require("stash_type", 1, default=1)
    arrays = {name: work.vector(node, place, x.shape[-1], x) for place, name in enumerate(("gamma", "beta"), start=1)}
    work.add(node, GroupNorm(node.option("num_groups"), node.option("epsilon", 1e-5)), arrays)


def layer_norm(work, node):
    x = work.tensor(node)
    node.require("axis", -1, len(x.shape), default=-1)
    node.require("stash_type", 1, default=1)
    if x.first:
        raise ValueError("minigan normalises the channels at each pixel, and here they stand first")
    gamma = work.vector(node, 1, x.shape[-1], x)
    beta = work.vector(node, 2, x.shape[-1], x, optional=True)
    arrays = {"gamma": gamma, "beta": np.zeros_like(gamma) if beta is None else beta}
    work.add(node, LayerNorm(node.option("epsilon", 1e-5)), arrays)


# activations


def activation(make):
    """Return a function for an operator that is one layer of minigan, made by a function of the node."""
    return lambda work, node: work.add(node, make(node))


def multiply(work, node):
    if not labels.projection(work, node):
        patterns.gelu(work, node)


def sigmoid(work, node):
    if not patterns.silu(work, node):
        work.add(node, Sigmoid())


def softmax(work, node):
    x = work.tensor(node)
    last = len(x.shape)
    node.require("axis", 1 if x.first else -1, *([] if x.first else [last]), default=-1)
    work.add(node, Softmax())


# shapes


def flatten(work, node):
    node.require("axis", 1, default=1)
    reshaped(work, node, (math.prod(work.tensor(node).shape),))


def reshape(work, node):
    if labels.found_everywhere(work, node) or labels.scales_channels(work, node) or patterns.group_norm(work, node):
        return
    x, target = work.tensor(node), work.integers(node.input(1))
    if target is None or target.ndim != 1 or not len(target):
        raise ValueError("its new shape is not known before the network runs")
    batch, *sizes = (int(size) for size in target)
    if not node.option("allowzero", 0):
        sizes = [x.onnx_shape[i] if size == 0 and i < len(x.shape) else size for i, size in enumerate(sizes)]
    numbers, known = math.prod(x.shape), math.prod(size for size in sizes if size > 0)
    if sizes.count(-1) == 1 and batch != -1:
        sizes[sizes.index(-1)] = numbers // max(known, 1)
    keeps_samples = batch in (0, -1, BATCH, work.model.batch)
    if not keeps_samples or min(sizes, default=0) < 1 or math.prod(sizes) != numbers:
        raise ValueError(f"minigan reshapes each sample by itself, and the new shape is {target.tolist()}")
    reshaped(work, node, tuple(sizes))


def squeeze(work, node):
    x, axes = work.tensor(node), work.integers(node.input(1))
    all_axes = len(x.shape) + 1
    gone = {int(axis) % all_axes for axis in ([] if axes is None else axes)}
    if not gone or 0 in gone:
        raise ValueError("minigan keeps the first axis, the batch")
    reshaped(work, node, tuple(size for axis, size in enumerate(x.onnx_shape, start=1) if axis not in gone))


def unsqueeze(work, node):
    x, axes = work.tensor(node), work.integers(node.input(1))
    all_axes = len(x.shape) + 1 + (0 if axes is None else len(axes))
    new = {int(axis) % all_axes for axis in ([] if axes is None else axes)}
    if not new or 0 in new:
        raise ValueError("minigan keeps the first axis, the batch")
    sizes = iter(x.onnx_shape)
    reshaped(work, node, tuple(1 if axis in new else next(sizes) for axis in range(1, all_axes)))


def reshaped(work, node, sizes):
    """Give each sample a shape in ONNX: minigan's numbers follow, where the channels stand last."""
    x, output = work.tensor(node), node.outputs[0]
    if not sizes or math.prod(sizes) != math.prod(x.shape):
        raise ValueError(f"expected samples of {math.prod(x.shape)} numbers, found the new shape {sizes}")
    if sizes == x.onnx_shape:
        work.alias(node)
        return
    old_order = x.onnx_shape if x.first else x.order
    new = work.laid_out(output, sizes)
    new_order = sizes if new.first else None
    if len(sizes) == 1:
        new_order = old_order  # the next weights take care of it
    elif old_order != new_order and not (is_neutral(old_order) and is_neutral(new_order)):
        if not is_neutral(old_order) or len(x.shape) > 1:
            raise ValueError("minigan would have to change the order of the numbers: channels first there, last here")
        work.put_in_order(node.input(0), new_order)
    work.add(node, Reshape(new.shape), first=new.first, order=new_order if len(sizes) == 1 else None)


def is_neutral(order):
    """Return whether numbers in this order are in minigan's order."""
    return isinstance(permutation(order), slice)


def transpose(work, node):
    x, perm = work.tensor(node), node.option("perm")
    if perm == [1, 0, 2]:
        patterns.lstm(work, node)
        return
    to_first, to_last = turns(len(x.shape))
    if len(x.shape) < 2 or perm != (to_last if x.first else to_first):
        raise ValueError(f"minigan does not move axes, and perm={perm} is not only another layout of images")
    work.alias(node, first=not x.first)


# several inputs


def addition(work, node):
    join(work, node, Add)


def concat(work, node):
    axis = node.option("axis")
    first = work.tensor(node)
    all_axes = len(first.shape) + 1
    if axis not in ((1, 1 - all_axes) if first.first else (all_axes - 1, -1)):
        raise ValueError(f"minigan puts channels side by side, and axis={axis} is another one")
    if labels.concatenate_label(work, node):
        return
    if any(not is_neutral(work.tensor(node, place).order) for place in range(len(node.inputs))):
        raise ValueError("minigan cannot put vectors side by side that were images with the channels first")
    join(work, node, Concatenate)


def join(work, node, kind):
    """A layer whose branches end here."""
    if len(node.inputs) < 2:
        work.alias(node)
        return
    tensors = [work.tensor(node, place) for place in range(len(node.inputs))]
    first, *others = tensors
    if any((other.first, other.order) != (first.first, first.order) for other in others):
        raise ValueError("its inputs are laid out in different ways")
    if any(len(other.shape) != len(first.shape) for other in others):
        raise ValueError(f"its inputs have different shapes: {', '.join(str(tensor.shape) for tensor in tensors)}")
    work.join(node, kind)


def identity(work, node):
    """What changes nothing in inference."""
    node.read |= {"seed"}
    if node.input(0) in work.constants:  # PyTorch shares constants like this
        work.constants[node.outputs[0]] = work.constants[node.input(0)]
    else:
        work.alias(node)


def constant(work, node):
    kinds = {"value": None, "value_float": "float32", "value_floats": "float32", "value_int": "int64"}
    for name, dtype in (kinds | {"value_ints": "int64"}).items():
        if node.option(name) is not None:
            work.constants[node.outputs[0]] = np.asarray(node.option(name), dtype)
            return
    raise ValueError("expected a constant of numbers")


def zeros(work, node):
    """Zeros that the model makes while it runs, from which an LSTM may start: nothing is made of them here."""
    if not work.is_zero(node.outputs[0]):
        raise ValueError(
            "minigan has no constants that are made while the network runs, but the first state 0 of an LSTM"
        )


READERS = {
    "Add": addition,
    "AveragePool": images.pooling,
    "BatchNormalization": batch_norm,
    "Concat": concat,
    "Constant": constant,
    "ConstantOfShape": zeros,
    "Conv": images.convolution,
    "ConvTranspose": images.convolution,
    "Div": patterns.gelu,
    "Dropout": identity,
    "Elu": activation(lambda node: ELU(node.option("alpha", 1.0))),
    "Erf": patterns.part,
    "Expand": zeros,
    "Flatten": flatten,
    "Gather": labels.gather,
    "Gelu": activation(lambda node: GELU(node.option("approximate", "none"))),
    "Gemm": gemm,
    "GlobalAveragePool": images.global_average_pool,
    "GroupNormalization": group_norm,
    "Identity": identity,
    "InstanceNormalization": instance_norm,
    "LSTM": patterns.part,
    "LayerNormalization": layer_norm,
    "LeakyRelu": activation(lambda node: LeakyReLU(node.option("alpha", 0.01))),
    "MatMul": matmul,
    "MaxPool": images.pooling,
    "Mul": multiply,
    "OneHot": labels.one_hot,
    "ReduceMean": images.reduce_mean,
    "ReduceSum": patterns.part,
    "Relu": activation(lambda node: ReLU()),
    "Reshape": reshape,
    "Resize": images.resize,
    "Sigmoid": sigmoid,
    "Softmax": softmax,
    "Softplus": patterns.softplus,
    "Squeeze": squeeze,
    "Sum": addition,
    "Tanh": activation(lambda node: Tanh()),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
