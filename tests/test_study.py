"""Studies without Dask: the plan, one run, what is kept, skipped, failed and continued, results and tables."""

import csv
import io
import json
import os
import signal
import statistics
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_helpers import files
from study_helpers import Here, make_small_world

from minigan import models
from minigan.__main__ import main
from minigan.errors import CheckpointError, DataError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import conditional, mlp_discriminator, mlp_generator
from minigan.gan import GAN
from minigan.study import cluster, job, studying
from minigan.study.job import FINISHED, SKIPPED, STOPPED, RunError, stop_session, work
from minigan.study.plan import Study
from minigan.study.results import COLUMNS, checked_row, csv_text, read_csv, read_result
from minigan.study.studying import run_study, summary
from minigan.study.table import number, table
from minigan.training import judging, trainer
from minigan.training.folder import InUseError
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained

SMALL = find("A4").but(
    "Small", generator=mlp_generator(4), discriminator=mlp_discriminator(4, dropout=0.4), dataset="digits"
)
ASKED = find("conditional-mlp").but(
    "Asked",
    generator=conditional(models.conditional_mlp_generator, widths=(4,)),
    discriminator=conditional(models.conditional_mlp_discriminator, widths=(4,)),
    dataset="digits",
)


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        make_small_world(patch, tmp_path_factory.mktemp("cache"))
        patch.setitem(EXPERIMENTS, "Small", SMALL)
        patch.setitem(EXPERIMENTS, "Asked", ASKED)
        yield


def small_study(**changes):
    return Study(("Small",), **{"seeds": (0, 1), "steps": 3, "batch_size": 100, "samples": 60} | changes)


def run(study, folder, before=lambda job: None):
    """Run a study here; returns its report and the labels of the runs that were begun."""
    here = Here(before)
    return run_study(study, folder, here.open, quiet=True), here.jobs


# images in another form, and classes


def test_a_study_loads_its_images_as_the_command_line_says(tmp_path):
    """Each run, the judge, and the command that continues it; a conditional experiment gets its labels."""
    study = Study(("Small", "Asked"), (0,), steps=2, batch_size=50, samples=60, data_options={"image_size": (12, 12)})
    report, begun = run(study, tmp_path)
    assert begun == ["Small-seed0", "Asked-seed0"] and not report.failed
    for label in begun:
        trained = load_trained(tmp_path / label)
        assert trained.config.data_options == {"image_size": [12, 12]} and trained.config.image_shape == [12, 12, 1]
        assert trained.config.classes == (10 if label.startswith("Asked") else None)
    assert json.loads((tmp_path / "study.json").read_text())["settings"]["data_options"] == {"image_size": [12, 12]}
    assert run(study, tmp_path)[1] == []
    with pytest.raises(OptionError, match=r"another study: there data_options is \{'image_size': "):
        Study(("Small", "Asked"), (0,), steps=2, batch_size=50, samples=60).open(tmp_path)


def test_wrong_data_options():
    with pytest.raises(OptionError, match="expected data_options as a dict of options"):
        small_study(data_options={"colour": 3})
    with pytest.raises(OptionError, match="sets image_size=32, which is set for all runs, too"):
        small_study(options={"image_size": [32]}, data_options={"image_size": (12, 12)})


# the plan


def test_the_runs_of_a_study(tmp_path):
    study = Study(("A4", "wgan"), (3, 0), {"batch_size": ["64", "128"], "d_lr": ["1e-3"]}, epochs=2, data_dir="d")
    jobs = study.jobs(tmp_path)
    assert [job.label for job in jobs] == [
        f"{name}+batch_size={size}+d_lr=0.001-seed{seed}"
        for seed in (3, 0)
        for name in ("A4", "C3")
        for size in (64, 128)
    ]
    assert jobs[1].name == "A4+batch_size=128+d_lr=0.001" and jobs[1].experiment == "A4"
    assert jobs[1].options == "batch_size=128 d_lr=0.001" and jobs[1].epochs == 2 and jobs[1].data_dir == "d"
    assert find(jobs[1].name).batch_size == 128 and find(jobs[2].name).make_gan().d_optimizer.lr == 0.001


def test_steps_is_an_option_of_the_run(tmp_path):
    jobs = Study(("A1",), (0, 1), {"steps": ["10", "20"]}).jobs(tmp_path)
    assert [(job.label, job.name, job.options, job.steps) for job in jobs] == [
        (f"A1+steps={steps}-seed{seed}", "A1", f"steps={steps}", steps) for seed in (0, 1) for steps in (10, 20)
    ]


def test_a_variant_takes_more_options_and_ranges_make_names_for_every_system(tmp_path):
    (job,) = Study(("A1+d_lr=1e-3",), (0,), {"data_range": ["0:1"]}).jobs(tmp_path)
    assert job.label == "A1+d_lr=0.001+data_range=0_1-seed0" and find(job.name).data_range == (0, 1)


