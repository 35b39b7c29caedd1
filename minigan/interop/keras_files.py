"""The weights in the files of Keras: .keras, .weights.h5, and .h5 of older versions. Nothing in them is run.

A .keras file is a zip archive: config.json describes the layers, model.weights.h5 holds their arrays. minigan reads
names, shapes and numbers. It builds nothing of what config.json describes: a Lambda layer there holds a program.
"""

import io
import json
import re
import zipfile

from minigan.errors import CheckpointError, OptionError
from minigan.files import as_path, printable, read_file
from minigan.interop.matching import Group

LONGEST_CONFIG = 2**24  # bytes
ROOM = 2**26  # bytes that the weights of a model may have besides those of the network, with its optimizer's
# the arrays of a layer of Keras 3, which stand in its files by number
NAMES = {
    "dense": ("kernel", "bias"),
    "conv2d": ("kernel", "bias"),
    "conv2d_transpose": ("kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "layer_normalization": ("gamma", "beta"),
    "group_normalization": ("gamma", "beta"),
    "embedding": ("embeddings",),
    "spectral_normalization": ("kernel", "vector_u", "bias"),
    "lstm": ("kernel", "recurrent_kernel", "bias"),
}
CONTAINERS = ("Sequential", "Functional", "Model")


def import_h5py():
    """Return the package h5py; OptionError with the line that installs it."""
    try:
        import h5py
    except ImportError as error:
        raise OptionError(
            f'files of Keras need the package h5py, which cannot be imported ({error}): pip install "minigan[keras]"'
        ) from error
    return h5py


def read_groups(path, size):
    """Return (groups, order, options) of a file.

    size       bytes of the weights of the network that is to be filled
    groups     the arrays of each layer; they are read when they are needed
    order      the groups' names in the order of the model's layers, or None if the file does not say it
    options    name -> (class, options) of each layer, as far as the file says it
    """
    path = as_path(path)
    where, content = printable(path), read_file(path)
    config = None
    if content[:2] == b"PK":
        config, content = unpacked(content, where, 16 * size + ROOM)
    elif content[:8] != b"\x89HDF\r\n\x1a\n":
        raise CheckpointError(f"{where}: not a file of Keras: expected .keras, .h5 or .weights.h5.")
    h5py = import_h5py()
    try:
        file = h5py.File(io.BytesIO(content), "r")
        datasets = plain_datasets(h5py, file)
        if "layer_names" in attributes(file.get("model_weights", file)):
            text = attributes(file).get("model_config")
            return older_groups(file, datasets, None if text is None else json_of(text, where))
        return new_groups(file, datasets, config)
    except CheckpointError:
        raise
    except Exception as error:  # HDF5 raises errors of many classes on damaged files
        text = f"{type(error).__name__}: {printable(error)[:300]}"
        raise CheckpointError(f"{where}: damaged, or not a file of Keras ({text}).") from error


def unpacked(content, where, most):
    """Return config.json and the bytes of model.weights.h5 of a .keras file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = []
            for name, limit in (("config.json", LONGEST_CONFIG), ("model.weights.h5", most)):
                with archive.open(name) as file:
                    part = file.read(limit + 1)
                if len(part) > limit:
                    raise ValueError(f"{name} has more than {limit:,} bytes, much more than the network can need")
                parts.append(part)
    except Exception as error:  # on damaged archives zipfile raises errors of many classes
        text = f"{type(error).__name__}: {printable(error)[:300]}"
        raise CheckpointError(f"{where}: damaged, or not a file of Keras ({text}).") from error
    return json_of(parts[0], where), parts[1]


def json_of(text, where):
    """Return a description of a model, a dict."""
    try:
        config = json.loads(text)
    except (ValueError, RecursionError, TypeError) as error:
        raise CheckpointError(
            f"{where}: the description of the model is no JSON ({printable(error)[:200]})."
        ) from error
    return config if isinstance(config, dict) else {}


def plain_datasets(h5py, file):
    """Return path -> dataset of all arrays that lie in this very file, by hard links. Others are left alone."""
    found = {}

    def visit(path, item):
        if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual:
            found[path] = item

    file.visititems(visit)
    return found


def attributes(group):
    """Return the attributes of a group of HDF5."""
    return {} if group is None else dict(group.attrs.items())


def new_groups(file, datasets, config):
    """Return groups, order and options of a file of Keras 3: layers/dense_1/vars/0"""
    groups = {}
    for path, dataset in datasets.items():
        found = re.fullmatch(r"(layers/.*?)(?:/cell)?/vars/(\d+)", path)
        if found is None or found[1].endswith("seed_generator") or path.startswith("optimizer"):
            continue
        groups.setdefault(found[1], {})[int(found[2])] = dataset
    join_spectral_norms(groups)
    described = {} if config is None else dict(layers_of(config, ""))
    result, options = [], {}
    for path, arrays in groups.items():
        _, own = described.get(path, (None, {}))
        stem = re.sub(r"_\d+$", "", path.rpartition("/")[2])
        arrays = [arrays[number] for number in sorted(arrays)]
        attribute = attributes(file.get(f"{path}/vars")).get("name")
        name = own.get("name", attribute) or path
        name = name if isinstance(name, str) and name not in options else path
        key = "/".join(part if re.search(r"_\d+$", part) else f"{part}_0" for part in path.split("/"))
        result.append(Group(name, dict(zip(names_of(stem, arrays, own), arrays, strict=True)), key))
        options[name] = described.get(path, (None, {}))
        groups[path] = name
    order = None if config is None else [groups[path] for path in described if path in groups]
    return result, order, options


def join_spectral_norms(groups):
    """Put the bias of each layer in a SpectralNormalization beside its kernel and vector_u, which stand outside."""
    for path in [path for path in groups if re.search(r"/spectral_normalization(_\d+)?/layer$", path)]:
        outer = path.removesuffix("/layer")
        if outer in groups:
            _, *bias = groups.pop(path).values()
            groups[outer].update(enumerate(bias, start=2))


def names_of(stem, arrays, own):
    """Return the names of the arrays of a layer. `own`: its options; some leave arrays out."""
    names = NAMES.get(stem, ())
    without = {"gamma": "scale", "beta": "center", "bias": "use_bias"}
    names = [name for name in names if own.get(without.get(name), True)]
    if len(names) == len(arrays) or (names and len(arrays) == len(names) - 1 and names[-1] == "bias"):
        return names[: len(arrays)]
    return [f"array {number}" for number in range(len(arrays))]


def layers_of(config, prefix):
    """Yield (path in the file, (class, options)) of all layers that a description names, in their order."""
    counts = {}
    layers = config.get("config", {}).get("layers", []) if isinstance(config.get("config"), dict) else []
    for layer in layers if isinstance(layers, list) else []:
        kind, own = layer.get("class_name"), layer.get("config")
        if not isinstance(kind, str) or not isinstance(own, dict):
            continue
        stem = snake_case(kind)
        counts[stem] = counts.get(stem, -1) + 1
        path = f"{prefix}layers/{stem}" + (f"_{counts[stem]}" if counts[stem] else "")
        if kind in CONTAINERS:
            yield from layers_of(layer, f"{path}/")
        else:
            yield path, (kind, own)


def snake_case(name):
    """Return the name of a class as Keras writes it: Conv2DTranspose is conv2d_transpose."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def older_groups(file, datasets, config):
    """Return groups, order and options of an .h5 file, in which lists of names give the order."""
    root = "model_weights/" if "model_weights" in file else ""
    groups = {}
    for layer in texts(attributes(file.get(root.rstrip("/") or "/")).get("layer_names", ())):
        for weight in texts(attributes(file.get(f"{root}{layer}")).get("weight_names", ())):
            module, _, leaf = weight.partition(":")[0].rpartition("/")
            module = module.removesuffix("/lstm_cell")
            groups.setdefault(f"{layer}: {module}", {})[leaf] = datasets[f"{root}{layer}/{weight}"]
    for label in [label for label, arrays in groups.items() if set(arrays) == {"vector_u"}]:
        for inner in [inner for inner in groups if inner.startswith(f"{label}/")]:  # of a SpectralNormalization
            arrays = groups.pop(inner)
            groups[label] |= {"kernel" if leaf == "embeddings" else leaf: arrays[leaf] for leaf in arrays}
    described = {own.get("name"): (kind, own) for _, (kind, own) in layers_of(config or {}, "")}
    result, options = [], {}
    for label, arrays in groups.items():
        name = label.rpartition("/")[2].rpartition(": ")[2]
        name = name if name not in options else label
        result.append(Group(name, arrays))
        options[name] = described.get(name, (None, {}))
    return result, [group.name for group in result], options


def texts(values):
    """Return names in an attribute as texts: HDF5 has them as bytes, too."""
    return [value.decode() if isinstance(value, bytes) else str(value) for value in values]
