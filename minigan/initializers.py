"""The initial weights of a layer: each initializer is called with a shape and returns an array.

The variance of a weight decides whether signals and gradients keep their size from layer to layer. For a kernel
of shape (..., in, out) every output sums over fan_in = prod(...) * in products, and every input reaches
fan_out = prod(...) * out outputs. A layer whose kernel has its axes in another order says so: `axes` are the places
of the inputs and of the outputs in the shape, (-1, -2) for Conv2DTranspose's (kh, kw, out, in). In a convolution in
groups, each group has a kernel of its own.
"""

import inspect
import math
from collections.abc import Sequence

import numpy as np

from minigan.errors import OptionError
from minigan.hints import Array, DType, Rng
from minigan.memory import require_room
from minigan.options import (
    as_constructed,
    is_integer,
    require_dtype,
    require_instance,
    require_positive,
    require_rng,
    require_shape,
    shown,
)

AXES = (-2, -1)  # of the inputs and the outputs, unless a layer says otherwise


def fans(shape, axes=AXES):
    """Return (fan_in, fan_out) of a weight of shape (in, out) or of a kernel (kh, kw, in, out)."""
    if len(shape) < 2:
        raise OptionError(f"a scaled initializer needs a weight of two axes or more, got shape {shape}: use Zeros.")
    inputs, outputs = (shape[axis] for axis in axes)
    window = math.prod(shape) // (inputs * outputs)
    return window * inputs, window * outputs


def first_values(initializer, shape, rng, dtype, axes=AXES):
    """Return the initial values of a parameter. Initializers that do not use the axes need not accept them."""
    if axes == AXES or "axes" not in inspect.signature(initializer).parameters:
        return initializer(shape, rng, dtype)
    return initializer(shape, rng, dtype, axes)


def checked_axes(owner, axes, shape):
    """Return the places of the inputs and the outputs in a shape of two axes or more, as a tuple."""
    pair = isinstance(axes, (tuple, list)) and len(axes) == 2 and all(map(is_integer, axes))
    size = max(len(shape), 2)
    if not pair or not all(-size <= axis < size for axis in axes) or axes[0] % size == axes[1] % size:
        raise OptionError(f"{owner}: expected axes as two different axes of the shape {shape}, got {shown(axes)}.")
    return int(axes[0]), int(axes[1])


class Initializer:
    """The base class of initializers, called as `initializer(shape, rng, dtype)`; subclasses write `draw`.

    `draw(shape, rng, axes)` returns float64 numbers on the CPU, which are rounded once. Initializers that depend on
    fan_in or fan_out use the axes.
    """

    def __call__(self, shape: Sequence[int], rng: Rng, dtype: DType, axes: Sequence[int] = AXES) -> Array:
        owner = type(self).__name__
        shape, dtype = require_shape(owner, shape=shape), require_dtype(owner, dtype)
        require_rng(owner, rng)
        require_room(owner, f"weights of shape {shape}, drawn in float64,", math.prod(shape) * (8 + dtype.itemsize))
        return self.draw(shape, rng, checked_axes(owner, axes, shape)).astype(dtype, copy=False)

    def draw(self, shape, rng, axes):
        raise NotImplementedError(f"{type(self).__name__} has no draw(shape, rng, axes)")

    def config(self):
        """Return the constructor's arguments, for saved networks; each must be stored under its own name."""
        kind, options = type(self), {}
        for name, parameter in inspect.signature(kind).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            if not hasattr(self, name):
                raise OptionError(
                    f"{kind.__name__} cannot be saved, because it does not store its argument {name!r} as self.{name}."
                )
            options[name] = getattr(self, name)
        return options

    def __repr__(self):
        return as_constructed(self)


class Zeros(Initializer):
    """w = 0: the usual start of a bias (never of a weight: all units would stay equal)."""

    def draw(self, shape, rng, axes):
        return np.zeros(shape)


