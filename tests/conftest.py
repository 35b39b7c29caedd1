"""What all tests share: pictures without a display, markers that skip what this machine cannot run, and a GPU."""

import gc
import os
import zlib

import pytest

try:
    import resource
except ImportError:  # Windows
    resource = None

os.environ.setdefault("MPLBACKEND", "Agg")
# The arrays of the tests are small: several BLAS threads gain nothing, and wait for one another beside other programs.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_addoption(parser):
    parser.addoption(
        "--half", type=int, choices=(1, 2), help="run one half of the tests; 2 has those that 1 leaves out"
    )


def pytest_collection_modifyitems(config, items):
    from minigan.backend import gpu_available

    half = config.getoption("--half")
    if half:
        halves = [], []
        for item in items:
            halves[zlib.crc32(item.nodeid.encode()) % 2].append(item)
        items[:] = halves[half - 1]
        config.hook.pytest_deselected(items=halves[2 - half])
    for item in items:
        if "gpu" in item.keywords and not gpu_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_collection_finish():
    """Let the garbage collector pass over the thousands of tests that were found: they stay until the end."""
    gc.collect()
    gc.freeze()


peaks = [0]  # the most memory that this process had, at each call of the collector


def pytest_runtest_logfinish():
    """Free what refers to itself, as errors do: Python counts objects, not megabytes, so it would wait too long."""
    if resource is not None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if peak > 1.1 * peaks[-1]:
            gc.collect()
            peaks.append(peak)


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def standin():
    import strict_cupy

    if not strict_cupy.has_compiler():
        pytest.skip("the kernels are compiled by g++ here, which is not installed")
    return strict_cupy.make_module()


DEVICES = ["stand-in", pytest.param("device", marks=pytest.mark.gpu)]


@pytest.fixture(params=DEVICES)
def gpu(request, monkeypatch):
    """CuPy's place taken by the strict stand-in, and, with -m gpu, by CuPy itself: the module of the arrays."""
    return cupy_or_standin(request, monkeypatch)


@pytest.fixture(params=["cpu", *DEVICES])
def xp(request, monkeypatch):
    """NumPy, and whatever `gpu` is: for what has to hold on all devices."""
    import numpy as np

    return np if request.param == "cpu" else cupy_or_standin(request, monkeypatch)


def cupy_or_standin(request, monkeypatch):
    from minigan import backend
    from minigan.ops.gpu import cublas

    monkeypatch.setenv("CUPY_TF32", "0")  # the tolerances are those of full float32
    if request.param == "stand-in":
        from fake_cublas import FakeCublas

        standin = request.getfixturevalue("standin")
        monkeypatch.setattr(backend, "cupy", standin)
        library = FakeCublas(standin)
        monkeypatch.setattr(cublas, "load_library", lambda: library)
    return backend.cupy


@pytest.fixture
def no_pictures(monkeypatch):
    """They take longer than the training, and what is tested with this fixture does not depend on them."""
    from minigan.training.gallery import Gallery

    monkeypatch.setattr(Gallery, "draw", lambda *arguments: None)
    monkeypatch.setattr(Gallery, "finish", lambda *arguments: [])


@pytest.fixture(scope="session")
def chromium():
    """A Chromium without a window, for all tests of pages: browser_helpers.py."""
    import browser_helpers

    try:
        with browser_helpers.running_chromium() as browser:
            yield browser
    except browser_helpers.NoBrowserError as error:
        pytest.skip(str(error))


@pytest.fixture
def open_page(chromium):
    """open_page(path, width=1280, dark=False) opens a page; errors in a page make the test fail."""
    from browser_helpers import Pages

    pages = Pages(chromium)
    yield pages.open
    assert not pages.close()
