"""A stand-in for CuPy that computes with NumPy on the CPU, is as picky as CuPy, and emulates CUDA graphs.

    cupy = make_module()
    monkeypatch.setattr(minigan.backend, "cupy", cupy)

Names and keywords   only what cupy_api.json, made from the real CuPy, lists (see make_cupy_api.py)
Arrays               never mix with NumPy's and never convert by themselves; reductions give arrays of one number;
                     fresh memory holds NaN or the bytes 0xCD, so that reading what nobody wrote shows
Waiting              `cupy.syncs` counts the times that the CPU waited for a number; `with cupy.forbid_syncs():`
Graphs               between begin_capture and end_capture nothing is computed. What was asked for is noted with its
                     arrays and the Python numbers of that moment; each launch does it to those very arrays.
Kernels              the code of a RawModule is compiled by g++, so it must be C++ where __CUDACC__ is not defined
cuBLAS               fake_cublas.py
"""

import ctypes
import functools
import hashlib
import json
import math
import operator
import os
import re
import shutil
import subprocess
import tempfile
import types
import weakref
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from fake_cublas import FakeCublas

__all__ = ["FakeCublas", "has_compiler", "make_module"]

API = json.loads(Path(__file__).with_name("cupy_api.json").read_text())

HOST_DATA = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"}  # take lists and NumPy arrays
NO_ARRAY_NEEDED = HOST_DATA | {"ndim", "size", "shape", "isscalar", "iscomplexobj", "isrealobj", "result_type"}
ARRAY_NAMES = {"a", "x", "array", "arr", "m", "ary", "prototype"}  # parameters that take an array, never a list
HOST_NAMES = {"shape", "newshape", "axis", "axes", "start", "stop", "step", "num", "N", "M", "pad_width", "shift", "k"}
WAITING = {"argwhere", "bincount", "compress", "extract", "flatnonzero", "nonzero", "unique", "setdiff1d", "union1d"}
WRITING = {"copyto", "fill_diagonal", "place", "put", "putmask"}  # into their first argument
WRITING_METHODS = {"fill", "partition", "put", "sort"}
INDEXING = {operator.getitem, np.take, np.take_along_axis, np.choose}
HOST_METHODS = {"byteswap", "dump", "dumps", "mdspan", "toDlpack", "tobytes", "tofile"}  # not emulated
# functions for which NumPy gives a plain bool or int, CuPy an array of one number
NUMBERS_IN_NUMPY = {"allclose", "array_equal", "array_equiv", "count_nonzero"}
CUBLAS = {"matmul", "dot", "vdot", "inner", "tensordot", "convolve", "correlate"}
UFUNC_METHODS = {
    "at": {"add", "subtract", "maximum", "minimum", "bitwise_and", "bitwise_or", "bitwise_xor"},
    "reduce": {"add", "multiply"},
    "accumulate": {"add", "multiply"},
    "reduceat": {"add"},
}


def make_module():
    """A fresh module to be put in the place of CuPy."""
    return StrictCupy()


# ----------------------------------------------------------------------------------------------------------------------
# What CuPy has, and which arguments it takes


def parameters_of(path):
    """The parameters of a function or method of CuPy, None where they are not known.

    Errors: AttributeError for what CuPy lacks.
    """
    owner, _, name = path.rpartition(".")
    if name not in API[owner]:
        raise AttributeError(f"{owner} has no attribute {name!r} in CuPy {API['version']}")
    known = API[owner][name]
    return known if isinstance(known, list) else None


def keyword_names(parameters):
    """Those that may be given by name"""
    return set(parameters[parameters.index("/") + 1 :] if "/" in parameters else parameters) - {"*"}


def check_keywords(path, kwargs):
    parameters = parameters_of(path)
    owner, _, name = path.rpartition(".")
    if API[owner][name] == "ufunc":
        parameters = ["out", "dtype", "casting"]
    unknown = set(kwargs) - keyword_names(parameters) if parameters is not None else ()
    if unknown:
        raise TypeError(f"{path} of CuPy does not take {', '.join(sorted(unknown))}")


def bind(path, args, kwargs):
    """(args, kwargs) with `out` and all that follows it by name; TypeError for what CuPy does not take."""
    check_keywords(path, kwargs)
    parameters = parameters_of(path)
    if parameters is None or parameters[:1] == ["*"]:
        return args, kwargs
    positional = [name for name in parameters[: (*parameters, "*").index("*")] if name != "/"]
    if len(args) > len(positional):
        raise TypeError(f"{path} of CuPy takes {len(positional)} arguments by position, got {len(args)}")
    for name, value in (*zip(positional, args, strict=False), *kwargs.items()):
        if name in HOST_NAMES and any(True for _ in arrays_in(value)):
            raise TypeError(f"{path}: {name} cannot be an array of the GPU")
    first = positional.index("out") if "out" in positional else len(positional)
    named = dict(zip(positional[first:], args[first:], strict=False))
    return args[:first], {**named, **kwargs}