def test_numbers_of_numpy_are_numbers(tmp_path):
    study = Study(
        ("A1",),
        (np.int64(0),),
        {"d_lr": list(np.linspace(0.25, 1, 2)), "steps": [np.int64(7)]},
        epochs=np.int64(3),
        samples=np.int32(50),
        data_options={"image_size": [np.int64(8), 8]},
    )
    jobs = study.open(tmp_path)
    assert [job.label for job in jobs] == [f"A1+d_lr={rate}+steps=7-seed0" for rate in ("0.25", "1")]
    assert find(jobs[0].name).name == jobs[0].name and len(set(jobs)) == 2
    settings = json.loads((tmp_path / "study.json").read_text())["settings"]
    assert (settings["epochs"], settings["samples"], settings["data_options"]) == (3, 50, {"image_size": [8, 8]})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"experiments": ("A77",)}, "there is no experiment 'A77'"),
        ({"experiments": ()}, "at least one experiment"),
        ({"experiments": "A4"}, "expected experiments as a list"),
        ({"experiments": (3,)}, "expected the name of an experiment, got 3"),
        ({"seeds": 3}, "expected seeds as a list"),
        ({"options": ["d_lr"]}, "expected options as a dict"),
        ({"options": {"d_lr": 0.1}}, "expected d_lr as a list"),
        ({"options": {3: [1]}}, "expected the names of options as texts"),
        ({"options": {"d_lr": [None, {}]}}, "expected"),
        ({"experiments": ("A4", "mlp-gan-mnist")}, "the experiment 'A4' is given twice"),
        ({"experiments": ("A4", "A4+batch_size=64"), "batch_size": 32}, "batch_size=64, which is set for all runs"),
        ({"seeds": ()}, "and one seed"),
        ({"seeds": (0, 1, 0)}, "the seed 0 is given twice"),
        ({"seeds": (-1,)}, "seed as an integer"),
        ({"seeds": (True,)}, "seed as an integer"),
        ({"options": {"d_lr": []}}, "at least one value of the option d_lr"),
        ({"options": {"d_lr": ["1e-3", "0.0010"]}}, "the value of d_lr '0.001' is given twice"),
        ({"options": {"g_weight_decay": [1, 1.0]}}, "the value of g_weight_decay '1' is given twice"),
        ({"options": {"d_lr": ["fast"]}}, "expected lr > 0, or a schedule"),
        ({"options": {"dlr": ["1"]}}, "Did you mean 'd_lr'"),
        ({"options": {"d_units": ["1"]}}, "A4 has no option 'd_units'"),
        ({"options": {"steps": ["x"]}}, "expected steps as an integer"),
        ({"options": {"steps": ["3"]}, "steps": 3}, "steps is set twice"),
        ({"options": {"epochs": ["3"]}, "epochs": 3}, "epochs is set twice"),
        ({"options": {"samples": ["3"]}}, "samples is set twice"),
        ({"options": {"seed": ["3"]}}, "has no option 'seed'"),
        ({"experiments": ("A4+d_lr=1",), "options": {"d_lr": ["2"]}}, "each once"),
        ({"options": {"g_widths": [":".join(["64"] * 70)]}}, "too long"),
        ({"epochs": 0}, "expected epochs"),
        ({"steps": 1.5}, "expected steps"),
        ({"samples": 0}, "expected samples"),
    ],
)
def test_wrong_plans(arguments, expected):
    with pytest.raises(OptionError) as caught:
        Study(**{"experiments": ("A4",), **arguments})
    assert expected in str(caught.value)


# the folder


def test_a_folder_holds_one_study_which_can_grow(tmp_path):
    small_study(seeds=(0,)).open(tmp_path)
    assert len(small_study(seeds=(1, 0)).open(tmp_path)) == 2
    assert len(small_study(seeds=(0, 1), device="cpu", data_dir="moved").open(tmp_path)) == 2
    for other, expected in (
        (small_study(seeds=(0,)), "such as 'Small-seed1'"),
        (small_study(steps=2), "there steps is 3, here 2"),
        (small_study(steps=None), "there steps is 3, here None"),
        (small_study(samples=61), "there samples is 60, here 61"),
        (Study(("A1",), (0, 1), steps=3, batch_size=100, samples=60), "2 runs that this command does not have"),
    ):
        with pytest.raises(OptionError) as caught:
            other.open(tmp_path)
        assert expected in str(caught.value) and "--out" in str(caught.value)


def test_a_study_can_become_longer(tmp_path):
    """Finished runs go on, to the bits of a run that was as long from the start; no run becomes shorter."""
    run(small_study(seeds=(0,), steps=None, epochs=3), tmp_path / "at once")
    run(small_study(seeds=(0,), steps=None, epochs=1), tmp_path / "longer")
    grown = small_study(steps=None, epochs=3)
    report, begun = run(grown, tmp_path / "longer")
    assert begun == ["Small-seed0", "Small-seed1"] and not report.failed
    assert [(row["epochs"], row["steps"]) for row in report.rows] == [(3, 18), (3, 18)]
    assert run(grown, tmp_path / "longer")[1] == []
    once, longer = (files(tmp_path / name / "Small-seed0") for name in ("at once", "longer"))
    for name in ("checkpoints/step_00000018.checkpoint", "history.csv", "config.json", "evaluation.json"):
        assert once[name] == longer[name], name
    run(small_study(seeds=(0,)), tmp_path / "steps")
    assert [row["steps"] for row in run(small_study(seeds=(0,), steps=5), tmp_path / "steps")[0].rows] == [5]
    before = files(tmp_path)
    for shorter, where, expected in (
        (small_study(steps=None, epochs=2), "longer", "holds a longer study: there epochs is 3, here 2"),
        (small_study(steps=4), "steps", "holds a longer study: there steps is 5, here 4"),
    ):
        with pytest.raises(OptionError, match=expected):
            shorter.open(tmp_path / where)
    assert files(tmp_path) == before


