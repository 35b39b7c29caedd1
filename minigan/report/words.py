"""The words of a report: how the run stands, its recipe, the command that repeats it, what the metrics mean."""

import math
import re
import shlex
from datetime import datetime

from minigan.data.licences import licence_of
from minigan.errors import MiniganError
from minigan.experiments import find
from minigan.files import printable
from minigan.report.reading import is_training

LONGEST = 400  # characters of a setting; what is longer is cut

# heading, key, format, what it means; the order of the page
METRICS = (
    ("nFD", "nfd", "{:.2f} %", "How far the features of the samples are from those of real images; 0 % is best."),
    ("score", "score", "{:.2f}",
     "Is each sample clearly of one class, and is every class there? From 1 to their number."),
    ("confidence", "confidence", "{:.3f}", "How sure the classifier is of a sample's class, on average; 1 is best."),
    ("class KL", "class_kl", "{:.4f}", "How unequal the shares of the classes are; 0 if all are equal."),
    ("smallest class", "smallest_class", "{:.3f}", "The share of the rarest class; .1 is best for ten classes."),
    ("asked class", "asked_share", "{:.2%}", "The share of samples in which the classifier sees the class asked for."),
    ("precision", "precision", "{:.3f}", "The share of samples that lie near real images; 1 is best."),
    ("recall", "recall", "{:.3f}", "The share of real images that lie near samples; 1 is best."),
    ("density", "density", "{:.3f}", "Like precision, but crowded places count more; near 1, and can be above it."),
    ("coverage", "coverage", "{:.3f}", "The share of real images with a sample in their neighbourhood; 1 is best."),
    ("memorisation", "memorisation_ratio", "{:.2f}", "Distance to the training images, compared with that of test "
     "images (without labels: of other training images); 1 is healthy, 0 means copies."),
    ("copied", "copied_share", "{:.3f}", "The share of samples that are suspiciously near a training image; .01 is "
     "healthy."),
    ("diversity", "diversity_ratio", "{:.2f}", "Distance of the samples to each other, compared with training images; "
     "near 0 if all are alike."),
    ("modes", "modes", "{:,}", "How many of the possible numbers the samples show."),
    ("mode KL", "mode_kl", "{:.3f}", "How unequal the shares of these numbers are; 0 if all are equal."),
)  # fmt: skip


def state_of(record):
    """Return (kind, sentence, command): how the run stands, and what continues it, or None.

    kind       finished, training, stopped, failed, open or new
    """
    total, last = record.config.total_steps, record.sessions[-1] if record.sessions else None
    goes_on = f"python -m minigan resume {shlex.quote(str(record.path))}"
    reached = f"{record.step:,} of {total:,} steps"
    if record.step >= total:
        return "finished", f"Finished: {record.step:,} steps, {epochs(record.epoch_of(record.step))}.", None
    if last and last.how == "stopped by an error":
        return "failed", f"Stopped by an error after {reached}: see Health.", goes_on
    if last and last.end:
        return "stopped", f"Stopped after {last.last or record.step:,} of {total:,} steps.", goes_on
    alive = is_training(record) if last else None
    if alive:
        return "training", f"Training now: {reached} when this page was written.", None
    if not record.history and not last:
        return "new", "Not trained yet.", goes_on
    killed = "Its process has ended without a word" if alive is False else "It trains elsewhere, or was killed"
    return "open", f"Not finished: {reached}. {killed}.", goes_on


def epochs(value):
    return f"{value:.4g} epoch{'' if value == 1 else 's'}"


def duration(seconds):
    """Return seconds in words: 7 min 19 s"""
    if seconds is None or not 0 <= seconds < 1e10:
        return "unknown"
    hours, minutes, rest = int(seconds) // 3600, int(seconds) // 60 % 60, int(seconds) % 60
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    shown = [f"{amount:,} {unit}" for amount, unit in parts if amount]
    return " ".join(shown[:2]) or "under 1 s"


def time_of_training(record):
    """Return the seconds of all sessions that have an end, and of one that goes on, or None if there is none."""
    times = [session.seconds for session in record.sessions if session.seconds is not None and session.seconds >= 0]
    last = record.sessions[-1] if record.sessions else None
    if last and last.end is None and is_training(record):
        times.append(max(0, (datetime.now() - last.begin).total_seconds()))
    return sum(times) if times else None


