"""Squares of numbers that are too large or too small for their squares: 1e20 squared is infinite in float32."""

import numpy as np

from minigan.backend import array_module


def norm(x):
    """Return the Euclidean length of a vector as a float64 number, on a GPU an array of one."""
    xp = array_module(x)
    if xp is np:
        square = sum_of_squares(x)  # nearly always in range
        if np.finfo(x.dtype).tiny / np.finfo(x.dtype).eps < square < np.inf:
            return np.sqrt(square)
    if x.size == 0:
        return xp.zeros((), "float64")
    # |x| = scale |x / scale|, where the largest number of x / scale is 1
    largest = abs(x).max()
    scale = xp.where((largest > 0) & (largest < np.inf), largest, 1).astype(x.dtype)
    x = x / scale
    return scale * xp.sqrt((x * x).sum(dtype="float64"))


def sum_of_squares(x):
    """Return sum_i x[i]^2 of a NumPy vector, infinite where it overflows."""
    with np.errstate(over="ignore"):
        return float(np.dot(x, x))


def largest_square_root(dtype):
    """Return a number whose square is within a quarter of the largest number of a dtype."""
    return float(np.sqrt(np.finfo(dtype).max)) / 2


def half_the_largest(dtype):
    """Return half of the largest number of a dtype: far enough from it that rounding does not make it infinite."""
    return float(np.finfo(dtype).max) / 2


def bounded(x, limit):
    """Return a vector with what lies beyond -limit or limit moved there; infinity, a fault that has to show, stays."""
    xp = array_module(x)
    if xp is np and sum_of_squares(x) <= limit * limit:  # nearly always, and BLAS finds it out in no time
        return x
    return xp.where(xp.isinf(x), x, xp.clip(x, -limit, limit))
