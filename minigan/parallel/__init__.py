"""Workers that share a batch: each computes a part of its rows, and the results do not depend on their number."""

from minigan.parallel.group import ALONE, Alone, Group

__all__ = ["ALONE", "Alone", "Group", "processes"]


def processes() -> Group:
    """Return the group of all processes that mpirun has started together with this one; ALONE without mpirun.

    Each of them takes one thread of BLAS, so that they do not compete for cores, unless OPENBLAS_NUM_THREADS is set.
    Errors     OptionError if mpi4py is missing, or belongs to another MPI than mpirun
    """
    from minigan.parallel.mpi import started_processes  # here: layers import this package, and mpi.py needs more

    return started_processes()