def test_a_study_with_the_epochs_of_each_experiment_becomes_longer_but_not_shorter(tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL.but("Small", epochs=2))
    run(small_study(seeds=(0,), steps=None), tmp_path)
    with pytest.raises(OptionError, match=r"longer study: Small-seed0 has taken 12 steps, in 2 epochs"):
        small_study(seeds=(0,), steps=None, epochs=1).open(tmp_path)
    report, begun = run(small_study(seeds=(0,), steps=None, epochs=3), tmp_path)
    assert begun == ["Small-seed0"] and report.rows[0]["epochs"] == 3


def test_runs_whose_learning_rates_fall_to_their_end_do_not_become_longer(tmp_path):
    """And the study stays as it was."""
    falling = {"seeds": (0,), "steps": None, "options": {"lr_schedule": ["linear"]}}
    run(small_study(epochs=1, **falling), tmp_path)
    before = files(tmp_path)
    with pytest.raises(OptionError, match=r"Small\+lr_schedule=linear-seed0: the learning rates of this run fall"):
        run(small_study(epochs=2, **falling), tmp_path)
    assert files(tmp_path) == before
    report, begun = run(small_study(epochs=1, **falling), tmp_path)
    assert len(report.rows) == 1 and not begun


def test_a_run_that_was_planned_longer_and_is_not_finished_does_not_become_shorter(tmp_path, monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL.but("Small", epochs=2))
    longer, shorter = small_study(steps=None, epochs=4), small_study(steps=None)
    start_run(SMALL, longer.open(tmp_path)[0].path, seed=0, batch_size=100, epochs=4).close()
    before = files(tmp_path)
    with pytest.raises(OptionError, match=r"longer study: Small-seed0 is planned for 4 epochs, here it is 2"):
        run(shorter, tmp_path)
    assert files(tmp_path) == before


def test_the_table_of_a_shorter_study_does_not_stay(tmp_path):
    run(small_study(seeds=(0,)), tmp_path)
    assert (tmp_path / "table.md").exists()
    longer = small_study(seeds=(0,), steps=5)
    studying.write_results(tmp_path, longer.open(tmp_path), studying.Report(stopped=["Small-seed0"]))
    assert not (tmp_path / "table.md").exists()


def test_data_options_as_a_file_holds_them(tmp_path):
    study = small_study(seeds=(0,), data_options={"image_size": [12, 12]})
    (one,) = study.open(tmp_path)
    assert one in {one} and dict(one.data_options)["image_size"] == (12, 12)
    assert study.open(tmp_path) == [one]


def test_a_folder_with_something_else(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="not empty, and holds no study"):
        small_study().open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "null", '{"format": "x"}', '{"format": "minigan study 1", "settings": 3, "runs": []}']
)
def test_a_damaged_study_file(tmp_path, text):
    (tmp_path / "study.json").write_text(text)
    with pytest.raises(CheckpointError, match="not the file of a study"):
        small_study().open(tmp_path)
    assert (tmp_path / "study.json").read_text() == text


# the runs


def test_a_study_writes_results_and_a_table_and_keeps_what_is_finished(tmp_path, monkeypatch):
    study = small_study(seeds=(0, 1, 2), options={"d_dropout": [0.1, 0.3]})
    report, begun = run(study, tmp_path)
    assert len(begun) == 6 and not (report.failed or report.skipped or report.stopped)
    rows = read_csv(tmp_path / "results.csv")
    for row, one in zip(rows, study.jobs(tmp_path), strict=True):
        folder = tmp_path / one.label
        found = json.loads((folder / "evaluation.json").read_text())
        config = json.loads((folder / "config.json").read_text())
        last = (folder / "history.csv").read_text().splitlines()[-1].split(",")
        assert (row["experiment"], row["options"], row["seed"]) == ("Small", one.options, one.seed)
        assert (row["steps"], row["batch_size"], row["dataset"], row["epochs"]) == (3, 100, "digits", 0.5)
        assert row["nfd"] == pytest.approx(found["nfd"], rel=1e-6) and row["samples"] == found["samples"] == 60
        assert row["d_loss"] == pytest.approx(float(last[2]), rel=1e-6) and row["error"] is None
        assert row["minigan"] == found["versions"]["minigan"] and row["processor"] == config["machine"]["processor"]
        assert row["seconds"] > 0 and row["ms_per_step"] == pytest.approx(1000 * row["seconds"] / 3, rel=0.1, abs=5)
        assert row["memorisation_ratio"] is None
    assert (tmp_path / "table.md").read_text() == table(rows) + "\n"
    assert csv_text(rows) == (tmp_path / "results.csv").read_text()
    before = files(tmp_path)
    monkeypatch.setattr(job, "start_run", None)
    assert run(study, tmp_path)[1] == [] and files(tmp_path) == before


