"""The plots of a report as data: plots.js draws them. Each has curves, lines, and marks where health had a note.

A plot is {"x", "y", "log", "curves": [{"name", "x", "y", "low", "high"}], "lines": [{"y", "name"}], "marks": [{"x",
"name", "over"}]}.
"""

import math

from minigan.gan.undecided import undecided_losses
from minigan.pages import element
from minigan.report.grids import evenly
from minigan.report.words import cut
from minigan.training.checkpoints import RATES

MOST_POINTS = 1_000  # of a curve: a screen has no more columns
MOST_MARKS = 200
MARK_TEXT = 200  # characters of a note in a plot


def figure(name, caption, plot):
    """Return the place of a plot in a page; plots.js fills it. None if there is nothing to draw."""
    if not plot or not plot["curves"]:
        return None
    label = f"{caption} Arrow keys move along the curves."
    area = element(
        "div", class_="plot", data_plot=name, role="slider", tabindex="0", aria_label=label, aria_valuetext="no point"
    )
    return element("figure", area, element("figcaption", caption))


def curve(name, x, y, **more):
    return {"name": name, "x": list(x), "y": list(y), **more}


def plot(ylabel, curves, lines=(), marks=(), log=False, xlabel="epoch"):
    """Return a plot of curves; the logarithmic scale is taken only where all numbers are above 0 and far apart."""
    curves = [one for one in curves if any(map(math.isfinite, one["y"]))]
    values = [y for one in curves for y in one["y"] if math.isfinite(y)]
    far = bool(values) and min(values) > 0 and max(values) > 30 * min(values)
    return {
        "x": xlabel,
        "y": ylabel,
        "log": bool(log and far),
        "curves": curves,
        "lines": list(lines),
        "marks": list(marks),
    }


def plots_of_run(record, measures, relative):
    """Return {name: plot} of a run.

    measures   what `grids.measured` returned, and whether it is relative to real images
    """
    rows, marks = evenly(record.history, MOST_POINTS), marks_of(record)
    epochs = [row["epoch"] for row in rows]

    def of_history(*names):
        titles = {"d": "discriminator", "g": "generator"}
        return [curve(titles[name[0]], epochs, [row[name] for row in rows]) for name in names]

    found = {}
    if rows:
        found["losses"] = plot("loss", of_history("d_loss", "g_loss"), undecided(record), marks)
        found["norms"] = plot("gradient norm", of_history("d_grad_norm", "g_grad_norm"), (), marks, log=True)
    if any(RATES[0] in row for row in rows):
        curves = [
            curve(title, epochs, [row.get(name, math.nan) for row in rows])
            for name, title in zip(RATES, ("discriminator", "generator"), strict=True)
        ]
        found["rates"] = plot("learning rate", curves, (), marks, log=True)
    if measures:
        found["samples"] = plot("share", sample_curves(measures, relative), (), marks)
    if record.sharpness:
        found["sharpness"] = plot("eigenvalue", sharpness_curves(record.sharpness), (), marks)
    return found


def undecided(record):
    """Return the lines of the losses where D cannot tell real from generated, for the losses that they hold for."""
    objective = (record.config.settings or {}).get("objective")
    name = objective.get("class") if isinstance(objective, dict) else None
    return [{"y": loss, "name": line} for line, loss in undecided_losses(name).items()]


def marks_of(record):
    """Return a mark for each note of health, at its epoch."""
    notes = [note for note in record.notes if note.is_health and note.step is not None]
    return [
        {"x": record.epoch_of(note.step), "name": cut(note.text)[:MARK_TEXT], "over": note.recovery}
        for note in evenly(notes, MOST_MARKS)
    ]


def sample_curves(measures, relative):
    whole = "two real images" if relative else "black and white"
    titles = {
        "difference": f"difference of two samples (of {whole})",
        "noise": "difference of neighbouring pixels (of independent ones)",
        "change": "change since the grid before",
    }
    return [
        curve(title, [row["epoch"] for row in measures], [row.get(name, math.nan) for row in measures])
        for name, title in titles.items()
    ]


def sharpness_curves(rows):
    curves = {}
    for row in evenly(rows, 4 * MOST_POINTS):
        name = f"{row['network']}, number {row['rank']}"
        one = curves.setdefault(name, curve(name, [], []))
        one["x"].append(row["epoch"])
        one["y"].append(row["eigenvalue"])
    return list(curves.values())[:12]
