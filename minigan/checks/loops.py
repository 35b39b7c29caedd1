"""Every layer and loss as plain Python loops over single numbers: slow, obvious, and written apart from the layers.

The tests compare each layer's forward pass with these. Nothing here is vectorised and nothing is shared with
minigan.layers, so that a mistake cannot hide in both. Arrays come in and go out as NumPy float64.
"""

import math

import numpy as np


def dense(x, W, b):
    """y[n,o] = b[o] + sum_i x[n,i] W[i,o]"""
    n, size = x.shape
    units = W.shape[1]
    y = np.zeros((n, units))
    for k in range(n):
        for o in range(units):
            total = b[o]
            for i in range(size):
                total += x[k, i] * W[i, o]
            y[k, o] = total
    return y


def each_element(function, x):
    """y = function(x), element by element."""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = function(float(x[index]))
    return y


def relu(x):
    """y = x where x > 0, else 0"""
    return each_element(lambda v: v if v > 0 else 0.0, x)


def leaky_relu(x, negative_slope):
    """y = x where x > 0, else negative_slope x"""
    return each_element(lambda v: v if v > 0 else negative_slope * v, x)


def tanh(x):
    """y = (e^x - e^-x) / (e^x + e^-x)"""
    return each_element(lambda v: (math.exp(v) - math.exp(-v)) / (math.exp(v) + math.exp(-v)), x)


def sigmoid(x):
    """y = 1 / (1 + e^-x)"""
    return each_element(lambda v: 1 / (1 + math.exp(-v)), x)


def elu(x, alpha):
    """y = x where x > 0, else alpha (e^x - 1)"""
    return each_element(lambda v: v if v > 0 else alpha * (math.exp(v) - 1), x)


def softplus(x):
    """y = log(1 + e^x)"""
    return each_element(lambda v: math.log(1 + math.exp(v)), x)


def silu(x):
    """y = x / (1 + e^-x)"""
    return each_element(lambda v: v / (1 + math.exp(-v)), x)


def gelu(x, approximate="none"):
    """y = x (1 + erf(x / sqrt(2))) / 2; the approximation has tanh(sqrt(2 / pi) (x + 0.044715 x^3)) for erf"""
    if approximate == "tanh":
        return each_element(lambda v: v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3))) / 2, x)
    return each_element(lambda v: v * (1 + math.erf(v / math.sqrt(2))) / 2, x)


def softmax(x):
    """y[..., i] = e^x[..., i] / sum_j e^x[..., j]"""
    y = np.zeros(x.shape)
    for place in np.ndindex(x.shape[:-1]):
        total = sum(math.exp(number) for number in x[place])
        for i, number in enumerate(x[place]):
            y[(*place, i)] = math.exp(number) / total
    return y


def dropout(x, keep, keep_probability):
    """y = x / keep_probability where keep, else 0"""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = x[index] / keep_probability if keep[index] else 0.0
    return y


def gaussian_noise(x, z, stddev):
    """y = x + stddev z"""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        y[index] = x[index] + stddev * z[index]
    return y


def random_color(x, b, s, k):
    """Step by step, image by image: brighter by b, colours times s, contrast times k."""
    n, h, w, c = x.shape
    y = np.zeros(x.shape)
    for image in range(n):
        u = [[[x[image, i, j, f] + b[image] for f in range(c)] for j in range(w)] for i in range(h)]
        v = [
            [[s[image] * (a - sum(u[i][j]) / c) + sum(u[i][j]) / c for a in u[i][j]] for j in range(w)]
            for i in range(h)
        ]
        mean = sum(v[i][j][f] for i in range(h) for j in range(w) for f in range(c)) / (h * w * c)
        for i, j, f in np.ndindex(h, w, c):
            y[image, i, j, f] = k[image] * (v[i][j][f] - mean) + mean
    return y


def random_translation(x, p, q):
    """y[n,i,j,c] = x[n, i - p[n], j - q[n], c], 0 where there is no such pixel"""
    n, h, w, c = x.shape
    y = np.zeros(x.shape)
    for image, i, j, f in np.ndindex(n, h, w, c):
        row, column = i - p[image], j - q[image]
        if 0 <= row < h and 0 <= column < w:
            y[image, i, j, f] = x[image, row, column, f]
    return y


