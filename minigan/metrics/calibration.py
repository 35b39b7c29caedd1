"""Sets of images with known faults, to see how each metric reacts: real, noisy, incomplete, repeated, garbage."""

import numpy as np

from minigan.errors import DataError
from minigan.metrics.images import as_floats, pixel_rows

MISSING_CLASS, ONLY_CLASS = 8, 1
REPEATED = 200
COMPONENTS = 100


def known_sets(train, real, count, seed=0):
    """Yield (name, images): `count` images each, float32 in [-1, 1].

    train      the Dataset to which garbage is fitted; real: another Dataset with other images; both with labels. If a
               set needs more real images than there are, they are repeated
    """
    for dataset in (train, real):
        if dataset.labels is None:
            raise DataError(f"known_sets: the data set {dataset.name!r} has no labels.")
    if not (real.labels == ONLY_CLASS).any():
        raise DataError(
            f"known_sets: expected images of class {ONLY_CLASS} in the data set {real.name!r}, for the set of only "
            "this class, but there are none."
        )
    rng = np.random.default_rng(seed)

    def take(indices):
        return as_floats(real.images[np.resize(indices, count)])

    everything = np.arange(len(real))
    yield "real images, unseen", take(everything)
    for sigma in (0.2, 0.4):
        noisy = take(everything) + sigma * rng.standard_normal((count, *real.images.shape[1:]), dtype="float32")
        yield f"with Gaussian noise {sigma}", noisy.clip(-1, 1)
    yield f"without class {MISSING_CLASS}", take(np.flatnonzero(real.labels != MISSING_CLASS))
    yield f"{REPEATED} images repeated", take(everything[:REPEATED])
    yield f"Gaussian of {COMPONENTS} components", gaussian_of_components(train.images, count, rng)
    yield "independent pixels", independent_pixels(train.images, count, rng)
    yield f"only class {ONLY_CLASS}", take(np.flatnonzero(real.labels == ONLY_CLASS))
    yield "uniform noise", rng.uniform(-1, 1, (count, *real.images.shape[1:])).astype("float32")


def gaussian_of_components(images, count, rng):
    """Return draws from a normal distribution with the images' mean and largest principal components, in [-1, 1].

    Mean and covariance of the pixels are right, but no draw looks like an image of any class.
    """
    pixels = pixel_rows(images)
    mean = pixels.mean(axis=0)
    pixels -= mean
    values, vectors = np.linalg.eigh(pixels.T @ pixels / (len(pixels) - 1))
    values, vectors = values[-COMPONENTS:], vectors[:, -COMPONENTS:]
    draws = mean + rng.standard_normal((count, len(values))) * np.sqrt(np.maximum(values, 0)) @ vectors.T
    return draws.clip(-1, 1).astype("float32").reshape(count, *images.shape[1:])


def independent_pixels(images, count, rng):
    """Return images in which each pixel comes from another random image: each pixel is right, but no two fit."""
    flat = images.reshape(len(images), -1)
    drawn = flat[rng.integers(len(images), size=(count, flat.shape[1])), np.arange(flat.shape[1])]
    return as_floats(drawn.reshape(count, *images.shape[1:]))
