"""The same number by central differences: the layer's own forward pass in float64, with one number moved a little."""

import copy

import numpy as np

from minigan import backend
from minigan.layers.base import saving_nothing

STEP = 1e-5


def float64_layer(view):
    """Return a copy of the layer as it was before the pass, in float64 and on the CPU."""
    layer = copy.deepcopy(view.layer)
    layer.convert("float64", np)
    return layer


def output(view, layer, x):
    """Return y of a float64 layer; its state, such as that of a dropout's random bits, stays as it is."""
    before = {name: value.copy() for name, value in layer.state.items()}
    labels = (backend.to_cpu(view.labels),) if layer.takes_labels else ()
    with saving_nothing(), np.errstate(all="ignore"):
        y = layer.forward(x, view.training, *labels)
    for name, value in before.items():
        layer.state[name][...] = value
    return np.array(y)


def measured(view, what, index):
    """Return (the derivative of L = sum(dy y) with respect to one number, whether there is a kink within the step).

    The number is x[index] for what = "dx", and of the parameter of that name for what = "dW" and others.
    """
    layer, x, dy = float64_layer(view), view.x.astype("float64"), view.dy.astype("float64")
    array = x if what == "dx" else layer.params[what[1:]]
    start = float(array[index])
    step = STEP * max(1.0, float(np.sqrt(np.mean(array * array))))
    outputs = []
    for move in (step, 0.0, -step):
        array[index] = start + move
        outputs.append(output(view, layer, x))
    array[index] = start
    up, base, down = outputs
    with np.errstate(all="ignore"):
        slope = float((dy * (up - down)).sum()) / (2 * step)
        right, left = (float((dy * change).sum()) / step for change in (up - base, base - down))
    kink = abs(right - left) > 1e-3 * max(abs(right), abs(left))
    return slope, bool(kink)


def again(view, index):
    """Return y[index] by the layer's own forward pass in float64."""
    return float(output(view, float64_layer(view), view.x.astype("float64"))[index])