def test_the_results_of_a_run_with_labels_say_how_many_samples_are_of_the_class_that_was_asked_for(tmp_path):
    (one,) = Study(["conditional-mlp"], seeds=[0], steps=1, samples=60).jobs(tmp_path)
    _, row = work(one)
    found = json.loads((tmp_path / one.label / "evaluation.json").read_text())
    assert row["asked_share"] == found["asked_share"] and 0 < row["asked_share"] < 1
    assert "| asked class |" in table([read_result(tmp_path / one.label)])


def test_images_without_labels_are_judged_by_distances_of_pixels(tmp_path, rng):
    images = tmp_path / "images"
    images.mkdir()
    for place in range(12):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(images / f"{place:02}.png")
    study = Study(
        ("A1+d_widths=4+g_widths=4",), (0, 1), steps=2, batch_size=4, dataset="folder", data_dir=str(images), samples=20
    )
    report, _ = run(study, tmp_path / "study")
    assert not report.failed
    rows = read_csv(tmp_path / "study/results.csv")
    found = json.loads((tmp_path / "study" / study.jobs(tmp_path)[1].label / "evaluation.json").read_text())
    assert rows[1]["diversity_ratio"] == pytest.approx(found["diversity_ratio"], rel=1e-6) and rows[1]["nfd"] is None
    assert (
        (tmp_path / "study/table.md").read_text().startswith("| experiment | run | memorisation | copied | diversity |")
    )


def test_results_of_a_version_without_a_column_can_be_read():
    text = csv_text([row("A1")])
    headings, values = (line.split(",") for line in text.splitlines())
    place = headings.index("diversity_ratio")
    old = "\n".join(",".join(cells[:place] + cells[place + 1 :]) for cells in (headings, values))
    path = Path("results.csv")
    with pytest.raises(DataError, match="expected the columns"):
        checked_row(dict(zip(headings[1:], values[1:], strict=True)), path)
    ((before,), (now,)) = (list(csv.DictReader(io.StringIO(one))) for one in (old, text))
    assert checked_row(before, path) == checked_row(now, path)


def test_a_run_of_a_study_is_the_run_that_train_makes(tmp_path):
    (one,) = small_study(seeds=(5,), epochs=1, steps=None).jobs(tmp_path)
    how, _ = work(one)
    start_run(SMALL, tmp_path / "alone", seed=5, epochs=1, batch_size=100).run(quiet=True)
    mine, alone = (files(tmp_path / name) for name in (one.label, "alone"))
    assert how == FINISHED and all(mine[name] == alone[name] for name in alone)


def test_a_run_of_a_study_shares_its_batches_with_nobody(tmp_path, monkeypatch):
    """Not even if BLAS has many threads: the cores are for the other runs."""
    asked = []
    monkeypatch.setattr(
        job, "start_run", lambda *arguments, **more: asked.append(more["workers"]) or start_run(*arguments, **more)
    )
    monkeypatch.setattr(
        job, "resume_run", lambda *arguments, **more: asked.append(more["workers"]) or resume_run(*arguments, **more)
    )
    one, other = small_study().jobs(tmp_path)
    start_run(SMALL, other.path, seed=1, steps=3, batch_size=100, workers=2).close()
    for run_of_study in (one, other):
        assert work(run_of_study)[0] == FINISHED
        assert json.loads((tmp_path / run_of_study.label / "config.json").read_text())["workers"] == 1
    assert asked == [1, 1]


def test_a_stopped_run_continues_to_the_last_bit(tmp_path, monkeypatch):
    (one,) = small_study(seeds=(5,), steps=None, epochs=2).jobs(tmp_path / "study")
    step, count = GAN.train_step, []

    def stop_at_the_seventh(gan, batch):
        count.append(1)
        if len(count) == 7:
            stop_session("one")
        return step(gan, batch)

    monkeypatch.setattr(GAN, "train_step", stop_at_the_seventh)
    assert work(one, "other session")[0] == FINISHED
    whole = files(tmp_path / "study" / one.label)
    (tmp_path / "study").rename(tmp_path / "whole")
    job.stopped.clear()
    count.clear()
    how, what = work(one, "one")
    assert (how, what) == (STOPPED, "after 7 steps") and not read_result(tmp_path / "study" / one.label)
    assert work(one, "one")[0] == STOPPED and len(count) == 7, "the session is stopped"
    how, row = work(one, "two")
    assert (
        how == FINISHED and row["steps"] == 12 and row["seconds"] == pytest.approx(0.012 * row["ms_per_step"], abs=0.02)
    )
    again = files(tmp_path / "study" / one.label)
    for name in set(whole) - {"result.json", "times.json"}:  # which hold times
        assert again[name] == whole[name], name


