"""An ONNX file, read without trusting it: its nodes, its constants, its one input and its one output.

Nothing in the file is executed, no other file is opened, and nothing is allocated beyond what the file itself holds.
"""

import math

import numpy as np

from minigan.errors import CheckpointError
from minigan.options import shown

OLDEST = 13  # opset; before, Softmax, Squeeze and others meant something else
NUMBERS = {1: np.dtype("float32"), 11: np.dtype("float64"), 6: np.dtype("int32"), 7: np.dtype("int64")}
BOOL, INTEGERS = 9, (6, 7)
DTYPES = {1: "float32", 11: "float64"}  # of networks
DEFAULT_DOMAINS = ("", "ai.onnx")


class Node:
    """One operator: the names of its inputs and outputs, and its options.

    An option that nobody asked for could change the result: `require_all_read` refuses the node then.
    """

    def __init__(self, onnx, proto, number):
        self.operator, self.inputs, self.outputs = proto.op_type, [*proto.input], [*proto.output]
        self.name, self.number, self.domain = proto.name, number, proto.domain
        self.options = {attribute.name: plain(onnx, attribute) for attribute in proto.attribute}
        self.read = set()

    def option(self, name, default=None):
        self.read.add(name)
        return self.options.get(name, default)

    def integers(self, name, count, default):
        """Return an option that is a list of so many integers."""
        values = self.option(name, default)
        if not isinstance(values, list) or len(values) != count or not all(isinstance(v, int) for v in values):
            raise ValueError(f"expected {name} as {count} integers, found {shown(values)}")
        return values

    def require(self, name, *allowed, default=None):
        """Raise ValueError unless an option has one of the values that minigan's layer stands for."""
        value = self.option(name, default)
        if value not in allowed:
            raise ValueError(f"minigan has no layer for {name}={shown(value)}, only for {shown(allowed[0])}")

    def require_all_read(self):
        unread = set(self.options) - self.read
        if unread:
            raise ValueError(f"minigan has no layer for its option {shown(min(unread))}")

    def input(self, place):
        """Return the name of an input, "" if it is left out."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def __str__(self):
        return f"node {shown(self.name or f'number {self.number}')} ({shown(self.operator)[1:-1]})"


def plain(onnx, attribute):
    """Return the value of an attribute: an integer, a float, a text, a list of these, an array, or a protobuf."""
    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return array_of(onnx, value)
    if hasattr(value, "__iter__") and not isinstance(value, bytes):
        return [plain_entry(entry) for entry in value]
    return plain_entry(value)


def plain_entry(value):
    """Return a text for bytes, and a float32 with the digits that somebody wrote: 1e-05, not 9.99999974e-06."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return float(str(np.float32(value))) if isinstance(value, float) else value


def array_of(onnx, tensor):
    """Return a tensor of the file as an array. Errors: ValueError"""
    name, dims = shown(tensor.name), [*tensor.dims]
    if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
        raise ValueError(
            f"its constant {name} is stored in another file, which minigan does not open. Save the model as one file: "
            "onnx.save(onnx.load(path), new_path)"
        )
    if tensor.data_type == BOOL and tensor.raw_data:
        dtype = np.dtype("bool")
    elif tensor.data_type in NUMBERS:
        dtype = NUMBERS[tensor.data_type]
    else:
        kind = onnx.TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in known_types(onnx) else "unknown"
        raise ValueError(f"its constant {name} has the type {kind}; minigan reads float32, float64, int32 and int64")
    held = {1: tensor.float_data, 11: tensor.double_data, 6: tensor.int32_data, 7: tensor.int64_data}
    count = len(tensor.raw_data) / dtype.itemsize if tensor.raw_data else len(held.get(tensor.data_type, ()))
    if any(size < 0 for size in dims) or math.prod(dims) != count:
        raise ValueError(f"its constant {name} should have the shape {shown(tuple(dims))}, but holds {count:g} numbers")
    return np.array(onnx.numpy_helper.to_array(tensor))


def known_types(onnx):
    return onnx.TensorProto.DataType.values()


def sizes_of(tensor):
    """Return the sizes of a tensor of the file, None for each that can be any number."""
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]


