"""What the parts of a GAN must be, so that they fit together."""

import math

from minigan.errors import OptionError, ShapeError
from minigan.gan.average import MovingAverage
from minigan.gan.latent import Latent
from minigan.gan.objectives import Objective
from minigan.gan.penalties import checked_penalties
from minigan.network import require_tangents
from minigan.optimizers import Optimizer
from minigan.options import require_count, require_instance, require_positive


def require_networks(generator, discriminator):
    """Raise ShapeError or OptionError unless the two networks of a GAN fit together."""
    require_order(generator, discriminator)
    latent_size(generator)
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
    require_same_classes(generator, discriminator)


def require_order(generator, discriminator):
    """Raise ShapeError if the networks would fit together only the other way round."""
    fits = generator.output_shape == discriminator.input_shape
    if not fits and generator.output_shape == (1,) and discriminator.output_shape == generator.input_shape:
        raise ShapeError(
            f"GAN: the networks seem to be exchanged: the second one makes images of shape {generator.input_shape}, "
            "and the first one takes them. The generator comes first: GAN(generator, discriminator)."
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


# the parts that can be replaced: what a GAN keeps of a value, if it fits the parts that are there


def checked_latent(gan, latent):
    """Return a latent that has as many numbers as the generator takes."""
    require_instance("GAN", Latent, "latent.Normal(100)", latent=latent)
    if gan.generator.input_shape != (latent.size,):
        raise ShapeError(
            f"GAN: the latents have {latent.size} numbers, but the generator takes {gan.generator.input_shape}. "
            f"Give the generator input_shape=({latent.size},)."
        )
    return latent


def checked_objective(gan, objective):
    """Return an objective that does not bound the slope of D if a penalty does."""
    require_instance("GAN", Objective, "objectives.Hinge()", objective=objective)
    require_one_bound(objective, vars(gan).get("penalties"))
    return objective


def penalties_for(gan, penalties):
    """Return penalties as a tuple; D must have tangents for them, and the objective must not bound its slope, too."""
    penalties = checked_penalties(penalties)
    if penalties:
        require_tangents(gan.discriminator)
    require_one_bound(gan.objective, penalties)
    return penalties


def require_one_bound(objective, penalties):
    """Raise OptionError if both an objective and a penalty bound the slope of D."""
    if penalties and getattr(objective, "clip", None) is not None:
        raise OptionError(
            f"GAN: {type(objective).__name__}(clip={objective.clip:g}) bounds the slope of D by clipping, and "
            f"{penalties[0]} does it by a penalty. Choose one: Wasserstein(clip=None), or no penalties."
        )


def checked_g_optimizer(gan, optimizer):
    """Return an optimizer that is made for the generator."""
    require_instance("GAN", Optimizer, "Adam(generator)", g_optimizer=optimizer)
    if optimizer.net is not gan.generator:
        raise OptionError("GAN: g_optimizer must be made for the generator: Adam(generator).")
    return optimizer


def checked_d_optimizer(gan, optimizer):
    """Return an optimizer that is made for the discriminator."""
    require_instance("GAN", Optimizer, "Adam(discriminator)", d_optimizer=optimizer)
    if optimizer.net is not gan.discriminator:
        raise OptionError("GAN: d_optimizer must be made for the discriminator: Adam(discriminator).")
    return optimizer


def checked_average(gan, average):
    """Return a moving average of the generator, or None."""
    if average is None:
        return None
    require_instance("GAN", MovingAverage, "MovingAverage(gan.generator, 0.998)", moving_average=average)
    if average.source is not gan.generator:
        raise OptionError("GAN: moving_average must be one of the generator: MovingAverage(gan.generator, 0.998).")
    return average


def checked_d_steps(gan, d_steps):
    return require_count("GAN", d_steps=d_steps)


def checked_accumulate(gan, accumulate):
    return require_count("GAN", accumulate=accumulate)


def checked_norm(gan, max_grad_norm):
    return None if max_grad_norm is None else require_positive("GAN", max_grad_norm=max_grad_norm)


CHECKS = {
    "latent": checked_latent,
    "objective": checked_objective,
    "penalties": penalties_for,
    "g_optimizer": checked_g_optimizer,
    "d_optimizer": checked_d_optimizer,
    "moving_average": checked_average,
    "d_steps": checked_d_steps,
    "accumulate": checked_accumulate,
    "max_grad_norm": checked_norm,
}
