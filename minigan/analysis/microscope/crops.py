"""Which numbers of the arrays stand in the page: a few samples, channels and units, and all that their sums need.

The whole arrays would be too large: a Dense(1024, 784) alone has 800,000 weights, in each checkpoint. So the page shows
some of the outputs of a layer and some of its inputs. For each output that it shows it also holds all weights that go
into it, and for each input all weights that lead away from it: then every sum is complete.
A crop is a list of indices for each axis.
"""

from dataclasses import dataclass

import numpy as np

from minigan.analysis.microscope.sums_of_windows import windows_of
from minigan.layers import (
    LSTM,
    AveragePool2D,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    GlobalAveragePool2D,
    MaxPool2D,
    Reshape,
)

POOLS = (MaxPool2D, AveragePool2D)
SMALL = 4096  # numbers of a sample that are all shown, where no simple part of x and of y belong together


@dataclass(frozen=True)
class Level:
    """How much of each array stands in the page; the first of LEVELS that is small enough is taken.

    samples    so many are shown; units, channels: of vectors and images; pixels: at most so many rows and columns
    weights    so many numbers of W at most lead to the outputs that are shown, and as many away from the inputs
    """

    samples: int
    units: int
    channels: int
    pixels: int
    weights: int


LEVELS = (
    Level(2, 64, 8, 64, 60_000),
    Level(2, 32, 8, 48, 30_000),
    Level(2, 24, 6, 32, 20_000),
    Level(1, 24, 6, 32, 16_000),
    Level(1, 16, 4, 28, 12_000),
    Level(1, 12, 3, 16, 8_000),
    Level(1, 8, 2, 10, 4_000),
    Level(1, 4, 1, 6, 1_000),
)


def spread(size, count):
    """Return at most `count` indices of an axis, evenly spread."""
    return np.unique(np.linspace(0, size - 1, min(size, count)).round().astype(int))


