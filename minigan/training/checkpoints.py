"""Checkpoints: a run at one moment, complete enough to go on as if nothing had happened.

A file is the SHA-256 of its content and the content, an .npz archive of arrays with one text of JSON among them. It is
written beside its place and renamed, so it is whole or not there; the sum tells a damaged one. No pickle is read.
"""

import hashlib
import io
import json
import re

import numpy as np

from minigan.errors import CheckpointError
from minigan.files import atomic_write

KEEP = 3
DIGEST_BYTES = hashlib.sha256().digest_size
PATTERN = re.compile(r"step_(\d{8})\.checkpoint")


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
    """(arrays, values) of a checkpoint; CheckpointError where it is missing, cut short or changed."""
    try:
        stored = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}.") from error
    digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        raise CheckpointError(f"{path}: damaged: {len(stored):,} bytes whose SHA-256 is not the one they begin with.")
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return arrays, json.loads(str(arrays.pop("values")))


def read_newest(folder, warn):
    """(arrays, values) of the newest checkpoint that is whole, or None where the folder has none at all.

    warn       called with a text for each damaged one that is passed over
    Errors     CheckpointError where all are damaged
    """
    found = in_folder(folder)
    for _, path in reversed(found):
        try:
            return read(path)
        except CheckpointError as error:
            warn(f"{error} It is passed over.")
    if found:
        raise CheckpointError(f"{folder}: all {len(found)} checkpoints are damaged. Train anew, into another folder.")
    return None


def in_folder(folder):
    """(step, path) of all checkpoints, oldest first"""
    matches = ((PATTERN.fullmatch(path.name), path) for path in folder.glob("*.checkpoint"))
    return sorted((int(match[1]), path) for match, path in matches if match)
