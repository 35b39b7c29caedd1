"""The settings of a run: everything that is needed to repeat it."""

import hashlib
import json
import math
import platform
import re
import warnings
from dataclasses import asdict, dataclass, field, fields

import numpy as np

import minigan
from minigan import backend, machine
from minigan.data.dataset import OPTION_NAMES
from minigan.errors import CheckpointError, MisuseWarning, OptionError
from minigan.files import as_path
from minigan.options import plain_value
from minigan.parallel.sharing import MOST_WORKERS
from minigan.training.settings import quoted, require_same

# settings that cannot change when a run is resumed: it would be another run
FIXED = ("experiment", "dataset", "images", "images_md5", "batch_size", "seed", "source")

# settings that a user gives as numbers or flags
ASKED = ("epochs", "steps", "batch_size", "seed", "every", "tensorboard", "judge_every", "judge_samples")

LARGEST_IMAGE = 2**20  # numbers of one image, h w c
LARGEST_COUNT = 10**12  # of steps, epochs, images
JUDGE_SAMPLES = 2_000  # judged while a run trains: enough to see it learn, in a small part of the time of an epoch


def versions(device="cpu"):
    """Return the versions of all programs that may change the last bit of a result."""
    found = {"minigan": minigan.__version__, "numpy": np.__version__, "python": platform.python_version()}
    return {**found, "cupy": getattr(backend.cupy, "__version__", "unknown")} if device == "gpu" else found


def is_count(value):
    return type(value) is int and 1 <= value <= LARGEST_COUNT


def is_text(value):
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 4096


def is_source(value):
    """Return whether a value is such as Source.record returns."""
    return (
        type(value) is dict
        and set(value) == {"file", "name", "changes", "sha256"}
        and all(is_text(value[name]) for name in ("file", "name"))
        and isinstance(value["changes"], str)
        and value["changes"].isprintable()
        and len(value["changes"]) <= 4096
        and isinstance(value["sha256"], str)
        and re.fullmatch(r"[0-9a-f]{64}", value["sha256"]) is not None
    )


def is_version(value):
    return isinstance(value, str) and re.fullmatch(r"[\w.+-]{1,60}", value, re.ASCII) is not None


# What each entry of a config.json must be. The file may come from a stranger, so every entry is checked before use.
COUNT, TEXT, BOOL = (is_count, "a positive integer"), (is_text, "a text"), (lambda v: type(v) is bool, "true or false")
ENTRIES = {
    "experiment": TEXT,
    "dataset": TEXT,
    "data_dir": (lambda v: v is None or is_text(v), "a text or null"),
    "data_options": (
        lambda v: type(v) is dict and set(v) <= OPTION_NAMES,
        f"options of a data set by name: {', '.join(sorted(OPTION_NAMES))}",
    ),
    "images": COUNT,
    "image_shape": (
        lambda v: type(v) is list and len(v) == 3 and all(map(is_count, v)) and math.prod(v) <= LARGEST_IMAGE,
        f"three positive integers with a product of at most {LARGEST_IMAGE:,}",
    ),
    "classes": (lambda v: v is None or is_count(v), "a positive integer or null"),
    "images_md5": TEXT,
    "epochs": COUNT,
    "steps": (lambda v: v is None or is_count(v), "a positive integer or null"),
    "batch_size": COUNT,
    "lr_steps": (lambda v: v is None or is_count(v), "a positive integer or null"),
    "seed": (lambda v: type(v) is int and v >= 0, "an integer of at least 0"),
    "device": (lambda v: v in ("cpu", "gpu"), '"cpu" or "gpu"'),
    "workers": (lambda v: is_count(v) and v <= MOST_WORKERS, f"an integer from 1 to {MOST_WORKERS}"),
    "processes": COUNT,
    "every": COUNT,
    "tensorboard": BOOL,
    "judge_every": (lambda v: v is None or is_count(v), "a positive integer or null"),
    "judge_samples": COUNT,
    "versions": (
        lambda v: type(v) is dict and all(map(is_version, (*v, *v.values()))),
        "names of programs, each with its version",
    ),
    "machine": (lambda v: type(v) is dict and all(map(is_text, (*v, *v.values()))), "texts by name"),
    "settings": (lambda v: v is None or type(v) is dict, "settings by name, or null"),
    "source": (
        lambda v: v is None or is_source(v),
        "null, or file, name, changes and sha256 of the file that the experiment comes from",
    ),
}
OPTIONAL = {
    "machine": {},
    "settings": None,
    "workers": 1,
    "processes": 1,
    "data_options": {},
    "lr_steps": None,
    "classes": None,
    "source": None,
    "judge_every": None,
    "judge_samples": JUDGE_SAMPLES,
}  # minigan 0.1 did not keep them


def wrong_entry(values):
    """Return a sentence about the first wrong entry, or None if all are right."""
    for name, (is_right, expected) in ENTRIES.items():
        if not is_right(values[name]):
            return f"expected {name} as {expected}, found {quoted(values[name])}"
    return None


