"""A network as a file of the format safetensors: an array for each parameter, and the architecture among the metadata.

0.Dense.W, 0.Dense.b, 1.BatchNorm.gamma, ..., 1.BatchNorm.mean, ...      the names of net.params and net.state
"""

import hashlib

from minigan import backend, npz, storage
from minigan.errors import CheckpointError, OptionError
from minigan.interop import safetensors_file
from minigan.options import shown

ARCHITECTURE, SUM = "minigan", "sha256"  # names among the metadata


def save(network, target, metadata=None):
    """Write a network: see Sequential.to_safetensors."""
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict) or not all(map(is_text, (*metadata, *metadata.values()))):
        raise OptionError(
            f'to_safetensors: expected metadata as a dict of texts, {{"licence": "CC BY-SA 3.0"}}, got '
            f"{shown(metadata)}."
        )
    taken = {ARCHITECTURE, SUM, "format"} & set(metadata)
    if taken:
        raise OptionError(f"to_safetensors: minigan writes {', '.join(sorted(taken))} into the metadata itself.")
    found = {**network.params, **network.state}
    storage.require_finite("network", found, "Load the last file that you saved.")
    arrays = {name: backend.to_cpu(array) for name, array in found.items()}
    own = {"format": "np", ARCHITECTURE: storage.architecture_text(network), SUM: sum_of(arrays)}
    storage.write(target, safetensors_file.to_bytes(arrays, {**own, **metadata}))


def is_text(value):
    """Return whether a value is a text that a file can hold: Python's may have halves of letters."""
    return isinstance(value, str) and value.encode("utf-8", "replace").decode() == value


def sum_of(arrays):
    """Return the SHA-256 of all names and numbers, sorted by name: it does not depend on how a program orders them."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        total.update(name.encode() + b"\0")
        total.update(arrays[name].tobytes())
    return total.hexdigest()


def load(network_class, source, xp, own_classes):
    """Read a network: see Sequential.from_safetensors."""
    where, content = storage.read(source)
    arrays, metadata = safetensors_file.from_bytes(content, where)
    if ARCHITECTURE not in metadata:
        raise CheckpointError(
            f"{where}: holds {len(arrays)} arrays, but not the architecture of a network of minigan. If it comes from "
            "PyTorch, make the network here and fill it: minigan.interop.from_torch(net, path)."
        )
    if metadata.get(SUM, sum_of(arrays)) != sum_of(arrays):
        raise CheckpointError(f"{where}: damaged: its numbers do not match the SHA-256 in its metadata.")
    text = metadata[ARCHITECTURE]
    architecture = npz.json_of(text, ARCHITECTURE, where, storage.LONGEST_TEXT)
    total = sum(array.size for array in arrays.values())
    network = storage.build(network_class, architecture, own_classes, total, total, where)
    expected = {**network.params, **network.state}
    if set(expected) != set(arrays):
        raise CheckpointError(
            f"{where}: expected the arrays {storage.listed(expected)}, found {storage.listed(arrays)}."
        )
    for name, target in expected.items():
        storage.fill(target, arrays[name], name, where)
    network.convert(network.dtype, xp)
    return network
