"""An experiment: networks, data and recipe under a name, what a report claims of it, and the GAN made of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from minigan.errors import OptionError, ShapeError
from minigan.gan import GAN
from minigan.gan.latent import Latent, Normal
from minigan.gan.objectives import NonSaturating, Objective
from minigan.network import Sequential
from minigan.optimizers import Adam

NORMAL, NON_SATURATING, ADAM = Normal(100), NonSaturating(), partial(Adam, lr=2e-4, beta1=0.5)


@dataclass(frozen=True)
class Experiment:
    """Networks and their recipe; the defaults are what the reports have in common.

    generator, discriminator   functions of the shape of an image that give the lists of layers
    g_optimizer, d_optimizer   functions of a network that give its optimizer
    data_range                 the numbers that black and white become
    claim                      what the report says came of it
    aliases                    other names, which one can guess
    """

    name: str
    networks: str
    claim: str
    generator: Callable
    discriminator: Callable
    dataset: str = "mnist"
    epochs: int = 10
    batch_size: int = 128
    latent: Latent = NORMAL
    objective: Objective = NON_SATURATING
    g_optimizer: Callable = ADAM
    d_optimizer: Callable = ADAM
    d_steps: int = 1
    max_grad_norm: float | None = None
    data_range: tuple = (-1, 1)
    aliases: tuple = ()

    def but(self, name, **changes):
        """Return this experiment under another name, with something changed; its aliases stay behind."""
        return replace(self, name=name, **({"aliases": ()} | changes))

    @property
    def report(self):
        """The letter of the report; empty for minigan's own recipes."""
        return self.name[0] if self.name[0].isupper() else ""

    @property
    def image_shape(self):
        """Of its data set: (h, w, c)"""
        return (32, 32, 3) if self.dataset in ("cifar10", "svhn") else (28, 28, 1)

    def make_networks(self, image_shape, seed=0, device="cpu"):
        """(generator, discriminator) for images of a shape (h, w, c)"""
        parts = ((self.generator, (self.latent.size,)), (self.discriminator, image_shape))
        return tuple(
            Sequential(layers(image_shape), input_shape=shape, seed=(seed, i), device=device)
            for i, (layers, shape) in enumerate(parts)
        )

    def make_gan(self, image_shape=(28, 28, 1), seed=0, device="cpu"):
        """The GAN for images of a shape; `seed` decides over weights, dropout, latents and label noise.

        Errors     ShapeError where this experiment cannot make images of the shape, OptionError for the seed
        """
        if not isinstance(seed, int | np.integer) or seed < 0:
            raise OptionError(f"seed: expected an integer of at least 0, got {seed!r}.")
        generator, discriminator = self.make_networks(image_shape, seed, device)
        if generator.output_shape != tuple(image_shape):
            raise ShapeError(
                f"{self.name} makes images of {generator.output_shape}, the data set has {tuple(image_shape)}: its "
                "generator doubles the size from step to step. Choose another data set, or another experiment."
            )
        return GAN(
            generator,
            discriminator,
            latent=self.latent,
            objective=self.objective,
            g_optimizer=self.g_optimizer(generator),
            d_optimizer=self.d_optimizer(discriminator),
            d_steps=self.d_steps,
            max_grad_norm=self.max_grad_norm,
            seed=(seed, 2),
        )
