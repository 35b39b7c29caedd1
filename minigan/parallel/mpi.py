"""Processes that share a batch, on one machine or on several: a program that mpirun has started several times.

Each process has its own copy of the GAN. After each backward pass they add up their gradients by MPI, so all of them
take the same step and stay alike. On GPUs the sums run over NCCL, from the memory of one card to that of the next.
mpi4py is imported only in a program that mpirun has started.
"""

import os
import sys
import time
from functools import cache

import numpy as np

from minigan import backend, machine
from minigan.errors import OptionError
from minigan.ops.gpu import nccl
from minigan.parallel.group import ALONE, Group

# Environment variables in which an mpirun tells a process how many there are, and which one it is: Open MPI, then MPICH
# and all that is made from it, then srun --mpi=pmix of Slurm.
VARIABLES = (
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    ("PMI_SIZE", "PMI_RANK"),
    ("SLURM_NTASKS", "PMIX_RANK"),
)

ONE = (0, 1)  # the rank and the number of processes of a program that nobody started several times


def started():
    """Return (rank, size) of this process among those that mpirun has started, ONE without mpirun."""
    for size, rank in VARIABLES:
        if os.environ.get(size, "").isdecimal() and os.environ.get(rank, "").isdecimal():
            return int(os.environ[rank]), int(os.environ[size])
    return ONE


@cache
def started_processes():
    """Return what `minigan.parallel.processes` says."""
    _, size = started()
    if size == 1:
        return ALONE
    group = MPI(world(size))
    sys.excepthook = end_all(sys.excepthook)
    if not machine.chosen_threads():
        machine.set_blas_threads(1)
    return group


def end_all(excepthook):
    """Return a hook for errors that nobody catches: it shows the error, then ends all processes."""

    def show_and_end(kind, error, trace):
        excepthook(kind, error, trace)
        abort(1)

    return show_and_end


def abort(code):
    """End all processes that mpirun has started, at once: otherwise they would wait for this one for ever."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    time.sleep(0.2)  # mpirun drops what it has not yet read of a process that has ended
    mpi4py = sys.modules.get("mpi4py.MPI")
    if mpi4py and mpi4py.Is_initialized() and not mpi4py.Is_finalized():
        mpi4py.COMM_WORLD.Abort(code)
    os._exit(code)  # mpirun ends the others


def world(size):
    """Return mpi4py's communicator of all processes; OptionError if there are not `size` of them."""
    try:
        from mpi4py import MPI as mpi4py
    except ImportError as error:
        raise OptionError(
            f"mpirun has started {size} processes, but they need mpi4py to share their work, and it cannot be imported "
            f'({error}). pip install "minigan[mpi]" (mpi4py and Open MPI), or mpi4py for the MPI that is here.'
        ) from error
    comm = mpi4py.COMM_WORLD
    if comm.Get_size() != size:
        library = mpi4py.Get_library_version().strip().splitlines()[0][:60]
        raise OptionError(
            f"mpirun has started {size} processes, but mpi4py finds {comm.Get_size()}: mpirun and mpi4py belong to two "
            f"kinds of MPI. mpi4py uses {library}. Take the mpirun that belongs to it, and never install Open MPI and "
            "MPICH in one environment."
        )
    return comm


class MPI(Group):
    """The group of the processes of an MPI communicator, which holds arrays of the CPU.

    comm       an mpi4py communicator
    """

    def __init__(self, comm):
        self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()

    def add_up(self, array):
        from mpi4py import MPI as mpi4py

        self.comm.Allreduce(mpi4py.IN_PLACE, array)

    def broadcast(self, value):
        return self.comm.bcast(value)

    def collect(self, value):
        return self.comm.allgather(value)

    def wait(self):
        self.comm.Barrier()

    def on(self, xp):
        if backend.device_name(xp) == "cpu":
            return self
        from mpi4py import MPI as mpi4py

        # the processes of a machine are numbered, and each takes the GPU with its number
        nccl.take_card(self.comm.Split_type(mpi4py.COMM_TYPE_SHARED).Get_rank())
        return NCCL(self.comm)


class NCCL(MPI):
    """The group of processes with a GPU each: arrays of the GPU are added up by NCCL, all else goes by MPI."""

    def __init__(self, comm):
        super().__init__(comm)
        self.sums = nccl.Sums(self.size, self.rank, self.broadcast)

    def add_up(self, array):
        if isinstance(array, np.ndarray):
            super().add_up(array)
        else:
            self.sums.add_up(array)
