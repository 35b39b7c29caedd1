"""Named arrays in the file format safetensors, which PyTorch, Hugging Face and others read and write.

The package safetensors reads and writes. This file adds what NumPy needs: arrays row by row, bfloat16, and one error.
Reading runs nothing that is in the file.
"""

import json

import numpy as np

from minigan.errors import CheckpointError, OptionError
from minigan.files import printable

DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "?"},
    **{f"{letter}{8 * size}": f"<{letter.lower()}{size}" for letter in "IU" for size in (1, 2, 4, 8)},
}
METADATA = "__metadata__"  # its name in the header
BF16 = "BF16"  # float32 without its lower 16 bits; NumPy has no such type


def import_safetensors():
    """Return the package safetensors; OptionError with the line that installs it."""
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise OptionError(
            f"files of the format safetensors need the package safetensors, which cannot be imported ({error}): pip "
            'install "minigan[safetensors]"'
        ) from error
    return safetensors


def to_bytes(arrays, metadata):
    """Return the content of a file with `arrays`, name -> array, and `metadata`, name -> text."""
    library = import_safetensors()
    # The library writes the memory of an array as it lies there, also of a transposed view.
    rows = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    return with_sorted_metadata(library.numpy.save(rows, dict(metadata)))


def with_sorted_metadata(content):
    """Return the content of a file with its metadata in the order of their names.

    The library's order is random: the same network would give other bytes each time.
    """
    header, numbers = split(content)
    header = {METADATA: dict(sorted(header.pop(METADATA, {}).items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + numbers


def split(content):
    """Return (header, numbers) of a sound file: 8 bytes with the length of the header, the header, the numbers."""
    end = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:end]), content[end:]


def from_bytes(content, where):
    """Return (arrays, metadata) of the content of a file; `where` is its name for messages.

    Errors     CheckpointError if anything is not as the format demands
    """
    library = import_safetensors()
    try:
        entries = library.deserialize(bytes(content))
        arrays = {name: as_array(name, entry) for name, entry in entries}
    except (library.SafetensorError, ValueError, TypeError) as error:
        reason = printable(error)[:300]
        raise CheckpointError(f"{where}: damaged, or not a file of the format safetensors ({reason}).") from error
    header, _ = split(content)
    return arrays, header.get(METADATA) or {}


def as_array(name, entry):
    """Return an array of the library's description of it; ValueError for numbers that NumPy does not have."""
    dtype = entry["dtype"]
    if dtype == BF16:
        halves = np.frombuffer(entry["data"], "<u2").reshape(entry["shape"])
        return (halves.astype("<u4") << 16).view("<f4")
    if dtype not in DTYPES:
        raise ValueError(f"{name[:80]!r} holds numbers of the type {dtype}, which NumPy does not have")
    return np.frombuffer(entry["data"], DTYPES[dtype]).reshape(entry["shape"])
