"""Data sets by name: `load` finds the files of one, has them downloaded where need be, and checks them."""

import hashlib
import io
import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from minigan.data import cifar, download, idx, reading, sources, svhn
from minigan.errors import DataError, OptionError
from minigan.files import as_path
from minigan.hints import PathLike
from minigan.options import hint, require_array, require_text, shown

SPLITS = ("train", "test")
DIGITS_PATH = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """The images of one split of a data set. The arrays that `load` gives are read-only: copy them to change them.

    images   uint8 (n, h, w, c), 0 black to 255 white; c is 1 for grey images, 3 for red, green and blue
    labels   uint8 (n,), indices into `classes`, or None
    classes  the names of the classes
    Errors   OptionError, DtypeError, ShapeError, DataError where these do not fit one another
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple

    def __post_init__(self):
        require_text("Dataset", name=self.name, split=self.split)
        require_array("Dataset", 4, images=self.images)
        if self.images.dtype != np.uint8 or self.images.size == 0:
            raise DataError(
                f"Dataset: expected images as bytes (uint8) of shape (n, h, w, c), got {shown(self.images)}. Floats in "
                '[-1, 1] become bytes by ((images + 1) * 127.5).round().astype("uint8").'
            )
        if not isinstance(self.classes, tuple) or not all(isinstance(name, str) for name in self.classes):
            raise OptionError(f"Dataset: expected classes as a tuple of names, got {shown(self.classes)}.")
        if self.labels is None:
            return
        require_array("Dataset", 1, labels=self.labels)
        if len(self.labels) != len(self.images) or self.labels.dtype.kind not in "iu":
            raise DataError(
                f"Dataset: expected a whole number as the label of each of the {len(self.images):,} images, got "
                f"{shown(self.labels)}."
            )

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        return f"Dataset({self.name!r}, split={self.split!r}, images {self.images.dtype} {self.images.shape})"


def load(name: str, directory: PathLike | None = None, split: str = "train") -> Dataset:
    """Return the data set `name` (one of NAMES), split "train" or "test".

    digits                10,000 training digits of MNIST, 1,000 of each class, built in
    mnist, fashion-mnist  grey images of 28 x 28 pixels in four idx files
    cifar10               colour images of 32 x 32 pixels, the binary version: cifar-10-batches-bin or its .tar.gz
    svhn                  colour images of 32 x 32 pixels in train_32x32.mat and test_32x32.mat; needs SciPy, that is
                          pip install "minigan[svhn]"; the labels are None where the file has none

    All but "digits" are read from `directory`, a folder with the official files; without one from the cache folder,
    into which missing files are downloaded. A folder with only a part of "cifar10" or "svhn" is used as it is, with a
    PartialDataWarning that says how many images it holds.
    Errors: OptionError for an unknown name; DataError where a file is missing, damaged or not what its name says.
    """
    _check_choice("data set", name, NAMES)
    _check_choice("split", split, SPLITS)
    return LOADERS[name](None if directory is None else as_path(directory), split)


def _check_choice(what, value, choices):
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(map(repr, choices))
        raise OptionError(f"unknown {what} {shown(value)}: expected one of {expected}.{hint(value, choices)}")


def _load_digits(directory, split):
    if split != "train":
        raise DataError(f'data set "digits" has only the split "train", not {split!r}. Load "mnist" for test digits.')
    if directory is not None:
        raise OptionError(
            'data set "digits" is built in and read from no directory. Leave directory (--data-dir) out, or load '
            '"mnist" from it.'
        )
    with np.load(io.BytesIO(_read_digits_file()), allow_pickle=False) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    images.flags.writeable = labels.flags.writeable = False
    return Dataset("digits", split, images, labels, sources.DIGIT_CLASSES)


def _read_digits_file():
    try:
        content = DIGITS_PATH.read_bytes()
    except OSError as error:
        raise DataError(
            f"{DIGITS_PATH}: cannot be read: {error.strerror or error}. It is part of minigan: install minigan again."
        ) from error
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != sources.DIGITS_MD5:
        raise DataError(
            f"{DIGITS_PATH}: the built-in digits are damaged: {len(content)} bytes with MD5 {md5}, expected "
            f"{sources.DIGITS_MD5}. Install minigan again."
        )
    return content


def _load_idx_set(name, directory, split):
    idx_set = sources.IDX_SETS[name]
    files = idx_set.files[split]
    if directory is None:
        paths = _cached_paths(name, idx_set.mirrors, files)
    else:
        paths = _paths_in(name, Path(directory).expanduser(), files)
    images, labels = map(idx.read, paths, files)
    return Dataset(name, split, images[..., np.newaxis], labels, idx_set.classes)


def _cached_paths(name, mirrors, files):
    folder = download.cache_folder(name)
    return [idx.find(folder, file) or download.fetch(file.name + ".gz", file.gz_md5, mirrors, folder) for file in files]


def _paths_in(name, folder, files):
    paths = [idx.find(folder, file) for file in files]
    missing = [file.name + ".gz" for file, path in zip(files, paths, strict=True) if path is None]
    if missing:
        raise DataError(
            f"{name}: {' and '.join(missing)} missing in the folder {folder} (unpacked, without .gz, is fine too). "
            f"It holds {reading.listing(folder, 'idx files')}. Put the official files there, or leave directory "
            f"(--data-dir) out to have them downloaded."
        )
    return paths


def _load_color(name, read, classes, directory, split):
    images, labels, notices = read(directory, split)
    for notice in notices:
        warnings.warn(notice, stacklevel=3)  # points to the caller of `load`
    return Dataset(name, split, images, labels, classes)


# One loader a data set, called by `load` as loader(directory, split).
LOADERS = {
    "digits": _load_digits,
    **{name: partial(_load_idx_set, name) for name in sources.IDX_SETS},
    cifar.NAME: partial(_load_color, cifar.NAME, cifar.load, sources.CIFAR10.classes),
    svhn.NAME: partial(_load_color, svhn.NAME, svhn.load, sources.SVHN.classes),
}
NAMES = tuple(LOADERS)
