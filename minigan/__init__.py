"""minigan: neural-network layers and GANs in plain NumPy/CuPy, every backward pass written by hand."""

import sys

try:
    from minigan import data, errors, initializers, layers, losses, optimizers
    from minigan.gan import GAN
    from minigan.network import Sequential
except KeyboardInterrupt:
    if "".join(sys.argv[:1]).endswith(("-m", "minigan")):  # a command is starting: it ends without a traceback
        sys.exit(130)
    raise

__version__ = "0.2.0"
__all__ = ["GAN", "Sequential", "data", "errors", "initializers", "layers", "losses", "optimizers"]
