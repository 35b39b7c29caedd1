"""The stand-in for CuPy: that it refuses what CuPy refuses, and that its graphs do what CUDA's do."""

import copy
import ctypes
import gc

import numpy as np
import pytest
from strict_cupy import API, FakeCublas, Part, StrictCupy, has_compiler, make_module

from minigan import Sequential, backend
from minigan.cli.information import gpu
from minigan.layers import BatchNorm, Dense, LeakyReLU, Tanh

HOST = np.arange(6, dtype="float32").reshape(2, 3)
CODE = """
#ifdef __CUDACC__
#define KERNEL extern "C" __global__ void
#define FOR(i, n) for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += gridDim.x * blockDim.x)
#else
#define KERNEL extern "C" void
#define FOR(i, n) for (int i = 0; i < (n); ++i)
#endif
typedef REAL real;
// y <- a x + y, and a count of the calls
KERNEL axpy(const real* x, real* y, unsigned char* calls, real a, int n) {
  FOR(i, n) { y[i] += a * x[i]; calls[0] += i == 0; }
}
"""
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="g++ is not installed")


@pytest.fixture
def xp():
    return make_module()


@pytest.fixture
def a(xp):
    return xp.asarray(HOST)


def record(xp, function, *args):
    """(what function gave while it was captured, the graph)"""
    with xp.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        try:
            result = function(*args)
        finally:
            graph = stream.end_capture()
    return result, graph


def raised_in_capture(xp, function, *args):
    """The first error that function raises while it is captured"""
    with xp.cuda.Stream(non_blocking=True) as stream:
        stream.begin_capture()
        with pytest.raises(RuntimeError) as error:
            function(*args)
        if xp.capturing.recorded.spoiled_by:
            with pytest.raises(RuntimeError, match="Invalidated"):
                stream.end_capture()
        else:
            stream.end_capture()
    return error


# ----------------------------------------------------------------------------------------------------------------------
# Refused, as by CuPy

