"""Metrics for images without labels. No classifier can be trained on them, so only distances of pixels are left."""

import numpy as np

from minigan.backend import to_cpu
from minigan.errors import DataError, ShapeError
from minigan.hints import Array
from minigan.metrics.images import check_images, check_range, pixel_rows
from minigan.metrics.memorisation import distances_to_training, memorisation
from minigan.metrics.neighbors import row_blocks, squared_distances, squared_radii
from minigan.metrics.reference import chosen

SEARCHED = 1000  # samples, and as many training images


def pixel_scores(samples: Array, train_images: Array) -> dict[str, float | str | None]:
    """Return what distances of pixels say of samples, as a dict of plain numbers.

    samples, train_images    (n, h, w, c) and (m, h, w, c), bytes or floats in [-1, 1]. Up to 1,000 samples are judged,
                             beside as many training images; what is nearest to these is searched among all m
    Returns    memorisation_ratio    median distance of a sample to its nearest training image, over that of a training
                                     image to its nearest other one: about 1 is healthy, near 0 are copies
               copied_share          the share of samples nearer than the nearest percent of these: about .01 is healthy
               diversity_ratio       median distance of a sample to its nearest other sample, over that among as many
                                     training images: near 0 if the samples are all alike, above 1 for noise
               memorisation_note     None, or why all three are None
    Errors     ShapeError, DtypeError, NonFiniteError; DataError: fewer than two images, or not in the range [-1, 1]
    They do not say whether the samples look real, and nearness of pixels is not likeness: an image that is moved by one
    pixel is far away. docs/evaluation.md
    """
    check_images("pixel_scores", samples=samples, train_images=train_images)
    if samples.shape[1:] != train_images.shape[1:]:
        raise ShapeError(
            f"pixel_scores: expected images of one shape, got samples {samples.shape} and training images "
            f"{train_images.shape}."
        )
    if min(len(samples), len(train_images)) < 2:
        raise DataError(
            f"pixel_scores: expected at least two samples and two training images, got {len(samples)} and "
            f"{len(train_images)}."
        )
    check_range("pixel_scores", samples=samples, train_images=train_images)
    n = min(len(samples), len(train_images), SEARCHED)
    samples, places = to_cpu(samples)[chosen(len(samples), n)], chosen(len(train_images), n)
    usual = distances_to_others(train_images, places)
    among_real, among_samples = (distances_among(images) for images in (to_cpu(train_images)[places], samples))
    if np.median(usual) == 0 or np.median(among_real) == 0:
        note = "most training images are in the set more than once"
        return {"memorisation_ratio": None, "copied_share": None, "diversity_ratio": None, "memorisation_note": note}
    ratio, copied = memorisation(distances_to_training(samples, train_images), usual)
    diversity = float(np.median(among_samples) / np.median(among_real))
    return {
        "memorisation_ratio": ratio,
        "copied_share": copied,
        "diversity_ratio": diversity,
        "memorisation_note": None,
    }


def distances_to_others(images, places):
    """Return the distance of the images at some places to the nearest of all others: (len(places),)."""
    pixels, smallest = pixel_rows(images[places]), np.full(len(places), np.inf)
    for block in row_blocks(len(images), max(pixels.shape)):
        squares = squared_distances(pixels, pixel_rows(images[block]))
        squares[places[:, None] == np.arange(len(images))[block]] = np.inf
        np.minimum(smallest, squares.min(axis=1), out=smallest)
    return without_rounding(smallest, pixels)


def distances_among(images):
    """Return the distance of each image to the nearest other one: (n,)."""
    pixels = pixel_rows(images)
    return without_rounding(squared_radii(pixels, 1), pixels)


def without_rounding(squares, pixels):
    """Return the roots of squared distances; where they are rounding alone, 0."""
    return np.sqrt(np.where(squares < 1e-12 * pixels.shape[1], 0, squares))
