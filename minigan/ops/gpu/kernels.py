"""Compiling and launching the kernels of kernels.cu."""

from functools import cache
from pathlib import Path

import numpy as np

from minigan import backend
from minigan.errors import DeviceError

SOURCE = Path(__file__).with_name("kernels.cu")
THREADS = 256  # of a block
BLOCKS = 8192  # at most: beyond, each thread takes several numbers
LARGEST = 2**30  # numbers of an array: the kernels count in int, and step on by the size of the grid
NULL = np.uint64(0)  # the address of an array that is not there


def launch(name, dtype, size, *args):
    """Run the kernel `name` over `size` numbers, which is also its last argument, on the current stream.

    args       contiguous arrays of the GPU, or None for an array that is not there; ints, and floats that become real
    """
    if size > LARGEST:
        raise DeviceError(
            f"{name}: an array of {size:,} numbers; the kernels take {LARGEST:,}. Take smaller batches or layers."
        )
    args = tuple(checked(name, arg, np.dtype(dtype)) for arg in (*args, size))
    blocks = min(-(-size // THREADS), BLOCKS)
    function(backend.cupy, name, np.dtype(dtype).name)((blocks,), (THREADS,), args)


def checked(name, arg, dtype):
    """Return an argument in the very type that the kernel has for it: CuPy passes on whatever it gets."""
    if arg is None:
        return NULL
    if isinstance(arg, float):
        return dtype.type(arg)
    if isinstance(arg, int | np.integer):
        return np.int32(arg)
    if not arg.flags.c_contiguous:
        raise DeviceError(f"{name}: expected contiguous arrays, got one of shape {arg.shape}, strides {arg.strides}.")
    return arg


@cache
def function(cupy, name, dtype):
    """Return a kernel, compiled for one type of numbers at its first use."""
    return module(cupy, dtype).get_function(name)


@cache
def module(cupy, dtype):
    real = {"float32": "float", "float64": "double"}[dtype]
    return cupy.RawModule(code=SOURCE.read_text(), options=("--std=c++17", f"-DREAL={real}"))
