"""Every name and keyword that minigan takes from its array module exists in CuPy, too: read from the code, not run."""

import ast
from pathlib import Path

import pytest
from strict_cupy import API, bind

import minigan

PACKAGE = Path(minigan.__file__).parent
MODULES = ("array_module", "device_module")  # the functions that give the array module
# methods of arrays with names that other objects hardly have; whose array it is cannot be seen from the code
METHODS = (
    "all",
    "any",
    "argmax",
    "argmin",
    "astype",
    "clip",
    "cumsum",
    "max",
    "mean",
    "min",
    "prod",
    "std",
    "sum",
    "var",
)


def chain(node):
    """(the names behind the array module in an expression like self.xp.linalg.norm) or None: ["linalg", "norm"]"""
    names = []
    while isinstance(node, ast.Attribute) and node.attr not in ("xp", "cupy"):
        names.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Call):
        function = node.func
        known = getattr(function, "id", getattr(function, "attr", None)) in MODULES
    else:
        known = getattr(node, "id", getattr(node, "attr", None)) in ("xp", "cupy")
    return names if known and names and not names[0].startswith("__") else None


def resolve(names):
    """The path of a chain of names in CuPy, as far as it is known; AttributeError for what CuPy lacks."""
    owner = "cupy"
    for i, name in enumerate(names):
        if name not in API[owner]:
            raise AttributeError(f"{owner} has no {name}")
        path, kind = f"{owner}.{name}", API[owner][name]
        if path in API:
            owner = path
        elif kind == "ufunc" and i + 1 < len(names):
            owner = "cupy.ufunc"
        else:
            break
    return path


def mistakes(text):
    """["line: what is wrong", ...] in the text of a module"""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and (names := chain(node)):
            found += problem(node, resolve, names)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            names = chain(node.func)
            if names and not problem(node, resolve, names):
                found += problem(node, check_call, resolve(names), node)
            elif not names and node.func.attr in METHODS and getattr(node.func.value, "id", None) != "np":
                found += problem(node, check_call, f"cupy.ndarray.{node.func.attr}", node)
    return sorted(set(found))


def check_call(path, call):
    """TypeError for keywords and numbers of arguments that CuPy does not take"""
    owner, _, name = path.rpartition(".")
    if owner in API and name in API[owner]:
        starred = any(isinstance(arg, ast.Starred) for arg in call.args)
        keywords = {keyword.arg: None for keyword in call.keywords if keyword.arg is not None}
        bind(path, () if starred else tuple(call.args), keywords)


def problem(node, check, *args):
    try:
        check(*args)
    except (AttributeError, TypeError) as error:
        return [f"{node.lineno}: {error}"]
    return []


def test_all_that_minigan_uses_exists_in_cupy():
    found = {str(path.relative_to(PACKAGE)): mistakes(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert {path: lines for path, lines in found.items() if lines} == {}
    used = sum(
        chain(node) is not None
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    )
    assert used > 50  # else nothing was looked at


@pytest.mark.parametrize(
    "line",
    [
        "xp.errstate(all='ignore')",
        "y = self.xp.log(x, where=x > 0)",
        "net.xp.linalg.vector_norm(x)",
        "array_module(x).sum(x, initial=0)",
        "backend.array_module(x).clip(x, min=0, max=1)",
        "xp.einsum('ij,jk', x, y, out=z)",
        "xp.lib.stride_tricks.as_strided(x, (2,), (4,), writeable=False)",
        "xp.random.default_rng(0, 1)",
        "f(g(self.layer.xp.nditer(x)))",
        "xp.add.sum(x)",
        "xp.broadcast_to(x, (2,), subok=True)",
        "rng = xp.random.SeedSequence(3)",
        "cupy.cuda.Stream(nonblocking=True)",
        "backend.cupy.cuda.graphs",
        "cupy.cuda.runtime.getDevices()",
        "device_module('gpu').cuda.using_allocators",
        "cupy.RawModule(source=code)",
        "y = x.max(axis=1, initial=0)",
        "(x - y).var(correction=1)",
        "x.sum(0, None, None, False, 5)",
    ],
)
def test_mistakes_are_found(line):
    assert len(mistakes(f"\n{line}\n")) == 1
    assert mistakes(f"\n{line}\n")[0].startswith("2: ")


@pytest.mark.parametrize(
    "line",
    [
        "xp.sum(x, axis=0, dtype='float64', keepdims=True)",
        "self.xp.multiply(x, y, out=z, casting='unsafe')",
        "xp.pad(x, 1, constant_values=0)",
        "xp.add.at(x, i, 1)",
        "xp.__name__",
        "np.log(x, where=x > 0)",
        "np.max(x, initial=0)",
        "x.max(**options)",
        "cupy.cuda.device.get_cublas_handle()",
        "cupy.ndarray",
        "xp.zeros(*arguments).sum(0)",
    ],
)
def test_what_cupy_has_passes(line):
    assert mistakes(line) == []
