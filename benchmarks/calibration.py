"""Compute the metrics of images whose faults are known: the table in docs/evaluation.md.

    python benchmarks/calibration.py --data-dir DIR [--dataset mnist] [--seeds 3]

For each seed, a new classifier is trained (only its seed is different). All classifiers judge the same sets.
"""

import argparse
import sys

import numpy as np

from minigan import data
from minigan.errors import MiniganError
from minigan.metrics import Reference, evaluate, table, train_classifier
from minigan.metrics.calibration import known_sets
from minigan.metrics.classifier import accuracy

SAMPLES = 10_000


def main(args):
    train, test = (data.load(args.dataset, args.data_dir, split) for split in ("train", "test"))
    runs = []
    for seed in range(args.seeds):
        classifier = train_classifier(train, seed)
        reference = Reference(train, classifier, test, SAMPLES)
        runs.append({name: evaluate(images, reference) for name, images in known_sets(train, test, SAMPLES)})
        print(f"\nclassifier seed {seed}, accuracy on the test images {accuracy(classifier, test):.2%}\n", flush=True)
        print(table(runs[-1]), flush=True)
    print("\nnFD % with each classifier, and the mean\n")
    for name in runs[0]:
        values = [run[name]["nfd"] for run in runs]
        print(f"{name}: {' '.join(f'{value:.2f}' for value in values)}, mean {np.mean(values):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Compute the metrics of images whose faults are known.")
    parser.add_argument("--dataset", default="mnist", help="with labels and both splits, default mnist")
    parser.add_argument("--data-dir", help="folder of its files; without it: cache or download")
    parser.add_argument("--seeds", type=int, default=3, help="classifiers, default 3")
    try:
        main(parser.parse_args())
    except MiniganError as error:
        sys.exit(f"error: {error}")
