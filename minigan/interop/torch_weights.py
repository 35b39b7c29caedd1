"""Weights from PyTorch, and for PyTorch.

Dense                   Linear           weight (out, in) is W (in, out); bias is b
Conv2D                  Conv2d           weight (out, in / g, kh, kw) is W (kh, kw, in / g, out)
Conv2DTranspose         ConvTranspose2d  weight (in, out / g, kh, kw) is W (kh, kw, out / g, in)
BatchNorm               BatchNorm1d, 2d  weight, bias, running_mean, running_var are gamma, beta, mean, variance
LayerNorm, InstanceNorm, GroupNorm       weight, bias are gamma, beta
LSTM                    LSTM             weight_ih (4 u, in), weight_hh (4 u, u): W, U transposed; bias_ih + bias_hh: b
Embedding               Embedding        weight is E
SpectralNorm            spectral_norm    those of the inner layer; u and v of the power iteration: spectral.py

A vector that was an image, or becomes one, has its units in another order: places.py.
"""

import re

import numpy as np

from minigan import backend
from minigan.errors import CheckpointError, OptionError
from minigan.hints import Array, PathLike
from minigan.interop.matching import Group, listed, match
from minigan.interop.places import checked_places
from minigan.interop.spectral import direction, is_embedding, matrix_of, require_length, tell_of_sigma
from minigan.interop.tensors import numbers, tensors_of
from minigan.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    SpectralNorm,
)
from minigan.network import Sequential
from minigan.options import shown

COUNTER = "num_batches_tracked"  # of PyTorch's BatchNorm: it is not needed
ORIGINAL, LEFT, RIGHT = (f"parametrizations.weight.{name}" for name in ("original", "0._u", "0._v"))
OLDER = {"weight_orig": ORIGINAL, "weight_u": LEFT, "weight_v": RIGHT}  # of the older torch.nn.utils.spectral_norm
OF_SPECTRAL_NORM = re.compile(r"(?:(.*)\.)?(parametrizations\.weight\.(?:original|0\._[uv]))", re.DOTALL)
OF_LSTM = re.compile(r"((?:weight|bias)_[ih]h)(?:_l(\d+))?(_reverse)?", re.ASCII)


def arranged(array, order, axis=0):
    """Return an array with one axis in our order; None: as it is."""
    return array if order is None else np.take(array, order, axis)


def put_back(array, order, axis=0):
    """Return an array with one axis in PyTorch's order: the inverse of `arranged`."""
    return array if order is None else np.take(array, np.argsort(order), axis)


class Conversion:
    """How the arrays of a layer become PyTorch's, and back."""

    def theirs(self, place, arrays):
        """Return PyTorch's arrays by name; arrays: ours by name."""
        raise NotImplementedError

    def ours(self, place, found):
        """Return our arrays by name; found: PyTorch's by name."""
        raise NotImplementedError


class OfDense(Conversion):
    """Dense: the rows of W in the order of its inputs, the columns in that of its outputs."""

    def theirs(self, place, arrays):
        W = put_back(put_back(arrays["W"], place.before, 0), place.after, 1)
        return {"weight": W.T, **({"bias": put_back(arrays["b"], place.after)} if "b" in arrays else {})}

    def ours(self, place, found):
        W = arranged(arranged(found["weight"].T, place.before, 0), place.after, 1)
        return {"W": W, **({"b": arranged(found["bias"], place.after)} if "bias" in found else {})}


class OfConvolution(Conversion):
    """Conv2D and Conv2DTranspose, with groups, too: (a, b, kh, kw) there, (kh, kw, b, a) here."""

    def theirs(self, place, arrays):
        return {"weight": arrays["W"].transpose(3, 2, 0, 1), **({"bias": arrays["b"]} if "b" in arrays else {})}

    def ours(self, place, found):
        W = found["weight"].transpose(2, 3, 1, 0)
        return {"W": W, **({"b": found["bias"]} if "bias" in found else {})}


class OfNorm(Conversion):
    """All normalizations: a number for each channel or unit."""

    names = {"gamma": "weight", "beta": "bias"}

    def theirs(self, place, arrays):
        return {theirs: put_back(arrays[ours], place.after) for ours, theirs in self.names.items()}

    def ours(self, place, found):
        return {ours: arranged(found[theirs], place.after) for ours, theirs in self.names.items()}


class OfBatchNorm(OfNorm):
    """BatchNorm: the running statistics, too."""

    names = {**OfNorm.names, "mean": "running_mean", "variance": "running_var"}


class OfLSTM(Conversion):
    """LSTM: the gates have the same order. PyTorch has two biases, which it adds up."""

    def theirs(self, place, arrays):
        zeros = np.zeros_like(arrays["b"])
        return {"weight_ih": arrays["W"].T, "weight_hh": arrays["U"].T, "bias_ih": arrays["b"], "bias_hh": zeros}

    def ours(self, place, found):
        return {"W": found["weight_ih"].T, "U": found["weight_hh"].T, "b": found["bias_ih"] + found["bias_hh"]}


