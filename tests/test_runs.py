"""Runs as folders: what they write, resuming bit for bit after signals and damage, and bad settings."""

import json
import os
import signal
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from run_helpers import SMALL, outcome

from minigan.errors import CheckpointError, DataError, FileError, OptionError
from minigan.experiments import EXPERIMENTS
from minigan.training import checkpoints
from minigan.training.folder import RunFolder
from minigan.training.loop import resume_run, start_run
from minigan.training.watchers.progress import ProgressBar


@pytest.fixture(autouse=True)
def small_is_known(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    EXPERIMENTS["Small"] = SMALL
    training = start_run(SMALL, tmp_path_factory.mktemp("run") / "whole", seed=5)
    assert training.run(quiet=True) is None
    del EXPERIMENTS["Small"]
    return training


def test_a_run_writes_what_it_promises(uninterrupted):
    path = uninterrupted.folder.path
    files = {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}
    assert files == {
        *(
            ".lock",
            "config.json",
            "history.csv",
            "notes.txt",
            "losses.png",
            "real_beside_generated.png",
            "learning.gif",
        ),
        *("generator.npz", "discriminator.npz", "generator_raw.npz", "raw_beside_averaged.png"),
        *(f"samples/{name}.png" for name in ("epoch_001", "epoch_002", "epoch_003", "real", "raw")),
        *(f"checkpoints/step_{step:08d}.checkpoint" for step in (5, 10, 15)),
    }
    config = json.loads((path / "config.json").read_text())
    assert (config["experiment"], config["seed"], config["images"]) == ("Small", 5, 10000)
    assert set(config["versions"]) == {"minigan", "numpy", "python"} and config["device"] == "cpu"
    lines = (path / "history.csv").read_text().splitlines()
    assert lines[0].startswith("step,epoch,d_loss,g_loss") and len(lines) == 4
    assert "finished after 15 steps" in (path / "notes.txt").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_stop_after_the_step_and_resume_goes_on(number, tmp_path, uninterrupted):
    training = start_run(SMALL, tmp_path, seed=5)
    train_step = training.gan.train_step

    def interrupted(batch):
        if training.step == 7:
            os.kill(os.getpid(), number)
        return train_step(batch)

    training.gan.train_step = interrupted
    assert training.run(quiet=True) == number and training.step == 8
    assert (tmp_path / "generator.npz").exists()
    again = resume_run(tmp_path)
    assert again.step == 8 and again.run(quiet=True) is None
    assert outcome(again) == outcome(uninterrupted)


@pytest.mark.usefixtures("no_pictures")
def test_steps_and_later_ends(tmp_path, uninterrupted):
    training = start_run(SMALL, tmp_path, seed=5, steps=7)
    training.run(quiet=True)
    assert training.step == 7 and [row["step"] for row in training.history] == [5, 7]
    longer = resume_run(tmp_path, steps=15)
    longer.run(quiet=True)
    assert outcome(longer) == outcome(uninterrupted)
    with pytest.raises(OptionError, match="has already taken 15 steps, so it cannot end after 5"):
        resume_run(tmp_path, epochs=1)


def test_only_the_newest_three_checkpoints_are_kept(tmp_path):
    for step in range(5):
        checkpoints.write(tmp_path, step, {"a": np.arange(step)}, {"step": step})
    assert [step for step, _ in checkpoints.in_folder(tmp_path)] == [2, 3, 4]


@pytest.mark.usefixtures("no_pictures")
def test_damaged_checkpoints_are_refused_and_the_one_before_is_used(tmp_path, uninterrupted, rng):
    start_run(SMALL, tmp_path, seed=5).run(quiet=True)
    newest = checkpoints.in_folder(tmp_path / "checkpoints")[-1][1]
    whole = newest.read_bytes()
    for _ in range(100):
        damaged = bytearray(whole)
        if rng.random() < 0.5:
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        else:
            del damaged[rng.integers(len(whole)) :]
        newest.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoints.read(newest)
    training = resume_run(tmp_path)
    assert training.step == 10 and "damaged" in (tmp_path / "notes.txt").read_text()
    training.run(quiet=True)
    assert outcome(training) == outcome(uninterrupted)
    for _, path in checkpoints.in_folder(tmp_path / "checkpoints"):
        path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="all 3 checkpoints are damaged"):
        resume_run(tmp_path)


@pytest.mark.usefixtures("no_pictures")
def test_a_run_goes_on_twice_beside_damaged_checkpoints_of_later_steps(tmp_path, uninterrupted):
    start_run(SMALL, tmp_path, seed=5).run(quiet=True)
    for _, path in checkpoints.in_folder(tmp_path / "checkpoints")[1:]:
        path.write_bytes(b"nothing")
    training = resume_run(tmp_path)
    train_step = training.gan.train_step

    def stopping(batch):
        if training.step in (6, 7):
            training.stop()
        return train_step(batch)

    training.gan.train_step = stopping
    training.run(quiet=True)
    assert training.step == 7
    training.run(quiet=True)
    steps = [step for step, _ in checkpoints.in_folder(tmp_path / "checkpoints")]
    assert training.step == 8 and steps == [5, 7, 8, 10, 15], "what is damaged is not counted among the newest"
    training.run(quiet=True)
    assert outcome(training) == outcome(uninterrupted)


