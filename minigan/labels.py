"""Labels, the classes of samples: one integer for each sample, from 0 to classes - 1."""

import numpy as np

from minigan import backend
from minigan.errors import DataError, DtypeError, OptionError, ShapeError
from minigan.options import is_count, is_integer, shown

GRID = 100  # samples of a picture with a row for each class


def checked_labels(owner, labels, n, classes, xp):
    """Return the labels of n samples as an array of int64 (n,) on the module `xp` that nobody changes.

    classes    how many classes there are, or None for any number
    Lists of integers will do. Labels on a GPU stay as they are, and are not read, since that would have to wait.
    Errors     DtypeError, ShapeError, DataError for labels that are no integers, not n, or not from 0 to classes - 1
    """
    whole = labels if backend.is_array(labels) else as_integers(labels)
    if whole is None or whole.dtype.kind not in "iu":
        call = 'labels.astype("int64")' if backend.is_array(labels) else 'numpy.asarray(labels, "int64")'
        raise DtypeError(
            f"{owner}: expected labels as an array of integers, the classes of the samples, got {shown(labels)}. "
            f"Convert whole numbers: {call}."
        )
    if whole.shape != (n,):
        rows = whole.ndim == 2 and whole.shape == (n, classes)
        advice = " If each row has a single 1: labels.argmax(axis=1)." if rows else ""
        raise ShapeError(f"{owner}: expected a label for each sample, ({n},), got {whole.shape}.{advice}")
    if isinstance(whole, np.ndarray):
        low, high = int(whole.min()), int(whole.max())
        if low < 0:
            raise DataError(f"{owner}: expected labels from 0 on, got {low}.")
        if classes is not None and high >= classes:
            raise DataError(
                f"{owner}: expected labels from 0 to {classes - 1}, got {low} to {high}. The network was built for "
                f"{classes} classes."
            )
        if whole.flags.writeable or whole.dtype != np.int64:
            whole = whole.astype("int64")
            whole.flags.writeable = False
    return backend.to_device(whole, xp).astype("int64", copy=False)


def as_integers(labels):
    """Return a list or tuple of integers as an array, or None for anything else."""
    if not isinstance(labels, (list, tuple)):
        return None
    try:
        return np.asarray(labels)
    except Exception:  # whatever NumPy makes nothing of, such as lists of several lengths
        return None


def require_classes(layer):
    """Raise OptionError if a layer takes labels, but does not say of how many classes."""
    if layer.takes_labels and not is_count(layer.classes):
        raise OptionError(
            f"{type(layer).__name__}: it takes labels, but does not say of how many classes. Set self.classes in "
            "__init__."
        )


def labels_for(layer, labels, where):
    """Return `labels` if they are given exactly where a layer or network takes labels. Errors: OptionError"""
    if layer.takes_labels and labels is None:
        raise OptionError(
            f"{where}: {layer.name} needs the labels of the samples. Give labels=..., an integer from 0 to "
            f"{layer.classes - 1} for each."
        )
    if labels is not None and not layer.takes_labels:
        raise OptionError(
            f"{where}: labels were given, but no layer takes them. Leave out labels, or put a layer into the network "
            "that takes them, such as ConcatenateLabel."
        )
    return labels


def labels_of_grid(classes):
    """Return (labels, columns) of a grid with a row for each class, up to GRID samples; (None, None) without classes.

    More than GRID classes do not fit: then there is one sample each of GRID classes, from the first to the last.
    """
    if classes is None:
        return None, None
    if classes > GRID:
        return np.linspace(0, classes - 1, GRID).astype("int64"), None
    columns = min(10, GRID // classes)
    return np.repeat(np.arange(classes), columns), columns


def labels_to_make(n, labels, classes):
    """Return a label for each of n samples: those given, one number for all, or by default the classes in turn."""
    if is_integer(labels):
        return [int(labels)] * n
    return np.arange(n) % classes if labels is None and classes is not None else labels
