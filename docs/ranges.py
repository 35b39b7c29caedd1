"""Measure samples for both ranges of the images and both upsamplers: for docs/causes.md.

    python -m minigan study ...                 the line in docs/causes.md
    python docs/ranges.py out/study             the folder of the study

E6-upsampling is E3, and E6-transpose is E2. The program also trains both experiments with images in [0, 1] and a
sigmoid in place of G's tanh, with the same seeds. It writes a row for each experiment and seed into
docs/results/causes/ranges.csv: the mean of the pixels that are black in all real images (background), the share of
pixels that are neither black nor white (grey), how much the samples differ, compared with real images (spread), and
the share of pixels below the number that stands for black (below black). It draws docs/images/causes/ranges.png, and
writes the study's results to docs/results/ranges.csv.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from causes import DOCS, PICTURES, RESULTS, save_small, write_rows

from minigan import data, pictures
from minigan.experiments import find
from minigan.layers import Sigmoid, Tanh
from minigan.study.results import csv_text, read_result
from minigan.training.loop import start_run
from minigan.training.trained import load_trained

SAMPLES, SHOWN = 200, 24
ARMS = {
    "E3": "E6-upsampling",
    "E6-upsampling01": "E6-upsampling01",
    "E2": "E6-transpose",
    "E6-transpose01": "E6-transpose01",
}


def measures_of(samples, real, black):
    """Return what is measured of samples in [0, 1]: their background, how much is grey, how much they differ."""
    return {
        "background": float(samples[:, black].mean()),
        "grey": grey(samples),
        "spread": float(samples.std(axis=0).mean() / real.std(axis=0).mean()),
    }


def grey(images):
    """Return the share of pixels that are neither black nor white: from 0.1 to 0.9."""
    return float(((images > 0.1) & (images < 0.9)).mean())


def with_sigmoid(generator):
    """Return a function that makes the layers of a generator with a sigmoid in place of the tanh at its end."""

    def layers(image_shape):
        *others, last = generator(image_shape)
        assert isinstance(last, Tanh)
        return [*others, Sigmoid()]

    return layers


def sigmoid_runs(folder, seeds, **options):
    """Train both experiments with images in [0, 1] with a sigmoid at the end of G; return [(name, seed, GAN)]."""
    runs = []
    for name in ("E6-upsampling01", "E6-transpose01"):
        experiment = find(name)
        experiment = experiment.but(f"{name}, sigmoid", generator=with_sigmoid(experiment.generator))
        for seed in seeds:
            path = folder / f"{name}-seed{seed}"
            run = start_run(experiment, path, dataset="digits", workers=1, seed=seed, **options)
            if run.run(quiet=True):
                raise SystemExit(f"stopped in {name}: nothing is written")
            runs.append((experiment.name, seed, run.gan))
    return runs


def main(study, results=RESULTS, images=PICTURES, copy=DOCS / "results" / "ranges.csv", **options):
    dataset = data.load("digits")
    real = dataset.images / 255
    runs, study_rows = [], []  # (name, seed, range, GAN)
    for name, title in ARMS.items():
        for folder in sorted(study.glob(f"{name}-seed*")):
            run = load_trained(folder)
            runs.append((title, run.config.seed, run.experiment.data_range, run.gan))
            study_rows.append(read_result(folder) | {"experiment": title})
    seeds = sorted({seed for _, seed, _, _ in runs})
    with tempfile.TemporaryDirectory() as folder:
        runs += [(name, seed, (0, 1), gan) for name, seed, gan in sigmoid_runs(Path(folder), seeds, **options)]
    rows, shown = [], {}
    for name, seed, (low, high), gan in runs:
        raw = gan.sample(SAMPLES, seed=0)
        samples = np.clip((raw - low) / (high - low), 0, 1)
        measured = measures_of(samples, real, ~real.any(axis=0))
        run = {"experiment": name, "seed": seed, "images": f"{low} to {high}"}
        rows.append(run | measured | {"below black": float((raw < low).mean())})
        if seed == 0:
            shown[name] = samples[:SHOWN]
    rows.append({"experiment": "real images", "background": 0.0, "grey": grey(real), "spread": 1.0})
    write_rows(results / "ranges.csv", rows)
    figure = pictures._figure(9, 6.5)
    for place, (name, samples) in enumerate(shown.items(), start=1):
        axes = figure.add_subplot(3, 2, place, title=name)
        pictures.show_grid(axes, pictures.grid(samples, 8, 0, 1))
    save_small(images / "ranges.png", figure, colours=8)
    copy.write_text(csv_text(study_rows), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), epochs=3)
