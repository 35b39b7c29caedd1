"""The metrics over the epochs in a page: plots of them, their captions, and a table. They are those of metrics.csv."""

import math

from minigan.pages import element, table
from minigan.report import words
from minigan.report.grids import evenly
from minigan.report.plots import MOST_POINTS, curve, plot

DRAWN = (
    ("nfd", "score", "coverage"),  # with a classifier
    ("modes", "mode_kl"),  # of stacked digits
    ("diversity_ratio", "memorisation_ratio"),  # without labels
)
PERCENT = ("nfd",)  # of the metrics that are drawn
MOST_ROWS = 500  # of the table


def plots_of_metrics(rows, marks):
    """Return {name: plot} of the rows of metrics.csv; the names are those of metrics."""
    shown = evenly(rows, MOST_POINTS)
    names = next((names for names in DRAWN if has_numbers(rows, names[0])), ())
    return {name: plot(ylabel(name), [metric_curve(name, name_of(name), shown)], (), marks, log=name in PERCENT)
            for name in names if has_numbers(rows, name)}  # fmt: skip


def metric_curve(name, title, rows):
    return curve(title, [row["epoch"] for row in rows], [row.get(name, math.nan) for row in rows])


def has_numbers(rows, name):
    return any(math.isfinite(row.get(name, math.nan)) for row in rows)


def ylabel(name):
    return f"{name_of(name)} in percent" if name in PERCENT else name_of(name)


def name_of(name):
    """Return what pages call a metric: nFD"""
    return next(heading for heading, key, _, _ in words.METRICS if key == name)


def caption_of(name, rows):
    """Return what stands below the plot of a metric: its name, of how many samples, and what it means."""
    meaning = next(meaning for _, key, _, meaning in words.METRICS if key == name)
    return f"The {name_of(name)} of {samples_text(rows)}. {meaning}"


def samples_text(rows):
    """Return how many samples were judged, in words."""
    counts = sorted({row["samples"] for row in rows})
    if len(counts) == 1:
        return f"{counts[0]:,} samples"
    return f"{counts[0]:,} to {counts[-1]:,} samples: metrics of different numbers cannot be compared"


def newest_nfd(rows):
    """Return (heading, text) of the newest nFD for the top of a page, or None."""
    if not rows or not math.isfinite(rows[-1].get("nfd", math.nan)):
        return None
    return f"nFD of {rows[-1]['samples']:,} samples", f"{rows[-1]['nfd']:.2f} %"


def metrics_table(rows):
    """Return the numbers behind the plots as a table, folded away; None if there are none."""
    if not rows:
        return None
    shown = evenly(rows, MOST_ROWS)
    columns = [(heading, key, style) for heading, key, style, _ in words.METRICS if key in rows[0]]
    cells = [
        [f"{row['epoch']:.6g}", f"{row['step']:,}", f"{row['samples']:,}",
         *(cell(row[key], style) for _, key, style in columns)]
        for row in shown
    ]  # fmt: skip
    headings = ["epoch", "step", "samples", *(heading for heading, _, _ in columns)]
    about = f"metrics.csv: {len(shown):,} of {len(rows):,} rows"
    return element(
        "details", element("summary", "The metrics as a table"), table(about, headings, cells), id="epoch-metrics"
    )


def cell(value, style):
    """Return a metric as a text; "-" for one that could not be computed."""
    if not math.isfinite(value):
        return "-"
    return style.format(int(value) if style == "{:,}" else value)
