"""Collect what docs/experiments.md shows of studies: their results, their losses, and a picture of each experiment.

    python -m minigan study A1 A2 --out out/study         the lines in docs/experiments.md
    python docs/experiments.py out/study                  the folders of one or more studies
    python docs/tables.py

The runs of report A go to docs/results/report_a.csv and docs/results/losses/report_a.csv, and the picture of A1 to
docs/images/experiments/A1.png; runs with options (--set) have no picture. A run that is there already is replaced, the
others stay.
"""

import csv
import json
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from failures import reduce_colours  # noqa: E402
from losses import numbers, read_losses, runs_of, write_losses  # noqa: E402

from minigan import pictures  # noqa: E402
from minigan.experiments import EXPERIMENTS  # noqa: E402
from minigan.study.results import csv_text, read_csv, read_result  # noqa: E402

RESULTS, LOSSES, IMAGES = DOCS / "results", DOCS / "results" / "losses", DOCS / "images" / "experiments"
SHOWN, ZOOM = 6, 2  # images in a row of a picture; how many times the grids of a run are larger than their images
ORDER = [*EXPERIMENTS]


def main(studies):
    runs = {}
    for folder in [run for study in studies for run in sorted(study.iterdir())]:
        row = read_result(folder)
        if row is not None:  # else it has not come to its end
            runs[run_of(row)] = folder, row
    for report in sorted({report_of(row) for _, row in runs.values()}):
        new = [(folder, row) for folder, row in runs.values() if report_of(row) == report]
        path = RESULTS / f"report_{report}.csv"
        old = read_csv(path) if path.exists() else []
        path.write_text(csv_text(merged(old, [row for _, row in new])), encoding="utf-8")
        path = LOSSES / path.name
        old = read_losses(path) if path.exists() else []
        losses = merged(old, [epoch for folder, row in new for epoch in losses_of(folder, row)])
        write_losses(path, losses)
        print(f"report {report.upper()}: {len(new)} runs")
        for folder, row in new:
            if row["seed"] == 0 and not row["options"]:
                draw(folder, runs_of(losses, row["experiment"]), IMAGES / f"{row['experiment']}.png")


def run_of(row):
    """Return what no two runs share."""
    return row["experiment"], row["options"], row["seed"]


def report_of(row):
    """Return the letter of the report that a run belongs to."""
    return EXPERIMENTS[row["experiment"]].report.lower()


def merged(old, new):
    """Return old and new rows in the order of the catalogue; the new rows of a run take the place of its old ones."""
    replaced = {run_of(row) for row in new}
    rows = [row for row in old if run_of(row) not in replaced] + new
    return sorted(rows, key=lambda row: (ORDER.index(row["experiment"]), row["options"], row["seed"]))


def losses_of(folder, row):
    """Return the rows of a run's history, with the names of the run."""
    names = {name: row[name] for name in ("experiment", "options", "seed")}
    with open(folder / "history.csv", newline="", encoding="utf-8") as file:
        return [names | numbers(epoch) for epoch in csv.DictReader(file)]


def draw(folder, runs, path):
    """Draw the last samples of a run beside the losses of its epochs; the other seeds are thin lines."""
    figure = pictures._figure(8.4, 3.2)
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    grid = pictures.open_png(sorted((folder / "samples").glob("epoch_*.png"))[-1])
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
    right.set(xlabel="epoch", ylabel="loss")
    right.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    right.legend()
    pictures.save_figure(path, figure)
    reduce_colours(path)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
