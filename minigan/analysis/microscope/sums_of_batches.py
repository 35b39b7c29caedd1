"""Which products make one number of a BatchNorm: every number depends on its whole channel.

Each function takes a LayerView and the index of a number, and returns (term of the docstring, products, parts).
The statistics are computed again here, from x, as the docstring says.
"""

import numpy as np

from minigan.analysis.microscope.explanation import Product, Sum
from minigan.analysis.microscope.sums_of_numbers import entry


class Channel:
    """One channel of x: its rows, its statistics, and xhat of every row, in float64."""

    def __init__(self, view, c):
        self.shape, self.c = view.x.shape[:-1], c
        self.x, self.dy = (None if a is None else a[..., c].astype("float64").ravel() for a in (view.x, view.dy))
        self.m, share = len(self.x), ("1/m", 1 / len(self.x))
        self.of_batch = view.training and view.layer.trainable
        if self.of_batch:
            with np.errstate(all="ignore"):
                mean, var = self.x.mean(), self.x.var()
            rows = [Product((self.entry("x", self.x, i), share)) for i in range(self.m)]
            squares = [
                Product(((f"({self.name('x', i)} - mean)^2", (x - mean) ** 2), share)) for i, x in enumerate(self.x)
            ]
            self.parts = [
                Sum(f"mean[{c}]", float(mean), "the mean of the channel in this batch", rows),
                Sum(f"var[{c}]", float(var), "the mean squared distance from it", squares),
            ]
        else:
            mean, var = (float(view.state[name][c]) for name in ("mean", "variance"))
            self.parts = [Sum(f"mean[{c}]", mean, "running"), Sum(f"var[{c}]", var, "running")]
        with np.errstate(all="ignore"):
            self.r = 1 / np.sqrt(var + view.layer.epsilon)
            self.xhat = (self.x - mean) * self.r
        self.parts.append(Sum("r", float(self.r), "1 / sqrt(var + epsilon)"))

    def name(self, array, i):
        """Return the name of row i of an array."""
        return f"{array}[{', '.join(str(int(k)) for k in (*np.unravel_index(i, self.shape), self.c))}]"

    def entry(self, name, values, i):
        return self.name(name, i), float(values[i])

    def row(self, index):
        """Return the number of the row that an index stands for."""
        return int(np.ravel_multi_index(index[:-1], self.shape))

    def dbeta(self):
        return [Product((self.entry("dy", self.dy, i),)) for i in range(self.m)]

    def dgamma(self):
        return [Product((self.entry("dy", self.dy, i), self.entry("xhat", self.xhat, i))) for i in range(self.m)]


def batch_norm_y(view, index):
    channel, c = Channel(view, index[-1]), index[-1]
    xhat = channel.entry("xhat", channel.xhat, channel.row(index))
    products = [Product((entry("gamma", view.params["gamma"], c), xhat))]
    products.append(Product((entry("beta", view.params["beta"], c),)))
    return "Forward", products, [*channel.parts, Sum(*xhat, "(x - mean) r")]


def batch_norm_dbeta(view, index):
    return "(1)", Channel(view, index[0]).dbeta(), []


def batch_norm_dgamma(view, index):
    channel = Channel(view, index[0])
    return "(2)", channel.dgamma(), channel.parts


def batch_norm_dx(view, index):
    channel, c = Channel(view, index[-1]), index[-1]
    i = channel.row(index)
    gamma, r, dy = entry("gamma", view.params["gamma"], c), ("r", float(channel.r)), channel.entry("dy", channel.dy, i)
    if not channel.of_batch:
        return "(4)", [Product((gamma, r, dy))], channel.parts
    xhat, share = channel.entry("xhat", channel.xhat, i), ("-1/m", -1 / channel.m)
    with np.errstate(all="ignore"):
        dbeta, dgamma = float(channel.dy.sum()), float((channel.dy * channel.xhat).sum())
    products = [
        Product((gamma, r, dy)),
        Product((gamma, r, (f"dbeta[{c}]", dbeta), share)),
        Product((gamma, r, xhat, (f"dgamma[{c}]", dgamma), share)),
    ]
    sums = [
        Sum(f"dbeta[{c}]", dbeta, "(1), the sum of dy over the channel", channel.dbeta()),
        Sum(f"dgamma[{c}]", dgamma, "(2), the sum of dy xhat over the channel", channel.dgamma()),
    ]
    return "(3)", products, [*channel.parts, Sum(*xhat, "(x - mean) r"), *sums]
