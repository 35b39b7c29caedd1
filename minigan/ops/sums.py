"""Sums over all rows of a matrix, one per column.

On the CPU as matrix products: BLAS multiplies by a row of ones about twice as fast as `sum(axis=0)` adds up
(benchmarks/elementwise.py), since it uses every core and keeps the running sums in registers. On a GPU by a kernel in
two rounds, in an order that never changes.
"""

import math

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch

SHORT = 32  # rows that one thread adds up without more ado


def column_sum(x, out=None):
    """sum_n x[n, c] for each column, into `out` where it is given: x (n, c) -> (c,)"""
    return np.matmul(np.ones(len(x), x.dtype), x, out=out) if array_module(x) is np else sum_in_parts(x, out=out)


def column_dot(x, y):
    """sum_n x[n, c] y[n, c] for each column: x, y (n, c) -> (c,)"""
    return np.einsum("nc,nc->c", x, y) if array_module(x) is np else sum_in_parts(x, y)


def sum_in_parts(x, y=None, out=None):
    """The sums of about sqrt(n) parts of the rows, then the sum of those."""
    xp, (rows, columns) = array_module(x), x.shape
    x, y = (array if array is None else xp.ascontiguousarray(array) for array in (x, y))
    while True:
        length = rows if rows <= SHORT else max(math.isqrt(rows), SHORT)
        parts = xp.empty((-(-rows // length), columns), x.dtype) if length < rows or out is None else out[None]
        launch("column_parts", x.dtype, parts.size, x, y, parts, rows, columns, length)
        x, y, rows = parts, None, len(parts)
        if rows == 1:
            return x[0]


def mean(x):
    """The mean of all numbers, added up in float64: the sum of many float32 numbers can overflow, their mean cannot"""
    return x.mean(dtype="float64").astype(x.dtype)
