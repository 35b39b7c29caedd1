"""Data sets by name: `load` finds the files of one, has them downloaded where need be, and checks them."""

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from minigan.data import (
    array_files,
    arrays,
    cifar,
    download,
    folder,
    idx,
    idx_pairs,
    reading,
    resizing,
    sources,
    stacked,
    svhn,
)
from minigan.errors import DataError, OptionError
from minigan.files import as_path
from minigan.hints import PathLike, Size
from minigan.ops.convolution.windows import pair
from minigan.options import hint, is_integer, plain_value, require_array, require_text, shown

SPLITS = ("train", "test")
DIGITS_PATH = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """The images of one split of a data set. The arrays that `load` gives are read-only: copy them to change them.

    images   uint8 (n, h, w, c), 0 black to 255 white; c is 1 for grey images, 3 for red, green and blue
    labels   integers (n,), indices into `classes`, or None
    classes  the names of the classes
    options  what `load` was told besides name, directory and split: image_size=(64, 64) ...
    Errors   OptionError, DtypeError, ShapeError, DataError where these do not fit one another
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        require_text("Dataset", name=self.name, split=self.split)
        require_array("Dataset", 4, "uint8", images=self.images)
        if self.images.dtype != np.uint8 or self.images.size == 0:
            raise DataError(
                f"Dataset: expected images as bytes (uint8) of shape (n, h, w, c), got {shown(self.images)}. Floats in "
                '[-1, 1] become bytes by ((images + 1) * 127.5).round().astype("uint8").'
            )
        if not isinstance(self.classes, tuple) or not all(isinstance(name, str) for name in self.classes):
            raise OptionError(f"Dataset: expected classes as a tuple of names, got {shown(self.classes)}.")
        if not isinstance(self.options, dict):
            raise OptionError(f"Dataset: expected options as a dict, got {shown(self.options)}.")
        if self.labels is None:
            return
        require_array("Dataset", 1, "int64", labels=self.labels)
        if len(self.labels) != len(self.images) or self.labels.dtype.kind not in "iu":
            raise DataError(
                f"Dataset: expected a whole number as the label of each of the {len(self.images):,} images, got "
                f"{shown(self.labels)}."
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise DataError(
                f"Dataset: expected labels that count from 0, with a name in classes for each, got labels from {low} "
                f"to {high} and {len(self.classes)} names. data.from_arrays(images, labels) names any labels."
            )

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        return f"Dataset({self.name!r}, split={self.split!r}, images {self.images.dtype} {self.images.shape})"


def load(
    name: str,
    directory: PathLike | None = None,
    split: str = "train",
    image_size: Size | None = None,
    channels: int | None = None,
    **options: Any,
) -> Dataset:
    """Return the data set `name` (one of NAMES), split "train" or "test".

    digits                10,000 training digits of MNIST, 1,000 of each class, built in
    mnist, fashion-mnist  grey images of 28 x 28 pixels in four idx files
    cifar10               colour images of 32 x 32 pixels, the binary version: cifar-10-batches-bin or its .tar.gz
    svhn                  colour images of 32 x 32 pixels in train_32x32.mat and test_32x32.mat; needs SciPy, that is
                          pip install "minigan[svhn]"; the labels are None where the file has none
    stacked-digits        128,000 colour images of 28 x 28 pixels: three of the built-in digits, one in each channel, so
                          there are 1,000 classes, 000 to 999; for counting modes: docs/conditional.md
    stacked-mnist         the same from "mnist"; 26,000 images in its split "test"
    folder                your own pictures in `directory` and its subfolders: PNG, JPEG, BMP, GIF, WebP, TIFF. The
                          names of two or more subfolders become the labels: docs/own_images.md
    idx                   any other pair of files in the format of MNIST, such as EMNIST, KMNIST, QMNIST: the folder, or
                          the file of the images
    array                 a .npz or .npy file with images (n, h, w) or (n, h, w, c), and in .npz also labels

    MNIST, Fashion-MNIST, CIFAR-10 and SVHN are read from `directory`, a folder with the official files; without one
    from the cache folder, into which missing files are downloaded. A folder with only a part of "cifar10" or "svhn" is
    used as it is, with a PartialDataWarning that says how many images it holds.
    image_size  64 or (height, width): each image is shrunk until it just covers this, and its middle is cut out
    channels    1 for grey, 3 for colour; by default as the images are, in a folder as most of them are
    options     of "folder": background="white" or "black", behind transparent pictures; skip_broken=True: leave out
                pictures that cannot be read, with a warning, instead of an error
                of "idx": transpose=True or False: swap rows and columns; by default for EMNIST, which lies on its side
                of "array": value_range=(0, 1): the numbers that stand for black and white, if they are no bytes
    Errors      OptionError for an unknown name or option; DataError where a file is missing, damaged or not what its
                name says; TooLargeError for more images than the memory can hold
    """
    _check_choice("data set", name, NAMES)
    _check_choice("split", split, SPLITS)
    _check_options(name, options)
    if image_size is not None:
        image_size = pair("load", "image_size", image_size)
    if channels is not None and not (is_integer(channels) and channels in (1, 3)):
        raise OptionError(f"load: expected channels as 1 (grey) or 3 (colour), got {shown(channels)}.")
    view = {"image_size": image_size, "channels": None if channels is None else int(channels)}
    view = {option: value for option, value in view.items() if value is not None}
    directory = None if directory is None else as_path(directory)
    if name == folder.NAME:
        loaded = LOADERS[name](directory, split, **view, **options)
    else:
        loaded = resizing.resized(LOADERS[name](directory, split, **options), **view)
    return replace(loaded, options={**view, **{option: plain_value(value) for option, value in options.items()}})


def from_arrays(
    images: np.ndarray,
    labels: np.ndarray | None = None,
    classes: Sequence[str] | None = None,
    value_range: Sequence[float] | None = None,
    name: str = "array",
) -> Dataset:
    """Return your own arrays as a Dataset.

    images       (n, h, w) or (n, h, w, c) with 1 or 3 channels: whole numbers 0 to 255, or numbers in value_range
    labels       (n,): whole numbers or texts. They are counted from 0, in sorted order
    classes      the names of the classes; then the labels already are places in this list
    value_range  (low, high): the numbers that stand for black and white
    Errors       DtypeError, ShapeError, DataError, OptionError; they say how to convert what cannot be used
    """
    name = require_text("from_arrays", name=name)
    owner = f"data set {name!r}"
    images = arrays.images_of(images, value_range, owner)
    labels, classes = arrays.labels_of(labels, len(images), classes, owner)
    return Dataset(name, "train", images, labels, classes)


def _check_options(name, options):
    known = OPTIONS.get(name, ())
    for option in options:
        if option not in known:
            among = f"{', '.join(known)}" if known else "only image_size and channels"
            raise OptionError(f'load: the data set "{name}" has no option {option!r}: {among}.{hint(option, known)}')


def _check_choice(what, value, choices):
    if not isinstance(value, str) or value not in choices:
        expected = ", ".join(map(repr, choices))
        raise OptionError(f"unknown {what} {shown(value)}: expected one of {expected}.{hint(value, choices)}")


def _load_digits(directory, split):
    if split != "train":
        raise DataError(f'data set "digits" has only the split "train", not {split!r}. Load "mnist" for test digits.')
    if directory is not None:
        raise OptionError(
            'data set "digits" is built in and read from no directory. Leave directory (--data-dir) out, or say which '
            'data set is there: "mnist", "folder" for pictures of your own, "array" for a .npy or .npz file '
            "(--dataset NAME)."
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


def _load_own(name, read, directory, split, **options):
    images, labels, classes, notices = read(directory, split, **options)
    for notice in notices:
        warnings.warn(notice, stacklevel=3)
    return _read_only(Dataset(name, split, images, labels, classes))


def _load_arrays(directory, split, value_range=None):
    images, labels, classes, others = array_files.load(directory, split)
    owner = f"data set {array_files.NAME!r}"
    images = arrays.images_of(images, value_range, owner)
    labels, classes = arrays.labels_of(labels, len(images), classes, owner, others)
    return _read_only(Dataset(array_files.NAME, split, images, labels, classes))


def _read_only(dataset):
    dataset.images.flags.writeable = False
    if dataset.labels is not None:
        dataset.labels.flags.writeable = False
    return dataset


def _load_stacked(name, directory, split):
    digits = load(stacked.SOURCES[name], directory, split)
    images, labels = stacked.stack(name, digits.images, digits.labels, split)
    return _read_only(Dataset(name, split, images, labels, stacked.CLASSES))


# One loader a data set, called by `load` as loader(directory, split).
LOADERS = {
    "digits": _load_digits,
    **{name: partial(_load_idx_set, name) for name in sources.IDX_SETS},
    cifar.NAME: partial(_load_color, cifar.NAME, cifar.load, sources.CIFAR10.classes),
    svhn.NAME: partial(_load_color, svhn.NAME, svhn.load, sources.SVHN.classes),
    **{name: partial(_load_stacked, name) for name in stacked.SOURCES},
    folder.NAME: partial(_load_own, folder.NAME, folder.load),
    idx_pairs.NAME: partial(_load_own, idx_pairs.NAME, idx_pairs.load),
    array_files.NAME: _load_arrays,
}
NAMES = tuple(LOADERS)
OPTIONS = {
    module.NAME: module.OPTIONS for module in (folder, idx_pairs, array_files)
}  # besides image_size and channels
OPTION_NAMES = frozenset(("image_size", "channels")).union(*OPTIONS.values())
