"""Generative adversarial networks: two networks against each other."""

from minigan.gan import latent, objectives
from minigan.gan.gan import GAN

__all__ = ["GAN", "latent", "objectives"]