def arrays_in(x):
    """All arrays of the stand-in in nested tuples, lists and dicts"""
    if isinstance(x, Array):
        yield x
    elif isinstance(x, tuple | list | dict):
        for part in x.values() if isinstance(x, dict) else x:
            yield from arrays_in(part)


def mapped(function, x):
    """x with function(part) for every part of its nested tuples, lists and dicts"""
    if isinstance(x, dict):
        return {name: mapped(function, part) for name, part in x.items()}
    return type(x)(mapped(function, part) for part in x) if type(x) in (tuple, list) else function(x)


def harmless(x):
    """NumPy arrays of whole numbers as zeros: what lies in an index while a graph is recorded is garbage."""
    return mapped(
        lambda part: np.zeros_like(part) if isinstance(part, np.ndarray) and part.dtype.kind in "iu" else part, x
    )


def copies(x):
    return mapped(lambda part: part.copy() if isinstance(part, np.ndarray) else part, x)


def spoil(memory):
    """Fill a NumPy array with what nobody wants to read."""
    if memory.dtype.kind in "fc":
        memory.fill(np.nan)
    elif memory.dtype.kind == "b":
        memory.fill(True)
    else:
        memory.fill(np.frombuffer(b"\xcd" * memory.itemsize, memory.dtype)[0])


def quietly(function, *args, **kwargs):
    """A GPU does not warn of NaN and infinity."""
    with np.errstate(all="ignore"):
        return function(*args, **kwargs)


def contracts(subscripts, operands):
    """Whether an einsum multiplies and sums over a letter at once, which CuPy leaves to cuBLAS."""
    if not isinstance(subscripts, str) or len(operands) < 2:
        return not isinstance(subscripts, str)
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    letters = [set(part) - {"."} for part in inputs.split(",")]
    shared = {letter for part in letters for letter in part if sum(letter in other for other in letters) > 1}
    return bool(shared - set(output)) if arrow else bool(shared)


# ----------------------------------------------------------------------------------------------------------------------
# Arrays


class Flags:
    def __init__(self, flags):
        self.c_contiguous, self.f_contiguous, self.owndata = flags.c_contiguous, flags.f_contiguous, flags.owndata

    def __getitem__(self, name):
        return getattr(self, name.lower())


class MemoryPointer:
    """Where an array begins, `ptr`; `mem` keeps the memory alive."""

    def __init__(self, memory):
        self.mem, self.ptr = memory, memory.__array_interface__["data"][0]


def get_element(a, key):
    # with an Ellipsis NumPy, like CuPy, gives an array even of a single element, and a view of it
    key = key if isinstance(key, tuple) else (key,)
    return a[key if any(part is Ellipsis for part in key) else (*key, Ellipsis)]


INDEXING.add(get_element)


class Array:
    """An array of the GPU: NumPy's behind a wall. Each module has a subclass of its own, `module.ndarray`."""

    __slots__ = ("__weakref__", "_memory")
    __hash__ = None
    __array_ufunc__ = None  # so that NumPy's operators leave the work to the reflected ones here, which refuse
    __array_priority__ = 100
    xp = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        dtype = self.xp.checked_dtype(dtype)
        if memptr is None:
            self._memory = self.xp.fresh(np.empty(shape, dtype, order=order))
            spoil(self._memory)
        else:
            self._memory = np.ndarray(shape, dtype, memptr.mem, strides=strides, order=order)

    @classmethod
    def of(cls, memory):
        array = object.__new__(cls)
        array._memory = memory
        return array

    # what NumPy would call
    def __array__(self, *args, **kwargs):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. Please use `.get()`")

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"numpy.{function.__name__} got an array of the GPU: call xp.{function.__name__}")

    # what waits for the GPU
    def get(self, stream=None, order="C", out=None, blocking=True):
        self.xp.sync("get")
        if out is not None:
            out[...] = self._memory
            return out
        return self._memory.copy(order)

    def item(self):
        self.xp.sync("item")
        return self._memory.item()

    def tolist(self):
        self.xp.sync("tolist")
        return self._memory.tolist()

    def nonzero(self):
        return self.xp.nonzero(self)

    def __float__(self):
        self.xp.sync("float")
        return float(self._memory)

    def __int__(self):
        self.xp.sync("int")
        return int(self._memory)

    def __bool__(self):
        self.xp.sync("bool")
        return bool(self._memory)

    def __complex__(self):
        self.xp.sync("complex")
        return complex(self._memory)

    def __str__(self):
        self.xp.sync("str")
        return str(self._memory)

    def __format__(self, spec):
        return format(self.item() if self.ndim == 0 else str(self), spec)

    def __repr__(self):  # for the one who debugs: not counted
        return f"strict_cupy.{self._memory!r}"

    # what changes the array
    def set(self, arr, stream=None):
        if not isinstance(arr, np.ndarray):
            raise TypeError(f"Only numpy.ndarray can be set to cupy.ndarray, got {type(arr).__name__}")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self._memory.flags.c_contiguous or self._memory.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        self.xp.host_copy("set")
        self._memory[...] = arr

    def __setitem__(self, key, value):
        key = self.xp.index(key)
        # CuPy can put one number under a mask; for anything else it has to count
        if has_mask(key) and not (np.isscalar(value) or getattr(value, "ndim", 1) == 0):
            self.xp.sync("a boolean mask")
        if isinstance(value, list | tuple):
            self.xp.host_copy("a list")
        self.xp.write(operator.setitem, self, key, value)

    # what reads it
    def __getitem__(self, key):
        key = self.xp.index(key)
        if has_mask(key):
            self.xp.sync("a boolean mask")
        return self.xp.compute(get_element, self, key)

    def __len__(self):
        return len(self._memory)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce_ex__(self, protocol):
        raise TypeError("the stand-in's arrays cannot be pickled")

    @property
    def flags(self):
        return Flags(self._memory.flags)

    @property
    def data(self):
        return MemoryPointer(self._memory)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        parameters_of(f"cupy.ndarray.{name}")
        if name in HOST_METHODS or not hasattr(np.ndarray, name):
            raise AttributeError(f"CuPy's arrays have {name}, the stand-in's do not")
        value = getattr(self._memory, name)
        if callable(value):
            return functools.partial(self.xp.call_method, name, self)
        if name == "base":
            return None if value is None else self.of(np.asarray(value))
        return self.of(value) if isinstance(value, np.ndarray) else value


