"""The arrays of a layer by name. Assigning to a name copies the numbers into the array that is already there.

A network's parameters and gradients are views into its flat vectors. If an assignment replaced such a view by another
array, the layer would compute with the new array, but the optimizer and `save` would still see the old one.
"""

import copy
import math
from collections.abc import MutableMapping

from minigan import backend
from minigan.errors import DeviceError, DtypeError, OptionError, ShapeError, UnknownArrayError
from minigan.options import shown


def copy_into(target, values, where):
    """Write `values` into the array `target`, which must have the same shape, dtype and device."""
    if values is target:  # what `arrays[name] += ...` ends with
        return
    require_fit(target, values, where)
    target[...] = values


def require_fit(target, values, where):
    """Raise ShapeError, DtypeError or DeviceError unless `values` can be written into the array `target`."""
    if not hasattr(values, "shape") or not hasattr(values, "dtype"):
        raise ShapeError(
            f"{where}: expected an array of shape {target.shape}, got {type(values).__name__}. To set all numbers to "
            f"one value: {where}[...] = value."
        )
    if values.shape != target.shape:
        raise ShapeError(f"{where}: expected an array of shape {target.shape}, got {values.shape}.")
    if values.dtype != target.dtype:
        raise DtypeError(
            f"{where}: expected an array of {target.dtype}, got {values.dtype}. Convert it: "
            f"values.astype({str(target.dtype)!r})."
        )
    if backend.array_module(values) is not backend.array_module(target):
        raise DeviceError(f"{where}: expected an array of the same device. Move it: backend.to_device(values, xp).")


class FixedArrays(MutableMapping):
    """A mapping whose arrays cannot be removed."""

    def __delitem__(self, name):
        raise OptionError(f"{name!r}: the arrays of a layer or network cannot be removed.")

    def __ior__(self, values):
        self.update(values)
        return self


class NamedArrays(FixedArrays):
    """A mapping of names to arrays, in which `arrays[name] = values` copies into the existing array.

    A layer can add names while it is built; then the network closes the mapping.
    Errors     ShapeError, DtypeError, DeviceError if values do not fit; OptionError for an unknown name
    """

    def __init__(self, where):
        self.where, self.arrays, self.closed = where, {}, False

    def __getitem__(self, name):
        if name not in self.arrays:
            raise UnknownArrayError(self.missing(name))
        return self.arrays[name]

    def __setitem__(self, name, values):
        if name in self.arrays:
            copy_into(self.arrays[name], values, f"{self.where}[{name!r}]")
        elif self.closed:
            raise OptionError(self.missing(name))
        else:
            self.arrays[name] = values

    def missing(self, name):
        """Return what is wrong where an array of this name is missing, as the text of an error."""
        return (
            f"{self.where}: there is no {name!r}; it holds {', '.join(self.arrays) or 'nothing'}. A layer makes its "
            "arrays in build: self.add_param(...) makes a parameter and its gradient, self.add_state(...) other arrays."
        )

    def __iter__(self):
        return iter(self.arrays)

    def __len__(self):
        return len(self.arrays)

    def __repr__(self):
        shapes = ", ".join(f"{name} {array.shape}" for name, array in self.arrays.items())
        return f"{self.where}: {shapes or 'no arrays'}"

    def place(self, name, array):
        """Store `array` itself under a name, without a copy."""
        self.arrays[name] = array

    def __deepcopy__(self, memo):
        """Copy only the arrays: gradient checks copy layers thousands of times, and Python's own way is slow."""
        twin = type(self)(self.where)
        vars(twin).update(vars(self), arrays={name: copy.deepcopy(array, memo) for name, array in self.arrays.items()})
        return twin