@dataclass
class RunConfig:
    """The settings of a run, as config.json stores them.

    data_options         how the images are loaded, as for data.load: {"image_size": [64, 64]}
    images, images_md5   the number of images in the data set, and the MD5 of their bytes; of a conditional experiment
                         also of their labels
    image_shape          [h, w, c]
    epochs, steps        the end of the run, whichever comes first; steps may be None
    workers              how many threads share each batch: results depend on it by rounding
    processes            how many processes share each batch, if mpirun has started several
    every                how many epochs lie between two grids of samples
    judge_every          how many epochs lie between two judgements of the samples; None for none
    judge_samples        how many samples are judged then
    versions, machine    what the last bits of the results depend on
    lr_steps             where a schedule of the learning rates ends: total_steps when the run was started
    classes              how many classes the labels are of, for a conditional experiment
    settings             everything that the experiment sets: layers, optimizers, latent, objective
    source             which file of the user's the experiment comes from, and its SHA-256; None for minigan's own
    """

    experiment: str
    dataset: str
    data_dir: str | None
    images: int
    image_shape: list
    images_md5: str
    epochs: int
    steps: int | None
    batch_size: int
    seed: int
    device: str
    workers: int = 1
    processes: int = 1
    every: int = 1
    tensorboard: bool = False
    versions: dict = field(default_factory=versions)
    machine: dict = field(default_factory=machine.numerics)
    settings: dict | None = None
    data_options: dict = field(default_factory=dict)
    lr_steps: int | None = None
    classes: int | None = None
    source: dict | None = None
    judge_every: int | None = None
    judge_samples: int = JUDGE_SAMPLES

    @property
    def sharers(self):
        """Return who shares each batch, in words: "1 worker", "2 workers", "4 processes"."""
        if self.processes > 1:
            return f"{self.processes} processes"
        return "1 worker" if self.workers == 1 else f"{self.workers} workers"

    @property
    def steps_per_epoch(self):
        return self.images // self.batch_size

    @property
    def total_steps(self):
        whole = self.epochs * self.steps_per_epoch
        return whole if self.steps is None else min(self.steps, whole)

    @property
    def schedule_steps(self):
        """Return how many steps a schedule of the learning rates has: a run that is resumed keeps its first plan."""
        return self.total_steps if self.lr_steps is None else self.lr_steps

    def to_json(self):
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text, path):
        """Return the RunConfig in a text that `to_json` wrote; CheckpointError if it is not such a text."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CheckpointError(
                f"{path}: not the configuration of a run ({type(error).__name__}: {error})."
            ) from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{path}: not the configuration of a run: expected an object in braces.")
        values = {**OPTIONAL, **values}
        unknown = set(values) ^ {entry.name for entry in fields(cls)}
        if unknown:
            raise CheckpointError(f"{path}: missing or unknown entries: {', '.join(map(quoted, sorted(unknown)))}.")
        wrong = wrong_entry(values)
        if wrong:
            raise CheckpointError(f"{path}: {wrong}.")
        config = cls(**values)
        if config.batch_size > config.images:
            raise CheckpointError(
                f"{path}: batch_size {config.batch_size} is more than the {config.images} images of the run."
            )
        return config

    def fixed(self):
        """Return the settings that a checkpoint stores, to compare them when the run is resumed."""
        return {name: getattr(self, name) for name in (*FIXED, "settings")}

    def check_same(self, other, where):
        """Raise CheckpointError unless these settings are the ones that `where` was made with."""
        for name in FIXED:
            if getattr(self, name) != other.get(name):
                raise CheckpointError(
                    f"{where} was made with {name} = {quoted(other.get(name))}, but config.json now says "
                    f"{quoted(getattr(self, name))}. A run can only resume with the settings that it was started "
                    "with. Restore the old value, or train again into another folder."
                )
        if self.settings is not None:
            require_same(other.get("settings"), self.settings, where, "config.json")

    def changes(self, versions, machine):
        """Return a text for each version or property of the machine that has changed since the run last trained."""
        before, now = {**self.versions, **self.machine}, {**versions, **machine}
        return [
            f"{name} was {quoted(before[name])}, now it is {quoted(now[name])}"
            for name in now
            if name in before and before[name] != now[name]
        ]


def absolute(data_dir):
    """Return a path as config.json stores it: valid from every working directory."""
    return None if data_dir is None else str(as_path(data_dir).expanduser().absolute())


def require_right(config):
    """Make NumPy's numbers plain, as config.json keeps them, and raise OptionError for options that are out of range.

    These could not be read from config.json again; or the run would end beyond the schedule of its learning rates.
    """
    for name in ASKED:
        setattr(config, name, plain_value(getattr(config, name)))
    wrong = wrong_entry(vars(config))
    if wrong:
        raise OptionError(f"this run cannot be trained: {wrong}.")
    if config.total_steps > config.schedule_steps:
        raise OptionError(
            f"the learning rates of this run fall until step {config.lr_steps:,}, as its schedule was planned when it "
            f"was started, so it cannot go on to step {config.total_steps:,}. For a longer run, train again into "
            "another folder, with more epochs from the start."
        )


def warn_of_earlier_end(config, epochs, steps):
    """Warn if a run ends before the epochs or steps that were asked for (or None): the other of the two comes first."""
    whole = config.epochs * config.steps_per_epoch
    if steps is not None and steps > whole:
        warnings.warn(
            f"the run does not take {steps:,} steps. It ends after its {config.epochs:,} epochs, at step {whole:,}. "
            f"For more steps, give more epochs, too: {-(-steps // config.steps_per_epoch):,} (--epochs).",
            MisuseWarning,
            stacklevel=3,
        )
    elif steps is None and epochs is not None and config.total_steps < whole:
        warnings.warn(
            f"the run does not take {epochs:,} epochs. It ends at step {config.steps:,}, the number of steps that it "
            f"was started with. For more, give more steps, too: {whole:,} (--steps).",
            MisuseWarning,
            stacklevel=3,
        )


def images_md5(images, labels=None):
    """Return the MD5 of the bytes of images and, where they are given, of their labels as 64-bit integers."""
    total = hashlib.md5(np.ascontiguousarray(images), usedforsecurity=False)
    if labels is not None:
        total.update(np.ascontiguousarray(labels, "<i8"))
    return total.hexdigest()
