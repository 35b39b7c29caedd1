"""Checkpoints: the complete state of a run, so that it can resume as if it had never stopped.

A checkpoint file holds the SHA-256 of its content, then the content: an .npz archive of arrays and one text of JSON.
The file is written under another name and then renamed, so a checkpoint is complete or does not exist. A wrong SHA-256
shows that a file is damaged. No pickle is read.
"""

import hashlib
import io
import json
import os
import re

import numpy as np

from minigan import npz
from minigan.errors import CheckpointError, FileError
from minigan.files import atomic_write, read_file

KEEP = 3
DIGEST_BYTES = hashlib.sha256().digest_size
PATTERN = re.compile(r"step_(\d{8,18})\.checkpoint", re.ASCII)
COLUMNS = ("step", "epoch", "d_loss", "g_loss", "d_grad_norm", "g_grad_norm")  # of the history
RATES = ("d_lr", "g_lr")  # and of learning rates that change; runs of older versions have no such columns
JUDGED_AT = ("step", "epoch", "samples")  # of metrics.csv; then those of these metrics that there are
METRICS = (
    *("nfd", "score", "confidence", "class_kl", "smallest_class", "asked_share", "precision", "recall", "density"),
    *("coverage", "memorisation_ratio", "copied_share", "diversity_ratio", "modes", "mode_kl"),
)


class DamagedError(CheckpointError):
    """A checkpoint whose bytes have changed since they were written."""


class MissingError(CheckpointError):
    """A checkpoint file that does not exist (any more)."""


def write(folder, step, arrays, values):
    """Write a checkpoint into `folder`, and remove all but the KEEP newest ones of the steps so far.

    Those of later steps are damaged: the run went on from an older one.
    """
    content = io.BytesIO()
    np.savez(content, values=json.dumps(values), **arrays)
    content = content.getvalue()
    with atomic_write(folder / f"step_{step:08d}.checkpoint") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    so_far = [path for taken, path in in_folder(folder) if taken <= step]
    for path in so_far[:-KEEP]:
        path.unlink(missing_ok=True)


def read(path):
    """Return the arrays and the values of a checkpoint.

    Errors     DamagedError if the file is cut short or changed, MissingError if there is none, CheckpointError if it
               cannot be read, or if its SHA-256 is right but its content is not what a run writes
    """
    try:
        stored = read_file(path)
    except FileError as error:
        kind = MissingError if isinstance(error.__cause__, FileNotFoundError) else CheckpointError
        raise kind(f"a checkpoint cannot be read: {error}") from error
    stored = memoryview(stored)
    digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise DamagedError(f"{path}: damaged: its {len(stored):,} bytes do not match the SHA-256 at their start.")
    arrays = npz.from_bytes(content, path)
    values = npz.pop_json(arrays, "values", path)
    try:
        check_values(values)
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # behind a right sum there can be anything
        raise CheckpointError(
            f"{path}: undamaged, but not a checkpoint of this version of minigan ({type(error).__name__}: {error})."
        ) from error
    return arrays, values


def check_values(values):
    """Raise an error unless the values are such as Training.save writes. `gan` and `health` are checked later."""
    for name, kind in {"step": int, "losses": list, "history": list, "gan": dict, "config": dict}.items():
        if type(values[name]) is not kind:
            raise ValueError(f"expected {name} as {kind.__name__}")
    if not isinstance(values["config"].get("settings"), dict | None):
        raise ValueError("expected settings by name")
    if not 0 <= values["step"] < 10**18:
        raise ValueError("expected step as a number of steps")
    for pair in values["losses"]:
        d_loss, g_loss = pair
        if not (is_number(d_loss) and is_number(g_loss)):
            raise ValueError("expected losses as pairs of numbers")
    for row in values["history"]:
        if set(row) not in (set(COLUMNS), {*COLUMNS, *RATES}) or not all(map(is_number, row.values())):
            raise ValueError("expected history as rows of numbers")
    for row in metrics_of(values):
        if set(row) != {*JUDGED_AT, *METRICS} or not all(value is None or is_number(value) for value in row.values()):
            raise ValueError("expected metrics as rows of numbers")


def metrics_of(values):
    """Return the rows of metrics.csv that a checkpoint holds; those of older versions hold none."""
    rows = values.get("metrics", [])
    if type(rows) is not list:
        raise ValueError("expected metrics as list")
    return rows


def is_number(value):
    return type(value) in (int, float)  # NaN too: a loss is NaN before the generator's first step


def read_newest(folder, warn):
    """Return the arrays and values of the newest undamaged checkpoint, or None if the folder has no checkpoint.

    warn       a function that is called with a text for each damaged checkpoint that is skipped
    Errors     CheckpointError if all are damaged, or if one cannot be read (it may be undamaged)
    """
    found = in_folder(folder)
    for _, path in reversed(found):
        try:
            return read(path)
        except DamagedError as error:
            warn(f"{error} Skipped.")
        except MissingError:
            if in_folder(folder) == found:
                raise
            return read_newest(folder, warn)  # training continues meanwhile, and has replaced it by newer ones
    if found:
        raise CheckpointError(f"{folder}: all {len(found)} checkpoints are damaged. Train again, into another folder.")
    return None


def in_folder(folder):
    """Return (step, path) of all checkpoints, oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error.strerror or error}.") from error
    matches = ((PATTERN.fullmatch(name), folder / name) for name in names)
    return sorted((int(match[1]), path) for match, path in matches if match)
