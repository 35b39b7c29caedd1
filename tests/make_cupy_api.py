"""Write cupy_api.json, what CuPy offers and which keywords it takes: python tests/make_cupy_api.py

Needs CuPy, but no GPU. To be run again for a new version of CuPy.
"""

import inspect
import json
import re
import types
from pathlib import Path

import cupy

OWNERS = {
    "cupy": cupy,
    "cupy.ndarray": cupy.ndarray,
    "cupy.ufunc": cupy.ufunc,
    "cupy.linalg": cupy.linalg,
    "cupy.fft": cupy.fft,
    "cupy.lib": cupy.lib,
    "cupy.lib.stride_tricks": cupy.lib.stride_tricks,
    "cupy.random": cupy.random,
    "cupy.random.Generator": cupy.random.Generator,
    "cupy.cuda": cupy.cuda,
    "cupy.cuda.Device": cupy.cuda.Device,
    "cupy.cuda.Event": cupy.cuda.Event,
    "cupy.cuda.Graph": cupy.cuda.Graph,
    "cupy.cuda.MemoryPool": cupy.cuda.MemoryPool,
    "cupy.cuda.MemoryPointer": cupy.cuda.MemoryPointer,
    "cupy.cuda.Stream": cupy.cuda.Stream,
    "cupy.cuda.compiler": cupy.cuda.compiler,
    "cupy.cuda.device": cupy.cuda.device,
    "cupy.cuda.memory": cupy.cuda.memory,
    "cupy.cuda.runtime": cupy.cuda.runtime,
    "cupy.RawKernel": cupy.RawKernel,
    "cupy.RawModule": cupy.RawModule,
}
# their signatures say **kwargs; read from their code
KNOWN = {
    "cupy.einsum": ["*", "dtype", "optimize"],
    "cupy.meshgrid": ["*", "indexing", "copy", "sparse"],
    "cupy.pad": ["array", "pad_width", "mode", "stat_length", "constant_values", "end_values", "reflect_type"],
    "cupy.ndarray.reshape": ["*", "order", "copy"],
    "cupy.ndarray.transpose": ["*"],
}


def describe(path, thing):
    """What a public name is: a text, or for a callable its parameters; None for those that cannot be known.

    "/" ends the parameters that have no keyword, "*" begins those that need one; with "*" first, any number of
    others may come before.
    """
    if path in KNOWN:
        return KNOWN[path]
    if isinstance(thing, cupy.ufunc):
        return "ufunc"
    if isinstance(thing, types.ModuleType):
        return "module"
    if not callable(thing):
        return "value"
    if isinstance(thing, type) and thing.__module__.split(".")[0] == "numpy":
        return "type"
    parameters = from_signature(thing)
    if parameters is None:
        parameters = from_docstring(thing)
    if parameters and parameters[0] == "self":
        del parameters[0]
    return parameters


def from_signature(thing):
    """The parameters by `inspect`, None where it knows none or where one of them is **kwargs"""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return None
    names = []
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            return None
        if parameter.kind is parameter.VAR_POSITIONAL:
            names = ["*"]
        elif parameter.kind is parameter.KEYWORD_ONLY and "*" not in names:
            names += ["*", parameter.name]
        else:
            names.append(parameter.name)
            names += ["/"] if parameter.kind is parameter.POSITIONAL_ONLY else []
    last = max((i for i, name in enumerate(names) if name == "/"), default=-1)
    return [name for i, name in enumerate(names) if name != "/" or i == last]


def from_docstring(thing):
    """The parameters by the first line of the docstring, where compiled functions have theirs: f(int a, *, b=None)"""
    first = (getattr(thing, "__doc__", None) or "").strip().split("\n")[0]
    found = re.fullmatch(r"[\w.]+\((.*)\)( -> .*)?", first)
    if not found or "**" in first:
        return None
    names = []
    for part in re.split(r",\s*(?![^()]*\))", found[1]):
        name = part.split("=")[0].split(":")[0].split()
        if name and re.fullmatch(r"\*\w+", name[-1]):
            names = ["*"]
        elif name:
            names.append(name[-1])
    return names


def main():
    api = {"version": cupy.__version__}
    for path, owner in OWNERS.items():
        api[path] = {
            name: describe(f"{path}.{name}", getattr(owner, name)) for name in dir(owner) if not name.startswith("_")
        }
        if isinstance(owner, type):
            api[path]["()"] = describe(f"{path}()", owner)  # the constructor
    lines = [f"{json.dumps(path)}: {json.dumps(names)}" for path, names in sorted(api.items())]
    Path(__file__).with_name("cupy_api.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main()
