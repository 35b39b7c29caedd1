"""Checkpoints: a run at one moment, complete enough to go on as if nothing had happened.

A file is the SHA-256 of its content and the content, an .npz archive of arrays with one text of JSON among them. It is
written beside its place and renamed, so it is whole or not there; the sum tells a damaged one. No pickle is read.
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


class DamagedError(CheckpointError):
    """The bytes are not those that were written."""


class MissingError(CheckpointError):
    """There is no such file, or no longer."""


def write(folder, step, arrays, values):
    """Write a checkpoint into `folder` and remove all but the newest KEEP."""
    content = io.BytesIO()
    np.savez(content, values=json.dumps(values), **arrays)
    content = content.getvalue()
    with atomic_write(folder / f"step_{step:08d}.checkpoint") as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)
    for _, path in in_folder(folder)[:-KEEP]:
        path.unlink(missing_ok=True)


def read(path):
    """(arrays, values) of a checkpoint.

    Errors     DamagedError where it is cut short or changed, MissingError where there is none; CheckpointError where it
               cannot be read, or has a right sum, but other things in it than a run writes
    """
    try:
        stored = read_file(path)
    except FileError as error:
        kind = MissingError if isinstance(error.__cause__, FileNotFoundError) else CheckpointError
        raise kind(f"a checkpoint cannot be read: {error}") from error
    stored = memoryview(stored)
    digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise DamagedError(f"{path}: damaged: {len(stored):,} bytes whose SHA-256 is not the one they begin with.")
    arrays = npz.from_bytes(content, path)
    values = npz.pop_json(arrays, "values", path)
    try:
        check_values(values)
    except (KeyError, ValueError, TypeError, AttributeError) as error:  # behind a right sum there can be anything
        raise CheckpointError(
            f"{path}: whole, but no checkpoint of this version of minigan ({type(error).__name__}: {error})."
        ) from error
    return arrays, values


def check_values(values):
    """Refuse plain values that Training.save does not write; what is in `gan` and `health`, those check who take it."""
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
        if set(row) != set(COLUMNS) or not all(is_number(row[name]) for name in COLUMNS):
            raise ValueError("expected history as rows of numbers")


def is_number(value):
    return type(value) in (int, float)  # NaN too: a loss is NaN before the generator's first step


def read_newest(folder, warn):
    """(arrays, values) of the newest checkpoint that is whole, or None where the folder has none at all.

    warn       called with a text for each damaged one that is passed over
    Errors     CheckpointError where all are damaged, or one cannot be read: it may be whole
    """
    found = in_folder(folder)
    for _, path in reversed(found):
        try:
            return read(path)
        except DamagedError as error:
            warn(f"{error} It is passed over.")
        except MissingError:
            if in_folder(folder) == found:
                raise
            return read_newest(folder, warn)  # the training goes on meanwhile, and removed it for newer ones
    if found:
        raise CheckpointError(f"{folder}: all {len(found)} checkpoints are damaged. Train anew, into another folder.")
    return None


def in_folder(folder):
    """(step, path) of all checkpoints, oldest first"""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read: {error.strerror or error}.") from error
    matches = ((PATTERN.fullmatch(name), folder / name) for name in names)
    return sorted((int(match[1]), path) for match, path in matches if match)
