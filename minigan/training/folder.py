"""A run as a folder: where each of its files lies, and what it takes to begin one and to open one.

config.json  history.csv  notes.txt  samples/  losses.png  real_beside_generated.png  learning.gif  checkpoints/
generator.npz  discriminator.npz  .lock

A run folder may come from somebody else. So nothing is written through a link, and the texts in its files are checked
before they are shown.
"""

import csv
import io
import os
import re
import socket
import weakref
from datetime import datetime

from minigan.errors import CheckpointError, FileError, OptionError
from minigan.files import (
    NO_LINK,
    NO_WAIT,
    append_line,
    as_path,
    atomic_write,
    find_link,
    is_leftover,
    make_folder,
    printable,
    read_file,
    remove_leftovers,
)
from minigan.locks import try_lock
from minigan.training.checkpoints import COLUMNS
from minigan.training.config import RunConfig

LOCK = ".lock"
OWNER = re.compile(r"process \d{1,12} on [\w.-]{1,80} since [\d :-]{19}\n", re.ASCII)  # what stands in it
CONFIG_LIMIT = 2**20  # bytes; the largest that minigan writes have some ten thousand


class RunFolder:
    """An existing run."""

    def __init__(self, path):
        self.path = as_path(path)
        self.checkpoints, self.samples = self.path / "checkpoints", self.path / "samples"
        self.unlock = None  # a function, while this process owns the folder

    @classmethod
    def create(cls, path, config):
        """Begin a run in a new or empty folder, and own it."""
        path = make_folder(path)
        run = cls(path)
        run.lock()
        if any(inside.name != LOCK and not is_leftover(inside) for inside in path.iterdir()):
            run.release()
            raise OptionError(
                f"the folder {path} is not empty. To go on with the run in it: python -m minigan resume {path}; for a "
                "new one choose another folder (--out DIR)."
            )
        run.write_config(config)
        run.make_folders()
        return run

    @classmethod
    def open(cls, path):
        """Open a run; errors say what a folder lacks to be one. Returns (folder, config)."""
        run = cls(path)
        file = run.path / "config.json"
        if not os.path.isdir(run.path):  # where Path.is_dir may raise: for a name that is too long
            reason = "no such folder"
        else:
            try:
                return run, RunConfig.from_json(read_file(file, CONFIG_LIMIT), file)
            except FileError as error:
                reason = f"config.json cannot be read: {error}"
        raise CheckpointError(
            f"{run.path} is not the folder of a run: {reason.rstrip('.')}. Runs are begun by: python -m minigan train "
            "NAME"
        )

    def lock(self):
        """Own the folder until `release`, or until this process ends, whatever ends it.

        Returns    False where this object owned it before
        Errors     FileError where another process, or another Training in this one, owns it
        """
        if self.unlock:
            return False
        path = self.path / LOCK
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | NO_LINK | NO_WAIT, 0o666)
            close = weakref.finalize(self, os.close, descriptor)
            if try_lock(descriptor) is False:
                owner = os.read(descriptor, 200).decode("ascii", "replace")
                close()
                raise FileError(
                    f"{self.path} is in use: {owner.strip() if OWNER.fullmatch(owner) else 'another process'} trains "
                    "there. Two at once would spoil the run. Wait until it is over, or stop it by Ctrl-C there; in "
                    "Python: training.close()."
                )
            os.ftruncate(descriptor, 0)
            os.write(descriptor, owner_text().encode("ascii"))
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"cannot write {path}: {error.strerror or error}.") from error
        self.unlock = close
        return True

    def release(self):
        """Give up the ownership; nothing happens where there is none."""
        if self.unlock:
            self.unlock()
            self.unlock = None

    def refuse_links(self):
        """Refuse to work in a folder with symbolic links in it: what is written there would change other places."""
        link = find_link(self.path)
        if link:
            raise CheckpointError(
                f"{printable(link)} is a symbolic link. A run writes into its own folder alone, so nothing in it may "
                "be a link to another place. If you made it yourself: put the files in its place (a link to the "
                "whole run folder is fine). If the folder comes from somebody else, look at where the link leads "
                "before you trust it."
            )

    def traces(self):
        """The names of files that are there only where a checkpoint was written before them."""
        return [name for name in ("history.csv", "generator.npz", "discriminator.npz") if (self.path / name).exists()]

    def make_folders(self):
        """What a killed run may have left half made is completed, or cleared away."""
        make_folder(self.checkpoints)
        make_folder(self.samples)
        remove_leftovers(self.path)

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
        append_line(self.path / "notes.txt", f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}")


def owner_text():
    """Who owns a folder from now on, as it stands in its lock"""
    host = re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII)[:80] or "-"
    return f"process {os.getpid()} on {host} since {datetime.now():%Y-%m-%d %H:%M:%S}\n"
