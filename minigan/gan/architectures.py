"""The networks of the reports as lists of layers."""

from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU, Reshape, Tanh


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