def has_mask(key):
    return any(array.dtype == bool for array in arrays_in(key))


COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
ARITHMETIC = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and", "or", "xor", "lshift", "rshift")


def add_operators():
    """The operators of Array: each computes on the memory behind, in place where Python asks for it."""

    def forward(function):
        return lambda self, *other: self.xp.operate(function, self, *other)

    def reflected(function):
        return lambda self, other: self.xp.operate(function, other, self)

    def in_place(function):
        return lambda self, other: self.xp.write(function, self, other)

    functions = {name: getattr(operator, f"__{name}__") for name in (*ARITHMETIC, *COMPARISONS, "matmul")}
    functions["divmod"] = divmod
    for name, function in functions.items():
        setattr(Array, f"__{name}__", forward(function))
        if name not in COMPARISONS:
            setattr(Array, f"__r{name}__", reflected(function))
        if name in ARITHMETIC:  # CuPy lacks a @= b, which Python turns into a = a @ b
            setattr(Array, f"__i{name}__", in_place(getattr(operator, f"__i{name}__")))
    for name in ("neg", "pos", "abs", "invert"):
        setattr(Array, f"__{name}__", forward(getattr(operator, f"__{name}__")))


add_operators()


# ----------------------------------------------------------------------------------------------------------------------
# The module


class Part:
    """A module inside of CuPy: what is given here, else NumPy's function of that name behind the wall."""

    def __init__(self, xp, path, numpy_part=None, **members):
        self.__dict__.update(members)
        self._xp, self._path, self._numpy = xp, path, numpy_part
        self.__name__ = path

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = self._xp.wall(self._path, name, self._numpy)
        self.__dict__[name] = value
        return value


