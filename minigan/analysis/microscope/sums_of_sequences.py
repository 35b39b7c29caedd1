"""Which products make one number of an LSTM. All states and gates are computed again here, in float64, step by step.

Each function takes a LayerView and the index of a number, and returns (term of the docstring, products, parts).
"""

import numpy as np

from minigan.analysis.microscope.explanation import Product, Sum
from minigan.analysis.microscope.sums_of_numbers import entry

GATES = "ifgo"  # in the order of the columns of W, U and b


class Steps:
    """Both passes of an LSTM as its docstring has them; steps count from 1, and h[0] = c[0] = 0.

    h, c (steps + 1, n, units); gates and da (steps + 1, 4, n, units); dh, dc (steps + 1, n, units): as (3) needs them
    """

    def __init__(self, view):
        self.W, self.U, self.b = (view.params[name].astype("float64") for name in ("W", "U", "b"))
        self.x, (n, steps, _), units = view.x.astype("float64"), view.x.shape, len(self.U)
        self.units, self.steps, self.several = units, steps, view.layer.return_sequences
        self.h, self.c, self.dh, self.dc = (np.zeros((steps + 1, n, units)) for _ in range(4))
        self.gates, self.da = (np.zeros((steps + 1, len(GATES), n, units)) for _ in range(2))
        with np.errstate(all="ignore"):
            self.forward()
            if view.dy is not None:
                self.backward(view.dy.astype("float64"))

    def forward(self):
        for t in range(1, self.steps + 1):
            a = self.x[:, t - 1] @ self.W + self.h[t - 1] @ self.U + self.b
            i, f, g, o = np.split(a, len(GATES), axis=1)
            i, f, g, o = self.gates[t] = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
            self.c[t] = f * self.c[t - 1] + i * g
            self.h[t] = o * np.tanh(self.c[t])

    def backward(self, dy):
        dh, dc = np.zeros_like(self.h[0]), np.zeros_like(self.h[0])
        for t in range(self.steps, 0, -1):
            i, f, g, o = self.gates[t]
            tanh_c = np.tanh(self.c[t])
            if self.several or t == self.steps:
                dh = dh + (dy[:, t - 1] if self.several else dy)  # (1)
            dc = dc + dh * o * (1 - tanh_c**2)  # (2)
            self.dh[t], self.dc[t] = dh, dc
            self.da[t, 0], self.da[t, 1] = dc * g * i * (1 - i), dc * self.c[t - 1] * f * (1 - f)  # (3)
            self.da[t, 2], self.da[t, 3] = dc * i * (1 - g * g), dh * tanh_c * o * (1 - o)
            da = self.columns_of_da(t)
            dh, dc = da @ self.U.T, dc * f  # (6)

    def columns_of_da(self, t):
        """Return da[t] as (n, 4 units), with the columns of W."""
        return np.concatenate(list(self.da[t]), axis=1)

    def a(self, t, n, gate, j):
        """Return the Sum of a[t] in one column: what goes into a gate."""
        column = GATES.index(gate) * self.units + j
        products = [
            Product((entry("x", self.x, n, t - 1, k), entry("W", self.W, k, column))) for k in range(len(self.W))
        ]
        products += [
            Product(((f"h[{t - 1}][{n}, {k}]", float(self.h[t - 1, n, k])), entry("U", self.U, k, column)))
            for k in range(self.units)
        ]
        products.append(Product((entry("b", self.b, column),)))
        value = sum(product.value for product in products)
        return Sum(f"a_{gate}[{t}][{n}, {j}]", value, "x[t] W + h[t-1] U + b", products)

    def gate(self, name, t, n, j):
        """Return a gate as a factor."""
        return f"{name}[{t}][{n}, {j}]", float(self.gates[t, GATES.index(name), n, j])

    def da_sum(self, t, n, column):
        """Return the Sum of da[t] in one column, by (3): a single product."""
        gate, j = GATES[column // self.units], column % self.units
        i, f, g, o = (self.gate(name, t, n, j) for name in GATES)
        dc, dh = (f"dc[{t}][{n}, {j}]", float(self.dc[t, n, j])), (f"dh[{t}][{n}, {j}]", float(self.dh[t, n, j]))
        before = (f"c[{t - 1}][{n}, {j}]", float(self.c[t - 1, n, j]))
        tanh_c = (f"tanh(c[{t}][{n}, {j}])", float(np.tanh(self.c[t, n, j])))
        factors = {
            "i": (dc, g, i, ("1 - i", 1 - i[1])),
            "f": (dc, before, f, ("1 - f", 1 - f[1])),
            "g": (dc, i, ("1 - g^2", 1 - g[1] ** 2)),
            "o": (dh, tanh_c, o, ("1 - o", 1 - o[1])),
        }[gate]
        product = Product(factors)
        return Sum(f"da[{t}][{n}, {column}]", product.value, f"(3), da_{gate}", [product])

    def da_entry(self, t, n, column):
        value = self.da[t, column // self.units, n, column % self.units]
        return f"da[{t}][{n}, {column}]", float(value)


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def lstm_y(view, index):
    steps = Steps(view)
    n, j = index[0], index[-1]
    t = index[1] + 1 if steps.several else steps.steps
    (i, f, g, o), c = (steps.gate(name, t, n, j) for name in GATES), steps.c
    tanh_c = (f"tanh(c[{t}][{n}, {j}])", float(np.tanh(c[t, n, j])))
    before = (f"c[{t - 1}][{n}, {j}]", float(c[t - 1, n, j]))
    cell = Sum(f"c[{t}][{n}, {j}]", float(c[t, n, j]), "f c[t-1] + i g", [Product((f, before)), Product((i, g))])
    gates = [
        Sum(name, value, f"{'tanh' if gate == 'g' else 'sigmoid'} of a_{gate}")
        for gate, (name, value) in zip(GATES, (i, f, g, o), strict=True)
    ]
    return "h[t]", [Product((o, tanh_c))], [cell, *gates, *(steps.a(t, n, gate, j) for gate in GATES)]


def with_largest(products, steps, places):
    """Return the part that tells how the da of the largest product came about."""
    sizes = [abs(product.value) for product in products]
    return [steps.da_sum(*places[int(np.nanargmax(sizes))])] if np.isfinite(sizes).any() else []


def lstm_weights(view, index, left):
    """Return the explanation of dW, dU or db; left: a function of (t, n) that returns the factors besides da."""
    steps, column = Steps(view), index[-1]
    places = [(t, n, column) for t in range(1, steps.steps + 1) for n in range(len(view.x))]
    products = [Product((*left(steps, t, n), steps.da_entry(t, n, column))) for t, n, _ in places]
    return "(4)", products, with_largest(products, steps, places)


def lstm_dW(view, index):
    return lstm_weights(view, index, lambda steps, t, n: (entry("x", view.x, n, t - 1, index[0]),))


def lstm_dU(view, index):
    k = index[0]
    return lstm_weights(view, index, lambda steps, t, n: ((f"h[{t - 1}][{n}, {k}]", float(steps.h[t - 1, n, k])),))


def lstm_db(view, index):
    return lstm_weights(view, index, lambda steps, t, n: ())


def lstm_dx(view, index):
    (n, t, k), steps = index, Steps(view)
    places = [(t + 1, n, column) for column in range(len(GATES) * steps.units)]
    products = [Product((steps.da_entry(*place), entry("W", view.params["W"], k, place[2]))) for place in places]
    return "(5)", products, with_largest(products, steps, places)
