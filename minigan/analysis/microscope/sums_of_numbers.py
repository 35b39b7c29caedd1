"""Which products make one number of the layers that see each number, or each sample, by itself.

Each function takes a LayerView and the index of a number, and returns (term of the docstring, products, parts).
"""

import math

import numpy as np

from minigan.analysis.microscope.explanation import Product
from minigan.ops.random_bits import kept_scale


def entry(name, array, *index):
    """Return a factor: the name of a number in an array, and the number."""
    return f"{name}[{', '.join(str(int(i)) for i in index)}]", float(array[index])


# Dense


def dense_y(view, index):
    n, o = index
    x, W = view.x, view.params["W"]
    products = [Product((entry("x", x, n, i), entry("W", W, i, o))) for i in range(len(W))]
    if "b" in view.params:
        products.append(Product((entry("b", view.params["b"], o),)))
    return "Forward", products, []


def dense_dW(view, index):
    i, o = index
    products = [Product((entry("x", view.x, n, i), entry("dy", view.dy, n, o))) for n in range(len(view.x))]
    return "(1)", products, []


def dense_db(view, index):
    (o,) = index
    return "(2)", [Product((entry("dy", view.dy, n, o),)) for n in range(len(view.dy))], []


def dense_dx(view, index):
    n, i = index
    W = view.params["W"]
    products = [Product((entry("dy", view.dy, n, o), entry("W", W, i, o))) for o in range(W.shape[1])]
    return "(3)", products, []


# the activations and Dropout: one factor for each number


def slope_at(view, index):
    """Return the slope of a LeakyReLU or ReLU at one number, as a factor."""
    return "slope", 1.0 if view.y[index] > 0 else float(view.layer.negative_slope)


def leaky_y(view, index):
    return "Forward", [Product((entry("x", view.x, *index), slope_at(view, index)))], []


def leaky_dx(view, index):
    return "(1)", [Product((entry("dy", view.dy, *index), slope_at(view, index)))], []


def tanh_y(view, index):
    name, x = entry("x", view.x, *index)
    return "Forward", [Product(((f"tanh({name})", math.tanh(x)),))], []


def tanh_dx(view, index):
    name, y = entry("y", view.y, *index)
    return "(1)", [Product((entry("dy", view.dy, *index), (f"1 - {name}^2", 1 - y * y)))], []


def sigmoid(x):
    return float(np.exp(-np.logaddexp(0, -x)))


def sigmoid_y(view, index):
    name, x = entry("x", view.x, *index)
    return "Forward", [Product(((f"sigmoid({name})", sigmoid(x)),))], []


def sigmoid_dx(view, index):
    name, x = entry("x", view.x, *index)
    slope = (f"sigmoid({name})", sigmoid(x)), (f"sigmoid(-{name})", sigmoid(-x))
    return "(1)", [Product((entry("dy", view.dy, *index), *slope))], []


def dropout_factors(view, index):
    """Return keep and the scale as factors; none where nothing was switched off."""
    keep = view.saved[0] if view.saved else None
    return () if keep is None else (entry("keep", keep, *index), ("scale", kept_scale(view.layer.rate)))


def dropout_y(view, index):
    return "Forward", [Product((entry("x", view.x, *index), *dropout_factors(view, index)))], []


def dropout_dx(view, index):
    return "(1)", [Product((entry("dy", view.dy, *index), *dropout_factors(view, index)))], []


# layers that only move numbers


def same_place(index, shape, other):
    """Return the index in another shape of the sample whose numbers keep their order."""
    n, *rest = index
    return n, *map(int, np.unravel_index(np.ravel_multi_index(rest, shape), other))


def reshape_y(view, index):
    place = same_place(index, view.y.shape[1:], view.x.shape[1:])
    return "Forward", [Product((entry("x", view.x, *place),))], []


def reshape_dx(view, index):
    place = same_place(index, view.x.shape[1:], view.y.shape[1:])
    return "(1)", [Product((entry("dy", view.dy, *place),))], []


def upsampling_y(view, index):
    (n, i, j, c), (sh, sw) = index, view.layer.size
    return "Forward", [Product((entry("x", view.x, n, i // sh, j // sw, c),))], []


def upsampling_dx(view, index):
    (n, i, j, c), (sh, sw) = index, view.layer.size
    places = [(n, i * sh + u, j * sw + v, c) for u in range(sh) for v in range(sw)]
    return "(1)", [Product((entry("dy", view.dy, *place),)) for place in places], []
