"""Every layer of minigan in operators of ONNX, one function for each kind, as in inference.

`write(graph, layer)` adds the operators of any layer, its own functions and hooks included. Where the weights have
another order in ONNX, a comment says so; docs/interop.md has the table.
"""

import math

import numpy as np

from minigan import backend, layers
from minigan.errors import OptionError
from minigan.interop.onnx_graph import ALIKE, LABELS
from minigan.layers.branches import Branches
from minigan.layers.container import Container
from minigan.ops.convolution.windows import reach, zeros_at_ends

HOOK = "onnx_nodes"  # the method of a layer of one's own that adds its operators


def write(graph, layer):
    """Add the operators of a layer. Errors: OptionError if nobody knows them"""
    writer, outer = writer_of(layer), graph.scope
    graph.scope = f"{outer}/{layer.name}" if outer else layer.name
    graph.axes = len(layer.input_shape)
    writer(graph, layer)
    graph.axes = len(layer.output_shape)
    graph.first = graph.first and graph.axes > 1
    graph.scope = outer


def writer_of(layer):
    """Return the function that adds a layer's operators: its own method, or the one of its class below.

    A class that is derived from one of minigan's may compute something else, so it needs a method of its own; only
    a network or a layer with branches may be derived as long as it runs its layers as they do.
    """
    kind = type(layer)
    if hasattr(kind, HOOK):
        return by_hook
    if kind in WRITERS:
        return WRITERS[kind]
    for base in (layers.Add, layers.Concatenate):
        if isinstance(layer, base) and kind.forward is base.forward and kind.joined is base.joined:
            return WRITERS[base]
    if isinstance(layer, Container) and not isinstance(layer, Branches) and runs_in_a_row(kind):
        return in_a_row
    raise OptionError(
        f"{layer.name}: {kind.__name__} is a layer of your own, and minigan does not know which operators of ONNX it "
        f"is made of. Write a method {HOOK}(self, graph) in its class that adds them, such as "
        'graph.add("Mul", graph.constant("half", 0.5)): docs/interop.md.'
    )


def runs_in_a_row(kind):
    """Return whether a class of networks has the forward pass of Sequential."""
    sequential = next((base for base in kind.__mro__ if base.__module__ == "minigan.network"), None)
    return sequential is not None and kind.forward is sequential.forward


def by_hook(graph, layer):
    """Let a layer of one's own add its operators; images come and go with the channels last."""
    graph.channels_last()
    layer.onnx_nodes(graph)


def in_a_row(graph, network):
    for layer in network.layers:
        write(graph, layer)


def add_branches(graph, layer):
    join(graph, layer, lambda ends: graph.node("Sum", *ends))


def concatenate_branches(graph, layer):
    join(graph, layer, lambda ends: graph.node("Concat", *ends, axis=graph.channel_axis))


def join(graph, layer, joined):
    """Write every branch from the same x, and join their ends, in one layout."""
    start, ends = (graph.x, graph.first), []
    for branch in layer.branches:
        graph.x, graph.first = start
        graph.axes = len(layer.input_shape)
        for inner in branch:
            write(graph, inner)
        ends.append((graph.x, graph.first))
    first, names = any(first for _, first in ends), []
    for graph.x, graph.first in ends:
        if first:
            graph.channels_first()
        names.append(graph.x)
    graph.x = joined(names)


def dense(graph, layer):
    graph.add("Gemm", *parameters(graph, layer))  # W (in, units) as it is


def parameters(graph, layer):
    """Keep the parameters of a layer in the model, in their order."""
    return [graph.constant(name, value) for name, value in layer.params.items()]


def convolution(graph, layer):
    """Conv or ConvTranspose: W (kh, kw, a, b) becomes (b, a, kh, kw) in both.

    Conv has (filters, c / groups, kh, kw), ConvTranspose (c, filters / groups, kh, kw).
    """
    graph.channels_first()
    transposed = isinstance(layer, layers.Conv2DTranspose)
    weights = [graph.constant("W", layer.params["W"].transpose(3, 2, 0, 1))]
    weights += [graph.constant("b", layer.params["b"])] if layer.use_bias else []
    window = reach(layer.kernel_size, layer.dilation)
    image = layer.output_shape if transposed else layer.input_shape  # "same" is counted on the larger side
    both = [zeros_at_ends(image[axis], window[axis], layer.strides[axis], layer.padding, axis) for axis in (0, 1)]
    options = {
        "kernel_shape": layer.kernel_size,
        "strides": layer.strides,
        "dilations": layer.dilation,
        "group": layer.groups,
        "pads": all_pads(both),
    }
    if transposed:  # a stride that is larger than the window leaves a gap at the end
        full = [(layer.input_shape[axis] - 1) * layer.strides[axis] + window[axis] for axis in (0, 1)]
        options["output_padding"] = [image[axis] - (full[axis] - sum(both[axis])) for axis in (0, 1)]
    graph.add("ConvTranspose" if transposed else "Conv", *weights, **options)


