"""Which function explains which number: by the class of the layer and the name of the array."""

import math

from minigan.analysis.microscope import sums_of_batches as batches
from minigan.analysis.microscope import sums_of_numbers as numbers
from minigan.analysis.microscope import sums_of_sequences as sequences
from minigan.analysis.microscope import sums_of_windows as windows
from minigan.analysis.microscope.differences import again, measured
from minigan.analysis.microscope.explanation import Explanation
from minigan.analysis.microscope.formula import line_of
from minigan.errors import OptionError, ShapeError
from minigan.layers import (
    LSTM,
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
from minigan.options import hint, is_integer, shown

# by the exact class: a subclass may compute something else
SUMS = {
    Dense: {"y": numbers.dense_y, "dW": numbers.dense_dW, "db": numbers.dense_db, "dx": numbers.dense_dx},
    Conv2D: {"y": windows.conv_y, "dW": windows.conv_dW, "db": windows.conv_db, "dx": windows.conv_dx},
    Conv2DTranspose: {
        "y": windows.transposed_y,
        "dW": windows.transposed_dW,
        "db": windows.conv_db,
        "dx": windows.transposed_dx,
    },
    BatchNorm: {
        "y": batches.batch_norm_y,
        "dgamma": batches.batch_norm_dgamma,
        "dbeta": batches.batch_norm_dbeta,
        "dx": batches.batch_norm_dx,
    },
    MaxPool2D: {"y": windows.max_pool_y, "dx": windows.max_pool_dx},
    AveragePool2D: {"y": windows.average_pool_y, "dx": windows.average_pool_dx},
    GlobalAveragePool2D: {"y": windows.global_pool_y, "dx": windows.global_pool_dx},
    LSTM: {
        "y": sequences.lstm_y,
        "dW": sequences.lstm_dW,
        "dU": sequences.lstm_dU,
        "db": sequences.lstm_db,
        "dx": sequences.lstm_dx,
    },
    ReLU: {"y": numbers.leaky_y, "dx": numbers.leaky_dx},
    LeakyReLU: {"y": numbers.leaky_y, "dx": numbers.leaky_dx},
    Tanh: {"y": numbers.tanh_y, "dx": numbers.tanh_dx},
    Sigmoid: {"y": numbers.sigmoid_y, "dx": numbers.sigmoid_dx},
    Dropout: {"y": numbers.dropout_y, "dx": numbers.dropout_dx},
    Flatten: {"y": numbers.reshape_y, "dx": numbers.reshape_dx},
    Reshape: {"y": numbers.reshape_y, "dx": numbers.reshape_dx},
    UpSampling2D: {"y": numbers.upsampling_y, "dx": numbers.upsampling_dx},
}


def explanation_of(view, what, index):
    """Return the Explanation of one number of a LayerView."""
    what = checked_name(view, what)
    array = view.arrays[what]
    index = checked_index(view, what, index, array.shape)
    found = Explanation(view.name, what, index, float(array[index]))
    function = SUMS.get(type(view.layer), {}).get(what)
    if function:
        term, found.products, found.parts = function(view, index)
        found.formula = line_of(view.formula, term)
        found.term = term if term.startswith("(") and term[1].isdigit() else ""
        found.formula = " ".join(found.formula.removeprefix(found.term).split())
        if not found.products:
            found.notes.append("The sum is empty, since no window has this number, so it is 0.")
        if math.isfinite(found.total) and not math.isfinite(found.value):
            found.notes.append("The sum leaves out products with 0 (padding), but 0 times NaN or infinity is NaN.")
    else:
        found.notes.append(f"The microscope cannot take apart {what} of a {view.kind}: its formula is in `formula`.")
    add_difference(view, found)
    return found


def add_difference(view, found):
    """Add the number as it is without any formula of the backward pass."""
    if found.what == "y":
        found.again = again(view, found.index)
        return
    found.measured, kink = measured(view, found.what, found.index)
    frozen = found.what != "dx" and not view.layer.trainable
    if frozen:
        found.notes.append(
            "The layer is frozen: backward adds nothing to its gradients. Sum and difference are what it would add."
        )
    if kink:
        found.notes.append(
            "The slopes to both sides differ: there is a kink, as that of a ReLU at 0, so the difference means little."
        )
    if not math.isfinite(found.value):
        found.notes.append("The number is not finite. Look for the first layer whose y is not finite: docs/health.md")


def checked_name(view, what):
    """Return "y", "dx" or "dW" for a name: parameters' names stand for their gradients."""
    names = ["y", "dx", *(f"d{name}" for name in view.params)]
    if isinstance(what, str) and f"d{what}" in names and what != "x":
        what = f"d{what}"
    if not isinstance(what, str) or what not in names:
        raise OptionError(
            f"explain: expected of {view.name} one of {', '.join(names)}, got {shown(what)}.{hint(what, names)}"
        )
    if what not in view.arrays:
        raise OptionError(f"explain: {view.name} has no {what}: the pass did not get there.")
    return what


def checked_index(view, what, index, shape):
    """Return an index as a tuple of integers from 0."""
    index = index if isinstance(index, (tuple, list)) else (index,)
    fits = len(index) == len(shape) and all(map(is_integer, index))
    if not fits or not all(-size <= i < size for i, size in zip(index, shape, strict=True)):
        raise ShapeError(
            f"explain: expected an index of {what} of {view.name}, {len(shape)} integers within the shape {shape}, got "
            f"{shown(index)}."
        )
    return tuple(int(i) % size for i, size in zip(index, shape, strict=True))
