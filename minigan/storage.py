"""A network as one .npz file: the architecture as JSON text, the parameters as one vector, the state by name.

Nothing in the file is ever executed: no pickle, and a layer's name can only choose among known classes. How the arrays
are written and read, without trusting the file, stands in npz.py.
"""

import inspect
import json
import os

import numpy as np

from minigan import backend, initializers, layers, npz
from minigan.errors import CheckpointError, FileError, MiniganError, NonFiniteError, OptionError
from minigan.files import as_path, atomic_write, read_file

FORMAT = "minigan network 2"
FORMAT_WITHOUT_SUM = "minigan network 1"  # before 0.2; still read
LONGEST_TEXT = 2**22  # characters of an architecture


def save_network(network, target):
    """Write `network` to `target`, a path or a binary file object; a path is written in one piece or not at all.

    Errors     NonFiniteError where a number of it is NaN or infinite; OptionError, FileError
    """
    require_finite("network", {**network.params, **network.state}, "Load the last file that you saved.")
    architecture = {
        "format": FORMAT,
        "input_shape": network.input_shape,
        "dtype": str(network.dtype),
        **network.config(),
    }
    arrays = {
        "architecture": json.dumps(architecture, default=plain_number),
        "params": backend.to_cpu(network.flat_params),
        **{f"state.{name}": backend.to_cpu(value) for name, value in network.state.items()},
    }
    write(target, npz.to_bytes(arrays))


def require_finite(what, arrays, advice):
    """Refuse to write NaN and infinity over what may be the last sound file."""
    spoiled = [name for name, array in arrays.items() if not backend.array_module(array).isfinite(array).all()]
    if spoiled:
        more = f" and {len(spoiled) - 5} more" if len(spoiled) > 5 else ""
        raise NonFiniteError(
            f"this {what} is not saved: NaN or infinity in {', '.join(spoiled[:5])}{more}. Mostly the steps of its "
            f"training were too large. {advice} Try lower learning rates, or max_grad_norm=1.0."
        )


def plain_number(value):
    """A NumPy number as Python's; JSON knows no other types of options."""
    if isinstance(value, np.generic):
        return value.item()
    raise OptionError(f"the option {value!r} cannot be saved as JSON: take numbers, texts, lists and initializers.")


def load_network(network_class, source, xp, custom_layers):
    """Build the network that the file `source` describes, and fill in its parameters and state.

    source     a path, or a binary file object at the place where the network begins; it is read to its end
    """
    where, content = read(source)
    arrays = npz.from_bytes(content, where)
    if not {"architecture", "params"} <= set(arrays):
        raise CheckpointError(f"{where}: not a network that minigan saved: architecture or params missing.")
    architecture = npz.pop_json(arrays, "architecture", where, LONGEST_TEXT)
    try:
        check_format(architecture["format"], npz.has_sum(content), where)
        known = {kind.__name__: kind for kind in (*layers.ALL, network_class, *custom_layers)}
        parts = [make_layer(part, known, where) for part in architecture["layers"]]
        params = arrays.pop("params")
        limit_size(parts, params.size)
        network = network_class(parts, input_shape=architecture["input_shape"], dtype=architecture["dtype"])
    except (KeyError, TypeError, AttributeError, ValueError, MemoryError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = str(error) if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{where}: not a network that minigan saved, or a damaged one ({reason}).") from error
    fill(network.flat_params, params, "params", where)
    for name in [name for name in arrays if name.endswith(".AveragePool2D.pixels")]:
        del arrays[name]  # of 0.1, where it counted as state; it follows from the shapes
    expected = {f"state.{name}": value for name, value in network.state.items()}
    if set(expected) != set(arrays):
        raise CheckpointError(f"{where}: expected the state {sorted(expected)}, found {sorted(arrays)}.")
    for name, value in expected.items():
        fill(value, arrays[name], name, where)
    network.convert(network.dtype, xp)
    return network


def check_format(found, has_sum, where):
    """Refuse what is no network of this or an earlier version, and a file of this one that has lost its sum."""
    if found not in (FORMAT, FORMAT_WITHOUT_SUM):
        raise CheckpointError(f"{where}: format {found!r}, expected {FORMAT!r}. A newer minigan may read it.")
    if found == FORMAT and not has_sum:
        raise CheckpointError(f"{where}: the sum at its end is missing. Was it packed anew by another program?")


def write(target, content):
    """Write bytes to a path, atomically, or to a binary file object."""
    if not hasattr(target, "write"):
        with atomic_write(target) as file:
            file.write(content)
        return
    try:
        rest = memoryview(content)
        while len(rest):
            # an unbuffered file may take less than it is given, and says how much
            written = target.write(rest)
            rest = rest[len(rest) if written is None else written :]
    except TypeError as error:
        raise OptionError(f"{target!r} is a text file: open it for bytes, open(path, 'wb').") from error
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write to {target!r}: {error}.") from error


def read(source):
    """(name for messages, content) of a path or a binary file object"""
    if not hasattr(source, "read"):
        return read_path(as_path(source))
    try:
        content = source.read()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{source!r}: cannot be read: {error}.") from error
    if isinstance(content, str):
        raise OptionError(f"{source!r} is a text file: open it for bytes, open(path, 'rb').")
    if not content:
        raise CheckpointError(f"{source!r}: nothing to read. Where it was just written: file.seek(0).")
    return repr(source), content


def read_path(path):
    try:
        return str(path), read_file(path)
    except FileError as error:
        near = f"{path}.npz"
        hint = f" There is {near}." if os.path.isfile(near) and not path.exists() else ""
        raise CheckpointError(f"{error}{hint}") from error


def make_layer(config, known, path):
    """The layer that a JSON object describes; only classes in `known` can be named."""
    options = dict(config)
    name = options.pop("layer")
    if name not in known:
        raise CheckpointError(
            f"{path}: holds a layer {name!r}, which is not one of minigan's. If it is yours: "
            f"Sequential.load(path, custom_layers=[{name}])."
        )
    initializer_classes = {kind.__name__: kind for kind in initializers.ALL}
    for key, value in options.items():
        if isinstance(value, dict) and "initializer" in value:
            arguments = {k: v for k, v in value.items() if k != "initializer"}
            options[key] = initializer_classes[value["initializer"]](**arguments)
        elif key == "layers":
            options[key] = [make_layer(part, known, path) for part in value]
        elif isinstance(value, list):
            options[key] = tuple(value)
    unknown = set(options) - set(inspect.signature(known[name].__init__).parameters)
    if unknown:
        raise CheckpointError(f"{path}: layer {name} has no option {', '.join(sorted(unknown))}.")
    return known[name](**options)


def limit_size(parts, limit):
    """Let no layer create a parameter larger than all those in the file together."""
    for layer in parts:
        layer.max_params = limit
        limit_size(getattr(layer, "layers", ()), limit)


def fill(target, values, name, path):
    """Copy `values` into `target`, which must have the same shape and dtype."""
    if values.shape != target.shape or values.dtype != target.dtype:
        raise CheckpointError(
            f"{path}: expected {name} of shape {target.shape} and {target.dtype}, found {values.shape} and "
            f"{values.dtype}."
        )
    target[...] = values