def all_pads(both):
    """Return padding as ONNX has it: all beginnings, then all ends."""
    (top, bottom), (left, right) = both
    return [top, left, bottom, right]


def spectral_norm(graph, layer):
    """The inner layer with W / sigma, as in inference, where u stays."""
    inner = layer.divided(layer.measured())
    writer_of(inner)(graph, inner)


def pooling(graph, layer):
    graph.channels_first()
    options = {"kernel_shape": layer.pool_size, "strides": layer.strides, "pads": all_pads(layer.pads)}
    if isinstance(layer, layers.AveragePool2D):
        graph.add("AveragePool", count_include_pad=0, **options)
    else:
        graph.add("MaxPool", **options)


def global_average_pool(graph, layer):
    graph.add("ReduceMean", axes=(2, 3) if graph.first else (1, 2), keepdims=0)


def upsampling(graph, layer):
    """Resize by whole numbers: asymmetric and floor mean that pixel i comes from i / size, rounded down."""
    graph.channels_first()
    scales = graph.constant("scales", np.array([1, 1, *layer.size], "float32"))
    options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    graph.add("Resize", "", scales, **options)  # "": the region of interest, which this mode has not


def batch_norm(graph, layer):
    running_norm(graph, layer, layer.params["gamma"], layer.params["beta"])


def running_norm(graph, layer, gamma, beta):
    """BatchNormalization by the running statistics."""
    graph.channels_first()
    numbers = {"gamma": gamma, "beta": beta, "mean": layer.state["mean"], "variance": layer.state["variance"]}
    names = [graph.constant(name, values) for name, values in numbers.items()]
    graph.add("BatchNormalization", *names, epsilon=layer.epsilon, momentum=layer.momentum)


def conditional_batch_norm(graph, layer):
    """BatchNormalization without scale and shift; then those of each sample's class, looked up in their tables."""
    channels = layer.input_shape[-1:]
    running_norm(graph, layer, np.ones(channels), np.zeros(channels))
    for name, operator in (("gamma", "Mul"), ("beta", "Add")):
        rows = look_up(graph, name, graph.for_channels(backend.to_cpu(layer.params[name])))
        graph.add(operator, rows)


def look_up(graph, name, table):
    """Return the rows of a table (classes, ...) for the labels: (n, ...)"""
    return graph.node("Gather", graph.constant(name, table), LABELS, axis=0)


def layer_norm(graph, layer):
    graph.channels_last()
    graph.add("LayerNormalization", *parameters(graph, layer), axis=-1, epsilon=layer.epsilon)


def instance_norm(graph, layer):
    graph.channels_first()
    graph.add("InstanceNormalization", *parameters(graph, layer), epsilon=layer.epsilon)