class StrictCupy(types.ModuleType):
    """The module. `syncs`: how often the CPU has waited; `uploads`: how often data were copied to the GPU."""

    def __init__(self):
        super().__init__("cupy")
        self.__version__ = API["version"]
        self.syncs = self.uploads = 0
        self.syncs_forbidden = False
        self.ndarray = self.own(Array, "ndarray")
        self.allocations = weakref.WeakValueDictionary()  # first address -> NumPy array that owns the memory
        self.owners = weakref.WeakValueDictionary()  # the same for addresses in the midst of it
        self.linalg = Part(self, "cupy.linalg", np.linalg)
        self.fft = Part(self, "cupy.fft", np.fft)
        tricks = Part(self, "cupy.lib.stride_tricks", np.lib.stride_tricks)
        self.lib = Part(self, "cupy.lib", stride_tricks=tricks)
        generator = self.own(Generator)
        self.random = Part(self, "cupy.random", Generator=generator, default_rng=generator)
        self.RawModule, self.RawKernel = self.own(RawModule), self.own(RawKernel)
        self.cuda = make_cuda(self)
        self.streams = [self.cuda.Stream.null]  # the last one is the current one
        self.capturing = None  # the stream whose work is being recorded
        self.pools = [self.cuda.MemoryPool()]

    def own(self, kind, name=None):
        """A subclass of `kind` that belongs to this module"""
        return type(kind)(
            name or kind.__name__, (kind,), {"xp": self, "__slots__": ()} if kind is Array else {"xp": self}
        )

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = self.wall("cupy", name, np)
        self.__dict__[name] = value
        return value

    def wall(self, owner, name, numpy_part):
        """What CuPy has under this name, made from what NumPy has."""
        path = f"{owner}.{name}"
        parameters_of(path)
        if not hasattr(numpy_part, name):
            raise AttributeError(f"CuPy has {path}, the stand-in does not")
        value = getattr(numpy_part, name)
        if API[owner][name] == "ufunc":
            return Ufunc(self, path, value)
        if isinstance(value, type) or not callable(value):
            return value
        return functools.partial(self.call_function, path, value)

    @contextmanager
    def forbid_syncs(self):
        """Raise RuntimeError wherever the CPU would wait for the GPU."""
        before, self.syncs_forbidden = self.syncs_forbidden, True
        try:
            yield
        finally:
            self.syncs_forbidden = before

    # ------------------------------------------------------------------------------------------ computing, recording

    def compute(self, function, *args, out=None, **kwargs):
        """function(*args, **kwargs) on the memory of the arrays: now, or while a graph is recorded at each launch."""
        if out is not None:
            return self.write(lambda memory, *a, **k: function(*a, out=memory, **k), out, *args, **kwargs)
        inputs = list(arrays_in((args, kwargs)))
        args, kwargs = self.plain(args), self.plain(kwargs)
        capture = self.capture()
        if capture is None:
            return self.wrapped(quietly(function, *args, **kwargs), inputs, [])
        # The result's shape and dtype have to be known now. Reading harms nobody; views need the very memory.
        safe = (*args[:1], *harmless(args[1:])) if function in INDEXING else args
        result, fresh = quietly(function, *safe, **kwargs), []
        result = self.wrapped(result, inputs, fresh)
        if fresh:
            if len(fresh) < sum(1 for _ in arrays_in(result)):
                raise NotImplementedError("a function that gives views and new arrays at once cannot be recorded")
            for memory in fresh:
                spoil(memory)
            capture.record(lambda: refill(fresh, function(*args, **kwargs)))
        return result

    def write(self, function, target, *args, **kwargs):
        """function(target, ...), which changes target; returns target."""
        memory, args, kwargs = self.plain(target), self.plain(args), self.plain(kwargs)
        capture = self.capture()
        if capture is None:
            quietly(function, memory, *args, **kwargs)
        else:
            quietly(function, copies(memory), *harmless(args), **kwargs)  # refuses what a launch would refuse
            capture.record(lambda: function(memory, *args, **kwargs))
        return target

    def plain(self, x):
        """x with NumPy arrays for the module's own; refuses what CuPy does not mix."""
        return mapped(self.plain_part, x)

    def plain_part(self, x):
        if isinstance(x, self.ndarray):
            return x._memory
        if isinstance(x, np.ndarray | Array):
            raise TypeError(f"Unsupported type {type(x)}: arrays of the GPU do not mix with others")
        return x

    def wrapped(self, result, inputs, fresh):
        """A result of NumPy with arrays of this module; those that are no views of the inputs are added to `fresh`."""

        def wrap(part):
            if not isinstance(part, np.ndarray | np.generic):
                return part
            memory = np.asarray(part)
            for array in inputs:
                if array._memory is memory:
                    return array
                if np.may_share_memory(array._memory, memory):
                    return self.ndarray.of(memory)
            self.checked_dtype(memory.dtype)
            memory = self.fresh(memory if memory.flags.writeable else memory.copy())
            fresh.append(memory)
            return self.ndarray.of(memory)

        return mapped(wrap, result)

    def fresh(self, memory):
        """Note that `memory` was allocated."""
        owner = memory
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        self.allocations[owner.__array_interface__["data"][0]] = owner
        if self.capturing is not None:
            self.capturing.recorded.keep(memory, self.pools[-1])
        return memory

    def check_address(self, address, size):
        """Refuse to touch `size` bytes that do not lie in memory of one living array."""

        def holds(start, owner):
            return start <= address and address + size <= start + owner.nbytes

        owner = self.allocations.get(address)
        owner = self.owners.get(address) if owner is None else owner  # looked for before
        if owner is not None and holds(owner.__array_interface__["data"][0], owner):
            return
        for start, owner in list(self.allocations.items()):
            if holds(start, owner):
                self.owners[address] = owner
                return
        raise RuntimeError(f"an illegal memory access: {size} bytes at {address:#x} belong to no living array")

    def capture(self):
        """The recording that the work on the current stream goes into, None where it is done at once."""
        if self.capturing is None:
            return None
        if self.streams[-1] is not self.capturing:
            raise RuntimeError("work on another stream than the one that is being captured")
        return self.capturing.recorded

    def sync(self, what):
        """Count a wait for the GPU; refuse it where it is forbidden."""
        self.refuse_in_capture(what)
        if self.syncs_forbidden:
            raise RuntimeError(f"the CPU waits for the GPU: {what}")
        self.syncs += 1

    def host_copy(self, what):
        """Count a copy to the GPU."""
        self.refuse_in_capture(what)
        self.uploads += 1

    def refuse_in_capture(self, what):
        if self.capturing is not None:
            self.capturing.recorded.spoiled_by = what
            raise self.cuda.runtime.CUDARuntimeError(
                f"cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing ({what})"
            )

    def refuse_cublas(self):
        if self.capturing is not None:
            raise RuntimeError("calling cuBLAS API during stream capture is currently unsupported")

    # ------------------------------------------------------------------------------------------------------ functions

    def call_function(self, path, function, *args, **kwargs):
        owner, _, name = path.rpartition(".")
        args, kwargs = bind(path, args, kwargs)
        parameters = parameters_of(path)
        if name in CUBLAS or (owner == "cupy.linalg" and name != "norm"):
            self.refuse_cublas()
        if name == "einsum" and contracts(args[0], args[1:]):
            self.refuse_cublas()
        if name in HOST_DATA and not isinstance(args[0] if args else None, Array):
            return self.upload(function, *args, **kwargs)
        if parameters and parameters[0] in ARRAY_NAMES and name not in NO_ARRAY_NEEDED and args:
            self.require_array(path, args[0])
        if name in WAITING or (name == "where" and len(args) == 1):
            self.sync(name)
        if name in WRITING:
            self.require_array(path, args[0])
            self.write(function, *args, **kwargs)
            return None
        if name in ("empty", "empty_like"):
            array = self.compute_now(function, *args, **kwargs)
            spoil(array._memory)
            return array
        kwargs.pop("blocking", None)
        if name in NUMBERS_IN_NUMPY:
            return self.compute(lambda *a, **k: np.asarray(function(*a, **k)), *args, **kwargs)
        return self.compute(function, *args, **kwargs)

    def compute_now(self, function, *args, **kwargs):
        """The same in a capture and outside: memory is allocated only once."""
        memory = function(*self.plain(args), **self.plain(kwargs))
        self.checked_dtype(memory.dtype)
        return self.ndarray.of(self.fresh(memory))

    def require_array(self, path, x):
        if not isinstance(x, Array):
            raise TypeError(f"{path}: expected an array of the GPU, got {type(x).__name__}")

    def upload(self, function, data, *args, **kwargs):
        """An array of the GPU from NumPy's, numbers or lists of them"""
        if any(True for _ in arrays_in(data)):
            raise TypeError(f"{function.__name__}: a list of arrays of the GPU; use stack or concatenate")
        kwargs.pop("blocking", None)
        kwargs = {name: value for name, value in kwargs.items() if name != "copy"}
        memory = np.array(function(data, *args, **kwargs))
        self.checked_dtype(memory.dtype)
        self.host_copy(function.__name__)
        return self.ndarray.of(self.fresh(memory))

    def asnumpy(self, a, stream=None, order="C", out=None, *, blocking=True):
        return a.get(stream, order, out, blocking) if isinstance(a, self.ndarray) else np.asarray(a, order=order)

    def call_method(self, name, array, *args, **kwargs):
        path = f"cupy.ndarray.{name}"
        args, kwargs = bind(path, args, kwargs)
        if name in ("reshape", "transpose") and any(True for _ in arrays_in(args)):
            raise TypeError(f"{path}: the shape cannot be an array of the GPU")
        if name in CUBLAS:
            self.refuse_cublas()
        if name in WAITING:
            self.sync(name)

        def function(memory, *a, **k):
            return getattr(memory, name)(*a, **k)

        function = {"take": np.take, "choose": np.choose}.get(name, function)  # see INDEXING
        if name in WRITING_METHODS:
            self.write(function, array, *args, **kwargs)
            return None
        return self.compute(function, array, *args, **kwargs)

    def operate(self, function, *operands):
        if function is operator.__matmul__:
            self.refuse_cublas()
        for operand in operands:
            if isinstance(operand, list | tuple):
                raise TypeError(f"Unsupported type {type(operand)}")
        return self.compute(function, *operands)

    def index(self, key):
        """A key with arrays of this module for the lists and NumPy arrays in it, which CuPy copies to the GPU"""
        if isinstance(key, tuple):
            return tuple(map(self.index, key))
        if isinstance(key, list | np.ndarray):
            return self.asarray(key)
        return key

    def checked_dtype(self, dtype):
        dtype = np.dtype(dtype)
        if dtype.kind not in "biufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
            raise ValueError(f"Unsupported dtype {dtype}")
        return dtype

    def get_default_memory_pool(self):
        return self.pools[0]

    def is_available(self):
        return True


