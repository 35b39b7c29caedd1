"""The networks of the reports as lists of layers: MLPs of any widths first, then the convolutional ones by name.

A convolutional network has a function for its generator and one for its discriminator, to be read beside the report.
Where a report names no kernel size, it is 5 x 5; no slope of LeakyReLU, 0.2.
"""

from minigan.layers import (
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    Tanh,
    UpSampling2D,
)


def mlp_generator(widths, image_shape=(28, 28, 1), activation=LeakyReLU, batch_norm=False, dropout=0, first=None):
    """latent -> Dense widths[0] -> ... -> Dense(pixels) -> tanh -> image, an activation after each hidden Dense.

    `batch_norm` puts a BatchNorm between each hidden Dense and its activation, `dropout` a Dropout after each
    activation; `first` is the initializer of the first Dense.
    """
    layers = hidden_layers(widths, activation, batch_norm, dropout, first)
    height, width, channels = image_shape
    return [*layers, Dense(height * width * channels), Tanh(), Reshape(image_shape)]


def mlp_discriminator(widths, activation=LeakyReLU, dropout=0, first=None):
    """image -> Flatten -> Dense widths[0] -> ... -> one logit; the options are those of mlp_generator."""
    return [Flatten(), *hidden_layers(widths, activation, False, dropout, first), Dense(1)]


def hidden_layers(widths, activation, batch_norm, dropout, first):
    """For each width: Dense, BatchNorm if wanted, the activation, Dropout if wanted."""
    layers = []
    for width in widths:
        # the shift of BatchNorm takes the place of the bias, which it would subtract again
        layers.append(Dense(width, use_bias=not batch_norm, initializer=None if layers else first))
        layers += [BatchNorm()] if batch_norm else []
        layers.append(activation())
        layers += [Dropout(dropout)] if dropout else []
    return layers


def c1_generator(size=7, channels=1):
    """C1: Dense to 7 x 7 x 256, transposed convolutions 128 s1, 64 s2, 1 s2 tanh; C2, SVHN: size=8, channels=3."""
    return [
        *(Dense(size * size * 256, use_bias=False), BatchNorm(), LeakyReLU(), Reshape((size, size, 256))),
        *(Conv2DTranspose(128, 5, use_bias=False), BatchNorm(), LeakyReLU()),
        *(Conv2DTranspose(64, 5, strides=2, use_bias=False), BatchNorm(), LeakyReLU()),
        *(Conv2DTranspose(channels, 5, strides=2), Tanh()),
    ]


def c1_discriminator():
    """C1 and C2: convolutions 64, 128, 256, all s2, each with LeakyReLU and Dropout .3; one logit."""
    return [
        *(Conv2D(64, 5, strides=2), LeakyReLU(), Dropout(0.3)),
        *(Conv2D(128, 5, strides=2), LeakyReLU(), Dropout(0.3)),
        *(Conv2D(256, 5, strides=2), LeakyReLU(), Dropout(0.3)),
        *(Flatten(), Dense(1)),
    ]


def e2_generator(features=128):
    """E2: Dense to 7 x 7 x F, two transposed convolutions s2, tanh."""
    return [
        *(Dense(7 * 7 * features), LeakyReLU(0.3), Reshape((7, 7, features))),
        *(Conv2DTranspose(64, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2DTranspose(1, 5, strides=2), Tanh()),
    ]


def e3_generator(features=128):
    """E3, and E7 on Fashion-MNIST: E2 with UpSampling2D and Conv2D in place of each transposed convolution."""
    return [
        *(Dense(7 * 7 * features), LeakyReLU(0.3), Reshape((7, 7, features))),
        *(UpSampling2D(2), Conv2D(64, 5), LeakyReLU(0.3)),
        *(UpSampling2D(2), Conv2D(1, 5), Tanh()),
    ]


def e2_discriminator():
    """E2, E3 and E7: convolutions 32 s2, 64 s2, LeakyReLU .3; one logit."""
    return [
        *(Conv2D(32, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2D(64, 5, strides=2), LeakyReLU(0.3)),
        *(Flatten(), Dense(1)),
    ]


def e8_upsampling_generator():
    """E8's generator in the manner of E3."""
    return [
        *(Dense(4 * 4 * 256), LeakyReLU(0.3), Reshape((4, 4, 256))),
        *(UpSampling2D(2), Conv2D(128, 5), LeakyReLU(0.3)),
        *(UpSampling2D(2), Conv2D(64, 5), LeakyReLU(0.3)),
        *(UpSampling2D(2), Conv2D(3, 5), Tanh()),
    ]


def e8_generator():
    """E8, CIFAR-10: three transposed convolutions, 4 -> 8 -> 16 -> 32 pixels."""
    return [
        *(Dense(4 * 4 * 256), LeakyReLU(0.3), Reshape((4, 4, 256))),
        *(Conv2DTranspose(128, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2DTranspose(64, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2DTranspose(3, 5, strides=2), Tanh()),
    ]


def e8_discriminator():
    """E8: one layer deeper than E2's."""
    return [
        *(Conv2D(32, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2D(64, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2D(128, 5, strides=2), LeakyReLU(0.3)),
        *(Flatten(), Dense(1)),
    ]


def b10_generator(filters=(8, 16, 32)):
    """B10: Dense 784 as an image, three convolutions 3 x 3, one channel of tanh; B12: filters 16, 32, 64."""
    convolutions = [layer for number in filters for layer in (Conv2D(number, 3), LeakyReLU())]
    return [Dense(784), LeakyReLU(), Reshape((28, 28, 1)), *convolutions, Conv2D(1, 3), Tanh()]


def b10_discriminator():
    """B10 and B12: B0's discriminator with Dropout .3."""
    return mlp_discriminator((1024, 512, 256, 128), dropout=0.3)
