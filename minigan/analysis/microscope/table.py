"""A small table of all layers, as text for a terminal and as HTML for a notebook."""

import html
import math

import numpy as np

from minigan.analysis.microscope.view import histogram
from minigan.summary import shape_text

TITLES = ("layer", "output", "y mean", "y std", "dy rms", "bytes kept", "update/weight", "never above 0")
WIDTH, HEIGHT, BARS = 80, 20, 20  # of a small histogram


def cells_of(view):
    """Return the cells of a layer's row."""
    mean, std = moments(view.y)
    ratios = [f"{name} {number(ratio)}" for name, ratio in view.update_ratios.items()]
    dead = view.dead_share
    return (
        view.name,
        "" if view.y is None else shape_text(view.y.shape[1:]),
        number(mean),
        number(std),
        "" if view.dy is None else number(rms(view.dy)),
        f"{view.kept_bytes:,}",
        ", ".join(ratios),
        "" if dead is None else f"{100 * dead:.0f} %",
    )


def moments(array):
    """Return the mean and the standard deviation of an array, in float64."""
    with np.errstate(all="ignore"):
        numbers = array.astype("float64")
        return float(numbers.mean()), float(numbers.std())


def rms(array):
    """Return the root of the mean square of an array."""
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.mean(array.astype("float64") ** 2)))


def number(value):
    """Return a number with three digits."""
    return "NaN" if math.isnan(value) else f"{value:.3g}"


def as_text(scope):
    """Return the table with aligned columns."""
    rows = [TITLES, *map(cells_of, scope.layers)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:], note(scope)])


def note(scope):
    """Return the line below the table."""
    mode = "training" if scope.training else "inference"
    return f"one batch of {len(scope.y)} in {mode} mode, forward and back; explain(layer, what, index) tells one number"


def as_html(scope):
    """Return the table with histograms of y and dy, and the formula of each layer to unfold."""
    titles = "".join(f"<th>{title}</th>" for title in (*TITLES, "y", "dy"))
    rows = []
    for view in scope.layers:
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells_of(view)[1:])
        pictures = "".join(f"<td>{small_histogram(array)}</td>" for array in (view.y, view.dy))
        lines = "\n".join(f"{name:10}{line}" for name, lines in view.formula for line in lines)
        name = html.escape(view.name)
        if lines:
            name = f"<details><summary>{name}</summary><pre>{html.escape(lines)}</pre></details>"
        rows.append(f'<tr><td style="text-align: left">{name}</td>{cells}{pictures}</tr>')
    return f"<table><tr>{titles}</tr>{''.join(rows)}</table><p><small>{html.escape(note(scope))}</small></p>"


def small_histogram(array):
    """Return a histogram as a picture in a line of text, in the colour of the text."""
    if array is None:
        return ""
    found = histogram(array, BARS)
    top, width = max(1, int(found.counts.max())), WIDTH / BARS
    bars = "".join(
        f'<rect x="{k * width:g}" y="{HEIGHT - size:.1f}" width="{width - 0.5:g}" height="{size:.1f}"/>'
        for k, size in enumerate(HEIGHT * found.counts / top)
        if size
    )
    words = f"from {found.edges[0]:.3g} to {found.edges[-1]:.3g}" + (f", {found.odd:,} not finite" if found.odd else "")
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" fill="currentColor" role="img" aria-label="{words}">'
        f"<title>{words}</title>{bars}</svg>"
    )
