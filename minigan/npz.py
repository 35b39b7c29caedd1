"""Named arrays in one .npz file: written with a sum over every bit of it, read without trusting any.

An .npz file is a zip archive without compression: entry after entry, each a small header, its name and an array in
the .npy format; then the directory that lists them all; then a comment. `numpy.load` reads such a file too. Here the
comment is the SHA-256 of all bytes before it, so that no changed bit goes unnoticed.

Reading follows the rules of the safetensors format: entries lie one behind the other, do not overlap, and cover the
file; each is as long as its shape and dtype say. The arrays are views of the bytes that were read, so that a file
cannot make the reader allocate more than its own size. Nothing is unpacked, nothing is executed, and no pickle is read.
"""

import hashlib
import io
import json
import math
import re
import struct
import zipfile
import zlib

import numpy as np

from minigan.errors import CheckpointError, OptionError
from minigan.files import printable

SUM_SIZE = 64  # hex digits of a SHA-256
END = struct.Struct("<4s16xH")  # the last record of a zip archive: its signature, the length of the comment behind it
END64_SIZE = 76  # two more records before it, where the archive is large
LOCAL = struct.Struct("<4s2xH18xHH")  # before an entry: its signature, flags, the lengths of name and extra field
LISTED_SIZE = 46  # what the directory says of an entry, besides its name, extra field and comment
KINDS = "biufcU"  # of numbers and texts; others (objects) are pickles
NPY_MAGIC = b"\x93NUMPY\x01\x00"
NPY_HEADER = re.compile(
    rf"{{'descr': '([<>|][{KINDS}]\d+)', 'fortran_order': (False|True), 'shape': \(([\d, ]*)\), }} *\n"
)


def to_bytes(arrays):
    """Return the content of an .npz file that holds `arrays`, a dict of name -> array; a text is an array too."""
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in KINDS:
            raise OptionError(
                f"{name}: arrays of {np.asarray(array).dtype} cannot be saved. Take arrays of numbers or texts."
            )
    file = io.BytesIO()
    np.savez(file, **arrays)
    size = file.tell()
    file.seek(size - 2)
    file.write(SUM_SIZE.to_bytes(2, "little"))  # the length of the comment
    file.write(hashlib.sha256(file.getbuffer()).hexdigest().encode())
    return file.getvalue()


def has_sum(content):
    """Return whether the bytes end as `to_bytes` ends them, in a sum; whether it is right is another question."""
    start = len(content) - SUM_SIZE - END.size
    return start >= 0 and END.unpack_from(content, start) == (b"PK\5\6", SUM_SIZE)


def from_bytes(content, where):
    """Return the arrays in the content of an .npz file: {name: array}, read-only views of `content`.

    where      what the content is of, for messages
    Errors     CheckpointError where the sum is wrong, or anything is not as to_bytes (or, without a sum, numpy.savez)
               writes it
    """
    content = memoryview(content)
    try:
        if has_sum(content):
            found = hashlib.sha256(content[:-SUM_SIZE]).hexdigest().encode()
            if found != bytes(content[-SUM_SIZE:]):
                raise ValueError("its SHA-256 is not the one at its end")
        return {name: _array(data, name) for name, data in _entries(content, _open_zip(content))}
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise CheckpointError(f"{where}: damaged, or not an .npz file of plain arrays ({error}).") from error


def _open_zip(content):
    try:
        return zipfile.ZipFile(io.BytesIO(content))
    except Exception as error:  # on damaged archives zipfile raises errors of many classes
        raise ValueError(f"{type(error).__name__}: {printable(error)[:300]}") from error


def _entries(content, archive):
    """Yield (name, content) of each entry; ValueError unless they, and the directory behind them, cover the file."""
    end, listed, names = 0, 0, set()
    for entry in archive.infolist():
        name = entry.orig_filename
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError("it holds compressed arrays, which minigan never writes")
        if entry.header_offset != end:
            raise ValueError(f"the entry {name!r} begins at byte {entry.header_offset}, the one before ends at {end}")
        name_bytes = name.encode("utf-8" if entry.flag_bits & 0x800 else "cp437")
        signature, flags, name_size, extra_size = LOCAL.unpack_from(content, end)
        name_start = end + LOCAL.size
        start = name_start + name_size + extra_size
        end = start + entry.file_size
        data = content[start:end]
        if (signature, flags) != (b"PK\3\4", entry.flag_bits) or content[name_start:][:name_size] != name_bytes:
            raise ValueError(f"the entry {name!r} has another header than the directory says")
        if entry.compress_size != entry.file_size or zlib.crc32(data) != entry.CRC:
            raise ValueError(f"the entry {name!r} was changed")
        if not name.endswith(".npy") or name in names:
            raise ValueError(f"the entry {name!r} is no array, or there are two of this name")
        names.add(name)
        listed += LISTED_SIZE + len(name_bytes) + len(entry.extra) + len(entry.comment)
        yield name.removesuffix(".npy"), data
    rest = len(content) - end - listed - len(archive.comment)
    if end != archive.start_dir or rest not in (END.size, END.size + END64_SIZE):
        raise ValueError("its entries and its directory do not cover it")
    if archive.comment and not has_sum(content):
        raise ValueError("there is a comment where only a sum can be")


def _array(data, name):
    """Return the array in the content of a .npy file, a view of it."""
    start = 10 + int.from_bytes(data[8:10], "little")
    header = NPY_HEADER.fullmatch(bytes(data[10:start]).decode("latin-1"))
    if data[:8] != NPY_MAGIC or header is None:
        raise ValueError(f"{name!r} is not an array of numbers or a text in the .npy format 1.0")
    dtype, shape = np.dtype(header[1]), tuple(int(size) for size in header[3].split(",") if size.strip())
    size = dtype.itemsize * math.prod(shape)
    if len(data) != start + size:
        raise ValueError(f"{name!r} holds {len(data) - start} bytes, its shape and dtype need {size}")
    return np.ndarray(shape, dtype, buffer=data, offset=start, order="F" if header[2] == "True" else "C")


def pop_json(arrays, name, where, limit=2**28):
    """Take the text `name` out of the arrays and return what it says as JSON.

    Errors     CheckpointError where there is none, it is longer than `limit` characters, or not JSON
    """
    array = arrays.pop(name, None)
    if array is None or array.dtype.kind != "U" or array.shape != ():
        raise CheckpointError(f"{where}: expected a text {name!r} in it, found none.")
    if array.nbytes > 4 * limit:
        raise CheckpointError(f"{where}: the text {name!r} is longer than {limit:,} characters; not read.")
    try:
        # not str(array): on numbers that are no characters NumPy fails in other ways
        text = array.tobytes().decode("utf-32-be" if array.dtype.byteorder == ">" else "utf-32-le").rstrip("\0")
    except ValueError as error:
        raise CheckpointError(f"{where}: the text {name!r} is no JSON ({error}).") from error
    return json_of(text, name, where, limit)


def json_of(text, name, where, limit=2**28):
    """Return what the text `name` of a file says as JSON; CheckpointError if it is too long or not JSON."""
    if len(text) > limit:
        raise CheckpointError(f"{where}: the text {name!r} is longer than {limit:,} characters; not read.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError, MemoryError) as error:
        raise CheckpointError(f"{where}: the text {name!r} is no JSON ({error}).") from error