def test_a_session_that_is_stopped_while_a_run_is_opened(tmp_path, monkeypatch):
    (one,) = small_study(seeds=(0,)).jobs(tmp_path)
    opened = job.open_run
    monkeypatch.setattr(job, "open_run", lambda *arguments: stop_session("late") or opened(*arguments))
    assert work(one, "late") == (STOPPED, "after 0 steps")
    assert work(one, "later")[0] == FINISHED


def test_training_stops_from_another_thread(tmp_path):
    training = start_run(SMALL, tmp_path / "run", batch_size=100, epochs=1000)
    thread = threading.Thread(target=training.run, args=(True,))
    thread.start()
    while training.step < 3:
        pass
    training.stop()
    thread.join(20)
    assert not thread.is_alive() and 3 <= training.step < 6000
    again = resume_run(tmp_path / "run", steps=training.step + 1)
    assert again.step == training.step and again.run(quiet=True) is None
    stopped_before = resume_run(tmp_path / "run", steps=again.step + 9)
    stopped_before.stop()
    assert stopped_before.run(quiet=True) == signal.SIGINT and stopped_before.step == again.step
    assert stopped_before.run(quiet=True) is None, "a request holds for one call of run"


def test_a_failed_run_is_reported_and_tried_again(tmp_path, monkeypatch, capsys):
    study, step = small_study(seeds=(0, 1, 2)), GAN.train_step
    broken = {"seed": None}

    def fail(gan, batch):
        if broken["seed"] == 1:
            raise ZeroDivisionError("a fault in the code")
        return step(gan, batch)

    monkeypatch.setattr(GAN, "train_step", fail)
    here = Here(lambda one: broken.update(seed=one.seed))
    report = run_study(study, tmp_path, here.open)
    err = capsys.readouterr().err
    assert "Small-seed1 failed: ZeroDivisionError: a fault in the code" in err
    assert "| 9.00/9.00 [" in err and "3 of 3 runs done, 1 failed]" in err and "2 of 3 runs done" in err
    assert [one.seed for one in report.failed] == [1] and len(here.jobs) == 3
    rows = read_csv(tmp_path / "results.csv")
    assert [row["error"] for row in rows] == [None, "ZeroDivisionError: a fault in the code", None]
    assert "in fail" in (tmp_path / "errors.txt").read_text() and "Traceback" in (tmp_path / "errors.txt").read_text()
    assert "| 3 steps, seeds 0, 2; seed 1 failed |" in summary(tmp_path, report)
    assert "2 finished, 1 failed; results.csv" in summary(tmp_path, report)
    broken["seed"] = None
    report, begun = run(study, tmp_path)
    assert begun == ["Small-seed1"] and not report.failed and not (tmp_path / "errors.txt").exists()
    assert [row["error"] for row in read_csv(tmp_path / "results.csv")] == [None] * 3


def test_a_run_that_diverges_has_its_error_in_the_results(tmp_path, monkeypatch):
    monkeypatch.setattr(
        GAN, "train_step", lambda gan, batch: gan.generator.flat_params.fill(np.nan) or (np.nan, np.nan)
    )
    report, _ = run(small_study(), tmp_path)
    assert all("NonFiniteError" in str(error) and not error.details for error in report.failed.values())
    assert len(report.rows) == 2 and not (tmp_path / "table.md").exists()
    assert "0 finished, 2 failed" in summary(tmp_path, report)


def test_a_run_in_use_is_skipped(tmp_path):
    """Also while it is judged, and by another thread of this process."""
    one, other = small_study().jobs(tmp_path)
    training = start_run(SMALL, one.path, seed=0, steps=3, batch_size=100)
    how, what = work(one)
    assert how == SKIPPED and "is in use: process" in what
    assert work(other)[0] == FINISHED
    training.close()
    assert work(one)[0] == FINISHED


def test_two_studies_share_a_folder(tmp_path):
    """What one of them trains, the other one skips; the results are those of all finished runs."""
    study = small_study()
    study.open(tmp_path)
    training = start_run(SMALL, study.jobs(tmp_path)[1].path, seed=1, steps=3, batch_size=100)
    report, begun = run(study, tmp_path)
    assert len(begun) == 2 and [one.seed for one in report.skipped] == [1] and len(report.rows) == 1
    assert "1 finished, 1 in use by others" in summary(tmp_path, report)
    training.run(quiet=True)
    report, begun = run(study, tmp_path)
    assert begun == ["Small-seed1"] and len(report.rows) == 2 and report.rows[1]["seconds"] is None


def test_ctrl_c_stops_a_study_and_the_same_command_continues(tmp_path):
    study = small_study(seeds=(0, 1, 2, 3))

    def stop_in_the_second(one):
        if one.seed == 1:
            os.kill(os.getpid(), signal.SIGINT)

    report, begun = run(study, tmp_path, stop_in_the_second)
    assert report.signal == signal.SIGINT and begun == ["Small-seed0", "Small-seed1", "Small-seed2"]
    assert report.stopped == ["Small-seed3", "Small-seed2"] and [row["seed"] for row in report.rows] == [0, 1]
    assert "the same command again" in summary(tmp_path, report)
    report, begun = run(study, tmp_path)
    assert begun == ["Small-seed2", "Small-seed3"] and len(report.rows) == 4 and report.signal is None


