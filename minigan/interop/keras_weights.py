"""Weights from Keras, and for Keras. Both have the same axes: images are (h, w, c), kernels (kh, kw, in, out).

The gates of an LSTM have the same order, too. Only options differ: Keras's epsilon is 0.001 in BatchNorm and LayerNorm,
its momentum .99.
"""

import math
import os

import numpy as np

from minigan import backend
from minigan.errors import CheckpointError, OptionError
from minigan.hints import Array, PathLike
from minigan.interop.keras_files import read_groups
from minigan.interop.matching import Group, difference, full_names, listed, match
from minigan.interop.places import checked_places
from minigan.interop.spectral import matrix_of, require_length, tell_of_sigma
from minigan.interop.tensors import numbers
from minigan.interop.torch_weights import require_names, write
from minigan.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    SpectralNorm,
)
from minigan.network import Sequential
from minigan.ops.convolution.windows import reach, zeros_at_ends
from minigan.options import shown

KERNEL, SCALE = {"W": "kernel", "b": "bias"}, {"gamma": "gamma", "beta": "beta"}
# layer -> (the classes of Keras that it can stand for, our names -> theirs, in the order of get_weights())
LAYERS = {
    Dense: (("Dense",), KERNEL),
    Conv2D: (("Conv2D",), KERNEL),
    Conv2DTranspose: (("Conv2DTranspose",), KERNEL),
    BatchNorm: (("BatchNormalization",), {**SCALE, "mean": "moving_mean", "variance": "moving_variance"}),
    LayerNorm: (("LayerNormalization",), SCALE),
    GroupNorm: (("GroupNormalization",), SCALE),
    InstanceNorm: (("GroupNormalization",), SCALE),
    LSTM: (("LSTM",), {"W": "kernel", "U": "recurrent_kernel", "b": "bias"}),
    Embedding: (("Embedding",), {"E": "embeddings"}),
}
NORMED = {Dense, Conv2D, Embedding}  # of Conv2DTranspose, Keras takes the norm of another matrix: spectral.py
TRAIN = "There: call the layer some times with training=True, which changes its kernel, and save again."


def from_keras(net: Sequential, weights: list | PathLike, names: list[str] | None = None) -> Sequential:
    """Fill a network with the weights of a model of Keras, and return it. If anything does not fit, nothing changes.

    net        a network with the same layers; make it first. An activation of a Keras layer is a layer of its own here
    weights    model.get_weights(), or the path of a .keras, .weights.h5 or .h5 file (pip install "minigan[keras]")
    names      the names of the Keras layers with weights in the order of the network's, if the file does not say it
    A .keras file holds the options of the layers, too. They are compared: epsilon, strides, padding and so on.
    Errors     CheckpointError if arrays are missing, left over or of other shapes, and for other options
    Warnings   MisuseWarning where a SpectralNorm divides by another number than 1: Keras divides in training alone
    """
    owner = "from_keras"
    places = checked_places(net, owner, "Keras", LAYERS, NORMED, reordered=False)
    require_names(names)
    needs = [needs_of(place) for place in places]
    if isinstance(weights, (str, bytes, os.PathLike)):
        size = sum(array.nbytes for place in places for array in arrays_of(place).values())
        groups, order, options = read_groups(weights, size)
        groups = [completed(group) for group in groups]
        found = ordered(places, needs, groups, order, owner) if names is None and order else None
        found = match(places, needs, groups, names, owner) if found is None else found
        for place, group in zip(places, found, strict=True):
            require_same_options(place.layer, group.name, *options.get(group.name, (None, {})))
    else:
        if names is not None:
            raise OptionError("from_keras: names is for files; a list of arrays has none. Leave it out.")
        found = from_list(places, needs, weights)
    new = []
    for place, group in zip(places, found, strict=True):
        arrays = {
            name: numbers(np.asarray(group.arrays[name]), group.full_name(name), net.dtype, owner)
            for name in group.arrays
        }
        new.append(ours_of(place, arrays))
    write(places, new)
    for place in places:
        if isinstance(place.layer, SpectralNorm):
            tell_of_sigma(owner, place, 1.0, "Keras", TRAIN)
    return net


