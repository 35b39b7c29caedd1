"""The MLP GANs for 28 x 28 digits: those of the reports A and B, and "fast", the recipe that learns quickest here."""

from dataclasses import dataclass

import numpy as np

from minigan.errors import OptionError
from minigan.gan import GAN, latent, objectives
from minigan.gan.architectures import mlp_discriminator, mlp_generator
from minigan.initializers import RandomNormal
from minigan.layers import LeakyReLU, ReLU
from minigan.network import Sequential
from minigan.optimizers import Adam


@dataclass(frozen=True)
class MLPSystem:
    """One row of a report: hidden widths of both networks, and what differs from the common recipe."""

    generator: tuple
    discriminator: tuple
    about: str
    activation: type = LeakyReLU
    latent: type = latent.Normal
    first_stddev: float | None = None  # RandomNormal(stddev) for the first Dense of both networks
    g_dropout: float = 0
    d_dropout: float = 0
    g_batch_norm: bool = False
    label_noise: bool = False
    lr: float = 2e-4
    batch_size: int = 128
    epochs: int = 10


G3, D2 = (256, 512, 1024), (1024, 512)
G4, D4 = (128, 256, 512, 1024), (1024, 512, 256, 128)

SYSTEMS = {
    "fast": MLPSystem(
        G3, D2, "BatchNorm in G, a high rate", first_stddev=0.02, d_dropout=0.4, g_batch_norm=True, lr=5e-4, epochs=45
    ),
    "A1": MLPSystem((256,), (256,), "one hidden layer, ReLU, uniform z", activation=ReLU, latent=latent.Uniform),
    "A2": MLPSystem((256, 512), (256, 512), "LeakyReLU, one layer more", latent=latent.Uniform),
    "A3": MLPSystem(G3, D2, "wider", latent=latent.Uniform),
    "A4": MLPSystem(G3, D2, "normal z, RandomNormal, dropout in D", first_stddev=0.02, d_dropout=0.4),
    "A5": MLPSystem(G3, D2, "A4 with noisy labels", first_stddev=0.02, d_dropout=0.4, label_noise=True),
    "A6": MLPSystem(
        G3, (1024, 512, 256), "A5, D deeper", first_stddev=0.02, d_dropout=0.4, label_noise=True, epochs=100
    ),
    "B0": MLPSystem(G4, D4, "the base of report B", epochs=30),
    "B2": MLPSystem((128,) * 4, (128,) * 4, "B0, all widths 128", epochs=30),
    "B3": MLPSystem(G4, D4, "B0, dropout in G", g_dropout=0.4, epochs=30),
    "B4": MLPSystem(G4, D4, "B0, dropout in D", d_dropout=0.4, epochs=30),
    "B8": MLPSystem(G4, D4, "B0, BatchNorm in G", g_batch_norm=True, epochs=30),
    "B9": MLPSystem(G4, D4, "B0, uniform z", latent=latent.Uniform, epochs=30),
}


def make_gan(system, image_shape=(28, 28, 1), seed=0, device="cpu"):
    """The GAN of an MLPSystem for images of a shape; `seed` decides over weights, dropout and latents."""
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise OptionError(f"seed: expected an integer of at least 0, got {seed!r}.")
    first = RandomNormal(system.first_stddev) if system.first_stddev else None
    z = system.latent(100)
    generator = Sequential(
        mlp_generator(
            system.generator, image_shape, system.activation, system.g_batch_norm, system.g_dropout, first=first
        ),
        input_shape=(z.size,),
        seed=(seed, 0),
        device=device,
    )
    discriminator = Sequential(
        mlp_discriminator(system.discriminator, system.activation, system.d_dropout, first=first),
        input_shape=image_shape,
        seed=(seed, 1),
        device=device,
    )
    return GAN(
        generator,
        discriminator,
        latent=z,
        objective=objectives.NonSaturating(label_noise=system.label_noise),
        g_optimizer=Adam(generator, system.lr),
        d_optimizer=Adam(discriminator, system.lr),
        seed=(seed, 2),
    )