def test_a_run_that_somebody_continued_by_hand(tmp_path):
    study = small_study()
    run(study, tmp_path)
    one = study.jobs(tmp_path)[0]
    resume_run(one.path, steps=5).run(quiet=True)
    (tmp_path / one.label / "result.json").unlink()
    with pytest.raises(RunError, match=r"holds a longer run than the study: steps is 5 there, 3 in the study"):
        work(one)
    resume_run(one.path).close()  # is unlocked


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seed": 1}', '{"seed": "x"}'])
def test_a_damaged_result_is_made_again(tmp_path, text):
    study = small_study(seeds=(0,))
    report, _ = run(study, tmp_path)
    (tmp_path / "Small-seed0" / "result.json").write_text(text)
    again, begun = run(study, tmp_path)
    assert begun == ["Small-seed0"] and again.rows[0]["nfd"] == report.rows[0]["nfd"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"batch_size": 601}, "batch_size is 601, but digits has only 600 images"),
        ({"samples": 1202}, "samples is 1,202, and half as many real images are compared"),
        ({"dataset": "mnist", "data_dir": "/missing"}, "/missing"),
    ],
)
def test_what_every_run_would_fail_by_is_said_before(tmp_path, changes, expected):
    with pytest.raises((OptionError, DataError)) as caught:
        run(small_study(**changes), tmp_path)
    assert expected in str(caught.value)
    assert not [*tmp_path.iterdir()], "so the corrected command can take the same folder"


def test_the_time_of_sessions_that_were_killed_is_estimated(tmp_path):
    (one,) = small_study(seeds=(0,), steps=None, epochs=2).jobs(tmp_path)
    start_run(SMALL, one.path, seed=0, batch_size=100, epochs=2).close()
    (tmp_path / one.label / "times.json").write_text("[[0, 4, 40.0]]")
    training = resume_run(one.path)
    training.config.steps = 6
    training.run(quiet=True)  # without the study
    how, row = work(one)
    assert how == FINISHED and row["ms_per_step"] == pytest.approx(4000, rel=0.1) and row["steps"] == 12


def test_a_session_without_a_step_says_nothing_about_the_time_of_a_step():
    assert job.seconds_per_step([(0, 6, 6.0), (6, 6, 99.0), (6, 8, 2.0)]) == 1
    assert job.seconds_per_step([(6, 6, 99.0)]) is None


def test_the_time_of_a_step_is_without_that_of_judging(tmp_path, monkeypatch):
    scores = judging.Judge.scores
    monkeypatch.setattr(judging.Judge, "scores", lambda *arguments: time.sleep(0.5) or scores(*arguments))
    (one,) = small_study(seeds=(0,), steps=None, epochs=2, judge_every=1, judge_samples=60).jobs(tmp_path)
    start = time.perf_counter()
    assert work(one)[0] == FINISHED and time.perf_counter() - start > 1.5, "twice in training, once at the end"
    sessions = json.loads((tmp_path / one.label / "times.json").read_text())
    assert sum(seconds for _, _, seconds in sessions) < time.perf_counter() - start - 1.4


@pytest.mark.parametrize("text", ["", "{}", "3", "[3]", '[["a", 1, 2]]', "[[1e999, 1, 2]]", "[[[[[", "null"])
def test_damaged_times_are_left_out(tmp_path, text):
    (one,) = small_study(seeds=(0,)).jobs(tmp_path)
    start_run(SMALL, one.path, seed=0, batch_size=100, steps=3).close()
    (tmp_path / one.label / "times.json").write_text(text)
    assert work(one)[0] == FINISHED and len(json.loads((tmp_path / one.label / "times.json").read_text())) == 1


