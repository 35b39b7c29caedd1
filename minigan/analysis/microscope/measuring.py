"""Central differences of many numbers at once, for the page: the layer's own forward pass in float64.

Of x: many copies of one sample, each with another number moved, are one batch. That needs a layer that treats each
sample by itself. Of W: in a Dense or convolution, the weights that lead to different outputs are moved together, since
each output, with its part of the loss, follows its own weights alone.
"""

import numpy as np

from minigan.analysis.microscope.differences import STEP, float64_layer, measured, output
from minigan.layers import (
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool2D,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
    UpSampling2D,
)
from minigan.layers.container import Container

BATCH = 64  # copies of a sample at a time
WORK = 4e8  # flops for one array: as many numbers are measured as that allows, evenly spread
IN_THE_PAGE = (  # the script of the page measures these itself
    *(AveragePool2D, BatchNorm, Dropout, Flatten, GlobalAveragePool2D, LeakyReLU, MaxPool2D, ReLU, Reshape, Sigmoid),
    *(Tanh, UpSampling2D),
)
FEW = 6  # numbers of an array for which each needs a pass of its own


def measured_crop(view, what, crop):
    """Return the central differences of dx or of a parameter's gradient in a crop; NaN where none was measured."""
    found = np.full([len(axis) for axis in crop], np.nan)
    with np.errstate(all="ignore"):
        if type(view.layer) in IN_THE_PAGE:
            return found
        if what == "dx" and treats_samples_alone(view.layer):
            measure_inputs(view, crop, found)
        elif what != "dx" and type(view.layer) in (Dense, Conv2D, Conv2DTranspose):
            measure_weights(view, what[1:], crop, found)
        else:
            for place in spread_places(found.shape, FEW):
                index = tuple(int(axis[k]) for axis, k in zip(crop, place, strict=True))
                found[place] = measured(view, what, index)[0]
    return found


def treats_samples_alone(layer):
    """Return whether copies of a sample in one batch have the same output: no random numbers, no labels."""
    random = any(name in layer.state for name in ("seed", "calls"))
    return not (random or layer.mixes_samples or layer.takes_labels or isinstance(layer, Container))


def spread_places(shape, count):
    """Return at most `count` places of an array, evenly spread."""
    size = int(np.prod(shape))
    chosen = np.unique(np.linspace(0, size - 1, min(size, max(1, count))).astype(int))
    return [tuple(int(i) for i in np.unravel_index(k, shape)) for k in chosen]


def measure_inputs(view, crop, found):
    """Write the differences of the loss along numbers of x into `found`."""
    layer, x, dy = float64_layer(view), view.x.astype("float64"), view.dy.astype("float64")
    places = spread_places(found.shape, int(WORK / (2 * max(1, layer.flops()))))
    step = STEP * max(1.0, float(np.sqrt(np.mean(x * x))))
    for sample in range(found.shape[0]):
        n, own = int(crop[0][sample]), [place for place in places if place[0] == sample]
        for start in range(0, len(own), BATCH):
            some = own[start : start + BATCH]
            copies, rows = np.repeat(x[n : n + 1], 2 * len(some), axis=0), np.arange(len(some))
            index = tuple(np.array([int(crop[axis][place[axis]]) for place in some]) for axis in range(1, len(crop)))
            copies[(rows, *index)] += step
            copies[(rows + len(some), *index)] -= step
            y = output(view, layer, copies)
            losses = (y * dy[n]).reshape(len(copies), -1).sum(axis=1)
            for place, up, down in zip(some, losses[: len(some)], losses[len(some) :], strict=True):
                found[place] = (up - down) / (2 * step)


def measure_weights(view, name, crop, found):
    """Write the differences of the loss along the weights of a Dense or convolution, or its bias, into `found`."""
    x, dy = view.x.astype("float64"), view.dy.astype("float64")
    layer, crop, channels = with_shown_outputs(float64_layer(view), name, crop)
    value, axis = layer.params[name], outputs_axis(layer, name)
    step = STEP * max(1.0, float(np.sqrt(np.mean(value * value))))
    others = [k for k in range(value.ndim) if k != axis]
    passes = int(WORK / (2 * len(x) * max(1, layer.flops())))
    for place in spread_places([len(crop[k]) for k in others], passes) if others else [()]:
        index, spot = [crop[axis]] * value.ndim, [slice(None)] * value.ndim
        for k, at in zip(others, place, strict=True):
            index[k], spot[k] = int(crop[k][at]), at
        start, outputs = value[tuple(index)].copy(), []
        for sign in (1, -1):
            value[tuple(index)] = start + sign * step
            outputs.append(output(view, layer, x))
        value[tuple(index)] = start
        of_y, of_dy = channels(index)
        change = (outputs[0] - outputs[1])[..., of_y] * dy[..., of_dy]
        found[tuple(spot)] = change.reshape(-1, len(of_y)).sum(axis=0) / (2 * step)


def outputs_axis(layer, name):
    """Return the axis of the outputs in W or b."""
    return layer.params[name].ndim - 1 - (type(layer) is Conv2DTranspose and name == "W")


def with_shown_outputs(layer, name, crop):
    """Return (layer, crop, function) for the outputs in a crop alone: a layer with these is cheaper by far.

    The function says, for an index of W, in which channels of y and of dy its loss lies. With groups, the whole layer
    computes: its channels belong together.
    """
    axis = outputs_axis(layer, name)
    shown = crop[axis]
    if getattr(layer, "groups", 1) > 1:
        value, transposed = layer.params[name], type(layer) is Conv2DTranspose and name == "W"

        def channels(index):
            # of a transposed W: the filters of the group of this channel
            first = index[3] // (value.shape[3] // layer.groups) * value.shape[2] if transposed else 0
            return first + shown, first + shown

        return layer, crop, channels
    small = smaller(layer, len(shown))
    small.build(layer.input_shape, np.random.default_rng(0), layer.dtype, np)
    for key, value in layer.params.items():
        small.params[key] = np.take(value, shown, outputs_axis(layer, key))
    own = np.arange(len(shown))
    return small, [*crop[:axis], own, *crop[axis + 1 :]], lambda index: (own, shown)


def smaller(layer, outputs):
    """Return a Dense or convolution like this one, with so many outputs."""
    if type(layer) is Dense:
        return Dense(outputs, layer.use_bias)
    options = {name: getattr(layer, name) for name in ("kernel_size", "strides", "padding", "use_bias", "dilation")}
    return type(layer)(outputs, **options)