MISTAKES = {
    "a function of NumPy": lambda xp, a: np.exp(a),
    "a function of NumPy with arrays inside": lambda xp, a: np.concatenate([a, a]),
    "NumPy's asarray": lambda xp, a: np.asarray(a),
    "a NumPy array on the right": lambda xp, a: a + HOST,
    "a NumPy array on the left": lambda xp, a: HOST * a,
    "a NumPy array added in place": lambda xp, a: a.__iadd__(HOST),
    "added in place to a NumPy array": lambda xp, a: HOST.copy().__iadd__(a),
    "a NumPy array assigned": lambda xp, a: a.__setitem__(slice(1), HOST[:1]),
    "a NumPy array in a function": lambda xp, a: xp.maximum(a, HOST),
    "a NumPy array as out": lambda xp, a: xp.sqrt(a, out=HOST.copy()),
    "arrays of two modules": lambda xp, a: a + make_module().asarray(HOST),
    "a list in a ufunc": lambda xp, a: xp.add(a, [1, 2, 3]),
    "a list in a reduction": lambda xp, a: xp.sum([1, 2, 3]),
    "a list of arrays made an array": lambda xp, a: xp.asarray([a, a]),
    "a list of arrays of one number made an array": lambda xp, a: xp.array([a.max(), a.min()]),
    "where in a ufunc": lambda xp, a: xp.log(a, where=a > 0, out=a),
    "where in a reduction": lambda xp, a: xp.sum(a, where=a > 0),
    "initial in a reduction": lambda xp, a: a.max(initial=0),
    "correction in var": lambda xp, a: a.var(correction=1),
    "min and max in clip": lambda xp, a: xp.clip(a, min=0, max=1),
    "out in einsum": lambda xp, a: xp.einsum("ij->j", a, out=a[0]),
    "writeable in as_strided": lambda xp, a: xp.lib.stride_tricks.as_strided(a, (2,), (4,), writeable=False),
    "errstate": lambda xp, a: xp.errstate(all="ignore"),
    "nditer": lambda xp, a: xp.nditer(a),
    "linalg.vector_norm": lambda xp, a: xp.linalg.vector_norm(a),
    "einsum_path": lambda xp, a: xp.einsum_path("ij->j", a),
    "an attribute of NumPy's arrays": lambda xp, a: a.ctypes,
    "a name of nobody": lambda xp, a: a.sumup(),
    "Generator.normal": lambda xp, a: xp.random.default_rng(0).normal(size=3),
    "Generator.permutation": lambda xp, a: xp.random.default_rng(0).permutation(3),
    "Generator.random into out without size": lambda xp, a: xp.random.default_rng(0).random(out=a),
    "a generator copied": lambda xp, a: copy.deepcopy(xp.random.default_rng(0)),
    "reduce of maximum": lambda xp, a: xp.maximum.reduce(a),
    "at of multiply": lambda xp, a: xp.multiply.at(a, xp.zeros(1, "int32"), 2),
    "a shape from the GPU": lambda xp, a: xp.zeros(a.max()),
    "an axis from the GPU": lambda xp, a: a.sum(axis=xp.zeros((), "int32")),
    "a slice bound from the GPU": lambda xp, a: a[: xp.ones((), "int32")],
    "range from the GPU": lambda xp, a: range(xp.ones((), "int32")),
    "arrays of texts": lambda xp, a: xp.asarray(np.array(["text"])),
    "set from an array of the GPU": lambda xp, a: a.set(a),
    "set with another dtype": lambda xp, a: a.set(HOST.astype("float64")),
    "set with another shape": lambda xp, a: a.set(HOST.T),
    "set of every other column": lambda xp, a: a[:, ::2].set(HOST[:, ::2]),
    "an index that is out of range": lambda xp, a: a[xp.full(2, 7)],
    "a key of a dict": lambda xp, a: {a: 1},
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_mistakes_are_refused(xp, a, mistake):
    refusals = (TypeError, AttributeError, ValueError, RuntimeError, IndexError, NotImplementedError)
    with pytest.raises(refusals):
        mistake(xp, a)
    np.testing.assert_array_equal(a.get(), HOST)


def test_it_has_no_more_than_cupy(xp):
    parts = [xp, *vars(xp).values(), *vars(xp.cuda).values(), xp.lib.stride_tricks]
    for part in (part for part in parts if isinstance(part, Part)):
        assert {name for name in vars(part) if not name.startswith("_")} <= set(API[part._path]), part._path
    for name in ("ndarray", "RawModule", "RawKernel", "cuda.Stream", "cuda.Graph", "cuda.MemoryPool", "cuda.Device"):
        kind = getattr(xp.cuda if "." in name else xp, name.rpartition(".")[2])
        own = {member for member in dir(kind) if not member.startswith("_")} - {"xp", "of", "addresses"}
        assert own <= set(API[f"cupy.{name}"]), name
    meant = {"ndarray", "asnumpy", "get_default_memory_pool", "is_available"}
    assert {name for name in dir(StrictCupy) if name in API["cupy"]} <= meant


# ----------------------------------------------------------------------------------------------------------------------
# Arrays


def test_arrays_compute_as_numpy_does(xp, a):
    host = HOST.copy()
    for x in (a, host):
        x[0] *= 2
        x[:, 1] -= x[:, 0]
        x[x > 5] = 0
        x += 1
    module = {id(a): xp, id(host): np}
    for function in (
        lambda x, m: x.T @ x,
        lambda x, m: m.maximum(x, 2),
        lambda x, m: 1 / x,
        lambda x, m: x**2 + m.sqrt(x) - -x,
        lambda x, m: m.concatenate([x, x], axis=1),
        lambda x, m: m.pad(x, ((1, 0), (0, 2))),
        lambda x, m: m.einsum("ij,ij->j", x, x),
        lambda x, m: m.linalg.norm(x),
        lambda x, m: m.lib.stride_tricks.as_strided(x, (2, 2), (4, 8)),
        lambda x, m: m.where(x > 1, x, 0).sum(axis=0, keepdims=True),
        lambda x, m: x.reshape(-1)[m.asarray(np.array([5, 0, 0]))],
        lambda x, m: x.argmax(1),
        lambda x, m: m.asarray(m.allclose(x, x)),
        lambda x, m: m.subtract(x, 1, m.empty_like(x)),
    ):
        ours, theirs = function(a, module[id(a)]), function(host, module[id(host)])
        assert isinstance(ours, xp.ndarray) and ours.dtype == theirs.dtype and ours.shape == theirs.shape
        np.testing.assert_array_equal(ours.get(), theirs)


def test_results_are_arrays_and_views_are_views(xp, a):
    for x in (a.sum(), a.max(), a[1, 2], xp.mean(a), xp.linalg.norm(a), xp.count_nonzero(a), xp.sqrt(2.0)):
        assert isinstance(x, xp.ndarray) and x.shape == ()
    assert xp.asarray(a) is a and xp.ascontiguousarray(a) is a and a.astype("float32", copy=False) is a
    last, row, column = a[1, 2], a.reshape(6)[:3], a.T[0]
    assert row.data.ptr == a.data.ptr and column.data.ptr == a.data.ptr and last.data.ptr == a.data.ptr + 20
    a += 10
    assert [float(last), row.tolist(), column.tolist()] == [15, [10, 11, 12], [10, 13]]
    assert a.flags.c_contiguous and not a.T.flags.c_contiguous and a.strides == (12, 4) and a.nbytes == 24
    assert (a * np.float64(2)).dtype == "float64" and (a * 2.0).dtype == "float32"  # as in CuPy
    assert not isinstance(a, make_module().ndarray) and not isinstance(HOST, xp.ndarray)
    assert copy.deepcopy(a).data.ptr != a.data.ptr
    placed = xp.ndarray((2,), "float32", memptr=a.data)
    assert placed.data.ptr == a.data.ptr


def test_memory_that_nobody_wrote_shows(xp, a):
    assert np.isnan(xp.empty((2, 2)).get()).all() and np.isnan(xp.empty_like(a).get()).all()
    assert (xp.empty(3, "uint8").get() == 0xCD).all() and np.isnan(xp.ndarray(3, "float32").get()).all()
    assert (xp.zeros(3).get() == 0).all() and (xp.full_like(a, 7).get() == 7).all()


def test_waits_are_counted_and_can_be_forbidden(xp, a):
    waits = {
        "float": lambda: float(a.sum()),
        "int": lambda: int(a.sum()),
        "bool": lambda: bool(a.max() > 1),
        "item": lambda: a.sum().item(),
        "tolist": lambda: a.tolist(),
        "get": lambda: a.get(),
        "asnumpy": lambda: xp.asnumpy(a),
        "text": lambda: f"{a.sum():.2f}",
        "mask": lambda: a[a > 2],
        "nonzero": lambda: a.nonzero(),
        "synchronize": lambda: xp.cuda.get_current_stream().synchronize(),
    }
    for count, wait in enumerate(waits.values(), 1):
        wait()
        assert xp.syncs == count
    with xp.forbid_syncs():
        for wait in waits.values():
            with pytest.raises(RuntimeError, match="waits"):
                wait()
        a[a > 2] = 0  # one number under a mask: CuPy needs no count for that
        a += xp.maximum(a, 1).sum(axis=0)
    assert xp.syncs == len(waits)
    uploads = xp.uploads
    a.set(HOST)
    xp.asarray(HOST)
    assert xp.uploads == uploads + 2


def test_a_network_lives_in_it(xp, monkeypatch, rng):
    monkeypatch.setattr(backend, "cupy", xp)
    assert backend.device_module("gpu") is xp and backend.array_module(xp.zeros(2)) is xp
    net = Sequential([Dense(4), BatchNorm(), LeakyReLU(), Tanh()], (3,), dtype="float64")
    twin, x = net.to("gpu"), rng.standard_normal((5, 3))
    y = twin.predict(backend.to_device(x, xp))
    assert isinstance(y, xp.ndarray) and isinstance(twin.flat_params, xp.ndarray)
    np.testing.assert_allclose(backend.to_cpu(y), net.predict(x), rtol=1e-12)
    assert Sequential([Dense(1)], (3,), device="gpu").xp is xp
    assert gpu()["device 0"] == "stand-in, 85.9 GB"


# ----------------------------------------------------------------------------------------------------------------------
# Graphs


def test_a_graph_does_its_work_at_each_launch(xp):
    counter, history = xp.zeros((), "int64"), xp.zeros(4)

    def step():
        nonlocal counter
        counter += 1
        history[counter] = 10 * counter
        return xp.sqrt(history).sum()

    result, graph = record(xp, step)
    assert int(counter) == 0 and np.isnan(float(result)) and not history.get().any()  # nothing has been done yet
    for _ in range(3):
        graph.launch()
    assert int(counter) == 3 and history.tolist() == [0, 10, 20, 30]
    np.testing.assert_allclose(float(result), np.sqrt([10, 20, 30]).sum())


def test_plain_numbers_are_frozen_and_arrays_are_not(xp, a):
    frozen, living = 2.0, xp.full((), 2.0, "float32")
    (one, other), graph = record(xp, lambda: (a * frozen, a * living))
    frozen = 5.0
    living.fill(5.0)
    graph.launch()
    assert one.tolist() == (HOST * 2).tolist() and other.tolist() == (HOST * 5).tolist()


def test_capturing_changes_no_memory(xp, a, rng):
    start, draws = xp.asarray(np.arange(3)), xp.random.default_rng(0)
    before = a.get(), start.get()

    def step():
        nonlocal a
        b = xp.zeros((2, 3), "float32")
        b[...] = a
        a -= b * 3
        a[0] = 1
        xp.multiply(a, 2, out=a)
        a[:, start] = a.T[start].T
        a.fill(8)
        xp.add.at(start, xp.zeros(2, "int64"), 1)
        xp.copyto(a, b)
        start.sort()
        return b, draws.random(size=3), b[:, xp.full(2, 9) - start[:2]]

    (b, drawn, _), graph = record(xp, step)
    np.testing.assert_array_equal(a.get(), before[0])
    np.testing.assert_array_equal(start.get(), before[1])
    assert np.isnan(b.get()).all() and np.isnan(drawn.get()).all()
    with pytest.raises(IndexError):  # 9 - start: known only when it is done
        graph.launch()
    assert drawn.tolist() == np.random.default_rng(0).random(3).tolist()


def test_views_of_what_is_recorded(xp, a):
    def step():
        b = a + 1
        return b, b.T, b[1], b.reshape(6)

    (b, transposed, row, flat), graph = record(xp, step)
    assert transposed.data.ptr == b.data.ptr == flat.data.ptr
    graph.launch()
    assert row.tolist() == [4, 5, 6] and flat.tolist() == [1, 2, 3, 4, 5, 6] and transposed[2].tolist() == [3, 6]
    a.fill(0)
    graph.launch()
    assert flat.tolist() == [1] * 6


@pytest.mark.parametrize("wait", [lambda xp, a: float(a.sum()), lambda xp, a: a.get(), lambda xp, a: a[a > 1]])
def test_waits_in_a_capture(xp, a, wait):
    assert "not permitted when stream is capturing" in str(raised_in_capture(xp, wait, xp, a).value)


@pytest.mark.parametrize(
    "upload",
    [lambda xp, a: xp.asarray(HOST), lambda xp, a: a.set(HOST), lambda xp, a: a[[0, 1]], lambda xp, a: xp.array(1)],
)
def test_copies_from_the_host_in_a_capture(xp, a, upload):
    raised_in_capture(xp, upload, xp, a)
    assert float(a.sum()) == HOST.sum()  # afterwards all goes on


@pytest.mark.parametrize(
    "product",
    [
        lambda xp, a: a @ a.T,
        lambda xp, a: xp.matmul(a, a.T),
        lambda xp, a: a[0].dot(a[1]),
        lambda xp, a: xp.tensordot(a, a),
        lambda xp, a: xp.einsum("nc,nc->c", a, a),
    ],
)
def test_products_of_cupy_in_a_capture(xp, a, product):
    product(xp, a)
    assert "calling cuBLAS API during stream capture" in str(raised_in_capture(xp, product, xp, a).value)


def test_what_a_capture_may_hold(xp, a):
    def step():
        return xp.einsum("nc->c", a), xp.einsum("nc,c->nc", a, a[0]), xp.linalg.norm(a), a.mean(), -a, divmod(a, 2)

    results, graph = record(xp, step)
    graph.launch()
    np.testing.assert_allclose(results[2].get(), np.linalg.norm(HOST), rtol=1e-6)
    np.testing.assert_array_equal(results[1].get(), HOST * HOST[0])
    np.testing.assert_array_equal(results[5][1].get(), HOST % 2)


def test_an_index_that_is_computed_in_the_graph(xp, a):
    place = xp.zeros(2, "int64")

    def step():
        where = place + 1  # garbage until the launch
        return a[where], a.T[where, where], xp.take(a, where, axis=1), a.take(where)

    results, graph = record(xp, step)
    graph.launch()
    assert [result.tolist() for result in results] == [[[3, 4, 5]] * 2, [4, 4], [[1, 1], [4, 4]], [1, 1]]


def test_streams_and_pools(xp, a):
    stream, other, graphs = xp.cuda.Stream(non_blocking=True), xp.cuda.Stream(), []
    assert xp.cuda.get_current_stream() is xp.cuda.Stream.null and xp.cuda.Stream.null.ptr == 0 != stream.ptr
    with pytest.raises(RuntimeError):
        xp.cuda.Stream.null.begin_capture()
    with pytest.raises(RuntimeError):
        stream.end_capture()
    stream.begin_capture()
    assert stream.is_capturing() and not other.is_capturing()
    with pytest.raises(RuntimeError, match="another stream"):
        a + 1
    with pytest.raises(RuntimeError):
        other.begin_capture()
    stream.end_capture()
    with stream:
        assert xp.cuda.get_current_stream() is stream
        graphs.append(record(xp, lambda: a + 1)[1])
    pool = xp.cuda.MemoryPool()
    assert xp.empty(8).data.ptr != pool.malloc(64).ptr
    with xp.cuda.using_allocator(pool.malloc):
        graphs.append(record(xp, lambda: a + 1)[1])
    for graph in graphs:
        graph.launch()
    del pool
    gc.collect()
    graphs[0].launch()
    with pytest.raises(RuntimeError, match="pool"):
        graphs[1].launch()


# ----------------------------------------------------------------------------------------------------------------------
# cuBLAS

POINTER, INT, LONG = ctypes.c_void_p, ctypes.c_int, ctypes.c_longlong
HANDLE = POINTER(1)


def prepared(xp):
    library, memory = FakeCublas(xp), xp.empty(64, "uint8")
    library.cublasSetStream_v2(HANDLE, POINTER(xp.cuda.get_current_stream().ptr))
    library.cublasSetWorkspace_v2(HANDLE, POINTER(memory.data.ptr), ctypes.c_size_t(memory.nbytes))
    library.memory = memory
    return library


def gemm(library, a, b, out, transa=False, transb=False, alpha=1, beta=0, batch=None, compute=None, **wrong):
    """out = alpha op(a) op(b) + beta out by rows, asked for by columns: out^T = op(b)^T op(a)^T"""
    number, kind = (ctypes.c_float, 0) if a.dtype == np.float32 else (ctypes.c_double, 1)
    (m, n), k = out.shape[-2:], a.shape[-2 if transa else -1]
    given = {
        "lda": b.strides[-2] // b.itemsize,
        "address": b.data.ptr,
        "handle": HANDLE,
        "scale": number(alpha),
    }
    given |= wrong
    strides = [[] if batch is None else [LONG(x.strides[0] // x.itemsize)] for x in (b, a, out)]
    function = library.cublasGemmEx if batch is None else library.cublasGemmStridedBatchedEx
    return function(
        *(given["handle"], INT(transb), INT(transa), INT(n), INT(m), INT(k), ctypes.byref(given["scale"])),
        *(POINTER(given["address"]), INT(kind), INT(given["lda"]), *strides[0]),
        *(POINTER(a.data.ptr), INT(kind), INT(a.strides[-2] // a.itemsize), *strides[1], ctypes.byref(number(beta))),
        *(POINTER(out.data.ptr), INT(kind), INT(out.strides[-2] // out.itemsize), *strides[2]),
        *([] if batch is None else [INT(batch)]),
        *(INT(compute or {0: 68, 1: 70}[kind]), INT(-1)),
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transa", [False, True])
@pytest.mark.parametrize("transb", [False, True])
@pytest.mark.parametrize("batch", [None, 4])
def test_products(xp, rng, dtype, transa, transb, batch):
    m, n, k, stack = 3, 5, 2, () if batch is None else (batch,)
    wide = rng.standard_normal((*stack, *((k, m + 2) if transa else (m, k + 2)))).astype(dtype)
    a = xp.asarray(wide)[..., :-2]  # rows that are longer than what is used of them
    b = xp.asarray(rng.standard_normal((*stack, *((n, k) if transb else (k, n)))).astype(dtype))
    out, old = xp.empty((*stack, m, n), dtype), rng.standard_normal((*stack, m, n)).astype(dtype)
    expected = (a.mT if transa else a) @ (b.mT if transb else b)
    library = prepared(xp)
    assert gemm(library, a, b, out, transa, transb, batch=batch) == 0  # beta = 0: the NaN in out are not read
    np.testing.assert_allclose(out.get(), expected.get(), rtol=1e-6)
    out.set(old)
    assert gemm(library, a, b, out, transa, transb, alpha=2, beta=-3, batch=batch) == 0
    np.testing.assert_allclose(out.get(), 2 * expected.get() - 3 * old, rtol=1e-5)
    assert library.calls == 2


def test_products_that_cublas_refuses(xp, a):
    library, b, out = prepared(xp), xp.ones((3, 4), "float32"), xp.empty((2, 4), "float32")
    assert gemm(library, a, b, out, lda=3) == 7
    assert gemm(library, a, b, out, compute=70) == 15
    assert gemm(library, a, b, out, compute=77) == 0
    assert gemm(library, a, b, out, handle=POINTER(0)) == 1
    with pytest.raises(TypeError):
        gemm(library, a, b, out, handle=1)
    with pytest.raises(TypeError):
        gemm(library, a, b, out, scale=ctypes.c_double(1))
    with pytest.raises(RuntimeError, match="illegal memory access"):
        gemm(library, a, b, out, lda=400)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        gemm(library, a, b, out, address=0)
    with xp.cuda.Stream(), pytest.raises(RuntimeError, match="cublasSetStream_v2"):
        gemm(library, a, b, out)


def test_products_in_a_capture(xp, a):
    b, out, number = xp.ones((3, 4), "float32"), xp.zeros((2, 4), "float32"), ctypes.c_float(2)

    def step():
        assert gemm(prepared(xp), a, b, out, scale=number) == 0
        return out + 1

    result, graph = record(xp, step)
    number.value = 99  # alpha was read at the call
    assert not out.get().any()
    graph.launch()
    np.testing.assert_array_equal(result.get(), 2 * (HOST @ np.ones((3, 4))) + 1)

    def without_workspace():
        library = FakeCublas(xp)
        library.cublasSetStream_v2(HANDLE, POINTER(xp.cuda.get_current_stream().ptr))
        gemm(library, a, b, out)

    assert "cublasSetWorkspace_v2" in str(raised_in_capture(xp, without_workspace).value)


# ----------------------------------------------------------------------------------------------------------------------
# Kernels


@needs_compiler
@pytest.mark.parametrize("dtype, real", [("float32", "float"), ("float64", "double")])
def test_kernels(xp, dtype, real):
    x, y = xp.asarray(np.arange(1000, dtype=dtype)), xp.zeros(1000, dtype)
    calls = xp.zeros(1, "uint8")
    axpy = xp.RawModule(code=CODE, options=("--std=c++17", f"-DREAL={real}")).get_function("axpy")
    arguments = (x, y, calls, np.dtype(dtype).type(0.5), np.int32(1000))
    axpy((4,), (256,), arguments)
    np.testing.assert_array_equal(y.get(), 0.5 * np.arange(1000))
    _, graph = record(xp, axpy, (4,), (256,), arguments)
    assert int(calls[0]) == 1
    graph.launch()
    np.testing.assert_array_equal(y.get(), np.arange(1000))
    assert int(calls[0]) == 2
    xp.RawKernel(CODE, "axpy", (f"-DREAL={real}",))((1, 1), (1, 1, 1), arguments)
    assert int(calls[0]) == 3


@needs_compiler
def test_arguments_that_kernels_refuse(xp, a):
    axpy = xp.RawModule(code=CODE, options=("-DREAL=float",)).get_function("axpy")
    calls, half, size = xp.zeros(1, "uint8"), np.float32(0.5), np.int32(6)
    null = np.uint64(0)
    for args in (
        (HOST, a, calls, half, size),  # a NumPy array
        (make_module().zeros(6), a, calls, half, size),  # another module's
        (a.astype("float64"), a, calls, half, size),
        (a, a, calls, 0.5, size),  # CuPy would hand over 8 bytes
        (a, a, calls, half, 6),
        (a, a, calls, np.float64(0.5), size),
        (a, a, calls, half, np.int64(6)),
        (a, a, calls, a, size),
        (a, a, half, half, size),
        (a, a, calls, half),
        (null, a, calls, half, size, size),
    ):
        with pytest.raises(TypeError):
            axpy((1,), (1,), args)
    fine = (a, a, calls, half, size)
    for grid, block, error in (
        (1, (1,), TypeError),
        ((1,), 1, TypeError),
        ((1.0,), (1,), TypeError),
        ((1, 1, 1, 1), (1,), TypeError),
        ((0,), (1,), RuntimeError),
        ((1,), (2048,), RuntimeError),
        ((1,), (64, 32), RuntimeError),
        ((1, 70000), (1,), RuntimeError),
    ):
        with pytest.raises(error):
            axpy(grid, block, fine)
    assert int(calls[0]) == 0
    with pytest.raises(RuntimeError, match="not found"):
        xp.RawModule(code=CODE, options=("-DREAL=float",)).get_function("axpby")
    with pytest.raises(TypeError):
        xp.RawModule(code=CODE, options=["-DREAL=float"])
    with pytest.raises(xp.cuda.compiler.CompileException):
        xp.RawModule(code=CODE).get_function("axpy")  # REAL is not defined
