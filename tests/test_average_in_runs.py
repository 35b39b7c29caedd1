"""The moving average of the generator in runs: kept, resumed, shown beside the generator itself, used by commands."""

import json

import numpy as np
import pytest
from PIL import Image
from run_helpers import SMALL, outcome

from minigan import Sequential, pictures
from minigan.__main__ import main
from minigan.errors import CheckpointError, FileError, MiniganError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.training.judging import Judge
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained

WITHOUT, OTHER = SMALL.but("Small", ema=None), SMALL.but("Small", ema=0.5)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of seven steps with a moving average."""
    folder = tmp_path_factory.mktemp("average") / "run"
    start_run(SMALL, folder, seed=5, steps=7).run(quiet=True)
    return folder


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def pixels(path, zoom=2):
    with Image.open(path) as picture:
        return np.asarray(picture)[::zoom, ::zoom, None]


def test_a_run_shows_both_and_says_which_is_which(run, no_pictures):
    trained = load_trained(run)
    gan = trained.gan
    assert np.abs(gan.average.flat_params - gan.generator.flat_params).max() > 1e-6
    for name, net in (("generator.npz", gan.average), ("generator_raw.npz", gan.generator)):
        saved = Sequential.load(run / name)
        assert saved.flat_params.tobytes() == net.flat_params.tobytes()
        assert all(array.tobytes() == net.state[key].tobytes() for key, array in saved.state.items())
    grid = pictures.grid(gan.sample(100, seed=5))
    np.testing.assert_array_equal(pixels(run / "samples" / "epoch_002.png"), grid)
    beside = run / "raw_beside_averaged.png"
    with Image.open(beside) as picture:
        assert picture.width > 1.5 * picture.height
    np.testing.assert_array_equal(trained.sample(3, 1), gan.sample(3, seed=1))
    raw = load_trained(run, averaged=False)
    np.testing.assert_array_equal(raw.sample(3, 1), gan.sample(3, seed=1, averaged=False))


def test_a_run_without_an_average_has_no_such_files(tmp_path):
    start_run(WITHOUT, tmp_path / "run", steps=1).run(quiet=True)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert "generator.npz" in names and not names & {"generator_raw.npz", "raw_beside_averaged.png"}


@pytest.mark.parametrize(("text", "ema"), [("0.25", 0.25), ("None", None)])
def test_train_with_a_decay_and_resume(text, ema, tmp_path, no_pictures, capsys):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    options = ("--seed", 3, "--quiet", "--ema", text)
    assert command("train", "small", "--out", whole, "--steps", 8, *options) == 0
    assert command("train", "small", "--out", parts, "--steps", 3, *options) == 0
    config = json.loads((parts / "config.json").read_text())
    assert config["experiment"] == find(f"small+ema={text}").name and config["settings"].get("ema") == ema
    assert command("resume", parts, "--steps", 8, "--quiet") == 0
    one, other = (load_trained(folder).gan for folder in (whole, parts))
    assert one.ema == other.ema == ema and (one.average is None) == (ema is None)
    assert one.sample(3, seed=1).tobytes() == other.sample(3, seed=1).tobytes()


def test_a_run_with_a_stop_is_the_run_without(tmp_path, no_pictures):
    """Bit for bit, the average included."""
    whole = start_run(SMALL, tmp_path / "whole", seed=5, steps=12)
    whole.run(quiet=True)
    start_run(SMALL, tmp_path / "parts", seed=5, steps=6).run(quiet=True)
    parts = resume_run(tmp_path / "parts", steps=12)
    parts.run(quiet=True)
    assert "average.params" in outcome(whole)[1] and outcome(whole) == outcome(parts)


@pytest.mark.parametrize("text", ["1", "-0.1", "", "nan", "0.9+d_lr=1"])
def test_a_decay_that_is_none(text, capsys):
    assert command("train", "small", f"--ema={text}") == 2
    assert "expected none, or a number from 0 to below 1" in capsys.readouterr().err


def test_a_decay_that_an_experiment_refuses():
    for wrong in (1, "0.9", float("nan"), True):
        with pytest.raises(OptionError, match=r"Experiment: expected ema in \[0, 1\)"):
            SMALL.but("Wrong", ema=wrong)
    with pytest.raises(OptionError, match=r"ema=7: Experiment: expected ema"):
        find("small+ema=7")


def test_the_recipe_says_that_there_is_an_average(capsys):
    command("list", "mlp-gan")
    assert "samples         by a moving average of G, decay 0.998" in capsys.readouterr().out


# commands


def test_sample_and_interpolate(run, capsys, tmp_path):
    gan = load_trained(run).gan
    assert command("sample", run, "--n", 4) == command("sample", run, "--n", 4, "--raw") == 0
    np.testing.assert_array_equal(pixels(run / "sample_seed0.png"), pictures.grid(gan.sample(4, seed=0)))
    raw = pictures.grid(gan.sample(4, seed=0, averaged=False))
    np.testing.assert_array_equal(pixels(run / "sample_raw_seed0.png"), raw)
    ends = load_trained(run).latents(2, seed=0)
    for option, network in (((), gan.average), (("--raw",), gan.generator)):
        assert command("interpolate", run, "--rows", 1, "--steps", 2, "--out", tmp_path / "path.png", *option) == 0
        np.testing.assert_array_equal(
            pixels(tmp_path / "path.png"), pictures.grid(network.predict(ends.astype("float32")), columns=2)
        )


def test_evaluate(run, monkeypatch, capsys):
    judged = []
    monkeypatch.setattr(Judge, "__init__", lambda self, *arguments: None)
    monkeypatch.setattr(Judge, "judge", lambda self, run, seed: judged.append(run.sample(2, seed)) or SCORES)
    assert command("evaluate", run) == command("evaluate", run, "--raw") == 0
    gan = load_trained(run).gan
    np.testing.assert_array_equal(judged[0], gan.sample(2, seed=0))
    np.testing.assert_array_equal(judged[1], gan.sample(2, seed=0, averaged=False))
    out = capsys.readouterr().out
    assert "evaluation.json and evaluation.png" in out and "evaluation_raw.json and evaluation_raw.png" in out


SCORES = {
    name: 0.5 for name in ("nfd", "score", "confidence", "smallest_class", "precision", "recall", "density", "coverage")
} | {"memorisation_ratio": None, "copied_share": None, "memorisation_note": None}


def test_the_reports_of_evaluate_say_what_they_judged(run):
    judge = Judge(load_trained(run), samples=60, quiet=True)
    scores = {averaged: judge.judge(load_trained(run, averaged=averaged)) for averaged in (True, False)}
    for averaged, name in ((True, "evaluation"), (False, "evaluation_raw")):
        report = json.loads((run / f"{name}.json").read_text())
        assert report["averaged"] is averaged and report["nfd"] == scores[averaged]["nfd"]
        assert (run / f"{name}.png").exists()
    assert scores[True]["nfd"] != scores[False]["nfd"]


def test_a_judge_takes_numbers_of_numpy(run):
    judge, loaded = Judge(load_trained(run), samples=np.int64(60), quiet=True), load_trained(run)
    judge.judge(loaded, seed=np.int64(3))
    report = json.loads((run / "evaluation.json").read_text())
    assert (report["samples"], report["seed"]) == (60, 3)
    for seed in (1.5, "3", -1):
        with pytest.raises(OptionError, match="expected seed as an integer"):
            judge.judge(loaded, seed)
    for samples in (1.5, "60", None):
        with pytest.raises(OptionError, match="Judge: expected samples as an integer"):
            Judge(loaded, samples=samples)


def test_samples_that_are_bright_or_grey_are_judged(run, monkeypatch):
    """A run maps its samples to [-1, 1] itself. So the first ten may be bright, and all of them grey."""
    judge, loaded = Judge(load_trained(run), samples=60, quiet=True), load_trained(run)
    bright = np.random.default_rng(0).uniform(-1, 1, (60, *loaded.config.image_shape)).astype("float32")
    bright[:10] = abs(bright[:10])
    for samples in (bright, np.zeros_like(bright)):
        (run / "evaluation.png").unlink(missing_ok=True)
        monkeypatch.setattr(loaded, "sample", lambda n, seed, labels, samples=samples: samples)
        assert judge.judge(loaded)["samples"] == 60 and (run / "evaluation.png").exists()


@pytest.mark.parametrize("name", ["save_evaluation", "save_png"])
def test_a_picture_that_cannot_be_written_leaves_no_new_report(run, monkeypatch, name):
    def full(*arguments):
        raise FileError("no space left")

    judge, loaded = Judge(load_trained(run), samples=60, quiet=True), load_trained(run)
    (run / "evaluation.json").unlink(missing_ok=True)
    monkeypatch.setattr(pictures, name, full)
    with pytest.raises(FileError, match="no space left"):
        judge.judge(loaded)
    assert not (run / "evaluation.json").exists()


# an experiment that has changed, and files that do not fit


def test_a_run_from_before_its_experiment_had_an_average(tmp_path, monkeypatch, no_pictures):
    monkeypatch.setitem(EXPERIMENTS, "Small", WITHOUT)
    start_run(WITHOUT, tmp_path / "run", seed=5, steps=3).run(quiet=True)
    whole = start_run(WITHOUT, tmp_path / "whole", seed=5, steps=6)
    whole.run(quiet=True)
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    assert load_trained(tmp_path / "run").gan.average is None
    parts = resume_run(tmp_path / "run", steps=6)
    parts.run(quiet=True)
    assert parts.gan.average is None and outcome(parts) == outcome(whole)


@pytest.mark.parametrize(("now", "shown"), [(OTHER, "0.5"), (WITHOUT, "None")])
def test_samples_need_no_decay_but_training_does(run, now, shown, monkeypatch):
    expected = load_trained(run).sample(3, 1)
    monkeypatch.setitem(EXPERIMENTS, "Small", now)
    np.testing.assert_array_equal(load_trained(run).sample(3, 1), expected)
    with pytest.raises(CheckpointError, match=rf"other settings .*: ema: 0\.9 there, {shown} here"):
        resume_run(run)


def test_an_experiment_of_ones_own_that_has_got_an_average(tmp_path, no_pictures):
    mine = SMALL.but("mine", ema=None)
    start_run(mine, tmp_path / "run", steps=2).run(quiet=True)
    with pytest.raises(CheckpointError, match=r"ema: None there, 0\.9 here"):
        resume_run(tmp_path / "run", experiment=mine.but("mine", ema=0.9))
    assert load_trained(tmp_path / "run", experiment=mine.but("mine", ema=0.9)).gan.average is None


@pytest.mark.parametrize("ema", ["x", 1, [], None])
def test_a_decay_in_config_json_that_somebody_changed(run, ema):
    original = (run / "config.json").read_text()
    config = json.loads(original)
    config["settings"]["ema"] = ema
    try:
        (run / "config.json").write_text(json.dumps(config))
        for opening in (load_trained, resume_run):
            with pytest.raises(MiniganError) as caught:
                opening(run)
            assert isinstance(caught.value, CheckpointError) and "\n" not in str(caught.value)
    finally:
        (run / "config.json").write_text(original)


def test_an_average_of_another_architecture(run, monkeypatch):
    """One error, and nothing is lost."""
    from minigan.experiments.parts import mlp_generator

    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL.but("Small", generator=mlp_generator(9, batch_norm=True)))
    for opening in (load_trained, resume_run):
        with pytest.raises(CheckpointError, match="generator"):
            opening(run)
    assert all(path.read_bytes() == content for path, content in files.items())