def cutout(x, top, left, height, width):
    """0 in the rows top[n] to top[n] + height - 1 and the columns left[n] to left[n] + width - 1, else x"""
    y = np.array(x)
    for image, i, j, f in np.ndindex(x.shape):
        if top[image] <= i < top[image] + height and left[image] <= j < left[image] + width:
            y[image, i, j, f] = 0.0
    return y


def batch_norm(x, gamma, beta, epsilon, mean=None, variance=None):
    """y = gamma (x - mean) / sqrt(variance + epsilon) + beta, over all axes but the last.

    Without a given mean and variance (inference), those of x itself, the biased variance (training).
    """
    channels = x.shape[-1]
    places = list(np.ndindex(x.shape[:-1]))
    y = np.zeros(x.shape)
    for c in range(channels):
        m = sum(x[(*place, c)] for place in places) / len(places) if mean is None else mean[c]
        v = sum((x[(*place, c)] - m) ** 2 for place in places) / len(places) if variance is None else variance[c]
        for place in places:
            y[(*place, c)] = gamma[c] * (x[(*place, c)] - m) / math.sqrt(v + epsilon) + beta[c]
    return y


def normalize_sets(x, gamma, beta, epsilon, set_of):
    """y = gamma[c] (x - mean) / sqrt(variance + epsilon) + beta[c], with the mean and variance of each set of numbers.

    set_of     a function of an index of x that gives the name of the set it belongs to
    """
    sets = {}
    for index in np.ndindex(x.shape):
        sets.setdefault(set_of(*index), []).append(index)
    y = np.zeros(x.shape)
    for indices in sets.values():
        mean = sum(x[index] for index in indices) / len(indices)
        variance = sum((x[index] - mean) ** 2 for index in indices) / len(indices)
        for index in indices:
            y[index] = gamma[index[-1]] * (x[index] - mean) / math.sqrt(variance + epsilon) + beta[index[-1]]
    return y


def layer_norm(x, gamma, beta, epsilon):
    """The channels at each place of each sample are a set."""
    return normalize_sets(x, gamma, beta, epsilon, lambda *index: index[:-1])


def instance_norm(x, gamma, beta, epsilon):
    """Each channel of each sample is a set."""
    return normalize_sets(x, gamma, beta, epsilon, lambda *index: (index[0], index[-1]))


