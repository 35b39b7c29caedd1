"""Convolutions, pooling and upsampling as plain loops; loops.py says what for."""

import math

import numpy as np


def pad_image(x, pads, value=0.0):
    """x (n, h, w, c) with rows and columns of `value` around it"""
    (top, bottom), (left, right) = pads
    n, h, w, c = x.shape
    padded = np.full((n, h + top + bottom, w + left + right, c), float(value))
    for k, i, j, channel in np.ndindex(n, h, w, c):
        padded[k, i + top, j + left, channel] = x[k, i, j, channel]
    return padded


def conv2d(x, W, b, strides, pads, dilation=(1, 1), groups=1):
    """y[n,i,j,f] = b[f] + sum_{u,v,c} x_pad[n, i s + u d, j s + v d, first + c] W[u,v,c,f]

    first: of the channels that the group of filter f sees
    """
    padded = pad_image(x, pads)
    kh, kw, channels, filters = W.shape
    rows = (padded.shape[1] - (kh - 1) * dilation[0] - 1) // strides[0] + 1
    columns = (padded.shape[2] - (kw - 1) * dilation[1] - 1) // strides[1] + 1
    y = np.zeros((len(x), rows, columns, filters))
    for n, i, j, f in np.ndindex(y.shape):
        total = b[f]
        first = f // (filters // groups) * channels
        for u, v, c in np.ndindex(kh, kw, channels):
            row, column = i * strides[0] + u * dilation[0], j * strides[1] + v * dilation[1]
            total += padded[n, row, column, first + c] * W[u, v, c, f]
        y[n, i, j, f] = total
    return y


def conv2d_transpose(x, W, b, strides, pads, size, dilation=(1, 1), groups=1):
    """y[n, i s + u d - top, j s + v d - left, first + f] += x[n,i,j,c] W[u,v,f,c], cut to `size`, then += b

    first: of the filters that the group of channel c adds to
    """
    (top, _), (left, _) = pads
    kh, kw, filters, channels = W.shape
    y = np.zeros((len(x), *size, filters * groups))
    for n, i, j, c in np.ndindex(x.shape):
        first = c // (channels // groups) * filters
        for u, v, f in np.ndindex(kh, kw, filters):
            row = i * strides[0] + u * dilation[0] - top
            column = j * strides[1] + v * dilation[1] - left
            if 0 <= row < size[0] and 0 <= column < size[1]:
                y[n, row, column, first + f] += x[n, i, j, c] * W[u, v, f, c]
    for n, i, j, f in np.ndindex(y.shape):
        y[n, i, j, f] += b[f]
    return y


def pool2d(x, size, strides, pads, reduce):
    """y[n,i,j,c] = reduce(the numbers of the image, not of the padding, in the window at (i, j))"""
    padded = pad_image(x, pads, math.nan)
    rows = (padded.shape[1] - size[0]) // strides[0] + 1
    columns = (padded.shape[2] - size[1]) // strides[1] + 1
    y = np.zeros((len(x), rows, columns, x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        window = [padded[n, i * strides[0] + u, j * strides[1] + v, c] for u in range(size[0]) for v in range(size[1])]
        y[n, i, j, c] = reduce([number for number in window if not math.isnan(number)])
    return y


def max_pool(x, size, strides, pads):
    """The largest number of each window."""
    return pool2d(x, size, strides, pads, max)


def average_pool(x, size, strides, pads):
    """The mean of each window."""
    return pool2d(x, size, strides, pads, lambda window: sum(window) / len(window))


def global_average_pool(x):
    """y[n,c] = the mean of x[n,:,:,c]"""
    n, h, w, c = x.shape
    y = np.zeros((n, c))
    for k, channel in np.ndindex(n, c):
        y[k, channel] = sum(x[k, i, j, channel] for i in range(h) for j in range(w)) / (h * w)
    return y


def upsampling(x, size):
    """y[n, i sh + u, j sw + v, c] = x[n,i,j,c]"""
    n, h, w, c = x.shape
    y = np.zeros((n, h * size[0], w * size[1], c))
    for k, i, j, channel in np.ndindex(y.shape):
        y[k, i, j, channel] = x[k, i // size[0], j // size[1], channel]
    return y
