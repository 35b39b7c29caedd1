"""Metrics of images without labels: by hand, for copies, for samples that are all alike, and what is refused."""

import math

import numpy as np
import pytest

from minigan import data
from minigan.errors import DataError, NonFiniteError, ShapeError
from minigan.metrics import nearest_training_images, neighbors, pixel_scores
from minigan.metrics.pixels import SEARCHED, distances_among, distances_to_others


def spots(*values):
    """Images of one pixel"""
    return np.array(values, "float64").reshape(-1, 1, 1, 1)


def test_by_hand():
    """Each training image is .1 or .2 from the nearest other one, each sample .05 from one, and .2 from a sample."""
    train, samples = spots(-0.5, -0.4, 0.3, 0.5), spots(-0.35, -0.55, 0.25, 0.45)
    scores = pixel_scores(samples, train)
    assert scores["memorisation_note"] is None and scores["copied_share"] == 1
    np.testing.assert_allclose(scores["memorisation_ratio"], 0.05 / 0.15)
    np.testing.assert_allclose(scores["diversity_ratio"], 0.2 / 0.15)


def test_digits_that_are_new_copied_and_repeated():
    images = data.load("digits").images[:3000]
    train, unseen = images[:2000], images[2000:]
    new, copied, repeated = (
        pixel_scores(s, train) for s in (unseen, data.scale(train), np.tile(unseen[:9], (90, 1, 1, 1)))
    )
    for key in ("memorisation_ratio", "diversity_ratio"):
        assert 0.9 < new[key] < 1.1
    assert new["copied_share"] < 0.03
    assert copied["memorisation_ratio"] == 0 and copied["copied_share"] == 1 and copied["diversity_ratio"] > 0.9
    assert repeated["diversity_ratio"] == 0 and repeated["memorisation_ratio"] > 0.5


def test_blocks_change_nothing(rng, monkeypatch):
    images, places = rng.uniform(-1, 1, (40, 3, 2, 1)), rng.permutation(40)[:9]
    flat = images.reshape(40, -1)
    between = np.sqrt(((flat[:, None] - flat[None]) ** 2).sum(axis=2)) + np.diag([math.inf] * 40)
    for size in (neighbors.BLOCK_BYTES, 300):
        monkeypatch.setattr(neighbors, "BLOCK_BYTES", size)
        np.testing.assert_allclose(distances_to_others(images, places), between[places].min(axis=1))
        np.testing.assert_allclose(distances_among(images), between.min(axis=1))


def test_training_images_that_are_there_twice(rng):
    once = rng.uniform(-1, 1, (6, 2, 2, 1))
    scores = pixel_scores(once, np.concatenate([once, once]))
    assert scores["memorisation_ratio"] is None and "more than once" in scores["memorisation_note"]


def test_many_images_are_searched_in_part(rng):
    scores = pixel_scores(rng.uniform(-1, 1, (SEARCHED + 5, 1, 2, 1)), rng.uniform(-1, 1, (SEARCHED + 7, 1, 2, 1)))
    assert 0.7 < scores["diversity_ratio"] < 1.4


def test_wrong_images_are_refused(rng):
    good = rng.uniform(-1, 1, (4, 2, 2, 1))
    with pytest.raises(ShapeError, match="pixel_scores: expected images of one shape"):
        pixel_scores(good, np.zeros((4, 2, 3, 1)))
    with pytest.raises(DataError, match="at least two samples and two training images, got 1 and 4"):
        pixel_scores(good[:1], good)
    with pytest.raises(NonFiniteError, match="samples holds NaN"):
        pixel_scores(np.full_like(good, math.nan), good)


def test_copies_in_another_range_are_refused(rng):
    """In [0, 1] even copies are as far from the training images as others."""
    train = rng.integers(0, 256, (40, 3, 3, 1), dtype="uint8")
    for scores in (pixel_scores, nearest_training_images):
        owner = scores.__name__
        with pytest.raises(DataError, match=rf"{owner}: expected samples in \[-1, 1\].* from 0 to 1.*2 \* samples - 1"):
            scores(train / 255, train)
        with pytest.raises(DataError, match=rf"{owner}: expected train_images in .*train_images / 127\.5 - 1"):
            scores(data.scale(train), train.astype("float32"))
        scores(data.scale(train) * 1.0005, train)  # rounding is no other range
        scores(np.zeros((2, 3, 3, 1)), train)  # mid-grey: the samples of a generator that has collapsed
