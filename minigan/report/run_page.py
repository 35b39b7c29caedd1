"""The page of one run, part by part."""

from minigan.files import printable
from minigan.pages import element, section, table
from minigan.report import epoch_metrics, grids, plots, words
from minigan.report.grids import evenly
from minigan.report.networks import summary_of
from minigan.report.run_pictures import ROOM, Room, average_part, nearest_part, samples_part
from minigan.training.checkpoints import METRICS

MOST_ROWS = 500  # of a table
MOST_LISTED = 300  # notes of health
LOOKED_AT = 'docs/evaluation.md, "The metrics"'


def run_body(record, generator=None):
    """Return (body, data) of the page of a run: the parts of the page, and the data of its scripts.

    generator  a GeneratorPart, or None for a page without
    """
    room, notes = Room(ROOM - (generator.characters if generator else 0)), []
    folder = record.path / grids.SAMPLES_FOLDER
    real = grids.read_picture(folder / "real.png", notes.append)
    read = grids.read_grids(record, notes.append)
    real_grid = grids.without_zoom(grids.open_picture(folder / "real.png")) if real else None
    measures, relative = grids.measured(read, real_grid, record.config.image_shape)
    judged = epoch_metrics.plots_of_metrics(record.metrics, plots.marks_of(record))
    drawn = {**judged, **plots.plots_of_run(record, measures, relative)}
    others = [*evaluation_part(record, room, notes.append)]
    averaged = average_part(record, read, room, notes.append)
    samples, slider = samples_part(record, real, read, room, notes)
    parts = [
        ("Samples", [samples, averaged]),
        *([("Generator", generator.part)] if generator else []),
        ("Curves", curves_part(record, drawn)),
        ("Health", health_part(record)),
        ("Evaluation", others),
        ("Recipe", recipe_part(record)),
        ("Repeat it", repeat_part(record)),
        ("Notes", notes_part(record)),
    ]
    contents = element(
        "nav",
        [element("a", name, href=f"#{name.lower().replace(' ', '-')}") for name, _ in parts],
        aria_label="Parts of this page",
        class_="contents",
    )
    body = [glance(record), troubles(record.troubles + notes), contents, *(section(*part) for part in parts)]
    return body, {"plots": drawn, "grids": slider, **(generator.data if generator else {})}


def lead_of(record):
    """Return what stands below the title: how the run stands."""
    kind, sentence, command = words.state_of(record)
    goes_on = [" To continue: ", element("code", element("bdi", command))] if command else None
    return element("p", sentence, goes_on, class_=f"state {kind}", id="state")


def troubles(sentences):
    """Return a note about what could not be read, or None."""
    if not sentences:
        return None
    listed = [element("li", element("bdi", printable(text))) for text in sentences[:20]]
    return element(
        "aside", element("h2", "What this page does not show"), element("ul", listed), class_="note", id="troubles"
    )


def glance(record):
    """Return the most important numbers of the run."""
    last = record.history[-1] if record.history else {}
    figures = [
        ("epochs", f"{last['epoch']:.4g}" if last else "0"),
        ("steps", f"{record.step:,}"),
        ("time", words.duration(words.time_of_training(record))),
        ("loss of D", words.number(last["d_loss"]) if last else "-"),
        ("loss of G", words.number(last["g_loss"]) if last else "-"),
    ]
    scores = record.scores or {}
    figures += [
        (heading, text) for heading, text, _ in words.metric_rows(scores) if heading in ("nFD", "score", "modes")
    ]
    newest = epoch_metrics.newest_nfd(record.metrics)
    if newest and "nfd" not in scores:
        figures.append(newest)
    return element(
        "dl", [element("div", element("dt", name), element("dd", value)) for name, value in figures], class_="glance"
    )


