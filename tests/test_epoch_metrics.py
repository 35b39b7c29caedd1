"""train --judge-every: the metrics of evaluate over the epochs, in metrics.csv, without a change of the training."""

import csv
import json
import os
import re
import shutil
import signal

import numpy as np
import pytest
from run_helpers import SMALL, files, in_child, outcome
from study_helpers import make_small_world

from minigan import data
from minigan.__main__ import main
from minigan.data import dataset, stacked
from minigan.errors import CheckpointError, DataError, MiniganError, NonFiniteError, OptionError
from minigan.experiments import EXPERIMENTS
from minigan.metrics import classifier
from minigan.training import checkpoints, trainer
from minigan.training.config import JUDGE_SAMPLES, RunConfig
from minigan.training.judging import Judge, judge_for
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained
from minigan.training.trainer import Training
from minigan.training.watchers import Watcher

FEW = SMALL.but("Few", batch_size=120)  # 5 steps an epoch of the 600 digits
JUDGED = {"judge_every": 2, "judge_samples": 60}


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        make_small_world(patch, tmp_path_factory.mktemp("cache"))
        patch.setitem(EXPERIMENTS, "Few", FEW)
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run of 3 epochs that was judged after the second and the last one."""
    folder = tmp_path_factory.mktemp("judged") / "run"
    start_run(FEW, folder, seed=5, **JUDGED).run(quiet=True)
    return folder


def rows_of(folder):
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


def test_a_row_after_every_second_epoch_and_after_the_last(run):
    rows = rows_of(run)
    assert [(row["step"], row["epoch"], row["samples"]) for row in rows] == [("10", "2.0", "60"), ("15", "3.0", "60")]
    assert list(rows[0]) == [
        *("step", "epoch", "samples", "nfd", "score", "confidence", "class_kl", "smallest_class"),
        *("precision", "recall", "density", "coverage"),
    ], "no columns for what these digits do not have: a test split, classes that were asked for"
    assert rows[0]["nfd"] != rows[1]["nfd"]


@pytest.mark.parametrize("options", [{}, {"judge_every": 3}, {"judge_every": 1, "steps": 7}])
def test_the_last_row_is_what_evaluate_says(run, tmp_path, options):
    folder = tmp_path / "run"
    if options:
        start_run(FEW, folder, seed=5, **(JUDGED | options)).run(quiet=True)
    else:
        shutil.copytree(run, folder)
    assert not command("evaluate", folder, "--samples", 60, "--device", "cpu", "--quiet")
    last, scores = rows_of(folder)[-1], json.loads((folder / "evaluation.json").read_text())
    assert int(last["step"]) == scores["step"] and float(last["epoch"]) == scores["epoch"]
    for name in list(last)[3:]:
        assert float(last[name]) == scores[name], name


def test_training_is_the_same_to_the_last_bit_with_and_without_a_judge(run, tmp_path):
    start_run(FEW, tmp_path / "run", seed=5).run(quiet=True)
    without, judged = files(tmp_path / "run"), files(run)
    assert set(judged) - set(without) == {"metrics.csv"} and set(without) < set(judged)
    for name, content in without.items():
        if not name.endswith((".checkpoint", "config.json")):
            assert judged[name] == content, name
    for step in (5, 10, 15):
        name = f"checkpoints/step_{step:08d}.checkpoint"
        arrays, values = checkpoints.read(tmp_path / "run" / name)
        judged_arrays, judged_values = checkpoints.read(run / name)
        assert all((judged_arrays[key] == array).all() for key, array in arrays.items())
        assert [row["step"] for row in judged_values["metrics"]] == ([10] if step >= 10 else [])
        values["config"] = judged_values["config"]
        assert {**values, "metrics": judged_values["metrics"]} == judged_values


@pytest.mark.parametrize("first", [3, 7, 10])
def test_a_run_in_two_parts_has_the_rows_of_one(run, tmp_path, first):
    """Those of the end of the first part are dropped, where they are none of the whole run."""
    start_run(FEW, tmp_path / "parts", seed=5, steps=first, **JUDGED).run(quiet=True)
    assert rows_of(tmp_path / "parts")[-1]["step"] == str(first)
    resume_run(tmp_path / "parts", steps=15).run(quiet=True)
    assert (tmp_path / "parts" / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    last = "checkpoints/step_00000015.checkpoint"
    assert files(tmp_path / "parts")[last] == files(run)[last]


def test_a_run_that_goes_on_for_longer_has_the_rows_of_a_long_one(run, tmp_path):
    shutil.copytree(run, tmp_path / "longer")
    resume_run(tmp_path / "longer", epochs=4).run(quiet=True)
    start_run(FEW, tmp_path / "long", seed=5, epochs=4, **JUDGED).run(quiet=True)
    assert [row["step"] for row in rows_of(tmp_path / "longer")] == ["10", "20"]
    assert outcome_of(tmp_path / "longer") == outcome_of(tmp_path / "long")


def test_a_run_can_be_judged_from_later_on(run, tmp_path):
    """The training, and the rows from then on, are those of a run that was judged from the start."""
    start_run(FEW, tmp_path / "later", seed=5, epochs=1).run(quiet=True)
    resume_run(tmp_path / "later", epochs=3, **JUDGED).run(quiet=True)
    assert (tmp_path / "later" / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    assert outcome_of(tmp_path / "later") == outcome_of(run)
    start_run(FEW, tmp_path / "finished", seed=5).run(quiet=True)
    resume_run(tmp_path / "finished", **JUDGED).run(quiet=True)
    assert rows_of(tmp_path / "finished") == rows_of(run)[1:], "of the last step, which needs no training"
    with pytest.raises(OptionError, match="only 600 images here"):
        resume_run(tmp_path / "finished", judge_samples=2000)
    start_run(FEW, tmp_path / "never", seed=5, epochs=1).run(quiet=True)
    with pytest.raises(OptionError, match="Give judge_every, too"):
        resume_run(tmp_path / "never", judge_samples=60)
    with pytest.raises(OptionError, match="expected judge_every as a positive integer or null, found 0"):
        resume_run(tmp_path / "never", judge_every=0)
    assert json.loads((tmp_path / "never" / "config.json").read_text())["judge_every"] is None
    assert command("resume", tmp_path / "never", "--judge-every", 2, "--judge-samples", 60, "--quiet") == 0
    assert [row["step"] for row in rows_of(tmp_path / "never")] == ["5"]


def outcome_of(folder):
    training = resume_run(folder)
    training.close()
    return outcome(training), (folder / "metrics.csv").read_bytes()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_run_that_is_killed_after_a_row_and_before_its_checkpoint(run, tmp_path):
    folder, save = tmp_path / "run", Training.save

    def lethal(training):
        if training.step == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        save(training)

    def work():
        trainer.Training.save = lethal
        start_run(FEW, folder, seed=5, **JUDGED).run(quiet=True)

    assert in_child(work) == -signal.SIGKILL
    assert [row["step"] for row in rows_of(folder)] == ["10"] and not (folder / "losses.png").exists()
    training = resume_run(folder)
    assert training.step == 5 and training.metrics == []
    training.run(quiet=True)
    assert files(folder) == files(run)


def test_a_finished_run_that_is_resumed_stays_as_it_is(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "run")
    for _ in range(2):
        resume_run(tmp_path / "run").run(quiet=True)
        assert files(tmp_path / "run") == files(run)
    resume_run(tmp_path / "run", epochs=4).run(quiet=True)
    monkeypatch.setattr("minigan.training.watchers.epoch_metrics.judge_for", None)  # there is nothing to judge
    resume_run(tmp_path / "run").run(quiet=True)
    assert [row["step"] for row in rows_of(tmp_path / "run")] == ["10", "20"]


def test_the_config_keeps_the_setting_and_old_ones_have_none(run, tmp_path):
    values = json.loads((run / "config.json").read_text())
    assert (values["judge_every"], values["judge_samples"]) == (2, 60)
    del values["judge_every"], values["judge_samples"]
    config = RunConfig.from_json(json.dumps(values), run / "config.json")
    assert config.judge_every is None and config.judge_samples == JUDGE_SAMPLES
    for name, value in (("judge_every", 0), ("judge_every", "2"), ("judge_samples", None), ("judge_samples", -1)):
        with pytest.raises(CheckpointError, match=f"expected {name} as"):
            RunConfig.from_json(json.dumps({**values, name: value}), "config.json")


@pytest.mark.parametrize(
    "rows",
    [None, {}, 3, [3], [{"step": 1}], [dict.fromkeys((*checkpoints.JUDGED_AT, *checkpoints.METRICS), "x")]],
)
def test_a_checkpoint_with_other_rows_is_refused(run, tmp_path, rows):
    shutil.copytree(run, tmp_path / "run")
    arrays, values = checkpoints.read(run / "checkpoints" / "step_00000015.checkpoint")
    checkpoints.write(tmp_path / "run" / "checkpoints", 15, arrays, {**values, "metrics": rows})
    with pytest.raises(CheckpointError, match="not a checkpoint of this version"):
        resume_run(tmp_path / "run")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"judge_every": 1, "judge_samples": 2000}, "only 600 images here. Choose at most 1,200"),
        ({"judge_every": 1}, "judge_samples is 2,000"),
        ({"judge_every": 1, "judge_samples": 11}, "need at least 12 samples"),
        ({"judge_every": 0}, "expected judge_every as a positive integer or null, found 0"),
        ({"judge_every": 1, "judge_samples": 1.5}, "expected judge_samples as a positive integer"),
        ({"judge_samples": 60}, "Give judge_every, too"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_written(tmp_path, options, message):
    with pytest.raises(OptionError, match=re.escape(message)):
        start_run(FEW, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("labels", "needed"), [({}, 2), ({"labels": np.array([3])}, 6)])
def test_one_image_is_too_few_to_judge_with(tmp_path, labels, needed):
    np.savez(tmp_path / "one.npz", images=np.arange(784, dtype="int16").reshape(1, 28, 28) % 256, **labels)
    options = {"dataset": "array", "data_dir": tmp_path / "one.npz", "batch_size": 1, "judge_every": 1}
    with pytest.raises(OptionError, match=f"array has too few images here, 1: .* at least {needed}. Take more"):
        start_run(FEW, tmp_path / "run", judge_samples=12, **options)
    assert not (tmp_path / "run").exists()


def spoil_after(training, step):
    """Let the last weights of the generator become NaN in the step after this one."""
    train_step = training.gan.train_step

    def spoiled(*batch):
        losses = train_step(*batch)
        if training.step == step:
            training.gan.average.flat_params[...] = np.nan
            training.gan.generator.flat_params[...] = np.nan
        return losses

    training.gan.train_step = spoiled


def test_health_ends_a_run_of_nan_before_its_samples_are_judged(tmp_path):
    training = start_run(FEW, tmp_path / "run", judge_every=1, judge_samples=60)
    training.health.waits = True  # as on a GPU: health looks at the end of the epoch
    spoil_after(training, 9)
    with pytest.raises(NonFiniteError, match="step 10"):
        training.run(quiet=True)
    assert [row["step"] for row in rows_of(tmp_path / "run")] == ["5"]
    resumed = resume_run(tmp_path / "run")
    resumed.run(quiet=True)
    assert [row["step"] for row in rows_of(tmp_path / "run")] == ["5", "10", "15"]
    assert all(float(row["nfd"]) > 0 for row in rows_of(tmp_path / "run"))


def test_samples_that_cannot_be_judged_have_an_empty_row(tmp_path, monkeypatch):
    scores = Judge.scores

    def some(judge, *samples):
        if training.step == 10:
            raise DataError("these go from 0 to 9")
        return scores(judge, *samples)

    monkeypatch.setattr(Judge, "scores", some)
    training = start_run(FEW, tmp_path / "run", judge_every=1, judge_samples=60)
    training.run(quiet=True)
    first, second, third = rows_of(tmp_path / "run")
    assert float(first["nfd"]) > 0 and second["step"] == "10" and set(list(second.values())[3:]) == {""}
    assert "step 10: the samples cannot be judged" in (tmp_path / "run" / "notes.txt").read_text()
    assert float(third["nfd"]) > 0


def test_images_without_labels_are_judged_by_their_pixels(tmp_path, monkeypatch):
    load = dataset.LOADERS["digits"]

    def unlabelled(directory, split):
        digits = load(directory, split)
        return dataset.Dataset("digits", split, digits.images, None, digits.classes)

    monkeypatch.setitem(dataset.LOADERS, "digits", unlabelled)
    start_run(FEW, tmp_path / "run", judge_every=3, judge_samples=60).run(quiet=True)
    (row,) = rows_of(tmp_path / "run")
    assert (
        list(row)[3:] == ["memorisation_ratio", "copied_share", "diversity_ratio"] and float(row["diversity_ratio"]) > 0
    )


def test_stacked_digits_are_judged_by_their_modes(tmp_path, monkeypatch):
    monkeypatch.setitem(stacked.COUNTS, "train", 500)
    start_run(FEW, tmp_path / "run", dataset="stacked-digits", steps=2, judge_every=1, judge_samples=60).run(quiet=True)
    (row,) = rows_of(tmp_path / "run")
    assert list(row) == ["step", "epoch", "samples", "modes", "mode_kl"] and 1 <= int(row["modes"]) <= 60


def test_a_conditional_run_is_asked_for_classes(tmp_path):
    start_run(
        EXPERIMENTS["conditional-mlp"], tmp_path / "run", steps=1, batch_size=100, judge_every=1, judge_samples=60
    ).run(quiet=True)
    (row,) = rows_of(tmp_path / "run")
    assert 0 <= float(row["asked_share"]) <= 1


def test_the_classifier_has_its_bar_and_quiet_holds(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    options = "--judge-every", 1, "--judge-samples", 60, "--steps", 1, "--no-report"
    trained, original = [], classifier.train_classifier
    monkeypatch.setattr(classifier, "train_classifier", lambda *args: trained.append(args) or original(*args))
    assert command("train", "Few", *options, "--out", tmp_path / "a") == 0
    said = capsys.readouterr().err
    assert "digits: loading or training the classifier, and applying it to 600 real images" in said
    assert "classifier, digits: 100%" in said and said.rindex("classifier, digits") < said.index("/120 ")
    assert command("train", "Few", *options, "--out", tmp_path / "b", "--quiet") == 0
    assert capsys.readouterr().err == "" and len(trained) == 1


def test_the_commands_take_the_options(run, tmp_path, capsys):
    options = "--seed", 5, "--judge-every", 2, "--judge-samples", 60
    assert command("train", "Few", *options, "--out", tmp_path / "run", "--steps", 12, "--quiet") == 0
    assert command("resume", tmp_path / "run", "--steps", 15, "--quiet") == 0
    assert (tmp_path / "run" / "metrics.csv").read_bytes() == (run / "metrics.csv").read_bytes()
    assert command("train", "Few", "--judge-samples", 60, "--out", tmp_path / "b") == 2
    assert "Give judge_every, too" in capsys.readouterr().err
    assert command("train", "Few", "--judge-every", 0, "--out", tmp_path / "b") == 2


def test_tensorboard_gets_the_metrics(tmp_path):
    pytest.importorskip("tensorboardX")
    start_run(FEW, tmp_path / "run", tensorboard=True, steps=12, **JUDGED).run(quiet=True)
    (events,) = (tmp_path / "run" / "tensorboard").glob("events*")
    found = re.findall(rb"metrics/(\w+)", events.read_bytes())
    assert found.count(b"nfd") == found.count(b"coverage") == 2 and b"modes" not in found


def test_the_bar_shows_the_newest_nfd(tmp_path, monkeypatch):
    shown = []
    bar = "minigan.training.watchers.progress.tqdm"
    monkeypatch.setattr(f"{bar}.set_postfix_str", lambda bar, text, **more: shown.append(text))
    training = start_run(FEW, tmp_path / "run", steps=10, judge_every=1, judge_samples=60)
    training.run()
    assert len(shown) == 1 and shown[0].endswith(f"  nFD {training.metrics[0]['nfd']:.1f} %"), "of epoch 1, in step 10"


def test_a_watcher_of_ones_own_may_read_the_metrics(tmp_path):
    class Seen(Watcher):
        def start(self, training):
            self.training, self.steps = training, []

        def after_epoch(self, row, picture):
            self.steps.append([judged["step"] for judged in self.training.metrics])

    seen = Seen()
    start_run(FEW, tmp_path / "run", watchers=[seen], **JUDGED).run(quiet=True)
    assert seen.steps == [[], [10], [10]]


def test_a_run_on_a_gpu(tmp_path, gpu):
    start_run(FEW, tmp_path / "run", steps=5, device="gpu", judge_every=1, judge_samples=60).run(quiet=True)
    (row,) = rows_of(tmp_path / "run")
    judge = Judge(load_trained(tmp_path / "run", "gpu"), samples=60, device="gpu", quiet=True)
    assert float(row["nfd"]) == judge.judge(load_trained(tmp_path / "run", "gpu"))["nfd"]


def test_no_samples_at_all_are_no_default(run):
    with pytest.raises(MiniganError, match=r"expected samples .* got 0"):
        judge_for(load_trained(run), samples=0, quiet=True)


def test_the_judge_refuses_what_is_no_data_set(run):
    with pytest.raises(MiniganError, match="train"):
        Judge(load_trained(run), train="digits")
    assert len(Judge(load_trained(run), samples=60, quiet=True, train=data.load("digits")).train) == 600
