"""What a data set needs, from arrays as people have them: bytes with channels last, labels that count from 0."""

import numpy as np

from minigan.errors import DataError, DtypeError, OptionError, ShapeError
from minigan.options import require_range, shown

SLACK = 1e-3  # of the range: so far beyond it numbers may be, by rounding
AT_ONCE = 2**22  # numbers that are converted at once


def images_of(images, value_range=None, owner="array"):
    """Return images as bytes (n, h, w, c).

    images       (n, h, w) or (n, h, w, c): bytes, or other numbers
    value_range  (low, high): the numbers that stand for black and white; not needed for whole numbers 0 to 255
    """
    images = with_channels(images, owner)
    if value_range is not None:
        if not isinstance(value_range, (tuple, list)) or len(value_range) != 2:
            raise OptionError(
                f"{owner}: expected value_range as two numbers, black and white, got {shown(value_range)}."
            )
        value_range = require_range(owner, *value_range)
    elif images.dtype == bool:
        value_range = (0, 1)
    if images.dtype == np.uint8 and value_range is None:
        return images
    low, high = images.min(), images.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"{owner}: the images hold NaN or infinity. Repair or leave out these images.")
    if value_range is None:
        if images.dtype.kind in "iu" and low >= 0 and high <= 255:
            return images.astype(np.uint8)
        raise DataError(
            f"{owner}: the images are {images.dtype} from {low:.4g} to {high:.4g}. Say which numbers are black and "
            "white: value_range=(-1, 1) (--value-range=-1:1), (0, 1) or whatever they are."
        )
    black, white = value_range
    slack = SLACK * (white - black)
    if low < black - slack or high > white + slack:
        raise DataError(
            f"{owner}: value_range is ({black}, {white}), but the images go from {low:.4g} to {high:.4g}. Give the "
            "range that they really have."
        )
    return to_bytes(images, black, white)


def to_bytes(images, black, white):
    """Return numbers in [black, white] as bytes, some images at a time: they become float64 meanwhile."""
    found, step = np.empty(images.shape, np.uint8), max(1, AT_ONCE // images[0].size)
    for start in range(0, len(images), step):
        part = (images[start : start + step].astype("float64") - black) * (255 / (white - black))
        found[start : start + step] = part.clip(0, 255).round()
    return found


def with_channels(images, owner):
    """Return images (n, h, w, c) with one or three channels; the error says what to do with other arrays."""
    if not isinstance(images, np.ndarray) or images.dtype.kind not in "biuf":
        raise DtypeError(f"{owner}: expected images as a NumPy array of numbers, got {shown(images)}.")
    shape = images.shape
    if images.size == 0:
        raise DataError(f"{owner}: there are no images: got {shown(images)}.")
    if images.ndim == 3 and shape[2] not in (3, 4):
        return images[..., np.newaxis]
    if images.ndim == 4 and shape[3] in (1, 3):
        return images
    advice = "Expected (n, h, w), (n, h, w, 1) or (n, h, w, 3)."
    if images.ndim == 4 and shape[1] in (1, 3):
        advice = "The channels seem to come first. In minigan they come last: images.transpose(0, 2, 3, 1)."
    elif images.ndim == 4 and shape[3] == 4:
        advice = "The fourth channel seems to be transparency. Leave it out: images[..., :3]."
    elif images.ndim == 3:
        advice = "It seems to be a single image. Several are needed: numpy.stack(images)."
    elif images.ndim == 2:
        advice = "The images seem to be flat. Give them height and width: images.reshape(-1, 28, 28)."
    raise ShapeError(f"{owner}: images of shape {shape}. {advice}")


def labels_of(labels, count, classes=None, owner="array", others=None):
    """Return (labels that count from 0, the names of the classes), or (None, ()) without labels.

    labels     (n,) or (n, 1): whole numbers or texts
    classes    names: then the labels are already places in this list; None: every label that occurs is a class
    others     the labels of the other split, or None
    """
    if classes is not None and (not isinstance(classes, (list, tuple)) or not all(isinstance(c, str) for c in classes)):
        raise OptionError(f"{owner}: expected classes as a list of names, got {shown(classes)}.")
    if labels is None:
        return None, tuple(map(str, classes or ()))
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iuU" or labels.ndim not in (1, 2):
        raise DtypeError(f"{owner}: expected labels as an array of whole numbers or texts (n,), got {shown(labels)}.")
    if labels.ndim == 2 and labels.shape[1] != 1:
        raise ShapeError(
            f"{owner}: expected labels of shape (n,), got {labels.shape}. If a 1 marks the class in each row: "
            "labels.argmax(axis=1)."
        )
    labels = labels.reshape(-1)
    if len(labels) != count:
        raise DataError(f"{owner}: {len(labels):,} labels for {count:,} images. Each image needs one.")
    if classes is None:
        labels, values = numbered(labels, others)
        classes = [str(value) for value in values]
    elif labels.dtype.kind == "U" or labels.min() < 0 or labels.max() >= len(classes):
        raise DataError(f"{owner}: expected labels from 0 to {len(classes) - 1}, one for each of the classes.")
    return labels.astype(np.min_scalar_type(max(len(classes) - 1, 0))), tuple(map(str, classes))


def numbered(labels, others=None):
    """Return (labels that count from 0, their values in sorted order); `others`: the labels of the other split.

    A class has one number in both splits. So the values of both are counted, also where one of them lacks some.
    """
    found, places = np.unique(labels, return_inverse=True)
    values = set(found.tolist())
    if others is not None and (others.dtype.kind == "U") == (labels.dtype.kind == "U"):
        values.update(np.unique(others).tolist())
    values = sorted(values)
    numbers = {value: number for number, value in enumerate(values)}
    return np.array([numbers[value] for value in found.tolist()])[places], values