def test_a_run_that_is_killed_before_it_is_judged(tmp_path, monkeypatch):
    """It is only judged, and its time is known."""
    (one,) = small_study(seeds=(0,)).jobs(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(job, "judge_run", lambda *arguments: 1 / 0)
        with pytest.raises(RunError, match="ZeroDivisionError"):
            work(one)
    monkeypatch.setattr(GAN, "train_step", None)
    how, row = work(one)
    assert how == FINISHED and row["seconds"] > 0


def test_nobody_else_continues_a_run_while_it_is_judged(tmp_path, monkeypatch):
    (one,) = small_study(seeds=(0,)).jobs(tmp_path)
    judge, tried = job.judge_run, []

    def judge_and_try(one, *more):
        with pytest.raises(InUseError):
            resume_run(one.path)
        tried.append(one)
        return judge(one, *more)

    monkeypatch.setattr(job, "judge_run", judge_and_try)
    assert work(one)[0] == FINISHED and tried
    resume_run(one.path).close()


def test_what_a_run_says_stands_in_its_notes_alone(tmp_path, capsys, monkeypatch):
    """A hundred runs that warn of noise would bury the bar of the study."""
    monkeypatch.setattr(trainer.Health, "after_step", lambda health, step, *more: health.say(f"step {step}: noise"))
    run(small_study(seeds=(0,)), tmp_path)
    assert capsys.readouterr().err == "" and "step 3: noise" in (tmp_path / "Small-seed0" / "notes.txt").read_text()


def test_one_judge_for_all_runs_on_one_data_set(tmp_path, monkeypatch):
    job.judges.clear()
    made, judge = [], job.Judge
    monkeypatch.setattr(job, "Judge", lambda *arguments, **more: made.append(1) or judge(*arguments, **more))
    run(small_study(seeds=(0, 1, 2)), tmp_path / "a")
    assert len(made) == 1
    run(small_study(seeds=(0,), samples=50), tmp_path / "b")
    assert len(made) == 2 and len(job.judges) == 1, "each holds all images of its data set"


def test_a_run_that_another_study_finished_after_this_one_was_stopped(tmp_path):
    study = small_study()
    run(study, tmp_path)
    one, other = study.jobs(tmp_path)
    for reported in ({"stopped": ["Small-seed1"]}, {"skipped": {one: "in use"}}, {"failed": {other: "lost"}}):
        report = studying.Report(**reported)
        studying.write_results(tmp_path, [one, other], report)
        assert len(report.rows) == 2 and not (report.stopped or report.skipped or report.failed)


def test_the_bar_does_not_count_a_run_that_was_stopped(tmp_path, monkeypatch, capsys):
    here, outcomes = Here(), iter([(STOPPED, "after 1 steps"), (SKIPPED, "in use")])
    monkeypatch.setattr(here, "result", lambda future: next(outcomes))
    report = run_study(small_study(), tmp_path, here.open)
    assert report.stopped == [] and "1 of 2 runs done" in capsys.readouterr().err


# the command


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["study", *map(str, arguments)])
    return end.value.code or 0


