"""Compare the losses of runs with the quality of their samples: for docs/causes.md.

    python docs/losses_and_samples.py      needs no training: it reads docs/results/report_*.csv

The runs of a group are equally long, or they are moments of one run. For each group, the program takes D's and G's mean
loss over the last epoch, and the nFD of 10,000 samples, and writes the rank correlation of loss and nFD into
docs/results/causes/losses_and_samples.csv. The picture, docs/images/causes/losses_and_samples.png, shows D's loss and
nFD of all runs.
"""

import numpy as np
from causes import DOCS, PICTURES, RESULTS, numbers, save_small, write_rows
from matplotlib.ticker import LogFormatter

from minigan import pictures
from minigan.study.results import read_csv

FILE = "losses_and_samples.csv"
NOISY_LABELS = ("A5", "A6", "E5-noise")  # with these, the smallest loss of D is not 0: it cannot be compared


def read_groups(results):
    """Return the rows of each group, as {name: rows}, from the folder with the results of the reports."""
    a, b, d, e = (read_csv(results / f"report_{report}.csv") for report in "abde")
    groups = {
        "A1 to A4, 10 epochs": [row for row in a if row["epochs"] == 10],
        "report B, 30 epochs": [row for row in b if row["epochs"] == 30 and not row["options"]],
        "report D, 300 steps": [row for row in d if row["options"] == "steps=300"],
        "report E, 10 epochs of the built-in digits": [
            row for row in e if row["epochs"] == 10 and not row["options"] and row["dataset"] == "digits"
        ],
        "B1-300, every 10 epochs until 100": moments(b, "B1-300"),
        "D1, every 10 epochs until 300": moments(d, "D1"),
    }
    return {name: [row for row in rows if row["experiment"] not in NOISY_LABELS] for name, rows in groups.items()}


def moments(rows, experiment):
    """Return the rows of one run, on MNIST and without other options: those before its end, and its end."""
    return [row for row in rows if row["experiment"] == experiment and row["options"].split("=")[0] in ("", "epoch")]


def rank_correlation(x, y):
    """Return Spearman's rank correlation of two lists of numbers: the correlation of their ranks.

    1: the order is the same. -1: it is reversed. 0: the one says nothing about the order of the other.

    Source     Spearman 1904, The Proof and Measurement of Association between Two Things
    """
    return float(np.corrcoef(ranks(x), ranks(y))[0, 1])


def ranks(values):
    """Return the place of each number among all: 0 is the smallest; equal numbers share the mean of their places."""
    values = np.asarray(values)
    below = (values < values[:, None]).sum(axis=1)
    equal = (values == values[:, None]).sum(axis=1)
    return below + (equal - 1) / 2


def draw(path, groups):
    """Draw D's loss and nFD of all runs, one group beside the other."""
    figure = pictures._figure(10, 6)
    for place, (name, rows) in enumerate(groups.items(), 1):
        axes = figure.add_subplot(2, 3, place)
        axes.semilogy(numbers(rows, "d_loss"), numbers(rows, "nfd"), "C0.")
        axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))  # 20 in place of 2 times 10^1
        axes.yaxis.set_major_formatter("{x:g}")
        axes.set_title(name, fontsize="small")
        axes.set(xlabel="D's loss in the last epoch", ylabel="nFD %" if place in (1, 4) else "")
    save_small(path, figure)


def main(studies=DOCS / "results", results=RESULTS, images=PICTURES):
    """Write the rank correlations, and draw the runs."""
    groups = read_groups(studies)
    rows = []
    for name, runs in groups.items():
        nfd = numbers(runs, "nfd")
        d, g = (rank_correlation(numbers(runs, loss), nfd) for loss in ("d_loss", "g_loss"))
        rows.append({"runs": name, "number": len(runs), "D's loss": f"{d:.2f}", "G's loss": f"{g:.2f}"})
    write_rows(results / FILE, rows)
    draw(images / "losses_and_samples.png", groups)


if __name__ == "__main__":
    main()
