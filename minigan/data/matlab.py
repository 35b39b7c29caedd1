"""The headers of a MATLAB 5 file, checked before SciPy reads it.

SciPy relies on them: on some damaged ones it does not raise an error but crashes Python, and it makes room for whatever
they promise. A file is 128 bytes of header, then elements: a tag (type, size) and its data, padded to 8 bytes. Here an
element is a matrix, compressed by zlib or not, which holds elements itself: flags, shape, name, numbers.
"""

import math
import struct
import zlib

BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
VERSION = 0x0100
MATRIX, COMPRESSED = 14, 15
NUMBER_SIZES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # type -> bytes a number
NUMBER_CLASSES = range(6, 16)  # double, single, and the integers
COMPLEX = 0x0800
HEAD = 1024  # bytes: enough for the elements before the numbers


def shapes(content, wanted):
    """Return the shape of each variable in the bytes `content` of a MATLAB 5 file, by name.

    Those of the names `wanted` are arrays of real numbers, all of them there. Errors: ValueError, struct.error or
    zlib.error, for anything else.
    """
    order = BYTE_ORDERS.get(content[126:128])
    # By a zero among the first bytes SciPy knows a file of MATLAB 4.
    if order is None or 0 in content[:4] or struct.unpack_from(f"{order}H", content, 124) != (VERSION,):
        raise ValueError("it does not start like one")
    found, start = {}, 128
    while start < len(content):
        kind, size = struct.unpack_from(f"{order}II", content, start)
        if kind not in (MATRIX, COMPRESSED):
            raise ValueError(f"unknown element at byte {start}")
        if start + 8 + size > len(content):
            raise ValueError(f"truncated: {len(content)} bytes, expected at least {start + 8 + size}")
        head = content[start : start + 8 + min(size, HEAD)]
        name, shape = _matrix(_unpacked(head[8:]) if kind == COMPRESSED else head, order, wanted)
        if name in found:
            raise ValueError(f"two variables {name}")
        found[name] = shape
        start += 8 + size
    return found


def _unpacked(head):
    return zlib.decompressobj().decompress(head, HEAD)


def _matrix(head, order, wanted):
    """Return the name and the shape of the matrix that starts with the bytes `head`."""
    (kind,) = struct.unpack_from(f"{order}I", head)
    if kind != MATRIX:
        raise ValueError("unknown compressed element")
    # As SciPy does, without a look at the tag of the flags.
    (flags,) = struct.unpack_from(f"{order}I", head, 16)
    _, shape_size, shape_at, at = _element(head, 24, order)
    _, name_size, name_at, at = _element(head, at, order)
    shape = struct.unpack_from(f"{order}{shape_size // 4}i", head, shape_at)
    name = head[name_at : name_at + name_size].decode("latin-1")
    if name in wanted:
        if flags & 0xFF not in NUMBER_CLASSES or flags & COMPLEX:
            raise ValueError(f"{name} is no array of real numbers")
        numbers_kind, numbers_size, _, _ = _element(head, at, order)
        if numbers_size != math.prod(shape) * NUMBER_SIZES.get(numbers_kind, math.nan):
            raise ValueError(f"damaged header of {name}")
    return name, shape


def _element(head, at, order):
    """Return (type, size, start of the data, start of the next element) of the element at byte `at`."""
    kind, size = struct.unpack_from(f"{order}II", head, at)
    if kind >> 16:  # up to four bytes of data stand in the tag itself
        return kind & 0xFFFF, kind >> 16, at + 4, at + 8
    return kind, size, at + 8, at + 8 + -(-size // 8) * 8
