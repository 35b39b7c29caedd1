"""What the experiments are written with: networks as functions of the shape of an image, and optimizers.

Networks and optimizers are partial functions (functools.partial). So their options can be read and changed:
minigan/experiments/variants.py.
"""

import inspect
from functools import partial

from minigan import models
from minigan.optimizers import Adam


def adam(lr, beta1=0.5, **options):
    """Return Adam at a rate of its own, as a function of the network it is for; beta1 is 0.5 in all reports."""
    return partial(Adam, lr=lr, beta1=beta1, **options)


def mlp_generator(*widths, **options):
    """Return Dense layers of these widths, then the image; options as in models.mlp_generator"""
    return partial(with_shape, models.mlp_generator, widths=widths, **options)


def mlp_discriminator(*widths, **options):
    """Return Flatten, Dense layers of these widths, one logit; options as in models.mlp_discriminator"""
    return for_any_image(models.mlp_discriminator, widths=widths, **options)


def for_any_image(discriminator, **options):
    """Return a discriminator that is the same for every shape of image"""
    return partial(without_shape, discriminator, **options)


def with_shape(network, image_shape, **options):
    return network(image_shape=image_shape, **options)


def without_shape(network, image_shape, **options):
    return network(**options)


def conditional(network, **options):
    """Return a network that takes labels, as a function of the shape of an image and the number of classes"""
    takes_shape = "image_shape" in inspect.signature(network).parameters
    return partial(with_shape_and_classes if takes_shape else with_classes, network, **options)


def with_shape_and_classes(network, image_shape, classes, **options):
    return network(image_shape=image_shape, classes=classes, **options)


def with_classes(network, image_shape, classes, **options):
    return network(classes=classes, **options)


def network_and_options(layers):
    """Return the function of minigan.models behind a network of an experiment, and the options that it gets."""
    if not isinstance(layers, partial):
        return layers, {}
    return (layers.args[0] if layers.args else layers.func), layers.keywords
