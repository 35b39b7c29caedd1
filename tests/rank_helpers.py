"""Processes that share a batch, played by threads of this process; and programs that mpirun starts."""

import os
import pickle
import shutil
import subprocess
import sys
import sysconfig
import threading
from importlib.util import find_spec
from pathlib import Path

import pytest

from minigan.parallel import Group
from minigan.parallel.threads import Meeting

ROOT = Path(__file__).resolve().parent.parent


class Played(Group):
    """The group of a process that is a thread here: as MPI, with a meeting in the place of messages."""

    def __init__(self, rank, meeting):
        self.rank, self.size, self.meeting, self.sums = rank, meeting.size, meeting, []

    def add_up(self, array):
        self.sums.append((array.shape, array.nbytes))
        array[...] = self.meeting.sum(self.rank, array)

    def collect(self, value):
        values = self.meeting.gather(self.rank, pickle.dumps(value))
        return [pickle.loads(value) for value in values]

    def broadcast(self, value):
        return self.collect(value)[0]

    def wait(self):
        self.meeting.wait()


def as_ranks(size, work, make_group=Played):
    """Call work(group) in `size` threads that play processes, and return the results in order of rank.

    An error in one of them ends all of them, as mpirun does, and is raised here.
    """
    meeting, results, errors = Meeting(size), [None] * size, []

    def run(rank):
        try:
            results[rank] = work(make_group(rank, meeting))
        except threading.BrokenBarrierError:
            pass
        except BaseException as error:
            errors.append(error)
            meeting.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not any(thread.is_alive() for thread in threads), "a rank waits for ever"
    if errors:
        raise errors[0]
    return results


def mpirun():
    """The mpirun that belongs to mpi4py, or None."""
    beside = Path(sysconfig.get_path("scripts")) / "mpirun"
    return (str(beside) if beside.exists() else shutil.which("mpirun")) if find_spec("mpi4py") else None


needs_mpi = pytest.mark.skipif(mpirun() is None, reason="mpi4py or mpirun is missing: pip install minigan[mpi]")


def mpi_command(size, *arguments):
    """The command line of `size` processes of a Python program."""
    # as root, as in containers, Open MPI asks for the first option; the others let two processes run on one core
    version = subprocess.run([mpirun(), "--version"], capture_output=True, text=True).stdout
    options = ["--bind-to", "none", "--oversubscribe"] if "Open MPI" in version else []
    if options and hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--allow-run-as-root")
    return [mpirun(), *options, "-n", str(size), sys.executable, *map(str, arguments)]


def mpi_environment(**more):
    """The environment for programs that mpirun starts here: this minigan, no more than one BLAS thread each."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", **more}


def run_mpi(size, *arguments, timeout=100, **environment):
    """Run `size` processes of a Python program to the end; the CompletedProcess with the texts of both streams."""
    command = mpi_command(size, *arguments)
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env=mpi_environment(**environment), cwd=ROOT
    )
