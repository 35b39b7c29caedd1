"""Measure what D answers between a class that G makes often and one that it makes seldom: for docs/causes.md.

    python docs/valley.py out/B3-seed1 --data-dir DIR      the folders of the runs

For the newest checkpoint of each run, the program takes samples of the class that is most frequent among 10,000, and
test images of the rarest class, as many of both. It goes from each sample to one of the images on a straight line,
(1 - w) sample + w image, and writes the mean of D's logits and of its answers, as probabilities and without Dropout,
for each w into docs/results/causes/valley.csv. Rows of the same experiment, seed and epoch are replaced.
"""

import argparse
from pathlib import Path

import numpy as np
from causes import RESULTS, replace_rows
from memory_of_d import mean_answer, real_images, splits_of
from rare_classes import SAMPLES, samples_and_classes

from minigan.training.trained import load_trained

FILE, STEPS = "valley.csv", 10


def look(folder, data_dir=None, samples=SAMPLES):
    """Return the rows of a run at its newest checkpoint, one for each place on the way."""
    run = load_trained(folder)
    train, test = splits_of(run, data_dir)
    generated, classes = samples_and_classes(run, train, samples)
    counts = np.bincount(classes, minlength=len(train.classes))
    often, seldom = int(counts.argmax()), int(counts.argmin())
    start, end = generated[classes == often], real_images(run, test.images[test.labels == seldom])
    pairs = min(len(start), len(end))
    start, end = start[:pairs], end[:pairs]
    names = {"experiment": run.experiment.name, "seed": run.config.seed, "epoch": float(run.epoch)}
    names |= {"from": train.classes[often], "to": train.classes[seldom]}
    rows = []
    for step in range(STEPS + 1):
        w = step / STEPS
        x = (1 - w) * start + w * end  # a Python number: float32 stays float32
        logits = run.gan.discriminator.predict(x).astype("float64")
        rows.append(names | {"w": w, "logit": float(logits.mean()), "D": mean_answer(run.gan, x)})
    return rows


def main(folders, data_dir=None, results=RESULTS, samples=SAMPLES):
    """Look at the runs, and write their rows among those that the file has."""
    replace_rows(results / FILE, [row for folder in folders for row in look(folder, data_dir, samples)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data-dir", help="the folder of the data set's files; default: that of the runs")
    options = parser.parse_args()
    main(options.runs, options.data_dir)
