"""What the programs of docs/causes.md share: a measure, files of numbers, and the tables and numbers in the page.

    python docs/causes.py      writes the tables and numbers of docs/causes.md again, from docs/results/causes/*.csv

No number that was measured is written by hand. The page says where a table comes from:

    <!-- measured: d4_gradients.csv; columns: step, d_loss as loss of D; rows: step=0,100,2340 -->
    <!-- measured end -->

`columns` are all of the file unless some are named, each with the title that it gets; `rows` keeps the rows whose
column has one of the values (a space is written as _, and a comma with a space as /). `averaged` are columns of which
a row shows mean ± standard deviation over all rows that are the same in the other columns: over the seeds. One number
in a sentence needs one row and one column:

    <!-- measured: d4_gradients.csv; columns: d_loss; rows: step=0; in a sentence -->1.39<!-- measured end -->

tests/test_causes.py compares: it fails if the page does not hold what the files say.
"""

import argparse
import csv
import math
import re
import statistics
import sys
from pathlib import Path

import numpy as np

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

import minigan  # noqa: E402
from minigan.experiments import EXPERIMENTS, find  # noqa: E402
from minigan.experiments.variants import SEPARATOR  # noqa: E402
from minigan.training.loop import start_run  # noqa: E402

RESULTS, PICTURES = DOCS / "results" / "causes", DOCS / "images" / "causes"
MARKED = re.compile(r"(<!-- measured: (.*?) -->).*?(<!-- measured end -->)", re.S)


def share_over_samples(y):
    """Return how much of an array y (n, ...) depends on the sample: the variance over the n, by the mean square.

    1: nothing is common to all samples. 0: all samples are the same.
    """
    y = y.reshape(len(y), -1).astype("float64")
    square = (y * y).mean()
    return float(y.var(axis=0).mean() / square) if square else 0.0


def shares_of_layers(net, z):
    """Return {name of a layer: share_over_samples of its output} for latents z, in inference mode."""
    scope = minigan.microscope(net, z, np.zeros_like, training=False)
    return {view.name: share_over_samples(view.y) for view in scope.layers}


def train(experiment, folder, watcher, **options):
    """Train an experiment, given by its name or itself, with a watcher; Ctrl-C ends the program, not only this run."""
    experiment = find(experiment) if isinstance(experiment, str) else experiment
    run = start_run(experiment, folder, workers=1, watchers=[watcher], **options)
    if run.run(quiet=True):
        raise SystemExit(f"stopped at step {run.step:,} of {folder.name}: nothing is written")


def norm(*arrays):
    """Return the Euclidean norm of all numbers of some arrays together; None counts as nothing."""
    return math.sqrt(sum(float((array.astype("float64") ** 2).sum()) for array in arrays if array is not None))


def shown(value):
    """Return a value as the files hold it: numbers that are not whole with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_rows(path, rows):
    """Write dicts with the same keys as a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: shown(value) for name, value in row.items()} for row in rows)


def read_rows(path):
    """Return the rows of a CSV file as dicts of texts."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def given_runs(text):
    """Return the folders of runs that the command line gives, and the folder of the data set's files or None.

    text       the docstring of the program, for --help
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="the folders of the runs")
    parser.add_argument("--data-dir", help="the folder of the data set's files; default: that of the runs")
    options = parser.parse_args()
    return options.runs, options.data_dir


def names_of(run):
    """Return what the rows about an opened run begin with: its experiment, its seed, and its epoch."""
    return {"experiment": run.experiment.name, "seed": run.config.seed, "epoch": float(run.epoch)}


def replace_rows(path, new):
    """Write rows into a file, in place of those of the same experiment, seed and epoch; sort as the catalogue does."""
    replaced = {moment_of(row) for row in new}
    old = [row for row in (read_rows(path) if path.exists() else []) if moment_of(row) not in replaced]
    write_rows(path, sorted([*old, *new], key=lambda row: (place_of(row["experiment"]), *moment_of(row))))


def moment_of(row):
    """Return the experiment, seed and epoch of a row, the epoch with the digits that files have."""
    return row["experiment"], int(row["seed"]), float(shown(float(row["epoch"])))


def place_of(name):
    """Return the place of an experiment in the catalogue; one with other options stands at the place of its base."""
    return [*EXPERIMENTS].index(name.split(SEPARATOR)[0])


def numbers(rows, column):
    """Return a column of rows as numbers; NaN where there is nothing."""
    return [float(row[column] or "nan") for row in rows]


def save_small(path, figure, colours=64):
    """Write a figure as a PNG of a few colours: the pages need small pictures."""
    from PIL import Image

    from minigan import pictures

    path.parent.mkdir(parents=True, exist_ok=True)
    pictures.save_figure(path, figure)
    Image.open(path).convert("RGB").quantize(colours).save(path, optimize=True)


def filled(text, folder=RESULTS):
    """Return the text of the page with all its tables and numbers as the files say."""
    return MARKED.sub(lambda mark: f"{mark[1]}{content(mark[2], folder)}{mark[3]}", text)


def content(words, folder):
    """Return what belongs between two marks: a table, or one number."""
    source, *parts = [part.strip() for part in words.split(";")]
    options = dict(part.partition(":")[::2] for part in parts)
    rows = read_rows(folder / source)
    for condition in options.get("rows", "").split():
        column, _, values = condition.partition("=")
        rows = [row for row in rows if row[column].replace(", ", "/").replace(" ", "_") in values.split(",")]
    titles = {name: name for name in rows[0]}
    if "columns" in options:
        titles = dict(part.strip().partition(" as ")[::2] for part in options["columns"].split(","))
    if "averaged" in options:
        rows = averaged(rows, titles, [name.strip() for name in options["averaged"].split(",")])
    table = [[row[name] for name in titles] for row in rows]
    if "in a sentence" in options:
        ((number,),) = table
        return number
    lines = [[title or name for name, title in titles.items()], ["---"] * len(titles), *table]
    return "\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def averaged(rows, columns, names):
    """Return one row for all rows that are the same in the other columns, with mean ± standard deviation of `names`."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns if column not in names), []).append(row)
    result = []
    for group in groups.values():
        row = dict(group[0])
        for name in names:
            values = numbers(group, name)
            if len(values) > 1:
                row[name] = f"{statistics.mean(values):.3g} ± {statistics.stdev(values):.2g}"
        result.append(row)
    return result


def main():
    page = DOCS / "causes.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
