"""Where the windows of a convolution or a pooling lie: output sizes and padding along both axes of an image.

Along one axis: out = (size + before + after - k) // stride + 1; window i covers the padded entries from i stride on.
With a dilation d, a window takes every d-th entry, so its k numbers reach over (k - 1) d + 1 entries: its reach.
"""

from numbers import Integral

import numpy as np

from minigan.errors import OptionError, ShapeError
from minigan.options import is_count, is_integer, shown

LARGEST = 2**31 - 1  # size of a window or stride: NumPy counts bytes in 64 bits


def pair(owner, name, value):
    """Return an option for both axes as (rows, columns): an integer of at least 1, or two of them."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2 or not all(is_count(size) and size <= LARGEST for size in values):
        raise OptionError(
            f"{owner}: expected {name} as an integer of at least 1 or a pair of them, got {shown(value)}."
        )
    return int(values[0]), int(values[1])


def reach(window, dilation):
    """Return how many rows and columns of an image a window (rows, columns) reaches over."""
    return tuple((k - 1) * d + 1 for k, d in zip(window, dilation, strict=True))


def checked_padding(owner, padding):
    """Return padding as plain values: "same", "valid", an integer, or ((top, bottom), (left, right)); refuse others."""
    if isinstance(padding, str) and padding in ("same", "valid"):
        return padding
    if is_size(padding):
        return int(padding)
    try:
        (top, bottom), (left, right) = padding
    except (TypeError, ValueError):
        top = bottom = left = right = None
    if not all(map(is_size, (top, bottom, left, right))):
        raise OptionError(
            f'{owner}: expected padding as "same", "valid", an integer, or ((top, bottom), (left, right)), got '
            f"{shown(padding)}."
        )
    return (int(top), int(bottom)), (int(left), int(right))


def is_size(value):
    return is_integer(value) and value >= 0


def zeros_at_ends(size, k, stride, padding, axis):
    """Return (before, after), the zeros at both ends of one axis.

    "same": out = ceil(size / stride), the odd zero after
    """
    if padding == "same":
        total = max((-(-size // stride) - 1) * stride + k - size, 0)
        return total // 2, total - total // 2
    if padding == "valid":
        return 0, 0
    return (padding, padding) if isinstance(padding, Integral) else tuple(padding[axis])


def output_size(owner, image, window, strides, padding):
    """Return ((rows, columns), ((top, bottom), (left, right))) of the windows over an image (h, w, ...).

    Errors: ShapeError, with the formula, where a window is larger than the padded image.
    """
    sizes, all_pads = [], []
    for axis in (0, 1):
        size, k, stride = image[axis], window[axis], strides[axis]
        before, after = zeros_at_ends(size, k, stride, padding, axis)
        if size + before + after < k:
            raise ShapeError(
                f"{owner}: the output would be empty: a window of {k} does not fit {'height' if axis == 0 else 'width'}"
                f" {size} with padding {before} + {after}; out = ({size} + {before} + {after} - {k}) // {stride} + 1. "
                'Use a smaller window, more padding ("same"), or fewer layers before it that halve the image.'
            )
        sizes.append((size + before + after - k) // stride + 1)
        all_pads.append((before, after))
    return tuple(sizes), tuple(all_pads)


def places_on_image(image, window, strides, pads):
    """Return (first, end) for each axis, arrays over its windows: the places that lie on the image, not on padding."""
    ranges = []
    for axis in (0, 1):
        (before, after), size, k, stride = pads[axis], image[axis], window[axis], strides[axis]
        start = stride * np.arange((size + before + after - k) // stride + 1) - before
        ranges.append((np.maximum(-start, 0), np.minimum(size - start, k)))
    return ranges


def transposed_size(owner, small, window, strides, padding):
    """Return the image (rows, columns) whose windows number `small`: what a transposed convolution makes.

    "same": size stride; otherwise (size - 1) stride + k, less the padding, as PyTorch's with output_padding 0.
    """
    sizes = []
    for axis in (0, 1):
        size, k, stride = small[axis], window[axis], strides[axis]
        if padding == "same":
            sizes.append(size * stride)
            continue
        before, after = zeros_at_ends(size, k, stride, padding, axis)
        full = (size - 1) * stride + k
        if full - before - after < 1:
            raise ShapeError(
                f"{owner}: the output would be empty: ({size} - 1) {stride} + {k} - {before} - {after} = "
                f"{full - before - after}. Take less padding."
            )
        sizes.append(full - before - after)
    return tuple(sizes)
