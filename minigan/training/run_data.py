"""The data that a run trains on: images and, for a conditional experiment, their labels."""

import numpy as np

from minigan import data
from minigan.errors import CheckpointError, OptionError
from minigan.training.config import images_md5


def labels_of_data(experiment, dataset):
    """Return the labels of a data set if the experiment is conditional, else None; OptionError if it has none."""
    if not experiment.conditional:
        return None
    if dataset.labels is None:
        raise OptionError(
            f"{experiment.name} learns to make the class that you ask for, but the images of {dataset.name} have no "
            "labels. In a folder of pictures, make a subfolder for each class. Or choose another data set or "
            "experiment."
        )
    return dataset.labels


def classes_for(experiment, dataset):
    """Return how many classes the networks of a conditional experiment get, else None."""
    return len(dataset.classes) if experiment.conditional else None


def checksum(experiment, dataset):
    """Return the MD5 of what the experiment learns from."""
    return images_md5(dataset.images, labels_of_data(experiment, dataset))


def require_same_images(config, experiment, dataset, trouble, advice=""):
    """Raise CheckpointError unless a run was trained on the images of this data set, and on its labels if it uses them.

    trouble    how the message begins: what is wrong
    advice     a sentence: what else can be done than to give the folder with the old images
    """
    if checksum(experiment, dataset) != config.images_md5:
        raise CheckpointError(
            f"{trouble}: {config.images:,} images then, {len(dataset):,} now, with other bytes. Give the folder with "
            f"the old images: --data-dir DIR{advice and f'. {advice}'}"
        )


def data_of_run(run, data_dir=None, advice=""):
    """Return the data set of a trained run; CheckpointError if the images that are there now are others.

    data_dir   the folder of the data set's files; by default the run's own
    advice     as for `require_same_images`
    """
    config = run.config
    dataset = data.load(config.dataset, data_dir or config.data_dir, **config.data_options)
    trouble = f"{run.folder.path} was trained on other images of {config.dataset}"
    require_same_images(config, run.experiment, dataset, trouble, advice)
    return dataset


def batches_of_epoch(images, labels, config, epoch, data_range):
    """Yield what GAN.train_step takes, (batch,) or (batch, labels), in an order of the seed and the epoch alone."""
    rng = np.random.default_rng((config.seed, 3, epoch))
    if labels is not None:
        return data.labelled_batches(images, labels, config.batch_size, rng, *data_range)
    return ((batch,) for batch in data.batches(images, config.batch_size, rng, *data_range))
