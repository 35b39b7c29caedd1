"""The networks of the reports as lists of layers: MLPs of any widths first, then the convolutional ones by name.

A network has a function for its generator and one for its discriminator, to be read beside the report. Generators take
the shape of the images; the sizes in the comments are for 28 x 28 pixels, E8's for 32 x 32. Where a report names no
kernel size, it is 5 x 5; no slope of LeakyReLU, 0.2; no width, 128.
"""

import math

from minigan.layers import (
    LSTM,
    BatchNorm,
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


def c1_generator(image_shape=(28, 28, 1)):
    """C1: Dense to 7 x 7 x 256, transposed convolutions 128 s1, 64 s2, 1 s2 tanh; C2: from 8 x 8 to 3 channels."""
    height, width, channels = image_shape[0] // 4, image_shape[1] // 4, image_shape[2]
    return [
        *(Dense(height * width * 256, use_bias=False), BatchNorm(), LeakyReLU(), Reshape((height, width, 256))),
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


def d2_generator(image_shape=(28, 28, 1), kernel_size=5, strides=2, features=5, pooling=False):
    """D2: Dense, two transposed convolutions with 5 channels, capped by Dense; Dropout .5; D3: pooling between."""
    height, width = image_shape[0] // strides**2, image_shape[1] // strides**2
    return [
        *(Dense(height * width * features), LeakyReLU(), Dropout(0.5), Reshape((height, width, features))),
        *(Conv2DTranspose(features, kernel_size, strides), LeakyReLU(), Dropout(0.5), *pool(pooling)),
        *(Conv2DTranspose(features, kernel_size, strides), LeakyReLU(), Dropout(0.5)),
        *(Flatten(), Dense(math.prod(image_shape)), Tanh(), Reshape(image_shape)),
    ]


def d2_discriminator(kernel_size=5, strides=2, features=5, pooling=False):
    """D2: two convolutions with 5 channels, capped by Dense; Dropout .5; D3: pooling between the convolutions."""
    return [
        *(Conv2D(features, kernel_size, strides), LeakyReLU(), Dropout(0.5), *pool(pooling)),
        *(Conv2D(features, kernel_size, strides), LeakyReLU(), Dropout(0.5)),
        *(Flatten(), Dense(1)),
    ]


def pool(wanted):
    """D3's pooling: windows of 2 x 2 at every pixel."""
    return [MaxPool2D(2, strides=1, padding="same")] if wanted else []


def d4_generator(image_shape=(28, 28, 1), units=128):
    """D4: the latent as 10 steps of 10 numbers, two LSTM layers, capped by Dense; Dropout .5."""
    return [
        *(Reshape((10, 10)), LSTM(units, return_sequences=True), Dropout(0.5)),
        *(LSTM(units), Dropout(0.5), Dense(math.prod(image_shape)), Tanh(), Reshape(image_shape)),
    ]


def d4_discriminator(image_shape=(28, 28, 1), units=128):
    """D4: the image row by row, two LSTM layers, capped by Dense; Dropout .5."""
    height, width, channels = image_shape
    return [
        *(Reshape((height, width * channels)), LSTM(units, return_sequences=True), Dropout(0.5)),
        *(LSTM(units), Dropout(0.5), Dense(1)),
    ]


def e1_generator(image_shape=(28, 28, 1), width=128):
    """E1: four Dense layers, the last one an image of 64 channels; one convolution, tanh."""
    rows, columns, channels = image_shape
    hidden = [layer for _ in range(3) for layer in (Dense(width), LeakyReLU(0.3))]
    return [
        *hidden,
        *(Dense(rows * columns * 64), LeakyReLU(0.3), Reshape((rows, columns, 64))),
        *(Conv2D(channels, 5), Tanh()),
    ]


def e2_generator(image_shape=(28, 28, 1), features=128):
    """E2: Dense to 7 x 7 x F, two transposed convolutions s2, tanh."""
    height, width, channels = image_shape[0] // 4, image_shape[1] // 4, image_shape[2]
    return [
        *(Dense(height * width * features), LeakyReLU(0.3), Reshape((height, width, features))),
        *(Conv2DTranspose(64, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2DTranspose(channels, 5, strides=2), Tanh()),
    ]


def e3_generator(image_shape=(28, 28, 1), features=128):
    """E3, and E7 on Fashion-MNIST: E2 with UpSampling2D and Conv2D in place of each transposed convolution."""
    height, width, channels = image_shape[0] // 4, image_shape[1] // 4, image_shape[2]
    return [
        *(Dense(height * width * features), LeakyReLU(0.3), Reshape((height, width, features))),
        *(UpSampling2D(2), Conv2D(64, 5), LeakyReLU(0.3)),
        *(UpSampling2D(2), Conv2D(channels, 5), Tanh()),
    ]


def e2_discriminator(deeper=False):
    """E2, E3 and E7: convolutions 32 s2, 64 s2, LeakyReLU .3; one logit; E5 and E8 one layer deeper, 128 s2."""
    return [
        *(Conv2D(32, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2D(64, 5, strides=2), LeakyReLU(0.3)),
        *((Conv2D(128, 5, strides=2), LeakyReLU(0.3)) if deeper else ()),
        *(Flatten(), Dense(1)),
    ]


def e8_generator(image_shape=(32, 32, 3)):
    """E8, CIFAR-10: three transposed convolutions, 4 -> 8 -> 16 -> 32 pixels."""
    height, width, channels = image_shape[0] // 8, image_shape[1] // 8, image_shape[2]
    return [
        *(Dense(height * width * 256), LeakyReLU(0.3), Reshape((height, width, 256))),
        *(Conv2DTranspose(128, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2DTranspose(64, 5, strides=2), LeakyReLU(0.3)),
        *(Conv2DTranspose(channels, 5, strides=2), Tanh()),
    ]


def e8_upsampling_generator(image_shape=(32, 32, 3)):
    """E8's generator in the manner of E3."""
    height, width, channels = image_shape[0] // 8, image_shape[1] // 8, image_shape[2]
    return [
        *(Dense(height * width * 256), LeakyReLU(0.3), Reshape((height, width, 256))),
        *(UpSampling2D(2), Conv2D(128, 5), LeakyReLU(0.3)),
        *(UpSampling2D(2), Conv2D(64, 5), LeakyReLU(0.3)),
        *(UpSampling2D(2), Conv2D(channels, 5), Tanh()),
    ]


def b10_generator(image_shape=(28, 28, 1), filters=(8, 16, 32)):
    """B10: Dense 784 as an image, three convolutions 3 x 3, one channel of tanh; B12: filters 16, 32, 64."""
    height, width, channels = image_shape
    convolutions = [layer for number in filters for layer in (Conv2D(number, 3), LeakyReLU())]
    return [
        *(Dense(height * width), LeakyReLU(), Reshape((height, width, 1))),
        *(*convolutions, Conv2D(channels, 3), Tanh()),
    ]


def small_generator(image_shape=(28, 28, 1), upsampling=False):
    """minigan's own: E2, or E3 with `upsampling`, with BatchNorm as in C1, which learns in fewer steps."""
    height, width, channels = image_shape[0] // 4, image_shape[1] // 4, image_shape[2]

    def enlarge(filters, **options):
        return (
            (UpSampling2D(2), Conv2D(filters, 5, **options))
            if upsampling
            else (Conv2DTranspose(filters, 5, strides=2, **options),)
        )

    return [
        *(Dense(height * width * 128, use_bias=False), BatchNorm(), LeakyReLU(), Reshape((height, width, 128))),
        *(*enlarge(64, use_bias=False), BatchNorm(), LeakyReLU()),
        *(*enlarge(channels), Tanh()),
    ]


def small_discriminator():
    """minigan's own: E2's with Dropout .3."""
    return [
        *(Conv2D(32, 5, strides=2), LeakyReLU(), Dropout(0.3)),
        *(Conv2D(64, 5, strides=2), LeakyReLU(), Dropout(0.3)),
        *(Flatten(), Dense(1)),
    ]
