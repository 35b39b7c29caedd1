"""Where samples come from: the distributions of the generator's input, and the way from one latent to another."""

import math

import numpy as np

from minigan.errors import OptionError, ShapeError
from minigan.ops.gpu.graphs import from_host
from minigan.options import require_count


class Latent:
    """A distribution over vectors of `size` numbers; `sample` draws on the CPU, so that every device gets the same."""

    def __init__(self, size=100):
        require_count(type(self).__name__, size=size)
        self.size = size

    def sample(self, n, rng, dtype="float32", xp=np):
        """n latents from the NumPy generator `rng`: (n, size) of `dtype`, an array of the module `xp`."""
        return from_host(lambda: self.draw((n, self.size), rng).astype(dtype, copy=False), xp)


class Normal(Latent):
    """z ~ N(0, 1), independently for each of the `size` numbers."""

    def draw(self, shape, rng):
        return rng.standard_normal(shape)


class Uniform(Latent):
    """z ~ U(-1, 1), independently for each of the `size` numbers."""

    def draw(self, shape, rng):
        return rng.uniform(-1, 1, shape)


def slerp(start, end, steps):
    """Spherical linear interpolation: `steps` latents from `start` to `end` along the arc between them.

    z(t) = sin((1-t) a) / sin(a) start + sin(t a) / sin(a) end,    a: the angle between the two, t = 0 ... 1

    Meant for Normal latents: of many dimensions, they lie close to a sphere; a straight line would leave it and pass
    through points, near the centre, that the generator never saw. Uniform latents lie in a cube, which the arc can
    leave through a face, so that single numbers exceed 1: `lerp` stays in it.
    Shapes     start, end (size,) -> (steps, size); NumPy arrays
    Errors     ShapeError; OptionError for fewer than 2 steps, or where a latent has the length 0
    Source     White 2016, arXiv:1609.04468; Shoemake 1985, "Animating rotation with quaternion curves"
    """
    start, end = _check_ends("slerp", start, end, steps)
    lengths = np.linalg.norm(start) * np.linalg.norm(end)
    if lengths == 0:
        raise OptionError("slerp: a latent of length 0 has no direction to turn from.")
    angle = math.acos(np.clip(float(start @ end) / float(lengths), -1, 1))
    if math.sin(angle) < 1e-6:
        # the same direction: the line. Opposite ones: every arc is as good; the line is one limit
        return lerp(start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return ((np.sin((1 - t) * angle) * start + np.sin(t * angle) * end) / math.sin(angle)).astype(start.dtype)


def lerp(start, end, steps):
    """Linear interpolation: `steps` latents from `start` to `end` along the straight line between them.

    z(t) = (1 - t) start + t end,    t = 0 ... 1

    The way between Uniform latents, whose cube it never leaves. Between two Normal latents, nearly at right angles to
    each other, its middle is shorter than both by a factor of about 0.7: see `slerp`.
    Shapes     start, end (size,) -> (steps, size); NumPy arrays
    Errors     ShapeError; OptionError for fewer than 2 steps
    """
    start, end = _check_ends("lerp", start, end, steps)
    t = np.linspace(0, 1, steps)[:, None]
    return ((1 - t) * start + t * end).astype(start.dtype)


def _check_ends(owner, start, end, steps):
    """Both ends as arrays, where they and the number of steps make a way."""
    start, end = np.asarray(start), np.asarray(end)
    if start.shape != end.shape or start.ndim != 1:
        raise ShapeError(f"{owner}: expected two latents of one shape (size,), got {start.shape} and {end.shape}.")
    if not isinstance(steps, int) or steps < 2:
        raise OptionError(f"{owner}: expected steps as an integer of at least 2, got {steps!r}.")
    return start, end