def middle(size, count):
    """Return at most `count` neighbouring indices in the middle of an axis."""
    first = max(0, (size - count) // 2)
    return np.arange(first, min(size, first + count))


def shown_axes(shape, level):
    """Return the indices that are shown of one sample of a shape: a list for each axis."""
    if len(shape) == 1:
        return [spread(shape[0], level.units)]
    if len(shape) == 3:
        return [*(middle(size, level.pixels) for size in shape[:2]), spread(shape[2], level.channels)]
    return [*(middle(size, level.pixels) for size in shape[:-1]), spread(shape[-1], level.units // 2 or 1)]


def whole(shape):
    """Return all indices of each axis of a shape."""
    return [np.arange(size) for size in shape]


def limited(indices, cost, level):
    """Return as many of the indices as the limit of a layer's weights allows, each of which needs `cost` of them."""
    return indices[:: max(1, -(-len(indices) * cost // level.weights))]


def crops_of(view, level):
    """Return {name of an array: [crop, ...]}; the first crop of each is the one that is shown."""
    n = len(view.x)
    samples, batch = spread(n, level.samples) if n <= 2 or level.samples == 1 else np.array([0, n // 2]), np.arange(n)
    x, y = shown_axes(view.x.shape[1:], level), shown_axes(view.y.shape[1:], level)
    kind, more, params = type(view.layer), {}, {}
    if kind is Dense:
        x, y, more, params = dense_crops(view, x, y, samples, batch, level)
    elif kind in (Conv2D, Conv2DTranspose):
        x, y, more, params = convolution_crops(view, x, y, samples, batch, level)
    elif kind is LSTM:
        x, y, more, params = lstm_crops(view, x, y, samples, batch, level)
    elif kind is BatchNorm:
        c = x[-1]
        more = {name: [[batch, *whole(view.x.shape[1:-1]), c]] for name in ("x", "dy")}
        params = {name: [[c]] for name in ("gamma", "beta", "mean", "variance")}
    elif kind is GlobalAveragePool2D:
        y = [x[-1]]
        x = [*whole(view.x.shape[1:-1]), x[-1]]
    elif kind in POOLS:
        more = {
            "x": [[samples, *whole(view.x.shape[1:-1]), x[-1]]],
            "dy": [[samples, *whole(view.y.shape[1:-1]), y[-1]]],
        }
    elif kind is Flatten:
        y = [np.ravel_multi_index(np.meshgrid(*x, indexing="ij"), view.x.shape[1:]).ravel()]
    elif kind is Reshape and len(view.x.shape) == 2:
        x = [np.ravel_multi_index(np.meshgrid(*y, indexing="ij"), view.y.shape[1:]).ravel()]
    elif kind is Reshape and view.x[0].size <= SMALL:
        x, y = whole(view.x.shape[1:]), whole(view.y.shape[1:])
    elif view.x.shape[1:] == view.y.shape[1:]:
        y = x
    crops = {"x": [[samples, *x]], "dx": [[samples, *x]], "y": [[samples, *y]], "dy": [[samples, *y]]}
    for name, extra in more.items():
        crops[name] = crops[name] + extra
    for name in ("keep", "mask", "winner"):  # what some layers save for backward
        crops[name] = crops["y"][:1]
    for name, value in view.params.items():
        of_value = params.get(name) or [shown_axes(value.shape, level)]
        crops[name] = of_value
        crops[f"d{name}"] = crops[f"update of {name}"] = of_value[:1]
    return crops | {name: others for name, others in params.items() if name not in view.params}


def dense_crops(view, x, y, samples, batch, level):
    """Return the crops of x and y of one sample, further ones, and those of the parameters."""
    inputs, outputs = view.params["W"].shape
    i, o = limited(x[0], outputs, level), limited(y[0], inputs, level)
    more = {
        "x": [[samples, np.arange(inputs)], [batch, i]],
        "dy": [[samples, np.arange(outputs)], [batch, o]],
        "y": [[batch, o]],
    }
    return [i], [o], more, {"W": [[i, o], [np.arange(inputs), o], [i, np.arange(outputs)]], "b": [[o]]}


def convolution_crops(view, x, y, samples, batch, level):
    """Return the same for a convolution; a window needs pixels beyond those that are shown."""
    W, transposed, groups = view.params["W"], type(view.layer) is Conv2DTranspose, view.layer.groups
    kernel, places = W.shape[:2], W[..., 0, 0].size
    ins, outs = W.shape[2 + transposed], W.shape[3 - transposed]  # channels of W's own axes
    inputs, outputs = limited(x[2], places * outs, level), limited(y[2], places * ins, level)
    c, f = np.unique(inputs % ins), np.unique(outputs % outs)
    if transposed:  # dW[u,v,f,c] needs the filters of c's group, and in Conv2D the channels of f's group
        also_c, also_f = c, [g * outs + f for g in range(groups)]
        kernels = [[f, c], [f, np.arange(ins)], [np.arange(outs), c]]
    else:
        also_c, also_f = [g * ins + c for g in range(groups)], f
        kernels = [[c, f], [np.arange(ins), f], [c, np.arange(outs)]]
    x, y = [*x[:2], inputs], [*y[:2], outputs]
    pixels_x, pixels_y = reached(view.layer, x[:2], y[:2], transposed)
    more = {
        "x": [[samples, *pixels_x, np.arange(view.x.shape[3])], [batch, *whole(view.x.shape[1:3]), np.ravel(also_c)]],
        "dy": [[samples, *pixels_y, np.arange(view.y.shape[3])], [batch, *whole(view.y.shape[1:3]), np.ravel(also_f)]],
    }
    params = {"W": [[*whole(kernel), *pair] for pair in kernels], "b": [[outputs]]}
    return x, y, more, params


def reached(layer, x, y, transposed):
    """Return the rows and columns of x that the shown ones of y need, and those of dy that dx needs."""
    windows, (image, small) = windows_of(layer), ((y, x) if transposed else (x, y))
    needed_image, needed_small = [], []
    for axis in (0, 1):
        rows = {row for window in small[axis] for _, row in windows.along(axis, int(window))}
        needed_image.append(np.array(sorted(rows | set(image[axis].tolist()))))
        found = {window for row in image[axis] for _, window in windows.over(axis, int(row))}
        needed_small.append(np.array(sorted(found | set(small[axis].tolist()))))
    return (needed_small, needed_image) if transposed else (needed_image, needed_small)


def lstm_crops(view, x, y, samples, batch, level):
    """Return the same for an LSTM: a unit has four columns of W and U, one for each gate."""
    W, U = view.params["W"], view.params["U"]
    size, units, steps = len(W), len(U), view.x.shape[1]
    k, j = limited(x[1], 4 * units, level), limited(y[-1], 4 * (size + units), level)
    columns = np.concatenate([j + gate * units for gate in range(4)])
    time, states = np.arange(steps), np.arange(steps + 1)
    x, y = [x[0], k], [*y[:-1], j]
    more = {"x": [[samples, time, np.arange(size)], [batch, time, k]]}
    kept = {
        "W": [[k, columns], [np.arange(size), columns], [k, np.arange(4 * units)]],
        "U": [[j, columns], [np.arange(units), columns]],
        "b": [[columns]],
        "h": [[samples, states, np.arange(units)], [batch, states, j]],
        "da": [[samples, states, np.arange(4 * units)], [batch, states, columns]],
        **{name: [[samples, states, j]] for name in ("c", "i", "f", "g", "o", "dc", "dh")},
    }
    return x, y, more, kept
