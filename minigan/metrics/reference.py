"""What all evaluations on one data set share, computed once: the classifier and what it says of the real images."""

import numpy as np

from minigan import data
from minigan.data import Dataset
from minigan.errors import DataError, ShapeError
from minigan.hints import PathLike
from minigan.metrics.classifier import features_and_probabilities, trained_classifier
from minigan.metrics.frechet import mean_and_covariance
from minigan.metrics.memorisation import distances_to_training
from minigan.network import Sequential
from minigan.options import require_count, require_instance, require_text

SEED = 0  # of every random choice in an evaluation: which real images, which samples


class Reference:
    """The real side of an evaluation.

    Options    train: the Dataset that the GAN learned from; classifier: that of `trained_classifier(train)`
               test: a Dataset of images that the GAN has not seen, or None: then memorisation is not judged, and
               `no_test` is the reason that is reported
               samples: how many generated images an evaluation takes. Half as many real and generated ones are
               compared by their neighbours, a tenth is searched for copies; figures at another number are others
    Holds      mean, covariance: of the features of all training images; real_features (samples / 2, 64), drawn from
               them; train_images; test_distances (samples / 10,): to the nearest training images, or None
    Errors     DataError where the training set is too small, ShapeError where test images have another shape
    """

    def __init__(
        self,
        train: Dataset,
        classifier: Sequential,
        test: Dataset | None = None,
        samples: int = 10_000,
        no_test: str = "no test images were given",
    ) -> None:
        samples = require_count("Reference", samples=samples)
        require_instance("Reference", data.Dataset, 'minigan.data.load("mnist")', train=train)
        no_test = require_text("Reference", no_test=no_test)
        self.samples, self.neighbor_samples, self.copy_samples = samples, samples // 2, max(1, samples // 10)
        if len(train) < self.neighbor_samples:
            raise DataError(
                f"Reference: the training set {train.name!r} holds {len(train):,} images, of which "
                f"{self.neighbor_samples:,} are compared with samples. Take samples={2 * len(train)} at most."
            )
        self.name, self.classifier, self.train_images = train.name, classifier, train.images
        self.image_shape = train.images.shape[1:]
        features, _ = features_and_probabilities(classifier, train.images)
        self.mean, self.covariance = mean_and_covariance(features)
        self.real_features = features[chosen(len(train), self.neighbor_samples)]
        self.test_distances, self.no_test = None, no_test
        if test is not None:
            require_instance("Reference", data.Dataset, 'minigan.data.load("mnist", split="test")', test=test)
            self._measure_test_images(test)

    def _measure_test_images(self, test):
        if test.images.shape[1:] != self.image_shape:
            raise ShapeError(
                f"Reference: the training images have the shape {self.image_shape}, the test images "
                f"{test.images.shape[1:]}. Take both splits of one data set."
            )
        images = test.images[chosen(len(test), self.copy_samples)]
        self.test_distances, self.no_test = distances_to_training(images, self.train_images), None


def chosen(count, size):
    """`size` different indices below `count` at random, the same ones every time; all of them where there are fewer."""
    return np.random.default_rng(SEED).permutation(count)[:size]


def load_reference(
    train: Dataset, directory: PathLike | None = None, samples: int = 10_000, device: str = "cpu", quiet: bool = False
) -> Reference:
    """The Reference of a training set that `minigan.data.load` gave, its classifier cached.

    directory  where the test split is read from, as by `minigan.data.load`. Where there is none (the built-in digits,
               a partial folder), memorisation is not judged: every image that could take its part was seen by the GAN
    Errors     those of `trained_classifier` and Reference
    """
    samples = require_count("load_reference", samples=samples)
    classifier = trained_classifier(train, device=device, quiet=quiet)
    try:
        test, no_test = data.load(train.name, directory, split="test"), None
    except DataError as error:
        test, no_test = None, str(error)
    return Reference(train, classifier, test, samples, no_test)
