"""Matrix products, in a form that a CUDA graph can hold."""

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu import cublas


def matmul(a, b, out=None):
    """a @ b, for matrices or stacks of them, into `out` where it is given.

    On a GPU by cuBLAS without CuPy in between, which refuses it while a graph is recorded; by CuPy where the library
    is not found, so that nothing is lost but the graph.
    """
    xp = array_module(a)
    if xp is np or cublas.load_library() is None:
        return xp.matmul(a, b, out=out)
    return cublas.matmul(a, b, out)
