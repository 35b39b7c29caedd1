"""Watchers of one's own: what they see, and that neither their errors nor what they do go unnoticed."""

import sys
import types

import numpy as np
import pytest
from run_helpers import SMALL, results

from minigan import backend
from minigan.__main__ import main
from minigan.data import Dataset, dataset, load
from minigan.errors import OptionError
from minigan.training.gallery import Gallery
from minigan.training.loop import resume_run, start_run
from minigan.training.watchers import Watcher
from minigan.training.watchers.health import Health
from minigan.training.watchers.progress import ProgressBar

SMALL = SMALL.but("Small", batch_size=50)  # 5 steps an epoch with the 250 images below


@pytest.fixture(autouse=True)
def few_images_and_no_overview(monkeypatch):
    """The pictures at the end of a run take longer than the run."""
    monkeypatch.setattr(Gallery, "finish", lambda *arguments: [])
    digits = load("digits")
    few = Dataset("digits", "train", digits.images[:250], digits.labels[:250], digits.classes)
    monkeypatch.setitem(dataset.LOADERS, "digits", lambda directory, split: few)


class Recorder(Watcher):
    def __init__(self):
        self.calls = []

    def start(self, training):
        self.calls.append(("start", training.step, training.epoch, training.folder.path, training.config.total_steps))

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        assert not batch.flags.writeable and labels is None
        self.calls.append((step, batch.shape, float(d_loss)))

    def after_epoch(self, row, picture):
        self.calls.append((row["epoch"], picture.shape))

    def close(self):
        self.calls.append("close")


def notes(folder):
    return (folder / "notes.txt").read_text()


def test_what_a_watcher_sees(tmp_path):
    recorder = Recorder()
    start_run(SMALL, tmp_path / "run", steps=6, watchers=[recorder]).run(quiet=True)
    first, *steps, last = recorder.calls
    assert first == ("start", 0, 0, tmp_path / "run", 6) and last == "close"
    epoch = steps.pop(5)
    assert epoch[0] == 1 and len(epoch[1]) == 3
    assert [step for step, *_ in steps] == [1, 2, 3, 4, 5, 6]
    assert all(shape == (50, 28, 28, 1) and np.isfinite(loss) for _, shape, loss in steps)


def test_a_resumed_run_starts_its_watchers_again_and_is_the_same_as_without(tmp_path):
    start_run(SMALL, tmp_path / "plain", steps=7).run(quiet=True)
    start_run(SMALL, tmp_path / "run", steps=3, watchers=[Recorder()]).run(quiet=True)
    recorder = Recorder()
    resume_run(tmp_path / "run", steps=7, experiment=SMALL, watchers=[recorder]).run(quiet=True)
    assert recorder.calls[0][:2] == ("start", 3)
    assert results(tmp_path / "plain") == results(tmp_path / "run")
    assert "changed the GAN" not in notes(tmp_path / "run")


@pytest.mark.parametrize("method", ["after_step", "after_epoch", "close"])
def test_a_watcher_that_fails_is_left_out_and_the_run_goes_on(tmp_path, capsys, method):
    def fail(self, *arguments):
        raise KeyError("no\nthing")

    kind = type("Clumsy", (Recorder,), {method: fail})
    clumsy, recorder = kind(), Recorder()
    assert start_run(SMALL, tmp_path / "run", watchers=[clumsy, recorder]).run(quiet=True) is None
    assert len(recorder.calls) == 2 + 15 + 3
    told = notes(tmp_path / "run")
    assert told.count(f"the watcher Clumsy fails in {method}: KeyError: 'no\\nthing' (") == 1
    assert "test_watchers.py, line" in told
    if method == "after_step":
        assert clumsy.calls[1:] == ["close"]


def test_a_watcher_that_cannot_start_ends_the_run_before_its_first_step(tmp_path):
    class NoNetwork(Watcher):
        def start(self, training):
            raise ConnectionError("no network")

    recorder = Recorder()
    training = start_run(SMALL, tmp_path / "run", watchers=[recorder, NoNetwork()])
    with pytest.raises(OptionError, match="the watcher NoNetwork cannot start: ConnectionError: no network"):
        training.run(quiet=True)
    assert [call if isinstance(call, str) else call[0] for call in recorder.calls] == ["start", "close"]
    assert resume_run(tmp_path / "run", experiment=SMALL, steps=1).run(quiet=True) is None


@pytest.mark.parametrize("spoil", ["params", "state", "random"])
@pytest.mark.parametrize("method", ["after_step", "after_epoch"])
def test_a_watcher_that_changes_the_gan_is_told_on(tmp_path, spoil, method):
    class Meddler(Watcher):
        def start(self, training):
            self.gan = training.gan

        def meddle(self):
            if spoil == "random":
                self.gan.rng.random()
            else:
                next(iter(getattr(self.gan.generator, spoil).values()))[...] += 1e-3

    setattr(Meddler, method, lambda self, *arguments: self.meddle())
    start_run(SMALL, tmp_path / "run", steps=1 if method == "after_step" else 5, watchers=[Meddler()]).run(quiet=True)
    assert notes(tmp_path / "run").count(f"a watcher (Meddler) has changed the GAN in {method}") == 1


