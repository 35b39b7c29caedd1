"""Sums over the samples of each class: the gradient of what each class has of its own.

np.add.at would say it in one line, but it adds number by number. A product with one-hot rows is up to 20 times as fast
where there are few classes. Many classes take another way on the CPU: the rows are brought into the order of their
labels, so each class is one run of rows, and NumPy adds up runs. Both add in an order that never changes.
"""

import numpy as np

from minigan.backend import array_module
from minigan.ops.matmul import matmul

MANY = 256  # classes from which on the CPU adds up runs: of 128 rows of 100 numbers, both take about as long there


def class_sums(rows, labels, classes, out=None):
    """sums[k] = sum_{n: labels[n] = k} rows[n], into `out` where it is given: rows (n, size) -> (classes, size)"""
    xp = array_module(rows)
    if xp is np and classes >= MANY:
        return sums_of_runs(rows, labels, classes, out)
    one_hot = (xp.arange(classes)[:, None] == labels).astype(rows.dtype)
    return matmul(one_hot, rows, out=out)


def sums_of_runs(rows, labels, classes, out):
    """Return the sums of NumPy arrays, class by class in the order of the labels."""
    sums = np.empty((classes, rows.shape[1]), rows.dtype) if out is None else out
    sums.fill(0)
    order = np.argsort(labels, kind="stable")
    in_order = labels[order]
    starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])  # where the run of each class begins
    sums[in_order[starts]] = np.add.reduceat(rows[order], starts, axis=0)
    return sums
