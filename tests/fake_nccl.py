"""The part of CuPy's NCCL that minigan uses, on the memory of strict_cupy's arrays; its processes are threads here.

    nccl = FakeNccl(cupy)        cupy: the module of strict_cupy.make_module()

What the real one would not notice, and what would crash it, raises here: an address outside of all arrays, another
stream than the current one, a dtype that does not fit.
"""

import ctypes

import numpy as np

from minigan.parallel.threads import Meeting


class FakeNccl:
    available = True
    NCCL_SUM, NCCL_FLOAT32, NCCL_FLOAT64 = 0, 7, 8
    KINDS = {NCCL_FLOAT32: np.float32, NCCL_FLOAT64: np.float64}

    def __init__(self, xp):
        self.xp, self.meetings, self.calls = xp, {}, 0

    def get_unique_id(self):
        return (len(self.meetings), *[-7] * 127)  # 128 bytes, some of them below 0

    def NcclCommunicator(self, ndev, commId, rank):
        assert len(commId) == 128 and 0 <= rank < ndev
        return Communicator(self, self.meetings.setdefault(commId, Meeting(ndev)), rank)


class Communicator:
    def __init__(self, nccl, meeting, rank):
        self.nccl, self.meeting, self.rank = nccl, meeting, rank

    def allReduce(self, sendbuf, recvbuf, count, datatype, op, stream):
        nccl, kind = self.nccl, np.dtype(self.nccl.KINDS[datatype])
        assert op == nccl.NCCL_SUM and all(isinstance(x, int) for x in (sendbuf, recvbuf, count, stream))
        if stream != nccl.xp.cuda.get_current_stream().ptr:
            raise RuntimeError("NCCL works on another stream than the current one")
        send, recv = (self.memory(address, count, kind) for address in (sendbuf, recvbuf))

        def step():
            nccl.calls += 1
            recv[...] = self.meeting.sum(self.rank, send) if self.meeting.size > 1 else send

        capture = nccl.xp.capture()
        if capture is None:
            step()
        else:
            capture.record(step)

    def memory(self, address, count, kind):
        self.nccl.xp.check_address(address, count * kind.itemsize)
        return np.frombuffer((ctypes.c_char * (count * kind.itemsize)).from_address(address), kind)
