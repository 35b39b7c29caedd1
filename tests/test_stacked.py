"""Stacked digits: the data set with 1,000 classes, and how many of them samples show."""

from dataclasses import replace

import numpy as np
import pytest

from minigan import Sequential, data, metrics
from minigan.data import dataset, stacked
from minigan.errors import DataError, OptionError, ShapeError
from minigan.layers import Dense, Flatten


@pytest.fixture
def few(monkeypatch):
    """500 stacked digits."""
    monkeypatch.setitem(stacked.COUNTS, "train", 500)


def test_each_channel_is_a_digit_of_the_label(few):
    digits, found = data.load("digits"), data.load("stacked-digits")
    assert found.images.shape == (500, 28, 28, 3) and found.images.dtype == np.uint8
    assert not found.images.flags.writeable and not found.labels.flags.writeable
    assert len(found.classes) == 1000 and found.classes[7] == "007" and found.classes[123] == "123"
    images = {image.tobytes(): label for image, label in zip(digits.images, digits.labels, strict=True)}
    for image, label in zip(found.images[:40], found.labels[:40], strict=True):
        channels = [images[np.ascontiguousarray(image[:, :, [c]]).tobytes()] for c in range(3)]
        assert "".join(map(str, channels)) == found.classes[label]
    assert 350 < len(set(found.labels.tolist())) < 440  # of 500 drawn from 1,000: 394 expected
    np.testing.assert_array_equal(data.load("stacked-digits").images, found.images)


def test_the_whole_set_shows_every_number():
    rng = np.random.default_rng(0)
    images, labels = stacked.stack(
        "stacked-digits", rng.integers(0, 256, (50, 2, 2, 1), "uint8"), np.arange(50) % 10, "train"
    )
    assert len(images) == len(labels) == 128_000 and len(np.unique(labels)) == 1000
    assert stacked.COUNTS["test"] == 26_000


def test_splits_and_options(few, tmp_path, monkeypatch):
    with pytest.raises(DataError, match='"digits" has only the split "train"'):
        data.load("stacked-digits", split="test")
    with pytest.raises(OptionError, match='"digits" is built in'):
        data.load("stacked-digits", tmp_path)
    assert data.load("stacked-digits", image_size=14).images.shape == (500, 14, 14, 3)
    digits = data.load("digits")
    monkeypatch.setitem(dataset.LOADERS, "mnist", lambda directory, split: replace(digits, name="mnist", split=split))
    monkeypatch.setitem(stacked.COUNTS, "test", 30)
    train, test = (data.load("stacked-mnist", split=split) for split in ("train", "test"))
    assert (train.name, test.split, len(test)) == ("stacked-mnist", "test", 30)
    assert (train.images[:30] != test.images).any()


def judge_of_brightness():
    """A classifier of images of one pixel: the class is the brightness, -1 to 0.8 in steps of 0.2."""
    net = Sequential([Flatten(), Dense(10)], (1, 1, 1), dtype="float64")
    centres = np.linspace(-1, 0.8, 10)
    net.layers[1].params["W"][...] = 100 * centres  # log of a Gaussian around each, without what is common to all
    net.layers[1].params["b"][...] = -50 * centres**2
    return net


def brightness(modes):
    digits = np.array([[mode // 100, mode // 10 % 10, mode % 10] for mode in modes])
    return (-1 + 0.2 * digits).reshape(-1, 1, 1, 3)


def test_modes_are_counted():
    classifier = judge_of_brightness()
    every = metrics.mode_scores(brightness(range(1000)), classifier)
    assert every == {"modes": 1000, "all_modes": 1000, "mode_kl": pytest.approx(0, abs=1e-9)}
    one = metrics.mode_scores(brightness([42] * 7), classifier)
    assert one["modes"] == 1 and one["mode_kl"] == pytest.approx(np.log(1000))
    three = metrics.mode_scores(brightness([42, 42, 7, 999]), classifier)  # shares 1/2, 1/4, 1/4
    assert three["modes"] == 3 and three["mode_kl"] == pytest.approx(np.log(1000) - 1.5 * np.log(2))
    grey = metrics.mode_scores(brightness([1, 12, 222])[..., 2:], classifier)  # one channel: ten modes
    assert grey["modes"] == 2 and grey["all_modes"] == 10


@pytest.mark.parametrize("channels", [12, 25, 400])
def test_modes_of_many_channels(channels):
    """Two modes, which differ in the first channel only, in shares 1/4 and 3/4."""
    samples = np.tile(brightness([222])[..., :1], (4, 1, 1, channels))
    samples[0, ..., 0] = 0.8
    scores = metrics.mode_scores(samples, judge_of_brightness())
    assert scores["modes"] == 2 and scores["all_modes"] == 10**channels
    entropy = 0.25 * np.log(4) + 0.75 * np.log(4 / 3)
    assert scores["mode_kl"] == pytest.approx(channels * np.log(10) - entropy)


def test_modes_need_a_classifier_of_one_channel():
    samples = brightness([1, 2])
    with pytest.raises(ShapeError, match="at least one channel, got an array"):
        metrics.mode_scores(samples[..., :0], judge_of_brightness())
    with pytest.raises(ShapeError, match="a classifier of 10 digits"):
        metrics.mode_scores(samples, Sequential([Flatten(), Dense(10)], (1, 1, 3)))
    with pytest.raises(ShapeError, match="a classifier of 10 digits"):
        metrics.mode_scores(samples, Sequential([Flatten(), Dense(7)], (1, 1, 1)))
    with pytest.raises(ShapeError, match="expected samples as an array"):
        metrics.mode_scores(samples[0], judge_of_brightness())
