"""Runs of conditional experiments: trained, resumed, sampled, judged; stacked digits; data without labels."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from run_helpers import outcome

from minigan import data, metrics, models
from minigan.__main__ import main
from minigan.data import dataset, stacked
from minigan.errors import CheckpointError, DataError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import conditional, mlp_discriminator, mlp_generator
from minigan.metrics import classifier
from minigan.study import plan
from minigan.training.gallery import Gallery
from minigan.training.judging import Judge
from minigan.training.loop import resume_run, start_run
from minigan.training.sharpness import sharpness_of_run
from minigan.training.trained import load_trained
from minigan.training.watchers.replay import replay_step

SMALL = find("cgan").but(
    "Asked",
    generator=conditional(models.conditional_mlp_generator, widths=(8,)),
    discriminator=conditional(models.conditional_mlp_discriminator, widths=(8,), dropout=0.4),
    epochs=2,
    batch_size=100,  # 6 steps an epoch
)
STACKED = find("stacked-mnist").but("Piled", generator=mlp_generator(8), discriminator=mlp_discriminator(8))


def small_digits(directory, split):
    digits = dataset._load_digits(directory, split)
    return replace(digits, images=digits.images[:600], labels=digits.labels[:600])


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    """600 digits, 300 stacked ones, a classifier of 20 steps, a cache folder of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(dataset.LOADERS, "digits", small_digits)
        patch.setitem(stacked.COUNTS, "train", 300)
        patch.setattr(classifier, "STEPS", 20)
        for experiment in (SMALL, STACKED):
            patch.setitem(EXPERIMENTS, experiment.name, experiment)
        yield


@pytest.fixture(scope="module")
def trained(small_world, tmp_path_factory):
    training = start_run(SMALL, tmp_path_factory.mktemp("run") / "whole", seed=5, device="cpu")
    assert training.run(quiet=True) is None
    return training


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_labelled_batches_are_batches_with_their_labels(rng):
    digits = data.load("digits")
    plain = list(data.batches(digits.images, 70, np.random.default_rng(3)))
    pairs = list(data.labelled_batches(digits.images, digits.labels, 70, np.random.default_rng(3)))
    assert len(pairs) == len(plain) == 8
    images = {image.tobytes(): label for image, label in zip(digits.images, digits.labels, strict=True)}
    for (batch, labels), expected in zip(pairs, plain, strict=True):
        np.testing.assert_array_equal(batch, expected)
        bytes_of = ((batch + 1) * 127.5).round().astype("uint8")
        assert [images[image.tobytes()] for image in bytes_of] == labels.tolist()
    for labels in (digits.labels[:-1], digits.labels.astype(float), digits.labels.astype(int) - 1):
        with pytest.raises((DataError, ValueError), match="labelled_batches: expected"):
            data.labelled_batches(digits.images, labels, 70, rng)


def test_config_and_pictures(trained):
    path = trained.folder.path
    config = json.loads((path / "config.json").read_text())
    assert config["classes"] == 10 and config["experiment"] == "Asked"
    grid = picture(path / "samples" / "epoch_001.png")
    assert grid.shape == (2 * (10 * 30 + 2), 2 * (10 * 30 + 2))  # a row of ten for each class


def test_the_grid_of_real_images_shows_the_class_of_each_row(trained, tmp_path):
    """A class with few images repeats them, and one without images has grey places: no other class takes them."""
    images = np.arange(200, dtype="uint8")[:, None, None, None] * np.ones((28, 28, 1), "uint8")
    labels = np.full(200, 9)
    labels[[7, 40, 41, 120]] = 3, 4, 4, 4
    gallery = Gallery(tmp_path, trained.gan, images, seed=0, real_labels=labels)
    rows = gallery.real_grid[:, 0, 0, 0].reshape(10, 10)
    assert set(rows[3]) == {7} and rows[4].tolist() == [40, 41, 120] * 3 + [40]
    assert rows[9].tolist() == [*range(7), 8, 9, 10] and set(rows[5]) == {128}
    gallery.draw(1)
    assert picture(tmp_path / "real.png")[2 * (3 * 30 + 2), 4] == 7


@pytest.mark.usefixtures("no_pictures")
def test_stopped_and_resumed_bit_for_bit(trained, tmp_path):
    start_run(SMALL, tmp_path, seed=5, device="cpu", steps=7).run(quiet=True)
    again = resume_run(tmp_path, steps=12)
    again.run(quiet=True)
    ours, theirs = outcome(again), outcome(trained)
    assert ours[1:] == theirs[1:], "the history has another row, where the run was stopped"


def test_other_labels_are_other_data(trained, monkeypatch):
    def turned(directory, split):
        digits = small_digits(directory, split)
        return replace(digits, labels=9 - digits.labels)

    monkeypatch.setitem(dataset.LOADERS, "digits", turned)
    with pytest.raises(CheckpointError, match="images of digits are not the ones"):
        resume_run(trained.folder.path)
    with pytest.raises(CheckpointError, match="trained on other images"):
        Judge(load_trained(trained.folder.path), quiet=True)


