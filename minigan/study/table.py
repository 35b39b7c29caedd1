"""Tables of results: a row for each experiment with its options, with mean and standard deviation over the seeds."""

import math
import re
import statistics

from minigan.errors import OptionError
from minigan.metrics import evaluation
from minigan.options import hint

# heading, name, format of the columns with numbers
SCORES = (*evaluation.COLUMNS, ("diversity", "diversity_ratio", ".2f"), ("asked class", "asked_share", ".3f"))
COLUMNS = (
    *SCORES,
    ("D's loss", "d_loss", ".3f"),
    ("G's loss", "g_loss", ".3f"),
    ("seconds", "seconds", ".0f"),
    ("ms per step", "ms_per_step", ".1f"),
)
STYLES = {name: (heading, style) for heading, name, style in COLUMNS}


class Group:
    """Runs that differ in their seeds alone.

    rows       of the finished runs; failed: of those that failed
    """

    def __init__(self, label, first):
        self.label, self.first, self.rows, self.failed = label, first, [], []

    def run(self, with_dataset):
        """Return what was run, as a table says it: "10 epochs, seeds 0, 1, 2"."""
        parts = []
        if self.rows:
            row = self.rows[0]
            whole = row["epochs"] is not None and float(row["epochs"]).is_integer()
            parts = [count(int(row["epochs"]), "epoch") if whole else count(row["steps"], "step")]
            if with_dataset:
                parts.insert(0, row["dataset"])
            parts.append(seeds(self.rows))
        return ", ".join(parts) + (f"{'; ' if parts else ''}{seeds(self.failed)} failed" if self.failed else "")

    def value(self, column):
        """Return mean ± standard deviation of a column; one number if there is one run, "-" if there is no number."""
        name, style = name_and_style(column)
        values = [row[name] for row in self.rows]
        if not values or any(value is None or math.isnan(value) for value in values):
            return "-"
        mean = format(statistics.mean(values), style)
        return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):{style}}"


def name_and_style(column):
    """Return the name and the format of a column such as "nfd" or "nfd:.1f"."""
    name, colon, style = column.partition(":")
    if name not in STYLES:
        raise OptionError(f"there is no column {name!r}.{hint(name, [*STYLES])} All: {', '.join(STYLES)}.")
    if colon and not re.fullmatch(r"\.[0-9]f", style):
        raise OptionError(f"the column {column!r}: expected a format such as .1f, got {style!r}.")
    return name, style or STYLES[name][1]


def count(amount, noun):
    return f"{amount:,} {noun}{'s' if amount != 1 else ''}"


def seeds(rows):
    numbers = sorted(row["seed"] for row in rows)
    return f"seed{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def label_of(row):
    """Return the name of an experiment with its options, as in a table: A4, d_lr=0.001"""
    return ", ".join([row["experiment"], *row["options"].split()])


def groups_of(rows):
    """Return the groups of rows, in the order in which they first come.

    Runs of one experiment with the same options, but another data set, batch size, number of steps or of samples, are
    groups of their own: nobody could say what their mean means.
    Errors     OptionError if a run is there twice
    """
    same = ("experiment", "options", "dataset", "batch_size", "steps", "samples")
    groups = {}
    for row in rows:
        if not row["error"]:
            group = groups.setdefault(tuple(row[name] for name in same), Group(label_of(row), row))
            if any(row["seed"] == other["seed"] for other in group.rows):
                raise OptionError(f"the run of {label_of(row)} with seed {row['seed']} is there twice.")
            group.rows.append(row)
    for row in rows:
        if row["error"]:
            of_same = [group for group in groups.values() if group.label == label_of(row)]
            key = (row["experiment"], row["options"])
            group = of_same[0] if of_same else groups.setdefault(key, Group(label_of(row), row))
            group.failed.append(row)
    order = {label: index for index, label in enumerate(dict.fromkeys(map(label_of, rows)))}
    return sorted(groups.values(), key=lambda group: order[group.label])


def table(rows: list[dict], columns: list[str] | None = None, experiments: list[str] | None = None) -> str:
    """Return a Markdown table of results.

    rows           as `read_csv` returns them
    columns        names of columns with numbers, with a format or without (nfd, score:.1f ...); by default those of
                   `evaluate` that have numbers
    experiments    names, with options or without (A4, "A4,d_lr=0.001"): only their rows, in this order. A4 are the runs
                   without options; if there are none, all runs of A4
    Errors         OptionError for unknown names
    """
    groups = groups_of(rows)
    if experiments is not None:
        groups = [group for name in experiments for group in groups_named(groups, name)]
    if columns is None:
        columns = [name for _, name, _ in SCORES if any(group.value(name) != "-" for group in groups)]
    with_dataset = len({group.first["dataset"] for group in groups if group.rows}) > 1
    headings = ["experiment", "run", *(STYLES[name_and_style(column)[0]][0] for column in columns)]
    lines = [f"| {' | '.join(headings)} |", "|---" * len(headings) + "|"]
    for group in groups:
        cells = [group.label, group.run(with_dataset), *map(group.value, columns)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def number(rows: list[dict], experiment: str, column: str) -> str:
    """Return one number of the table of `rows`: mean ± standard deviation over the seeds of an experiment."""
    groups = groups_named(groups_of(rows), experiment)
    if len(groups) > 1:
        raise OptionError(f"{experiment!r} has {len(groups)} rows. Name its options, too: A4,d_lr=0.001.")
    return groups[0].value(column)


def groups_named(groups, name):
    """Return the groups with this name and these options: "A4" or "A4,d_lr=0.001"; if there is no "A4", all of A4."""
    found = [group for group in groups if group.label.replace(" ", "") == name]
    found = found or [group for group in groups if group.first["experiment"] == name]
    if not found:
        known = dict.fromkeys(group.label.replace(" ", "") for group in groups)
        raise OptionError(f"the results have no row {name!r}.{hint(name, [*known])} They have: {', '.join(known)}.")
    return found
