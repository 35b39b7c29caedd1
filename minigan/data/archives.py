"""Reading the files of a .tar.gz archive into memory without trusting it: nothing is ever written to the disk.

An archive can hold names that lead out of its folder, links and devices. No official one does, so that such an archive
is refused as a whole, though unpacking in memory could not be misled by it.
"""

import io
import tarfile
from pathlib import PurePosixPath, PureWindowsPath

from minigan.data.reading import ADVICE, read_at_most, some
from minigan.errors import DataError
from minigan.files import printable

# What tarfile raises on damaged headers; RecursionError where thousands of extended headers follow each other.
TAR_ERRORS = (tarfile.TarError, ValueError, OverflowError, RecursionError)
PLAIN_TYPES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)


def read_files(path, limit):
    """Return the files of the archive `path`: {name: content}, the names without "./", the contents as memoryviews.

    Errors: DataError where it is damaged or unsafe, or unpacks to more than `limit` bytes.
    """
    # One byte more than allowed shows that there is more; a decompression bomb is never unpacked further.
    content = read_at_most(path, limit + 1)
    if len(content) > limit:
        raise DataError(f"{path}: the archive unpacks to more than the {limit:,} bytes that are expected. {ADVICE}")
    files = {}
    for member in _members(content, path):
        _check_member(member, path)
        name = str(PurePosixPath(member.name))
        if name in files:
            raise DataError(f"{path}: the archive holds {some([name])} twice. {ADVICE}")
        if not member.isdir():
            files[name] = memoryview(content)[member.offset_data : member.offset_data + member.size]
    return files


def _members(content, path):
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            members = []
            for member in tar:
                if member.size < 0:  # older versions of Python would walk in circles
                    raise tarfile.ReadError(f"negative size of {member.name}")
                members.append(member)
            # tarfile takes a damaged header in the middle for the end, which is zeros.
            if content[tar.offset :].strip(b"\0"):
                raise tarfile.ReadError(f"damaged header at byte {tar.offset}")
            return members
    except TAR_ERRORS as error:
        raise DataError(f"{path}: not a sound tar archive ({printable(error)[:300]}). {ADVICE}") from error


def _check_member(member, path):
    name = PureWindowsPath(member.name)  # knows both kinds of slashes, and drives
    if name.anchor or ".." in name.parts:
        problem = "whose name leads out of the folder"
    elif member.type not in PLAIN_TYPES or member.issparse():
        problem = "which is a link, a device or something else that is not a regular file"
    else:
        return
    raise DataError(f"{path}: the archive holds {some([member.name])!r}, {problem}: it is refused. {ADVICE}")
