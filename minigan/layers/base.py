"""The contract of a layer, and what all layers share: shapes, parameters, and the arrays saved for backward."""

import inspect
import math
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import Any, NoReturn

import numpy as np

from minigan import backend, initializers
from minigan.budget import limited, spend
from minigan.errors import CacheError, DeviceError, DtypeError, OptionError, ShapeError
from minigan.hints import Array, DType, Rng, Shape
from minigan.labels import checked_labels, labels_for, require_classes
from minigan.layers import advice
from minigan.layers.arrays import ArraysAttribute, Gradients, NamedArrays
from minigan.layers.trainable import Trainable
from minigan.memory import require_room
from minigan.options import as_constructed, require_dtype, require_module, require_rng, require_shape, shown
from minigan.parallel.group import ALONE, Group

# True within `saving_nothing`; each thread has its own, and workers take over that of the thread they work for
saves_no_arrays = ContextVar("saves_no_arrays", default=False)


@contextmanager
def saving_nothing():
    """Let forward passes in this thread save nothing for backward, as `predict` does.

    So inference does not touch what a training forward has saved, in this thread or in another one.
    """
    token = saves_no_arrays.set(True)
    try:
        yield
    finally:
        saves_no_arrays.reset(token)


PASSES = ("forward", "backward", "tangent")

# True within `retaining`: then backward leaves what it used in the layer, for `tangent`
retains_saved = ContextVar("retains_saved", default=False)


@contextmanager
def retaining():
    """Let backward passes in this thread keep dy and what forward saved, for a tangent pass after them."""
    token = retains_saved.set(True)
    try:
        yield
    finally:
        retains_saved.reset(token)


def saves_nothing():
    """Return whether this thread is within `saving_nothing`."""
    return saves_no_arrays.get()