def refill(fresh, result):
    """Write what a recorded function gave into the arrays that stand for its result."""
    values = []
    mapped(lambda part: values.append(part) if isinstance(part, np.ndarray | np.generic) else None, result)
    for memory, value in zip(fresh, values, strict=True):
        memory[...] = value


class Ufunc:
    """An elementwise function: only `out`, `dtype` and `casting`, and only the methods that CuPy has"""

    def __init__(self, xp, path, function):
        self.xp, self.path, self.function = xp, path, function
        self.name = self.__name__ = path.rpartition(".")[2]
        self.nin, self.nout = getattr(function, "nin", 1), getattr(function, "nout", 1)

    def __call__(self, *args, **kwargs):
        check_keywords(self.path, kwargs)
        args, out = args[: self.nin], args[self.nin :]
        if out:
            kwargs["out"] = out[0] if len(out) == 1 else out
        return self.compute(self.function, *args, **kwargs)

    def compute(self, function, *args, **kwargs):
        for arg in args:
            if isinstance(arg, list | tuple):
                raise TypeError(f"Unsupported type {type(arg)}")
        return self.xp.compute(function, *args, **kwargs)

    def method(self, name):
        if name in UFUNC_METHODS and self.name not in UFUNC_METHODS[name]:
            raise NotImplementedError(f"`{self.name}.{name}` is not supported by CuPy")
        return getattr(self.function, name)

    def at(self, a, indices, b=None):
        self.xp.write(self.method("at"), a, indices, *(() if b is None else (b,)))

    def reduce(self, array, axis=0, dtype=None, out=None, keepdims=False):
        return self.compute(self.method("reduce"), array, axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, array, axis=0, dtype=None, out=None):
        return self.compute(self.method("accumulate"), array, axis=axis, dtype=dtype, out=out)

    def reduceat(self, array, indices, axis=0, dtype=None, out=None):
        return self.compute(self.method("reduceat"), array, indices, axis=axis, dtype=dtype, out=out)

    def outer(self, a, b, **kwargs):
        check_keywords(self.path, kwargs)
        return self.compute(self.method("outer"), a, b, **kwargs)


