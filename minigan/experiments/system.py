"""A system of the reports: what a named experiment says beyond its networks, and the GAN made of both."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from minigan.errors import OptionError
from minigan.gan import GAN, latent, objectives
from minigan.network import Sequential
from minigan.optimizers import Adam


@dataclass(frozen=True)
class System(ABC):
    """The recipe; its defaults are what the reports' systems have in common. A subclass gives the networks."""

    about: str
    latent: type = latent.Normal
    label_noise: bool = False
    g_lr: float = 2e-4
    d_lr: float = 2e-4
    batch_size: int = 128
    epochs: int = 10

    @abstractmethod
    def layers(self, image_shape):
        """(layers of the generator, layers of the discriminator) for images of a shape (h, w, c)"""


def make_gan(system, image_shape=(28, 28, 1), seed=0, device="cpu"):
    """The GAN of a System for images of a shape; `seed` decides over weights, dropout, latents and label noise."""
    if not isinstance(seed, int) or seed < 0:
        raise OptionError(f"seed: expected an integer of at least 0, got {seed!r}.")
    z = system.latent(100)
    g_layers, d_layers = system.layers(image_shape)
    generator = Sequential(g_layers, input_shape=(z.size,), seed=(seed, 0), device=device)
    discriminator = Sequential(d_layers, input_shape=image_shape, seed=(seed, 1), device=device)
    return GAN(
        generator,
        discriminator,
        latent=z,
        objective=objectives.NonSaturating(label_noise=system.label_noise),
        g_optimizer=Adam(generator, system.g_lr),
        d_optimizer=Adam(discriminator, system.d_lr),
        seed=(seed, 2),
    )
