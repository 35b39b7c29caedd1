"""The data of a page: layers with their formulas, figures and crops of their arrays, as JSON values.

Arrays stand in a list, each once (what one layer hands out is what the next one takes), as base64 of their bytes.
"""

import base64

import numpy as np

from minigan.analysis.microscope.crops import crops_of
from minigan.analysis.microscope.sums_of_sequences import GATES, Steps
from minigan.analysis.microscope.sums_of_windows import windows_of
from minigan.layers import LSTM, AveragePool2D, BatchNorm, Conv2D, Conv2DTranspose, Dropout, MaxPool2D, UpSampling2D
from minigan.layers.activations import LeakyReLU
from minigan.ops.random_bits import kept_scale


class Store:
    """The arrays of a page, each once: `add` returns the number of an array."""

    def __init__(self):
        self.places, self.texts = {}, []

    def add(self, array):
        array = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        content = (array.dtype.str[1:], array.tobytes())
        if content not in self.places:
            self.places[content] = len(self.texts)
            self.texts.append(f"{content[0]}:{base64.b64encode(content[1]).decode()}")
        return self.places[content]


def arrays_as_json(view, store, level, measure):
    """Return the arrays of a LayerView as JSON values; measure: the function that measures the gradients in a crop."""
    crops, arrays = crops_of(view, level), arrays_of(view)
    stored = {
        name: {"shape": array.shape, "crops": [crop_as_json(array, crop, store) for crop in crops[name]]}
        for name, array in arrays.items()
        if name in crops
    }
    for what in ("dx", *(f"d{name}" for name in view.params)):
        if what in stored:
            differences = measure(view, what, crops[what][0]).astype("float32")
            if np.isfinite(differences).any():
                stored[what]["measured"] = store.add(differences)
    return stored


def facts_of(view):
    """Return all about a LayerView besides its arrays as JSON values."""
    own = type(view.layer).__module__.startswith("minigan.layers.")
    return {
        "name": view.name,
        "kind": view.kind if own else "",
        "title": view.layer.describe().removeprefix(view.layer.name).strip(),  # what it chose while it was built
        "formula": [[name, lines] for name, lines in view.formula],
        "x": view.x.shape,
        "y": view.y.shape,
        "parameterNames": list(view.params),
        "parameters": sum(value.size for value in view.params.values()),
        "kept": view.kept_bytes,
        "frozen": bool(view.params) and not view.layer.trainable,
        "dead": view.dead_share,
        "ratios": view.update_ratios,
        "histograms": {name: histogram_as_json(view, name) for name in view.arrays if name not in ("x", "dx")},
        "options": options_of(view),
    }


def arrays_of(view):
    """Return all arrays that the page may need of a layer."""
    arrays = view.arrays | view.state
    if isinstance(view.layer, LeakyReLU):
        arrays["mask"] = (view.y > 0).astype("uint8")
    if type(view.layer) is MaxPool2D and view.saved:
        arrays["winner"] = view.saved[0].astype("f4")
    if type(view.layer) is Dropout and view.saved and view.saved[0] is not None:
        arrays["keep"] = view.saved[0].astype("uint8")
    if type(view.layer) is LSTM:
        steps = Steps(view)
        states = {"h": steps.h, "c": steps.c, "dh": steps.dh, "dc": steps.dc}
        states |= {gate: steps.gates[:, k] for k, gate in enumerate(GATES)}
        states["da"] = np.concatenate(list(steps.da.transpose(1, 0, 2, 3)), axis=-1)
        arrays |= {name: value.transpose(1, 0, 2).astype(view.x.dtype) for name, value in states.items()}
    return arrays


def crop_as_json(array, crop, store):
    axes = [len(axis) if len(axis) == size else axis.tolist() for axis, size in zip(crop, array.shape, strict=True)]
    return {"axes": axes, "data": store.add(array[np.ix_(*crop)])}


def histogram_as_json(view, name):
    found = view.histogram(name)
    return {"counts": found.counts.tolist(), "low": found.edges[0], "high": found.edges[-1], "odd": found.odd}


def options_of(view):
    """Return what the sums in the page need to know of a layer besides its arrays."""
    layer, kind = view.layer, type(view.layer)
    if kind in (Conv2D, Conv2DTranspose, MaxPool2D, AveragePool2D):
        windows = windows_of(layer)
        return {
            **{name: getattr(windows, name) for name in ("image", "window", "strides", "starts", "outputs")},
            "dilation": windows.dilation,
            "groups": getattr(layer, "groups", 1),
        }
    if isinstance(layer, LeakyReLU):
        return {"slope": layer.negative_slope}
    if kind is Dropout:
        return {"scale": kept_scale(layer.rate)}
    if kind is BatchNorm:
        return {"epsilon": layer.epsilon, "ofBatch": view.training and layer.trainable}
    if kind is UpSampling2D:
        return {"size": layer.size}
    if kind is LSTM:
        return {"several": layer.return_sequences, "units": layer.units, "steps": layer.input_shape[0]}
    return {}
