"""Choosing between the ways to convolve, by counted cost."""

import math

import numpy as np

from minigan.budget import spend
from minigan.errors import OptionError
from minigan.memory import require_room
from minigan.ops.convolution.depthwise import Depthwise
from minigan.ops.convolution.fourier import Fourier
from minigan.ops.convolution.grouped import Grouped
from minigan.ops.convolution.im2col import Im2col
from minigan.ops.convolution.kn2row import Kn2row
from minigan.ops.convolution.windows import output_size, reach
from minigan.ops.gpu.im2col import Im2colGpu

LARGEST = 2**26  # numbers in a plan's own matrices, 256 MB in float32: Fourier on 64 x 64 pixels at stride 1

ALGORITHMS = {plan.name: plan for plan in (Im2col, Kn2row, Fourier)}


def make_plan(owner, image_shape, kernel_shape, strides, padding, dtype, xp, algorithm, dilation=(1, 1), groups=1):
    """Return the plan for a convolution of images (h, w, c) with kernels (kh, kw, c / groups, o).

    "auto" takes the one that costs least for an image, by Plan.cost, whose own matrices are not too large; on a GPU
    im2col, or Depthwise where each channel is a group, until measured otherwise. Costs are counted from the shapes:
    the others leave nothing behind.
    Errors: ShapeError where a window does not fit the padded image, OptionError where a plan would be too large, or
    cannot dilate.
    """
    outputs, pads = output_size(owner, image_shape, reach(kernel_shape[:2], dilation), strides, padding)
    require_images(owner, image_shape, pads, (*outputs, kernel_shape[3]), dtype, xp)
    arguments = (image_shape, kernel_shape, strides, pads, outputs, dtype, xp, dilation)
    plan = choose_plan(owner, arguments, algorithm) if groups == 1 else in_groups(owner, arguments, algorithm, groups)
    spend("matrices", plan.constants() + plan.matrix_size(), owner, f"the matrices of {plan.name}")
    return plan


def choose_plan(owner, arguments, algorithm):
    """Return the plan of that algorithm, or the cheapest."""
    image_shape, (dtype, xp, dilation) = arguments[0], arguments[-3:]
    if xp is not np and algorithm in ("auto", "im2col"):
        return Im2colGpu(*arguments)
    if algorithm == "auto":
        plans = [kind(*arguments) for kind in ALGORITHMS.values() if kind.can_dilate or dilation == (1, 1)]
        return min((plan for plan in plans if plan.constants() <= LARGEST), key=lambda plan: plan.cost())
    if dilation != (1, 1) and not ALGORITHMS[algorithm].can_dilate:
        raise OptionError(
            f'{owner}: algorithm="{algorithm}" takes no dilation, got {dilation}. Use algorithm="auto", which chooses '
            "another algorithm here."
        )
    plan = ALGORITHMS[algorithm](*arguments)
    if plan.constants() > LARGEST:
        (h, w, _), gigabytes = image_shape, plan.constants() * np.dtype(dtype).itemsize / 1e9
        raise OptionError(
            f'{owner}: algorithm="{algorithm}" needs matrices of {plan.constants():,} numbers, {gigabytes:.1f} GB, '
            f'for images of {h} x {w} pixels; the limit is {LARGEST:,}. Use algorithm="auto", which chooses another '
            "algorithm here, or a larger stride."
        )
    return plan


def in_groups(owner, arguments, algorithm, groups):
    """Return the plan for several groups; "auto" has one of its own where each channel is a group."""
    (h, w, _), (kh, kw, depth, o), *others = arguments
    if algorithm == "auto" and depth == 1:
        return Depthwise(*arguments)
    return Grouped(choose_plan(owner, ((h, w, depth), (kh, kw, depth, o // groups), *others), algorithm), groups)


def require_images(owner, image_shape, pads, output_shape, dtype, xp):
    """Refuse shapes of which not a single image, with the zeros around it, or its output fits into the memory."""
    (h, w, c), ((top, bottom), (left, right)) = image_shape, pads
    padded = (h + top + bottom, w + left + right, c)
    for what, shape in (("one padded image", padded), ("one output", output_shape)):
        size = math.prod(shape)
        spend("sample", size, owner, f"{what} of shape {shape}")
        require_room(owner, f"{what} of shape {shape}", size * np.dtype(dtype).itemsize, xp)
