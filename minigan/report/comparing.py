"""The page that compares several runs, or groups of runs that differ in their seeds alone."""

import math
import statistics

from minigan.files import printable
from minigan.gan.description import differences
from minigan.pages import element, section, table
from minigan.report import grids, plots, words
from minigan.report.reading import read_record
from minigan.report.run_page import troubles
from minigan.report.run_pictures import ROOM, Room
from minigan.training.checkpoints import METRICS

MOST_RUNS = 100  # that are read
MOST_CURVES = 18  # in a plot: more cannot be told apart
MOST_GRIDS = 24
LONGEST_VALUE, MOST_SETTINGS = 300, 60
PLOTS = (
    ("nfd", "nfd", "nFD in percent", "nFD of {samples} that were judged during the training; 0 is best."),
    ("d-loss", "d_loss", "loss of D", "Mean losses of the discriminator."),
    ("g-loss", "g_loss", "loss of G", "Mean losses of the generator."),
    ("d-norm", "d_grad_norm", "gradient norm of D", "Norms of the discriminator's last gradients of each epoch."),
    ("g-norm", "g_grad_norm", "gradient norm of G", "Norms of the generator's last gradients of each epoch."),
)
LOGARITHMIC = ("nfd", "d-norm", "g-norm")


class Arm:
    """Runs that are one curve: a run alone, or those of a study that differ in their seeds alone."""

    def __init__(self, name, records):
        self.name, self.records = name, records

    def curve(self, column):
        """Return the curve of a column: the runs' mean at each epoch, with their standard deviation as a band.

        The column is one of history.csv or of metrics.csv; runs that do not have it do not count.
        """
        tables = [record.metrics if column in METRICS else record.history for record in self.records]
        rows = [{row["epoch"]: row.get(column, math.nan) for row in rows} for rows in tables if rows]
        if not rows:
            return None
        # of runs that are not finished, the mean goes as far as all have come
        shared = set(rows[0]).intersection(*rows[1:])
        epochs = grids.evenly(sorted(shared), plots.MOST_POINTS)
        values = [[row[epoch] for row in rows] for epoch in epochs]
        means = [mean(numbers) for numbers in values]
        if len(rows) == 1:
            return plots.curve(self.name, epochs, means)
        spreads = [spread(numbers) for numbers in values]
        low = [m - s for m, s in zip(means, spreads, strict=True)]
        high = [m + s for m, s in zip(means, spreads, strict=True)]
        return plots.curve(self.name, epochs, means, low=low, high=high)

    def score(self, key, style):
        """Return a metric of the runs as a text: mean ± standard deviation of several."""
        found = [(record.scores or {}).get(key) for record in self.records]
        numbers = [value for value in found if type(value) in (int, float) and math.isfinite(value)]
        if not numbers:
            return "-"
        if len(numbers) == 1:
            return style.format(numbers[0])
        text = f"{style.format(mean(numbers))} ± {style.format(spread(numbers))}"
        return text.replace(" % ±", " ±").replace("% ±", " ±")


def mean(values):
    return statistics.fmean(values) if all(map(math.isfinite, values)) else math.nan


def spread(values):
    return statistics.stdev(values) if all(map(math.isfinite, values)) else math.nan


def arms_of_runs(paths):
    """Return an Arm for each run, with names that tell them apart."""
    records = [read_record(path) for path in paths]
    names = [printable(record.path.absolute().name) for record in records]
    if len(set(names)) < len(names):
        names = [printable(record.path) for record in records]
    return [Arm(name, [record]) for name, record in zip(names, records, strict=True)]


def comparison_body(arms, before=()):
    """Return (body, data) of a page that compares arms; before: parts that stand first."""
    room, notes = Room(), []
    records = [record for arm in arms for record in arm.records]
    shown = grids.evenly(arms, MOST_CURVES)
    if len(shown) < len(arms):
        notes.append(f"The curves show {len(shown):,} of {len(arms):,}: more cannot be told apart.")
    for record in records:
        notes += [f"{printable(record.path.name)}: {text}" for text in record.troubles]
    drawn, figures = {}, []
    counts = {row["samples"] for record in records for row in record.metrics}
    samples = f"{min(counts):,} samples" if len(counts) == 1 else "samples"
    for name, column, label, caption in PLOTS:
        curves = [curve for curve in (arm.curve(column) for arm in shown) if curve is not None]
        drawn[name] = plots.plot(label, curves, log=name in LOGARITHMIC)
        figures.append(plots.figure(name, caption.format(samples=samples), drawn[name]))
    if len(counts) > 1:
        notes.append(
            f"The curves of nFD are of {min(counts):,} to {max(counts):,} samples: nFD depends on their number, so do "
            "not compare them."
        )
    several = any(len(arm.records) > 1 for arm in arms)
    bands = "A curve is the mean of the seeds, the band around it their standard deviation. " if several else ""
    keys = f"{bands}Hover over a plot, or move along it with the arrow keys."
    curves = [element("p", keys, class_="soft"), element("div", figures, class_="plots")]
    if not any(record.history for record in records):
        curves = element("p", "There are no curves yet: none of the runs has finished an epoch.", class_="soft")
    grids_shown = last_grids(arms, room, notes)
    parts = [
        ("Metrics", metrics_table(arms)),
        ("Curves", curves),
        ("Last samples", grids_shown),
        ("Settings that differ", settings_table(arms)),
        ("Runs", runs_table(arms)),
    ]
    links = [element("a", name, href=f"#{name.lower().replace(' ', '-')}") for name, _ in parts]
    contents = element("nav", links, aria_label="Parts of this page", class_="contents")
    return [*before, troubles(notes), contents, *(section(*part) for part in parts)], {"plots": drawn, "grids": []}


