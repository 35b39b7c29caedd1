"""Measure what it costs that G trains with Dropout and makes its samples without: for docs/causes.md.

    python docs/dropout_in_g.py out/B3-seed1 out/B3-seed2 --data-dir DIR      the folders of the runs

For the newest checkpoint of each run, the program judges 10,000 samples that G makes without Dropout, as always, and
10,000 with Dropout, as D saw them in the training. The latents are the same. The rows go into
docs/results/causes/dropout_in_g.csv. Rows of the same experiment, seed and epoch are replaced.
"""

import numpy as np
from causes import RESULTS, given_runs, names_of, replace_rows

from minigan import data
from minigan.metrics import evaluate, load_reference
from minigan.training.trained import load_trained

FILE, SAMPLES = "dropout_in_g.csv", 10_000
METRICS = ("nfd", "score", "smallest_class", "precision", "recall", "coverage")


def look(folder, data_dir=None, samples=SAMPLES):
    """Return the rows of a run at its newest checkpoint: without Dropout and with it."""
    run = load_trained(folder)
    directory = data_dir or run.config.data_dir
    train = data.load(run.config.dataset, directory, **run.config.data_options)
    reference = load_reference(train, directory, samples=samples)
    z, generator = run.latents(samples, seed=0), run.gan.generator
    names = names_of(run)
    rows = []
    for dropout in (False, True):
        parts = [generator.forward(part, training=dropout) for part in np.array_split(z, -(-samples // 500))]
        scores = evaluate(np.concatenate(parts), reference)
        rows.append(names | {"dropout": "on" if dropout else "off"} | {name: scores[name] for name in METRICS})
    return rows


def main(folders, data_dir=None, results=RESULTS, samples=SAMPLES):
    """Look at the runs, and write their rows among those that the file has."""
    replace_rows(results / FILE, [row for folder in folders for row in look(folder, data_dir, samples)])


if __name__ == "__main__":
    main(*given_runs(__doc__))
