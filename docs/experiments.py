"""Collect what docs/experiments.md shows of studies: their results, their losses, and a picture of each experiment.

    python -m minigan study A1 A2 --out out/study         the lines in docs/experiments.md
    python docs/experiments.py out/study                  the folders of one or more studies
    python docs/tables.py

The runs of report A go to docs/results/report_a.csv and docs/results/losses/report_a.csv, and the picture of A1 to
docs/images/experiments/A1.png. Of runs with options (--set), only those on another data set have a picture: that of
B0+dataset=digits is B0-digits.png. A run that is there already is replaced, the others stay.

If a run was judged while it trained (--judge-every), each of these moments becomes a row, too: "A1, epoch=5" is
what a run of 5 epochs would have given (unless its learning rates fall to its end), and the picture shows nFD over the
epochs, if as many samples were judged then as at the end (--judge-samples).
"""

import csv
import json
import math
import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from failures import reduce_colours  # noqa: E402
from losses import numbers, read_losses, runs_of, write_losses  # noqa: E402

from minigan import pictures  # noqa: E402
from minigan.experiments import EXPERIMENTS  # noqa: E402
from minigan.study.results import SCORES, csv_text, read_csv, read_result  # noqa: E402

RESULTS, LOSSES, IMAGES = DOCS / "results", DOCS / "results" / "losses", DOCS / "images" / "experiments"
SHOWN, ZOOM = 6, 2  # images in a row of a picture; how many times the grids of a run are larger than their images
ORDER = [*EXPERIMENTS]


def main(studies):
    runs = {}
    for folder in [run for study in studies for run in sorted(study.iterdir())]:
        row = read_result(folder)
        if row is None:  # it has not come to its end
            continue
        if row["experiment"] not in EXPERIMENTS or not report_of(row):
            print(f"{folder}: left out, it is of none of the reports")
        elif int(read_table(folder / "history.csv")[-1]["step"]) != row["steps"]:
            print(f"{folder}: left out, it was continued, and has not come to its new end")
        else:
            runs[run_of(row)] = folder, row
    for report in sorted({report_of(row) for _, row in runs.values()}):
        new = [(folder, row) for folder, row in runs.values() if report_of(row) == report]
        path = RESULTS / f"report_{report}.csv"
        old = read_csv(path) if path.exists() else []
        results = merged(old, [result for folder, row in new for result in [*results_before(folder, row), row]])
        path.write_text(csv_text(results), encoding="utf-8")
        path = LOSSES / path.name
        old = read_losses(path) if path.exists() else []
        losses = merged(old, [epoch for folder, row in new for epoch in losses_of(folder, row)])
        write_losses(path, losses)
        print(f"report {report.upper()}: {len(new)} runs")
        for folder, row in new:
            endings = {"": "", f"dataset={row['dataset']}": f"-{row['dataset']}"}  # of the names of pictures
            if row["seed"] == 0 and row["options"] in endings:
                path = IMAGES / f"{row['experiment']}{endings[row['options']]}.png"
                label = ",".join([row["experiment"], *row["options"].split()])
                draw(folder, row, results_before(folder, row), runs_of(losses, label), path)


def run_of(row):
    """Return what no two runs share; all moments of a run have it in common."""
    return row["experiment"], moment_of(row)[0], row["seed"]


def moment_of(row):
    """Return the options of a run, and the epoch of the moment: "d_lr=1", 5.0 of "d_lr=1 epoch=5"; else infinity."""
    found = re.fullmatch(r"(.*?) ?\bepoch=(\S+)", row["options"])
    return (found[1], float(found[2])) if found else (row["options"], math.inf)


def report_of(row):
    """Return the letter of the report that a run belongs to."""
    return EXPERIMENTS[row["experiment"]].report.lower()


def merged(old, new):
    """Return old and new rows in the order of the catalogue; the new rows of a run take the place of its old ones."""
    replaced = {run_of(row) for row in new}
    rows = [row for row in old if run_of(row) not in replaced] + new
    return sorted(rows, key=lambda row: (ORDER.index(row["experiment"]), *moment_of(row), row["seed"]))


def losses_of(folder, row):
    """Return the rows of a run's history, with the names of the run."""
    names = {name: row[name] for name in ("experiment", "options", "seed")}
    return [names | numbers(epoch) for epoch in read_table(folder / "history.csv")]


def results_before(folder, row):
    """Return the results of a run at the epochs after which it was judged, but for the last: [] without any."""
    if not (folder / "metrics.csv").exists():
        return []
    losses = {epoch["epoch"]: epoch for epoch in losses_of(folder, row)}
    found = []
    for judged in read_table(folder / "metrics.csv"):
        epoch = float(judged["epoch"])
        if int(judged["step"]) < row["steps"] and epoch in losses and judged.get("nfd"):
            options = f"{row['options']} epoch={epoch:g}".strip()
            scores = {name: float(judged[name]) if judged.get(name) else None for name in SCORES}
            counts = {"epochs": epoch, "steps": int(judged["step"]), "samples": int(judged["samples"])}
            pair = {name: losses[epoch][name] for name in ("d_loss", "g_loss")}
            found.append(row | {"options": options, "seconds": None} | counts | pair | scores)
    return found


def read_table(path):
    """Return the rows of a table in the folder of a run, as texts."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def epoch_of(path):
    """Return the number of the epoch of a picture epoch_030.png"""
    return int(path.stem.split("_")[1])


def draw(folder, row, before, runs, path):
    """Draw the last samples of a run beside the losses of its epochs; the other seeds are thin lines.

    before     the results at earlier epochs; if there are some, nFD over the epochs stands below the losses
    """
    figure = pictures._figure(8.4, 3.2)
    before = [one for one in before if one["samples"] == row["samples"]]  # nFD depends on their number
    places = figure.add_gridspec(2 if before else 1, 2, width_ratios=(1, 1.3))
    left, right = figure.add_subplot(places[:, 0]), figure.add_subplot(places[0, 1])
    if before:
        below, judged = figure.add_subplot(places[1, 1], sharex=right), [*before, row]
        below.plot([one["epochs"] for one in judged], [one["nfd"] for one in judged], color="C2", marker=".")
        below.set(xlabel="epoch", ylabel="nFD %", ylim=(0, None))
    grid = pictures.open_png(max((folder / "samples").glob("epoch_*.png"), key=epoch_of))
    *sides, _ = json.loads((folder / "config.json").read_text())["image_shape"]
    rows, columns = (ZOOM * (SHOWN * (side + pictures.GAP) + pictures.GAP) for side in sides)
    pictures.show_grid(left, grid[:rows, :columns])
    for seed, losses in sorted(runs.items()):
        epochs, width = [row["epoch"] for row in losses], 1.8 if seed == 0 else 0.7
        for name, colour, style, title in (
            ("d_loss", "C0", "-", "discriminator"),
            ("g_loss", "C1", "--", "generator"),
        ):
            right.plot(
                epochs,
                [row[name] for row in losses],
                color=colour,
                linestyle=style,
                linewidth=width,
                marker="." if len(losses) < 20 else None,
                label=title if seed == 0 else None,
            )
    right.set(xlabel=None if before else "epoch", ylabel="loss")
    right.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)  # above: it covers no curve
    pictures.save_figure(path, figure)
    reduce_colours(path)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
