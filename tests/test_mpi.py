"""Processes that mpirun has started share the batches of one GAN, and train as one run."""

import pytest
from rank_helpers import ROOT, needs_mpi, run_mpi

PROGRAM = ROOT / "tests" / "mpi_program.py"

pytestmark = needs_mpi


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("what", ["sums", "gans"])
def test_group(what, size):
    if what == "gans" and size == 3:
        pytest.skip("threads play three processes in test_processes.py")
    done = run_mpi(size, PROGRAM, what)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [f"rank {rank} of {size}: right" for rank in range(size)]
