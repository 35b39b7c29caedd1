"""Sums over sets of numbers within a sample: over the places of an image, then over groups of channels.

On the CPU by BLAS and einsum, which read the numbers once and in the order in which they lie. As in sums.py, in parts:
up to PART places in the array's own dtype, then the parts in float64.
"""

from functools import cache

import numpy as np

from minigan.backend import array_module
from minigan.ops.sums import PART


def place_sum(x):
    """sum_i x[n,i,c]: x (n, places, c) -> (n, c)"""
    n, places, c = x.shape
    if places == 1:
        return x.reshape(n, c)
    if array_module(x) is not np:
        return x.sum(axis=1, dtype="float64").astype(x.dtype)
    part = equal_part(places)
    parts = np.matmul(np.ones(part, x.dtype), x.reshape(-1, part, c))
    return parts.reshape(n, -1, c).sum(axis=1, dtype="float64").astype(x.dtype)


def place_dot(x, y):
    """sum_i x[n,i,c] y[n,i,c]: x, y (n, places, c) -> (n, c)"""
    n, places, c = x.shape
    if places == 1 or array_module(x) is not np:
        return place_sum(x * y)
    part = equal_part(places)
    parts = np.einsum("pic,pic->pc", x.reshape(-1, part, c), y.reshape(-1, part, c))
    return parts.reshape(n, -1, c).sum(axis=1, dtype="float64").astype(x.dtype)


@cache
def equal_part(places):
    """Return the largest number of places, at most PART, into which they can be divided without a rest."""
    return max(length for length in range(1, PART + 1) if places % length == 0)


def group_sum(x, weights):
    """sum_k x[n,g,k] weights[g,k]: x (n, c), weights (g, k), c = g k -> (n, g)"""
    x = x.reshape(len(x), *weights.shape)
    return np.einsum("ngk,gk->ng", x, weights) if array_module(x) is np else (x * weights).sum(axis=2)


def square_sum(x, groups):
    """sum_{i,k} x[n,i,g,k]^2, in float64, since squares of float32 can overflow: x (n, places, c) -> (n, groups)"""
    ones = array_module(x).ones((groups, x.shape[2] // groups), x.dtype)
    if array_module(x) is np:
        with np.errstate(over="ignore"):
            total = group_sum(place_dot(x, x), ones)
        if np.isfinite(total).all():
            return total.astype("float64")
    x = x.astype("float64")
    return group_sum(place_dot(x, x), ones)
