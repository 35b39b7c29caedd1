"""The Frechet distance between two sets of features, each described only by its mean and covariance."""

import numpy as np

from minigan.errors import DataError, ShapeError
from minigan.hints import Array
from minigan.options import require_finite

ROUNDING = 1e-10  # of their size: features that vary less are the same, since the mean of a million is not exact


def mean_and_covariance(features: Array) -> tuple[Array, Array]:
    """Return the mean (f,) and the unbiased covariance (f, f) of features (n, f), in float64."""
    features = require_finite("mean_and_covariance", 2, features=features)
    if len(features) < 2:
        raise DataError(f"mean_and_covariance: expected at least 2 feature vectors, got {len(features)}.")
    mean = features.mean(axis=0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def frechet_distance(mean1: Array, covariance1: Array, mean2: Array, covariance2: Array) -> float:
    """Return the squared Frechet (2-Wasserstein) distance of two normal distributions.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))

    S1 S2 is not symmetric, but S1^(1/2) S2 S1^(1/2) is, and has the same eigenvalues. So the trace of the root is the
    sum of the roots of these eigenvalues. Both come from `eigh`, which never fails and never gives complex numbers.
    Source     Dowson & Landau 1982, "The Frechet distance between multivariate normal distributions"
    """
    owner = "frechet_distance"
    mean1, mean2 = require_finite(owner, 1, mean1=mean1, mean2=mean2)
    covariance1, covariance2 = require_finite(owner, 2, covariance1=covariance1, covariance2=covariance2)
    size = len(mean1)
    if mean2.shape != (size,) or covariance1.shape != (size, size) or covariance2.shape != (size, size):
        raise ShapeError(
            f"{owner}: expected means (f,) and covariances (f, f) of one f, got {mean1.shape}, {covariance1.shape}, "
            f"{mean2.shape}, {covariance2.shape}."
        )
    values, vectors = np.linalg.eigh(covariance1)
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T  # rounding can leave an eigenvalue just below 0
    trace_of_root = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariance2 @ root), 0)).sum()
    difference = mean1 - mean2
    distance = float(difference @ difference + np.trace(covariance1) + np.trace(covariance2) - 2 * trace_of_root)
    return max(distance, 0.0)  # of equal distributions rounding can leave it just below 0


def normalised_frechet_distance(mean: Array, covariance: Array, real_mean: Array, real_covariance: Array) -> float:
    """Return nFD, in percent: the Frechet distance to the real features, divided by their total variance.

    nFD = 100 d^2 / tr(S_real)

    0 is a perfect match. A generator that always makes one image, with the mean of the real features, gets 100.
    Errors     DataError if the real features do not vary
    """
    owner = "normalised_frechet_distance"
    center = require_finite(owner, 1, real_mean=real_mean)
    variance = np.trace(require_finite(owner, 2, real_covariance=real_covariance))
    if not variance > (ROUNDING * np.linalg.norm(center)) ** 2:
        raise DataError(
            f"{owner}: expected real images that differ, but their features are all the same. Use a data set of "
            "different images."
        )
    return float(100 * frechet_distance(mean, covariance, real_mean, real_covariance) / variance)