def to_keras(net: Sequential) -> list[Array]:
    """Return the weights of a network as model.set_weights takes them: a list of NumPy arrays, layer by layer.

    SpectralNorm is SpectralNormalization there, with W / sigma as the kernel.
    """
    places = checked_places(net, "to_keras", "Keras", LAYERS, NORMED, reordered=False)
    return [np.array(array, order="C") for place in places for array in theirs_of(place).values()]


def keras_names(layer):
    """Return the names of a layer's arrays, ours -> theirs, in the order of get_weights()."""
    if isinstance(layer, SpectralNorm):
        name, of_u = matrix_of(layer)
        return {name: "kernel", of_u: "vector_u", "b": "bias"}
    return LAYERS[type(layer)][1]


def theirs_of(place):
    """Return the arrays that a layer is in Keras: name -> array, in the order of get_weights()."""
    layer, arrays = place.layer, arrays_of(place)
    if isinstance(layer, SpectralNorm):
        name, of_u = matrix_of(layer)
        arrays[name] = backend.to_cpu(layer.divided(layer.measured()).params[name])
        arrays[of_u] = arrays[of_u][None]
    return {theirs: arrays[ours] for ours, theirs in keras_names(layer).items() if ours in arrays}


def ours_of(place, arrays):
    """Return our arrays by name; arrays: Keras's by name."""
    found = {ours: arrays[theirs] for ours, theirs in keras_names(place.layer).items() if theirs in arrays}
    if isinstance(place.layer, SpectralNorm):
        _, of_u = matrix_of(place.layer)
        found[of_u] = found[of_u][0]
        require_length(found[of_u], f"from_keras: vector_u of {place.layer.name}", f"Was it trained? {TRAIN}")
    return found


def arrays_of(place):
    """Return the arrays of a layer on the CPU."""
    layer = place.layer
    return {name: backend.to_cpu(array) for name, array in (*layer.params.items(), *layer.state.items())}


def needs_of(place):
    """Return which arrays a layer needs of Keras: name -> shape, in the order of get_weights()."""
    return {name: array.shape for name, array in theirs_of(place).items()}


def completed(group):
    """Return a group with the arrays that Keras leaves out: scale or shift of a normalization, the bias of an LSTM."""
    arrays = dict(group.arrays)
    if "recurrent_kernel" in arrays and "bias" not in arrays:
        arrays["bias"] = np.zeros(arrays["kernel"].shape[-1:], "float32")
    if {"gamma", "beta", "moving_mean"} & set(arrays):
        size = next(iter(arrays.values())).shape
        arrays.setdefault("gamma", np.ones(size, "float32"))
        arrays.setdefault("beta", np.zeros(size, "float32"))
    return Group(group.name, arrays, group.key)


def ordered(places, needs, groups, order, where):
    """Return the groups in the order that the file gives, which is that of the model's layers."""
    by_name = {group.name: group for group in groups}
    left = [group for group in groups if group.name not in order]
    found = [by_name[name] for name in order]
    for place, need, group in zip(places, needs, found, strict=False):
        if group.shapes != need:
            raise CheckpointError(
                f"{where}: {difference(place, need, group)} The model's layers come in the order {listed(order)}. If "
                "those of the network come in another one, say so: names=[...]."
            )
    left += found[len(places) :]
    if left:
        raise CheckpointError(
            f"{where}: {listed(full_names(left))} left over: the network has no layer for them. Make a network with "
            "the same layers."
        )
    if len(found) < len(places):
        missing = places[len(found)]
        raise CheckpointError(f"{where}: nothing there for {missing.layer.name}: the model has fewer layers.")
    return found


