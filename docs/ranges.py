"""Measure samples for both ranges of the images and both upsamplers: for docs/causes.md.

    python -m minigan study ...                 the line in docs/causes.md
    python docs/ranges.py out/ranges            the folder of the study

The program also trains both experiments with images in [0, 1] and a sigmoid in place of G's tanh, seed 0, 3 epochs.
It writes a row for each experiment and seed into docs/results/causes/ranges.csv: the mean of the pixels that are black
in all real images (background), the share of pixels that are neither black nor white (grey), how much the samples
differ, compared with real images (spread), and the share of pixels below the number that stands for black (below
black). It draws docs/images/causes/ranges.png, and copies the study's results to docs/results/ranges.csv.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from causes import DOCS, PICTURES, RESULTS, save_small, write_rows

from minigan import data, pictures
from minigan.experiments import find
from minigan.layers import Sigmoid, Tanh
from minigan.training.loop import start_run
from minigan.training.trained import load_trained

SAMPLES, SHOWN = 200, 24


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


def sigmoid_runs(folder, **options):
    """Train both experiments with images in [0, 1] with a sigmoid at the end of G; return their GANs by name."""
    gans = {}
    for name in ("E6-upsampling01", "E6-transpose01"):
        experiment = find(name)
        experiment = experiment.but(f"{name}, sigmoid", generator=with_sigmoid(experiment.generator))
        run = start_run(experiment, folder / name, dataset="digits", workers=1, **options)
        if run.run(quiet=True):
            raise SystemExit(f"stopped in {name}: nothing is written")
        gans[experiment.name] = run.gan
    return gans


def main(study, results=RESULTS, images=PICTURES, copy=DOCS / "results" / "ranges.csv", **options):
    dataset = data.load("digits")
    real = dataset.images / 255
    runs = []  # (name, seed, range, GAN)
    for folder in sorted(study.glob("*-seed*")):
        run = load_trained(folder)
        runs.append((run.experiment.name, run.config.seed, run.experiment.data_range, run.gan))
    with tempfile.TemporaryDirectory() as folder:
        runs += [(name, 0, (0, 1), gan) for name, gan in sigmoid_runs(Path(folder), **options).items()]
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
    shutil.copyfile(study / "results.csv", copy)


if __name__ == "__main__":
    main(Path(sys.argv[1]), epochs=3)
