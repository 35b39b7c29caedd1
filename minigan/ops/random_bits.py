"""Which units dropout keeps: random bits that depend only on (seed, call), so that they can be drawn again.

Sixteen bits decide over one unit, so a rate is rounded to a multiple of 1 / 65,536.
"""

import numpy as np

from minigan.backend import to_cpu, to_device

LEVELS = 2**16


def drop_levels(rate):
    """How many of the 65,536 levels drop a unit; at least one is left to keep it."""
    return min(round(rate * LEVELS), LEVELS - 1)


def keep_mask(shape, rate, seed, call, xp):
    """A boolean array that is True with probability 1 - drop_levels(rate) / 65,536, independently for every unit.

    `seed` is the layer's own, `call` (an array of one integer) counts its training passes. A word of SFC64 has 64
    bits, enough for four units.
    """
    size = int(np.prod(shape))
    words = np.random.SFC64([int(seed), int(to_cpu(call))]).random_raw(-(-size // 4))
    keep = words.view(np.uint16)[:size] >= drop_levels(rate)
    return to_device(keep.reshape(shape), xp)


def draw_seed(rng):
    """A layer's own seed, drawn once while the network is built."""
    return int(rng.integers(2**63))
