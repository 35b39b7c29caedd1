"""Data sets of images: built-in digits, MNIST and Fashion-MNIST, checked, scaled and handed out in mini-batches."""

from minigan.data.batching import batches, scale
from minigan.data.dataset import NAMES, Dataset, load

__all__ = ["NAMES", "Dataset", "batches", "load", "scale"]
