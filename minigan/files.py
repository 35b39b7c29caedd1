"""Writing files so that a crash never leaves half of one."""

import os
from contextlib import contextmanager
from pathlib import Path

from minigan.errors import FileError


def make_folder(path):
    """Create the folder `path` (and its parents) and return it as a Path; FileError where it cannot be written to."""
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".write-probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise FileError(
            f"cannot write to the folder {path}: {error.strerror or error}. Choose another one (--out DIR)."
        ) from error
    return path


@contextmanager
def atomic_write(path):
    """Open a temporary file beside `path` for binary writing; it takes the name `path` only once it is complete.

    On any error, a full disk or Ctrl-C included, the temporary file is removed and an older `path` stays as it was.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"cannot write {path}: {error.strerror or error}.") from error