@pytest.mark.usefixtures("no_pictures")
def test_another_process_is_noticed_beside_damaged_checkpoints_of_later_steps(tmp_path):
    start_run(SMALL, tmp_path, seed=5).run(quiet=True)
    checkpoints.in_folder(tmp_path / "checkpoints")[-1][1].write_bytes(b"nothing")
    training = resume_run(tmp_path)
    training.close()
    other = resume_run(tmp_path)
    other.gan.train_step = lambda batch: other.stop() or (0.0, 0.0)
    other.run(quiet=True)
    with pytest.raises(CheckpointError, match=r"another process has trained .* to step 11, .* at step 10"):
        training.run(quiet=True)


def edit_config(path, **changes):
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, **changes}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 6}, "seed = 5, but config.json now says 6"),
        ({"batch_size": 1000}, "batch_size"),
        ({"images_md5": "0"}, "images of digits are not the ones that this run was started with"),
        ({"epochs": "many"}, "expected epochs as a positive integer, found 'many'"),
        ({"colour": "red"}, "colour"),
    ],
)
@pytest.mark.usefixtures("no_pictures")
def test_other_settings_are_refused(changes, message, tmp_path):
    start_run(SMALL, tmp_path, seed=5, steps=1).run(quiet=True)
    edit_config(tmp_path, **changes)
    with pytest.raises(CheckpointError, match=message):
        resume_run(tmp_path)


def test_bad_folders_and_options(tmp_path):
    with pytest.raises(CheckpointError, match="not the folder of a run: no such folder"):
        resume_run(tmp_path / "none")
    with pytest.raises(CheckpointError, match=r"config\.json cannot be read"):
        resume_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="not the configuration of a run"):
        resume_run(tmp_path)
    with pytest.raises(OptionError, match=r"is not empty.*resume"):
        start_run(SMALL, tmp_path)
    with pytest.raises(OptionError, match="only 10000 images"):
        start_run(SMALL, tmp_path / "new", batch_size=20000)
    with pytest.raises(DataError):
        start_run(SMALL, tmp_path / "new", dataset="mnist", data_dir=tmp_path)
    assert not (tmp_path / "new").exists()


@pytest.mark.usefixtures("no_pictures")
def test_no_space_on_the_disk_is_one_clear_error_and_nothing_is_lost(tmp_path, monkeypatch, uninterrupted):
    training = start_run(SMALL, tmp_path, seed=5)
    replace, calls = os.replace, iter(range(100))

    def full(*arguments):
        if next(calls) == 3:
            raise OSError(28, "No space left on device")
        return replace(*arguments)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileError, match="No space left on device"):
        training.run(quiet=True)
    monkeypatch.undo()
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    again = resume_run(tmp_path)
    again.run(quiet=True)
    assert outcome(again) == outcome(uninterrupted)


@pytest.mark.usefixtures("no_pictures")
def test_history_is_derived_from_the_checkpoint(tmp_path, uninterrupted):
    start_run(SMALL, tmp_path, seed=5).run(quiet=True)
    (tmp_path / "history.csv").unlink()
    training = resume_run(tmp_path)
    training.run(quiet=True)
    assert outcome(training) == outcome(uninterrupted)


def test_a_run_folder_opens(uninterrupted):
    folder, config = RunFolder.open(uninterrupted.folder.path)
    assert config.total_steps == 15 and config.image_shape == [28, 28, 1] and folder.samples.is_dir()


def test_tensorboard_events_are_written(tmp_path):
    pytest.importorskip("tensorboardX")
    start_run(SMALL, tmp_path, seed=5, tensorboard=True).run(quiet=True)
    (events,) = (tmp_path / "tensorboard").glob("events*")
    assert b"loss/generator" in events.read_bytes() and b"learning_rate" not in events.read_bytes()
    start_run(SMALL.but("x", warm_up=4), tmp_path / "rates", steps=6, tensorboard=True).run(quiet=True)
    (events,) = (tmp_path / "rates" / "tensorboard").glob("events*")
    assert b"learning_rate/discriminator" in events.read_bytes()


def test_without_tensorboardx_the_option_says_what_to_install(tmp_path, monkeypatch):
    """Before a folder is made. A run that has one says so at once, and ends its bar."""
    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=None))
    training = start_run(SMALL, tmp_path / "made", seed=5, tensorboard=True)
    closed = []
    monkeypatch.setattr(ProgressBar, "close", lambda bar: closed.append(bar.bar.close()))
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(OptionError, match=r"minigan\[tensorboard\]"):
        training.run(quiet=True)
    assert len(closed) == 1
    with pytest.raises(OptionError, match=r"minigan\[tensorboard\]"):
        start_run(SMALL, tmp_path / "run", seed=5, tensorboard=True)
    assert not (tmp_path / "run").exists()
