"""Which products make one number of a convolution or a pooling.

Each function takes a LayerView and the index of a number, and returns (term of the docstring, products, parts).
Window i of an image begins at row i s - top; its number u lies u d rows below. What lies in the padding is 0: it is
left out.
"""

import math

from minigan.analysis.microscope.explanation import Product
from minigan.analysis.microscope.sums_of_numbers import entry


class Windows:
    """Where the windows of one layer lie on the image: rows and columns, both in the same way."""

    def __init__(self, image, window, strides, pads, outputs, dilation=(1, 1)):
        self.image, self.window, self.strides = image[:2], window, strides
        self.starts, self.outputs, self.dilation = tuple(pair[0] for pair in pads), outputs, dilation

    def along(self, axis, window):
        """Yield (number in the window, row of the image) of a window that are on the image."""
        for u in range(self.window[axis]):
            row = window * self.strides[axis] + u * self.dilation[axis] - self.starts[axis]
            if 0 <= row < self.image[axis]:
                yield u, row

    def over(self, axis, row):
        """Yield (number in the window, window) of all windows that see a row of the image."""
        for u in range(self.window[axis]):
            start = row + self.starts[axis] - u * self.dilation[axis]
            if start % self.strides[axis] == 0 and 0 <= start // self.strides[axis] < self.outputs[axis]:
                yield u, start // self.strides[axis]

    def pixels(self, i, j):
        """Return (u, v, row, column) of all pixels that the window (i, j) sees."""
        return [(u, v, r, s) for u, r in self.along(0, i) for v, s in self.along(1, j)]

    def windows(self, row, column):
        """Return (u, v, i, j) of all windows that see a pixel."""
        return [(u, v, i, j) for u, i in self.over(0, row) for v, j in self.over(1, column)]

    def pairs(self, u, v):
        """Return (i, j, row, column) of all windows whose number (u, v) is on the image."""
        rows, columns = (
            [(i, r) for i in range(self.outputs[axis]) for k, r in self.along(axis, i) if k == at]
            for axis, at in ((0, u), (1, v))
        )
        return [(i, j, r, s) for i, r in rows for j, s in columns]


def windows_of(layer):
    """Return the Windows of a convolution or pooling layer."""
    if hasattr(layer, "plan"):
        plan = layer.plan
        return Windows(plan.image_shape, layer.kernel_size, plan.strides, plan.pads, plan.outputs, plan.dilation)
    return Windows(layer.input_shape, layer.pool_size, layer.strides, layer.pads, layer.outputs)


def bias(view, f):
    """Return the product of a bias, if the layer has one."""
    return [Product((entry("b", view.params["b"], f),))] if "b" in view.params else []


def conv_db(view, index):
    n, p, q, _ = view.dy.shape
    places = ((k, i, j, index[0]) for k in range(n) for i in range(p) for j in range(q))
    return "(1)", [Product((entry("dy", view.dy, *place),)) for place in places], []


# Conv2D: the group of filter f sees the channels first, first + 1 ...


def conv_y(view, index):
    (n, i, j, f), W, windows = index, view.params["W"], windows_of(view.layer)
    channels = W.shape[2]
    first = f // (W.shape[3] // view.layer.groups) * channels
    products = [
        Product((entry("x", view.x, n, r, s, first + c), entry("W", W, u, v, c, f)))
        for u, v, r, s in windows.pixels(i, j)
        for c in range(channels)
    ]
    return "Forward", products + bias(view, f), []


def conv_dW(view, index):
    u, v, c, f = index
    W = view.params["W"]
    channel = f // (W.shape[3] // view.layer.groups) * W.shape[2] + c
    products = [
        Product((entry("x", view.x, n, r, s, channel), entry("dy", view.dy, n, i, j, f)))
        for n in range(len(view.x))
        for i, j, r, s in windows_of(view.layer).pairs(u, v)
    ]
    return "(2)", products, []


