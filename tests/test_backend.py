"""Choosing the array module, on the CPU; what a GPU does is tested with -m gpu."""

import ast
from pathlib import Path

import numpy as np
import pytest

import minigan
from minigan import Sequential, backend
from minigan.errors import DeviceError, OptionError
from minigan.layers import BatchNorm, Dense, Dropout, LeakyReLU, Tanh

PACKAGE = Path(minigan.__file__).parent


def test_cpu():
    x = np.zeros(3)
    assert backend.array_module(x) is np and backend.array_module([1]) is np
    assert backend.device_module("cpu") is np and backend.to_cpu(x) is x and backend.to_device(x, np) is x


def test_unknown_devices():
    with pytest.raises(OptionError, match="cpu, gpu, auto"):
        backend.device_module("cuda")


def test_auto_asks_for_a_device_not_for_the_package(monkeypatch):
    class CupyWithoutDevice:
        class cuda:
            is_available = staticmethod(lambda: False)

    monkeypatch.setattr(backend, "cupy", CupyWithoutDevice)
    assert backend.device_module("auto") is np
    with pytest.raises(DeviceError, match="nvidia-smi"):
        backend.device_module("gpu")


def test_finite_where_cheap():
    assert backend.finite_where_cheap(np.ones(3))
    assert not backend.finite_where_cheap(np.array([1, np.nan])) and not backend.finite_where_cheap(np.array([np.inf]))


def test_cupy_is_imported_by_the_backend_and_ops_only():
    for path in PACKAGE.rglob("*.py"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text())):
            names |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
            names |= {node.module} if isinstance(node, ast.ImportFrom) and node.module else set()
        if any(name.split(".")[0] == "cupy" for name in names):
            assert path == PACKAGE / "backend.py" or PACKAGE / "ops" in path.parents, path


def test_only_the_backend_and_ops_ask_which_device_it_is():
    """No comparison of an array module, `xp is np` or the like, elsewhere."""
    for path in PACKAGE.rglob("*.py"):
        if path == PACKAGE / "backend.py" or PACKAGE / "ops" in path.parents:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
                names = [part.id for part in (node.left, *node.comparators) if isinstance(part, ast.Name)]
                assert "np" not in names and "cupy" not in names, f"{path.name}:{node.lineno}"


def test_layers_compute_with_the_module_of_their_arrays():
    """No NumPy function is called on arrays in a layer. Dtypes, the seed and the warnings of the CPU are NumPy's."""
    allowed = {"dtype", "finfo", "array", "errstate"}
    for path in (PACKAGE / "layers").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
                assert node.attr in allowed, f"{path.name}:{node.lineno} np.{node.attr}"


@pytest.mark.gpu
def test_a_network_on_the_gpu_agrees_with_the_cpu(rng):
    layers = [Dense(8), BatchNorm(), LeakyReLU(), Dropout(0.4), Dense(3), Tanh()]
    net = Sequential(layers, (5,), dtype="float64")
    x, dy = rng.standard_normal((6, 5)), rng.standard_normal((6, 3))
    gpu = net.to("gpu")
    y = net.forward(x, training=True)
    y_gpu = gpu.forward(backend.to_device(x, gpu.xp), training=True)
    np.testing.assert_allclose(backend.to_cpu(y_gpu), y, rtol=1e-10)
    dx, dx_gpu = net.backward(dy), gpu.backward(backend.to_device(dy, gpu.xp))
    np.testing.assert_allclose(backend.to_cpu(dx_gpu), dx, rtol=1e-10)
    np.testing.assert_allclose(backend.to_cpu(gpu.flat_grads), net.flat_grads, rtol=1e-10, atol=1e-14)
