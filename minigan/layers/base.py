"""The contract of a layer, and what all layers share: shapes, parameters, the cache between forward and backward."""

import copy
import inspect
import math

import numpy as np

from minigan import backend, initializers
from minigan.errors import CacheError, DeviceError, DtypeError, OptionError, ShapeError


class Layer:
    """One differentiable step. A subclass writes `forward` and `backward`, one under the other.

        build(input_shape, rng, dtype, xp) -> output_shape          shapes without the batch axis
        forward(x, training=False) -> y                             keeps what backward needs
        backward(dy, param_grads=True, input_grad=True) -> dx       adds into grads, uses up the cache

    Rules   forward and backward never write to x or dy. backward adds to `grads`, never changes a parameter, and
            returns None where input_grad is False; with param_grads=False it leaves `grads` alone. `training`
            chooses the mathematics (batch statistics, dropout); backward is right after either.
    Arrays  params, grads: name -> array, same names, same shapes. state: what is saved but not trained. All are
            written in place: a network holds views of them.
    Check   minigan.checks.check_layer(lambda: MyLayer(...), input_shape) runs the whole contract.
    """

    mixes_samples = False  # True where a sample's output depends on the other samples of its batch (BatchNorm)
    max_params = None  # set while a file is read: no parameter can be larger than the file's own count

    def __new__(cls, *args, **kwargs):
        # in __new__, so that a subclass need not call super().__init__()
        layer = super().__new__(cls)
        layer.name = cls.__name__
        layer.params, layer._grads, layer.state = {}, {}, {}
        layer.forgotten = set()  # names of gradients that count as 0, whatever their arrays hold
        layer.input_shape = layer.output_shape = layer.dtype = layer.xp = layer.cache = None
        return layer

    def build(self, input_shape, rng, dtype, xp):
        """Fix the shapes; a subclass with parameters calls this first, then `add_param`, and returns its output shape.

        Errors: OptionError where the layer is part of a network already.
        """
        if self.input_shape is not None:
            raise OptionError(f"{self.name}: this layer was built before. Make a new one for each place in a network.")
        self.input_shape = self.output_shape = tuple(input_shape)
        self.dtype, self.xp = np.dtype(dtype), xp
        return self.output_shape

    def add_param(self, name, shape, initializer, rng):
        """Create the parameter `name` with values from the initializer, and its gradient of zeros."""
        if self.max_params is not None and math.prod(shape) > self.max_params:
            raise ShapeError(f"{self.name}: {name} of shape {tuple(shape)} is larger than all that is stored.")
        self.params[name] = backend.to_device(initializer(tuple(shape), rng, self.dtype), self.xp)
        self.grads[name] = self.xp.zeros(shape, self.dtype)

    def forward(self, x, training=False):
        raise NotImplementedError(f"{type(self).__name__} has no forward(x, training=False)")

    def backward(self, dy, param_grads=True, input_grad=True):
        raise NotImplementedError(f"{type(self).__name__} has no backward(dy, param_grads=True, input_grad=True)")

    def check_input(self, x):
        """Refuse an x of the wrong shape, dtype or device, in words, before NumPy does it in its own."""
        if self.input_shape is None:
            raise ShapeError(f"{self.name}: not built yet. Put it into a Sequential, or call build first.")
        self._check_array("forward", "x", x, self.input_shape, batch=None)
        if len(x) == 0:
            raise ShapeError(f"{self.name} forward: expected at least one sample, got x of shape {x.shape}.")

    def keep(self, x, *arrays):
        """Keep `arrays` for backward; `x` tells how many samples it has to expect."""
        self.cache = (len(x), *arrays)

    def take_cache(self, dy):
        """What `keep` kept, used up; checks dy on the way.

        Returns the one array alone, several as a list.
        Errors: CacheError without a forward before; ShapeError, DtypeError for a wrong dy.
        """
        if self.cache is None:
            raise CacheError(
                f"{self.name}: backward needs a forward before it, and each forward serves one backward. Call forward "
                "again (predict and sample keep nothing)."
            )
        self._check_array("backward", "dy", dy, self.output_shape, batch=self.cache[0])
        (_, *arrays), self.cache = self.cache, None
        return arrays[0] if len(arrays) == 1 else arrays

    @property
    def grads(self):
        """The gradients by name; those that were forgotten and not written since are set to 0 first."""
        self.fill_forgotten()
        return self._grads

    def forget_grads(self):
        """Count all gradients as 0 from now on, without writing the zeros unless somebody looks at them."""
        self.forgotten = set(self._grads)

    def fill_forgotten(self):
        """Write the zeros that forget_grads put off."""
        for name in self.forgotten:
            self._grads[name].fill(0)
        self.forgotten = set()

    def add_grad(self, name, compute, *args):
        """grads[name] += compute(*args); a forgotten gradient is overwritten, which spares a sum and the zeros.

        compute    a function of minigan.ops that takes `out`, the array to write its result into
        """
        if name in self.forgotten:
            self.forgotten.remove(name)
            compute(*args, out=self._grads[name])
        else:
            self._grads[name] += compute(*args)

    def clear_cache(self):
        """Forget what forward kept."""
        self.cache = None

    def _check_array(self, where, what, array, shape, batch):
        if getattr(array, "dtype", None) != self.dtype:
            raise DtypeError(
                f"{self.name} {where}: expected {what} as an array of {self.dtype}, got "
                f"{getattr(array, 'dtype', type(array).__name__)}. Convert it: {what}.astype({str(self.dtype)!r}); "
                "images of uint8: minigan.data.scale(images)."
            )
        expected = (len(array) if batch is None and array.ndim else batch, *shape)
        if array.shape != expected:
            wanted = ", ".join(["n" if batch is None else str(batch), *map(str, shape)])
            raise ShapeError(
                f"{self.name} {where}: expected {what} of shape ({wanted}), got {array.shape}. The first axis counts "
                "the samples of the batch; the others must be those that the layer was built for."
            )
        if backend.array_module(array) is not self.xp:
            raise DeviceError(
                f"{self.name} {where}: the layer lives in {self.xp.__name__}, {what} in "
                f"{backend.array_module(array).__name__}. Move one: network.to(device), backend.to_device({what}, xp)."
            )

    def bind(self, flat_params, flat_grads):
        """Move the parameters and gradients into two flat vectors, where they are views from now on."""
        start = 0
        for name, value in self.params.items():
            place = slice(start, start + value.size)
            for arrays, flat in ((self.params, flat_params), (self.grads, flat_grads)):
                flat[place] = arrays[name].ravel()
                arrays[name] = flat[place].reshape(value.shape)
            start += value.size

    def convert(self, dtype, xp):
        """Take over the number type and the array module, in place; whole numbers in the state stay whole."""
        for arrays in (self.params, self.grads, self.state):
            for name, value in arrays.items():
                value = backend.to_device(value, xp)
                arrays[name] = value.astype(dtype) if value.dtype.kind == "f" else value
        self.dtype, self.xp, self.cache = np.dtype(dtype), xp, None

    def __deepcopy__(self, memo):
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        for name, value in vars(self).items():
            setattr(twin, name, value if name == "xp" else copy.deepcopy(value, memo))  # modules cannot be copied
        return twin

    def flops(self):
        """Floating-point operations of one forward pass of one sample; one per output unless a layer knows better."""
        return math.prod(self.output_shape)

    def describe(self):
        """The layer's line in a network's summary: its name, and what it decided while it was built."""
        return self.name

    def config(self):
        """The constructor's arguments as JSON values; each must be kept in an attribute of the same name."""
        values = {}
        for name in inspect.signature(type(self).__init__).parameters:
            if name in ("self", "args", "kwargs"):
                continue
            if not hasattr(self, name):
                raise OptionError(
                    f"{self.name}: to be saved, {type(self).__name__} must keep its argument {name!r} as self.{name}."
                )
            value = getattr(self, name)
            if isinstance(value, initializers.Initializer):
                value = {"initializer": type(value).__name__, **value.config()}
            values[name] = list(value) if isinstance(value, tuple) else value
        return values

    def __repr__(self):
        options = {name: getattr(self, name, None) for name in inspect.signature(type(self).__init__).parameters}
        shown = [f"{name}={value}" for name, value in options.items() if name not in ("self", "args", "kwargs")]
        return f"{type(self).__name__}({', '.join(shown)})"
