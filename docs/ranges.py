"""Measure the background of samples for both ranges of the images and both upsamplers: for docs/causes.md.

    python -m minigan study ...                 the line in docs/causes.md
    python docs/ranges.py out/ranges            the folder of the study

The background are the pixels that are black in all images of the data set. The program writes a row for each experiment
and seed into docs/results/causes/ranges.csv, draws docs/images/causes/ranges.png, and copies the study's results to
docs/results/ranges.csv.
"""

import shutil
import sys
from pathlib import Path

import numpy as np
from causes import DOCS, PICTURES, RESULTS, save_small, write_rows

from minigan import data, pictures
from minigan.training.trained import load_trained

SAMPLES, SHOWN = 200, 24


def background_of(images, black):
    """Return what is measured of the background of images in [0, 1], as shares of white."""
    background = images[:, black]
    return {
        "mean": float(background.mean()),
        "noise": float(background.std()),
        "most": float(np.quantile(background, 0.99)),
    }


def main(study, results=RESULTS, images=PICTURES, copy=DOCS / "results" / "ranges.csv"):
    rows, shown = [], {}
    for folder in sorted(study.glob("*-seed*")):
        run = load_trained(folder)
        low, high = run.experiment.data_range
        raw = run.gan.sample(SAMPLES, seed=0)
        black = ~data.load(run.config.dataset, run.config.data_dir).images.any(axis=0)
        samples = np.clip((raw - low) / (high - low), 0, 1)
        seed = run.config.seed
        rows.append(
            {
                "experiment": run.experiment.name,
                "seed": seed,
                "images": f"[{low}, {high}]",
                **background_of(samples, black),
                "below black": float((raw < low).mean()),
            }
        )
        if seed == 0:
            shown[run.experiment.name] = samples[:SHOWN]
    write_rows(results / "ranges.csv", rows)
    figure = pictures._figure(9, 6)
    for place, (name, samples) in enumerate(shown.items(), start=1):
        axes = figure.add_subplot(2, 2, place, title=name)
        pictures.show_grid(axes, pictures.grid(samples, 6, 0, 1))
    save_small(images / "ranges.png", figure)
    shutil.copyfile(study / "results.csv", copy)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
