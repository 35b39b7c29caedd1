"""Data sets of images: digits (built in), MNIST, CIFAR-10 and others, your own; checked, scaled, in mini-batches."""

from minigan.data.batching import batches, labelled_batches, scale
from minigan.data.completeness import PartialDataWarning, UnofficialDataWarning
from minigan.data.dataset import NAMES, Dataset, from_arrays, load

__all__ = [
    "NAMES",
    "Dataset",
    "PartialDataWarning",
    "UnofficialDataWarning",
    "batches",
    "from_arrays",
    "labelled_batches",
    "load",
    "scale",
]
