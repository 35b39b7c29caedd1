"""Reading any pair of idx files as a data set: images-idx3-ubyte with labels-idx1-ubyte, gzipped or not.

So EMNIST, KMNIST, QMNIST and whatever else has the format of MNIST can be read under its own file names.
"""

import math
import os
import re
from pathlib import Path

import numpy as np

from minigan.data import reading
from minigan.data.arrays import numbered
from minigan.data.completeness import PartialDataWarning
from minigan.errors import DataError, OptionError, TooLargeError
from minigan.files import printable
from minigan.memory import require_room
from minigan.options import require_flag

NAME = "idx"
OPTIONS = ("transpose",)
IMAGES_NAME = re.compile(r".*[.-]idx[34]-ubyte(\.gz)?", re.IGNORECASE)
SPLIT_WORDS = {"train": ("train",), "test": ("test", "t10k")}
TYPES = {0x08: np.dtype("uint8"), 0x0C: np.dtype(">i4")}  # by the third byte of the file
MOST_AXES = 4
ADVICE = "Get the file again."


def load(directory, split, transpose=None):
    """Return (images, labels, classes, warnings) of a pair of idx files.

    directory  the folder of the files, or the file of the images itself, if the folder has several
    transpose  swap rows and columns; None: for files whose names begin with emnist, which lie on their sides
    """
    if transpose is not None:
        transpose = require_flag(NAME, transpose=transpose)
    path = images_path(directory, split)
    images = read(path, (3, 4), "images")
    if images.ndim == 3:
        images = images[..., np.newaxis]
    if images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or images.size == 0:
        raise DataError(
            f"{path}: expected images of bytes (n, h, w) or (n, h, w, c), got {images.dtype} {images.shape}."
        )
    if transpose or (transpose is None and path.name.lower().startswith("emnist")):
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    labels_path, missing = labels_beside(path)
    if labels_path is None:
        text = f"{path}: used without labels, since {missing} is not beside it."
        return images, None, (), [PartialDataWarning(text)]
    labels = read_labels(labels_path)
    if len(labels) != len(images):
        raise DataError(f"{labels_path}: {len(labels):,} labels, but {path.name} has {len(images):,} images. {ADVICE}")
    labels, values = numbered(labels, other_labels(path, split))
    names = class_names(path)
    classes = tuple(names.get(value, str(value)) for value in values)
    return images, labels.astype(np.min_scalar_type(len(classes) - 1)), classes, []


def images_path(directory, split):
    """Return the path of the images of a split."""
    if directory is None:
        raise OptionError('data set "idx": give the folder of the idx files, or the file of the images: --data-dir.')
    place = Path(directory).expanduser()
    if os.path.isfile(place):
        return of_split(place, split)
    listing = reading.listing(place, "idx files")
    names = sorted(name for name in os.listdir(place) if IMAGES_NAME.fullmatch(name) and not name.startswith("."))
    names = [name for name in names if not (name.endswith(".gz") and name[:-3] in names)]  # packed and unpacked
    found = [name for name in names if split_of(name) == split]
    if not found and split == "train":
        found = [name for name in names if split_of(name) is None]
    if not found:
        raise DataError(
            f"idx: no images of the split {split!r} in the folder {printable(place)}: expected a file such as "
            f"{split}-images-idx3-ubyte.gz. It holds {listing}."
        )
    if len(found) > 1:
        raise DataError(
            f"idx: several files of images in the folder {printable(place)}: {reading.some(found)}. Give the one that "
            f"you want: --data-dir {printable(place / found[0])}"
        )
    return place / found[0]


def split_of(name):
    """Return the split that the name of a file speaks of, or None."""
    return next((split for split, words in SPLIT_WORDS.items() if any(word in name.lower() for word in words)), None)


def of_split(path, split):
    """Return the file itself, or the one beside it that holds the images of another split."""
    own = split_of(path.name) or "train"
    if own == split:
        return path
    for word in SPLIT_WORDS[own]:
        for other in SPLIT_WORDS[split]:
            twin = path.with_name(path.name.replace(word, other))
            if twin != path and os.path.isfile(twin):
                return twin
    raise DataError(f"idx: beside {printable(path)} there is no file of images of the split {split!r}.")


def labels_beside(path):
    """Return (the path of the labels that belong to a file of images, the name that was looked for first)."""
    name = path.name.removesuffix(".gz").replace("images", "labels")
    names = [re.sub("idx[34]-ubyte$", ending, name) for ending in ("idx1-ubyte", "idx2-int", "idx1-int")]
    candidates = [path.with_name(name + packed) for name in names for packed in (".gz", "")]
    found = [place for place in candidates if place != path and os.path.isfile(place)]
    return (found[0] if found else None), names[0]


def other_labels(path, split):
    """Return the labels of the other split beside a file of images; None if there are none that can be read."""
    for place in (path, path.parent):  # the file with a like name comes first: a folder can hold several sets
        try:
            labels_path, _ = labels_beside(images_path(place, reading.OTHER[split]))
            return None if labels_path is None else read_labels(labels_path)
        except (DataError, TooLargeError):
            continue
    return None


def read_labels(path):
    """Return the labels (n,) in an idx file."""
    labels = read(path, (1, 2), "labels")
    if labels.size == 0:
        raise DataError(f"{path}: expected a label for each image, got none. {ADVICE}")
    return labels if labels.ndim == 1 else labels[:, 0]  # QMNIST's tell more: the class comes first


def class_names(path):
    """Return {label: character} from EMNIST's file of that, where it is beside the images; else nothing."""
    mapping = path.with_name(re.split("-train|-test", path.name)[0] + "-mapping.txt")
    if not os.path.isfile(mapping):
        return {}
    rows = [line.split() for line in reading.read_at_most(mapping, 2**16).decode("ascii", "replace").splitlines()]
    if not all(len(row) >= 2 and all(number.isdigit() and int(number) < 2**16 for number in row) for row in rows):
        raise DataError(f"{mapping}: expected lines of a label and the code of its character, such as 1 65.")
    return {int(label): printable(chr(int(code))) for label, code, *_ in rows}


def read(path, axes, what):
    """Return the read-only array in an idx file; the header is checked before the rest is unpacked."""
    start = reading.read_at_most(path, 4 + 4 * MOST_AXES, ADVICE)
    kind, ndim = (start[2], start[3]) if len(start) >= 4 and start[:2] == b"\0\0" else (None, 0)
    if kind not in TYPES or ndim not in axes:
        raise DataError(
            f"{path}: expected an idx file of {what}, which begins with 0 0 8 {axes[0]}, got "
            f"{' '.join(map(str, start[:4])) or 'an empty file'}. {ADVICE}"
        )
    header = 4 + 4 * ndim
    shape = tuple(int.from_bytes(start[place : place + 4], "big") for place in range(4, header, 4))
    size = math.prod(shape) * TYPES[kind].itemsize
    require_room(str(path), f"the {what} that its header promises", size)
    content = reading.read_at_most(path, header + size + 1, ADVICE)
    if len(content) != header + size:
        more = "more" if len(content) > header + size else f"{len(content):,}"
        raise DataError(f"{path}: expected {header + size:,} bytes, as its header says, got {more}. {ADVICE}")
    return np.frombuffer(content, TYPES[kind], offset=header).reshape(shape)
