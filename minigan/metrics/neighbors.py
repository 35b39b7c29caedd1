"""Distances between many points, by matrix products in blocks, so that the memory is bounded."""

import numpy as np

from minigan.errors import NonFiniteError

BLOCK_BYTES = 2**25  # 32 MiB: no array of distances is larger


def row_blocks(rows, columns):
    """Return slices that cut a float64 matrix (rows, columns) into blocks of at most BLOCK_BYTES, or of one row."""
    step = max(1, BLOCK_BYTES // (8 * columns))
    return [slice(start, start + step) for start in range(0, rows, step)]


def centered(owner, real, samples):
    """Return both sets of points, (n, f) and (m, f), minus the mean of the real ones: all distances stay the same.

    squared_distances subtracts squares from one another, and those of a large common offset would hide the distances.
    Errors     NonFiniteError where the squares of distances overflow
    """
    with np.errstate(over="ignore", invalid="ignore"):
        mean = real.mean(axis=0)
        real, samples = real - mean, samples - mean
        # no distance is longer than twice the longest vector
        longest = np.max([4 * (points * points).sum(axis=1).max() for points in (real, samples)])
    if not np.isfinite(longest):
        raise NonFiniteError(
            f"{owner}: expected points whose squared distances are finite numbers of float64, got some that are too "
            "large. Divide all points by one number: the metrics stay the same."
        )
    return real, samples


def squared_distances(x, y):
    """Return d^2[i,j] = |x_i|^2 + |y_j|^2 - 2 x_i y_j for x (n, f) and y (m, f): (n, m), float64.

    The sum of three large numbers can miss a small distance by about 1e-16 |x|^2; it is never below 0.
    """
    squares = x @ (-2 * y.T)
    squares += (x * x).sum(axis=1)[:, None]
    squares += (y * y).sum(axis=1)
    return np.maximum(squares, 0, out=squares)


def squared_radii(x, k):
    """Return the squared distance of each point of x (n, f) to its k-th nearest other point in x: (n,)."""
    radii = np.empty(len(x))
    for block in row_blocks(len(x), len(x)):
        squares = squared_distances(x[block], x)
        points = np.arange(len(x))[block]
        squares[np.arange(len(points)), points] = np.inf
        radii[block] = np.partition(squares, k - 1, axis=1)[:, k - 1]
    return radii