class Generator:
    """Random numbers, of those kinds that cupy.random.Generator has; in a graph each launch draws new ones."""

    xp = None

    def __init__(self, seed=None):
        self._numpy = np.random.default_rng(seed)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        parameters_of(f"cupy.random.Generator.{name}")
        return functools.partial(self._draw, name)

    def _draw(self, name, *args, **kwargs):
        args, kwargs = bind(f"cupy.random.Generator.{name}", args, kwargs)
        size = kwargs.get("size", args[0] if args and name.startswith(("random", "standard_")) else None)
        if kwargs.get("out") is not None and size is None:
            raise TypeError(f"{name}: CuPy draws a single number and spreads it over all of out; pass size, too")
        draw = getattr(self._numpy, name)
        state = self._numpy.bit_generator.state
        result = self.xp.compute(draw, *args, **kwargs)
        if self.xp.capturing is not None:
            self._numpy.bit_generator.state = state
        return result

    def __reduce_ex__(self, protocol):
        raise TypeError("CuPy's generators cannot be pickled")


# ----------------------------------------------------------------------------------------------------------------------
# cupy.cuda: streams, graphs, memory pools


class CUDARuntimeError(RuntimeError):
    pass


class OutOfMemoryError(MemoryError):
    pass


class CompileException(Exception):
    pass


class Recording:
    """What a stream was asked to do while it was captured."""

    def __init__(self):
        self.steps, self.memory, self.pools = [], [], []
        self.spoiled_by = None

    def record(self, step):
        if self.spoiled_by:
            raise CUDARuntimeError(f"cudaErrorStreamCaptureInvalidated: by an earlier error ({self.spoiled_by})")
        self.steps.append(step)

    def keep(self, memory, pool):
        """Memory that was allocated in the capture lives as long as the graph, if its pool does."""
        self.memory.append(memory)
        self.pools.append(weakref.ref(pool))


class Graph:
    """Recorded work, to be launched as a whole as often as one likes"""

    xp = None

    def __init__(self, recording):
        self.recording = recording

    def launch(self, stream=None):
        if self.xp.capturing is not None:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: a graph is launched while another is captured")
        if any(pool() is None for pool in self.recording.pools):
            raise RuntimeError("the memory pool of this graph is gone: what it writes to may belong to others")
        for step in self.recording.steps:
            quietly(step)

    def upload(self, stream=None):
        pass


class Stream:
    xp = null = None
    addresses = iter(range(0x1000, 2**31, 0x10))

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0 if null else next(self.addresses)
        self.is_non_blocking, self.recorded = non_blocking, None

    def __enter__(self):
        self.xp.streams.append(self)
        return self

    def __exit__(self, *error):
        self.xp.streams.pop()

    def use(self):
        self.xp.streams[-1] = self
        return self

    def begin_capture(self, mode=None):
        if self.ptr == 0 or self.xp.capturing is not None:
            raise CUDARuntimeError("cudaErrorStreamCaptureUnsupported: the null stream, or one capture in another")
        self.xp.capturing, self.recorded = self, Recording()

    def end_capture(self):
        if self.recorded is None:
            raise CUDARuntimeError("cudaErrorIllegalState: the stream is not capturing")
        recorded, self.recorded, self.xp.capturing = self.recorded, None, None
        if recorded.spoiled_by:
            raise CUDARuntimeError(
                "cudaErrorStreamCaptureInvalidated: operation failed due to a previous error during capture "
                f"({recorded.spoiled_by})"
            )
        return self.xp.cuda.Graph(recorded)

    def is_capturing(self):
        return self.recorded is not None

    def synchronize(self):
        self.xp.sync("synchronize")

    def record(self, event=None):
        return event or Event()

    def wait_event(self, event):
        pass

    @property
    def done(self):
        return True


class Event:
    xp = None

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.done = True

    def record(self, stream=None):
        pass

    def synchronize(self):
        self.xp.sync("event.synchronize")


