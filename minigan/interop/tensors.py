"""Named arrays from other programs: a dict, a file of the format safetensors, or an .npz file. No pickle is read."""

import os

import numpy as np

from minigan import npz
from minigan.errors import CheckpointError, DtypeError, OptionError
from minigan.files import as_path, printable, read_file
from minigan.interop import safetensors_file
from minigan.options import shown

PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".tar")
CONVERT = (
    "{}: files of PyTorch are pickles, which can run any program while they are read, so minigan does not read them. "
    "Convert it where PyTorch is: python -c \"import torch, numpy; numpy.savez('weights.npz', **{{name: value.float()"
    ".numpy() for name, value in torch.load('FILE', weights_only=True, map_location='cpu').items()}})\". Then give "
    "weights.npz."
)


def tensors_of(source, owner):
    """Return the arrays of a source as a dict, name -> array.

    source     a dict of arrays (or of PyTorch's tensors), or the path of a .safetensors or .npz file
    Errors     CheckpointError for a damaged file; OptionError for a pickle, and for what is none of these
    """
    if hasattr(source, "items") and hasattr(source, "keys"):
        return {name: as_array(name, value, owner) for name, value in source.items()}
    if not isinstance(source, (str, bytes, os.PathLike)):
        raise OptionError(
            f"{owner}: expected a dict of arrays, or the path of a .safetensors or .npz file, got {shown(source)}."
        )
    path = as_path(source)
    where = printable(path)
    if path.suffix.lower() in PICKLES:
        raise OptionError(CONVERT.format(where))
    content = read_file(path)
    if content[:2] == b"PK":  # a zip archive
        if b"data.pkl" in content[:4096]:
            raise OptionError(CONVERT.format(where))
        return npz.from_bytes(content, where)
    if content[:1] == b"\x80" and int.from_bytes(content[:8], "little") > len(content):  # how pickles begin
        raise OptionError(CONVERT.format(where))
    return safetensors_file.from_bytes(content, where)[0]


def as_array(name, value, owner):
    """Return a NumPy array, or a tensor on the CPU as one."""
    if not isinstance(name, str):
        raise OptionError(f"{owner}: expected texts as the names of arrays, got {shown(name)}.")
    if hasattr(value, "detach"):  # a tensor of PyTorch
        value = value.detach()
    if not hasattr(value, "shape"):
        raise OptionError(f"{owner}: expected {name} as an array, got {shown(value)}. Is it a state_dict?")
    try:
        return np.asarray(value)
    except Exception as error:  # a tensor on a GPU, or of bfloat16; PyTorch raises TypeError, CuPy others
        raise DtypeError(
            f"{owner}: {name} cannot become a NumPy array ({type(error).__name__}: {printable(error)[:200]}). Give "
            "value.float().cpu().numpy() in its place."
        ) from error


def numbers(array, name, dtype, where):
    """Return an array in the dtype of a network; CheckpointError for what are no finite numbers of this dtype."""
    if array.dtype.kind != "f":
        raise CheckpointError(f"{where}: {shown(name)} holds {array.dtype}, expected floating-point numbers.")
    with np.errstate(over="ignore"):
        converted = array.astype(dtype)
    if not np.isfinite(converted).all():
        raise CheckpointError(f"{where}: {shown(name)} holds NaN, infinity, or numbers that {dtype} cannot hold.")
    return converted
