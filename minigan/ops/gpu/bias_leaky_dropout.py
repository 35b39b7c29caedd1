"""Bias, LeakyReLU and Dropout behind a matrix product in one pass, for GPUs: each pass costs a launch and two trips to
memory there. On a CPU the layers do it one after the other, which is as fast; they are the twins of these kernels.
"""

import math

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch
from minigan.ops.random_bits import drop_levels, kept_scale


def fuses(xp):
    """Return whether arrays of this module are worth it."""
    return xp is not np


def bias_leaky(y, b, slope):
    """y <- max(z, slope z), z = y + b (b may be None), in place"""
    launch("bias_leaky", y.dtype, y.size, y, b, float(slope), y.shape[-1])


def leaky_backward(dy, y, slope):
    """dz = dy where y > 0, else slope dy"""
    xp = array_module(dy)
    dz = xp.empty(dy.shape, dy.dtype)
    launch("leaky_backward", dy.dtype, dy.size, xp.ascontiguousarray(dy), y, dz, float(slope))
    return dz


def bias_leaky_dropout(y, b, slope, rate, seed, call, places=None):
    """y <- keep scale max(z, slope z), z = y + b, in place; returns what the backward pass needs, a byte an element.

    Bit 0: kept, the same units as random_bits.keep_mask; bit 1: z > 0
    places     slices of a larger batch: the rows that y holds of it; None for all rows
    """
    keep = array_module(y).empty(y.shape, "uint8")
    arguments = (float(slope), drop_levels(rate), kept_scale(rate), y.shape[-1])
    units, start = math.prod(y.shape[1:]), 0
    for place in (slice(0, len(y)),) if places is None else places:
        rows = slice(start, start + place.stop - place.start)
        launch(
            "bias_leaky_dropout",
            y.dtype,
            y[rows].size,
            y[rows],
            b,
            keep[rows],
            seed,
            call,
            *arguments,
            place.start * units,
        )
        start = rows.stop
    return keep


def leaky_dropout_backward(dy, keep, slope, rate):
    """dz = keep scale (1 where z > 0, else slope) dy"""
    xp = array_module(dy)
    dz, dy = xp.empty(dy.shape, dy.dtype), xp.ascontiguousarray(dy)
    launch("leaky_dropout_backward", dy.dtype, dy.size, dy, keep, dz, float(slope), kept_scale(rate))
    return dz
