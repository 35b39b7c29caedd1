"""The functions of cuBLAS that minigan calls through ctypes, computed with NumPy on the memory of strict_cupy's arrays.

    library = FakeCublas(cupy)        cupy: the module of strict_cupy.make_module()

Everything goes by addresses and by columns, as in cuBLAS. What the real one would not notice, and what would crash it,
raises here: a Python number for a pointer, an address outside of all arrays, another stream than the current one.
"""

import ctypes

import numpy as np
from numpy.lib.stride_tricks import as_strided

SUCCESS, NOT_INITIALIZED, INVALID_VALUE, NOT_SUPPORTED = 0, 1, 7, 15
# (CUDA_R_32F, CUBLAS_COMPUTE_32F), the same with TF32, (CUDA_R_64F, CUBLAS_COMPUTE_64F)
TYPES = {
    (0, 68): (np.float32, ctypes.c_float),
    (0, 77): (np.float32, ctypes.c_float),
    (1, 70): (np.float64, ctypes.c_double),
}


class ForeignFunction:
    """A function of a ctypes library: `argtypes` and `restype` can be set, and are asked for where they matter."""

    def __init__(self, function):
        self.function, self.argtypes, self.restype = function, None, ctypes.c_int

    def __call__(self, *args):
        if self.argtypes is not None:
            args = [
                kind(arg) if isinstance(arg, int | float) else arg
                for arg, kind in zip(args, self.argtypes, strict=True)
            ]
        return self.function(*args)


def pointer(x):
    """An address; a Python int would be cut to 32 bits by ctypes."""
    if not isinstance(x, ctypes.c_void_p):
        raise TypeError(f"cuBLAS: expected a pointer as c_void_p, got {type(x).__name__}")
    return x.value


def whole(x, kind=ctypes.c_int):
    if isinstance(x, int) and kind is ctypes.c_int:
        return x
    if not isinstance(x, kind):
        raise TypeError(f"cuBLAS: expected {kind.__name__}, got {type(x).__name__}")
    return x.value


def host_number(x, kind):
    """The number that alpha or beta points to"""
    target = getattr(x, "_obj", None)  # of byref()
    target = x.contents if target is None and hasattr(x, "contents") else target
    if not isinstance(target, kind):
        raise TypeError(f"cuBLAS: expected alpha and beta as byref({kind.__name__}(...)), got {x!r}")
    return target.value


class FakeCublas:
    def __init__(self, xp):
        self.xp = xp
        self.stream = self.workspace = None
        self.calls = 0  # of products, to see that they are made here
        for name in (
            "cublasCreate_v2",
            "cublasSetStream_v2",
            "cublasSetWorkspace_v2",
            "cublasGemmEx",
            "cublasGemmStridedBatchedEx",
        ):
            setattr(self, name, ForeignFunction(getattr(self, f"_{name}")))

    def _cublasCreate_v2(self, handle):
        if self.xp.cuda.get_current_stream().is_capturing():
            raise RuntimeError("cublasCreate allocates memory, which no recording may")
        handle._obj.value = 0xB1A5
        return SUCCESS

    def _cublasSetStream_v2(self, handle, stream):
        self.stream, self.workspace = pointer(stream) or 0, None  # a new stream means the default workspace
        return SUCCESS if pointer(handle) else NOT_INITIALIZED

    def _cublasSetWorkspace_v2(self, handle, memory, size):
        size = whole(size, ctypes.c_size_t)
        self.xp.check_address(pointer(memory), size)
        self.workspace = pointer(memory), size
        return SUCCESS if pointer(handle) else NOT_INITIALIZED

    def _cublasGemmEx(self, *args):
        """handle, transa, transb, m, n, k, alpha, A, type, lda, B, type, ldb, beta, C, type, ldc, compute, algo"""
        if len(args) != 19:
            raise TypeError(f"cublasGemmEx takes 19 arguments, got {len(args)}")
        a, b, c = (Matrices(*args[i : i + 3]) for i in (7, 10, 14))
        return self.gemm(args[:6], args[6], args[13], a, b, c, 1, *args[17:])

    def _cublasGemmStridedBatchedEx(self, *args):
        """The same with the distance of two matrices behind each lda, ldb, ldc, and their number behind the last."""
        if len(args) != 23:
            raise TypeError(f"cublasGemmStridedBatchedEx takes 23 arguments, got {len(args)}")
        a, b, c = (Matrices(*args[i : i + 4]) for i in (7, 11, 16))
        return self.gemm(args[:6], args[6], args[15], a, b, c, *args[20:])

    def gemm(self, first, alpha, beta, a, b, c, count, compute, algo):
        """C = alpha op(A) op(B) + beta C, where op transposes or not; op(A) is m x k, op(B) k x n"""
        handle, transa, transb, m, n, k = (pointer(first[0]), *map(whole, first[1:]))
        count, compute = whole(count), whole(compute)
        whole(algo)
        if not handle:
            return NOT_INITIALIZED
        if min(m, n, k, count) < 0 or transa not in (0, 1, 2) or transb not in (0, 1, 2):
            return INVALID_VALUE
        a.shape, b.shape, c.shape = (k, m) if transa else (m, k), (n, k) if transb else (k, n), (m, n)
        if any(x.leading < max(1, x.shape[0]) for x in (a, b, c)) or (count > 1 and c.distance < c.leading * n):
            return INVALID_VALUE
        if {a.kind, b.kind, c.kind} != {c.kind} or (c.kind, compute) not in TYPES:
            return NOT_SUPPORTED
        dtype, number = TYPES[c.kind, compute]
        alpha, beta = host_number(alpha, number), host_number(beta, number)  # read at the call, not at the launch
        if 0 in (m, n, count):
            return SUCCESS
        if self.stream != self.xp.cuda.get_current_stream().ptr:
            raise RuntimeError("cuBLAS works on another stream than the current one: call cublasSetStream_v2")

        def step():
            left, right, target = (x.memory(self.xp, dtype, count) for x in (a, b, c))
            result = (left.mT if transa else left) @ (right.mT if transb else right)
            result *= alpha
            if beta:  # with 0 it does not read C, which may hold NaN
                result += beta * target
            target[...] = result

        self.calls += 1
        capture = self.xp.capture()
        if capture is None:
            with np.errstate(all="ignore"):
                step()
            return SUCCESS
        if self.workspace is None:
            raise RuntimeError("cuBLAS would allocate memory in the capture: call cublasSetWorkspace_v2 before")
        for x in (a, b, c):
            x.memory(self.xp, dtype, count)  # refuses now what a launch would refuse
        capture.record(step)
        return SUCCESS


class Matrices:
    """Where matrices lie, column by column: the first address, the steps from column to column, matrix to matrix"""

    def __init__(self, address, kind, leading, distance=None):
        self.address, self.kind, self.leading = pointer(address), whole(kind), whole(leading)
        self.distance = 0 if distance is None else whole(distance, ctypes.c_longlong)
        self.shape = None  # (rows, columns), known when the call is complete

    def memory(self, xp, dtype, count):
        """The memory itself as a NumPy array (count, rows, columns)"""
        (rows, columns), size = self.shape, np.dtype(dtype).itemsize
        if 0 in (rows, columns):
            return np.zeros((count, rows, columns), dtype)
        numbers = (count - 1) * self.distance + (columns - 1) * self.leading + rows
        xp.check_address(self.address or 0, numbers * size)
        flat = np.frombuffer((ctypes.c_char * (numbers * size)).from_address(self.address), dtype)
        steps = (self.distance * size, size, self.leading * size)
        return as_strided(flat, (count, rows, columns), steps)
