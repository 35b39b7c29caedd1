"""minigan: neural-network layers and GANs in plain NumPy/CuPy, every backward pass written by hand."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minigan.analysis.microscope import microscope

try:
    from minigan import data, errors, initializers, layers, losses, optimizers
    from minigan.gan import GAN
    from minigan.network import Sequential
except KeyboardInterrupt:
    if "".join(sys.argv[:1]).endswith(("-m", "minigan")):  # a command is starting: it ends without a traceback
        sys.exit(130)
    raise

__version__ = "0.2.0"
__all__ = ["GAN", "Sequential", "data", "errors", "initializers", "layers", "losses", "microscope", "optimizers"]


def __getattr__(name):
    """Import the microscope when it is first used: few programs need it."""
    if name == "microscope":
        from minigan.analysis.microscope import microscope

        return microscope
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
