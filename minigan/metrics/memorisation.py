"""Memorisation: are the samples nearer to the training images than images that the GAN has never seen?"""

import numpy as np

from minigan.errors import ShapeError
from minigan.hints import Array
from minigan.metrics.images import check_images, check_range, pixel_rows
from minigan.metrics.neighbors import row_blocks, squared_distances


def nearest_training_images(samples: Array, train_images: Array) -> Array:
    """Return the index of the training image nearest to each sample, by the Euclidean distance of pixels: (n,).

    Shapes     samples (n, h, w, c), train_images (m, h, w, c), bytes or floats in [-1, 1]
    Cost       2 n m h w c flops; the training images become floats, and distances, in blocks of 32 MiB
    Errors     ShapeError, DtypeError, NonFiniteError; DataError: no images, or not in the range [-1, 1]
    """
    check_images("nearest_training_images", samples=samples, train_images=train_images)
    if samples.shape[1:] != train_images.shape[1:]:
        raise ShapeError(
            f"nearest_training_images: expected images of one shape, got {samples.shape} and {train_images.shape}."
        )
    check_range("nearest_training_images", samples=samples, train_images=train_images)
    return nearest(samples, train_images)


def nearest(samples, train_images):
    """Return what `nearest_training_images` returns, for images that have been checked."""
    pixels = pixel_rows(samples)
    places, smallest = np.zeros(len(pixels), dtype=int), np.full(len(pixels), np.inf)
    for block in row_blocks(len(train_images), max(pixels.shape)):
        squares = squared_distances(pixels, pixel_rows(train_images[block]))
        winners = squares.argmin(axis=1)
        values = squares[np.arange(len(pixels)), winners]
        nearer = values < smallest
        places[nearer], smallest[nearer] = block.start + winners[nearer], values[nearer]
    return places


def distances_to_training(images, train_images):
    """Return the distance of each image to its nearest training image, (n,): exactly 0 for a copy."""
    # without the check of the range, which has seen all samples: a few of them may be dark or bright by chance
    places = nearest(images, train_images)
    return np.linalg.norm(pixel_rows(images) - pixel_rows(train_images[places]), axis=1)


def memorisation(sample_distances, test_distances):
    """Return (ratio, copied): how near samples are to the training images, compared with test images.

    ratio      median of the samples' distances over that of the test images': about 1 is healthy, 0 means copies
    copied     the share of samples nearer than the nearest percent of the test images: about .01 is healthy
    Shapes     the distances of distances_to_training, (n,) and (m,); the median of the test images' is above 0
    """
    ratio = np.median(sample_distances) / np.median(test_distances)
    # "at most", not "below": if a few test images are copies, the nearest percent of them is at 0
    return float(ratio), float((sample_distances <= np.percentile(test_distances, 1)).mean())
