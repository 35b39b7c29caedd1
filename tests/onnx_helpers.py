"""What the tests of ONNX models share: networks as after training, and the outputs of onnxruntime."""

import io

import numpy as np
import onnx
import onnxruntime
from layer_cases import labels_for


def shaken(net, seed=0):
    """The network with biases, scales and running statistics as after training: what zeros and ones would hide."""
    rng = np.random.default_rng(seed)
    for value in net.params.values():
        change = rng.normal(0, 0.1, value.shape).astype(net.dtype)
        value += change if value.ndim == 1 else change * value.std()
    for name, value in net.state.items():
        if name.endswith("mean"):
            value += rng.normal(0, 0.5, value.shape).astype(net.dtype)
        if name.endswith("variance"):
            value *= rng.uniform(0.5, 2, value.shape).astype(net.dtype)
    return net


def exported(net, **options):
    """The bytes of the model."""
    file = io.BytesIO()
    net.to_onnx(file, **options)
    return file.getvalue()


def session(content):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def inputs_of(net, n, seed=1):
    """(x, {"labels": ...} or {}) for a network"""
    x = np.random.default_rng(seed).standard_normal((n, *net.input_shape)).astype(net.dtype)
    return x, {name: np.asarray(labels, "int64") for name, labels in labels_for(net, n).items()}


def require_equal_to_onnxruntime(net, tolerance=1e-5, counts=(3, 1)):
    """onnxruntime gives what `predict` gives, for several batch sizes; returns the largest difference."""
    model, worst = session(exported(net)), 0
    for n in counts:
        x, labels = inputs_of(net, n)
        (y,) = model.run(None, {"x": x.astype("float32"), **labels})
        expected = net.predict(x, **labels)
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=tolerance, atol=tolerance)
        worst = max(worst, abs(y - expected).max())
    return worst


def operators(content):
    """The names of the operators of a model, without the Identity at its end."""
    return [node.op_type for node in onnx.load_from_string(content).graph.node[:-1]]
