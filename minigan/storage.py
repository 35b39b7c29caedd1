"""A network as one .npz file: the architecture as JSON text, the parameters as one vector, the state by name.

Nothing in the file is ever executed: no pickle, and a layer's name can only choose among known classes. The arrays
are stored uncompressed, so a file cannot make the reader allocate more than its own size.
"""

import inspect
import json
import zipfile
import zlib

import numpy as np

from minigan import backend, initializers, layers
from minigan.errors import CheckpointError, MiniganError, OptionError
from minigan.files import atomic_write

FORMAT = "minigan network 1"


def save_network(network, path):
    """Write `network` to `path`, atomically."""
    architecture = {
        "format": FORMAT,
        "input_shape": network.input_shape,
        "dtype": str(network.dtype),
        **network.config(),
    }
    arrays = {f"state.{name}": backend.to_cpu(value) for name, value in network.state.items()}
    text = json.dumps(architecture, default=plain_number)
    with atomic_write(path) as file:
        np.savez(file, architecture=text, params=backend.to_cpu(network.flat_params), **arrays)


def plain_number(value):
    """A NumPy number as Python's; JSON knows no other types of options."""
    if isinstance(value, np.generic):
        return value.item()
    raise OptionError(f"the option {value!r} cannot be saved as JSON: take numbers, texts, lists and initializers.")


def load_network(network_class, path, xp, custom_layers):
    """Build the network that is described in the file and fill in its parameters and state."""
    arrays = read_arrays(path)
    try:
        architecture = json.loads(str(arrays.pop("architecture")))
        if architecture["format"] != FORMAT:
            raise CheckpointError(f"{path}: format {architecture['format']!r}, expected {FORMAT!r}.")
        known = {kind.__name__: kind for kind in (*layers.ALL, network_class, *custom_layers)}
        parts = [make_layer(part, known, path) for part in architecture["layers"]]
        params = arrays.pop("params")
        limit_size(parts, params.size)
        network = network_class(parts, input_shape=architecture["input_shape"], dtype=architecture["dtype"])
    except (KeyError, TypeError, AttributeError, ValueError, MemoryError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = str(error) if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{path}: not a network that minigan saved, or a damaged one ({reason}).") from error
    fill(network.flat_params, params, "params", path)
    expected = {f"state.{name}": value for name, value in network.state.items()}
    if set(expected) != set(arrays):
        raise CheckpointError(f"{path}: expected the state {sorted(expected)}, found {sorted(arrays)}.")
    for name, value in expected.items():
        fill(value, arrays[name], name, path)
    network.convert(network.dtype, xp)
    return network


def read_arrays(path):
    """All arrays of an .npz file by name; CheckpointError for anything that is not a whole, uncompressed, plain one."""
    try:
        with zipfile.ZipFile(path) as archive:
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
                raise CheckpointError(f"{path}: holds compressed arrays, which minigan never writes; not read.")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: no such file.") from error
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, EOFError, KeyError, SyntaxError, MemoryError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path}: damaged, or not an .npz file of plain arrays ({type(error).__name__}: {error})."
        ) from error


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