class Layer:
    """One differentiable function of a network. A subclass writes `forward` and `backward`, one below the other.

        build(input_shape, rng, dtype, xp) -> output_shape          shapes without the batch axis
        forward(x, training=False) -> y                             saves what backward needs
        backward(dy, param_grads=True, input_grad=True) -> dx       adds to grads, uses up what forward saved

    Rules   forward and backward never write to x or dy. backward adds to `grads` and never changes a parameter. With
            input_grad=False it returns None; with param_grads=False it does not touch `grads`. `training` chooses
            the mathematics (batch statistics, dropout); backward must be right after both.
    Second  tangent(xdot) -> ydot, needed only for gradients of gradients, as in a gradient penalty: see there
    Arrays  params, grads: name -> array, with the same names and shapes. state: arrays that are saved but not trained.
            A network uses views of them, so they are never replaced: `layer.params["W"] = w` copies the numbers of w.
    Tools   in build: add_param, add_state;  in forward: check_input, save_for_backward;  in backward: saved, add_grad
    Labels  a layer that needs the classes of the samples sets takes_labels = True in the class and self.classes in
            __init__, and has forward(x, training=False, labels=None), with check_labels
    Check   minigan.checks.check_layer(lambda: MyLayer(...), input_shape) runs the whole contract.
    """

    params = ArraysAttribute(NamedArrays)
    grads = ArraysAttribute(Gradients)
    state = ArraysAttribute(NamedArrays)

    trainable = Trainable()  # False: the layer is frozen

    # set by build
    name: str = None
    input_shape: tuple[int, ...] = None
    output_shape: tuple[int, ...] = None
    dtype: np.dtype = None
    xp: ModuleType = None
    group: Group = ALONE  # the workers that share the batch; a formula over the whole batch sums over them
    # what forward saved for backward: (number of samples, arrays); and the x of the current forward pass
    cache = current_x = None
    upstream = None  # dy of a backward pass within `retaining`
    bend = None  # what tangent found: the gradient of sum(dy ydot) with respect to x; None counts as 0
    follows_directions = False  # True if tangent follows parameters that move, too, as Dense's does
    directions: dict[str, Array] = {}  # along which the parameters move in a tangent pass; by default they stay

    mixes_samples = False  # True if the output of a sample depends on the other samples of its batch (BatchNorm)
    asks_group = False  # True for a layer that mixes samples, and sums over all workers where they share a batch
    latest_state: tuple[str, ...] = ()  # names of state that a moving average of the network takes as it is now
    takes_labels = False  # True for a layer with forward(x, training=False, labels=None)
    classes: int | None = None  # how many classes the labels are of, if it takes labels

    def build(self, input_shape: Shape, rng: Rng, dtype: DType, xp: ModuleType) -> Shape:
        """Set the shapes. A subclass with parameters calls this first, then `add_param`, and returns its output shape.

        Errors: OptionError if the layer is already part of a network.
        """
        if self.input_shape is not None:
            raise OptionError(advice.built_twice(self))
        owner = self.name or type(self).__name__
        require_classes(self)
        shape, dtype = require_shape(owner, input_shape=input_shape), require_dtype(owner, dtype)
        require_rng(owner, rng)
        require_module(owner, xp)
        what, size = f"one input of shape {shape}", math.prod(shape)
        spend("sample", size, owner, what)
        require_room(owner, what, size * dtype.itemsize, xp)
        self.name, self.dtype, self.xp = owner, dtype, xp
        self.input_shape = self.output_shape = shape
        return self.output_shape

    def add_param(
        self,
        name: str,
        shape: Shape,
        initializer: initializers.Initializer,
        rng: Rng,
        axes: Sequence[int] = initializers.AXES,
    ) -> None:
        """Create the parameter `name` with values from the initializer, and a gradient of zeros.

        While a network is read from a file, the parameter starts as zeros: its numbers come from the file.
        axes       the axes of the inputs and of the outputs in a weight's shape; some initializers depend on them
        """
        self.require_begun()
        spend("parameters", math.prod(shape), self.name, f"{name} of shape {tuple(shape)}")
        size = math.prod(shape) * (8 + 2 * self.dtype.itemsize)
        what = f"{name} of shape {tuple(shape)}, drawn in float64 and kept with its gradient,"
        require_room(self.name, what, size, self.xp)
        if limited():
            self.params.place(name, self.xp.zeros(shape, self.dtype))
        else:
            values = initializers.first_values(initializer, tuple(shape), rng, self.dtype, axes)
            self._check_initial(name, values, tuple(shape), initializer)
            self.params.place(name, backend.to_device(values, self.xp))
        self.grads.place(name, self.xp.zeros(shape, self.dtype))

    def _check_initial(self, name, values, shape, initializer):
        fits = backend.is_array(values) and (values.shape, values.dtype) == (shape, self.dtype)
        if not fits or not backend.finite_where_cheap(values):
            raise OptionError(
                f"{self.name}: expected from the initializer {shown(initializer)} of {name} an array of {self.dtype} "
                f"of shape {shape} with finite numbers, got {shown(values)}."
            )

    def add_state(self, name: str, values: Array) -> None:
        """Create the array `name`, which is saved with the layer but not trained."""
        self.require_begun()
        spend("state", values.size, self.name, f"{name} of shape {values.shape}")
        self.state.place(name, values)

    def forward(self, x: Array, training: bool = False) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, training=False)")

    def backward(self, dy: Array, param_grads: bool = True, input_grad: bool = True) -> Array | None:
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy, param_grads=True, input_grad=True)")

    def __call__(self, *arguments: Any, **options: Any) -> NoReturn:
        """Raise TypeError: the name of a pass says whether it saves arrays for backward."""
        raise TypeError(advice.not_called(self))

    def tangent(self, xdot: Array) -> Array:
        """Return ydot, how y changes if x moves along xdot; then add the gradients of S = sum(dy ydot).

        It follows a forward and a backward within `retaining`, and `retained(xdot)` returns the dy of that backward
        together with what forward saved. S depends on the parameters and on x, with dy and xdot held fixed:
        tangent adds dS/dparameter by `add_grad`, and sets self.bend = dS/dx, unless the layer is linear in x.
        Parameters that move, too, are in self.directions (only for Hessian-vector products).
        Derivation: docs/second_order.md
        """
        raise OptionError(advice.no_tangent(self))

    def tangent_backward(
        self, dy: Array | None = None, param_grads: bool = True, input_grad: bool = True
    ) -> Array | None:
        """Pass dy down as backward does, and add the layer's bend to dx: the last pass of three. None counts as 0."""
        dx, bend = None, self.bend
        if dy is not None:
            dx = self.backward(dy, param_grads, input_grad)
        self.clear_cache()
        if not input_grad or bend is None:
            return dx
        return bend if dx is None else dx + bend

    def check_input(self, x: Array, where: str = "forward") -> None:
        """Raise an error that explains what is wrong if x has the wrong shape, dtype or device.

        where      the call that got x, for the error
        """
        self.require_built()
        self._check_array(where, "x", x, self.input_shape, batch=None)
        if len(x) == 0:
            raise ShapeError(f"{self.name} {where}: expected at least one sample, got x of shape {x.shape}.")
        if not saves_nothing():
            self.current_x = x

    def check_labels(self, labels: Any, x: Array) -> Array:
        """Return the labels of the samples x as an array of int64 (n,); raise an error that explains what is wrong."""
        owner = f"{self.name} forward"
        return checked_labels(owner, labels_for(self, labels, owner), len(x), self.classes, self.xp)

    def require_built(self):
        """Raise ShapeError unless the layer is built."""
        if self.input_shape is None:
            raise ShapeError(advice.not_built(self))

    def require_begun(self):
        """Raise OptionError unless the build of this class has run, with which that of a subclass begins."""
        if self.input_shape is None:
            raise OptionError(advice.no_build(self))

    def require_images(self):
        """Raise ShapeError unless each input is an image, (h, w, c); a subclass calls it in build, after this one's."""
        self.require_begun()
        if len(self.input_shape) != 3:
            shape = ", ".join(map(str, self.input_shape))
            raise ShapeError(f"{self.name}: expected images (n, h, w, c), got (n, {shape}).")

    def save_for_backward(self, *arrays: Any) -> None:
        """Save what backward needs: arrays, or anything else. `saved` returns it.

        Saved arrays cannot change: the caller's are copied unless they are read-only, the layer's own become read-only.
        Within `predict` nothing is saved.
        """
        if saves_nothing():
            return
        samples = None if self.current_x is None else len(self.current_x)
        kept = tuple(array if self.owns(array) else backend.protected(array, self.current_x) for array in arrays)
        self.cache, self.current_x, self.upstream = (samples, kept), None, None

    def owns(self, array: Any) -> bool:
        """Return whether an object is one of the layer's own parameters or state, which the optimizer must change."""
        return any(array is own for kind in (self.params, self.state) for own in kind.arrays.values())

    def saved(self, dy: Array) -> Any:
        """Check dy, then return what `save_for_backward` saved, which can be used only once.

        A single array is returned alone, several as a tuple.
        Errors: CacheError if forward saved nothing, or it is used up; ShapeError, DtypeError for a wrong dy.
        """
        if self.cache is None:
            raise CacheError(advice.nothing_saved(self))
        samples, arrays = self.cache
        self._check_array("backward", "dy", dy, self.output_shape, batch=samples)
        if retains_saved.get():
            self.upstream = backend.safe_copy(backend.protected(dy, None))  # the caller may write to dy afterwards
        else:
            self.cache = None
        return arrays[0] if len(arrays) == 1 else arrays

    def retained(self, xdot: Array) -> tuple:
        """Check xdot, then return (dy, array, ...): dy of the backward pass before, and what forward had saved.

        Errors: CacheError without a forward and a backward within `retaining` before; ShapeError, DtypeError for xdot.
        """
        self.require_retained()
        samples, arrays = self.cache
        self._check_array("tangent", "xdot", xdot, self.input_shape, batch=samples)
        self.bend = None
        return (self.upstream, *arrays)

    def require_retained(self):
        """Raise CacheError unless there was a forward, then a backward within `retaining`."""
        if self.cache is None or self.upstream is None:
            raise CacheError(advice.nothing_retained(self))

    def add_grad(self, name: str, value: Any, *operands: Any) -> None:
        """Compute grads[name] += value, unless the layer is frozen.

        With operands, value is an operation of minigan.ops that can write into `out`: grads[name] += value(*operands)
        without a temporary array, as in `self.add_grad("W", matmul, x.T, dy)`.
        """
        if self.trainable:
            self.grads.add(name, value, operands)

    def forget_grads(self):
        """Let all gradients count as 0 from now on; the zeros are written only if somebody reads them."""
        self.grads.forget()

    def clear_cache(self):
        """Forget what forward, backward and tangent saved."""
        self.cache = self.upstream = self.bend = None

    def _check_array(self, where, what, array, shape, batch):
        if not backend.is_array(array) or array.dtype != self.dtype:
            raise DtypeError(
                f"{self.name} {where}: expected {what} as an array of {self.dtype}, got {shown(array)}. Convert it: "
                f"{what}.astype({str(self.dtype)!r}); a list or a matrix: numpy.asarray({what}, {str(self.dtype)!r}); "
                "images of uint8: minigan.data.scale(images)."
            )
        expected = (len(array) if batch is None and array.ndim else batch, *shape)
        if array.shape != expected:
            wanted = ", ".join(["n" if batch is None else str(batch), *map(str, shape)])
            hint = "The first axis is the batch; the other axes must be the ones that the layer was built for."
            if array.shape == tuple(shape) and batch in (None, 1):
                hint = f"The first axis is the batch. For one sample: {what}[None]."
            raise ShapeError(f"{self.name} {where}: expected {what} of shape ({wanted}), got {array.shape}. {hint}")
        if backend.array_module(array) is not self.xp:
            raise DeviceError(advice.other_device(self, where, what, backend.array_module(array)))

    def bind(self, flat_params, flat_grads):
        """Move the parameters and gradients into two flat vectors; from now on they are views into these."""
        self.grads.write_zeros()
        start = 0
        for name, value in self.params.items():
            place = slice(start, start + value.size)
            for arrays, flat in ((self.params, flat_params), (self.grads, flat_grads)):
                flat[place] = arrays[name].ravel()
                arrays.place(name, flat[place].reshape(value.shape))
            start += value.size
        for kind in ("params", "grads", "state"):
            arrays = getattr(self, kind)
            arrays.where, arrays.closed = f"{self.name}.{kind}", True

    def convert(self, dtype, xp):
        """Change the dtype and the array module in place; integers in the state stay integers."""
        for arrays in (self.params, self.grads, self.state):
            for name, value in arrays.items():
                value = backend.to_device(value, xp)
                arrays.place(name, value.astype(dtype, copy=False) if value.dtype.kind == "f" else value)
        self.dtype, self.xp = np.dtype(dtype), xp
        self.clear_cache()

    def __getstate__(self):
        """Return what copies and pickles hold: not what forward saved nor the group, and the device by name."""
        left_out = ("cache", "current_x", "upstream", "bend", "directions", "group")
        values = {name: value for name, value in vars(self).items() if name not in left_out}
        return {**values, "xp": None if self.xp is None else backend.device_name(self.xp)}

    def __setstate__(self, values):
        vars(self).update(values)
        self.xp = None if self.xp is None else backend.module_of(self.xp)

    def flops(self) -> int:
        """Return the floating-point operations of a forward pass of one sample: one per output number by default."""
        self.require_built()
        return math.prod(self.output_shape)

    def describe(self):
        """Return the layer's name in a summary, with what it chose while it was built."""
        return self.name

    def config(self):
        """Return the constructor's arguments as JSON values; each must be stored in an attribute of the same name."""
        values = {}
        for name in inspect.signature(type(self).__init__).parameters:
            if name in ("self", "args", "kwargs"):
                continue
            if not hasattr(self, name):
                raise OptionError(advice.not_stored(self, name))
            value = getattr(self, name)
            if isinstance(value, initializers.Initializer):
                value = {"initializer": type(value).__name__, **value.config()}
            values[name] = list(value) if isinstance(value, tuple) else value
        return values

    def __repr__(self):
        return as_constructed(self)

    # old names, from minigan 0.1, which work for one release

    def keep(self, x, *arrays):
        warnings.warn("Layer.keep(x, ...) is now save_for_backward(...).", DeprecationWarning, stacklevel=2)
        if self.current_x is None and not saves_nothing():
            self.current_x = x
        self.save_for_backward(*arrays)

    def take_cache(self, dy):
        warnings.warn("Layer.take_cache(dy) is now saved(dy).", DeprecationWarning, stacklevel=2)
        return self.saved(dy)


def has_tangent(layer):
    """Return whether the tangent of a layer belongs to its forward and backward.

    A class that inherits tangent but writes another forward or backward needs another tangent as well.
    """
    if not all(map(has_tangent, getattr(layer, "layers", ()))):
        return False
    order = type(layer).__mro__
    forward, backward, tangent = (next(i for i, kind in enumerate(order) if name in vars(kind)) for name in PASSES)
    return order[tangent] is not Layer and tangent <= min(forward, backward)
