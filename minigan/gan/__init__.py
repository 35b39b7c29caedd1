"""Generative adversarial networks: two networks that train against each other."""

from minigan.gan import latent, objectives, penalties
from minigan.gan.gan import GAN

__all__ = ["GAN", "latent", "objectives", "penalties"]
