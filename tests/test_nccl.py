"""Processes with a GPU each: their sums go over NCCL. On the stand-in for CuPy; no test here has seen two GPUs yet."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from fake_nccl import FakeNccl
from rank_helpers import Played, as_ranks
from test_gpu_training import GANS, make_gan

from minigan import backend
from minigan.errors import DeviceError
from minigan.gan.state import gan_state
from minigan.ops.gpu import graphs, nccl
from minigan.parallel import Group, mpi


class Comm:
    """The part of an MPI communicator that the groups use between steps, played by threads."""

    def __init__(self, rank, meeting):
        self.played = Played(rank, meeting)
        self.Get_rank, self.Get_size = lambda: rank, lambda: meeting.size
        self.bcast, self.allgather, self.Barrier = self.played.broadcast, self.played.collect, self.played.wait


@pytest.fixture
def fake(request, monkeypatch, standin):
    from fake_cublas import FakeCublas

    from minigan.ops.gpu import cublas

    library = FakeCublas(standin)
    monkeypatch.setattr(backend, "cupy", standin)
    monkeypatch.setattr(cublas, "load_library", lambda: library)
    found = FakeNccl(standin)
    monkeypatch.setattr(nccl, "load_library", lambda: found)
    return found


def batches(xp, steps, n=6):
    rng = np.random.default_rng(0)
    shape = make_gan("cpu").generator.output_shape
    return [xp.asarray(rng.uniform(-1, 1, (n, *shape))) for _ in range(steps)]


def state(gan):
    arrays, values = gan_state(gan)
    return {name: backend.to_cpu(array).copy() for name, array in arrays.items()}, values["rng"]


def close(one, other):
    for name, array in one[0].items():
        np.testing.assert_allclose(other[0][name], array, rtol=0, atol=1e-9, err_msg=name)
    assert one[1] == other[1]


@pytest.mark.parametrize("name", ["label noise, gradients clipped", "several critic steps"])
def test_two_gpus_train_the_gan_of_one(name, fake):
    options = GANS[name]
    alone = gan_of(options, "cpu")
    for batch in batches(np, 4, n=7):
        alone.train_step(batch)

    def work(group):
        gan = gan_of(options, "gpu")
        gan.join(group)
        for batch in batches(backend.cupy, 4, n=7):
            gan.train_step(batch)
        return state(gan)

    ranks = as_ranks(2, work, make_group=lambda rank, meeting: mpi.NCCL(Comm(rank, meeting)))
    for found in ranks:
        close(state(alone), found)
    assert fake.calls


def gan_of(options, device):
    gan = make_gan(device, **{name: value for name, value in options.items() if name != "objective"})
    gan.objective = options["objective"]()
    return gan


def test_a_captured_step_holds_its_sums(fake):
    """One process whose group has one member: the sums are launched with the graph, and the CPU never waits."""
    one = SimpleNamespace(Get_rank=lambda: 0, Get_size=lambda: 1, bcast=lambda value: value)
    gan, alone = make_gan("gpu"), make_gan("cpu")
    gan.join(mpi.NCCL(one))
    assert isinstance(gan.group, mpi.NCCL)
    gan.capture()
    counts = []
    for batch, same in zip(batches(backend.cupy, 8), batches(np, 8), strict=True):
        before = fake.calls
        with backend.cupy.forbid_syncs():
            gan.train_step(batch)
        counts.append(fake.calls - before)
        alone.train_step(same)
    assert len(gan._graphs.graphs) == 1
    assert len(set(counts)) == 1 and counts[0] == 8, "the sums of a step, also when it is a graph"
    close(state(alone), state(gan))
    assert graphs.WARM_UP < 8


def test_each_process_of_a_machine_takes_its_own_card(fake, monkeypatch):
    used = []
    monkeypatch.setattr(backend.cupy.cuda.runtime, "getDeviceCount", lambda: 2)
    monkeypatch.setattr(backend.cupy.cuda, "Device", lambda number: SimpleNamespace(use=lambda: used.append(number)))
    nccl.take_card(1)
    assert used == [1]
    with pytest.raises(DeviceError, match=r"this machine has 2 GPUs, but process number 2 on it.*at most 2 processes"):
        nccl.take_card(2)
    assert used == [1]


def test_without_nccl(monkeypatch):
    """CuPy has the module in any case; it says itself whether the library is there."""
    missing = SimpleNamespace(available=False)
    monkeypatch.setitem(sys.modules, "cupy.cuda", SimpleNamespace(nccl=missing))
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=SimpleNamespace(nccl=missing)))
    with pytest.raises(DeviceError, match="pip install nvidia-nccl-cu12"):
        nccl.load_library()


def test_arrays_of_the_cpu_go_by_mpi(fake, monkeypatch):
    sent = []
    monkeypatch.setattr(mpi.MPI, "add_up", lambda group, array: sent.append(array))
    one = SimpleNamespace(Get_rank=lambda: 0, Get_size=lambda: 1, bcast=lambda value: value)
    group = mpi.NCCL(one)
    assert isinstance(group, Group)
    group.sum(np.ones(3))
    assert len(sent) == 1 and not fake.calls
    array = backend.cupy.ones((2, 3), "float32")
    group.add_up(array)
    assert fake.calls == 1 and len(sent) == 1
