"""Networks that take labels: minigan's own MLP-GAN and DCGAN, with a class for each image."""

from collections.abc import Sequence

from minigan.hints import Shape
from minigan.initializers import Initializer
from minigan.layers import (
    ConcatenateLabel,
    ConditionalBatchNorm,
    Conv2DTranspose,
    Dense,
    Layer,
    LeakyReLU,
    Projection,
    Reshape,
    Tanh,
)
from minigan.models.dcgan import small_dcgan_discriminator
from minigan.models.mlp import mlp_discriminator, mlp_generator
from minigan.models.sizes import first_image


def conditional_mlp_generator(
    widths: Sequence[int],
    classes: int,
    image_shape: Shape = (28, 28, 1),
    batch_norm: bool = True,
    first: Initializer | None = None,
) -> list[Layer]:
    """Return mlp_generator behind a ConcatenateLabel: latent and one-hot label -> image."""
    return [ConcatenateLabel(classes), *mlp_generator(widths, image_shape, batch_norm=batch_norm, first=first)]


def conditional_mlp_discriminator(
    widths: Sequence[int], classes: int, dropout: float = 0, first: Initializer | None = None
) -> list[Layer]:
    """Return mlp_discriminator with a Projection as its last layer: image, label -> one logit."""
    return [*mlp_discriminator(widths, dropout=dropout, first=first)[:-1], Projection(classes)]


def conditional_dcgan_generator(classes: int, image_shape: Shape = (28, 28, 1)) -> list[Layer]:
    """Return small_dcgan_generator behind a ConcatenateLabel, with ConditionalBatchNorm in place of BatchNorm."""
    height, width, channels = first_image("conditional_dcgan_generator", image_shape, 4)
    return [
        ConcatenateLabel(classes),
        Dense(height * width * 128, use_bias=False),
        Reshape((height, width, 128)),
        ConditionalBatchNorm(classes),
        LeakyReLU(),
        Conv2DTranspose(64, 5, strides=2, use_bias=False),
        ConditionalBatchNorm(classes),
        LeakyReLU(),
        Conv2DTranspose(channels, 5, strides=2),
        Tanh(),
    ]


def conditional_dcgan_discriminator(classes: int, dropout: float = 0.3) -> list[Layer]:
    """Return small_dcgan_discriminator with a Projection as its last layer: image, label -> one logit."""
    return [*small_dcgan_discriminator(dropout)[:-1], Projection(classes)]
