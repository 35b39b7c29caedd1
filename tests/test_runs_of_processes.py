"""Runs that several processes train together. Here threads play the processes; test_mpi.py has real ones."""

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rank_helpers import as_ranks
from run_helpers import SMALL, outcome, results

from minigan import GAN, data
from minigan.cli import several
from minigan.errors import CheckpointError, DataError, DriftError, NonFiniteError, OptionError
from minigan.experiments import EXPERIMENTS
from minigan.parallel import ALONE, mpi, processes
from minigan.training import loop
from minigan.training.loop import resume_run, start_run


@pytest.fixture(autouse=True)
def small(monkeypatch, no_pictures):
    monkeypatch.setitem(EXPERIMENTS, SMALL.name, SMALL)


@pytest.fixture
def ranks(monkeypatch):
    """A function like as_ranks, whose threads get their group as processes do."""
    here = threading.local()
    monkeypatch.setattr(loop, "processes", lambda: getattr(here, "group", ALONE))

    def run(size, work):
        def work_as_rank(group):
            here.group = group
            return work(group)

        return as_ranks(size, work_as_rank)

    return run


def config(folder):
    return json.loads((folder / "config.json").read_text())


def trained(training):
    training.run(quiet=True)
    return training


def test_one_run_and_only_rank_0_writes(ranks, tmp_path):
    together = ranks(2, lambda group: trained(start_run(SMALL, tmp_path / f"rank {group.rank}", seed=5)))
    assert [path.name for path in tmp_path.iterdir()] == ["rank 0"]
    assert config(tmp_path / "rank 0")["processes"] == 2 and config(tmp_path / "rank 0")["workers"] == 1
    one = trained(start_run(SMALL, tmp_path / "one", seed=5, workers=1))
    assert together[0].step == together[1].step == one.step == 15
    for name in ("generator", "discriminator"):
        params = [getattr(training.gan, name).flat_params for training in (*together, one)]
        np.testing.assert_array_equal(params[0], params[1])
        np.testing.assert_allclose(params[0], params[2], atol=1e-4)
    assert together[0].history == together[1].history
    assert together[0].history[-1]["d_loss"] == pytest.approx(one.history[-1]["d_loss"], rel=1e-4)


def test_a_request_to_stop_stops_all_after_the_same_step_and_the_run_resumes(ranks, tmp_path, monkeypatch):
    whole = ranks(2, lambda group: trained(start_run(SMALL, tmp_path / "whole", seed=5)))
    train_step = GAN.train_step

    def work(group):
        training = start_run(SMALL, tmp_path / "run", seed=5)

        def step_and_stop(images):
            if group.rank == 1 and training.step == 6:
                training.stop()
            return train_step(training.gan, images)

        training.gan.train_step = step_and_stop
        return training.run(quiet=True), training.step

    assert ranks(2, work) == [(2, 7), (2, 7)]
    # only rank 0 sees the folder
    again = ranks(2, lambda group: trained(resume_run(tmp_path / "run" if group.rank == 0 else tmp_path / "none")))
    assert outcome(again[0]) == outcome(whole[0])
    assert not (tmp_path / "none").exists()
    assert results(tmp_path / "run") == results(tmp_path / "whole")


def test_another_number_of_processes_is_noted(ranks, tmp_path):
    folder = tmp_path / "run"
    ranks(2, lambda group: trained(start_run(SMALL, folder, epochs=1)))
    ranks(3, lambda group: trained(resume_run(folder, epochs=2)))
    trained(resume_run(folder, epochs=3))
    notes = (folder / "notes.txt").read_text()
    assert "2 processes shared each batch, now 3 processes" in notes
    assert "3 processes shared each batch, now 1 worker" in notes
    assert config(folder)["processes"] == 1


def test_threads_of_a_run_give_way_to_processes(ranks, tmp_path):
    trained(start_run(SMALL, tmp_path / "run", epochs=1, workers=2))
    ranks(2, lambda group: trained(resume_run(tmp_path / "run", epochs=2)))
    assert "2 workers shared each batch, now 2 processes" in (tmp_path / "run" / "notes.txt").read_text()
    assert config(tmp_path / "run")["workers"] == 1


def fails(ranks, error, message, work, size=2):
    with pytest.raises(error, match=message):
        ranks(size, work)


def test_wrong_options(ranks, tmp_path):
    out = tmp_path / "run"
    fails(ranks, OptionError, "each computes in one thread", lambda group: start_run(SMALL, out, workers=2))
    fails(ranks, OptionError, "a batch has only 2 images", lambda group: start_run(SMALL, out, batch_size=2), size=3)
    fails(
        ranks, OptionError, "the same run: seed is not the same", lambda group: start_run(SMALL, out, seed=group.rank)
    )
    fails(ranks, OptionError, "total steps is not", lambda group: start_run(SMALL, out, steps=1 + group.rank, epochs=9))
    assert not out.exists()