def from_list(places, needs, weights):
    """Return the groups of arrays that model.get_weights() gave, layer by layer."""
    if not isinstance(weights, (list, tuple)) or not all(hasattr(array, "shape") for array in weights):
        raise OptionError(
            "from_keras: expected model.get_weights(), a list of arrays, or the path of a .keras, .weights.h5 or .h5 "
            f"file, got {shown(weights)}."
        )
    rest, found = [np.asarray(array) for array in weights], []
    for place, need in zip(places, needs, strict=True):
        own, rest = rest[: len(need)], rest[len(need) :]
        if len(own) < len(need):
            raise CheckpointError(
                f"from_keras: {place.layer.name} needs {len(need)} arrays, but only {len(own)} are left."
            )
        group = Group(f"array {len(weights) - len(rest) - len(own)}", dict(zip(need, own, strict=True)))
        if group.shapes != need:
            raise CheckpointError(f"from_keras: {difference(place, need, group)}")
        found.append(group)
    if rest:
        shapes = ", ".join(str(array.shape) for array in rest[:8])
        raise CheckpointError(f"from_keras: {len(rest)} arrays left over, of the shapes {shapes}.")
    return found


def require_same_options(layer, name, kind, options):
    """Raise CheckpointError if a layer of Keras computes something else with the same weights; kind None: not known."""
    if kind is None:
        return
    if isinstance(layer, SpectralNorm) and kind == "SpectralNormalization":
        inner = options.get("layer") if isinstance(options.get("layer"), dict) else {}
        kind, options = inner.get("class_name"), inner.get("config")
        require_same_options(layer.built, name, kind, options if isinstance(options, dict) else {})
        return
    kinds = ("SpectralNormalization",) if isinstance(layer, SpectralNorm) else LAYERS[type(layer)][0]
    if kind not in kinds:
        raise CheckpointError(f"from_keras: {layer.name} stands where the model has {shown(name)}, a {kind}.")
    for option, ours, theirs in compared(layer, options):
        close = isinstance(ours, float) and isinstance(theirs, (int, float)) and math.isclose(ours, theirs)
        if ours != theirs and not close:
            raise CheckpointError(
                f"from_keras: {layer.name} has {option} {shown(ours)}, but {shown(name)} of the Keras model has "
                f"{shown(theirs)}. With the same weights, the two give different outputs. Make the layer with the "
                f"model's {option}."
            )


def compared(layer, options):
    """Yield (option, ours, theirs) of what changes the outputs and not the shapes of the weights."""
    if isinstance(layer, (BatchNorm, LayerNorm, InstanceNorm, GroupNorm)):
        yield "epsilon", float(layer.epsilon), options.get("epsilon", 1e-3)
    if isinstance(layer, GroupNorm):
        yield "groups", layer.groups, options.get("groups", 32)
    if isinstance(layer, InstanceNorm) and options.get("groups") != -1:
        yield "groups", layer.input_shape[-1], options.get("groups", 32)
    if isinstance(layer, LSTM):
        yield "activation", "tanh", options.get("activation", "tanh")
        yield "recurrent_activation", "sigmoid", options.get("recurrent_activation", "sigmoid")
        yield "return_sequences", layer.return_sequences, options.get("return_sequences", False)
        yield "go_backwards", False, options.get("go_backwards", False)
    if isinstance(layer, (Conv2D, Conv2DTranspose)):
        yield "data_format", "channels_last", options.get("data_format", "channels_last")
        yield "strides", tuple(layer.strides), as_pair(options.get("strides", 1))
        yield "dilation", tuple(layer.dilation), as_pair(options.get("dilation_rate", 1))
        yield "groups", layer.groups, options.get("groups", 1)
        padding = options.get("padding", "valid")
        if padding in ("same", "valid"):  # the same zeros can be written in several ways
            mine, theirs = (pads_of(layer, choice) for choice in (layer.padding, padding))
            yield "padding", mine, theirs


def as_pair(value):
    return tuple(value) if isinstance(value, (list, tuple)) else (value, value)


def pads_of(layer, padding):
    """Return the zeros around the image (Conv2D), or what is cropped of it, on all four sides."""
    image = layer.input_shape if isinstance(layer, Conv2D) else layer.output_shape
    window = reach(layer.kernel_size, layer.dilation)
    return tuple(zeros_at_ends(image[axis], window[axis], layer.strides[axis], padding, axis) for axis in (0, 1))
