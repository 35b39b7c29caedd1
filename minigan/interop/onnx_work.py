"""The reading of an ONNX model under way: what every tensor is in minigan, and which layers made it from which other.

Two things differ between the two worlds. Images have the channels first in ONNX: `first` of a tensor says so, and its
shape is kept as minigan has it, (h, w, c). And a vector that was such an image has its numbers in another order:
`order` is the shape (c, h, w) that it was flattened from. Weights that meet such a vector get their rows or columns in
minigan's order.
"""

import copy
import math
from dataclasses import dataclass, field

import numpy as np

from minigan.interop.onnx_integers import BATCH, CALCULATIONS, integers_of
from minigan.layers import (
    ELU,
    GELU,
    BatchNorm,
    Dense,
    Embedding,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from minigan.options import shown

IMAGE_OPERATORS = {
    *("Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool"),
    *("BatchNormalization", "InstanceNormalization", "GroupNormalization"),
}
ELEMENTWISE = {
    *("Relu", "LeakyRelu", "Elu", "Tanh", "Sigmoid", "Softplus", "Gelu", "Erf", "Identity", "Dropout"),
    *("Add", "Sum", "Mul", "Div"),
}
ORDERLESS = (ELU, GELU, LeakyReLU, ReLU, SiLU, Sigmoid, Softmax, Softplus, Tanh)  # layers that treat all numbers alike


@dataclass
class Tensor:
    """What minigan makes in place of a tensor: the shape of a sample, and how ONNX has laid it out."""

    shape: tuple
    first: bool = False
    order: tuple | None = None

    @property
    def onnx_shape(self):
        """Return the shape of a sample in ONNX."""
        return (self.shape[-1], *self.shape[:-1]) if self.first else self.shape


@dataclass
class Step:
    """How a tensor was made: from one other by layers in a row, or from several by a layer that joins branches.

    Without inputs: from the labels alone.
    """

    inputs: list
    layers: list = field(default_factory=list)  # of (layer, arrays by name, shape of its input, shape of its output)
    join: type | None = None


class Work:
    """The tensors and steps so far."""

    def __init__(self, model):
        self.model, self.constants = model, model.constants
        self.tensors, self.steps, self.whole, self.done, self.unknown = {}, {}, {}, set(), set()
        self.makers = {name: node for node in model.nodes for name in node.outputs}
        self.consumers = {}
        for node in model.nodes:
            for name in node.inputs:
                self.consumers.setdefault(name, []).append(node)
        self.tensors[model.input] = self.laid_out(model.input, model.input_shape)

    # what is asked of the model

    def tensor(self, node, place=0):
        """Return what an input of a node is. Errors: ValueError if it is no result of a layer"""
        name = node.input(place)
        if not self.is_made(name):
            raise ValueError(f"expected its input {place} from the operators before, found {shown(name)}")
        return self.tensors[name]

    def is_made(self, name):
        """Return whether layers make a tensor. Rows of a table that no other layer has taken are an Embedding."""
        table = None if name in self.tensors else self.table(name)
        if table is not None:
            if table.ndim != 2:
                raise ValueError(f"minigan's Embedding has a vector for each class, found a table {table.shape}")
            self.begin(name, Embedding(*table.shape), {"E": table})
        return name in self.tensors

    def table(self, name):
        """Return the constant table (classes, ...) whose rows for the labels are a tensor; None for another tensor."""
        node = self.makers.get(name)
        if node is None or node.operator != "Gather" or not self.model.labels or node.input(1) != self.model.labels:
            return None
        return self.constant(node, 0)  # the axis is 0, or the node itself is refused

    def constant(self, node, place, *, optional=False):
        """Return a constant of floats that a node takes, in the network's dtype; None for one that is left out."""
        name = node.input(place)
        if optional and not name:
            return None
        if name not in self.constants or self.constants[name].dtype.kind != "f":
            raise ValueError(f"expected its input {place} as a constant of floats, found {shown(name)}")
        return self.constants[name].astype(self.model.dtype)

    def vector(self, node, place, size, tensor, *, optional=False):
        """Return a constant with one number for each of `size` channels, in minigan's order."""
        values = self.constant(node, place, optional=optional)
        if values is None:
            return None
        if values.size != size or values.shape[-1:] not in ((size,), ()):
            raise ValueError(f"expected its input {place} with {size} numbers, found the shape {values.shape}")
        return values.reshape(-1)[permutation(tensor.order)]

    def weights(self, node):
        """Return W (in, out) and b of a Gemm; None for a b that is left out."""
        node.require("transA", 0, default=0)
        node.require("alpha", 1.0, default=1.0)
        node.require("beta", 1.0, default=1.0)
        W = self.constant(node, 1)
        return W.T if node.option("transB", 0) else W, self.constant(node, 2, optional=True)

    def integers(self, name):
        """Return the integers that a tensor holds, or None."""
        return integers_of(self, name)

    def whole_shape(self, name):
        """Return the shape of a tensor in ONNX, with a number for the batch; None if it is not known (yet)."""
        return (BATCH, *self.tensors[name].onnx_shape) if name in self.tensors else None

    def is_zero(self, name):
        """Return whether a tensor holds nothing but 0: a constant, or one that the model makes while it runs."""
        node = self.makers.get(name)
        if name in self.constants:
            return not self.constants[name].any()
        if node is not None and node.operator == "ConstantOfShape":
            return not np.any(node.option("value", 0))
        return (
            node is not None
            and node.operator == "Expand"
            and node.input(0) in self.constants
            and self.is_zero(node.input(0))
        )

    def is_unknown(self, node):
        """Return whether a node calculates with a shape that is not known; then no layer needs it, or it says so."""
        unknown = any(name in self.unknown for name in node.inputs)
        if node.operator != "Shape" and not (unknown and node.operator in CALCULATIONS):
            return False
        self.unknown.update(node.outputs)
        return True

    def next_node(self, name):
        """Return the node that alone takes a tensor, or None; to ask for its shape does not count."""
        nodes = [node for node in self.consumers.get(name, []) if node.operator != "Shape"]
        return nodes[0] if len(nodes) == 1 and name != self.model.output else None

    # what is found out

    def add(self, node, layer, arrays=None, *, place=0, output=None, **laid_out):
        """Let a layer make the output of a node from its input `place`, with parameters and state by name.

        output     the tensor that it makes, if not the node's own output
        laid_out   first, order: how ONNX has the output; by default as the input
        """
        x, output = self.tensor(node, place), output or node.outputs[0]
        made = self.shape_made_by(layer, x.shape)
        self.steps[output] = Step([node.input(place)], [(layer, arrays or {}, x.shape, made)])
        self.tensors[output] = Tensor(made, **{"first": x.first, "order": x.order, **laid_out})

    def shape_made_by(self, layer, shape):
        """Return the shape that a layer gives, without changing it."""
        probe = copy.copy(layer)
        probe.name = type(layer).__name__
        return tuple(probe.build(shape, np.random.default_rng(0), np.dtype(self.model.dtype), np))

    def begin(self, output, layer, arrays):
        """Let a layer make a tensor from the labels alone: it takes no notice of the tensor that it stands behind."""
        shape = self.tensors[self.model.input].shape
        made = self.shape_made_by(layer, shape)
        self.steps[output] = Step([], [(layer, arrays, shape, made)])
        self.tensors[output] = Tensor(made)

    def alias(self, node, output=None, **laid_out):
        """Let the output of a node be its first input, perhaps laid out in another way."""
        x, output = self.tensor(node), output or node.outputs[0]
        self.steps[output] = Step([node.input(0)])
        self.tensors[output] = Tensor(x.shape, **{"first": x.first, "order": x.order, **laid_out})

    def join(self, node, kind):
        """Let the branches that end in the inputs of a node be joined by Add or Concatenate."""
        tensors = [self.tensors[name] for name in node.inputs]
        probe = kind([], [])
        probe.name = kind.__name__
        shape = probe.joined_shape([tensor.shape for tensor in tensors])
        self.steps[node.outputs[0]] = Step([*node.inputs], join=kind)
        self.tensors[node.outputs[0]] = Tensor(shape, tensors[0].first, tensors[0].order)

    def laid_out(self, name, onnx_shape):
        """Return the Tensor of a new tensor by the operators that take it: are its channels first?"""
        first = len(onnx_shape) > 1 and self.is_first(name, len(onnx_shape))
        shape = (*onnx_shape[1:], onnx_shape[0]) if first else tuple(onnx_shape)
        return Tensor(shape, first)

    def is_first(self, name, axes):
        """Return whether a tensor with so many axes in a sample has the channels first."""
        to_first, to_last = turns(axes)
        names, seen = [name], set()
        for name in names:
            for node in self.consumers.get(name, []):
                if node.operator in IMAGE_OPERATORS:
                    return True
                if node.operator == "LayerNormalization":
                    return False
                if node.operator == "Transpose":
                    return node.options.get("perm") == to_last != to_first
                if node.operator in ("Softmax", "Concat"):
                    return node.options.get("axis") == 1
                if node.operator == "ReduceMean":
                    return 1 not in self.axes_of(node)
                if node.operator == "Resize" and node.input(2) in self.constants:
                    return self.constants[node.input(2)].reshape(-1)[1:2].tolist() == [1]
                if node.operator in ELEMENTWISE and node.number not in seen:
                    seen.add(node.number)
                    names += node.outputs[:1]
        return axes > 2 and self.model.producer != "minigan"

    def axes_of(self, node):
        """Return the axes of a reduction: an option until opset 17, an input since 18."""
        if not node.input(1):
            return node.option("axes", [])
        axes = self.integers(node.input(1))
        return [] if axes is None else axes.reshape(-1).tolist()

    def put_in_order(self, name, order):
        """Let a vector have its numbers in the order of a flattened image, by turning the weights that make it."""
        p = permutation(order)
        if isinstance(p, slice):
            return
        while True:
            step = self.steps.get(name)
            if step is None or step.join or self.next_node(name) is None:
                break
            for layer, arrays, *_ in reversed(step.layers):
                if isinstance(layer, Dense):
                    arrays.update({key: array[..., p] for key, array in arrays.items()})
                    return
                if not isinstance(layer, (*ORDERLESS, BatchNorm)):
                    raise ValueError(IN_ANOTHER_ORDER)
                arrays.update({key: array[p] for key, array in arrays.items()})
            (name,) = step.inputs
        raise ValueError(IN_ANOTHER_ORDER)


IN_ANOTHER_ORDER = (
    "it makes images with the channels first from a vector, and no Gemm before it has weights that could take over the "
    "other order of minigan, channels last"
)


def turns(axes):
    """Return perm of the two Transposes that turn samples of so many axes: to channels first, and to channels last."""
    middle = [*range(1, axes)]
    return [0, axes, *middle], [0, *(axis + 1 for axis in middle), 1]


def permutation(order):
    """Return p such that v[p] has the order of (h, w, c), where v has that of `order`, (c, h, w); None: no change."""
    if order is None or order[0] == 1 or math.prod(order[1:]) == 1:
        return slice(None)
    numbers = np.arange(math.prod(order)).reshape(order)
    return np.moveaxis(numbers, 0, -1).reshape(-1)
