"""Arrays as data sets: from NumPy's .npy and .npz files, and in a program. No pickle is ever read."""

import os
import zipfile
from pathlib import Path

import numpy as np

from minigan.data import reading
from minigan.errors import DataError, OptionError, TooLargeError
from minigan.files import printable
from minigan.memory import require_room
from minigan.options import shown

NAME = "array"
OPTIONS = ("value_range",)
# names in .npz files, the likeliest first; Keras and MedMNIST keep both splits in one file
IMAGES = {"train": ("images", "train_images", "x_train", "imgs", "x", "arr_0"), "test": ("test_images", "x_test")}
LABELS = {"train": ("labels", "train_labels", "y_train", "y", "arr_1"), "test": ("test_labels", "y_test")}
CLASSES = ("classes",)
HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def load(directory, split):
    """Return (images, labels, classes, the labels of the other split) of a .npz or .npy file, as they stand there.

    What it does not have is None.
    """
    if directory is None:
        raise OptionError('data set "array": give the .npz or .npy file: directory="photos.npz" (--data-dir).')
    path = Path(directory).expanduser()
    if not os.path.isfile(path):
        raise DataError(f"array: {printable(path)} is no file. Give a .npz or .npy file: --data-dir photos.npz.")
    if path.suffix == ".npy":
        if split != "train":
            raise DataError(f'{path}: a .npy file has only the split "train". A .npz file can hold x_test, too.')
        with open(path, "rb") as file:
            return checked(path, read_array, file, os.path.getsize(path), path), None, None, None
    with checked(path, zipfile.ZipFile, path) as archive:
        return from_archive(path, archive, split)


def from_archive(path, archive, split):
    """Do the work of `load` for an open .npz file."""
    entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}

    def read(names):
        by_lower = {name.lower(): name for name in entries}
        name = next((by_lower[name] for name in names if name in by_lower), None)
        if name is None:
            return None
        where = f"{path}: {printable(name)}"
        with checked(where, archive.open, entries[name]) as file:
            return checked(where, read_array, file, entries[name].file_size, where)

    images = read(IMAGES[split])
    if images is None and split == "train" and len(entries) == 1:
        images = read([next(iter(entries)).lower()])
    if images is None:
        raise DataError(
            f"{path}: no images of the split {split!r}: expected an array of the name {' or '.join(IMAGES[split])}. It "
            f"holds {reading.some(entries)}. Save it by numpy.savez(path, images=images, labels=labels)."
        )
    classes = read(CLASSES)
    if classes is not None and classes.shape != (0,) and (classes.ndim != 1 or classes.dtype.kind != "U"):
        raise DataError(
            f"{path}: expected classes as a list of texts, the names of the classes, got {shown(classes)}. Save it by "
            'numpy.savez(path, images=images, labels=labels, classes=["cat", "dog"]).'
        )
    return images, read(LABELS[split]), None if classes is None else classes.tolist(), other_labels(read, split)


def other_labels(read, split):
    """Return the labels of the other split; None if it has none, or none that `load` would take for that split."""
    try:
        labels = read(LABELS[reading.OTHER[split]])
    except (DataError, TooLargeError):
        return None
    return labels if labels is not None and labels.dtype.kind in "iuU" and labels.shape[1:] in ((), (1,)) else None


def checked(where, read, *arguments):
    """Call a function that reads; whatever a damaged file raises becomes a DataError."""
    try:
        return read(*arguments)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # on damaged files zipfile and NumPy raise errors of many classes
        raise DataError(
            f"{printable(where)}: damaged, or no file of NumPy ({type(error).__name__}: {printable(error)[:200]}). "
            "Save the arrays again by numpy.savez(path, images=images, labels=labels)."
        ) from error


def read_array(file, size, where):
    """Return the array in an open .npy file of `size` bytes; before it is read, its header is compared with that."""
    shape, _, dtype = HEADERS[np.lib.format.read_magic(file)](file)
    if dtype.hasobject or dtype.kind not in "biufU":
        raise DataError(f"{printable(where)}: holds objects or records, which are not read. Save numbers, or texts.")
    promised = file.tell() + dtype.itemsize * int(np.prod(shape, dtype=object))
    if promised != size:
        raise DataError(f"{printable(where)}: expected {promised:,} bytes, as its header says, got {size:,}.")
    require_room(printable(where), f"an array of {dtype} of shape {shape}", promised)
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)
