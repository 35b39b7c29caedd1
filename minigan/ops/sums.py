"""Sums over all rows of a matrix, one per column.

On the CPU as matrix products: BLAS multiplies by a row of ones about twice as fast as `sum(axis=0)` adds up
(benchmarks/elementwise.py), since it uses every core and keeps the running sums in registers. On a GPU by a kernel in
two rounds, in an order that never changes. On both in parts, since each addition to a sum that has grown large rounds
the number that is added: 200,000 numbers in one float32 sum lose three digits.
"""

import math

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch

PART = 256  # rows that the CPU adds up in one sum of the array's own dtype
SHORT = 32  # rows that one thread adds up without more ado


def column_sum(x, out=None):
    """sum_n x[n, c] for each column, into `out` where it is given: x (n, c) -> (c,)"""
    if array_module(x) is not np:
        return sum_in_parts(x, out=out)
    if len(x) < 2 * PART:
        return np.matmul(np.ones(len(x), x.dtype), x, out=out)
    parts, rest = in_parts(x)
    total = np.matmul(np.ones(PART, x.dtype), parts).sum(axis=0, dtype="float64")
    total += np.matmul(np.ones(len(rest), x.dtype), rest)
    if out is None:
        return total.astype(x.dtype)
    out[...] = total
    return out


def column_dot(x, y):
    """sum_n x[n, c] y[n, c] for each column: x, y (n, c) -> (c,)"""
    return dot_in_float64(x, y).astype(x.dtype) if array_module(x) is np else sum_in_parts(x, y)


def column_square_sum(x):
    """sum_n x[n, c]^2 for each column, in float64, since squares of float32 can overflow: x (n, c) -> (c,)"""
    xp = array_module(x)
    if xp is np:
        with np.errstate(over="ignore"):
            total = dot_in_float64(x, x)
        if not np.isfinite(total).all():
            x = x.astype("float64")
            total = dot_in_float64(x, x)
        return total
    x, length = xp.ascontiguousarray(x), part_length(len(x))
    parts = xp.empty((-(-len(x) // length), x.shape[1]), "float64")
    launch("column_squares", x.dtype, parts.size, x, parts, *x.shape, length)
    return sum_in_parts(parts)


def dot_in_float64(x, y):
    """sum_n x[n, c] y[n, c] for NumPy arrays, with the parts' sums added up in float64"""
    if len(x) < 2 * PART:
        return np.einsum("nc,nc->c", x, y).astype("float64")
    (parts, rest), (y_parts, y_rest) = in_parts(x), in_parts(y)
    total = np.einsum("pnc,pnc->pc", parts, y_parts).sum(axis=0, dtype="float64")
    return total + np.einsum("nc,nc->c", rest, y_rest)


def pixel_sum(x):
    """sum_{i,j} x[n,i,j,c]: x (n, h, w, c) -> (n, c)

    On the CPU over the rows, then over the columns: sums of h and of w numbers keep more digits than one of h w.
    """
    if array_module(x) is not np:
        return x.sum(axis=(1, 2))
    n, h, w, c = x.shape
    rows = np.matmul(np.ones((1, h), x.dtype), x.reshape(n, h, w * c))
    return np.matmul(np.ones((1, w), x.dtype), rows.reshape(n, w, c)).reshape(n, c)


def in_parts(x):
    """Return (the rows in parts of PART, those left over) of a NumPy array (n, c): (p, PART, c), (n - p PART, c)"""
    whole = len(x) - len(x) % PART
    return x[:whole].reshape(-1, PART, x.shape[1]), x[whole:]


def sum_in_parts(x, y=None, out=None):
    """Return the sums of about sqrt(n) parts of the rows, then the sum of those."""
    xp, (rows, columns) = array_module(x), x.shape
    x, y = (array if array is None else xp.ascontiguousarray(array) for array in (x, y))
    while True:
        length = part_length(rows)
        parts = xp.empty((-(-rows // length), columns), x.dtype) if length < rows or out is None else out[None]
        launch("column_parts", x.dtype, parts.size, x, y, parts, rows, columns, length)
        x, y, rows = parts, None, len(parts)
        if rows == 1:
            return x[0]


def part_length(rows):
    """Return how many rows one thread of a GPU adds up: about the square root, so that both rounds take as long"""
    return rows if rows <= SHORT else max(math.isqrt(rows), SHORT)


def mean(x):
    """Return the mean of all numbers, added up in float64: a sum of many float32 numbers can overflow, a mean cannot"""
    return x.mean(dtype="float64").astype(x.dtype)
