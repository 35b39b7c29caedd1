"""Fully connected networks of any widths: reports A, B and the MLPs of report D."""

from collections.abc import Callable, Sequence

from minigan.errors import OptionError
from minigan.hints import Shape
from minigan.initializers import Initializer
from minigan.layers import BatchNorm, Dense, Dropout, Flatten, Layer, LeakyReLU, Reshape, Tanh
from minigan.models.sizes import image_sizes, require_counts
from minigan.options import require_flag, require_share, shown


def mlp_generator(
    widths: Sequence[int],
    image_shape: Shape = (28, 28, 1),
    activation: Callable[[], Layer] = LeakyReLU,
    batch_norm: bool = False,
    dropout: float = 0,
    first: Initializer | None = None,
    initializer: Initializer | None = None,
) -> list[Layer]:
    """Return latent -> Dense widths[0] -> ... -> Dense(pixels) -> tanh -> image.

    Each hidden Dense has an activation behind it. `batch_norm` puts a BatchNorm between the two, `dropout` a Dropout
    after the activation. `initializer` draws the weights of every Dense; if `first` is given, it draws those of the
    first one.
    """
    height, width, channels = image_sizes("mlp_generator", image_shape)
    return [
        *hidden_layers("mlp_generator", widths, activation, batch_norm, dropout, first, initializer),
        Dense(height * width * channels, initializer=initializer),
        Tanh(),
        Reshape(image_shape),
    ]


def mlp_discriminator(
    widths: Sequence[int],
    activation: Callable[[], Layer] = LeakyReLU,
    dropout: float = 0,
    first: Initializer | None = None,
    initializer: Initializer | None = None,
) -> list[Layer]:
    """Return image -> Flatten -> Dense widths[0] -> ... -> one logit; the options are those of mlp_generator."""
    return [
        Flatten(),
        *hidden_layers("mlp_discriminator", widths, activation, False, dropout, first, initializer),
        Dense(1, initializer=initializer),
    ]


def hidden_layers(owner, widths, activation, batch_norm, dropout, first, initializer):
    """Return for each width: Dense, BatchNorm if wanted, the activation, Dropout if wanted."""
    widths, batch_norm = require_counts(owner, widths=widths), require_flag(owner, batch_norm=batch_norm)
    dropout = require_share(owner, dropout=dropout)
    try:
        made = activation()
    except TypeError:  # not callable, or not without arguments
        made = None
    if not isinstance(made, Layer):
        raise OptionError(f"{owner}: expected activation as a class of layers, such as ReLU, got {shown(activation)}.")
    layers = []
    for width in widths:
        # the shift of BatchNorm takes the place of the bias, which it would subtract again
        own = initializer if layers or first is None else first
        layers.append(Dense(width, use_bias=not batch_norm, initializer=own))
        if batch_norm:
            layers.append(BatchNorm())
        layers.append(activation())
        if dropout:
            layers.append(Dropout(dropout))
    return layers
