"""Convolutional networks for images of any size from 8 pixels on: they double from about 4 x 4 up to it, and back.

Source: Radford, Metz & Chintala 2016, arXiv:1511.06434, figure 1 and section 4. Their widths are those of features=128
in G and features=64 in D: 1024, 512, 256, 128 at 4, 8, 16, 32 pixels. A CPU trains a quarter of that in bearable time.
Three things are different. Kernels are 4 x 4, because a stride of 2 then reaches each pixel equally often (Odena et al.
2016, doi:10.23915/distill.00003). D has Dropout in place of BatchNorm, as the other DCGANs here. And the first weights
are those of Glorot, because a D without BatchNorm starts nearly dead with the paper's N(0, 0.02).
"""

from minigan.errors import ShapeError
from minigan.hints import Shape
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    ReLU,
    Reshape,
    Tanh,
)
from minigan.layers.base import Layer
from minigan.models.sizes import image_sizes
from minigan.options import require_count

SMALLEST, LARGEST = 4, 16  # pixels of the first image, where the growth begins


def sized_dcgan_generator(image_shape: Shape = (64, 64, 3), features: int = 32) -> list[Layer]:
    """Return a generator that begins with about 4 x 4 pixels and doubles them; each time, it halves the channels.

    features    the channels before the last doubling; for 64 x 64 pixels: 8, 4, 2 and 1 times as many, then the image
    """
    (height, width), doublings, channels = growth("sized_dcgan_generator", image_shape)
    features = require_count("sized_dcgan_generator", features=features)
    first, *others = [features * 2**k for k in reversed(range(doublings))]
    layers = [
        Dense(height * width * first, use_bias=False),
        BatchNorm(),
        ReLU(),
        Reshape((height, width, first)),
    ]
    for number in others:
        layers += [
            Conv2DTranspose(number, 4, strides=2, use_bias=False),
            BatchNorm(),
            ReLU(),
        ]
    return [*layers, Conv2DTranspose(channels, 4, strides=2), Tanh()]


def sized_dcgan_discriminator(
    image_shape: Shape = (64, 64, 3), features: int = 32, dropout: float = 0.3
) -> list[Layer]:
    """Return a discriminator that halves the image to about 4 x 4 pixels and doubles the channels; one logit.

    features    the channels after the first halving; for 64 x 64 pixels: 1, 2, 4 and 8 times as many, then the logit
    """
    _, halvings, _ = growth("sized_dcgan_discriminator", image_shape)
    features = require_count("sized_dcgan_discriminator", features=features)
    layers = []
    for k in range(halvings):
        layers += [
            Conv2D(features * 2**k, 4, strides=2),
            LeakyReLU(),
            Dropout(dropout),
        ]
    return [*layers, Flatten(), Dense(1)]


def growth(owner, image_shape):
    """Return (height, width) of the first image, how often it doubles, and the channels: 64 is 4 doubled four times.

    Errors     ShapeError for a size that does not come from a small one by doubling, with sizes nearby that do
    """
    *sizes, channels = image_sizes(owner, image_shape)
    doublings = 0
    while all(size % 2 == 0 and size // 2 >= SMALLEST for size in sizes):
        sizes, doublings = [size // 2 for size in sizes], doublings + 1
    if doublings == 0 or max(sizes) > LARGEST:
        height, width = nearby(*image_shape[:2])
        raise ShapeError(
            f"{owner}: images of {image_shape[0]} x {image_shape[1]} pixels do not come from a small image by "
            f"doubling. Sizes that do are 32, 48, 64, 96, 128: choose {height} x {width} (--image-size "
            f"{height if height == width else f'{height}x{width}'})."
        )
    return tuple(sizes), doublings, channels


def nearby(*sizes):
    """Return sizes near these that come from a small image by doubling: the smaller one decides how often."""
    doublings = {first * 2**k: k for k in range(1, 20) for first in (4, 5, 6, 7)}
    doublings = doublings[min(doublings, key=lambda size: abs(size - min(sizes)))]
    return [min(max(round(size / 2**doublings), SMALLEST), LARGEST) * 2**doublings for size in sizes]
