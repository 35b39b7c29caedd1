"""Precision, recall, density and coverage: are the samples among the real images, and do they cover all of them?"""

import numpy as np

from minigan.errors import DataError, ShapeError
from minigan.hints import Array
from minigan.metrics.neighbors import centered, row_blocks, squared_distances, squared_radii
from minigan.options import require_count, require_finite


def precision_recall_density_coverage(real: Array, samples: Array, k: int = 5) -> dict[str, float]:
    """Return four metrics from balls around the points, each as large as the distance to the k-th nearest neighbour.

    B(x_i): the ball around the real point i, out to its k-th nearest real point;  B(s_j): likewise among the samples

    precision  the share of samples in any B(x_i)
    recall     the share of real points in any B(s_j)
    density    sum_ij [s_j in B(x_i)] / (k m): like precision, but counts in how many balls a sample lies; may exceed 1
    coverage   the share of the B(x_i) with a sample in them

    Shapes     real (n, f), samples (m, f), both with more than k points, at best n = m -> a dict of four floats
    Cost       2 (m^2 + n^2 + n m) f flops; distances in blocks of 32 MiB
    Errors     DtypeError, ShapeError; DataError: too few points; NonFiniteError, also where squared distances overflow
    Source     Kynkäänniemi et al. 2019, arXiv:1904.06991 (precision, recall); Naeem et al. 2020, arXiv:2002.09797
    """
    owner = "precision_recall_density_coverage"
    real, samples = require_finite(owner, 2, real=real, samples=samples)
    check_points(real, samples, k)
    real, samples = centered(owner, real, samples)
    real_radii, sample_radii = squared_radii(real, k), squared_radii(samples, k)
    balls_around = np.zeros(len(samples))  # how many real balls each sample lies in
    recalled = covered = 0
    for block in row_blocks(len(real), len(samples)):
        squares = squared_distances(real[block], samples)
        in_real_ball = squares < real_radii[block, None]
        balls_around += in_real_ball.sum(axis=0)
        covered += in_real_ball.any(axis=1).sum()
        recalled += (squares < sample_radii).any(axis=1).sum()
    return {
        "precision": float((balls_around > 0).mean()),
        "recall": float(recalled / len(real)),
        "density": float(balls_around.mean() / k),
        "coverage": float(covered / len(real)),
    }


def check_points(real, samples, k):
    require_count("precision_recall_density_coverage", k=k)
    if real.shape[1:] != samples.shape[1:]:
        raise ShapeError(
            f"precision_recall_density_coverage: expected features (n, f) and (m, f), got {real.shape} and "
            f"{samples.shape}."
        )
    if min(len(real), len(samples)) <= k:
        raise DataError(
            f"precision_recall_density_coverage: the {k}-th nearest neighbour needs more than {k} points, got "
            f"{len(real)} real ones and {len(samples)} samples."
        )