def test_a_watcher_that_changes_the_gan_and_fails_is_among_those_named(tmp_path):
    class Bad(Watcher):
        def start(self, training):
            self.gan = training.gan

        def after_step(self, step, batch, d_loss, g_loss, labels=None):
            next(iter(self.gan.generator.params.values()))[...] += 1e-3
            raise ValueError("too late")

    start_run(SMALL, tmp_path / "run", steps=1, watchers=[Bad(), Recorder()]).run(quiet=True)
    assert "a watcher (Bad, Recorder) has changed the GAN" in notes(tmp_path / "run")


def test_a_run_on_a_gpu(tmp_path, gpu):
    seen = []

    class OnGpu(Watcher):
        def after_step(self, step, batch, d_loss, g_loss, labels=None):
            seen.append((backend.array_module(batch) is gpu, float(d_loss)))

    start_run(SMALL, tmp_path / "run", steps=3, device="gpu", watchers=[OnGpu()]).run(quiet=True)
    assert [on_gpu for on_gpu, _ in seen] == [True] * 3 and all(np.isfinite(loss) for _, loss in seen)
    assert "watcher" not in notes(tmp_path / "run")


def test_a_watcher_cannot_write_to_the_batch(tmp_path):
    class Scribbler(Watcher):
        def after_step(self, step, batch, *losses):
            batch[...] = 0

    start_run(SMALL, tmp_path / "run", steps=1, watchers=[Scribbler()]).run(quiet=True)
    assert "fails in after_step: ValueError" in notes(tmp_path / "run")


def test_a_watcher_can_stop_the_run(tmp_path):
    class Enough(Watcher):
        def start(self, training):
            self.training = training

        def after_step(self, step, *more):
            if step == 2:
                self.training.stop()

    training = start_run(SMALL, tmp_path / "run", watchers=[Enough()])
    assert training.run(quiet=True) and training.step == 2


@pytest.mark.parametrize("watchers", [Recorder(), [Recorder], ["bar"], 3, None])
def test_what_is_no_watcher_is_refused_before_anything_is_written(tmp_path, watchers):
    with pytest.raises(OptionError, match="watcher"):
        start_run(SMALL, tmp_path / "run", watchers=watchers)
    assert not (tmp_path / "run").exists()


def test_minigans_own_watchers_keep_to_the_same_protocol():
    assert issubclass(Health, Watcher) and issubclass(ProgressBar, Watcher)


def page_example():
    """The example for Weights & Biases of the page on commands."""
    import re
    from pathlib import Path

    page = (Path(__file__).resolve().parents[1] / "docs/watchers.md").read_text(encoding="utf-8")
    return next(block for block in re.findall(r"```python\n(.*?)```", page, re.S) if "import wandb" in block)


def test_the_example_for_weights_and_biases(tmp_path, monkeypatch):
    said = []
    wandb = types.ModuleType("wandb")
    wandb.init = lambda **options: said.append(("init", options))
    wandb.log = lambda values, step: said.append(("log", step, values))
    wandb.finish = lambda: said.append(("finish",))
    wandb.Image = lambda picture: ("image", picture.shape)
    monkeypatch.setitem(sys.modules, "wandb", wandb)
    names = {"Watcher": Watcher}
    exec(page_example(), names)
    watcher = names["WandB"]()
    training = start_run(SMALL, tmp_path / "run", steps=10, watchers=[watcher])
    training.run(quiet=True)
    assert "fails" not in notes(tmp_path / "run") and "changed the GAN" not in notes(tmp_path / "run")
    assert said[0][0] == "init" and said[0][1]["dir"] == str(tmp_path / "run") and said[-1] == ("finish",)
    assert [step for kind, step, *_ in said[1:-1]] == [5, 10, 10]
    assert said[1][2]["samples"][0] == "image" and {"d_loss", "g_loss"} <= set(said[2][2])


def test_watchers_of_an_own_file_watch_its_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    text = """
from minigan.training.watchers import Watcher
from run_helpers import SMALL
EXPERIMENT = SMALL.but("mine", batch_size=50)
class Say(Watcher):
    def after_step(self, step, *more):
        print("step", step)
WATCHERS = [Say()]
"""
    (tmp_path / "my_gan.py").write_text(text)
    (tmp_path / "wrong.py").write_text(text.replace("[Say()]", "Say()"))
    for arguments in (("train", "my_gan.py", "--steps", "1", "--out", "run"), ("resume", "run", "--trust-source")):
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--quiet", *(["--steps", "2"] if arguments[0] == "resume" else [])])
        assert end.value.code == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")] == ["step 1", "step 2"]
    with pytest.raises(SystemExit) as end:
        main(["train", "wrong.py", "--out", "wrong"])
    assert end.value.code == 2 and "expected watchers as a list" in capsys.readouterr().err
