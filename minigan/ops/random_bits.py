"""The random numbers of Dropout, GaussianNoise and the augmentations.

They depend only on (seed, call), so they can be drawn again.
The bits are those of Philox4x64-10, a function of a key and a counter: there is no state to hand on, so any part of
them can be made anywhere, on a GPU by thousands of threads at once, and CPU and GPU drop the very same units.
Sixteen bits decide over one unit, so a rate is rounded to a multiple of 1 / 65,536. Sixty-four make two normal numbers.
Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"
"""

import math

import numpy as np

from minigan.ops.gpu.kernels import launch

LEVELS = 2**16
PIECE = 2**16  # normal numbers at a time, so that all arrays in between stay in the processor's cache


def drop_levels(rate):
    """Return how many of the 65,536 levels drop a unit; at least one is left to keep it."""
    return min(round(rate * LEVELS), LEVELS - 1)


def kept_scale(rate):
    """Return the factor that makes up for the dropped units: one over the exact share of those that are kept"""
    return LEVELS / (LEVELS - drop_levels(rate))


def keep_mask(shape, rate, seed, call, xp, places=None):
    """Return booleans, one a unit, each True with probability 1 - drop_levels(rate) / 65,536, independently.

    seed       the layer's own; call: counts its training passes. Arrays of one integer, on a GPU in its memory
    places     slices of a larger batch: the rows that `shape` holds of it, where workers share it; None for all rows
    """
    keep = xp.empty(shape, bool)
    for rows, first in rows_of(keep, places):
        fill_mask(rows, first, drop_levels(rate), seed, call, xp)
    return keep


def normal_numbers(shape, dtype, seed, call, xp, places=None):
    """Return independent normal numbers with mean 0 and variance 1; the arguments are those of keep_mask."""
    z = xp.empty(shape, dtype)
    for rows, first in rows_of(z, places):
        fill_normal(rows, first, seed, call, xp)
    return z


def uniform_numbers(shape, seed, call, xp, places=None):
    """Return independent numbers from U(0, 1), 0 included, in float64; the arguments are those of keep_mask."""
    u = xp.empty(shape, "float64")
    for rows, first in rows_of(u, places):
        fill_uniform(rows, first, seed, call, xp)
    return u


def rows_of(array, places):
    """Yield the rows of each place, and the number that their first unit has in the whole batch."""
    units, start = math.prod(array.shape[1:]), 0
    for place in (slice(0, len(array)),) if places is None else places:
        rows = array[start : start + place.stop - place.start]
        yield rows, place.start * units
        start += len(rows)


def fill_mask(keep, first, levels, seed, call, xp):
    """Write the mask of consecutive units of a pass into `keep`; `first` is the number of the first of them."""
    if xp is not np:
        launch("dropout_mask", np.float32, keep.size, keep, seed, call, levels, first)
        return
    # a word of Philox has 64 bits, enough for four units
    start, stop = first // 4, -(-(first + keep.size) // 4)
    bits = philox_words(start, stop, int(seed), int(call)).view(np.uint16)[first - 4 * start :]
    np.greater_equal(bits[: keep.size].reshape(keep.shape), levels, out=keep)


def fill_uniform(u, first, seed, call, xp):
    """Write the uniform numbers of consecutive units of a pass into `u`: the upper 53 bits of a word for each."""
    if xp is not np:
        launch("uniform_numbers", u.dtype, u.size, u, seed, call, first)
        return
    words = philox_words(first, first + u.size, int(seed), int(call))
    np.multiply((words >> np.uint64(11)).reshape(u.shape), 2.0**-53, out=u)


def fill_normal(z, first, seed, call, xp):
    """Write the normal numbers of consecutive units of a pass into `z`; `first` is the number of the first of them."""
    if xp is not np:
        launch("normal_numbers", z.dtype, z.size, z, seed, call, first)
        return
    z = z.reshape(-1)
    for start in range(0, z.size, PIECE):
        box_muller(z[start : start + PIECE], first + start, int(seed), int(call))


def box_muller(z, first, seed, call):
    """Fill a vector: a random angle, and a distance whose square is exponential, are a point with normal coordinates.

    A word of Philox gives both, and the point is two numbers, which do not depend on each other.
    """
    start, stop = first // 2, -(-(first + z.size) // 2)
    halves = philox_words(start, stop, seed, call).view(np.uint32).reshape(-1, 2)
    distance, angle = shares = np.empty((2, len(halves)), z.dtype)
    shares[...] = halves.T
    shares += 0.5
    distance *= 2.0**-32  # between 0 and 1
    np.log(distance, out=distance)
    distance *= -2
    np.sqrt(distance, out=distance)
    angle *= 2 * math.pi * 2.0**-32
    points = np.empty((len(halves), 2), z.dtype)
    np.multiply(np.cos(angle), distance, out=points[:, 0])
    np.multiply(np.sin(angle), distance, out=points[:, 1])
    z[...] = points.reshape(-1)[first - 2 * start :][: z.size]


def philox_words(start, stop, seed, call):
    """Return the words `start` to `stop` of Philox with the key (seed, 0) and the counters (block, call, 0, 0).

    A block has four words. The first word is number 0, of block 1: NumPy counts up before it makes a block.
    """
    block, left_out = divmod(start, 4)
    bits = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=np.array([block, call, 0, 0], np.uint64))
    words = np.random.Generator(bits).integers(2**64, size=stop - 4 * block, dtype=np.uint64)
    return words[left_out:]


def draw_seed(rng, xp):
    """Return a layer's own seed, drawn once while the network is built: an array of one integer."""
    return xp.asarray(rng.integers(2**63, size=()))
