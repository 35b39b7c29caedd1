"""The settings of a run: all that it takes to repeat it."""

import hashlib
import json
import math
import platform
import re
from dataclasses import asdict, dataclass, field, fields

import numpy as np

import minigan
from minigan import backend, machine
from minigan.errors import CheckpointError
from minigan.training.settings import quoted, require_same

# what a run cannot change on its way without becoming another run
FIXED = ("experiment", "dataset", "images", "images_md5", "batch_size", "seed")

LARGEST_IMAGE = 2**20  # numbers of one image, h w c
LARGEST_COUNT = 10**12  # of steps, epochs, images


def versions(device="cpu"):
    """Of everything whose results may differ in the last bit."""
    found = {"minigan": minigan.__version__, "numpy": np.__version__, "python": platform.python_version()}
    return {**found, "cupy": getattr(backend.cupy, "__version__", "unknown")} if device == "gpu" else found


def is_count(value):
    return type(value) is int and 1 <= value <= LARGEST_COUNT


def is_text(value):
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= 4096


def is_version(value):
    return isinstance(value, str) and re.fullmatch(r"[\w.+-]{1,60}", value, re.ASCII) is not None


# What the entries of a config.json must be. It may come from somebody else: nothing of it is shown or used unchecked.
COUNT, TEXT, BOOL = (is_count, "a positive integer"), (is_text, "a text"), (lambda v: type(v) is bool, "true or false")
ENTRIES = {
    "experiment": TEXT,
    "dataset": TEXT,
    "data_dir": (lambda v: v is None or is_text(v), "a text or null"),
    "images": COUNT,
    "image_shape": (
        lambda v: type(v) is list and len(v) == 3 and all(map(is_count, v)) and math.prod(v) <= LARGEST_IMAGE,
        f"three positive integers with a product of at most {LARGEST_IMAGE:,}",
    ),
    "images_md5": TEXT,
    "epochs": COUNT,
    "steps": (lambda v: v is None or is_count(v), "a positive integer or null"),
    "batch_size": COUNT,
    "seed": (lambda v: type(v) is int and v >= 0, "an integer of at least 0"),
    "device": (lambda v: v in ("cpu", "gpu"), '"cpu" or "gpu"'),
    "every": COUNT,
    "tensorboard": BOOL,
    "versions": (
        lambda v: type(v) is dict and all(map(is_version, (*v, *v.values()))),
        "names of programs, each with its version",
    ),
    "machine": (lambda v: type(v) is dict and all(map(is_text, (*v, *v.values()))), "texts by name"),
    "settings": (lambda v: v is None or type(v) is dict, "settings by name, or null"),
}
OPTIONAL = {"machine": {}, "settings": None}  # minigan 0.1 did not keep them


def wrong_entry(values):
    """What is wrong with the first wrong entry, in words; None where all are right."""
    for name, (is_right, expected) in ENTRIES.items():
        if not is_right(values[name]):
            return f"expected {name} as {expected}, found {quoted(values[name])}"
    return None


@dataclass
class RunConfig:
    """What config.json says.

    images, images_md5   how many images the data set has, and the MD5 of their bytes
    image_shape          [h, w, c]
    epochs, steps        the end of the run, whichever comes first; steps may be None
    every                epochs from one grid of samples to the next
    versions, machine    what the last bits of the numbers depend on
    settings             all that the experiment says: layers, optimizers, latent, objective
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
    every: int = 1
    tensorboard: bool = False
    versions: dict = field(default_factory=versions)
    machine: dict = field(default_factory=machine.numerics)
    settings: dict | None = None

    @property
    def steps_per_epoch(self):
        return self.images // self.batch_size

    @property
    def total_steps(self):
        whole = self.epochs * self.steps_per_epoch
        return whole if self.steps is None else min(self.steps, whole)

    def to_json(self):
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text, path):
        """Errors: CheckpointError where the text is not what to_json gave"""
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
            raise CheckpointError(f"{path}: entries missing or unknown: {', '.join(map(quoted, sorted(unknown)))}.")
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
        """What a checkpoint keeps of it, to be compared."""
        return {name: getattr(self, name) for name in (*FIXED, "settings")}

    def check_same(self, other, where):
        """Refuse to go on with settings other than those that `where` was made with."""
        for name in FIXED:
            if getattr(self, name) != other.get(name):
                raise CheckpointError(
                    f"{where} was made with {name} = {quoted(other.get(name))}, config.json now says "
                    f"{quoted(getattr(self, name))}. A run goes on only as it began: put the value back, or train anew "
                    "into another folder."
                )
        if self.settings is not None:
            require_same(other.get("settings"), self.settings, where, "config.json")

    def changes(self, versions, machine):
        """What is not as it was, of what the last bits depend on, as texts."""
        before, now = {**self.versions, **self.machine}, {**versions, **machine}
        return [
            f"{name} was {quoted(before[name])}, is {quoted(now[name])}"
            for name in now
            if name in before and before[name] != now[name]
        ]


def images_md5(images):
    return hashlib.md5(np.ascontiguousarray(images), usedforsecurity=False).hexdigest()