def group_norm(graph, layer):
    """InstanceNormalization of each group as one channel, then the scale and shift of the real channels."""
    graph.channels_first()
    *places, c = layer.input_shape
    graph.reshape((layer.groups, c // layer.groups * math.prod(places)))
    neutral = [graph.constant(name, f((layer.groups,))) for name, f in (("ones", np.ones), ("zeros", np.zeros))]
    graph.add("InstanceNormalization", *neutral, epsilon=layer.epsilon)
    graph.reshape((c, *places))
    for name, operator in (("gamma", "Mul"), ("beta", "Add")):
        graph.add(operator, graph.constant(name, graph.for_channels(layer.params[name])))


def leaky_relu(graph, layer):
    graph.add("LeakyRelu", alpha=float(layer.negative_slope))


def elu(graph, layer):
    graph.add("Elu", alpha=float(layer.alpha))


def softmax(graph, layer):
    graph.add("Softmax", axis=graph.channel_axis)


def silu(graph, layer):
    graph.add("Mul", graph.node("Sigmoid", graph.x))


def gelu(graph, layer):
    """In the operators of opset 17, which has no Gelu: x times its gate."""
    x = graph.x
    if layer.approximate == "none":  # (1 + erf(x / sqrt(2))) x / 2
        graph.add("Div", graph.constant("root", math.sqrt(2)))
        graph.add("Erf")
        graph.add("Add", graph.constant("one", 1.0))
        graph.add("Mul", x)
        graph.add("Mul", graph.constant("half", 0.5))
    else:  # sigmoid(A x + A B x^3) x
        graph.add("Mul", x)
        graph.add("Mul", graph.constant("AB", layer.A * layer.B))
        graph.add("Add", graph.constant("A", layer.A))
        graph.add("Mul", x)
        graph.add("Sigmoid")
        graph.add("Mul", x)


def reshape(graph, layer):
    """Row by row over (h, w, c), so the channels have to stand last."""
    graph.channels_last()
    graph.reshape(layer.output_shape)


def lstm(graph, layer):
    """The gates are i, o, f, c in ONNX, and i, f, g, o here; time comes first, and there are two biases, b and 0.

    ONNX has an option for the batch first, layout=1, which onnxruntime refuses: so Transposes stand around it.
    """
    graph.channels_last()
    graph.add("Transpose", perm=(1, 0, 2))
    weights = [graph.constant(name, gates(layer.params[name])) for name in ("W", "U")]
    b = gates(layer.params["b"][None])[:, :, 0]
    weights.append(graph.constant("b", np.concatenate((b, np.zeros_like(b)), axis=1)))
    outputs = [graph.new_name("y")] if layer.return_sequences else ["", graph.new_name("y_last")]
    graph.add("LSTM", *weights, hidden_size=layer.units, outputs=outputs)
    # (steps, 1, n, units), or of the last step (1, n, units)
    graph.add("Squeeze", graph.constant("direction", [1 if layer.return_sequences else 0]))
    if layer.return_sequences:
        graph.add("Transpose", perm=(1, 0, 2))


def gates(array):
    """Return weights (rows, 4 units), gates i, f, g, o, as ONNX has them: (1, 4 units, rows), gates i, o, f, g."""
    i, f, g, o = np.split(backend.to_cpu(array), 4, axis=1)
    return np.concatenate((i, o, f, g), axis=1).T[None]


def embedding(graph, layer):
    graph.x = look_up(graph, "E", layer.params["E"])


def concatenate_label(graph, layer):
    """The label as one more vector of each sample, the same at all of its places."""
    if layer.size is None:
        values = graph.constant("off_on", np.array([0, 1], "float32"))
        e = graph.node("OneHot", LABELS, graph.constant("classes", layer.classes), values, axis=-1)
    else:
        e = look_up(graph, "E", layer.params["E"])
    *places, c = layer.input_shape
    if places:
        size, one = layer.output_shape[-1] - c, [1] * len(places)
        shape = [ALIKE, size, *one] if graph.first else [ALIKE, *one, size]
        e = graph.node("Reshape", e, graph.constant("pixel", shape))
        everywhere = [1, 1, *places] if graph.first else [1, *places, 1]
        e = graph.node("Expand", e, graph.constant("places", everywhere))
    graph.add("Concat", e, axis=graph.channel_axis)


def projection(graph, layer):
    """x w + b, plus the sum of x E[label]."""
    rows = look_up(graph, "E", layer.params["E"])
    product = graph.node("Mul", graph.x, rows)
    along = graph.node("ReduceSum", product, graph.constant("axis", [1]), keepdims=1)
    weights = [graph.constant(name, layer.params[name]) for name in ("w", "b") if name in layer.params]
    graph.add("Gemm", *weights)
    graph.add("Add", along)


def identity(graph, layer):
    """Nothing: what acts in training only."""


def operator(name):
    """Return a function for a layer that is one operator without options."""
    return lambda graph, layer: graph.add(name)


WRITERS = {
    layers.Add: add_branches,
    layers.AveragePool2D: pooling,
    layers.BatchNorm: batch_norm,
    layers.Concatenate: concatenate_branches,
    layers.ConcatenateLabel: concatenate_label,
    layers.ConditionalBatchNorm: conditional_batch_norm,
    layers.Conv2D: convolution,
    layers.Conv2DTranspose: convolution,
    layers.Cutout: identity,
    layers.Dense: dense,
    layers.Dropout: identity,
    layers.ELU: elu,
    layers.Embedding: embedding,
    layers.Flatten: reshape,
    layers.GELU: gelu,
    layers.GaussianNoise: identity,
    layers.GlobalAveragePool2D: global_average_pool,
    layers.GroupNorm: group_norm,
    layers.InstanceNorm: instance_norm,
    layers.LSTM: lstm,
    layers.LayerNorm: layer_norm,
    layers.LeakyReLU: leaky_relu,
    layers.MaxPool2D: pooling,
    layers.Projection: projection,
    layers.RandomColor: identity,
    layers.RandomTranslation: identity,
    layers.ReLU: operator("Relu"),
    layers.Reshape: reshape,
    layers.SiLU: silu,
    layers.Sigmoid: operator("Sigmoid"),
    layers.Softmax: softmax,
    layers.Softplus: operator("Softplus"),
    layers.SpectralNorm: spectral_norm,
    layers.Tanh: operator("Tanh"),
    layers.UpSampling2D: upsampling,
}