class Device:
    xp = None
    compute_capability = "90"
    mem_info = (60 * 2**30, 80 * 2**30)

    def __init__(self, device=None):
        self.id = device or 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def use(self):
        pass

    def synchronize(self):
        self.xp.sync("device.synchronize")


class MemoryPool:
    xp = None

    def __init__(self, allocator=None):
        pass

    def malloc(self, size):
        memory = np.empty(size, "uint8")
        spoil(memory)
        return MemoryPointer(self.xp.fresh(memory))

    def used_bytes(self):
        return sum(memory.nbytes for memory in self.xp.allocations.values())

    total_bytes = used_bytes

    def free_bytes(self):
        return 0

    def free_all_blocks(self, stream=None):
        pass


def make_cuda(xp):
    """cupy.cuda with one device"""

    @contextmanager
    def using_allocator(allocator=None):
        """Only pools count here, given as pool.malloc."""
        xp.pools.append(getattr(allocator, "__self__", xp.pools[0]))
        try:
            yield
        finally:
            xp.pools.pop()

    def get_device_properties(device):
        if device != 0:
            raise CUDARuntimeError("cudaErrorInvalidDevice: invalid device ordinal")
        return {"name": b"stand-in", "totalGlobalMem": 80 * 2**30, "major": 9, "minor": 0, "multiProcessorCount": 132}

    stream, pool, device = xp.own(Stream), xp.own(MemoryPool), xp.own(Device)
    stream.null = stream(null=True)
    runtime = Part(
        xp,
        "cupy.cuda.runtime",
        CUDARuntimeError=CUDARuntimeError,
        getDevice=lambda: 0,
        getDeviceCount=lambda: 1,
        getDeviceProperties=get_device_properties,
        driverGetVersion=lambda: 12080,
        runtimeGetVersion=lambda: 12080,
        memGetInfo=lambda: Device.mem_info,
        deviceSynchronize=lambda: xp.sync("deviceSynchronize"),
        streamCaptureModeGlobal=0,
        streamCaptureModeThreadLocal=1,
        streamCaptureModeRelaxed=2,
    )
    return Part(
        xp,
        "cupy.cuda",
        is_available=lambda: True,
        Stream=stream,
        Event=xp.own(Event),
        Graph=xp.own(Graph),
        Device=device,
        MemoryPool=pool,
        MemoryPointer=MemoryPointer,
        get_current_stream=lambda device_id=-1: xp.streams[-1],
        get_device_id=lambda: 0,
        get_elapsed_time=lambda start, end: 0.0,
        using_allocator=using_allocator,
        get_cublas_handle=lambda: 0xB1A5,
        device=Part(xp, "cupy.cuda.device", get_cublas_handle=lambda: 0xB1A5, Device=device),
        memory=Part(xp, "cupy.cuda.memory", OutOfMemoryError=OutOfMemoryError, MemoryPool=pool),
        compiler=Part(xp, "cupy.cuda.compiler", CompileException=CompileException),
        runtime=runtime,
    )


# ----------------------------------------------------------------------------------------------------------------------
# Kernels

C_TYPES = {
    "float": "f4",
    "double": "f8",
    "bool": "?",
    "signed char": "i1",
    "unsigned char": "u1",
    "int8_t": "i1",
    "uint8_t": "u1",
    "short": "i2",
    "unsigned short": "u2",
    "int": "i4",
    "int32_t": "i4",
    "unsigned": "u4",
    "unsigned int": "u4",
    "uint32_t": "u4",
    "long": "i8",
    "long long": "i8",
    "int64_t": "i8",
    "unsigned long": "u8",
    "unsigned long long": "u8",
    "uint64_t": "u8",
    "size_t": "u8",
}
COMPILER = ("g++", "-O2", "-ffp-contract=off", "-shared", "-fPIC", "-x", "c++")


def has_compiler():
    return shutil.which("g++") is not None


def macros(options):
    """The -D... among the options of CuPy's compiler"""
    return [option for option in options if option.startswith("-D")]


@functools.cache
def compiled(code, options):
    """The code as a library for ctypes, compiled once and kept in the folder for temporary files."""
    command = [*COMPILER, *macros(options)]
    key = hashlib.sha256("\0".join([*command, code]).encode()).hexdigest()[:24]
    folder = Path(tempfile.gettempdir()) / f"minigan-kernels-{getattr(os, 'getuid', int)()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        with tempfile.TemporaryDirectory(dir=folder) as workplace:
            source, target = Path(workplace) / "code.cu", Path(workplace) / "code.so"
            source.write_text(code)
            done = subprocess.run([*command, str(source), "-o", str(target)], capture_output=True, text=True)
            if done.returncode:
                raise CompileException(done.stderr)
            os.replace(target, library)
    return ctypes.CDLL(str(library))


