"""The images that are judged: their checks, and how they become floats in [-1, 1] or rows of pixels."""

import numpy as np

from minigan import data
from minigan.backend import array_module, is_array, to_cpu
from minigan.errors import DataError, DtypeError, NonFiniteError, ShapeError
from minigan.options import require_array, shown

SLACK = 1e-3  # so far outside of [-1, 1] numbers may be, by rounding


def as_floats(images):
    """Return bytes 0 ... 255 as float32 in [-1, 1]; floats are returned as they are."""
    return data.scale(images) if images.dtype == np.uint8 else images


def pixel_rows(images):
    """Return images (n, h, w, c) as NumPy rows (n, h w c) of float64 in [-1, 1]."""
    return to_cpu(as_floats(images)).reshape(len(images), -1).astype("float64")


def check_images(owner, **arrays):
    """Raise an error unless the arrays are images, each (n, h, w, c) with n >= 1, bytes or finite floats."""
    for name, images in arrays.items():
        require_array(owner, 4, **{name: images})
        if images.size == 0:
            raise DataError(f"{owner}: expected at least one image as {name}, got {images.shape}.")
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise DtypeError(f"{owner}: expected {name} as bytes (uint8) or floats in [-1, 1], got {images.dtype}.")
        if images.dtype.kind == "f" and not bool(array_module(images).isfinite(images).all()):
            raise NonFiniteError(f"{owner}: {name} holds NaN or infinity.")


def check_samples(samples, image_shape, count):
    """Raise an error unless there are `count` images of `image_shape`: bytes, or finite floats in [-1, 1]."""
    if not is_array(samples) or samples.shape[1:] != image_shape:
        raise ShapeError(
            f"evaluate: expected samples of shape (n, {', '.join(map(str, image_shape))}), like the real images, got "
            f"{shown(samples)}."
        )
    if len(samples) < count:
        raise DataError(
            f"evaluate: expected at least {count:,} samples, got {len(samples):,}. The metrics depend on the number "
            f"of samples, so it must be the same for all: gan.sample({count}, seed=0)."
        )
    if samples.dtype == np.uint8:
        return
    if samples.dtype.kind != "f":
        raise DtypeError(f"evaluate: expected samples as uint8 (0..255) or floats in [-1, 1], got {samples.dtype}.")
    if not bool(array_module(samples).isfinite(samples).all()):
        raise NonFiniteError("evaluate: the samples hold NaN or infinity: the generator's training has diverged.")
    check_range("evaluate", samples=samples)


def check_range(owner, **arrays):
    """Raise DataError unless the images, each a non-empty array, are bytes or floats in [-1, 1]."""
    for name, images in arrays.items():
        if images.dtype == np.uint8:
            continue
        low, high = float(images.min()), float(images.max())
        # Images in [-1, 1] may have no value below 0, but then their darkest value is hardly exactly 0. Where it is, as
        # in the samples of a generator that makes grey alone, none of them is bright.
        if low < -1 - SLACK or high > 1 + SLACK or (0 <= low < 0.01 and high > 0.5):
            raise DataError(
                f"{owner}: expected {name} in [-1, 1], -1 black and 1 white; these go from {low:.4g} to {high:.4g}. "
                f"From [0, 1]: 2 * {name} - 1; from [0, 255]: {name} / 127.5 - 1."
            )
