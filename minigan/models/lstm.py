"""Recurrent networks: report D's LSTM-GAN."""

import math

from minigan.hints import Shape
from minigan.layers import LSTM, Dense, Dropout, Reshape, Tanh
from minigan.layers.base import Layer
from minigan.models.sizes import image_sizes


def lstm_generator(image_shape: Shape = (28, 28, 1), units: int = 128, dropout: float = 0.5) -> list[Layer]:
    """Return D4's generator: a latent of 100 numbers, as 10 steps of 10; two LSTM layers, then Dense."""
    image_shape = image_sizes("lstm_generator", image_shape)
    return [
        Reshape((10, 10)),
        LSTM(units, return_sequences=True),
        Dropout(dropout),
        LSTM(units),
        Dropout(dropout),
        Dense(math.prod(image_shape)),
        Tanh(),
        Reshape(image_shape),
    ]


def lstm_discriminator(image_shape: Shape = (28, 28, 1), units: int = 128, dropout: float = 0.5) -> list[Layer]:
    """Return D4's discriminator: the image row by row, two LSTM layers, one logit."""
    height, width, channels = image_sizes("lstm_discriminator", image_shape)
    return [
        Reshape((height, width * channels)),
        LSTM(units, return_sequences=True),
        Dropout(dropout),
        LSTM(units),
        Dropout(dropout),
        Dense(1),
    ]