def kernel_parameters(code, options, name):
    """[(is pointer, dtype or None)] of a kernel as the code declares it; None where the code is too clever."""
    code = re.sub(r"//[^\n]*|/\*.*?\*/", " ", code, flags=re.DOTALL)
    found = re.search(rf"\b{name}\s*\(([^(){{}}]*)\)\s*{{", code)
    if not found:
        return None
    meanings = {new: old for old, new in re.findall(r"\btypedef\s+([\w ]+?)\s+(\w+)\s*;", code)}
    meanings |= dict(option[2:].split("=", 1) for option in macros(options) if "=" in option)
    parameters = []
    for text in filter(None, (part.strip() for part in found[1].split(","))):
        words = re.findall(r"\w+", text)[:-1]  # without the parameter's name
        kind = " ".join(word for word in words if word not in ("const", "__restrict__", "restrict"))
        for _ in range(4):  # typedefs of typedefs
            kind = meanings.get(kind, kind)
        parameters.append(("*" in text, np.dtype(C_TYPES[kind]) if kind in C_TYPES else None))
    return parameters


def fits(dtype, wanted):
    """Whether numbers of one type can be read as the other: signed or not and bool as byte count as the same."""
    whole = "biu"
    return dtype == wanted or (dtype.kind in whole and wanted.kind in whole and dtype.itemsize == wanted.itemsize)


class RawModule:
    xp = None

    def __init__(
        self,
        code=None,
        *,
        path=None,
        options=(),
        backend="nvrtc",
        translate_cucomplex=False,
        enable_cooperative_groups=False,
        name_expressions=None,
        jitify=None,
    ):
        if not isinstance(options, tuple) or not all(isinstance(option, str) for option in options):
            raise TypeError(f"options: expected a tuple of texts, got {options!r}")
        if not isinstance(code, str):
            raise TypeError("the stand-in compiles texts only")
        self.code, self.options = code, options

    def get_function(self, name):
        library = compiled(self.code, self.options)
        if not hasattr(library, name):
            raise RuntimeError(f"CUDA_ERROR_NOT_FOUND: named symbol not found ({name})")
        return Kernel(self.xp, name, getattr(library, name), kernel_parameters(self.code, self.options, name))


class Kernel:
    """A function of a RawModule: kernel(grid, block, args). Its loop takes all numbers, whatever grid and block are.

    CuPy hands over what it gets, unchecked. Here an argument must be an array of the module or a NumPy number of the
    very type that the code declares.
    """

    def __init__(self, xp, name, function, parameters):
        self.xp, self.name, self.parameters = xp, name, parameters
        self.function, self.function.restype = function, None

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        check_extent("grid", grid, (2**31 - 1, 65535, 65535), math.inf)
        check_extent("block", block, (1024, 1024, 64), 1024)
        if self.parameters is not None and len(args) != len(self.parameters):
            raise TypeError(f"{self.name}: takes {len(self.parameters)} arguments, got {len(args)}")
        wanted = self.parameters or [(None, None)] * len(args)
        values = [self.c_value(i, arg, *kind) for i, (arg, kind) in enumerate(zip(args, wanted, strict=True))]
        memory = [arg._memory for arg in args if isinstance(arg, Array)]

        def step():
            self.function(*values)
            return memory  # which has to live until then

        capture = self.xp.capture()
        step() if capture is None else capture.record(step)

    def c_value(self, i, arg, is_pointer, dtype):
        """An argument for ctypes"""
        where = f"{self.name}, argument {i}"
        if isinstance(arg, self.xp.ndarray):
            if is_pointer is False:
                raise TypeError(f"{where}: expected a number, got an array of the GPU")
            if dtype is not None and not fits(arg.dtype, dtype):
                raise TypeError(f"{where}: expected an array of {dtype}, got {arg.dtype}")
            return ctypes.c_void_p(arg.data.ptr)
        if not isinstance(arg, np.generic):
            raise TypeError(
                f"{where}: expected an array of the GPU or a NumPy number of exact type, got {type(arg).__name__}"
            )
        if is_pointer and arg.dtype != np.uint64:
            raise TypeError(f"{where}: expected an array, or an address as uint64, got {arg.dtype}")
        if is_pointer is False and dtype is not None and not fits(arg.dtype, dtype):
            raise TypeError(f"{where}: expected a number of {dtype}, got {arg.dtype}")
        return np.ctypeslib.as_ctypes_type(arg.dtype)(arg.item())


def check_extent(what, extent, largest, product):
    """Refuse a grid or block that CUDA would not launch."""
    if not isinstance(extent, tuple) or not 1 <= len(extent) <= 3:
        raise TypeError(f"{what}: expected a tuple of 1 to 3 ints, got {extent!r}")
    if not all(isinstance(n, int | np.integer) for n in extent):
        raise TypeError(f"{what}: expected ints, got {extent!r}")
    if not all(1 <= n <= limit for n, limit in zip(extent, largest, strict=False)) or math.prod(extent) > product:
        raise RuntimeError(f"CUDA_ERROR_INVALID_VALUE: {what} {extent}")


class RawKernel:
    """A RawModule of one kernel"""

    xp = None

    def __init__(self, code, name, options=(), **others):
        self._module, self.name = self.xp.RawModule(code=code, options=options, **others), name

    def __call__(self, grid, block, args, **others):
        self._module.get_function(self.name)(grid, block, args, **others)
