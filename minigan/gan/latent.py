"""Latents: the distributions of the generator's input, and the path from one latent to another."""

import math
from types import ModuleType

import numpy as np

from minigan.backend import to_cpu
from minigan.errors import DtypeError, OptionError, ShapeError
from minigan.hints import Array, DType, Rng
from minigan.memory import require_room
from minigan.ops.gpu.graphs import from_host
from minigan.options import (
    is_integer,
    require_count,
    require_dtype,
    require_module,
    require_range,
    require_rng,
    shown,
)


class Latent:
    """A distribution of vectors of `size` numbers. It draws on the CPU, so that every device gets the same numbers."""

    def __init__(self, size: int = 100):
        self.size = require_count(type(self).__name__, size=size)

    def __repr__(self):
        return f"{type(self).__name__}({self.size})"

    def sample(self, n: int, rng: Rng, dtype: DType = "float32", xp: ModuleType = np) -> Array:
        """Return n latents from the NumPy generator `rng`: (n, size) of `dtype`, as an array of the module `xp`."""
        owner = f"{type(self).__name__}.sample"
        shape, dtype = (require_count(owner, n=n), self.size), require_dtype(owner, dtype)
        require_rng(owner, rng)
        require_module(owner, xp)
        require_room(owner, f"{n} latents", 8 * math.prod(shape), xp)
        return from_host(lambda: self._drawn(shape, rng).astype(dtype, copy=False), xp)

    def _drawn(self, shape, rng):
        z = self.draw(shape, rng)
        if not isinstance(z, np.ndarray) or z.shape != shape:
            raise ShapeError(f"{type(self).__name__}.draw: expected a NumPy array of shape {shape}, got {shown(z)}.")
        return z

    def draw(self, shape, rng):
        raise NotImplementedError(f"{type(self).__name__} has no draw(shape, rng)")


class Normal(Latent):
    """z ~ N(0, 1), independently for each of the `size` numbers."""

    def draw(self, shape, rng):
        return rng.standard_normal(shape)


class Uniform(Latent):
    """z ~ U(low, high), independently for each of the `size` numbers; by default U(-1, 1).

    Keep the mean (low + high) / 2 at 0. Latents of U(0, 1) have a large part in common, which the generator passes on
    to all its images.
    """

    def __init__(self, size: int = 100, low: float = -1, high: float = 1):
        super().__init__(size)
        self.low, self.high = require_range("Uniform", low, high)

    def __repr__(self):
        bounds = "" if (self.low, self.high) == (-1, 1) else f", low={self.low:g}, high={self.high:g}"
        return f"Uniform({self.size}{bounds})"

    def draw(self, shape, rng):
        return rng.uniform(self.low, self.high, shape)


def slerp(start: Array, end: Array, steps: int) -> Array:
    """Return `steps` latents from `start` to `end` along the arc between them: spherical linear interpolation.

    z(t) = sin((1-t) a) / sin(a) start + sin(t a) / sin(a) end,    a: the angle between the two, t = 0 ... 1

    Use it for Normal latents. In many dimensions they lie close to a sphere; a straight line would pass through points
    nearer to the centre, which the generator has never seen. Uniform latents lie in a cube, which the arc can leave, so
    that some numbers exceed 1: use `lerp`, which stays in the cube.
    Shapes     start, end (size,) -> (steps, size); NumPy arrays of floating-point numbers
    Errors     ShapeError, DtypeError; OptionError for fewer than 2 steps, or if a latent has the length 0
    Source     White 2016, arXiv:1609.04468; Shoemake 1985, "Animating rotation with quaternion curves"
    """
    start, end, steps = _check_ends("slerp", start, end, steps)
    lengths = [float(np.linalg.norm(latent.astype("float64"))) for latent in (start, end)]
    if 0 in lengths:
        raise OptionError("slerp: a latent of length 0 has no direction to turn from.")
    u, v = (latent.astype("float64") / length for latent, length in zip((start, end), lengths, strict=True))
    # this formula of the angle is exact near 0 and near pi, where the arc cosine is not
    angle = 2 * math.atan2(np.linalg.norm(u - v), np.linalg.norm(u + v))
    if math.sin(angle) < 1e-6:
        # the same direction: the arc is the line. Opposite directions: no arc is special, so take the line
        return lerp(start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return ((np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / math.sin(angle)).astype(start.dtype)


def lerp(start: Array, end: Array, steps: int) -> Array:
    """Return `steps` latents from `start` to `end` along the straight line between them: linear interpolation.

    z(t) = (1 - t) start + t end,    t = 0 ... 1

    Use it for Uniform latents: the line never leaves their cube. Two Normal latents are nearly at right angles, so the
    middle of the line is shorter than both ends by a factor of about 0.7: see `slerp`.
    Shapes     start, end (size,) -> (steps, size); NumPy arrays of floating-point numbers
    Errors     ShapeError, DtypeError; OptionError for fewer than 2 steps
    """
    start, end, steps = _check_ends("lerp", start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return ((1 - t) * start + t * end).astype(start.dtype)


def _check_ends(owner, start, end, steps):
    """Return both ends as arrays of floating-point numbers and the number of steps, or raise an error."""
    start, end = (_as_latent(owner, name, value) for name, value in (("start", start), ("end", end)))
    if start.shape != end.shape or start.ndim != 1:
        raise ShapeError(f"{owner}: expected two latents of one shape (size,), got {start.shape} and {end.shape}.")
    if not is_integer(steps) or steps < 2:
        raise OptionError(f"{owner}: expected steps as an integer of at least 2, got {shown(steps)}.")
    dtype = np.result_type(start, end)
    require_room(owner, f"{steps} latents", 8 * int(steps) * start.size)
    return start.astype(dtype), end.astype(dtype), int(steps)


def _as_latent(owner, name, value):
    """Return a latent as an array of finite floating-point numbers; whole numbers and lists become float64."""
    try:
        array = np.asarray(to_cpu(value))
    except Exception:  # lists of lists of several lengths, and whatever NumPy does not take
        array = np.array(None)
    if array.dtype.kind in "iu":
        array = array.astype("float64")
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise DtypeError(f"{owner}: expected {name} as an array of finite numbers, got {shown(value)}.")
    return array