class Ones(Initializer):
    """w = 1: the start of BatchNorm's gamma."""

    def draw(self, shape, rng, axes):
        return np.ones(shape)


class RandomNormal(Initializer):
    """w ~ N(0, stddev^2). DCGAN takes stddev = 0.02 for every weight.

    Source: Radford, Metz & Chintala 2016, arXiv:1511.06434, section 4.
    """

    def __init__(self, stddev: float = 0.02):
        self.stddev = require_positive("RandomNormal", stddev=stddev)

    def draw(self, shape, rng, axes):
        return rng.normal(0, self.stddev, shape)


class GlorotUniform(Initializer):
    """w ~ U(-a, a), a = sqrt(6 / (fan_in + fan_out)): keeps the variance of signals and gradients, for tanh.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 16.
    """

    def draw(self, shape, rng, axes):
        limit = math.sqrt(6 / sum(fans(shape, axes)))
        return rng.uniform(-limit, limit, shape)


class GlorotNormal(Initializer):
    """w ~ N(0, 2 / (fan_in + fan_out)): the same variance as GlorotUniform.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks", eq. 12.
    """

    def draw(self, shape, rng, axes):
        return rng.normal(0, math.sqrt(2 / sum(fans(shape, axes))), shape)


class HeNormal(Initializer):
    """w ~ N(0, 2 / fan_in): keeps the variance of signals behind ReLU, which drops half of them.

    Source: He, Zhang, Ren & Sun 2015, arXiv:1502.01852, eq. 10.
    """

    def draw(self, shape, rng, axes):
        return rng.normal(0, math.sqrt(2 / fans(shape, axes)[0]), shape)


class HeUniform(Initializer):
    """w ~ U(-a, a), a = sqrt(6 / fan_in): the same variance as HeNormal.

    Source: He, Zhang, Ren & Sun 2015, arXiv:1502.01852, eq. 10.
    """

    def draw(self, shape, rng, axes):
        limit = math.sqrt(6 / fans(shape, axes)[0])
        return rng.uniform(-limit, limit, shape)


class Orthogonal(Initializer):
    """w as a matrix (fan_in, out) with orthonormal columns (or rows, if there are fewer), times gain.

    The QR factor of a normal matrix, columns multiplied by the signs of R's diagonal, is uniform over all of them.
    Source: Saxe, McClelland & Ganguli 2014, arXiv:1312.6120.
    """

    def __init__(self, gain: float = 1.0):
        self.gain = require_positive("Orthogonal", gain=gain)

    def draw(self, shape, rng, axes):
        rows, columns = fans(shape, axes)[0], shape[axes[1]]
        q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
        q *= np.sign(np.diag(r))
        matrix = self.gain * (q if rows >= columns else q.T)
        places = [axis % len(shape) for axis in axes]
        window = [size for axis, size in enumerate(shape) if axis not in places]
        kernel = matrix.reshape(*window, shape[axes[0]], columns)  # (..., in, out), then moved to where the axes are
        return np.moveaxis(kernel, AXES, axes)


class EachBlock(Initializer):
    """w as `blocks` equal blocks of columns, each drawn separately by another initializer.

    The gates of an LSTM, or the groups of a convolution: each group sums over its own channels alone.
    """

    def __init__(self, blocks: int, initializer: Initializer):
        self.blocks, self.initializer = blocks, initializer

    def draw(self, shape, rng, axes):
        shape = (*shape[:-1], shape[-1] // self.blocks)
        return np.concatenate(
            [first_values(self.initializer, shape, rng, "float64", axes) for _ in range(self.blocks)], axis=-1
        )


def checked_initializer(owner, initializer):
    """Return the initializer of a layer's weight; by default Glorot uniform."""
    if initializer is None:
        return GlorotUniform()
    return require_instance(owner, Initializer, "HeNormal()", initializer=initializer)


ALL = (Zeros, Ones, RandomNormal, GlorotUniform, GlorotNormal, HeNormal, HeUniform, Orthogonal)