def curves_part(record, drawn):
    """Return the plots, and the table of the numbers behind them."""
    if not record.history:
        return element("p", "There are no curves yet: history.csv gets a row at the end of each epoch.", class_="soft")
    captions = {
        "losses": "Mean losses of each epoch.",
        "norms": "Norms of the last gradients of each epoch, before they are clipped.",
        "rates": "Learning rates at the end of each epoch.",
        "samples": "What the grids of samples tell: are the samples alike, are they noise, do they still change?",
        "sharpness": "The largest eigenvalues of the Hessian of both losses (docs/second_order.md).",
        **{name: epoch_metrics.caption_of(name, record.metrics) for name in drawn if name in METRICS},
    }
    few = (
        element("p", "There is one epoch, so each curve is one point.", class_="soft")
        if len(record.history) == 1
        else None
    )
    nan = sum(row[name] != row[name] for row in record.history for name in row)
    broken = (
        element("p", f"{nan:,} numbers are NaN (not a number): the curves have gaps there.", class_="soft")
        if nan
        else None
    )
    keys = element(
        "p", "Hover over a plot, or move along it with the arrow keys. Triangles are notes of health.", class_="soft"
    )
    figures = [plots.figure(name, captions[name], plot) for name, plot in drawn.items()]
    rows = evenly(record.history, MOST_ROWS)
    columns = ("epoch", "step", "d_loss", "g_loss", "d_grad_norm", "g_grad_norm")
    headings = ["epoch", "step", "loss of D", "loss of G", "gradient norm of D", "gradient norm of G"]
    cells = [
        [f"{row['epoch']:.6g}", f"{row['step']:,}", *(words.number(row[key]) for key in columns[2:])] for row in rows
    ]
    behind = f"history.csv: {len(rows):,} of {len(record.history):,} rows"
    numbers = element(
        "details", element("summary", "The numbers as a table"), table(behind, headings, cells), id="numbers"
    )
    judged = epoch_metrics.metrics_table(record.metrics)
    return [few, broken, keys, element("div", figures, class_="plots"), numbers, judged]


def health_part(record):
    """Return what the checks of health said, oldest first."""
    found = [note for note in record.notes if note.is_health]
    if not found:
        why = "Health had nothing to say (docs/health.md)." if record.history else "Nothing was checked yet."
        return element("p", why, class_="soft")
    rows = [
        element("li", element("span", step_text(record, note), class_="when"), element("bdi", about_step(note)),
                class_="over" if note.recovery else "trouble")
        for note in found[:MOST_LISTED]
    ]  # fmt: skip
    more = element("p", f"And {len(found) - MOST_LISTED:,} more, in notes.txt.") if len(found) > MOST_LISTED else None
    return [element("ol", rows, class_="health"), more]


def step_text(record, note):
    return f"step {note.step:,}, epoch {record.epoch_of(note.step):.3g}"


def about_step(note):
    """Return a note without the step at its beginning, which stands before it."""
    return note.text.partition(": ")[2] if note.text.startswith("step ") else note.text


def evaluation_part(record, room, say):
    """Return the metrics with what they mean, and the nearest training images."""
    if record.scores is None and record.raw_scores is None:
        how = element("code", f"python -m minigan evaluate {words.shlex.quote(str(record.path))}")
        return [element("p", "The samples of this run are not judged yet. To judge them: ", how), over_epochs(record)]
    parts = []
    for scores, title, nearest, old in (
        (record.scores, "the samples", "nearest.png", "evaluation.png"),
        (record.raw_scores, "the samples of the raw generator", "nearest_raw.png", "evaluation_raw.png"),
    ):
        if scores is None:
            continue
        step, samples = (words.count_text(scores.get(key)) for key in ("step", "samples"))
        about = f"{title}, judged at step {step} with {samples} samples"
        rows = words.metric_rows(scores)
        parts.append(table(words.cut(about), ["metric", "value", "what it means"], rows, class_="metrics"))
        if isinstance(scores.get("memorisation_note"), str):
            parts.append(
                element("p", f"No metrics of memorisation: {words.cut(scores['memorisation_note'])}", class_="soft")
            )
        parts += [class_bars(scores), nearest_part(record, nearest, old, room, say)]
    return [*parts, element("p", f"More about each metric, and what fools it: {LOOKED_AT}.", class_="soft")]


