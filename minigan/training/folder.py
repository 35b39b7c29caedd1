"""The folder of a run: where each file is, and how a folder is created, opened and locked.

config.json  history.csv  metrics.csv  notes.txt  samples/  losses.png  real_beside_generated.png  learning.gif
checkpoints/  generator.npz  discriminator.npz  .lock;  with an average of G: generator_raw.npz  raw_beside_averaged.png
experiment.py, of an experiment from a file of one's own: the text of that file. Nobody but training/sources.py runs it

A run folder may come from a stranger. So minigan never writes through a link, and checks the texts in the files before
it shows them.
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
from minigan.training.checkpoints import COLUMNS, JUDGED_AT, METRICS, RATES
from minigan.training.config import RunConfig

LOCK, SOURCE_FILE = ".lock", "experiment.py"
OWNER = re.compile(r"process \d{1,12} on [\w.-]{1,80} since [\d :-]{19}\n", re.ASCII)  # the text in the lock
CONFIG_LIMIT = 2**20  # bytes; the largest that minigan writes have some ten thousand


class InUseError(FileError):
    """Another process, or another Training of this process, has locked the folder of the run."""


class RunFolder:
    """The folder of an existing run."""

    def __init__(self, path):
        self.path = as_path(path)
        self.checkpoints, self.samples = self.path / "checkpoints", self.path / "samples"
        self.unlock = None  # a function, while this process owns the folder

    @classmethod
    def create(cls, path, config, source=None):
        """Create the folder of a new run, or use an empty one, and lock it.

        source     the text of the file that the experiment comes from, as bytes: experiment.py. It is written before
                   config.json, which makes the folder that of a run: so a run that is killed here has both, or none
        """
        config.to_json()  # before anything is written: what JSON cannot hold shall leave no folder behind
        path = make_folder(path)
        run = cls(path)
        if not os.path.lexists(path / LOCK):  # where no run ever was, a refused folder stays as it is, without a lock
            run.require_empty(source)
        run.lock()
        try:
            run.require_empty(source)  # again: another process may have been faster
        except OptionError:
            run.release()
            raise
        if source is not None:
            run.write_source(source)
        run.write_config(config)
        run.make_folders()
        return run

    def require_empty(self, source):
        """Raise OptionError if the folder holds more than a lock and what a killed process may have left there."""
        if all(path.name == LOCK or is_leftover(path) or holds(path, source) for path in self.path.iterdir()):
            return
        resume = f" To resume the run in it: python -m minigan resume {self.path}." if self.has_config() else ""
        raise OptionError(
            f"the folder {self.path} is not empty.{resume} For a new run choose another folder (--out DIR)."
        )

    @classmethod
    def open(cls, path):
        """Return the folder of a run and its config. The error says what is missing if it is not one."""
        run = cls(path)
        file = run.path / "config.json"
        if not os.path.isdir(run.path):  # where Path.is_dir may raise: for a name that is too long
            reason = "no such folder"
        else:
            try:
                return run, RunConfig.from_json(read_file(file, CONFIG_LIMIT), file)
            except FileError as error:
                reason = f"config.json cannot be read: {error}"
        runs = run.runs_inside()
        if runs:
            raise CheckpointError(
                f"{run.path} is not the folder of a run, but there are runs in it, such as {runs[0]}."
            )
        raise CheckpointError(
            f"{run.path} is not the folder of a run: {reason.rstrip('.')}. To start a run: python -m minigan train NAME"
        )

    def has_config(self):
        """Return whether this is the folder of a run."""
        return os.path.isfile(self.path / "config.json")

    def runs_inside(self):
        """Return those of its folders that are folders of runs: then it is that of a study, or out/."""
        try:
            return [path for path in sorted(self.path.iterdir()) if RunFolder(path).has_config()]
        except OSError:
            return []

    def lock(self):
        """Lock the folder until `release`, or until this process ends, however it ends.

        Returns    False if this object had locked it before
        Errors     InUseError if another process has locked it, or another Training in this process
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
                raise InUseError(
                    f"{self.path} is in use: {owner.strip() if OWNER.fullmatch(owner) else 'another process'} trains "
                    "there. Two processes at once would spoil the run. Wait until that process ends, or stop it "
                    "with Ctrl-C. In Python: training.close()."
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
        """Unlock the folder, if it is locked."""
        if self.unlock:
            self.unlock()
            self.unlock = None

    def refuse_links(self):
        """Raise CheckpointError if the folder holds a symbolic link: writing to it would change files elsewhere."""
        link = find_link(self.path)
        if link:
            raise CheckpointError(
                f"{printable(link)} is a symbolic link. A run writes only into its own folder, so nothing in the "
                "folder may be a link to another place. If you made the link yourself, replace it by the files (a "
                "link to the whole run folder is fine). If the folder comes from somebody else, look where the link "
                "leads before you trust it."
            )

    def traces(self):
        """Return the names of the files that show that this run has written a checkpoint."""
        return [name for name in ("history.csv", "generator.npz", "discriminator.npz") if (self.path / name).exists()]

    def make_folders(self):
        """Make the folders that a killed run may lack, and remove its unfinished files."""
        make_folder(self.checkpoints)
        make_folder(self.samples)
        remove_leftovers(self.path)

    def write_config(self, config):
        with atomic_write(self.path / "config.json") as file:
            file.write(config.to_json().encode())

    def write_history(self, rows):
        """Write history.csv: one row for each epoch, with its mean losses, and learning rates if they change."""
        columns = (*COLUMNS, *RATES) if any(set(RATES) <= set(row) for row in rows) else COLUMNS
        self.write_table("history.csv", columns, rows)

    def write_metrics(self, rows):
        """Write metrics.csv: one row for each time the samples were judged, with the metrics that any row has."""
        columns = (*JUDGED_AT, *(name for name in METRICS if any(row[name] is not None for row in rows)))
        self.write_table("metrics.csv", columns, rows)

    def write_table(self, name, columns, rows):
        """Write a table of these columns; other columns of the rows are left out, and None is an empty text."""
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        with atomic_write(self.path / name) as file:
            file.write(text.getvalue().encode())

    def write_source(self, content):
        """Write the text of the file that the experiment comes from."""
        with atomic_write(self.path / SOURCE_FILE) as file:
            file.write(content)

    def note(self, text):
        """Add a line with the time to notes.txt."""
        append_line(self.path / "notes.txt", f"{datetime.now():%Y-%m-%d %H:%M:%S}  {text}")


def folder_name(text):
    """Return a text as the name of a folder can be on every system: Windows takes no colon, and "/" leads elsewhere."""
    return re.sub(r"[^\w.+=,-]", "_", text)


def holds(path, source):
    """Return whether a path is experiment.py with this text: a run was killed between the writing of its files."""
    return source is not None and path.name == SOURCE_FILE and path.is_file() and path.read_bytes() == source


def owner_text():
    """Return the text of the lock: which process has locked the folder."""
    return f"process {os.getpid()} on {host_name()} since {datetime.now():%Y-%m-%d %H:%M:%S}\n"


def host_name():
    """Return the name of this machine as it stands in a lock."""
    return re.sub(r"[^\w.-]", "-", socket.gethostname(), flags=re.ASCII)[:80] or "-"
