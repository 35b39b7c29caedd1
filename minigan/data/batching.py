"""Mini-batches: the images of one shuffled epoch, scaled to the range of the generator's output batch by batch."""

import warnings
from collections.abc import Iterator

import numpy as np

from minigan import backend
from minigan.errors import DataError, DtypeError, MisuseWarning, OptionError, ShapeError
from minigan.hints import Array, DType, Rng
from minigan.labels import checked_labels
from minigan.ops.gather import gather_scaled, scaled
from minigan.options import is_count, named_dtype, require_range, require_rng, shown


def scale(images: Array, low: float = -1, high: float = 1, dtype: DType = "float32") -> Array:
    """Return bytes 0..255 as numbers in [low, high] of the given dtype: low + (high - low) / 255 * images.

    Use the range of the generator's last layer: [-1, 1] for tanh, [0, 1] for the sigmoid.
    """
    dtype = _checked_dtype("scale", dtype)
    low, high = require_range("scale", low, high)
    if not backend.is_array(images) or images.dtype != np.uint8:
        raise DtypeError(
            f"scale: expected a uint8 array of values 0..255, got {_describe(images)}. Numbers that are already "
            'scaled need no scaling. Convert floats 0..255 to bytes by images.round().astype("uint8").'
        )
    return scaled(images, low, high, dtype)


def batches(
    images: Array, batch_size: int, rng: Rng, low: float = -1, high: float = 1, dtype: DType = "float32"
) -> Iterator[Array]:
    """Yield one epoch of mini-batches (batch_size, h, w, c): every image at most once, in random order.

    images  uint8 (n, h, w, c), scaled to [low, high] one batch at a time, or finite floats, handed out as they are
    rng     a numpy.random.Generator: from the same seed come the same batches, bit for bit

    Every batch is full: n mod batch_size images are left out, others in each epoch. So batch statistics and buffers
    keep one size. Options and data are checked at the call, not at the first batch.
    """
    return _epoch(*_checked(images, batch_size, rng, low, high, dtype))


def labelled_batches(
    images: Array,
    labels: Array,
    batch_size: int,
    rng: Rng,
    low: float = -1,
    high: float = 1,
    dtype: DType = "float32",
) -> Iterator[tuple[Array, Array]]:
    """Yield one epoch of pairs, a batch of images as from `batches` and their labels (batch_size,).

    labels  the class of each image, integers (n,); they stay on the CPU, where minigan checks them
    The same rng gives the images in the same order as `batches`.
    """
    checked = _checked(images, batch_size, rng, low, high, dtype)
    _, order, size, *_ = checked
    labels = checked_labels("labelled_batches", backend.to_cpu(labels), len(images), None, np)[order]
    return zip(_epoch(*checked), (labels[start : start + size] for start in range(0, len(order), size)), strict=False)


def _checked(images, batch_size, rng, low, high, dtype):
    """Return (images, order, batch_size, low, high, dtype), checked; the order is drawn."""
    dtype = _checked_dtype("batches", dtype)
    low, high = require_range("batches", low, high)
    _check_images(images)
    _check_batch_size(batch_size, len(images))
    require_rng("batches", rng)
    _tell_of_dark_bytes(images)
    # drawn by NumPy for images on a GPU too: one seed, one order, on every device
    return images, rng.permutation(len(images)), int(batch_size), low, high, dtype


def _epoch(images, order, batch_size, low, high, dtype):
    order = backend.to_device(order, backend.array_module(images))
    for start in range(0, len(order) - batch_size + 1, batch_size):
        chosen = order[start : start + batch_size]
        if images.dtype == np.uint8:
            yield gather_scaled(images, chosen, low, high, dtype)
        else:
            yield images[chosen].astype(dtype, copy=False)


def _tell_of_dark_bytes(images):
    """Warn of bytes that are 0 and 1 alone: floats in [0, 1] that were made whole numbers."""
    on_cpu = not backend.reading_waits(backend.array_module(images))
    if on_cpu and images.dtype == np.uint8 and images.max() == 1:
        warnings.warn(
            "batches: all bytes are 0 or 1, of 0 to 255, so the images are nearly black. Were they floats in [0, "
            '1]? Convert floats to bytes by (images * 255).round().astype("uint8").',
            MisuseWarning,
            stacklevel=4,
        )


def _checked_dtype(where, dtype):
    named = named_dtype(dtype)
    if named is None or named.kind != "f":
        raise DtypeError(f'{where}: expected a floating-point dtype such as "float32", got {shown(dtype)}.')
    return named


def _check_images(images):
    if not backend.is_array(images) or images.ndim != 4:
        raise ShapeError(
            f"batches: expected an array of images (n, h, w, c), got {_describe(images)}. Pass the .images of a "
            "Dataset; give grey images (n, h, w) a channel axis by images[..., np.newaxis]."
        )
    if images.size == 0:
        raise DataError(f"batches: there are no images: got {_describe(images)}.")
    if images.dtype == np.uint8:
        return
    if images.dtype.kind != "f":
        raise DtypeError(f"batches: expected images in uint8 (0..255) or floating point, got {_describe(images)}.")
    _check_finite(images)


def _check_finite(images):
    not_finite = ~backend.array_module(images).isfinite(images)
    if not_finite.any():
        first = tuple(map(int, np.unravel_index(int(not_finite.argmax()), images.shape)))
        raise DataError(
            f"batches: the images hold {int(not_finite.sum())} values that are NaN or infinite, the first at index "
            f"{first}. Repair or leave out these images."
        )


def _check_batch_size(batch_size, n):
    if not is_count(batch_size):
        raise OptionError(f"batches: expected batch_size to be a whole number of at least 1, got {shown(batch_size)}.")
    if batch_size > n:
        raise OptionError(
            f"batches: batch_size is {batch_size}, but there are only {n} images, so no batch would be full. Use a "
            f"batch_size of at most {n}, or more images."
        )


def _describe(x):
    return f"{x.dtype} of shape {x.shape}" if backend.is_array(x) else type(x).__name__
