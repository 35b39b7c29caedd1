"""Long vectors in pieces that stay in the processor's cache, for formulas that treat each number by itself."""

import numpy as np

from minigan.backend import array_module

PIECE = 2**15  # numbers: 128 KB of each vector in float32


def in_pieces(*vectors, piece=PIECE):
    """Yield tuples of views, the same piece of each vector; on a GPU, which has no use for it, the vectors whole.

    A formula of several lines walks over its vectors once for each line. From memory that is slow, and so are the new
    vectors between the lines; a piece stays in the cache from the first line to the last.
    """
    size = len(vectors[0])
    step = piece if array_module(vectors[0]) is np else max(size, 1)
    for start in range(0, size, step):
        yield tuple(vector[start : start + step] for vector in vectors)
