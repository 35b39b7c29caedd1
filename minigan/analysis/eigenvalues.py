"""The largest eigenvalues of a matrix that is known only by its products with vectors: docs/second_order.md"""

from collections.abc import Callable

import numpy as np

from minigan.errors import OptionError
from minigan.hints import Array, Seed
from minigan.options import require_count, require_function, require_numbers, require_positive, require_seed

OWNER = "largest_eigenvalues"
MOST_VECTORS = 20  # kept at a time


def largest_eigenvalues(
    product: Callable[[Array], Array],
    size: int,
    count: int = 1,
    iterations: int = 100,
    tolerance: float = 1e-3,
    seed: Seed = 0,
) -> list[float]:
    """Return the eigenvalues of a symmetric matrix H that are largest in size, with their signs: Lanczos' method.

    product    a function that returns H times a NumPy vector of `size` numbers, in float64
    count      how many; the second is looked for at right angles to the first, and so on
    iterations, tolerance    each ends when |H v - a v| <= tolerance |a|, at the latest after so many products

    Power iteration, v <- H v again and again, forgets all vectors but the last. Here they are kept as columns of V,
    each made a unit vector at right angles to the others:
        T = V^T H V, a small matrix;  T s = a s
        a is the best guess of an eigenvalue that these products allow, V s that of its vector, and the part of H V s
        outside of V, whose length is |w| |s_last|, is what is wrong with them
    Keeps up to 20 vectors of `size` numbers; then it starts again from V s.
    Source     Lanczos 1950, "An iteration method for the solution of the eigenvalue problem of linear differential and
               integral operators"
    Errors     OptionError for wrong options, and if the product is no vector of `size` numbers
    """
    product = require_function(OWNER, product=product)
    size, count = require_count(OWNER, size=size), require_count(OWNER, count=count)
    iterations, tolerance = require_count(OWNER, iterations=iterations), require_positive(OWNER, tolerance=tolerance)
    rng, found, values = np.random.default_rng(require_seed(OWNER, seed=seed)), np.zeros((0, size)), []
    for _ in range(min(count, size)):
        value, v = largest(product, rng.standard_normal(size), found, iterations, tolerance)
        values.append(value)
        found = np.concatenate([found, v[None]])
    return values


def largest(product, v, found, iterations, tolerance):
    """Return the largest eigenvalue at right angles to the vectors found, and its vector; v: the first guess."""
    v = unit(at_right_angles(v, found))
    V, T = v[None], np.zeros((0, 0))  # the rows of V are the vectors
    for _ in range(iterations):
        w = at_right_angles(multiplied(product, V[-1]), found)
        T = with_last_column(T, V @ w)
        if not np.isfinite(T).all():
            return float("nan"), v
        w = at_right_angles(at_right_angles(w, V), V)  # twice, since rounding leaves a rest
        values, vectors = np.linalg.eigh(T)
        best = abs(values).argmax()
        value, s = float(values[best]), vectors[:, best]
        v, length = s @ V, np.linalg.norm(w)
        if length * abs(s[-1]) <= tolerance * abs(value) or len(V) + len(found) == len(v):
            break
        if len(V) == MOST_VECTORS:
            V, T = unit(v)[None], np.zeros((0, 0))
        else:
            V = np.concatenate([V, w[None] / length])
    return value, unit(v)


def multiplied(product, v):
    """Return H v, or raise OptionError if the user's function returns anything but a vector like v."""
    w = require_numbers(OWNER, **{"what product returns": product(v)})
    if w.shape != v.shape:
        raise OptionError(f"{OWNER}: expected what product returns as {v.size} numbers, as many as size, got {w.size}.")
    return w


def with_last_column(T, column):
    """Return a symmetric matrix with one more row and column."""
    larger = np.zeros((len(column), len(column)))
    larger[:-1, :-1] = T
    larger[-1], larger[:, -1] = column, column
    return larger


def at_right_angles(v, found):
    """Return v without its parts along the unit vectors found."""
    return v - (found @ v) @ found


def unit(v):
    return v / np.linalg.norm(v)