class Gradients(NamedArrays):
    """Gradients by name. After `forget` they count as 0, and the zeros are written only if somebody reads them.

    A training step clears all gradients and then adds to each of them once. After `forget`, the first addition
    overwrites the old numbers: this saves writing the zeros and reading them again.
    """

    def __init__(self, where):
        super().__init__(where)
        self.forgotten = set()

    def __deepcopy__(self, memo):
        twin = super().__deepcopy__(memo)
        twin.forgotten = set(self.forgotten)
        return twin

    def forget(self):
        """Let all gradients count as 0 from now on."""
        self.forgotten = set(self.arrays)

    def write_zeros(self):
        """Write the zeros that `forget` postponed."""
        for name in self.forgotten:
            self.arrays[name].fill(0)
        self.forgotten = set()

    def add(self, name, value, operands):
        """Compute grads[name] += value, or += value(*operands) for an operation that can write its result in place."""
        if name not in self.arrays:
            known = f"the parameters are {', '.join(self.arrays)}" if self.arrays else "the layer has no parameters yet"
            raise UnknownArrayError(
                f"add_grad: there is no {name!r}; {known}. A layer makes its parameters in build: "
                f"self.add_param({name!r}, shape, initializer, rng)."
            )
        shape, found = self.arrays[name].shape, getattr(value, "shape", ())
        # one number fits a parameter of one number: dy.sum() for b of shape (1,)
        if not operands and found != shape and math.prod(found) * math.prod(shape) != 1:
            raise ShapeError(
                f"add_grad({name!r}, ...): expected the gradient of a parameter of shape {shape}, an array of the same "
                f"shape, got {shown(value)}. Is a sum over the samples missing, or one too many?"
            )
        if name not in self.forgotten:
            self.arrays[name] += value(*operands) if operands else value
            return
        self.forgotten.remove(name)
        if operands:
            value(*operands, out=self.arrays[name])
        else:
            self.arrays[name][...] = value

    def __getitem__(self, name):
        self.write_zeros()
        return super().__getitem__(name)

    def __setitem__(self, name, values):
        self.write_zeros()
        super().__setitem__(name, values)


class ArraysOfLayers(FixedArrays):
    """The arrays of all layers of a network in one mapping: "0.Dense.W" is W of the layer named 0.Dense."""

    closed = True

    def __init__(self, layers, kind):
        self.kind, self.parts = kind, {}
        for layer in layers:
            arrays = getattr(layer, kind)
            self.parts.update({f"{layer.name}.{name}": (arrays, name) for name in arrays})

    def __getitem__(self, name):
        if name not in self.parts:
            raise UnknownArrayError(
                f"{self.kind}: there is no {name!r}; the names are {', '.join(self.parts) or 'none'}."
            )
        arrays, own_name = self.parts[name]
        return arrays[own_name]

    def __setitem__(self, name, values):
        if name not in self.parts:
            raise OptionError(f"{self.kind}: there is no {name!r}; the names are {', '.join(self.parts) or 'none'}.")
        arrays, own_name = self.parts[name]
        arrays[own_name] = values

    def __iter__(self):
        return iter(self.parts)

    def __len__(self):
        return len(self.parts)

    def __repr__(self):
        return f"{self.kind}: {', '.join(self.parts) or 'no arrays'}"


class ArraysAttribute:
    """An attribute of a layer: its arrays of one kind. Assigning a mapping to the attribute copies each array.

    The mapping is made when it is first used, so a layer does not need to call `super().__init__()`.
    """

    def __init__(self, kind):
        self.kind = kind

    def __set_name__(self, owner, name):
        self.name = name

    def __get__(self, layer, owner=None):
        if layer is None:
            return self
        values = vars(layer)
        if f"_{self.name}" not in values:
            values[f"_{self.name}"] = self.kind(self.name)
        return values[f"_{self.name}"]

    def __set__(self, layer, values):
        arrays = self.__get__(layer)
        if values is arrays:  # what `layer.params |= ...` ends with
            return
        found = set(values) if hasattr(values, "items") else type(values).__name__
        if not hasattr(values, "items") or (arrays.closed and found != set(arrays)):
            raise OptionError(f"{self.name}: expected a dict of arrays with the names {set(arrays)}, got {found}.")
        for name in set(values) & set(arrays):  # all of them, before the first is changed
            require_fit(arrays[name], values[name], f"{self.name}[{name!r}]")
        for name, value in values.items():
            arrays[name] = value
