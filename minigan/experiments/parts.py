"""What the experiments are written with: networks as functions of the shape of an image."""

from functools import partial

from minigan import models
from minigan.optimizers import Adam


def adam(lr):
    """Return Adam at a rate of its own, as a function of the network it is for; beta1 is 0.5 in all reports."""
    return partial(Adam, lr=lr, beta1=0.5)


def mlp_generator(*widths, **options):
    """Return Dense layers of these widths, then the image; options as in models.mlp_generator"""
    return lambda image_shape: models.mlp_generator(widths, image_shape, **options)


def mlp_discriminator(*widths, **options):
    """Return Flatten, Dense layers of these widths, one logit; options as in models.mlp_discriminator"""
    return lambda image_shape: models.mlp_discriminator(widths, **options)


def for_any_image(discriminator, **options):
    """Return a discriminator that is the same for every shape of image"""
    return lambda image_shape: discriminator(**options)