class OfEmbedding(Conversion):
    """Embedding: the same table."""

    def theirs(self, place, arrays):
        return {"weight": arrays["E"]}

    def ours(self, place, found):
        return {"E": found["weight"]}


class OfSpectralNorm(Conversion):
    """SpectralNorm: the arrays of the inner layer, and both vectors of the power iteration.

    Their u belongs to the rows of their matrix: the outputs, but in an Embedding the classes.
    """

    def theirs(self, place, arrays):
        _, of_u = matrix_of(place.layer)
        found = CONVERSIONS[type(place.layer.inner)].theirs(place, arrays)
        weight, own = found.pop("weight"), arrays[of_u]
        matrix = self.matrix(place, weight)
        if is_embedding(place.layer):
            u, v = direction(matrix @ own), own
        else:
            u = put_back(own, place.after)
            v = direction(matrix.T @ u)
        return {ORIGINAL: weight, **found, LEFT: u, RIGHT: v}

    def ours(self, place, found):
        _, of_u = matrix_of(place.layer)
        inner = CONVERSIONS[type(place.layer.inner)].ours(place, {**found, "weight": found[ORIGINAL]})
        u = found[RIGHT] if is_embedding(place.layer) else arranged(found[LEFT], place.after)
        require_length(u, f"{place.layer.name}: the vector of its power iteration", "Is it from another weight?")
        return {**inner, of_u: u}

    def matrix(self, place, weight):
        """Return PyTorch's weights as its matrix: a row for each output, which is axis 1 of ConvTranspose2d."""
        axis = 1 if isinstance(place.layer.inner, Conv2DTranspose) else 0
        return np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)

    def sigma(self, place, found):
        """Return what PyTorch divides by, in inference."""
        return float(found[LEFT] @ self.matrix(place, found[ORIGINAL]) @ found[RIGHT])


OF_NORMED = OfSpectralNorm()
CONVERSIONS: dict[type, Conversion] = {
    Dense: OfDense(),
    Conv2D: OfConvolution(),
    Conv2DTranspose: OfConvolution(),
    BatchNorm: OfBatchNorm(),
    LayerNorm: OfNorm(),
    InstanceNorm: OfNorm(),
    GroupNorm: OfNorm(),
    LSTM: OfLSTM(),
    Embedding: OfEmbedding(),
    SpectralNorm: OF_NORMED,
}
COUNTERPARTS = set(CONVERSIONS) - {SpectralNorm}
NORMED = {Dense, Conv2D, Conv2DTranspose, Embedding}  # of an LSTM, PyTorch has a norm for each array, or for some


def from_torch(net: Sequential, tensors: dict | PathLike, names: list[str] | None = None) -> Sequential:
    """Fill a network with weights of PyTorch, and return it. If anything does not fit, nothing changes.

    net        a network with the same layers; make it first. Images are (h, w, c) here
    tensors    module.state_dict(), a dict of arrays, or the path of a .safetensors or .npz file with one
    names      the names of the modules in the order of the layers, needed only if their shapes and numbers do not say
               it: ["fc", "conv1", "bn1"]
    A state_dict does not hold options: compare strides, padding, slopes and epsilon yourself. docs/interop.md has a
    table. BatchNorm's momentum is 1 - that of PyTorch. SpectralNorm reads both kinds of PyTorch's spectral_norm.
    Errors     CheckpointError if arrays are missing, left over or of other shapes; OptionError for a pickle
    Warnings   MisuseWarning where a spectral norm is another number here than there
    """
    where = "from_torch"
    places = checked_places(net, where, "PyTorch", COUNTERPARTS, NORMED, reordered=True)
    require_groups(places, where)
    require_names(names)
    groups = grouped(tensors_of(tensors, where), where)
    require_as_many_norms(places, groups, where)
    needs = [
        {name: array.shape for name, array in CONVERSIONS[type(place.layer)].theirs(place, arrays_of(place)).items()}
        for place in places
    ]
    found = match(places, needs, groups, names, where)
    read = [
        {name: numbers(array, group.full_name(name), net.dtype, where) for name, array in group.arrays.items()}
        for group in found
    ]
    new = [CONVERSIONS[type(place.layer)].ours(place, arrays) for place, arrays in zip(places, read, strict=True)]
    write(places, new)
    for place, arrays in zip(places, read, strict=True):
        if isinstance(place.layer, SpectralNorm):
            theirs = OF_NORMED.sigma(place, arrays)
            tell_of_sigma(where, place, theirs, "PyTorch", "There: module.train(), then some passes, and save again.")
    return net


