"""Named arrays in the file format safetensors, which PyTorch, Hugging Face and others read and write.

    8 bytes     the length of the header, an integer
    header      JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ..., "__metadata__": {...}}
    numbers     all arrays one behind the other, row by row, little-endian

Reading runs nothing. As the format demands, the arrays cover the rest of the file without overlaps or gaps. They are
views of the bytes that were read, so a file cannot make the reader allocate more than its own size.
"""

import json
import math
import struct

import numpy as np

from minigan.errors import CheckpointError
from minigan.files import printable

LENGTH = struct.Struct("<Q")
LONGEST_HEADER = 100_000_000  # bytes, as in the Rust library
DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"},
    **{f"{letter}{8 * size}": f"<{letter.lower()}{size}" for letter in "IU" for size in (1, 2, 4, 8)},
}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}
BF16 = "BF16"  # float32 without its lower 16 bits; NumPy has no such type


def to_bytes(arrays, metadata):
    """Return the content of a file with `arrays`, name -> array, and `metadata`, name -> text."""
    entries, parts, start = {"__metadata__": dict(metadata)}, [], 0
    # as the library does: large types first, so that each array begins at a multiple of its type's size
    for name, array in sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])):
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        part = array.tobytes()  # in rows, also of a transposed view
        offsets = [start, start + len(part)]
        entries[name] = {"dtype": NAMES[array.dtype], "shape": list(array.shape), "data_offsets": offsets}
        parts.append(part)
        start += len(part)
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return b"".join([LENGTH.pack(len(header)), header, *parts])


def from_bytes(content, where):
    """Return (arrays, metadata) of the content of a file; `where` is its name for messages.

    Errors     CheckpointError if anything is not as the format demands
    """
    try:
        return _read(memoryview(content))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, struct.error) as error:
        text = printable(error)[:300] if isinstance(error, ValueError) else type(error).__name__
        raise CheckpointError(f"{where}: damaged, or not a file of the format safetensors ({text}).") from error


def _read(content):
    if len(content) < LENGTH.size:
        raise ValueError(f"it has only {len(content)} bytes")
    (length,) = LENGTH.unpack_from(content)
    if length > min(LONGEST_HEADER, len(content) - LENGTH.size):
        raise ValueError(f"its header would have {length:,} bytes")
    start = LENGTH.size + length
    entries = json.loads(bytes(content[LENGTH.size : start]), object_pairs_hook=_without_doubles)
    metadata = entries.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are not texts by name")
    numbers = content[start:]
    arrays, end = {}, 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        if first != end or not first <= last <= len(numbers):
            raise ValueError(f"{name[:80]!r} begins at byte {first}, the array before ends at {end}")
        arrays[name] = _array(name, entry, numbers[first:last])
        end = last
    if end != len(numbers):
        raise ValueError(f"{len(numbers) - end} bytes belong to no array")
    return arrays, metadata


def _without_doubles(pairs):
    """Return the pairs of a JSON object as a dict; ValueError for two of one name: which one counts?"""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _array(name, entry, data):
    """Return one array, a view of its bytes."""
    shape, dtype = entry["shape"], entry["dtype"]
    if not all(type(size) is int and size >= 0 for size in shape) or len(shape) > 32:
        raise ValueError(f"{name[:80]!r} has no shape")
    if dtype != BF16 and dtype not in DTYPES:
        raise ValueError(f"{name[:80]!r} holds numbers of the type {str(dtype)[:20]!r}, which NumPy does not have")
    kind = np.dtype("<u2" if dtype == BF16 else DTYPES[dtype])
    if len(data) != kind.itemsize * math.prod(shape):
        raise ValueError(f"{name[:80]!r} has {len(data)} bytes, which is not what its shape and type need")
    array = np.frombuffer(data, kind).reshape(shape)
    return (array.astype("<u4") << 16).view("<f4") if dtype == BF16 else array
