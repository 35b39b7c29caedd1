"""Matrix products by cuBLAS, called directly.

cuBLAS itself can be recorded into a CUDA graph, CuPy's functions for it refuse ("calling cuBLAS API during stream
capture"). So this calls the library that CuPy has loaded, through ctypes.

cuBLAS counts matrices by columns. Memory that holds a matrix row by row holds its transpose column by column, so
C = A B is asked for as C^T = B^T A^T: the factors change places, nothing is moved.
"""

import ctypes
import os
from functools import lru_cache

import numpy as np

from minigan import backend
from minigan.errors import DeviceError, ShapeError

# from library_types.h and cublas_api.h
REAL = {"float32": 0, "float64": 1}
COMPUTE_32F, COMPUTE_64F, COMPUTE_32F_FAST_TF32 = 68, 70, 77
DEFAULT_ALGORITHM = -1
WORKSPACE = 32 * 2**20  # bytes; what cuBLAS would otherwise allocate while a graph is recorded


def tf32():
    """Return whether products of float32 may round their factors to the 10 bits of TF32: CuPy's own switch says."""
    return os.environ.get("CUPY_TF32", "0") not in ("", "0")


def matmul(a, b, out=None):
    """a @ b for matrices (m, k) (k, n), or stacks of them with the same leading axis, into `out` or a new array."""
    cupy = backend.cupy
    (*stack, m, k), n = a.shape, b.shape[-1]
    if a.shape[:-2] != b.shape[:-2] or b.shape[-2] != k or len(stack) > 1 or a.dtype != b.dtype:
        raise ShapeError(
            f"matmul: expected (m, k) and (k, n), or stacks of them of one length, and one dtype; got {a.shape} "
            f"{a.dtype} and {b.shape} {b.dtype}."
        )
    if out is None:
        out = cupy.empty((*stack, m, n), a.dtype)
    a, (a_transposed, a_leading) = operand(a)
    b, (b_transposed, b_leading) = operand(b)
    target, (out_transposed, out_leading) = operand(out)
    if target is not out or out_transposed:
        raise ShapeError(f"matmul: expected out with contiguous rows, got strides {out.strides} of {out.shape}.")
    number, int_, long_ = ctypes.c_float if a.dtype == np.float32 else ctypes.c_double, ctypes.c_int, ctypes.c_longlong
    one, zero = number(1), number(0)
    kind = int_(REAL[a.dtype.name])

    def described(x, leading):
        """Return address, type and leading dimension, and for stacks the distance between two matrices"""
        distance = [long_(x.strides[0] // x.itemsize)] if stack else []
        return [ctypes.c_void_p(x.data.ptr), kind, int_(leading), *distance]

    library, handle = prepared()
    name = "cublasGemmStridedBatchedEx" if stack else "cublasGemmEx"
    status = getattr(library, name)(
        handle,
        *(int_(b_transposed), int_(a_transposed), int_(n), int_(m), int_(k)),
        *(ctypes.byref(one), *described(b, b_leading), *described(a, a_leading)),
        *(ctypes.byref(zero), *described(out, out_leading)),
        *([int_(stack[0])] if stack else []),
        *(int_(compute_type(a.dtype)), int_(DEFAULT_ALGORITHM)),
    )
    if status:
        raise DeviceError(f"matmul: {name} of {a.shape} and {b.shape} in {a.dtype} failed with status {status}.")
    return out


def operand(x):
    """(x, (transposed, leading dimension)) of a matrix, or stack, whose rows or columns are contiguous; else a copy."""
    rows, columns = (stride // x.itemsize for stride in x.strides[-2:])
    height, width = x.shape[-2:]
    # along an axis of length 1 the stride says nothing
    if (columns == 1 or width == 1) and (rows >= width or height == 1):
        return x, (False, max(rows if height > 1 else width, width))
    if (rows == 1 or height == 1) and (columns >= height or width == 1):
        return x, (True, max(columns if width > 1 else height, height))
    return backend.cupy.ascontiguousarray(x), (False, width)


def compute_type(dtype):
    if dtype == np.float64:
        return COMPUTE_64F
    return COMPUTE_32F_FAST_TF32 if tf32() else COMPUTE_32F


def prepared():
    """(library, handle) with the current stream and the workspace set, the stream first: it resets the workspace."""
    cupy, library = backend.cupy, load_library()
    handle, memory = own_handle(library), workspace(cupy)
    library.cublasSetStream_v2(handle, ctypes.c_void_p(cupy.cuda.get_current_stream().ptr))
    library.cublasSetWorkspace_v2(handle, ctypes.c_void_p(memory.data.ptr), ctypes.c_size_t(memory.nbytes))
    return library, handle


@lru_cache(maxsize=1)
def own_handle(library):
    """Return a handle that nobody else changes the settings of."""
    handle = ctypes.c_void_p()
    status = library.cublasCreate_v2(ctypes.byref(handle))
    if status:
        raise DeviceError(f"matmul: cuBLAS does not start: status {status}. Is the memory of the GPU full?")
    return handle


@lru_cache(maxsize=1)
def workspace(cupy):
    """Return memory for cuBLAS, from the common pool and for good: it must outlive every graph."""
    return cupy.empty(WORKSPACE, "uint8")


@lru_cache(maxsize=1)
def load_library():
    """Return the cuBLAS that CuPy works with, for ctypes; None where it is not found."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib  # comes with CuPy

        return ctypes.CDLL(load_nvidia_dynamic_lib("cublas").abs_path)
    except (ImportError, OSError, RuntimeError):
        return None
