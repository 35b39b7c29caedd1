"""Measure how black the background of samples is, for small and large batches: for docs/causes.md.

    python docs/grey_background.py              E3 with batches of 128 and 512, on the built-in digits
    python docs/grey_background.py out/study    E3 and the experiments of E4 in the folder of a study

A watcher looks at 200 samples before the first step, after each epoch, and at the steps STEPS. The background are the
pixels that are black in all images of the data set. The program writes docs/results/causes/grey_background.csv, a row
for each look, and docs/images/causes/grey_background.png. With a study, it looks at the samples after the last step,
and writes docs/results/causes/grey_background_batches.csv, a row for each run. A row of the same batch, epochs and seed
that is there already is replaced, the others stay.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from causes import PICTURES, RESULTS, read_rows, save_small, train, write_rows

from minigan import data, pictures
from minigan.training.trained import load_trained
from minigan.training.watchers import Watcher

EPOCHS = 3
STEPS = (10, 19, 38, 57, 76, 114, 152, 234)
EQUAL = 57  # EPOCHS epochs of 10,000 images for a batch of 512: steps at which the samples are compared, too
SAMPLES, SHOWN = 200, 8
# title: variant of E3
ARMS = {
    "128": "E3+batch_size=128",
    "512": "E3+batch_size=512",
    "512, rates x 4": "E3+batch_size=512+d_lr=0.0008+g_lr=0.0008",
}


def images_and_background(gan, black):
    """Return samples in [0, 1], and their pixels at the places that are black in all real images."""
    images = (gan.sample(SAMPLES, seed=0) + 1) / 2
    return images, images[:, black]


class Background(Watcher):
    """Look at the background of samples: `rows` for each look, `samples` by their steps."""

    def __init__(self):
        self.rows, self.samples = [], {}

    def start(self, training):
        self.training = training
        self.black = ~training.images.any(axis=0)
        self.look(0)

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        if step in STEPS:
            self.look(step)

    def after_epoch(self, row, picture):
        if row["step"] not in STEPS:
            self.look(row["step"])

    def look(self, step):
        """Add a row: the background of samples, from 0 (black) to 1 (white)."""
        images, background = images_and_background(self.training.gan, self.black)
        self.samples[step] = images[:SHOWN]
        self.rows.append(
            {
                "step": step,
                "epoch": step / self.training.config.steps_per_epoch,
                "background": float(background.mean()),
                "background in %": f"{100 * background.mean():.2f}",
                "ink": float(images.mean()),
            }
        )


def draw(path, rows, samples):
    """Draw the background over epochs and over steps, and samples at equal epochs and at equal steps."""
    figure = pictures._figure(11, 6.5)
    for place, unit in enumerate(("epoch", "step"), start=1):
        axes = figure.add_subplot(2, 2, place, title=f"by {unit}s", yscale="log")
        for arm, style in zip(samples, ("k.-", "k.--", "k.:"), strict=False):
            own = [row for row in rows if row["batch"] == arm and row["step"]]
            axes.plot([row[unit] for row in own], [row["background"] for row in own], style, label=f"batch {arm}")
        axes.set(xlabel=unit, ylabel="background (0 black, 1 white)")
        axes.legend(fontsize="small")
    last = {arm: at_epoch(rows, arm) for arm in samples}
    for place, title, steps in (
        (3, f"samples after {EPOCHS} epochs", last),
        (4, f"samples after {EQUAL} steps", {arm: EQUAL for arm in samples}),
    ):
        found = [arm for arm, step in steps.items() if step in samples[arm]]
        if found:
            lines = "; ".join(found)
            axes = figure.add_subplot(2, 2, place)
            pictures.show_grid(
                axes, pictures.grid(np.concatenate([samples[arm][steps[arm]] for arm in found]), SHOWN, 0, 1)
            )
            axes.set_title(f"{title}, batch {lines}", fontsize="small")
    save_small(path, figure, colours=24)


def at_epoch(rows, batch):
    """Return the step at which a run has completed EPOCHS epochs, or None."""
    return next((row["step"] for row in rows if row["batch"] == batch and row["epoch"] == EPOCHS), None)


def measure(folder, results=RESULTS, images=PICTURES, arms=ARMS, **options):
    """Train all runs in a folder, and write the file and the picture."""
    rows, samples = [], {}
    for arm, name in arms.items():
        watcher = Background()
        train(name, folder / name, watcher, seed=0, dataset="digits", epochs=EPOCHS, **options)
        rows += [{"batch": arm, **row} for row in watcher.rows]
        samples[arm] = watcher.samples
        write_rows(results / "grey_background.csv", rows)
    draw(images / "grey_background.png", rows, samples)


def measure_study(study, results=RESULTS):
    """Measure the background of all runs of E3 and E4 in the folder of a study, and write the file."""
    path = results / "grey_background_batches.csv"
    rows = {run_of(row): row for row in (read_rows(path) if path.exists() else [])}
    for folder in sorted([*study.glob("E3*-seed*"), *study.glob("E4-*-seed*")]):
        run = load_trained(folder)
        black = ~data.load(run.config.dataset).images.any(axis=0)
        _, background = images_and_background(run.gan, black)
        row = {"batch": run.config.batch_size, "epochs": run.step / run.config.steps_per_epoch, "steps": run.step}
        row |= {"seed": run.config.seed, "background in %": 100 * float(background.mean())}
        rows[run_of(row)] = row
    write_rows(path, [rows[run] for run in sorted(rows)])


def run_of(row):
    """Return what no two rows share, as numbers: the epochs, the batch and the seed."""
    return tuple(float(row[name]) for name in ("epochs", "batch", "seed"))


if __name__ == "__main__":
    if sys.argv[1:]:
        measure_study(Path(sys.argv[1]))
        sys.exit()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))