def group_norm(x, gamma, beta, epsilon, groups):
    """The channels 0 ... k - 1 of each sample are a set, then k ... 2 k - 1, and so on; k = channels / groups."""
    size = x.shape[-1] // groups
    return normalize_sets(x, gamma, beta, epsilon, lambda *index: (index[0], index[-1] // size))


def spectral_norm(M, u):
    """(M / sigma, the next u) for a matrix M (k, f): v = M u / sigma, sigma = |M u|; the next u is M^T v / |M^T v|."""
    rows, columns = M.shape
    product = [sum(M[k, f] * u[f] for f in range(columns)) for k in range(rows)]
    sigma = math.sqrt(sum(number**2 for number in product))
    v = [number / sigma for number in product]
    back = [sum(M[k, f] * v[k] for k in range(rows)) for f in range(columns)]
    length = math.sqrt(sum(number**2 for number in back))
    Mbar = np.zeros(M.shape)
    for k, f in np.ndindex(rows, columns):
        Mbar[k, f] = M[k, f] / sigma
    return Mbar, np.array([number / length for number in back])


def conditional_batch_norm(x, labels, gamma, beta, epsilon, mean=None, variance=None):
    """y = gamma[k] xhat + beta[k], k = labels[n], with xhat from batch_norm over the samples of all classes"""
    channels = x.shape[-1]
    xhat = batch_norm(x, [1.0] * channels, [0.0] * channels, epsilon, mean, variance)
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        k = labels[index[0]]
        y[index] = gamma[k, index[-1]] * xhat[index] + beta[k, index[-1]]
    return y


def embedding(x, labels, E):
    """y[n,i] = E[labels[n], i]; x is not used"""
    y = np.zeros((len(labels), E.shape[1]))
    for n in range(len(labels)):
        for i in range(E.shape[1]):
            y[n, i] = E[labels[n], i]
    return y


def concatenate_label(x, labels, E):
    """y[n,...,:] = (x[n,...,:], E[labels[n]]) at every pixel; one-hot labels: E is the unit matrix"""
    c, size = x.shape[-1], E.shape[1]
    y = np.zeros((*x.shape[:-1], c + size))
    for index in np.ndindex(x.shape[:-1]):
        for i in range(c):
            y[(*index, i)] = x[(*index, i)]
        for i in range(size):
            y[(*index, c + i)] = E[labels[index[0]], i]
    return y


def projection(x, labels, w, b, E):
    """y[n] = b + sum_i x[n,i] w[i] + sum_i x[n,i] E[labels[n], i]"""
    y = np.zeros((len(x), 1))
    for n in range(len(x)):
        total = b[0]
        for i in range(x.shape[1]):
            total += x[n, i] * w[i, 0]
        for i in range(x.shape[1]):
            total += x[n, i] * E[labels[n], i]
        y[n, 0] = total
    return y


def class_sums(rows, labels, classes):
    """sums[k] = sum of the rows with label k"""
    sums = np.zeros((classes, rows.shape[1]))
    for n in range(len(rows)):
        for i in range(rows.shape[1]):
            sums[labels[n], i] += rows[n, i]
    return sums


def reshape(x, target_shape):
    """The numbers of each sample, in row-major order, written into the new shape in the same order."""
    y = np.zeros((len(x), *target_shape))
    for n in range(len(x)):
        numbers = [x[(n, *index)] for index in np.ndindex(x.shape[1:])]
        for number, index in zip(numbers, np.ndindex(*target_shape), strict=True):
            y[(n, *index)] = number
    return y


def flatten(x):
    """reshape to one axis"""
    size = 1
    for length in x.shape[1:]:
        size *= length
    return reshape(x, (size,))


def binary_cross_entropy(logits, targets):
    """mean of -t log s - (1 - t) log(1 - s), s = 1 / (1 + e^-logit); only for logits that do not overflow"""
    total, count = 0.0, 0
    for index in np.ndindex(logits.shape):
        s = 1 / (1 + math.exp(-logits[index]))
        total += -targets[index] * math.log(s) - (1 - targets[index]) * math.log(1 - s)
        count += 1
    return total / count


def mean_squared_error(x, targets):
    """mean of (x - t)^2"""
    total, count = 0.0, 0
    for index in np.ndindex(x.shape):
        total += (x[index] - targets[index]) ** 2
        count += 1
    return total / count


def softmax_cross_entropy(logits, targets):
    """mean over the rows of -sum_k t[k] log(e^logit[k] / sum_j e^logit[j])"""
    n, k = logits.shape
    total = 0.0
    for row in range(n):
        denominator = sum(math.exp(logits[row, j]) for j in range(k))
        for j in range(k):
            total -= targets[row, j] * math.log(math.exp(logits[row, j]) / denominator)
    return total / n


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


def lstm(x, W, U, b, h0=None, c0=None):
    """All h[t] as (n, steps, units): c[t] = f c[t-1] + i g, h[t] = o tanh(c[t]), columns in the order i, f, g, o.

    a[t] = x[t] W + h[t-1] U + b;  i, f, o = 1 / (1 + e^-a),  g = tanh(a);  h[0] = c[0] = 0 unless given.
    """
    n, steps, size = x.shape
    units = len(U)
    y = np.zeros((n, steps, units))
    for k in range(n):
        h = [0.0] * units if h0 is None else list(h0[k])
        c = [0.0] * units if c0 is None else list(c0[k])
        for t in range(steps):
            a = []
            for column in range(4 * units):
                total = b[column]
                for row in range(size):
                    total += x[k, t, row] * W[row, column]
                for row in range(units):
                    total += h[row] * U[row, column]
                a.append(total)
            for j in range(units):
                write = 1 / (1 + math.exp(-a[j]))
                remember = 1 / (1 + math.exp(-a[units + j]))
                candidate = math.tanh(a[2 * units + j])
                show = 1 / (1 + math.exp(-a[3 * units + j]))
                c[j] = remember * c[j] + write * candidate
                h[j] = show * math.tanh(c[j])
                y[k, t, j] = h[j]
    return y
