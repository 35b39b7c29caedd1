"""minigan: neural-network layers and GANs in plain NumPy/CuPy, every backward pass written by hand."""

from minigan import data, errors, initializers, layers, losses, optimizers
from minigan.gan import GAN
from minigan.network import Sequential

__version__ = "0.2.0"
__all__ = ["GAN", "Sequential", "data", "errors", "initializers", "layers", "losses", "optimizers"]
