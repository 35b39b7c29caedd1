"""Data sets by name: `load` finds the files of one, has them downloaded where need be, and checks every byte."""

import difflib
import hashlib
import io
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from minigan.data import download, idx, sources
from minigan.errors import DataError, OptionError

SPLITS = ("train", "test")
DIGITS_PATH = Path(__file__).with_name("digits.npz")


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """The images of one split of a data set. The arrays that `load` gives are read-only: copy them to change them.

    images   uint8 (n, h, w, c), 0 black to 255 white
    labels   uint8 (n,), indices into `classes`, or None
    classes  the names of the classes
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray | None
    classes: tuple

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        return f"Dataset({self.name!r}, split={self.split!r}, images {self.images.dtype} {self.images.shape})"


def load(name, directory=None, split="train"):
    """The data set `name` (one of NAMES), split "train" or "test".

    "digits" is built in: 10,000 training digits of MNIST, 1,000 of each class. The others are read from `directory`,
    a folder with the official files; without one from the cache folder, into which missing files are downloaded.
    Errors: OptionError for an unknown name; DataError where a file is missing, damaged or not what its name says.
    """
    _check_choice("data set", name, NAMES)
    _check_choice("split", split, SPLITS)
    return LOADERS[name](directory, split)


def _check_choice(what, value, choices):
    if value not in choices:
        near = difflib.get_close_matches(str(value).lower(), choices, cutoff=0.4)
        hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise OptionError(f"unknown {what} {value!r}: expected one of {', '.join(map(repr, choices))}.{hint}")


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
            f"{DIGITS_PATH}: cannot be read: {error.strerror or error}. It is part of minigan: install minigan anew."
        ) from error
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != sources.DIGITS_MD5:
        raise DataError(
            f"{DIGITS_PATH}: the built-in digits are damaged: {len(content)} bytes with MD5 {md5}, expected "
            f"{sources.DIGITS_MD5}. Install minigan anew."
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
            f"It holds {_listing(folder)}. Put the official files there, or leave directory (--data-dir) out to have "
            f"them downloaded."
        )
    return paths


def _listing(folder, most=10):
    try:
        names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    except OSError as error:
        raise DataError(
            f"cannot read the folder {folder}: {error.strerror or error}. Give an existing folder that holds the idx "
            f"files of the data set: directory= (--data-dir)."
        ) from error
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join(names[:most] + more) or "nothing"


# One loader a data set, called as loader(directory, split).
LOADERS = {"digits": _load_digits, **{name: partial(_load_idx_set, name) for name in sources.IDX_SETS}}
NAMES = tuple(LOADERS)