def conv_dx(view, index):
    n, r, s, c = index
    W, groups = view.params["W"], view.layer.groups
    filters, group = W.shape[3] // groups, c // W.shape[2]
    products = [
        Product((entry("dy", view.dy, n, i, j, f), entry("W", W, u, v, c % W.shape[2], f)))
        for u, v, i, j in windows_of(view.layer).windows(r, s)
        for f in range(group * filters, (group + 1) * filters)
    ]
    return "(3)", products, []


# Conv2DTranspose: the image is y, and each number of x adds its kernel to a window of it


def transposed_y(view, index):
    n, r, s, f = index
    W, groups = view.params["W"], view.layer.groups
    channels, group = W.shape[3] // groups, f // W.shape[2]
    products = [
        Product((entry("x", view.x, n, i, j, c), entry("W", W, u, v, f % W.shape[2], c)))
        for u, v, i, j in windows_of(view.layer).windows(r, s)
        for c in range(group * channels, (group + 1) * channels)
    ]
    return "Forward", products + bias(view, f), []


def transposed_dW(view, index):
    u, v, f, c = index
    W = view.params["W"]
    filter_ = c // (W.shape[3] // view.layer.groups) * W.shape[2] + f
    products = [
        Product((entry("x", view.x, n, i, j, c), entry("dy", view.dy, n, r, s, filter_)))
        for n in range(len(view.x))
        for i, j, r, s in windows_of(view.layer).pairs(u, v)
    ]
    return "(2)", products, []


def transposed_dx(view, index):
    n, i, j, c = index
    W = view.params["W"]
    first = c // (W.shape[3] // view.layer.groups) * W.shape[2]
    products = [
        Product((entry("dy", view.dy, n, r, s, first + f), entry("W", W, u, v, f, c)))
        for u, v, r, s in windows_of(view.layer).pixels(i, j)
        for f in range(W.shape[2])
    ]
    return "(3)", products, []


# pooling


def winner(view, n, i, j, c):
    """Return the pixel (row, column) that a MaxPool2D took: the first of the largest. NaN never wins over a number."""
    pixels = windows_of(view.layer).pixels(i, j)
    best = pixels[0][2:]
    largest = float(view.x[n, best[0], best[1], c])
    for _, _, r, s in pixels[1:]:
        value = float(view.x[n, r, s, c])
        if value > largest:
            best = r, s
        largest = value if math.isnan(value) or value > largest else largest
    return best


def max_pool_y(view, index):
    n, i, j, c = index
    values = [entry("x", view.x, n, r, s, c) for _, _, r, s in windows_of(view.layer).pixels(i, j)]
    odd = [factor for factor in values if math.isnan(factor[1])]
    best = odd[0] if odd else max(values, key=lambda factor: factor[1])
    return "Forward", [Product((best,))], []


def max_pool_dx(view, index):
    n, r, s, c = index
    products = [
        Product((entry("dy", view.dy, n, i, j, c),))
        for _, _, i, j in windows_of(view.layer).windows(r, s)
        if winner(view, n, i, j, c) == (r, s)
    ]
    return "(1)", products, []


def share_of(windows, i, j):
    """Return 1/m as a factor: m is the number of pixels of the image in a window."""
    return "1/m", 1 / len(windows.pixels(i, j))


def average_pool_y(view, index):
    (n, i, j, c), windows = index, windows_of(view.layer)
    share = share_of(windows, i, j)
    return "Forward", [Product((entry("x", view.x, n, r, s, c), share)) for _, _, r, s in windows.pixels(i, j)], []


def average_pool_dx(view, index):
    (n, r, s, c), windows = index, windows_of(view.layer)
    products = [
        Product((entry("dy", view.dy, n, i, j, c), share_of(windows, i, j))) for _, _, i, j in windows.windows(r, s)
    ]
    return "(1)", products, []


def global_pool_y(view, index):
    (n, c), (_, h, w, _) = index, view.x.shape
    share = "1/(h w)", 1 / (h * w)
    return "Forward", [Product((entry("x", view.x, n, i, j, c), share)) for i in range(h) for j in range(w)], []


def global_pool_dx(view, index):
    (n, _, _, c), (_, h, w, _) = index, view.x.shape
    return "(1)", [Product((entry("dy", view.dy, n, c), ("1/(h w)", 1 / (h * w))))], []
