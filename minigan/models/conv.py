"""Convolutional networks without BatchNorm: those of reports B, D and E."""

import math
from collections.abc import Sequence

from minigan.hints import Shape, Size
from minigan.layers import (
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPool2D,
    Reshape,
    Tanh,
    UpSampling2D,
)
from minigan.layers.base import Layer
from minigan.models.sizes import first_image, image_sizes, require_counts
from minigan.options import require_count, require_flag


def transposed_generator(image_shape: Shape = (28, 28, 1), features: int = 128) -> list[Layer]:
    """Return E2's generator: 7 x 7 x features, then two transposed convolutions that double the image."""
    height, width, channels = first_image("transposed_generator", image_shape, 4)
    features = require_count("transposed_generator", features=features)
    return [
        Dense(height * width * features),
        LeakyReLU(0.3),
        Reshape((height, width, features)),
        Conv2DTranspose(64, 5, strides=2),
        LeakyReLU(0.3),
        Conv2DTranspose(channels, 5, strides=2),
        Tanh(),
    ]


def upsampling_generator(image_shape: Shape = (28, 28, 1), features: int = 128) -> list[Layer]:
    """Return E3's and E7's generator: E2's with UpSampling2D and Conv2D in place of each transposed convolution."""
    height, width, channels = first_image("upsampling_generator", image_shape, 4)
    features = require_count("upsampling_generator", features=features)
    return [
        Dense(height * width * features),
        LeakyReLU(0.3),
        Reshape((height, width, features)),
        UpSampling2D(2),
        Conv2D(64, 5),
        LeakyReLU(0.3),
        UpSampling2D(2),
        Conv2D(channels, 5),
        Tanh(),
    ]


def conv_discriminator(deeper: bool = False) -> list[Layer]:
    """Return report E's discriminator: convolutions 32 and 64 that halve the image; `deeper`: 128 as well."""
    layers = [
        Conv2D(32, 5, strides=2),
        LeakyReLU(0.3),
        Conv2D(64, 5, strides=2),
        LeakyReLU(0.3),
    ]
    if require_flag("conv_discriminator", deeper=deeper):
        layers += [Conv2D(128, 5, strides=2), LeakyReLU(0.3)]
    return [*layers, Flatten(), Dense(1)]


def dense_to_conv_generator(image_shape: Shape = (28, 28, 1), width: int = 128) -> list[Layer]:
    """Return E1's generator: four Dense layers, the last one an image of 64 channels, then one convolution."""
    rows, columns, channels = image_sizes("dense_to_conv_generator", image_shape)
    return [
        Dense(width),
        LeakyReLU(0.3),
        Dense(width),
        LeakyReLU(0.3),
        Dense(width),
        LeakyReLU(0.3),
        Dense(rows * columns * 64),
        LeakyReLU(0.3),
        Reshape((rows, columns, 64)),
        Conv2D(channels, 5),
        Tanh(),
    ]


def cifar_transposed_generator(image_shape: Shape = (32, 32, 3)) -> list[Layer]:
    """Return E8's generator: 4 x 4 x 256, then three transposed convolutions to 8, 16 and 32 pixels."""
    height, width, channels = first_image("cifar_transposed_generator", image_shape, 8)
    return [
        Dense(height * width * 256),
        LeakyReLU(0.3),
        Reshape((height, width, 256)),
        Conv2DTranspose(128, 5, strides=2),
        LeakyReLU(0.3),
        Conv2DTranspose(64, 5, strides=2),
        LeakyReLU(0.3),
        Conv2DTranspose(channels, 5, strides=2),
        Tanh(),
    ]


def cifar_upsampling_generator(image_shape: Shape = (32, 32, 3)) -> list[Layer]:
    """Return E8's generator with UpSampling2D and Conv2D in place of each transposed convolution."""
    height, width, channels = first_image("cifar_upsampling_generator", image_shape, 8)
    return [
        Dense(height * width * 256),
        LeakyReLU(0.3),
        Reshape((height, width, 256)),
        UpSampling2D(2),
        Conv2D(128, 5),
        LeakyReLU(0.3),
        UpSampling2D(2),
        Conv2D(64, 5),
        LeakyReLU(0.3),
        UpSampling2D(2),
        Conv2D(channels, 5),
        Tanh(),
    ]


def same_size_conv_generator(image_shape: Shape = (28, 28, 1), filters: Sequence[int] = (8, 16, 32)) -> list[Layer]:
    """Return B10's generator: Dense 784 as an image, three convolutions 3 x 3; B12's filters are 16, 32, 64."""
    height, width, channels = image_sizes("same_size_conv_generator", image_shape)
    layers = [
        Dense(height * width),
        LeakyReLU(),
        Reshape((height, width, 1)),
    ]
    for number in require_counts("same_size_conv_generator", filters=filters):
        layers += [Conv2D(number, 3), LeakyReLU()]
    return [*layers, Conv2D(channels, 3), Tanh()]


def capped_conv_generator(
    image_shape: Shape = (28, 28, 1),
    kernel_size: Size = 5,
    strides: int = 2,
    features: int = 5,
    pooling: bool = False,
    dropout: float = 0.5,
) -> list[Layer]:
    """Return D2's generator: Dense, two transposed convolutions, Dense again; D3's has pooling between the two."""
    strides, features = require_count("capped_conv_generator", strides=strides, features=features)
    height, width, _ = image_sizes("capped_conv_generator", image_shape)
    # rounded down: the last Dense makes an image of any size
    height, width = max(height // strides**2, 1), max(width // strides**2, 1)
    return [
        Dense(height * width * features),
        LeakyReLU(),
        Dropout(dropout),
        Reshape((height, width, features)),
        Conv2DTranspose(features, kernel_size, strides),
        LeakyReLU(),
        Dropout(dropout),
        *pooling_layers("capped_conv_generator", pooling),
        Conv2DTranspose(features, kernel_size, strides),
        LeakyReLU(),
        Dropout(dropout),
        Flatten(),
        Dense(math.prod(image_shape)),
        Tanh(),
        Reshape(image_shape),
    ]


def capped_conv_discriminator(
    kernel_size: Size = 5, strides: Size = 2, features: int = 5, pooling: bool = False, dropout: float = 0.5
) -> list[Layer]:
    """Return D2's discriminator: two convolutions with 5 channels, one logit; D3's has pooling between them."""
    return [
        Conv2D(features, kernel_size, strides),
        LeakyReLU(),
        Dropout(dropout),
        *pooling_layers("capped_conv_discriminator", pooling),
        Conv2D(features, kernel_size, strides),
        LeakyReLU(),
        Dropout(dropout),
        Flatten(),
        Dense(1),
    ]


def pooling_layers(owner, wanted):
    """Return D3's pooling, if it is wanted: windows of 2 x 2 at every pixel."""
    return [MaxPool2D(2, strides=1, padding="same")] if require_flag(owner, pooling=wanted) else []