def test_images_without_labels(monkeypatch, tmp_path):
    monkeypatch.setitem(dataset.LOADERS, "digits", lambda *given: replace(small_digits(*given), labels=None))
    with pytest.raises(
        OptionError, match=r"images of digits have no labels\. In a folder of pictures, make a subfolder"
    ):
        start_run(SMALL, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_sample(trained, tmp_path, capsys):
    path = trained.folder.path
    loaded = load_trained(path)
    z = loaded.latents(20, 0)
    for arguments, n, labels in (
        (("--label", 3), 64, [3] * 64),
        (("--labels", "3,0", "--n", 20), 20, [3] * 10 + [0] * 10),
        (("--labels", "1,2"), 20, [1] * 10 + [2] * 10),
        ((), 100, np.repeat(np.arange(10), 10)),
        (("--n", 20), 20, np.repeat(np.arange(10), 2)),
        (("--n", 13), 13, [0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9]),
    ):
        assert run("sample", path, *arguments, "--out", tmp_path / "a.png", "--npy", tmp_path / "a.npy") == 0
        np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), loaded.images(loaded.latents(n, 0), labels))
    np.testing.assert_array_equal(loaded.sample(20, 0), loaded.images(z, np.arange(20) % 10))
    assert run("sample", path, "--labels", "3,0") == 0 and (path / "sample_labels3-0_seed0.png").exists()
    assert picture(path / "sample_labels3-0_seed0.png").shape == (2 * (2 * 30 + 2), 2 * (10 * 30 + 2))
    capsys.readouterr()
    for arguments, text in (
        (("--label", 10), "10 classes, so the labels go from 0 to 9, got 10"),
        (("--labels", "1,2", "--n", 7), "--n: expected a multiple of 2"),
        (("--labels", "1,-2"), "expected an integer of at least 0"),
        (("--labels", "cat"), "expected an integer of at least 0"),
        (("--labels", ",".join(["1"] * 41)), "at most 40 labels"),
    ):
        assert run("sample", path, *arguments) == 2
        assert text in capsys.readouterr().err


def test_interpolate_within_a_class(trained, capsys):
    path = trained.folder.path
    assert run("interpolate", path, "--steps", 4, "--rows", 3) == 0
    assert run("interpolate", path, "--label", 7, "--steps", 4, "--rows", 3) == 0
    assert (path / "slerp_seed0.png").read_bytes() != (path / "slerp_labels7_seed0.png").read_bytes()
    assert run("interpolate", path, "--label", 70) == 2
    assert "the labels go from 0 to 9, got 70" in capsys.readouterr().err


def test_evaluate_prints_the_share_of_the_class_asked_for(trained, capsys):
    path = trained.folder.path
    assert run("evaluate", path, "--samples", 200, "--quiet") == 0
    out = capsys.readouterr().out
    report = json.loads((path / "evaluation.json").read_text())
    assert f"sees the class that was asked for in {report['asked_share']:.2%} of the samples" in out
    samples = load_trained(path).sample(200, 0)
    judge = metrics.trained_classifier(data.load("digits"), quiet=True)
    _, probabilities = metrics.features_and_probabilities(judge, samples)
    assert report["asked_share"] == (probabilities.argmax(axis=1) == np.arange(200) % 10).mean()


def test_sharpness_repeats_the_run(trained, capsys):
    rows = sharpness_of_run(load_trained(trained.folder.path, "cpu"), every=2, samples=20)
    assert len(rows) == 4 and "note:" not in capsys.readouterr().err


def test_a_step_is_replayed_with_its_labels(trained, rng):
    gan = trained.gan
    images = rng.uniform(-1, 1, (4, 28, 28, 1)).astype("float32")
    replay_step(gan, gan.generator, gan.discriminator, images, np.array([1, 2, 3, 9]))


@pytest.mark.usefixtures("no_pictures")
def test_a_run_of_another_experiment_takes_no_labels(tmp_path, capsys):
    plain = SMALL.but("Plain", generator=mlp_generator(8), discriminator=mlp_discriminator(8), conditional=False)
    start_run(plain, tmp_path, steps=2).run(quiet=True)
    EXPERIMENTS["Plain"] = plain
    try:
        for command in ("sample", "interpolate"):
            assert run(command, tmp_path, "--label", 3) == 2
            assert "takes no labels. Leave out --labels." in capsys.readouterr().err
    finally:
        del EXPERIMENTS["Plain"]


def test_check(capsys):
    assert run("check", "Asked") == 0
    out = capsys.readouterr().out
    assert "Projection" in out and "all gradients are right" in out


@pytest.mark.usefixtures("no_pictures")
def test_modes_of_stacked_digits(tmp_path, capsys):
    start_run(STACKED, tmp_path / "run", steps=3, batch_size=50).run(quiet=True)
    assert run("evaluate", tmp_path / "run", "--samples", 300, "--quiet") == 0
    out = capsys.readouterr().out
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert f"{report['modes']} of 1,000 modes in 300 samples; KL divergence to the uniform distribution" in out
    assert 1 <= report["modes"] <= 300 and report["samples"] == 300 and "| set |" not in out
    assert (tmp_path / "run" / "evaluation.png").exists()
    with pytest.raises(DataError, match="Count its modes instead"):
        Judge(load_trained(tmp_path / "run"), quiet=True)
    with pytest.raises(OptionError, match="only the modes are counted"):
        plan.Study(("stacked-mnist",))


def test_networks_for_other_numbers_of_classes():
    for name in ("conditional-mlp", "conditional-dcgan"):
        experiment = find(name)
        gan = experiment.make_gan((28, 28, 1), classes=3)
        assert gan.generator.classes == gan.discriminator.classes == 3
        assert experiment.make_gan((28, 28, 1)).generator.classes == 10
        assert experiment.but("x", dataset="stacked-digits").make_gan((28, 28, 3)).generator.classes == 1000
    assert find("cgan") is find("conditional-mlp") and find("cgan+d_dropout=0.1").conditional
    with pytest.raises(OptionError, match="classes as an integer of at least 1"):
        find("cgan").make_gan(classes=0)


@pytest.mark.parametrize("classes", [3, 10**9, 0, "ten", True, 10**13])
def test_a_wrong_number_of_classes_in_config(classes, trained, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(trained.folder.path, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "classes": classes}))
    with pytest.raises(CheckpointError, match=r"classes|do not fit the checkpoint"):
        load_trained(folder)
