"""Finding and reading the files of a data set without trusting them: bounded reads, and errors that say what to do."""

import gzip
import os
import zlib

from minigan.errors import DataError
from minigan.files import printable

OTHER = {"train": "test", "test": "train"}  # the other split
ADVICE = (
    "Replace it by the official file. Without a directory (directory=, --data-dir), minigan downloads missing files."
)


def find(folder, *names):
    """Return the path of the first of the files `names` that lies in `folder`, or None."""
    # os.path.isfile is False, and no error, in a folder that may not be looked into.
    return next((folder / name for name in names if os.path.isfile(folder / name)), None)


def read_at_most(path, limit, advice=ADVICE):
    """Return the first `limit` bytes of the file `path`, unpacked if its name ends in .gz; DataError if that fails."""
    try:
        with open(path, "rb") as file:
            stream = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            return stream.read(limit)
    except EOFError as error:
        raise DataError(f"{path}: the gzip file is truncated, perhaps by an interrupted download. {advice}") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a sound gzip file ({error}). {advice}") from error
    except OSError as error:
        raise unreadable(path, error) from error


def unreadable(path, error):
    """Return the DataError for the file `path` that the system does not let us read."""
    return DataError(f"{path}: cannot be read: {error.strerror or error}. Check its permissions.")


def listing(folder, wanted):
    """Return what `folder` holds, in a few words; DataError, with the files `wanted` there, if it cannot be read."""
    try:
        names = [path.name + "/" * path.is_dir() for path in folder.iterdir()]
    except OSError as error:
        raise DataError(
            f"cannot read the folder {folder}: {error.strerror or error}. Give an existing folder that holds the "
            f"{wanted} of the data set: directory= (--data-dir)."
        ) from error
    return some(names)


def some(names, most=10, longest=100):
    """Return names that come from elsewhere, in a few words; "nothing" without any"""
    more = [f"and {len(names) - most} more"] if len(names) > most else []
    return ", ".join([printable(name)[:longest] for name in sorted(names)[:most]] + more) or "nothing"
