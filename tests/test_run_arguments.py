"""start_run, resume_run, load_trained, GAN.save and GAN.load with odd arguments: a sentence, never a bare traceback."""

import io
import os
import shutil

import numpy as np
import pytest
from run_helpers import SMALL

from minigan import GAN
from minigan.errors import MiniganError, OptionError, ShapeError
from minigan.experiments import EXPERIMENTS, Experiment
from minigan.gan.objectives import Hinge
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained

ODD = (
    *(None, True, False, 0, 3, -1, 10**30, 1.5, float("nan"), float("inf"), "", "x", "\0", "a\nb", "x" * 5000),
    *([], [1], {}, {"a": 1}, (), (1, 2), b"x", object(), np.zeros(3), np.float32(2), np.int64(4), np.array("x")),
    *(int, Hinge, Hinge(), SMALL, Experiment, len, Ellipsis),
)


@pytest.fixture(autouse=True)
def small_is_known(monkeypatch, tmp_path):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    monkeypatch.chdir(tmp_path)


def attempts(call):
    """Call with each odd value; returns those that were taken. Errors other than minigan's fail the test."""
    taken = []
    for value in ODD:
        try:
            call(value)
            taken.append(value)
        except MiniganError as error:
            assert str(error) and len(str(error)) < 7000
    return taken


@pytest.mark.parametrize(
    "name",
    [
        *("dataset", "data_dir", "seed", "device", "epochs", "steps", "batch_size", "every", "tensorboard"),
        *("judge_every", "judge_samples", "source"),
    ],
)
def test_options_of_begin(name):
    others = {"judge_every": 1} if name == "judge_samples" else {}

    def call(value):
        start_run(SMALL, "run", **others, **{name: value}).close()
        shutil.rmtree("run")

    taken = attempts(call)
    numbers = {"seed", "epochs", "steps", "batch_size", "every", "judge_every", "judge_samples"}
    if name in numbers:
        assert all(value is None or type(value) in (int, np.int64) for value in taken), taken
    if name == "tensorboard":
        assert all(value is None or isinstance(value, bool) for value in taken), taken


@pytest.mark.parametrize(
    ("name", "near"),
    [("epoch", "epochs"), ("batchsize", "batch_size"), ("worker", "workers"), ("lr_steps", ""), ("foo", "")],
)
def test_unknown_options_of_begin(name, near, tmp_path):
    for value in (1, None):
        with pytest.raises(OptionError, match=f"start_run: there is no option '{name}': expected .*every.*{near}"):
            start_run(SMALL, "run", **{name: value})
    assert not list(tmp_path.iterdir())


def test_numbers_of_numpy_are_kept_as_plain_ones(tmp_path):
    names = ("epochs", "steps", "batch_size", "seed", "every", "judge_every", "judge_samples")
    given = dict(zip(names, (2, 3, 5000, 7, 1, 5, 60), strict=True))
    start_run(SMALL, "plain", tensorboard=False, workers=1, **given).close()
    numpys = {name: kind(given[name]) for name, kind in zip(names, (np.int64, np.uint16) * 4, strict=False)}
    training = start_run(SMALL, "numpy", tensorboard=np.False_, workers=np.int8(1), **numpys)
    assert {name: getattr(training.config, name) for name in names} == given
    assert all(type(getattr(training.config, name)) is int for name in (*names, "workers"))
    training.close()
    assert (tmp_path / "numpy" / "config.json").read_bytes() == (tmp_path / "plain" / "config.json").read_bytes()

    training = resume_run("numpy", np.int32(4), np.int64(6), judge_every=np.int8(3), judge_samples=np.int16(50))
    config = training.config
    assert (config.epochs, config.steps, config.judge_every, config.judge_samples) == (4, 6, 3, 50)
    assert all(type(value) is int for value in (config.epochs, config.steps, config.judge_every, config.judge_samples))
    training.close()


def test_experiments_and_folders_of_begin(tmp_path):
    def with_experiment(value):
        start_run(value, "run").close()
        shutil.rmtree("run")

    assert attempts(with_experiment) == [SMALL]

    def with_folder(value):
        start_run(SMALL, value).close()

    assert all(isinstance(value, (str, bytes)) for value in attempts(with_folder))


@pytest.mark.parametrize("name", ["epochs", "steps", "device", "data_dir", "experiment"])
def test_options_of_reopen(name):
    start_run(SMALL, "run").close()
    taken = attempts(lambda value: resume_run("run", **{name: value}).close())
    if name in ("epochs", "steps"):
        assert all(value is None or type(value) in (int, np.int64) for value in taken), taken
    if name == "experiment":
        assert taken == [None, SMALL]


def test_paths(no_pictures):
    start_run(SMALL, "run", steps=1).run(quiet=True)
    for function in (resume_run, load_trained, GAN.load):
        assert attempts(function) == []
    gan = load_trained("run").gan
    for value in attempts(gan.save):
        assert isinstance(value, (str, bytes)) and GAN.load(value)
    os.makedirs("folder")
    with pytest.raises(MiniganError):
        gan.save("folder")


@pytest.mark.parametrize("name", ["device", "experiment"])
def test_options_of_load_trained(name, no_pictures):
    start_run(SMALL, "run", steps=1).run(quiet=True)
    assert all(
        value is None or value is SMALL for value in attempts(lambda value: load_trained("run", **{name: value}))
    )


def test_samples_of_a_run(no_pictures):
    start_run(SMALL, "run", steps=1).run(quiet=True)
    run = load_trained("run")
    for seed in (None, 0, 3, 10**30, np.int64(4), (1, 2), [1], (), []):
        assert run.sample(3, seed).shape == (3, 28, 28, 1)
    np.testing.assert_array_equal(run.sample(3, (1, 2)), run.gan.sample(3, (1, 2)))
    np.testing.assert_array_equal(run.sample(3, 4), run.gan.sample(3, 4))
    assert (run.sample(3, None) != run.sample(3, None)).any()
    taken = attempts(lambda seed: run.sample(3, seed))
    assert all(value is None or type(value) in (int, np.int64, tuple, list) for value in taken), taken
    assert all(type(value) in (int, np.int64) for value in attempts(lambda n: run.sample(n, 0)))
    assert attempts(run.images) == []
    assert attempts(lambda labels: run.images(run.latents(3, 0), labels)) == [None]
    with pytest.raises(ShapeError, match="expected latents with 2 axes"):
        run.images(run.latents(3, 0)[0])


@pytest.mark.parametrize("name", ["device", "custom_layers", "custom_parts"])
def test_options_of_gan_load(name):
    file = io.BytesIO()
    SMALL.make_gan().save(file)
    taken = attempts(lambda value: GAN.load(io.BytesIO(file.getvalue()), **{name: value}))
    assert all(value in ([], ()) or value == [Hinge] for value in taken), taken
