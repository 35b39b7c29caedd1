"""The settings of a run: all that it takes to repeat it."""

import hashlib
import json
import platform
from dataclasses import asdict, dataclass, field, fields

import numpy as np

import minigan
from minigan.errors import CheckpointError

# what a run cannot change on its way without becoming another run
FIXED = ("experiment", "dataset", "images", "images_md5", "batch_size", "seed")


def versions():
    """Of everything whose results may differ in the last bit."""
    return {"minigan": minigan.__version__, "numpy": np.__version__, "python": platform.python_version()}


@dataclass
class RunConfig:
    """What config.json says.

    images, images_md5   how many images the data set has, and the MD5 of their bytes
    image_shape          [h, w, c]
    epochs, steps        the end of the run, whichever comes first; steps may be None
    every                epochs from one grid of samples to the next
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
            unknown = set(values) ^ {entry.name for entry in fields(cls)}
            if unknown:
                raise CheckpointError(f"{path}: entries missing or unknown: {', '.join(sorted(unknown))}.")
            config = cls(**values)
            numbers = (config.images, config.epochs, config.batch_size, config.every, *config.image_shape)
            if not all(isinstance(n, int) and n > 0 for n in numbers) or not isinstance(config.seed, int):
                raise CheckpointError(
                    f"{path}: expected positive integers for images, image_shape, epochs, batch_size, every."
                )
            return config
        except (ValueError, TypeError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{path}: not the configuration of a run ({error}).") from error

    def check_same(self, other, where):
        """Refuse to go on with settings other than those that `where` was made with."""
        for name in FIXED:
            if getattr(self, name) != other[name]:
                raise CheckpointError(
                    f"{where} was made with {name} = {other[name]!r}, config.json now says {getattr(self, name)!r}. A "
                    "run goes on only as it began: put the value back, or train anew into another folder."
                )


def images_md5(images):
    return hashlib.md5(np.ascontiguousarray(images), usedforsecurity=False).hexdigest()
