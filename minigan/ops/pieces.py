"""Long vectors in pieces that stay in the processor's cache, for formulas that treat each number by itself."""

import numpy as np

from minigan.backend import array_module

# Numbers: 1 MB of each vector in float32. From 2^16 to 2^20 numbers, one thread is equally fast. Two threads need long
# pieces: after each operation on a piece, a thread asks for Python's lock, and may have to wait for the other one.
PIECE = 2**18


def in_pieces(*vectors):
    """Yield tuples of views, the same piece of each vector; on a GPU, which has no use for it, the vectors whole.

    A formula of several lines walks over its vectors once for each line. From memory that is slow, and so are the new
    vectors between the lines; a piece stays in the cache from the first line to the last.
    """
    size = len(vectors[0])
    step = PIECE if array_module(vectors[0]) is np else max(size, 1)
    for start in range(0, size, step):
        yield tuple(vector[start : start + step] for vector in vectors)
