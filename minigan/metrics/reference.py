"""What all evaluations on one data set share, computed once: the classifier and its features of the real images."""

import numpy as np

from minigan import data
from minigan.data import Dataset
from minigan.errors import DataError, OptionError, ShapeError
from minigan.hints import PathLike
from minigan.metrics.classifier import features_and_probabilities, require_labels, trained_classifier
from minigan.metrics.frechet import mean_and_covariance
from minigan.metrics.memorisation import distances_to_training
from minigan.network import Sequential
from minigan.options import require_count, require_instance, require_text

SEED = 0  # of every random choice in an evaluation: which real images, which samples
NEIGHBORS = 5  # of each point, in precision, recall, density and coverage
LEAST_SAMPLES = 2 * (NEIGHBORS + 1)  # half of them are compared: each needs its neighbours besides itself


class Reference:
    """The real images of an evaluation, with their classifier and features.

    Options    train: the Dataset that the GAN learned from; classifier: that of `trained_classifier(train)`
               test: a Dataset of images that the GAN has not seen. With None, memorisation is not judged, and
               `no_test` is reported as the reason; nor if most test images are copies of training images
               samples: how many generated images an evaluation uses, at least 12. Half as many real and generated
               images are compared by their neighbours, and a tenth is searched for copies. The metrics depend on this
               number
    Holds      mean, covariance: of the features of all training images; real_features (samples / 2, 64), drawn from
               them; train_images; test_distances (samples / 10,): to the nearest training images, or None
    Errors     OptionError for fewer samples; DataError if the training set is too small or all its images are the
               same; ShapeError if test images have another shape
    """

    def __init__(
        self,
        train: Dataset,
        classifier: Sequential,
        test: Dataset | None = None,
        samples: int = 10_000,
        no_test: str = "no test images were given",
    ) -> None:
        samples = require_enough("Reference", samples)
        require_instance("Reference", data.Dataset, 'minigan.data.load("mnist")', train=train)
        no_test = require_text("Reference", no_test=no_test)
        require_different("Reference", train)
        self.samples, self.neighbor_samples, self.copy_samples = samples, samples // 2, max(1, samples // 10)
        if len(train) < self.neighbor_samples:
            raise DataError(
                f"Reference: the training set {train.name!r} has {len(train):,} images, but "
                f"{self.neighbor_samples:,} are compared with samples. Use samples={2 * len(train)} at most."
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
                f"Reference: the training images have the shape {self.image_shape}, but the test images "
                f"{test.images.shape[1:]}. Use both splits of one data set."
            )
        distances = distances_to_training(test.images[chosen(len(test), self.copy_samples)], self.train_images)
        if np.median(distances) == 0:  # nothing to compare samples with; the other metrics need no test images
            self.no_test = "most test images are copies of training images. Give images that the GAN has not seen"
        else:
            self.test_distances, self.no_test = distances, None


def require_enough(owner, samples):
    """Return the number of samples, or raise OptionError if each has too few others to be its neighbours."""
    samples = require_count(owner, samples=samples)
    if samples < LEAST_SAMPLES:
        raise OptionError(
            f"{owner}: expected samples of at least {LEAST_SAMPLES}, since half of them are compared by their "
            f"{NEIGHBORS} nearest neighbours, got {samples}."
        )
    return samples


def require_different(owner, train):
    """Raise DataError if all training images are the same: their features then differ by float32's rounding alone."""
    if (train.images.min(axis=0) == train.images.max(axis=0)).all():
        raise DataError(
            f"{owner}: expected images that differ in the training set {train.name!r}, but all are the same. Use a "
            "data set of different images."
        )


def chosen(count, size):
    """Return `size` different random indices below `count`, always the same ones; all of them if there are fewer."""
    return np.random.default_rng(SEED).permutation(count)[:size]


def load_reference(
    train: Dataset, directory: PathLike | None = None, samples: int = 10_000, device: str = "cpu", quiet: bool = False
) -> Reference:
    """Return the Reference of a training set; the classifier is cached.

    directory  where the test split is read from, as in `minigan.data.load`. If there is none (the built-in digits, a
               partial folder, images of `from_arrays`), memorisation is not judged, since the GAN has seen all images
    Errors     those of `trained_classifier` and Reference
    """
    samples = require_enough("load_reference", samples)
    require_labels(train)
    require_different("load_reference", train)  # before a classifier is trained
    try:
        test, no_test = data.load(train.name, directory, split="test", **train.options), ""
    except DataError as error:
        test, no_test = None, str(error)
    except OptionError as error:  # `train` is from a folder or from arrays, and nobody said where its test split is
        if directory is not None:
            raise
        test, no_test = None, str(error)
    classifier = trained_classifier(train, device=device, quiet=quiet)
    return Reference(train, classifier, test, samples, no_test)