def metrics_table(arms):
    """Return the metrics side by side, a row for each arm."""
    columns = [
        (heading, key, style)
        for heading, key, style, _ in words.METRICS
        if any(arm.score(key, style) != "-" for arm in arms)
    ]
    if not columns:
        return element("p", "None of these runs is judged yet: python -m minigan evaluate RUN ...", class_="soft")
    rows = [[element("bdi", arm.name), *(arm.score(key, style) for _, key, style in columns)] for arm in arms]
    meanings = [
        element("li", element("strong", heading), f": {meaning}")
        for heading, key, _, meaning in words.METRICS
        if key in {column[1] for column in columns}
    ]
    headings = ["run", *(heading for heading, _, _ in columns)]
    counts = {(record.scores or {}).get("samples") for arm in arms for record in arm.records} - {None}
    warning = (
        element("p", "These runs are judged with different numbers of samples, so their metrics cannot be compared.")
        if len(counts) > 1
        else None
    )
    about = element("details", element("summary", "What the metrics mean"), element("ul", meanings), id="meanings")
    return [warning, table("metrics of the samples (docs/evaluation.md)", headings, rows), about]


def last_grids(arms, room, notes):
    """Return the last grid of the first run of each arm, side by side."""
    figures = []
    chosen = arms[:MOST_GRIDS]
    if len(chosen) < len(arms):
        notes.append(f"The page shows the last grids of {len(chosen):,} of {len(arms):,}.")
    for arm in chosen:
        record, said = arm.records[0], []
        found = grids.newest_grid(record, said.append)
        notes += [f"{printable(record.path.name)}: {text}" for text in said]
        if found is None:
            figures.append(element("p", element("bdi", arm.name), ": no pictures of samples.", class_="soft"))
            continue
        packed, sentence = grids.pack_grids([found], ROOM // len(chosen))
        if not packed:
            figures.append(element("p", element("bdi", arm.name), f": {sentence}", class_="soft"))
            continue
        picture, address = packed[0], room.take(packed[0])
        size = {"width": 2 * picture.width, "height": 2 * picture.height}
        which = f"{arm.name}, epoch {found[0]:,}" + (f", seed {record.config.seed}" if len(arm.records) > 1 else "")
        shown = element("img", class_="pixels", src=address, alt=f"Generated images of {which}", **size)
        figures.append(element("figure", shown, element("figcaption", element("bdi", which))))
    return element("div", figures, class_="beside")


def settings_table(arms):
    """Return a table of the settings in which the arms differ, the seeds of an arm aside."""
    settings = [settings_of(arm) for arm in arms]
    for network in ("generator", "discriminator"):
        kinds = [kinds_of_layers(one.get(network)) for one in settings]
        if any(names != kinds[0] for names in kinds):  # then a list of options would compare a layer with another one
            for one, names in zip(settings, kinds, strict=True):
                one[network] = names
    places = {}
    for number, one in enumerate(settings[1:], start=1):
        for where, before, now in differences(settings[0], one):
            places.setdefault(where, {0: before})[number] = now
    if not places:
        return element("p", "There are no settings that differ.", class_="soft")
    rows = []
    for where, values in list(places.items())[:MOST_SETTINGS]:
        cells = [short(values.get(number, values[0])) for number in range(len(arms))]
        rows.append([words.cut(where), *(element("bdi", cell) for cell in cells)])
    more = f", the first {len(rows)} of {len(places)}" if len(places) > len(rows) else ""
    headings = ["setting", *(element("bdi", arm.name) for arm in arms)]
    return table(f"settings that are not the same{more}", headings, rows, class_="settings")


def kinds_of_layers(network):
    """Return the kinds of a network's layers as a text, from its description, which can be anything."""
    layers = network.get("layers") if isinstance(network, dict) else None
    if not isinstance(layers, list):
        return "unknown"
    return " - ".join(str(layer.get("layer")) if isinstance(layer, dict) else "?" for layer in layers)


def short(value):
    text = printable("none" if value is None else words.plain_text(value))
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]} ..."


def settings_of(arm):
    """Return the settings of an arm's first run that can differ between arms."""
    config = arm.records[0].config
    names = (
        "experiment",
        "dataset",
        "images",
        "image_shape",
        "images_md5",
        "batch_size",
        "epochs",
        "steps",
        "lr_steps",
    )
    found = {name: getattr(config, name) for name in (*names, "classes", "data_options", "device", "workers")}
    if len({record.config.seed for record in arm.records}) == 1:
        found["seed"] = config.seed
    return {**found, **(config.settings or {})}


def runs_table(arms):
    """Return how each run stands."""
    rows = []
    for arm in arms:
        for record in arm.records:
            last = record.history[-1] if record.history else None
            rows.append(
                [
                    element("bdi", printable(record.path.absolute().name)),
                    words.state_of(record)[0],
                    f"{record.step:,}",
                    f"{last['epoch']:.4g}" if last else "-",
                    words.number(last["d_loss"]) if last else "-",
                    words.number(last["g_loss"]) if last else "-",
                    words.duration(words.time_of_training(record)),
                ]
            )
    headings = ["run", "state", "steps", "epochs", "loss of D", "loss of G", "time"]
    return table("all runs", headings, rows)
