"""The old name of `minigan.models`; it works for one release, with a warning."""

import warnings

from minigan import models

NEW_NAMES = {
    "c1_generator": "dcgan_generator",
    "c1_discriminator": "dcgan_discriminator",
    "d2_generator": "capped_conv_generator",
    "d2_discriminator": "capped_conv_discriminator",
    "d4_generator": "lstm_generator",
    "d4_discriminator": "lstm_discriminator",
    "e1_generator": "dense_to_conv_generator",
    "e2_generator": "transposed_generator",
    "e2_discriminator": "conv_discriminator",
    "e3_generator": "upsampling_generator",
    "e8_generator": "cifar_transposed_generator",
    "e8_upsampling_generator": "cifar_upsampling_generator",
    "b10_generator": "same_size_conv_generator",
    "small_discriminator": "small_dcgan_discriminator",
}

warnings.warn("minigan.gan.architectures is now minigan.models.", DeprecationWarning, stacklevel=2)


def small_generator(image_shape=(28, 28, 1), upsampling=False):
    """Return the layers of small_dcgan_generator, or of small_upsampling_generator with `upsampling`."""
    return models.small_upsampling_generator(image_shape) if upsampling else models.small_dcgan_generator(image_shape)


def __getattr__(name):
    return getattr(models, NEW_NAMES.get(name, name))
