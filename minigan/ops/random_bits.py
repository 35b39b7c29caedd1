"""Which units dropout keeps: random bits that depend only on (seed, call), so that they can be drawn again.

The bits are those of Philox4x64-10, a function of a key and a counter: there is no state to hand on, so any part of
them can be made anywhere, on a GPU by thousands of threads at once, and CPU and GPU drop the very same units.
Sixteen bits decide over one unit, so a rate is rounded to a multiple of 1 / 65,536.
Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"
"""

import math

import numpy as np

from minigan.ops.gpu.kernels import launch

LEVELS = 2**16


def drop_levels(rate):
    """Return how many of the 65,536 levels drop a unit; at least one is left to keep it."""
    return min(round(rate * LEVELS), LEVELS - 1)


def kept_scale(rate):
    """Return the factor that makes up for the dropped units: one over the exact share of those that are kept"""
    return LEVELS / (LEVELS - drop_levels(rate))


def keep_mask(shape, rate, seed, call, xp):
    """Return booleans, one a unit, each True with probability 1 - drop_levels(rate) / 65,536, independently.

    seed       the layer's own; call: counts its training passes. Arrays of one integer, on a GPU in its memory
    A word of Philox has 64 bits, enough for four units.
    """
    size = math.prod(shape)
    if xp is not np:
        keep = xp.empty(shape, bool)
        launch("dropout_mask", np.float32, size, keep, seed, call, drop_levels(rate))
        return keep
    keep = philox_words(-(-size // 4), int(seed), int(call)).view(np.uint16)[:size] >= drop_levels(rate)
    return keep.reshape(shape)


def philox_words(count, seed, call):
    """Return the words 4, 5, ... of Philox with the key (seed, 0) and the counters (block, call, 0, 0), four a block"""
    # NumPy counts up before it makes a block, so the first block is number 1
    generator = np.random.Philox(key=np.array([seed, 0], np.uint64), counter=np.array([0, call, 0, 0], np.uint64))
    return generator.random_raw(count)


def draw_seed(rng, xp):
    """Return a layer's own seed, drawn once while the network is built: an array of one integer."""
    return xp.asarray(rng.integers(2**63, size=()))
