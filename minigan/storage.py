"""A network as one .npz file: the architecture as JSON text, the parameters as one vector, the state by name.

Nothing in the file is ever executed: no pickle, and a layer's name can only choose among known classes. How the arrays
are written and read, without trusting the file, stands in npz.py.
"""

import inspect
import json
import os

import numpy as np

from minigan import backend, initializers, layers, npz
from minigan.budget import IN_WORDS, LIMITS, SLACK, budget, spend
from minigan.errors import CheckpointError, FileError, MiniganError, NonFiniteError, OptionError, TooLargeError
from minigan.files import as_path, atomic_write, read_file
from minigan.options import shown, with_article

FORMAT = "minigan network 2"
FORMAT_WITHOUT_SUM = "minigan network 1"  # before 0.2; still read
LONGEST_TEXT = 2**21  # characters of an architecture
LONGEST_REASON = 500  # characters of an error that a file brings about
DEEPEST = 16  # networks in one another
BUILDING = {"input_shape", "seed", "dtype", "device"}  # options by which a network builds itself


def save_network(network, target):
    """Write `network` to `target`, a path or a binary file object; a path is written in one piece or not at all.

    Errors     NonFiniteError where a number of it is NaN or infinite; TooLargeError where `load` would refuse the file
               as too large; OptionError, FileError
    """
    require_finite("network", {**network.params, **network.state}, "Load the last file that you saved.")
    arrays = {
        "architecture": architecture_text(network),
        "params": backend.to_cpu(network.flat_params),
        **{f"state.{name}": backend.to_cpu(value) for name, value in network.state.items()},
    }
    write(target, npz.to_bytes(arrays))


def architecture_text(network):
    """Return the architecture of a network as JSON text."""
    architecture = {
        "format": FORMAT,
        "input_shape": network.input_shape,
        "dtype": str(network.dtype),
        **({} if type(network).__name__ == "Sequential" else {"network": type(network).__name__}),
        **network.config(),
    }
    text = json.dumps(architecture, default=plain_number)
    require_readable(network, architecture["layers"], text)
    return text


def require_readable(network, configs, text):
    """Raise TooLargeError for a network that could be written, but not read again."""
    too_much = [
        f"{network.spent[kind]:,} {IN_WORDS[kind].format(limit=LIMITS[kind])}"
        for kind in ("sample", "matrices", "windows")
        if network.spent.get(kind, 0) > LIMITS[kind]
    ]
    if len(text) > LONGEST_TEXT:
        too_much.append(f"a description of {len(text):,} characters, more than the {LONGEST_TEXT:,} that are read")
    if depth_of(configs) > DEEPEST:
        too_much.append(f"{depth_of(configs)} networks in one another, more than the {DEEPEST} that are read")
    if too_much:
        raise TooLargeError(f"this network is not saved, because it could not be loaded again: {'; '.join(too_much)}.")


def depth_of(configs):
    """Return how deep the layers of a description are in one another, as `make_layers` counts it."""
    inner = []
    for config in configs:
        for value in config.values():
            branches = value if isinstance(value, (list, tuple)) else [value]
            inner.append(layers_in(branches))
            inner += [layers_in(branch) for branch in branches if isinstance(branch, (list, tuple))]
    return max((1 + depth_of(layers) for layers in inner if layers), default=0)


def layers_in(values):
    """Return the descriptions of layers among some values."""
    return [value for value in values if isinstance(value, dict) and "layer" in value]


def require_finite(what, arrays, advice):
    """Raise NonFiniteError instead of writing NaN or infinity over what may be the last good file."""
    spoiled = [name for name, array in arrays.items() if not backend.array_module(array).isfinite(array).all()]
    if spoiled:
        more = f" and {len(spoiled) - 5} more" if len(spoiled) > 5 else ""
        raise NonFiniteError(
            f"this {what} is not saved: NaN or infinity in {', '.join(spoiled[:5])}{more}. Usually the steps of its "
            f"training were too large. {advice} Try lower learning rates, or max_grad_norm=1.0."
        )


