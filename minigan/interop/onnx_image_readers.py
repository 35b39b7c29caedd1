"""The operators of ONNX for images, read as layers of minigan: convolutions, poolings, and Resize."""

import math

import numpy as np

from minigan.interop.onnx_integers import BATCH
from minigan.interop.onnx_work import Tensor
from minigan.layers import (
    AveragePool2D,
    Conv2D,
    Conv2DTranspose,
    GlobalAveragePool2D,
    MaxPool2D,
    Reshape,
    UpSampling2D,
)
from minigan.ops.convolution.windows import reach, zeros_at_ends


def require_first(work, node, axes=None):
    """Return the tensor that a node of images takes; its channels have to stand first."""
    x = work.tensor(node)
    if axes is not None and len(x.shape) != axes:
        raise ValueError(f"minigan has it for images (n, c, h, w) alone, found {len(x.shape) + 1} axes")
    if len(x.shape) > 1 and not x.first:
        raise ValueError("expected channels first, (n, c, h, w), found them last")
    return x


def convolution(work, node):
    x = require_first(work, node, axes=3)
    W, b = work.constant(node, 1), work.constant(node, 2, optional=True)
    transposed = node.operator == "ConvTranspose"
    if W.ndim != 4:
        raise ValueError(f"expected weights with 4 axes, found {W.ndim}")
    kernel = node.integers("kernel_shape", 2, [*W.shape[2:]])
    strides, dilation = node.integers("strides", 2, [1, 1]), node.integers("dilations", 2, [1, 1])
    groups = node.option("group", 1)
    filters = W.shape[1] * groups if transposed else W.shape[0]
    options = {"strides": tuple(strides), "dilation": tuple(dilation), "groups": groups, "use_bias": b is not None}
    window = reach(kernel, dilation)
    if transposed:
        node.require("output_shape", None)
        padding = cropping(node, x.shape, window, strides)
    else:
        padding = padding_of(node, x.shape, window, strides)
    layer = (Conv2DTranspose if transposed else Conv2D)(filters, tuple(kernel), padding=padding, **options)
    # (out, in, kh, kw) becomes (kh, kw, in, out)
    arrays = {"W": W.transpose(2, 3, 1, 0)} | ({} if b is None else {"b": b})
    work.add(node, layer, arrays)


def padding_of(node, shape, window, strides):
    """Return the padding of windows as minigan's option: "valid", "same", or ((top, bottom), (left, right))."""
    auto = node.option("auto_pad", "NOTSET")
    top, left, bottom, right = node.integers("pads", 4, [0, 0, 0, 0])
    if auto == "SAME_UPPER":
        return "same"
    if auto not in ("NOTSET", "VALID"):
        raise ValueError(f"minigan has no padding {auto!r}")
    found = ((top, bottom), (left, right))
    if not any(map(any, found)):
        return "valid"
    same = tuple(zeros_at_ends(shape[axis], window[axis], strides[axis], "same", axis) for axis in (0, 1))
    return "same" if found == same else found


def cropping(node, shape, window, strides):
    """Return the padding of a ConvTranspose: what it crops, less the rows and columns that output_padding adds."""
    node.require("auto_pad", "NOTSET", "VALID", default="NOTSET")
    top, left, bottom, right = node.integers("pads", 4, [0, 0, 0, 0])
    more = node.integers("output_padding", 2, [0, 0])
    found = ((top, bottom - more[0]), (left, right - more[1]))
    full = [(shape[axis] - 1) * strides[axis] + window[axis] for axis in (0, 1)]
    same = []
    for axis in (0, 1):
        before, after = zeros_at_ends(shape[axis] * strides[axis], window[axis], strides[axis], "same", axis)
        gap = shape[axis] * strides[axis] - (full[axis] - before - after)
        same.append((before, after - gap))
    if found == tuple(same):
        return "same"
    if min(map(min, found)) < 0:
        raise ValueError("minigan has no output_padding beyond what pads crop")
    return found


