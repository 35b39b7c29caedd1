"""Reading one idx file, the format of MNIST, without trusting it.

An idx file is a header of big-endian 32-bit numbers (the magic number 0x08nn: unsigned bytes in nn dimensions; then
the size of each dimension) followed by one byte a value, the last dimension fastest. It is often gzipped.
"""

import hashlib
import math
import struct

import numpy as np

from minigan.data import reading, sources
from minigan.errors import DataError

UNSIGNED_BYTES = 0x0800
KINDS = {UNSIGNED_BYTES + 3: "images", UNSIGNED_BYTES + 1: "labels"}


def find(folder, file):
    """Return the path in `folder` of the IdxFile `file` under one of the names in use, gzipped or not, or None."""
    dotted = file.name.replace("-idx", ".idx")  # as some older programs unpack it
    return reading.find(folder, file.name + ".gz", file.name, dotted + ".gz", dotted)


def read(path, file):
    """Return the read-only uint8 array in the idx file `path`, gzipped where its name ends in .gz.

    Errors: DataError unless the uncompressed content is exactly that of the IdxFile `file`.
    """
    header_size = 4 + 4 * len(file.shape)
    size = header_size + math.prod(file.shape)
    # One byte more than expected shows that a file is too long; a decompression bomb is never unpacked further.
    content = reading.read_at_most(path, size + 1)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != file.md5:
        wrong = _what_is_wrong(content, md5, file, header_size, size)
        raise DataError(f"{path}: expected {sources.identify(file.md5)}, but {wrong}. {reading.ADVICE}")
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(file.shape)


def _what_is_wrong(content, md5, file, header_size, size):
    """Return why `content` is not that of `file`, as the second half of a sentence; the most telling reason first."""
    known = sources.identify(md5)
    if known:
        return f"this is {known}"
    if len(content) < header_size:
        return f"it is truncated: {len(content)} bytes, expected {size}"
    magic, *shape = struct.unpack_from(f">{1 + len(file.shape)}I", content)
    expected_magic = UNSIGNED_BYTES + len(file.shape)
    if magic != expected_magic:
        is_what = f"it is an idx file of {KINDS[magic]}" if magic in KINDS else "it is no idx file of unsigned bytes"
        return f"{is_what}: magic number {magic}, expected {expected_magic} ({KINDS[expected_magic]})"
    if tuple(shape) != file.shape:
        return f"its header says shape {tuple(shape)}, expected {file.shape}"
    if len(content) < size:
        return f"it is truncated: {len(content)} bytes, where its header promises {size}"
    if len(content) > size:
        return f"it is longer than the {size} bytes that its header promises"
    return f"its content was changed: MD5 {md5}, expected {file.md5}"
