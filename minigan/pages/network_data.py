"""A network as JSON values, for its forward pass in JavaScript (network.js and layers.js, beside this file)."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from minigan import backend, layers
from minigan.errors import NonFiniteError, OptionError
from minigan.network import Sequential
from minigan.ops import normal
from minigan.options import require_built

UNCHANGED = ("Cutout", "Dropout", "Flatten", "GaussianNoise", "RandomColor", "RandomTranslation", "Reshape")
WITHOUT_OPTIONS = ("GlobalAveragePool2D", "ReLU", "SiLU", "Sigmoid", "Softmax", "Softplus", "Tanh")


def network_data(net: Sequential) -> dict[str, Any]:
    """Return a network as JSON values: its layers with their options, and all its numbers as one text in base64.

    The numbers are float32, exactly those of the network, lowest byte first; an array of a layer is a part of them.
    Errors     OptionError for a layer without a JavaScript form, such as one of your own; NonFiniteError for a network
               whose training has diverged
    """
    net = require_built("network_data", net=net)
    numbers = Numbers()
    found = [layer_data(layer, numbers) for layer in net.layers]
    return {
        "input": list(net.input_shape),
        "output": list(net.output_shape),
        "classes": net.classes,
        "layers": found,
        "numbers": numbers.as_text(),
    }


class Numbers:
    """The arrays of all layers, one after the other, as float32."""

    def __init__(self):
        self.arrays, self.size = [], 0

    def place(self, array, where):
        """Append an array; return where it is. Errors: NonFiniteError"""
        with np.errstate(over="ignore"):  # of float64
            values = np.ascontiguousarray(backend.to_cpu(array), "<f4").reshape(-1)
        if not np.isfinite(values).all():
            raise NonFiniteError(
                f"{where} holds NaN, infinity, or numbers beyond float32: no page is made of this network. If its "
                "training has diverged, train again with lower learning rates."
            )
        place = {"start": self.size, "size": values.size}
        self.arrays.append(values)
        self.size += values.size
        return place

    def as_text(self):
        """Return the bytes of all numbers in base64."""
        return base64.b64encode(b"".join(array.tobytes() for array in self.arrays)).decode()


def layer_data(layer, numbers):
    """Return a layer as JSON values: kind, shapes, options, and where its arrays are."""
    values = form_of(layer)(layer, numbers)
    arrays = {name: numbers.place(array, f"{layer.name}.{name}") for name, array in values.pop("arrays", {}).items()}
    shapes = {"input": list(layer.input_shape), "output": list(layer.output_shape)}
    return {"kind": type(layer).__name__, **shapes, "arrays": arrays, **values}


def form_of(layer):
    """Return the function that makes the JavaScript form of a layer, or raise OptionError."""
    kind = type(layer)
    if kind not in FORMS:
        raise OptionError(
            f"{layer.name}: {kind.__name__} has no form in JavaScript, so this network cannot run in a browser. All of "
            "minigan's own layers have one."
        )
    return FORMS[kind]


def plain(*options: str) -> Callable:
    """Return the form of a layer that needs its own parameters and state, as they are, and some options."""

    def form(layer, numbers):
        state = {name: value for name, value in layer.state.items() if value.dtype.kind == "f"}
        return {"arrays": {**layer.params, **state}, **{name: getattr(layer, name) for name in options}}

    return form


def without_arrays(layer, numbers):
    """Return the form of a layer that is nothing but its name."""
    return {}


def dense(layer, numbers):
    return {"arrays": {**layer.params, "W": layer.params["W"].T}}


def convolution(layer, numbers):
    """Return the form of both convolutions: W with a row for each output of a product, group by group."""
    W = backend.to_cpu(layer.params["W"])
    if isinstance(layer, layers.Conv2D):  # (kh, kw, c / g, f) -> (f, kh kw c / g)
        rows = W.reshape(-1, layer.filters).T
    else:  # (kh, kw, f / g, c) -> (g, kh kw f / g, c / g)
        rows = np.moveaxis(W.reshape(*W.shape[:3], layer.groups, -1), 3, 0)
    return {"arrays": {**layer.params, "W": rows}, "groups": layer.groups} | windows(
        layer.kernel_size, layer.strides, layer.dilation, layer.plan.pads
    )


def pooling(layer, numbers):
    return windows(layer.pool_size, layer.strides, (1, 1), layer.pads)


def windows(size, strides, dilation, pads):
    """Return where windows lie on an image."""
    (top, _), (left, _) = pads
    return {"kernel": list(size), "strides": list(strides), "dilation": list(dilation), "padding": [top, left]}


def spectral_norm(layer, numbers):
    """Return the form of the inner layer with Wbar, its weights divided by sigma."""
    inner = layer.divided(layer.measured())
    return {"inner": type(inner).__name__, **form_of(inner)(inner, numbers)}


def gelu(layer, numbers):
    constants = {"A": layer.A, "B": layer.B, "scale": normal.SCALE, "polynomial": normal.POLYNOMIALS["float64"]}
    return {"approximate": layer.approximate, **constants}


def lstm(layer, numbers):
    arrays = {**layer.params, "W": layer.params["W"].T, "U": layer.params["U"].T}
    return {"arrays": arrays, "return_sequences": layer.return_sequences}


def branches(layer, numbers):
    return {"branches": [[layer_data(inner, numbers) for inner in branch] for branch in layer.branches]}


def sequential(layer, numbers):
    return {"branches": [[layer_data(inner, numbers) for inner in layer.layers]]}


# the class of a layer -> a function of the layer and all numbers: what its JavaScript form needs
FORMS = {
    **{getattr(layers, name): without_arrays for name in (*UNCHANGED, *WITHOUT_OPTIONS)},
    layers.Add: branches,
    layers.AveragePool2D: pooling,
    layers.BatchNorm: plain("epsilon"),
    layers.Concatenate: branches,
    layers.ConcatenateLabel: plain(),
    layers.ConditionalBatchNorm: plain("epsilon"),
    layers.Conv2D: convolution,
    layers.Conv2DTranspose: convolution,
    layers.Dense: dense,
    layers.ELU: plain("alpha"),
    layers.Embedding: plain(),
    layers.GELU: gelu,
    layers.GroupNorm: plain("groups", "epsilon"),
    layers.InstanceNorm: plain("epsilon"),
    layers.LSTM: lstm,
    layers.LayerNorm: plain("epsilon"),
    layers.LeakyReLU: plain("negative_slope"),
    layers.MaxPool2D: pooling,
    layers.Projection: plain(),
    layers.SpectralNorm: spectral_norm,
    layers.UpSampling2D: plain("size"),
    Sequential: sequential,
}