def pooling(work, node):
    x = require_first(work, node, axes=3)
    if len([name for name in node.outputs if name]) > 1:
        raise ValueError("minigan has no second output, the places of the maxima")
    if "kernel_shape" not in node.options:
        raise ValueError("kernel_shape is missing")
    kernel, strides = node.integers("kernel_shape", 2, None), node.integers("strides", 2, [1, 1])
    node.require("dilations", [1, 1], None)
    node.require("storage_order", 0, default=0)
    padding = padding_of(node, x.shape, kernel, strides)
    layer = (MaxPool2D if node.operator == "MaxPool" else AveragePool2D)(tuple(kernel), tuple(strides), padding)
    if node.option("ceil_mode", 0):
        require_no_rest(x.shape, kernel, strides, padding)
    if node.option("count_include_pad", 0) and node.operator == "AveragePool" and padding != "valid":
        raise ValueError("minigan's AveragePool2D does not count padding, and count_include_pad=1 does")
    work.add(node, layer)


def require_no_rest(shape, kernel, strides, padding):
    """Raise ValueError unless rounding up gives the same number of windows as rounding down."""
    for axis in (0, 1):
        before, after = zeros_at_ends(shape[axis], kernel[axis], strides[axis], padding, axis)
        if (shape[axis] + before + after - kernel[axis]) % strides[axis]:
            raise ValueError("minigan leaves out the windows that reach over the end, and ceil_mode=1 does not")


def global_average_pool(work, node):
    require_first(work, node, axes=3)
    mean_of_pixels(work, node, keeps_axes=True)


def reduce_mean(work, node):
    x, axes = work.tensor(node), work.axes_of(node)
    found = sorted(axis + len(x.shape) + 1 if axis < 0 else axis for axis in axes)
    if len(x.shape) != 3 or found != ([2, 3] if x.first else [1, 2]):
        raise ValueError(f"minigan has the mean over the pixels of images alone, found the axes {found}")
    node.require("noop_with_empty_axes", 0, default=0)
    mean_of_pixels(work, node, node.option("keepdims", 1) == 1)


def mean_of_pixels(work, node, keeps_axes):
    """A mean of each channel: a vector, or an image of one pixel."""
    x, output = work.tensor(node), node.outputs[0]
    work.add(node, GlobalAveragePool2D(), first=False)
    if keeps_axes:
        vector, shape = work.tensors[output].shape, (1, 1, x.shape[-1])
        work.steps[output].layers.append((Reshape(shape), {}, vector, shape))
        work.tensors[output] = Tensor(shape, x.first)


def resize(work, node):
    x = work.tensor(node)
    if len(x.shape) != 3:
        raise ValueError("minigan resizes images alone")
    node.require("mode", "nearest", default="nearest")
    names = {"coordinate_transformation_mode": "half_pixel", "nearest_mode": "round_prefer_floor"}
    ways = tuple(node.option(name, default) for name, default in names.items())
    if ways not in (("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"), ("half_pixel", "round_prefer_ceil")):
        raise ValueError(f"minigan repeats pixels, and {' with '.join(map(str, ways))} may do something else")
    node.require("keep_aspect_ratio_policy", "stretch", None)
    node.read |= {"antialias", "cubic_coeff_a", "extrapolation_value", "exclude_outside"}  # of other modes
    before = np.array((BATCH, *x.onnx_shape))
    if node.input(3):
        sizes = work.integers(node.input(3))
        scales = None if sizes is None or len(sizes) != 4 else sizes / before
    else:
        scales = work.constant(node, 2).reshape(-1)
    whole = scales is not None and len(scales) == 4 and (scales == np.round(scales)).all()
    size = tuple(map(int, scales[2:] if x.first else scales[1:3])) if whole else ()
    if not whole or math.prod(size) != np.prod(scales):
        raise ValueError("minigan makes images larger by whole numbers, height and width alone")
    work.add(node, UpSampling2D(size))