def is_labels(tensor):
    """Return whether an input can be labels: a vector of integers."""
    return tensor.elem_type in INTEGERS and len(tensor.shape.dim) == 1


class Model:
    """The nodes and constants of a file, in an order in which every node finds its inputs made before it."""

    def __init__(self, onnx, content, where):
        try:
            proto = onnx.load_model_from_string(content)
        except Exception as error:  # of protobuf, which has several kinds
            raise CheckpointError(f"{where}: not an ONNX model, or a damaged one ({type(error).__name__}).") from error
        graph = proto.graph
        if not graph.node or not graph.output:
            raise CheckpointError(f"{where}: not an ONNX model, or a damaged one: it has no nodes or no output.")
        self.where, self.producer = where, proto.producer_name
        self.require_opset(proto)
        try:
            if graph.sparse_initializer:
                raise ValueError("it has sparse constants")
            self.constants = {tensor.name: array_of(onnx, tensor) for tensor in graph.initializer}
            self.nodes = [Node(onnx, node, number) for number, node in enumerate(graph.node)]
            self.read_ends(graph)
            self.require_order()
            self.numbers = len(content) // 4  # as many as the file can hold
        except (ValueError, TypeError) as error:
            raise CheckpointError(f"{where}: this ONNX model cannot be read: {error}.") from error

    def require_opset(self, proto):
        versions = [entry.version for entry in proto.opset_import if entry.domain in DEFAULT_DOMAINS]
        if not versions or max(versions) < OLDEST:
            found = f"opset {max(versions)}" if versions else "no version of its operators"
            raise CheckpointError(
                f"{self.where}: this ONNX model has {found}; minigan reads opset {OLDEST} and later. Export it again "
                "with opset 17, or convert it: onnx.version_converter.convert_version(model, 17)."
            )

    def read_ends(self, graph):
        """Read the name, shape and type of the input, the names of the output and, if there are any, of the labels."""
        inputs = [value for value in graph.input if value.name not in self.constants]
        labels = [value for value in inputs if is_labels(value.type.tensor_type)] if len(inputs) == 2 else []
        if len(labels) == 1:
            inputs.remove(labels[0])
        for what, values in (("input", inputs), ("output", graph.output)):
            if len(values) != 1:
                names = ", ".join(shown(value.name) for value in values[:5])
                more = ", and perhaps labels, a vector of integers" if what == "input" else ""
                raise ValueError(f"it has {len(values)} {what}s ({names}), and a Sequential has one{more}")
        tensor = inputs[0].type.tensor_type
        if tensor.elem_type not in DTYPES:
            raise ValueError(f"its input {shown(inputs[0].name)} is not of float32 or float64")
        self.input, self.output, self.dtype = inputs[0].name, graph.output[0].name, DTYPES[tensor.elem_type]
        batch, *sizes = sizes_of(tensor) or [None]
        if not sizes or None in sizes or min(sizes) < 1:
            raise ValueError(
                f"its input {shown(self.input)} has the shape {shown((batch, *sizes))}: minigan needs to know all but "
                "the first axis, the batch"
            )
        self.batch, self.input_shape = batch, tuple(sizes)
        self.labels = labels[0].name if len(labels) == 1 else ""
        if self.labels and sizes_of(labels[0].type.tensor_type) != [batch]:
            raise ValueError(
                f"it has {shown(sizes_of(labels[0].type.tensor_type)[0])} labels for {shown(batch)} samples, and "
                "minigan has one label for each (None: any number)"
            )

    def require_order(self):
        """Raise ValueError unless each node's inputs are made before it, and each tensor is made once."""
        made = {"", self.input, self.labels, *self.constants}
        for node in self.nodes:
            if node.domain not in DEFAULT_DOMAINS:
                raise ValueError(f"{node} is an operator of {shown(node.domain)}, not one of ONNX itself")
            for name in node.inputs:
                if name not in made:
                    raise ValueError(f"{node} needs {shown(name)}, which nothing before it makes: a circle, or a gap")
            for name in filter(None, node.outputs):
                if name in made:
                    raise ValueError(f"{node} makes {shown(name)}, which is there already")
                made.add(name)
        if self.output not in made:
            raise ValueError(f"nothing makes its output {shown(self.output)}")
