"""The networks of the experiments, as functions that return lists of layers; one family of networks a file.

Each family has a function for its generator and one for its discriminator, to be read beside the report that it comes
from. A generator takes the shape of the images that it has to make. The sizes in the comments are for 28 x 28 pixels.
Where a report does not say: kernels are 5 x 5, the slope of LeakyReLU is 0.2, layers are 128 units wide.
"""

from minigan.models.augmented import diff_augment
from minigan.models.conditional import (
    conditional_dcgan_discriminator,
    conditional_dcgan_generator,
    conditional_mlp_discriminator,
    conditional_mlp_generator,
)
from minigan.models.conv import (
    capped_conv_discriminator,
    capped_conv_generator,
    cifar_transposed_generator,
    cifar_upsampling_generator,
    conv_discriminator,
    dense_to_conv_generator,
    same_size_conv_generator,
    transposed_generator,
    upsampling_generator,
)
from minigan.models.dcgan import (
    dcgan_discriminator,
    dcgan_generator,
    small_dcgan_discriminator,
    small_dcgan_generator,
    small_spectral_discriminator,
    small_upsampling_generator,
)
from minigan.models.lstm import lstm_discriminator, lstm_generator
from minigan.models.mlp import mlp_discriminator, mlp_generator
from minigan.models.sized import sized_dcgan_discriminator, sized_dcgan_generator

__all__ = [
    "capped_conv_discriminator",
    "capped_conv_generator",
    "cifar_transposed_generator",
    "cifar_upsampling_generator",
    "conditional_dcgan_discriminator",
    "conditional_dcgan_generator",
    "conditional_mlp_discriminator",
    "conditional_mlp_generator",
    "conv_discriminator",
    "dcgan_discriminator",
    "dcgan_generator",
    "dense_to_conv_generator",
    "diff_augment",
    "lstm_discriminator",
    "lstm_generator",
    "mlp_discriminator",
    "mlp_generator",
    "same_size_conv_generator",
    "sized_dcgan_discriminator",
    "sized_dcgan_generator",
    "small_dcgan_discriminator",
    "small_dcgan_generator",
    "small_spectral_discriminator",
    "small_upsampling_generator",
    "transposed_generator",
    "upsampling_generator",
]
