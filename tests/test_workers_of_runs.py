"""Runs whose batches are shared by workers: what is recorded, resumed and said."""

import json

import numpy as np
import pytest
from run_helpers import SMALL, files, outcome

from minigan import machine
from minigan.__main__ import main
from minigan.errors import CheckpointError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.parallel.sharing import MOST_WORKERS
from minigan.training.loop import resume_run, start_run


@pytest.fixture(autouse=True)
def small(monkeypatch, no_pictures):
    monkeypatch.setitem(EXPERIMENTS, SMALL.name, SMALL)


def config(folder):
    return json.loads((folder / "config.json").read_text())


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_resumed_run_gives_the_same_bits(workers, tmp_path):
    whole = start_run(SMALL, tmp_path / "whole", workers=workers)
    whole.run(quiet=True)
    start_run(SMALL, tmp_path / "parts", workers=workers, steps=7).run(quiet=True)
    part = resume_run(tmp_path / "parts", steps=15)
    assert part.gan.workers == workers == config(tmp_path / "parts")["workers"]
    part.run(quiet=True)
    assert outcome(part) == outcome(whole)


def test_runs_of_several_numbers_of_workers_differ_by_rounding_only(tmp_path):
    runs = [start_run(SMALL, tmp_path / str(workers), workers=workers, epochs=1) for workers in (1, 2, 3)]
    for run in runs:
        run.run(quiet=True)
    for run in runs[1:]:
        assert run.history[0]["d_loss"] == pytest.approx(runs[0].history[0]["d_loss"], rel=1e-5)
        np.testing.assert_allclose(run.gan.generator.flat_params, runs[0].gan.generator.flat_params, atol=1e-3)


def test_another_number_of_workers_is_noted(tmp_path):
    start_run(SMALL, tmp_path / "run", workers=2, epochs=1).run(quiet=True)
    resume_run(tmp_path / "run", epochs=2, workers=1).run(quiet=True)
    notes = (tmp_path / "run" / "notes.txt").read_text()
    assert "2 workers shared each batch, now 1 worker" in notes and "with 2 workers" in notes
    assert config(tmp_path / "run")["workers"] == 1
    resume_run(tmp_path / "run", epochs=3).run(quiet=True)
    assert notes.count("changed since") == (tmp_path / "run" / "notes.txt").read_text().count("changed since")


def test_auto_takes_workers_only_for_batches_that_are_worth_it(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "blas_threads", lambda: 3)
    assert start_run(SMALL.but("S", batch_size=50), tmp_path / "small").config.workers == 1
    assert start_run(find("mlp-gan"), tmp_path / "large").config.workers == 3
    assert start_run(find("mlp-gan").but("two", batch_size=2), tmp_path / "two").config.workers == 1


@pytest.mark.parametrize("workers", [0, "two", None, MOST_WORKERS + 1, 1.5])
def test_wrong_numbers_write_nothing(workers, tmp_path):
    with pytest.raises(OptionError, match="workers"):
        start_run(SMALL, tmp_path / "run", workers=workers)
    assert not (tmp_path / "run").exists()


def test_more_workers_than_images_in_a_batch(tmp_path):
    with pytest.raises(OptionError, match="a batch has only 4 images"):
        start_run(SMALL, tmp_path / "run", workers=5, batch_size=4)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("value", [0, -1, 10**6, "2", 2.0, None, True])
def test_a_config_with_a_wrong_number(value, tmp_path):
    start_run(SMALL, tmp_path, epochs=1).run(quiet=True)
    values = config(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**values, "workers": value}))
    with pytest.raises(CheckpointError, match="expected workers as an integer from 1 to 256"):
        resume_run(tmp_path, epochs=2)


def test_a_run_of_an_older_version_goes_on_with_one_worker(tmp_path):
    start_run(SMALL, tmp_path, epochs=1, workers=1).run(quiet=True)
    values = config(tmp_path)
    del values["workers"]
    (tmp_path / "config.json").write_text(json.dumps(values))
    assert resume_run(tmp_path, epochs=2).gan.workers == 1


def test_on_the_command_line(tmp_path, capsys):
    out = str(tmp_path / "run")
    arguments = ["train", "mlp-gan", "--steps", "2", "--workers", "2", "--out", out]
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert not end.value.code
    assert "mlp-gan: 2 steps on the CPU, 2 workers share each batch\n" in capsys.readouterr().err
    before = files(tmp_path / "run")
    with pytest.raises(SystemExit):
        main(["resume", out, "--steps", "3", "--quiet"])
    assert config(tmp_path / "run")["workers"] == 2 and files(tmp_path / "run") != before
    with pytest.raises(SystemExit):
        main([*arguments[:-1], str(tmp_path / "other"), "--workers", "300"])
    assert "an integer from 1 to 256" in capsys.readouterr().err


def test_auto_on_resume_counts_the_cores_and_not_the_one_blas_thread_of_each_worker(tmp_path, monkeypatch):
    threads = [3]
    monkeypatch.setattr(machine, "blas_threads", lambda: threads[-1])
    monkeypatch.setattr(machine, "set_blas_threads", threads.append)
    monkeypatch.setattr(machine, "chosen_threads", lambda: None)
    start_run(find("mlp-gan"), tmp_path / "run", steps=1, workers=2).run(quiet=True)
    assert config(tmp_path / "run")["machine"]["BLAS threads"] == "1"
    with pytest.raises(SystemExit):
        main(["resume", str(tmp_path / "run"), "--workers", "auto", "--steps", "2", "--quiet"])
    assert config(tmp_path / "run")["workers"] == 3


def test_info_shows_the_number(capsys, monkeypatch):
    monkeypatch.setattr(machine, "blas_threads", lambda: 7)
    with pytest.raises(SystemExit):
        main(["info"])
    assert "workers       7 (that share each batch by default" in capsys.readouterr().out
