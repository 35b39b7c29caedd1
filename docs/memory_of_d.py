"""Measure whether D knows its training images by heart: for docs/causes.md.

    python docs/memory_of_d.py out/B1-300-seed0 out/B4-seed0 --data-dir DIR      the folders of the runs

For the newest checkpoint of each run, the program takes the mean of what D answers, as probabilities and without
Dropout, for training images, for test images, which D has never seen, and for samples of G: 10,000 of each. It writes a
row for each run into docs/results/causes/memory_of_d.csv. A row of the same experiment, seed and epoch is replaced. To
see more moments of one run, start the program while the run trains.
"""

import numpy as np
from causes import RESULTS, given_runs, names_of, replace_rows

from minigan import data
from minigan.training.trained import load_trained

FILE, IMAGES = "memory_of_d.csv", 10_000


def look(folder, data_dir=None, images=IMAGES):
    """Return the row of a run at its newest checkpoint."""
    run = load_trained(folder)
    answers = {}
    for dataset, name in zip(splits_of(run, data_dir), ("D(training images)", "D(test images)"), strict=True):
        chosen = np.random.default_rng(0).permutation(len(dataset))[:images]
        answers[name] = mean_answer(run.gan, real_images(run, dataset.images[chosen]))
    z = run.gan.latent.sample(images, np.random.default_rng(1), run.gan.generator.dtype)
    answers["D(samples)"] = mean_answer(run.gan, run.gan.generator.predict(z))
    gap = answers["D(training images)"] - answers["D(test images)"]
    return names_of(run) | answers | {"training - test": gap}


def splits_of(run, data_dir=None):
    """Return the training images and the test images of a run. The built-in digits have those of MNIST."""
    name, options, directory = run.config.dataset, run.config.data_options, data_dir or run.config.data_dir
    if name == "digits":
        return data.load(name, **options), data.load("mnist", directory, split="test", **options)
    return data.load(name, directory, **options), data.load(name, directory, split="test", **options)


def real_images(run, images):
    """Return bytes as D gets them."""
    low, high = run.experiment.data_range
    return data.scale(images, low, high, run.gan.generator.dtype)


def mean_answer(gan, x):
    """Return the mean of D's answers as probabilities: sigmoid(logit)."""
    logits = gan.discriminator.predict(x).astype("float64")
    return float(np.exp(-np.logaddexp(0, -logits)).mean())


def main(folders, data_dir=None, results=RESULTS, images=IMAGES):
    """Look at the runs, and write their rows among those that the file has."""
    replace_rows(results / FILE, [look(folder, data_dir, images) for folder in folders])


if __name__ == "__main__":
    main(*given_runs(__doc__))