def recipe(record):
    """Return the settings of a run as (name, text), as far as config.json has them."""
    config, settings = record.config, record.config.settings or {}
    shape = " x ".join(map(str, config.image_shape))
    rows = [
        ("data", f"{config.dataset}, {config.images:,} images of {shape}"),
        ("images read with", value_text(config.data_options) if config.data_options else None),
        ("licence of the data", licence_of(config.dataset)),
        ("labels", f"of {config.classes:,} classes" if config.classes else None),
        ("batch", f"{config.batch_size:,} images, {config.steps_per_epoch:,} steps an epoch"),
        ("planned", f"{config.total_steps:,} steps, {epochs(record.epoch_of(config.total_steps))}"),
        ("schedule planned for", f"{config.lr_steps:,} steps" if config.lr_steps else None),
    ]
    names = {
        "latent": "latent",
        "objective": "objective",
        "penalties": "penalties",
        "g_optimizer": "optimizer of G",
        "d_optimizer": "optimizer of D",
        "d_steps": "steps of D for one of G",
        "accumulate": "parts of a batch",
        "max_grad_norm": "largest gradient norm",
        "ema": "decay of G's average",
        "data_range": "black and white are",
    }
    others = {name: name for name in settings if name not in (*names, "generator", "discriminator")}
    none = {"max_grad_norm": "not clipped", "ema": "no average"}
    for name, heading in (names | others).items():
        if name in settings or name in none:
            value = settings.get(name)
            rows.append((heading, none.get(name, "none") if value is None else value_text(value)))
    return [(printable(name)[:LONGEST], text) for name, text in rows if text is not None]


def value_text(value):
    """Return a setting as one writes it: Adam(lr=0.0005, beta1=0.5)"""
    return cut(plain_text(value))


def plain_text(value, depth=0):
    if depth > 8:
        return "..."
    if isinstance(value, dict):
        rest = dict(value)
        name = str(next((rest.pop(key) for key in ("class", "initializer", "layer") if key in rest), ""))
        inside = ", ".join(f"{key}={plain_text(inner, depth + 1)}" for key, inner in rest.items())
        return f"{name}({inside})" if name and inside else name or inside
    if isinstance(value, list):
        return ", ".join(plain_text(inner, depth + 1) for inner in value)
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return str(value)


def cut(text):
    text = printable(text)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ... ({len(text):,} characters)"


def command_of(config):
    """Return (command, note): the line that repeats a run, or None; and what it leaves out, or None."""
    source = config.source  # the file that an experiment of the user's own comes from
    name = config.experiment
    if source:
        changes = f"+{source['changes']}" if source["changes"] else ""
        name = f"{'./' if source['file'].startswith('-') else ''}{source['file']}:{source['name']}{changes}"
    if not source:
        try:
            find(name)
        except MiniganError:
            return None, (
                "This run trained an experiment that was made in Python, so no command repeats it. The recipe below "
                "says how it was made."
            )
    turned = config.data_options.get("transpose")
    if turned is not None:  # which only Python can ask for
        return None, (
            f"This run was started in Python and read its images with transpose={turned}. No command has this option, "
            f"so none repeats the run. In Python: start_run(..., data_options={{'transpose': {turned}}})."
        )
    parts = ["python", "-m", "minigan", "train", name, f"--dataset={config.dataset}"]
    if config.data_dir is not None:
        parts.append(f"--data-dir={config.data_dir}")
    parts += [*data_arguments(config.data_options), f"--epochs={config.epochs}"]
    if config.steps is not None:
        parts.append(f"--steps={config.steps}")
    parts += [f"--batch-size={config.batch_size}", f"--seed={config.seed}", f"--device={config.device}"]
    if config.processes == 1 and config.device == "cpu":
        parts.append(f"--workers={config.workers}")
    if config.every != 1:
        parts.append(f"--every={config.every}")
    if config.judge_every is not None:
        parts += [f"--judge-every={config.judge_every}", f"--judge-samples={config.judge_samples}"]
    if config.tensorboard:
        parts.append("--tensorboard")
    if config.processes > 1:
        parts[:0] = ["mpirun", "-n", str(config.processes)]
    threads = str(config.machine.get("BLAS threads", ""))
    openblas = "openblas" in str(config.machine.get("BLAS", "")).lower() and re.fullmatch(r"\d{1,4}", threads)
    command = " ".join(map(shlex.quote, parts))
    notes = []
    if config.lr_steps is not None and config.lr_steps != config.total_steps:
        notes.append(
            f"The learning rates of this run fall until step {config.lr_steps:,}, as it was first planned, but it ends "
            f"after {config.total_steps:,}. Start it with the first plan, and stop it there."
        )
    if source:
        notes.append(
            f"The command runs the code in {printable(source['file'])}, as it was when its SHA-256 was "
            f"{source['sha256']}. The run's folder keeps its text as experiment.py: read it before you run it."
        )
    return (f"OPENBLAS_NUM_THREADS={threads} " if openblas else "") + command, " ".join(notes) or None


def data_arguments(options):
    """Return the options of a data set as the command line takes them."""
    parts = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, list):
            parts.append(f"{flag}={('x' if name == 'image_size' else ':').join(map(str, value))}")
        elif value is True:
            parts.append(flag)
        elif value is not None and value is not False:
            parts.append(f"{flag}={value}")
    return parts


def metric_rows(scores):
    """Return (heading, number as a text, what it means) of the metrics that there are."""
    rows = []
    for heading, key, style, meaning in METRICS:
        value = scores.get(key)
        if type(value) in (int, float):
            rows.append((heading, style.format(value), meaning))
    return rows


def number(value):
    """Return a number with six digits, as history.csv has it with more."""
    return f"{value:.6g}" if math.isfinite(value) else "NaN" if math.isnan(value) else str(value)


def count_text(value):
    """Return a count with commas, or "?" for what is none."""
    return f"{value:,}" if type(value) is int else "?"