def over_epochs(record):
    """Return where the metrics over the epochs stand, or which option of `train` gives them."""
    if record.metrics:
        return element("p", f"The curves above show metrics of {epoch_metrics.samples_text(record.metrics)}.")
    option = element("code", "train --judge-every N")
    return element("p", option, " judges the samples after every N-th epoch, too.", class_="soft")


def class_bars(scores):
    """Return the shares of the classes as bars."""
    shares = scores.get("class_shares")
    if not isinstance(shares, list) or not 1 < len(shares) <= 100 or not all(0 <= share <= 1 for share in shares):
        return None
    rows = [
        element(
            "div",
            element("span", str(number), class_="when"),
            element("progress", value=f"{share:.4f}", max=f"{max(shares):.4f}", aria_label=f"class {number}"),
            element("span", f"{share:.1%}", class_="number"),
        )
        for number, share in enumerate(shares)
    ]
    return element(
        "figure",
        element("div", rows, class_="bars"),
        element("figcaption", "The classes of the samples, by the classifier."),
    )


def recipe_part(record):
    """Return the settings, and the summaries of both networks."""
    rows = [[name, element("bdi", text)] for name, text in words.recipe(record)]
    settings = record.config.settings or {}
    networks = [
        summary_of(name, settings[name]) if name in settings else None for name in ("generator", "discriminator")
    ]
    old = "This run is of minigan 0.1, which did not keep the settings of the networks." if not settings else None
    return [table("the settings", ["setting", "value"], rows, class_="settings"), networks, old and element("p", old)]


def repeat_part(record):
    """Return the command that repeats the run, and what its results depend on."""
    config = record.config
    command, note = words.command_of(config)
    parts = [
        element("pre", element("code", command), class_="command", tabindex="0", aria_label="the command")
        if command
        else None
    ]
    parts.append(element("p", note) if note else None)
    if command:
        same = (
            "On the same machine with the same versions, this gives the same numbers to the last bit; elsewhere they "
            "differ by rounding (docs/commands.md)."
        )
        parts.append(element("p", same, class_="soft"))
    where = "the GPU" if config.device == "gpu" else "the CPU"
    rows = [
        ("seed", str(config.seed)),
        ("trained on", f"{where}, {config.sharers}"),
        *((printable(name), printable(value)) for name, value in config.machine.items()),
        *((printable(name), printable(value)) for name, value in config.versions.items()),
        ("MD5 of the images", printable(config.images_md5)),
    ]
    cells = [[name, element("bdi", words.cut(value))] for name, value in rows[:60]]
    parts.append(table("what the last bit depends on", ["what", "value"], cells, class_="settings"))
    return [*parts, sessions_table(record)]


def sessions_table(record):
    """Return when the run trained."""
    if not record.sessions:
        return element("p", "notes.txt does not say when this run trained.", class_="soft")
    rows = []
    for session in record.sessions[-50:]:
        steps = None if session.last is None else session.last - session.first
        speed = f"{1000 * session.seconds / steps:.1f}" if steps and steps > 0 and session.seconds else "-"
        last = "-" if session.last is None else f"{session.last:,}"
        how = session.how
        rows.append([f"{session.begin:%Y-%m-%d %H:%M:%S}", f"{session.first:,}", last,
                     words.duration(session.seconds), speed, how])  # fmt: skip
    headings = ["began", "from step", "to step", "took", "ms per step", "end"]
    return table("when it trained", headings, rows)


def notes_part(record):
    """Return all notes, folded away."""
    if not record.notes:
        return element("p", "This run has no notes.", class_="soft")
    lines = [
        element("li", element("span", f"{note.time:%Y-%m-%d %H:%M:%S}" if note.time else "", class_="when"),
                element("bdi", words.cut(note.text) if len(note.text) > 4000 else note.text))
        for note in record.notes[-MOST_ROWS:]
    ]  # fmt: skip
    title = f"All {len(record.notes):,} lines of notes.txt" if len(lines) == len(record.notes) else (
        f"The last {len(lines):,} of {len(record.notes):,} lines of notes.txt"
    )  # fmt: skip
    return element("details", element("summary", title), element("ol", lines, class_="health"), id="all-notes")
