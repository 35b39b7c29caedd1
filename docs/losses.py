"""Read and write the losses of runs over their epochs: docs/results/losses/*.csv, a row for each epoch of each run."""

import csv
import statistics

RUN = ("experiment", "options", "seed")
NUMBERS = ("epoch", "d_loss", "g_loss", "d_grad_norm", "g_grad_norm")

# what a page can say about the losses of one run, in the order of its epochs
SUMMARIES = {
    "first": lambda losses: losses[0],
    "last": lambda losses: losses[-1],
    "lowest": min,
    "highest": max,
    "range": lambda losses: max(losses) - min(losses),
    "deviation": statistics.stdev,
}


def read_losses(path):
    """Return the rows of a file of losses; numbers are floats, the seed is an integer."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row | {"seed": int(row["seed"])} | numbers(row) for row in rows]


def numbers(row):
    """Return the numbers of an epoch, of a row of this file or of a run's history.csv."""
    return {name: float(row[name]) for name in NUMBERS}


def write_losses(path, rows):
    """Write the rows of a file of losses, with four digits."""
    path.parent.mkdir(exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*RUN, *NUMBERS))
        for row in rows:
            writer.writerow([*(row[name] for name in RUN), *(f"{row[name]:.4g}" for name in NUMBERS)])


def runs_of(rows, label):
    """Return the rows of an experiment with its options, such as "A4" or "A4,d_lr=0.001", as {seed: its rows}."""
    runs = {}
    for row in rows:
        if ",".join([row["experiment"], *row["options"].split()]) == label:
            runs.setdefault(row["seed"], []).append(row)
    return runs


def loss(rows, label, column, summary):
    """Return one number of the losses of an experiment: mean ± standard deviation over its seeds.

    column     a name of NUMBERS, with a format or without: d_loss, d_loss:.2f
    summary    a name of SUMMARIES
    """
    name, _, style = column.partition(":")
    runs = runs_of(rows, label)
    if not runs or name not in NUMBERS or summary not in SUMMARIES:
        raise ValueError(f"expected a row and columns of the file, and one of {', '.join(SUMMARIES)}")
    values = [SUMMARIES[summary]([row[name] for row in run]) for run in runs.values()]
    mean = format(statistics.mean(values), style or ".2f")
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):{style or '.2f'}}"
