"""Processes that mpirun has started share the batches of one GAN, and train as one run."""

import json
import subprocess
import sys

import numpy as np
import pytest
from rank_helpers import ROOT, mpi_environment, needs_mpi, run_mpi
from run_helpers import SMALL, results

from minigan.experiments import EXPERIMENTS
from minigan.training.loop import start_run
from minigan.training.trained import load_trained

PROGRAM = ROOT / "tests" / "mpi_program.py"

pytestmark = needs_mpi


@pytest.fixture(autouse=True)
def small(monkeypatch, no_pictures):
    monkeypatch.setitem(EXPERIMENTS, SMALL.name, SMALL)


@pytest.mark.parametrize(("what", "size"), [("sums", 3), ("gans", 2)])
@pytest.mark.slow  # test_processes.py has the same without MPI; the runs below start it
def test_group(what, size):
    done = run_mpi(size, PROGRAM, what)
    assert done.returncode == 0, done.stderr
    for rank in range(size):
        assert done.stdout.count(f"rank {rank} of {size}: right") == 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run of two processes that nothing happens to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = run_mpi(2, PROGRAM, "run", "train", "Small", "--seed", 5, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1 and done.stdout.startswith("finished after 15 steps")
    assert done.stderr.startswith("Small: 15 steps on the CPU, 2 processes share each batch\n")
    assert done.stderr.count("Small") == 1 and "rank" not in done.stderr
    return folder


def test_a_run_of_two_processes_is_the_run_of_one(whole, tmp_path):
    one = start_run(SMALL, tmp_path / "one", seed=5, workers=1)
    one.run(quiet=True)
    two = load_trained(whole)
    assert two.step == one.step and two.config.processes == 2
    np.testing.assert_allclose(two.gan.generator.flat_params, one.gan.generator.flat_params, atol=1e-4)
    assert two.gan.rng.bit_generator.state == one.gan.rng.bit_generator.state
    notes = (whole / "notes.txt").read_text()
    assert notes.count("\n") == 2 and "on cpu with 2 processes" in notes


@pytest.mark.parametrize(
    "kind, rank, codes",
    [
        ("SIGKILL", 1, (128 + 9, 9)),
        pytest.param("SIGTERM", 1, (128 + 15,), marks=pytest.mark.slow),
        pytest.param("SIGKILL", 0, (128 + 9, 9), marks=pytest.mark.slow),
    ],
)
def test_a_process_that_dies_ends_the_run_and_it_resumes_bit_for_bit(kind, rank, codes, whole, tmp_path):
    folder = tmp_path / "run"
    trouble = f"{kind} {rank} 7"
    done = run_mpi(2, PROGRAM, "run", "train", "Small", "--seed", 5, "--out", folder, MINIGAN_TROUBLE=trouble)
    assert done.returncode in codes, done.stderr  # of a kill, Open MPI gives 137, MPICH 9
    if kind == "SIGTERM":
        assert done.stdout.startswith("stopped after 7 steps; continue with")
        assert "stopped by signal 15 after 7 steps" in (folder / "notes.txt").read_text()
    done = run_mpi(2, PROGRAM, "run", "resume", folder, "--quiet")
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "config.json").read_text()) == json.loads((whole / "config.json").read_text())
    assert results(folder) == results(whole)


@pytest.mark.parametrize(
    "kind, code, text",
    [("error", 2, "error: the disk of"), pytest.param("bug", 1, "RuntimeError: a bug", marks=pytest.mark.slow)],
)
def test_an_error_in_one_process_ends_all_with_one_message(kind, code, text, tmp_path):
    rank = 1 if kind == "error" else 0
    done = run_mpi(
        2, PROGRAM, "run", "train", "Small", "--out", tmp_path, "--quiet", MINIGAN_TROUBLE=f"{kind} {rank} 3"
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.count(text) == 1
    assert (f"rank 1: {text}" in done.stderr) == bool(rank)


def test_an_error_that_all_have_in_common_is_shown_once(tmp_path):
    (tmp_path / "file").write_text("here before")
    done = run_mpi(2, PROGRAM, "run", "train", "Small", "--out", tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("is not empty") == 1 and "rank 1:" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_mpirun_of_another_mpi_than_that_of_mpi4py(tmp_path):
    """As if MPICH's mpirun had started two programs whose mpi4py uses Open MPI: each finds only itself."""
    environment = mpi_environment(PMI_SIZE="2", PMI_RANK="0")
    command = [sys.executable, PROGRAM, "run", "train", "Small", "--out", tmp_path / "run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 2, done.stderr
    assert "mpirun has started 2 processes, but mpi4py finds 1" in done.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("arguments, text", [(("list",), "only python -m minigan train and"), (("--epoch",), "usage")])
def test_wrong_command_lines(arguments, text):
    done = run_mpi(2, PROGRAM, "run", *arguments)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.count(text) == 1 and "rank 1:" not in done.stderr
