"""The networks of minigan as modules of PyTorch, with the same weights. Images stay (n, h, w, c) outside."""

import numpy as np
import torch
from torch import nn

from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Dropout, Flatten, LeakyReLU, Reshape, Tanh
from minigan.ops.convolution.windows import zeros_at_ends


class Permute(nn.Module):
    """Images in another order of their axes."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(self.axes)


CHANNELS_FIRST, CHANNELS_LAST = Permute(0, 3, 1, 2), Permute(0, 2, 3, 1)


def torch_network(net):
    """Return a network of minigan as a module, and make sure that both give the same outputs."""
    module = nn.Sequential(*[part for layer in net.layers for part in torch_layer(layer)])
    x = np.random.default_rng(0).standard_normal((2, *net.input_shape)).astype("float32")
    with torch.no_grad():
        y = module.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(y, net.predict(x), rtol=1e-3, atol=1e-4)
    return module.train()


def torch_layer(layer):
    """Return the modules that compute what a layer does."""
    if isinstance(layer, Dense):
        return [with_weights(nn.Linear(*layer.params["W"].shape, bias=layer.use_bias), layer, (1, 0))]
    if isinstance(layer, Conv2D):
        _, _, channels, filters = layer.params["W"].shape
        conv = nn.Conv2d(channels, filters, layer.kernel_size, layer.strides, bias=layer.use_bias)
        zeros = nn.ZeroPad2d(all_pads(layer, layer.input_shape))
        return [CHANNELS_FIRST, zeros, with_weights(conv, layer, (3, 2, 0, 1)), CHANNELS_LAST]
    if isinstance(layer, Conv2DTranspose):
        _, _, filters, channels = layer.params["W"].shape
        conv = nn.ConvTranspose2d(channels, filters, layer.kernel_size, layer.strides, bias=layer.use_bias)
        crop = nn.ZeroPad2d([-zeros for zeros in all_pads(layer, layer.output_shape)])
        return [CHANNELS_FIRST, with_weights(conv, layer, (3, 2, 0, 1)), crop, CHANNELS_LAST]
    if isinstance(layer, BatchNorm):
        # PyTorch's momentum is the share of the new statistics
        options = len(layer.params["gamma"]), layer.epsilon, 1 - layer.momentum
        if len(layer.output_shape) == 1:
            return [nn.BatchNorm1d(*options)]
        return [CHANNELS_FIRST, nn.BatchNorm2d(*options), CHANNELS_LAST]
    if isinstance(layer, LeakyReLU):
        return [nn.LeakyReLU(layer.negative_slope)]
    if isinstance(layer, Dropout):
        return [nn.Dropout(layer.rate)]
    if isinstance(layer, Flatten):
        return [nn.Flatten()]
    if isinstance(layer, Reshape):
        return [nn.Unflatten(1, layer.output_shape)]
    if isinstance(layer, Tanh):
        return [nn.Tanh()]
    raise SystemExit(f"benchmarks/torch_twin.py does not know {type(layer).__name__}. Add it to torch_layer.")


def all_pads(layer, image_shape):
    """Return (left, right, top, bottom), as ZeroPad2d takes them."""
    rows, columns = (
        zeros_at_ends(image_shape[axis], layer.kernel_size[axis], layer.strides[axis], layer.padding, axis)
        for axis in (0, 1)
    )
    return [*columns, *rows]


def with_weights(module, layer, axes):
    """Give a module the weights of a layer, with their axes in PyTorch's order."""
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(layer.params["W"].transpose(axes).copy()))
        if layer.use_bias:
            module.bias.copy_(torch.from_numpy(layer.params["b"].copy()))
    return module