def test_the_command(tmp_path, monkeypatch, capsys):
    pytest.importorskip("distributed")
    here = Here()
    asked = []

    def local_cluster(workers, say):
        asked.append(workers)
        return here.open(workers, say)

    monkeypatch.setattr(cluster, "local_cluster", local_cluster)
    arguments = ("Small", "--seeds", 0, 1, "--steps", 3, "--set", "batch_size=100,200", "--samples", 60)
    arguments = (*arguments, "--image-size", 14, "--workers", 3, "--out", tmp_path, "--quiet")
    assert command(*arguments) == 0 and asked == [3] and len(here.jobs) == 4
    out, err = capsys.readouterr()
    assert err == "" and "| Small, batch_size=200 | 1 epoch, seeds 0, 1 |" in out and "4 finished;" in out
    assert command(*arguments) == 0 and asked == [3], "no cluster is started for a finished study"
    assert command(*arguments[:3], "--set", "batch_size=100", *arguments[3:]) == 2
    monkeypatch.setattr(studying, "run_jobs", lambda jobs, totals, cluster, report, *more: setattr(report, "signal", 2))
    assert command("Small", "--seeds", 0, "--out", tmp_path / "new", "--samples", 60, "--quiet") == 130


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("A77",), "there is no experiment 'A77'"),
        ((), "the following arguments are required: NAME"),
        (("A1", "--seeds"), "expected at least one argument"),
        (("A1", "--seeds", "-1"), "expected an integer of at least 0"),
        (("A1", "--seeds", "1", "1"), "the seed 1 is given twice"),
        (("A1", "--set", "batch_size"), "expected NAME=VALUE,VALUE"),
        (("A1", "--set", "batch_size="), "expected NAME=VALUE,VALUE"),
        (("A1", "--set", "batch_size=1,,2"), "expected a number"),
        (("A1", "--set", "batch_size=0"), "expected batch_size"),
        (("A1", "--set", "d_lr=1", "--set", "d_lr=2"), "d_lr is given twice"),
        (("A1", "--workers", "0"), "expected an integer of at least 1"),
        (("A1", "--workers", "2", "--scheduler", "tcp://x:1"), "its own workers count"),
        (("A1", "--out", "/dev/null"), "cannot write to the folder"),
    ],
)
def test_wrong_commands(arguments, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert command(*arguments) == 2
    err = capsys.readouterr().err
    assert expected in err and err.splitlines()[-1].count("error:") == 1 and not list(tmp_path.iterdir())


def test_without_dask(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert command("Small", "--out", tmp_path / "x") == 2
    assert 'pip install "minigan[study]"' in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_dask_is_imported_only_for_a_study():
    import subprocess

    script = "import sys; from minigan.__main__ import make_parser; make_parser(); import minigan.study.studying; "
    script += "import minigan.study.cluster; sys.exit('distributed' in sys.modules or 'dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


# tables


def row(experiment="A1", seed=0, nfd=1.0, **more):
    return {
        **dict.fromkeys(COLUMNS),
        **{"experiment": experiment, "options": "", "seed": seed, "dataset": "digits", "batch_size": 128},
        **{"epochs": 2.0, "steps": 156, "samples": 100, "nfd": nfd, "score": 5.0},
        **more,
    }


def test_a_table_has_mean_and_standard_deviation_over_the_seeds():
    rows = [row(seed=seed, nfd=nfd) for seed, nfd in enumerate((1.0, 2.0, 4.5))]
    rows += [row("B0", steps=100, epochs=1.28), row(seed=7, nfd=None, error="x"), row("C9", seed=1, error="y")]
    assert table(rows).splitlines() == [
        "| experiment | run | nFD % | score |",
        "|---|---|---|---|",
        f"| A1 | 2 epochs, seeds 0, 1, 2; seed 7 failed | 2.50 ± {statistics.stdev((1, 2, 4.5)):.2f} | 5.00 ± 0.00 |",
        "| B0 | 100 steps, seed 0 | 1.00 | 5.00 |",
        "| C9 | seed 1 failed | - | - |",
    ]
    assert number(rows, "A1", "nfd:.1f") == f"2.5 ± {statistics.stdev((1, 2, 4.5)):.1f}"
    assert number(rows, "B0", "score") == "5.00" and number(rows, "C9", "score") == "-"
    with_nothing = [*rows, row("B1-50", nfd=None, score=None)]
    assert table(with_nothing, experiments=["B1-50"]).splitlines()[0] == "| experiment | run |"
    assert table(rows, ["score"], ["B0", "A1"]).splitlines()[2].startswith("| B0 | 100 steps, seed 0 | 5.00 |")


def test_runs_that_are_not_alike_are_not_averaged():
    for other in ({"steps": 78, "epochs": 1.0}, {"samples": 50}, {"batch_size": 64}, {"options": "d_lr=1"}):
        assert len(table([row(), row(seed=1, **other)]).splitlines()) == 4, other
    lines = table([row(), row(seed=1, dataset="mnist")]).splitlines()
    assert "| digits, 2 epochs, seed 0 |" in lines[2] and "| mnist, 2 epochs, seed 1 |" in lines[3]
    both = [row(nfd=3), row(options="d_lr=1"), row(options="d_lr=2")]
    assert number(both, "A1,d_lr=1", "nfd") == "1.00" and number(both, "A1", "nfd") == "3.00"
    assert len(table(both, experiments=["A1"]).splitlines()) == 3 and len(table(both).splitlines()) == 5
    assert len(table(both[1:], experiments=["A1"]).splitlines()) == 4, (
        "all runs of A1, if there are none without options"
    )
    with pytest.raises(OptionError, match="'A1' has 2 rows"):
        number(both[1:], "A1", "nfd")
    with pytest.raises(OptionError, match="'A1' has 2 rows"):
        number([row(), row(seed=1, steps=78, epochs=1.0)], "A1", "nfd")
    with pytest.raises(OptionError, match="A1 with seed 0 is there twice"):
        table([row(), row()])


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"columns": ["nFD"]}, "Did you mean 'nfd'"),
        ({"columns": ["nfd:>99"]}, "expected a format such as .1f"),
        ({"experiments": ["A2"]}, "the results have no row 'A2'"),
    ],
)
def test_wrong_tables(more, expected):
    with pytest.raises(OptionError, match=expected):
        table([row()], **more)


def test_a_csv_is_read_as_it_was_written(tmp_path):
    rows = [
        row(options="d_lr=0.001 steps=3", nfd=0.123456789, g_loss=float("nan"), processor='a "quoted", one'),
        row("A2", error="broken\nin two lines"),
    ]
    (tmp_path / "x.csv").write_text(csv_text(rows))
    again = read_csv(tmp_path / "x.csv")
    assert again[0]["nfd"] == 0.1234568 and np.isnan(again[0]["g_loss"]) and again[0]["seed"] == 0
    assert again[0]["processor"] == 'a "quoted", one' and again[1]["error"] == "broken\nin two lines"
    assert csv_text(again) == csv_text(rows)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda text: "", "without a run"),
        (lambda text: text.replace("nfd,", ""), "expected the columns"),
        (lambda text: text.replace(",156,", ",many,"), "x.csv, run 1: expected steps as a number, found 'many'"),
        (lambda text: text.replace(",1,5,", ",inf,5,"), "expected nfd as a number"),
        (lambda text: text.replace(",1,5,", ",,5,"), "nfd is missing"),
        (lambda text: text.replace("digits", "a|b"), "expected dataset as a name"),
        (lambda text: text.replace("A1", "\x1b[31m"), "expected experiment as a name"),
        (lambda text: text + "A1,,1\n", "run 2: expected the columns"),
        (lambda text: text[:-1] + ",1\n", "expected the columns"),
        (lambda text: '"' + text, "not a table|expected the columns"),
    ],
)
def test_damaged_csv_files(tmp_path, change, expected):
    path = tmp_path / "x.csv"
    text = csv_text([row()])
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(DataError, match=expected):
        read_csv(path)
    with pytest.raises(DataError, match="not a table of results"):
        path.write_bytes(b"\xff\xfe")
        read_csv(path)
