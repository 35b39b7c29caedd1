"""Choosing between the three ways to convolve, by counted cost."""

import numpy as np

from minigan.errors import OptionError
from minigan.ops.convolution.fourier import Fourier
from minigan.ops.convolution.im2col import Im2col
from minigan.ops.convolution.kn2row import Kn2row
from minigan.ops.convolution.windows import output_size
from minigan.ops.gpu.im2col import Im2colGpu

ALGORITHMS = {plan.name: plan for plan in (Im2col, Kn2row, Fourier)}


def check_algorithm(owner, algorithm):
    if algorithm != "auto" and algorithm not in ALGORITHMS:
        raise OptionError(f"{owner}: expected algorithm as {', '.join(ALGORITHMS)} or auto, got {algorithm!r}.")


def make_plan(owner, image_shape, kernel_shape, strides, padding, dtype, xp, algorithm):
    """The plan for a convolution of images (h, w, c) with kernels (kh, kw, c, o).

    "auto" takes the one that costs least for an image, by Plan.cost; on a GPU always im2col, until measured otherwise.
    Errors: ShapeError where a window does not fit the padded image.
    """
    outputs, pads = output_size(owner, image_shape, kernel_shape, strides, padding)
    arguments = (image_shape, kernel_shape, strides, pads, outputs, dtype, xp)
    if xp is not np and algorithm in ("auto", "im2col"):
        return Im2colGpu(*arguments)
    if algorithm == "auto":
        return min((kind(*arguments) for kind in ALGORITHMS.values()), key=lambda plan: plan.cost())
    return ALGORITHMS[algorithm](*arguments)
