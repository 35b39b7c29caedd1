"""Networks that take labels: minigan's own MLP-GAN and DCGAN, with a class for each image."""

from collections.abc import Sequence

from minigan.hints import Shape
from minigan.initializers import Initializer
from minigan.layers import BatchNorm, ConcatenateLabel, ConditionalBatchNorm, Layer, Projection
from minigan.models.dcgan import small_dcgan_discriminator, small_dcgan_generator
from minigan.models.mlp import mlp_discriminator, mlp_generator
from minigan.models.sizes import image_sizes


def conditional_mlp_generator(
    widths: Sequence[int],
    classes: int,
    image_shape: Shape = (28, 28, 1),
    batch_norm: bool = True,
    first: Initializer | None = None,
) -> list[Layer]:
    """Return mlp_generator behind a ConcatenateLabel: latent and one-hot label -> image."""
    image_shape = image_sizes("conditional_mlp_generator", image_shape)
    return [ConcatenateLabel(classes), *mlp_generator(widths, image_shape, batch_norm=batch_norm, first=first)]


def conditional_mlp_discriminator(
    widths: Sequence[int], classes: int, dropout: float = 0, first: Initializer | None = None
) -> list[Layer]:
    """Return mlp_discriminator with a Projection as its last layer: image, label -> one logit."""
    return [*mlp_discriminator(widths, dropout=dropout, first=first)[:-1], Projection(classes)]


def conditional_dcgan_generator(classes: int, image_shape: Shape = (28, 28, 1)) -> list[Layer]:
    """Return small_dcgan_generator behind a ConcatenateLabel, with ConditionalBatchNorm in place of BatchNorm."""
    layers = small_dcgan_generator(image_sizes("conditional_dcgan_generator", image_shape))
    normalized = [ConditionalBatchNorm(classes) if isinstance(layer, BatchNorm) else layer for layer in layers]
    return [ConcatenateLabel(classes), *normalized]


def conditional_dcgan_discriminator(classes: int, dropout: float = 0) -> list[Layer]:
    """Return small_dcgan_discriminator with a Projection as its last layer: image, label -> one logit."""
    return [*small_dcgan_discriminator(dropout)[:-1], Projection(classes)]