def to_torch(net: Sequential, names: list[str] | None = None) -> dict[str, Array]:
    """Return the weights of a network as PyTorch's state_dict: name -> NumPy array, in PyTorch's axes.

    names      the names of the modules in the order of the layers with weights; by default the numbers of the layers,
               as in a torch.nn.Sequential with a module for each layer
    To load it there: module.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()})
    SpectralNorm is what torch.nn.utils.parametrizations.spectral_norm makes of a module.
    """
    places = checked_places(net, "to_torch", "PyTorch", COUNTERPARTS, NORMED, reordered=True)
    require_groups(places, "to_torch")
    require_names(names)
    if names is not None and len(names) != len(places):
        raise OptionError(f"to_torch: expected {len(places)} names, one for each layer with weights, got {len(names)}.")
    state = {}
    for number, place in enumerate(places):
        prefix = place.path if names is None else names[number]
        found = CONVERSIONS[type(place.layer)].theirs(place, arrays_of(place))
        if isinstance(place.layer, LSTM):
            found = {f"{name}_l0": array for name, array in found.items()}
        if isinstance(place.layer, BatchNorm):
            found[COUNTER] = np.array(0)
        # order="C": a transposed view would be written wrong by safetensors.numpy, without a word
        state |= {f"{prefix}.{name}": np.array(array, order="C") for name, array in found.items()}
    return state


def require_groups(places, owner):
    """Raise OptionError for groups of units that are other ones in PyTorch."""
    for place in places:
        if isinstance(place.layer, GroupNorm) and place.before is not None:
            raise OptionError(
                f"{owner}: {place.layer.name} has other units in its groups than in PyTorch, behind a Flatten."
            )


def require_as_many_norms(places, groups, where):
    """Raise CheckpointError if not as many layers as modules have a spectral norm."""
    theirs = [group.name for group in groups if ORIGINAL in group.arrays]
    ours = [place.layer.name for place in places if isinstance(place.layer, SpectralNorm)]
    if len(theirs) != len(ours):
        raise CheckpointError(
            f"{where}: {len(theirs)} modules there have weights under a spectral norm ({listed(theirs) or 'none'}), "
            f"and {len(ours)} layers here ({listed(ours) or 'none'}). Make the same layers here, such as "
            "SpectralNorm(Dense(64)). Or take the norm away there: "
            "torch.nn.utils.parametrize.remove_parametrizations(module, 'weight'); of the older spectral_norm: "
            "torch.nn.utils.remove_spectral_norm(module)."
        )


def require_names(names):
    if names is not None and (not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names)):
        raise OptionError(f"names: expected a list of texts, the names of the modules, got {shown(names)}.")


def arrays_of(place):
    """Return the arrays of a layer on the CPU."""
    layer = place.layer
    return {name: backend.to_cpu(array) for name, array in (*layer.params.items(), *layer.state.items())}


def write(places, new):
    """Write new arrays into the layers; all of them are known to fit."""
    for place, arrays in zip(places, new, strict=True):
        for name, array in arrays.items():
            target = place.layer.params if name in place.layer.params else place.layer.state
            xp = backend.array_module(target[name])
            target[name][...] = backend.to_device(np.array(array, order="C"), xp)


def grouped(tensors, where):
    """Return the groups of a state_dict. Each layer of an LSTM is a group of its own."""
    groups = {}
    for full, array in tensors.items():
        name, _, leaf = full.rpartition(".")
        if leaf == COUNTER:
            continue
        spectral = OF_SPECTRAL_NORM.fullmatch(full)
        if spectral:
            name, leaf = spectral[1] or "", spectral[2]
        elif leaf == "weight_g" or ".parametrizations." in f".{full}":
            raise CheckpointError(
                f"{where}: {shown(full)} belongs to a weight that PyTorch computes anew in each pass, by another rule "
                "than the spectral norm. Make it a plain weight there first: "
                "torch.nn.utils.parametrize.remove_parametrizations(module, 'weight'); of the older weight_norm: "
                "torch.nn.utils.remove_weight_norm(module)."
            )
        leaf, number = OLDER.get(leaf, leaf), 0
        lstm = OF_LSTM.fullmatch(leaf)
        if lstm:
            if lstm[3]:
                raise CheckpointError(
                    f"{where}: {shown(full)} belongs to a bidirectional LSTM, which minigan does not have."
                )
            leaf, number = lstm[1], int(lstm[2] or 0)
        group = groups.setdefault((name, number), Group(name, {}))
        group.arrays[leaf] = array
    for group in groups.values():
        if "weight_ih" in group.arrays and "bias_ih" not in group.arrays:  # made with bias=False
            zeros = np.zeros(group.arrays["weight_ih"].shape[:1], "float32")
            group.arrays |= {"bias_ih": zeros, "bias_hh": zeros}
        if set(group.arrays) == {"running_mean", "running_var"}:  # made with affine=False
            mean = group.arrays["running_mean"]
            group.arrays |= {"weight": np.ones_like(mean), "bias": np.zeros_like(mean)}
    several = {name for name, number in groups if number}
    return [
        Group(f"{name} layer {number}" if name in several else name, group.arrays)
        for (name, number), group in groups.items()
    ]