def plain_number(value):
    """Return a NumPy number as a Python number; JSON has no other types of options."""
    if isinstance(value, np.generic):
        return value.item()
    raise OptionError(f"the option {value!r} cannot be saved as JSON. Use numbers, texts, lists and initializers.")


def load_network(network_class, source, xp, own_classes):
    """Build the network that the file `source` describes, and fill in its parameters and state.

    source         a path, or a binary file object at the place where the network begins; it is read to its end
    own_classes    the classes of layers and initializers that the file may name besides minigan's own
    """
    where, content = read(source)
    arrays = npz.from_bytes(content, where)
    if {"gan", "generator", "discriminator"} <= set(arrays):
        raise CheckpointError(
            f"{where}: this file holds a whole GAN: GAN.load(path). Its networks are gan.generator and "
            "gan.discriminator."
        )
    if not {"architecture", "params"} <= set(arrays):
        raise CheckpointError(f"{where}: not a network that minigan saved: architecture or params missing.")
    architecture = npz.pop_json(arrays, "architecture", where, LONGEST_TEXT)
    params = arrays.pop("params")
    state_size = sum(array.size for array in arrays.values())
    network = build(network_class, architecture, own_classes, params.size, state_size, where, npz.has_sum(content))
    fill(network.flat_params, params, "params", where)
    for name in [name for name in arrays if name.endswith(".AveragePool2D.pixels")]:
        del arrays[name]  # of 0.1, where it counted as state; it follows from the shapes
    expected = {f"state.{name}": value for name, value in network.state.items()}
    if set(expected) != set(arrays):
        raise CheckpointError(f"{where}: expected the state {listed(expected)}, found {listed(arrays)}.")
    for name, value in expected.items():
        fill(value, arrays[name], name, where)
    network.convert(network.dtype, xp)
    return network


def build(network_class, architecture, own_classes, params_size, state_size, where, has_sum=True):
    """Return the network that an architecture from a file describes, with new weights.

    params_size, state_size   how many numbers the file holds: what is built can be hardly larger than what is stored; a
                              little more, so that `fill` can say what differs
    """
    try:
        check_format(architecture["format"], has_sum, where)
        with budget(parameters=params_size + SLACK, state=state_size + SLACK):
            kind = class_of(architecture, network_class, own_classes, where)
            parts = make_layers(architecture["layers"], known_classes(network_class, own_classes), where)
            return kind(parts, input_shape=architecture["input_shape"], dtype=architecture["dtype"])
    except CheckpointError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, MemoryError, RecursionError, MiniganError) as error:
        reason = str(error) if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{where}: not a network that minigan saved, or a damaged one ({reason[:LONGEST_REASON]})."
        ) from error


def class_of(architecture, network_class, own_classes, where):
    """Return the class of the network in a file: `network_class`, or the one of your own that the file names."""
    name = architecture.get("network", network_class.__name__)
    for kind in (network_class, *own_classes):
        if kind.__name__ == name and issubclass(kind, network_class):
            return kind
    raise CheckpointError(
        f"{where}: holds a network of the class {shown(name)}, which is not one of minigan's. If it is yours, give the "
        f"class: Sequential.load(path, custom_layers=[{as_code(name)}])."
    )


def known_classes(network_class, own_classes):
    """Return the classes that a file may name: {"layers": {name: class}, "initializers": {name: class}}"""
    networks = [kind for kind in network_class.__mro__ if issubclass(kind, layers.Layer) and kind is not layers.Layer]
    own_layers = [kind for kind in own_classes if issubclass(kind, layers.Layer)]
    own_initializers = [kind for kind in own_classes if issubclass(kind, initializers.Initializer)]
    return {
        "layers": {kind.__name__: kind for kind in (*layers.ALL, *reversed(networks), *own_layers)},
        "initializers": {kind.__name__: kind for kind in (*initializers.ALL, *own_initializers)},
    }


