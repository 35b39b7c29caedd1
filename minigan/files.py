"""Files: only regular ones, never half written after a crash, and never written through a link."""

import os
import secrets
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

from minigan.errors import FileError, OptionError
from minigan.locks import try_lock
from minigan.options import shown

# Windows has none of the two: there links need a right that ordinary users lack, and no file makes `open` wait
NO_LINK, NO_WAIT = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
PART = ".part"  # how the names of unfinished files end
PROBE = ".write-probe-"  # how the names of files begin that only tried whether a folder can be written to


def make_folder(path):
    """Create the folder `path` (and its parents) and return it as a Path; FileError where it cannot be written to."""
    path = as_path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path, prefix=PROBE):
            pass
    except (OSError, ValueError) as error:
        raise FileError(
            f"cannot write to the folder {printable(path)}: {reason(error)}. Choose another one (--out DIR)."
        ) from error
    return path


@contextmanager
def atomic_write(path):
    """Open a temporary file beside `path` for binary writing; it takes the name `path` only once it is complete.

    On any error, a full disk or Ctrl-C included, the temporary file is removed and an older `path` stays as it was.
    Where `path` is a link to a file, the link is replaced, and the file that it names stays as it was.
    Errors     FileError where the file cannot be written, or `path` is a folder, a device or a named pipe; OptionError
               where it is no path
    """
    path = as_path(path)
    _check_place(path)
    # cut, so that the name is not too long where that of `path` is not
    temporary = path.with_name(f".{path.name[:50]}.{secrets.token_hex(4)}{PART}")
    try:
        try:
            with open(temporary, "xb") as file:  # x: a new file, never one that is there, and never through a link
                try_lock(file.fileno())  # so that remove_leftovers knows: somebody writes this
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except FileError:
        raise
    except OSError as error:
        raise FileError(f"cannot write {printable(path)}: {reason(error)}.") from error


def _check_place(path):
    """Raise FileError unless a file can be written at this path."""
    try:
        _require_regular(path, path.stat().st_mode)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise FileError(
                f"cannot write {printable(path)}: there is no folder {printable(path.parent)}. Make it first: "
                f"pathlib.Path({str(path.parent)!r}).mkdir(parents=True)."
            ) from None
    except FileError:
        raise
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {printable(path)}: {reason(error)}.") from error


def _require_regular(path, mode):
    """Raise FileError unless it is a regular file."""
    if stat.S_ISDIR(mode):
        raise FileError(
            f"{printable(path)}: is a folder. Give the name of a file in it, such as {printable(path / 'network.npz')}."
        )
    if not stat.S_ISREG(mode):
        raise FileError(
            f"{printable(path)}: is a device, a named pipe or a socket, not a file. If a binary file object is "
            "accepted here, open it yourself and pass that."
        )


def remove_leftovers(folder):
    """Delete the unfinished files of killed processes in `folder` and below; one that is still written is locked."""
    for path in [*folder.rglob(f".*{PART}"), *folder.glob(f"{PROBE}*")]:
        try:
            descriptor = os.open(path, os.O_RDWR | NO_LINK | NO_WAIT)
        except OSError:
            continue
        try:
            if try_lock(descriptor):
                path.unlink(missing_ok=True)
        except OSError:
            pass  # it is in the way of nothing
        finally:
            os.close(descriptor)


def is_leftover(path):
    """Return True for what a process that was killed while it wrote may have left."""
    return path.name.endswith(PART) or path.name.startswith(PROBE)


def append_line(path, text):
    """Add one line to a text file; line breaks and control characters of the text become visible ones.

    Errors     FileError where the file is a link or no plain file, or cannot be written
    """
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_LINK | NO_WAIT
        if path.is_symlink():
            raise FileError(f"cannot write {path}: it is a symbolic link to another place.")
        with open(os.open(path, flags, 0o666), "a", encoding="utf-8") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileError(f"cannot write {path}: it is not a regular file.")
            file.write(printable(text) + "\n")
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise FileError(f"cannot write {path}: {reason(error)}.") from error


def read_file(path, limit=None):
    """Return the bytes of a regular file. A folder, a device or a named pipe is refused: reading one may never end.

    limit      the size in bytes from which on the file is not read
    Errors     FileError where there is no such file, it is not a regular one, cannot be read, or has more bytes;
               OptionError where `path` is no path
    """
    path = as_path(path)
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | NO_WAIT)) as file:
            status = os.fstat(file.fileno())
            _require_regular(path, status.st_mode)
            if limit is not None and status.st_size > limit:
                raise FileError(
                    f"{printable(path)}: has {status.st_size:,} bytes, more than the {limit:,} that such a file can "
                    "need; not read."
                )
            return file.read()
    except FileNotFoundError as error:
        raise FileError(f"{printable(path)}: no such file.") from error
    except FileError:
        raise
    except IsADirectoryError as error:
        raise FileError(
            f"{printable(path)}: is a folder. Give the name of a file in it, such as {printable(path / 'network.npz')}."
        ) from error
    except (OSError, ValueError, MemoryError) as error:
        raise FileError(f"{printable(path)}: cannot be read: {reason(error)}.") from error


def find_link(folder):
    """Return the first symbolic link in `folder` or below, or None."""
    for parent, folders, names in os.walk(folder):  # which does not follow links
        for name in sorted(folders + names):
            if os.path.islink(os.path.join(parent, name)):
                return Path(parent, name)
    return None


def printable(text):
    """Return `text` (or a path) on one line; characters that a terminal would obey become escapes, such as \\n."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in str(text))


def as_path(path):
    """Return `path` as a Path; OptionError for what is none"""
    try:
        text = os.fsdecode(path)
    except TypeError:
        raise OptionError(f"expected the path of a file or folder, got {shown(path)}.") from None
    if "\0" in text:
        raise OptionError(f"expected the path of a file or folder, got {shown(path)}: no system takes a 0 byte in one.")
    return Path(text)


def reason(error):
    """Return what the system says, in its own words where it has some"""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
