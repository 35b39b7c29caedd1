"""Networks in the file formats of other programs. docs/interop.md"""

from minigan.interop.keras_weights import from_keras, to_keras
from minigan.interop.torch_weights import from_torch, to_torch

__all__ = ["from_keras", "from_torch", "to_keras", "to_torch"]
