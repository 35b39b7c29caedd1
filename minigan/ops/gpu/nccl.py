"""NCCL, NVIDIA's library that adds up arrays of several GPUs, as CuPy offers it. See minigan/parallel/mpi.py"""

import numpy as np

from minigan import backend
from minigan.errors import DeviceError


def load_library():
    """Return CuPy's module of NCCL; DeviceError where NCCL is not installed."""
    from cupy.cuda import nccl

    if not nccl.available:
        raise DeviceError(
            "several GPUs need NCCL, which CuPy does not find: pip install nvidia-nccl-cu12 (cu13 for CUDA 13), or "
            "take --device cpu."
        )
    return nccl


class Sums:
    """Sums over the GPUs of several processes.

    They run on the current stream. So the CPU does not wait, and a captured step holds its sums, too.
    size, rank   of the processes
    hand_out     a function that returns to each process the value that rank 0 gives it
    """

    def __init__(self, size, rank, hand_out):
        nccl = load_library()
        name = hand_out(nccl.get_unique_id() if rank == 0 else None)  # by which the processes find each other
        self.communicator = nccl.NcclCommunicator(size, name, rank)
        self.kinds = {np.dtype("float32"): nccl.NCCL_FLOAT32, np.dtype("float64"): nccl.NCCL_FLOAT64}
        self.operation = nccl.NCCL_SUM

    def add_up(self, array):
        """Replace the numbers of an array by the sums over all processes."""
        place, stream = array.data.ptr, backend.cupy.cuda.get_current_stream().ptr
        self.communicator.allReduce(place, place, array.size, self.kinds[array.dtype], self.operation, stream)


def take_card(number):
    """Let this process compute on the GPU with this number; DeviceError if there is none."""
    runtime = backend.cupy.cuda.runtime
    count = runtime.getDeviceCount()
    if number >= count:
        raise DeviceError(
            f"this machine has {count} GPUs, but process number {number} on it, counted from 0, needs one of its own. "
            f"Start at most {count} processes on a machine, or take --device cpu."
        )
    backend.cupy.cuda.Device(number).use()