def check_format(found, has_sum, where):
    """Raise CheckpointError for an unknown format, and for a file that has lost its checksum."""
    if found not in (FORMAT, FORMAT_WITHOUT_SUM):
        raise CheckpointError(f"{where}: format {shown(found)}, expected {FORMAT!r}. A newer minigan may read it.")
    if found == FORMAT and not has_sum:
        raise CheckpointError(f"{where}: the checksum at its end is missing. Was the file repacked by another program?")


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
    """Return the name for messages and the content of a path or a binary file object."""
    if not hasattr(source, "read"):
        return read_path(as_path(source))
    try:
        content = source.read()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{source!r}: cannot be read: {error}.") from error
    if isinstance(content, str):
        raise OptionError(f"{source!r} is a text file: open it for bytes, open(path, 'rb').")
    if not content:
        raise CheckpointError(f"{source!r}: nothing to read. If it was just written: file.seek(0).")
    return repr(source), content


def read_path(path):
    try:
        return str(path), read_file(path)
    except FileError as error:
        near = f"{path}.npz"
        hint = f" There is {near}." if os.path.isfile(near) and not path.exists() else ""
        raise CheckpointError(f"{error}{hint}") from error


def make_layers(configs, known, where, depth=0):
    """Return the layers that a list of JSON objects describes; they must belong to classes in `known`."""
    if depth > DEEPEST:
        raise CheckpointError(f"{where}: more than {DEEPEST} networks in one another; not read.")
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        raise CheckpointError(f"{where}: not a network that minigan saved: expected a list of layers.")
    spend("layers", len(configs), "a network", f"{len(configs):,} layers")
    return [make_layer(config, known, where, depth) for config in configs]


def make_layer(config, known, where, depth):
    """Return the layer that a JSON object describes."""
    trainable = config.pop("trainable", True)
    kind, options = named_class(config, "layer", known["layers"], where)
    for name, value in options.items():
        if isinstance(value, dict) and "layer" in value:  # a layer around another one
            (options[name],) = make_layers([value], known, where, depth + 1)
        elif isinstance(value, dict) and "initializer" in value:
            initializer, arguments = named_class(value, "initializer", known["initializers"], where)
            options[name] = initializer(**arguments)
        elif name == "layers":
            options[name] = make_layers(value, known, where, depth + 1)
        elif name == "branches":
            options[name] = make_branches(value, known, where, depth + 1)
        elif isinstance(value, list):
            options[name] = tuple(value)
    layer = kind(*options.pop("branches", ()), **options)
    if trainable is not True:  # a network's layers say it themselves
        layer.trainable = trainable
    return layer


def make_branches(configs, known, where, depth):
    """Return the branches that a list of lists of JSON objects describes."""
    if not isinstance(configs, list):
        raise CheckpointError(f"{where}: not a network that minigan saved: expected a list of branches.")
    spend("layers", len(configs), "a network", f"{len(configs):,} branches")
    return [make_layers(branch, known, where, depth) for branch in configs]


def named_class(config, what, known, where):
    """Return the class and the options of a JSON object that names a layer or an initializer."""
    options = dict(config)
    name = options.pop(what, None)
    if not isinstance(name, str) or name not in known:
        raise CheckpointError(
            f"{where}: holds {with_article(what)} {shown(name)}, which is not one of minigan's. If it is yours, give "
            f"its class: Sequential.load(path, custom_layers=[{as_code(name)}])."
        )
    kind = known[name]
    unknown = set(options) - set(inspect.signature(kind.__init__).parameters)
    if "layers" in options:
        unknown |= set(options) & BUILDING  # a network in another one is built by that one
    if unknown:
        raise CheckpointError(f"{where}: {name} has no option {listed(unknown)}.")
    return kind, options


def as_code(name):
    """Return the name of a class as it stands in an example; it comes from a file, and may be anything"""
    return name if isinstance(name, str) and name.isidentifier() and len(name) < 100 else "MyClass"


def listed(names):
    """Return names from a file as text for a message, at most nine of them."""
    names = sorted(names)
    return ", ".join(shown(name) for name in names[:9]) + (f" and {len(names) - 9} more" if len(names) > 9 else "")


def fill(target, values, name, path):
    """Copy `values` into `target`, which must have the same shape and dtype."""
    if values.shape != target.shape or values.dtype != target.dtype:
        raise CheckpointError(
            f"{path}: expected {name} of shape {target.shape} and {target.dtype}, found {values.shape} and "
            f"{values.dtype}."
        )
    target[...] = values
