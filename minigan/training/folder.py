"""A run as a folder: where each of its files lies, and what it takes to begin one and to open one.

config.json  history.csv  notes.txt  samples/  losses.png  real_beside_generated.png  learning.gif  checkpoints/
generator.npz  discriminator.npz
"""

import csv
import io
from datetime import datetime
from pathlib import Path

from minigan.errors import CheckpointError, FileError, OptionError
from minigan.files import atomic_write, make_folder
from minigan.training.config import RunConfig

COLUMNS = ("step", "epoch", "d_loss", "g_loss", "d_grad_norm", "g_grad_norm")


class RunFolder:
    """An existing run."""

    def __init__(self, path):
        self.path = Path(path)
        self.checkpoints, self.samples = self.path / "checkpoints", self.path / "samples"

    @classmethod
    def create(cls, path, config):
        """Begin a run in a new or empty folder."""
        path = make_folder(path)
        if any(not inside.name.endswith(".part") for inside in path.iterdir()):
            raise OptionError(
                f"the folder {path} is not empty. To go on with the run in it: python -m minigan resume {path}; for a "
                "new one choose another folder (--out DIR)."
            )
        run = cls(path)
        run.write_config(config)
        run.make_folders()
        return run

    @classmethod
    def open(cls, path):
        """Open a run; errors say what a folder lacks to be one. Returns (folder, config)."""
        run = cls(path)
        file = run.path / "config.json"
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = "no such folder" if not run.path.is_dir() else f"{file} cannot be read"
            raise CheckpointError(
                f"{run.path} is not the folder of a run: {reason}. Runs are begun by: python -m minigan train NAME"
            ) from error
        return run, RunConfig.from_json(text, file)

    def make_folders(self):
        """What a killed run may have left half made is completed, or cleared away."""
        make_folder(self.checkpoints)
        make_folder(self.samples)
        for unfinished in self.path.rglob(".*.part"):
            unfinished.unlink(missing_ok=True)

    def write_config(self, config):
        with atomic_write(self.path / "config.json") as file:
            file.write(config.to_json().encode())

    def write_history(self, rows):
        """history.csv: one row for each epoch, its losses the means over the epoch."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with atomic_write(self.path / "history.csv") as file:
            file.write(text.getvalue().encode())

    def note(self, text):
        """Add a line with the time to notes.txt."""
        try:
            with open(self.path / "notes.txt", "a", encoding="utf-8") as file:
                file.write(f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}\n")
        except OSError as error:
            raise FileError(f"cannot write {self.path / 'notes.txt'}: {error.strerror or error}.") from error
