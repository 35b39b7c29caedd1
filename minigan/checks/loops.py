"""Every layer and loss as plain Python loops over single numbers: slow, obvious, and written apart from the layers.

The tests compare each layer's forward pass with these. Nothing here is vectorised and nothing is shared with
minigan.layers, so that a mistake cannot hide in both. Arrays come in and go out as NumPy float64.
"""

import math

import numpy as np

from minigan.checks.loops_of_images import (  # noqa: F401  (one place for all)
    average_pool,
    conv2d,
    conv2d_transpose,
    global_average_pool,
    max_pool,
    pad_image,
    pool2d,
    upsampling,
)


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


def add(ys):
    """y = the sum of the outputs of all branches"""
    total = np.zeros(ys[0].shape)
    for y in ys:
        for index in np.ndindex(y.shape):
            total[index] += y[index]
    return total


def concatenate(ys):
    """y[..., first + c] = y_k[..., c]; first: how many channels the branches before k have"""
    y = np.zeros((*ys[0].shape[:-1], sum(part.shape[-1] for part in ys)))
    first = 0
    for part in ys:
        for index in np.ndindex(part.shape):
            y[(*index[:-1], first + index[-1])] = part[index]
        first += part.shape[-1]
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
