"""A network as an ONNX model, which other programs run: onnxruntime, browsers, OpenCV, phones."""

import minigan
from minigan import storage
from minigan.errors import OptionError, TooLargeError
from minigan.interop.onnx_graph import INPUT, LABELS, OUTPUT, Graph
from minigan.interop.onnx_layers import in_a_row
from minigan.memory import bytes_text
from minigan.options import shown

# What onnxruntime reads since 1.12 of 2022, and OpenCV and the browsers, too; the newest versions are not read by all.
OPSET, IR_VERSION = 17, 8
LARGEST = 2**31 - 2**20  # bytes: a file of ONNX, a protobuf message, ends at 2 GB


def import_onnx():
    """Return the package onnx; OptionError with the line that installs it."""
    try:
        import onnx
        import onnx.checker
        import onnx.helper
        import onnx.numpy_helper
    except ImportError as error:
        raise OptionError(
            f'ONNX models need the package onnx, which cannot be imported ({error}): pip install "minigan[onnx]"'
        ) from error
    return onnx


def export(network, target, description="", metadata=None):
    """Write a network to an ONNX file: see Sequential.to_onnx."""
    metadata = {} if metadata is None else metadata
    if not is_text(description):
        raise OptionError(f"to_onnx: expected description as a text, got {shown(description)}.")
    if not isinstance(metadata, dict) or not all(map(is_text, (*metadata, *metadata.values()))):
        raise OptionError(
            f'to_onnx: expected metadata as a dict of texts, {{"licence": "CC BY-SA 3.0"}}, got {shown(metadata)}.'
        )
    size = 4 * network.flat_params.size
    if size > LARGEST:
        raise TooLargeError(
            f"to_onnx: the parameters take {bytes_text(size)}, and a file of ONNX can have 2 GB at most. Save this "
            "network by net.save(path)."
        )
    storage.write(target, make_model(network, description, metadata).SerializeToString())


def is_text(value):
    """Return whether a value is a text that a file can hold: Python's may have halves of letters."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def make_model(network, description="", metadata=None):
    """Return a network as an onnx.ModelProto that onnx has checked, with any number of samples at once."""
    onnx = import_onnx()
    graph = Graph(onnx, len(network.input_shape))
    in_a_row(graph, network)
    graph.axes = len(network.output_shape)
    graph.channels_last()
    graph.nodes.append(onnx.helper.make_node("Identity", [graph.x], [OUTPUT], name=OUTPUT))
    floats, int64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64
    inputs = [onnx.helper.make_tensor_value_info(INPUT, floats, ["n", *network.input_shape])]
    if network.takes_labels:
        inputs.append(onnx.helper.make_tensor_value_info(LABELS, int64, ["n"]))
    outputs = [onnx.helper.make_tensor_value_info(OUTPUT, floats, ["n", *network.output_shape])]
    model = onnx.helper.make_model(
        onnx.helper.make_graph(graph.nodes, "minigan", inputs, outputs, graph.constants),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="minigan",
        producer_version=minigan.__version__,
        doc_string=description,
    )
    onnx.helper.set_model_props(model, metadata or {})
    check(onnx, model)
    return model


def check(onnx, model):
    """Let onnx check every node and all shapes; what it finds can only be of a layer of one's own."""
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # of several kinds, by what is wrong
        raise OptionError(
            "to_onnx: the operators that the layers added are not a valid ONNX model. If one of the layers is your "
            f"own, look at its method onnx_nodes: {' '.join(str(error).split())[:500]}"
        ) from error
