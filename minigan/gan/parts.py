"""What the parts of a GAN must be, so that they fit together."""

import math

from minigan.errors import OptionError, ShapeError
from minigan.gan.latent import Latent
from minigan.gan.objectives import Objective
from minigan.network import require_tangents
from minigan.optimizers import Optimizer
from minigan.options import require_instance


def require_fitting(gan):
    """Raise ShapeError or OptionError unless the parts of a GAN fit together."""
    generator, discriminator = gan.generator, gan.discriminator
    require_instance("GAN", Latent, "latent.Normal(100)", latent=gan.latent)
    require_instance("GAN", Objective, "objectives.Hinge()", objective=gan.objective)
    require_instance("GAN", Optimizer, "Adam(generator)", g_optimizer=gan.g_optimizer)
    require_instance("GAN", Optimizer, "Adam(discriminator)", d_optimizer=gan.d_optimizer)
    latent_size(generator)
    if generator.input_shape != (gan.latent.size,):
        raise ShapeError(
            f"GAN: the latents have {gan.latent.size} numbers, but the generator takes {generator.input_shape}. "
            f"Give the generator input_shape=({gan.latent.size},)."
        )
    if generator.output_shape != discriminator.input_shape:
        raise ShapeError(
            f"GAN: the generator makes images of shape {generator.output_shape}, but the discriminator takes "
            f"{discriminator.input_shape}. Both must be the same."
        )
    if discriminator.output_shape != (1,):
        raise ShapeError(
            f"GAN: expected a discriminator that ends in one logit, Dense(1), got {discriminator.output_shape}."
        )
    if (generator.dtype, generator.xp) != (discriminator.dtype, discriminator.xp):
        raise OptionError("GAN: generator and discriminator must have the same dtype and device.")
    if gan.g_optimizer.net is not generator or gan.d_optimizer.net is not discriminator:
        raise OptionError("GAN: g_optimizer must be made for the generator, d_optimizer for the discriminator.")
    require_same_classes(generator, discriminator)
    if gan.penalties:
        require_tangents(discriminator)
        if getattr(gan.objective, "clip", None) is not None:
            raise OptionError(
                f"GAN: {type(gan.objective).__name__}(clip={gan.objective.clip:g}) bounds the slope of D by "
                f"clipping, and {gan.penalties[0]} does it by a penalty. Choose one: Wasserstein(clip=None), or "
                "no penalties."
            )


def require_same_classes(generator, discriminator):
    """Raise OptionError unless both networks take labels of the same classes, or neither takes labels."""
    if generator.classes == discriminator.classes:
        return
    if generator.classes and discriminator.classes:
        raise OptionError(
            f"GAN: the generator takes labels of {generator.classes} classes, but the discriminator of "
            f"{discriminator.classes}. Both must be the same."
        )
    if generator.classes:
        raise OptionError(
            "GAN: the generator takes labels, but the discriminator does not, so it cannot see whether an image shows "
            "its class. Put ConcatenateLabel or Projection into the discriminator."
        )
    raise OptionError(
        "GAN: the discriminator takes labels, but the generator does not, so it cannot know which class to make. Put "
        "ConcatenateLabel or ConditionalBatchNorm into the generator."
    )


def latent_size(generator):
    """Return how many numbers a latent of this generator has."""
    shape = generator.input_shape
    if len(shape) != 1:
        size = math.prod(shape)
        raise ShapeError(
            f"GAN: expected a generator of latents (n, size), got one with input_shape={shape}. Give it "
            f"input_shape=({size},). If the first layer needs the other shape, start the generator with "
            f"Reshape({shape})."
        )
    return shape[0]
