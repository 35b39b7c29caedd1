"""A batch out of a data set of bytes: the images that an order names, scaled from 0..255 to a range."""

import math

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch


def gather_scaled(images, order, low, high, dtype):
    """batch[k] = low + (high - low) / 255 images[order[k]]: images uint8 (n, ...), order (m,) -> (m, ...)"""
    xp, scale = array_module(images), float(high - low) / 255
    if xp is np:
        return scaled(images[order], low, high, dtype)
    batch = xp.empty((len(order), *images.shape[1:]), dtype)
    launch("gather_images", dtype, batch.size, images, order, batch, float(low), scale, math.prod(images.shape[1:]))
    return batch


def scaled(images, low, high, dtype):
    """Return bytes 0..255 as numbers from low to high."""
    # in place and with Python numbers, which leave the dtype alone
    images = images.astype(dtype)
    images *= float(high - low) / 255
    images += float(low)
    return images
