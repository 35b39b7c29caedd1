"""Deep convolutional GANs with BatchNorm: report C's, and the small one that minigan's own recipes train.

Source: Radford, Metz & Chintala 2016, arXiv:1511.06434
"""

from minigan.hints import Shape
from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    SpectralNorm,
    Tanh,
    UpSampling2D,
)
from minigan.layers.base import Layer
from minigan.models.sizes import first_image
from minigan.options import require_share


def dcgan_generator(image_shape: Shape = (28, 28, 1)) -> list[Layer]:
    """Return C1's generator: 7 x 7 x 256, then transposed convolutions to 14 and 28 pixels; C2's starts at 8 x 8."""
    height, width, channels = first_image("dcgan_generator", image_shape, 4)
    return [
        Dense(height * width * 256, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Reshape((height, width, 256)),
        Conv2DTranspose(128, 5, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Conv2DTranspose(64, 5, strides=2, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Conv2DTranspose(channels, 5, strides=2),
        Tanh(),
    ]


def dcgan_discriminator(dropout: float = 0.3) -> list[Layer]:
    """Return C1's and C2's discriminator: three convolutions that halve the image, each with Dropout .3; one logit."""
    return [
        Conv2D(64, 5, strides=2),
        LeakyReLU(),
        Dropout(dropout),
        Conv2D(128, 5, strides=2),
        LeakyReLU(),
        Dropout(dropout),
        Conv2D(256, 5, strides=2),
        LeakyReLU(),
        Dropout(dropout),
        Flatten(),
        Dense(1),
    ]


def small_dcgan_generator(image_shape: Shape = (28, 28, 1)) -> list[Layer]:
    """Return minigan's own generator: Dense 512, then 7 x 7 x 128, then transposed convolutions to 14 and 28 pixels."""
    height, width, channels = first_image("small_dcgan_generator", image_shape, 4)
    return [
        Dense(512, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Dense(height * width * 128, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Reshape((height, width, 128)),
        Conv2DTranspose(64, 5, strides=2, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Conv2DTranspose(channels, 5, strides=2),
        Tanh(),
    ]


def small_upsampling_generator(image_shape: Shape = (28, 28, 1)) -> list[Layer]:
    """Return small_dcgan_generator with UpSampling2D and Conv2D in place of each transposed convolution."""
    height, width, channels = first_image("small_upsampling_generator", image_shape, 4)
    return [
        Dense(512, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Dense(height * width * 128, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Reshape((height, width, 128)),
        UpSampling2D(2),
        Conv2D(64, 5, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        UpSampling2D(2),
        Conv2D(channels, 5),
        Tanh(),
    ]


def small_dcgan_discriminator(dropout: float = 0) -> list[Layer]:
    """Return minigan's own discriminator: two convolutions that halve the image, Dense 256; one logit.

    `dropout` puts a Dropout behind each of the three.
    """
    dropout = require_share("small_dcgan_discriminator", dropout=dropout)
    return [
        Conv2D(32, 5, strides=2),
        LeakyReLU(),
        *([Dropout(dropout)] if dropout else []),
        Conv2D(64, 5, strides=2),
        LeakyReLU(),
        *([Dropout(dropout)] if dropout else []),
        Flatten(),
        Dense(256),
        LeakyReLU(),
        *([Dropout(dropout)] if dropout else []),
        Dense(1),
    ]


def small_spectral_discriminator() -> list[Layer]:
    """Return small_dcgan_discriminator with SpectralNorm around each layer with weights, which bounds its slope."""
    return [
        SpectralNorm(Conv2D(32, 5, strides=2)),
        LeakyReLU(),
        SpectralNorm(Conv2D(64, 5, strides=2)),
        LeakyReLU(),
        Flatten(),
        SpectralNorm(Dense(256)),
        LeakyReLU(),
        SpectralNorm(Dense(1)),
    ]
