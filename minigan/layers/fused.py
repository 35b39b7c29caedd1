"""Layers that run as one on a GPU: a Dense or convolution with its bias, then a LeakyReLU, then perhaps a Dropout."""

from minigan.layers.activations import LeakyReLU, ReLU
from minigan.layers.base import Layer, saves_nothing
from minigan.layers.convolution import Conv2D, Conv2DTranspose
from minigan.layers.dense import Dense
from minigan.layers.dropout import Dropout
from minigan.layers.spectral import SpectralNorm
from minigan.ops.gpu import bias_leaky_dropout as ops


def fuse(layers, xp):
    """Return the layers as they run on the arrays of `xp`: some groups fused into one, the others unchanged."""
    if not ops.fuses(xp):
        return layers
    parts, rest = [], list(layers)
    while rest:
        if len(rest) > 1 and has_product(rest[0]) and type(rest[1]) in (LeakyReLU, ReLU):
            with_dropout = len(rest) > 2 and type(rest[2]) is Dropout and rest[2].rate > 0
            size = 3 if with_dropout else 2
            parts.append(FusedLayers(*rest[:size]))
            del rest[:size]
        else:
            parts.append(rest.pop(0))
    return tuple(parts)


def has_product(layer):
    """Return whether a layer is minigan's own Dense or convolution, perhaps with SpectralNorm around it."""
    inner = layer.inner if type(layer) is SpectralNorm else layer
    return type(inner) in (Dense, Conv2D, Conv2DTranspose)


class FusedLayers:
    """Forward and backward of two or three consecutive layers, which hold their parameters and saved arrays as always.

    Forward    z = product of the first layer + b,   y = keep scale max(z, slope z)
    Backward   dz = keep scale (1 where z > 0, else slope) dy, then the first layer's backward
    """

    takes_labels = False

    def __init__(self, product, activation, dropout=None):
        self.product, self.activation, self.dropout = product, activation, dropout
        self.params, self.name, self.dtype = product.params, product.name, product.dtype
        self.input_shape, self.output_shape = product.input_shape, product.output_shape

    @property
    def trainable(self):
        return self.product.trainable

    def forward(self, x, training=False):
        if not saves_nothing():
            self.clear_cache()  # backward sees by the caches how forward ran
        y = self.product.xp.ascontiguousarray(self.product.product(x, training))
        b, slope, dropout = self.product.params.get("b"), self.activation.negative_slope, self.dropout
        if dropout is None or not training:
            ops.bias_leaky(y, b, slope)
            self.save(self.activation, x, y)
        else:
            seed, calls = dropout.state["seed"], dropout.state["calls"]
            places = dropout.group.places(len(x))
            self.save(dropout, x, ops.bias_leaky_dropout(y, b, slope, dropout.rate, seed, calls, places))
            calls += 1
        return y

    @staticmethod
    def save(layer, x, array):
        """Let one of the layers save an array, as its own forward would do."""
        if not saves_nothing():
            layer.current_x = x
            layer.save_for_backward(array)

    def backward(self, dy, param_grads=True, input_grad=True):
        slope = self.activation.negative_slope
        if self.activation.cache is not None:
            dz = ops.leaky_backward(dy, self.activation.saved(dy), slope)
        else:
            dz = ops.leaky_dropout_backward(dy, self.dropout.saved(dy), slope, self.dropout.rate)
        return self.product.backward(dz, param_grads, input_grad)

    def tangent(self, xdot):
        """Return ydot: that of the product, times the slope and the mask, which is what their backward computes."""
        zdot, slope = self.product.tangent(xdot), self.activation.negative_slope
        if self.activation.cache is not None:
            _, y = self.activation.retained(zdot)
            return ops.leaky_backward(zdot, y, slope)
        _, keep = self.dropout.retained(zdot)
        return ops.leaky_dropout_backward(zdot, keep, slope, self.dropout.rate)

    @property
    def bend(self):
        """Return the bend of the product: the layers after it consist of pieces of straight lines."""
        return self.product.bend

    tangent_backward = Layer.tangent_backward  # which asks for bend, backward and clear_cache only

    def clear_cache(self):
        for layer in (self.product, self.activation, self.dropout):
            if layer is not None:
                layer.clear_cache()