def test_other_images_on_one_of_the_machines(ranks, tmp_path, monkeypatch):
    load = data.load

    def other(name, directory=None):
        dataset = load(name, directory=directory)
        if threading.current_thread().rank:
            dataset = replace(dataset, images=255 - dataset.images)
        return dataset

    monkeypatch.setattr(data, "load", other)

    def work(group):
        threading.current_thread().rank = group.rank
        start_run(SMALL, tmp_path / "run")

    fails(ranks, OptionError, "images_md5 is not the same in all of them", work)


def test_an_error_of_rank_0_while_the_others_wait_for_it(ranks, tmp_path):
    fails(ranks, CheckpointError, "is not the folder of a run", lambda group: resume_run(tmp_path / "none"))


def in_step(ranks, tmp_path, trouble, **options):
    """Train with `trouble(gan, losses)` after each step of rank 1."""
    train_step = GAN.train_step

    def work(group):
        training = start_run(SMALL, tmp_path / "run", **options)

        def step(images):
            losses = train_step(training.gan, images)
            if group.rank == 1:
                trouble(training.gan, losses)
            return losses

        training.gan.train_step = step
        training.run(quiet=True)

    ranks(2, work)


def test_an_error_in_one_process_is_noted_nowhere_else(ranks, tmp_path):
    def trouble(gan, losses):
        raise DataError("the disk is broken")

    with pytest.raises(DataError, match="the disk is broken"):
        in_step(ranks, tmp_path, trouble)


def test_processes_that_drift_apart_stop_before_the_checkpoint(ranks, tmp_path):
    def trouble(gan, losses):
        gan.generator.flat_params[0] += 1e-3

    with pytest.raises(DriftError, match="step 5: the processes have drifted apart: in rank 1"):
        in_step(ranks, tmp_path, trouble)
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.filterwarnings("ignore:GAN.train_step")  # the threads share one list of filters
def test_nan_in_one_process_stops_all_of_them(ranks, tmp_path):
    """Its rows reach all losses and all gradients."""
    train_step, errors = GAN.train_step, []

    def work(group):
        training = start_run(SMALL, tmp_path / "run")

        def step(images):
            if group.rank == 1 and training.step == 3:
                forward = training.gan.generator.layers[0].forward
                training.gan.generator.layers[0].forward = lambda x, training=False: forward(x, training) * np.nan
            return train_step(training.gan, images)

        training.gan.train_step = step
        with pytest.raises(NonFiniteError, match="step 4: ") as caught:
            training.run(quiet=True)
        errors.append(str(caught.value))

    ranks(2, work)
    assert len(errors) == 2
    assert "stopped at step 4" in (tmp_path / "run" / "notes.txt").read_text()


# how mpirun is noticed


@pytest.mark.parametrize("size, rank", mpi.VARIABLES)
def test_programs_that_do_not_share_their_work(size, rank, monkeypatch):
    monkeypatch.setenv(size, "4")
    monkeypatch.setenv(rank, "3")
    assert mpi.started() == (3, 4)
    with pytest.raises(OptionError, match="started this program 4 times"):
        several.refuse_several()


def test_an_example_or_another_command_started_by_mpirun():
    """Each process would write the same files."""
    examples = Path(__file__).resolve().parents[1] / "examples"
    for command in ([examples / "mlp_gan.py"], ["-m", "minigan", "info"]):
        environment = {**os.environ, "PMI_SIZE": "2", "PMI_RANK": "0"}
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 2 and "Start it without mpirun" in done.stderr, done.stderr


@pytest.mark.parametrize("values", [("", ""), ("x", "0"), ("4", "")])
def test_other_environments(values, monkeypatch):
    for name, value in zip(mpi.VARIABLES[0], values, strict=True):
        monkeypatch.setenv(name, value)
    assert mpi.started() == mpi.ONE
    several.refuse_several()


@pytest.fixture
def fresh():
    mpi.started_processes.cache_clear()
    yield
    mpi.started_processes.cache_clear()


def test_without_mpirun_there_is_one_and_mpi4py_is_not_imported(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert processes() is ALONE


def test_mpirun_without_mpi4py(fresh, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    monkeypatch.setenv("PMI_SIZE", "2")
    monkeypatch.setenv("PMI_RANK", "0")
    with pytest.raises(OptionError, match=r'mpirun has started 2 processes.*pip install "minigan\[mpi\]"'):
        start_run(SMALL, tmp_path / "run")
    assert not (tmp_path / "run").exists()
