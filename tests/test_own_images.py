"""Runs on own images: from a folder of pictures to samples, by the command line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import data
from minigan.__main__ import main
from minigan.errors import CheckpointError, DataError, OptionError, ShapeError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.metrics import classifier
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained

SMALL = find("A4").but("Small", generator=mlp_generator(6), discriminator=mlp_discriminator(5))


@pytest.fixture(autouse=True)
def small_world(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "STEPS", 5)
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def photos(tmp_path):
    """20 pictures of two classes, 12 x 16 pixels, and a text."""
    rng = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "photos" / ("red" if number % 2 else "blue") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (12, 16, 3), "uint8")).save(path)
    (tmp_path / "photos" / "notes.txt").write_text("mine")
    return tmp_path / "photos"


def run(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def train(folder, out, *options):
    return run("train", "Small", "--dataset", "folder", "--data-dir", folder, "--out", out, "--batch-size", 5,
               "--steps", 2, "--quiet", *options)  # fmt: skip


def test_train_resume_sample_interpolate_evaluate(photos, tmp_path, capsys):
    out = tmp_path / "run"
    assert train("photos", out, "--image-size", 8) == 0
    config = json.loads((out / "config.json").read_text())
    assert config["data_options"] == {"image_size": [8, 8]} and config["image_shape"] == [8, 8, 3]
    assert config["data_dir"] == str(photos) and config["images"] == 20
    shutil.move(photos, tmp_path / "moved")
    assert run("resume", out, "--steps", 4, "--quiet") == 2
    assert "cannot read the folder" in capsys.readouterr().err
    assert run("resume", out, "--steps", 4, "--quiet", "--data-dir", "moved") == 0
    assert run("sample", out, "--n", 4) == 0 and run("interpolate", out, "--steps", 3, "--rows", 2) == 0
    assert run("evaluate", out, "--samples", 20, "--quiet", "--data-dir", "moved") == 0
    printed = capsys.readouterr().out
    assert "no metrics of memorisation: " in printed and 'only the split "train"' in printed
    assert load_trained(out).sample(3, 0).shape == (3, 8, 8, 3)


@pytest.mark.usefixtures("no_pictures")
def test_grey_and_as_they_are(photos, tmp_path):
    assert train(photos, tmp_path / "grey", "--channels", 1) == 0
    config = json.loads((tmp_path / "grey" / "config.json").read_text())
    assert config["image_shape"] == [12, 16, 1] and config["data_options"] == {"channels": 1}
    assert train(photos, tmp_path / "sized", "--image-size", "6x4", "--background", "black") == 0
    config = json.loads((tmp_path / "sized" / "config.json").read_text())
    assert config["image_shape"] == [6, 4, 3] and config["data_options"]["background"] == "black"


def test_another_picture_is_another_run(photos, tmp_path):
    start_run(SMALL, tmp_path / "run", "folder", photos, batch_size=5).close()
    Image.new("RGB", (16, 12)).save(photos / "red" / "01.png")
    with pytest.raises(CheckpointError, match="the images of folder are not the ones that this run was started with"):
        resume_run(tmp_path / "run")


@pytest.mark.parametrize(
    "script", ["mlp_gan", *(pytest.param(name, marks=pytest.mark.slow) for name in ("dcgan", "autoencoder"))]
)
def test_the_examples_take_them(script, photos, tmp_path):
    """In a process of their own, as a reader starts them; 140 pictures, since their batches have 128 images."""
    for path in list(photos.rglob("*.png")):
        for copy in range(6):
            shutil.copy(path, path.with_name(f"{path.stem}-{copy}.png"))
    example = Path(__file__).resolve().parents[1] / "examples" / f"{script}.py"
    command = [sys.executable, example, "--dataset", "folder", "--data-dir", photos, "--epochs", "1", "--out", "out"]
    done = subprocess.run([*command, "--image-size", "8"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").rglob("*.png"))


@pytest.mark.usefixtures("no_pictures")
def test_a_run_on_arrays(tmp_path):
    numbers = np.random.default_rng(0).random((20, 8, 8, 1))
    np.savez("mine.npz", images=2 * numbers - 1, labels=np.arange(20) % 2)
    options = ("--dataset", "array", "--data-dir", "mine.npz", "--batch-size", 5, "--steps", 2, "--quiet")
    assert run("train", "Small", *options, "--out", "bytes") == 2
    assert run("train", "Small", *options, "--out", "run", "--value-range=-1:1") == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data_options"] == {"value_range": [-1, 1]} and config["data_dir"] == str(tmp_path / "mine.npz")
    assert run("resume", "run", "--steps", 3, "--quiet") == 0
    assert run("evaluate", "run", "--samples", 20, "--quiet") == 0
    for odd in ("1", "a:b", "1:2:3", "1:-1", "nan:1"):
        assert run("train", "Small", *options, "--out", "odd", f"--value-range={odd}") == 2


@pytest.mark.usefixtures("no_pictures")
def test_options_of_the_data_in_numbers_of_numpy(tmp_path):
    numbers = np.random.default_rng(0).random((20, 8, 8, 1), "float32")
    np.savez("mine.npz", images=numbers)
    for index, limit in enumerate((np.float32, np.float64, np.longdouble, np.int8)):
        given = {"value_range": (limit(0), limit(1)), "image_size": np.int64(4), "channels": np.uint8(1)}
        training = start_run(SMALL, f"run{index}", "array", "mine.npz", data_options=given, batch_size=5, steps=1)
        assert training.config.data_options == {"image_size": (4, 4), "channels": 1, "value_range": (0, 1)}
        training.run(quiet=True)
        assert resume_run(f"run{index}", steps=2).run(quiet=True) is None


def test_flags_of_numpy_are_kept_as_plain_ones(photos):
    loaded = data.load("folder", photos, skip_broken=np.True_)
    assert loaded.options == {"skip_broken": True} and type(loaded.options["skip_broken"]) is bool


def test_settings_that_json_cannot_hold_leave_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("minigan.training.loop.settings_of", lambda experiment, gan: {"own": object()})
    with pytest.raises(TypeError):
        start_run(SMALL, tmp_path / "run", "digits")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_pictures")
def test_a_test_split_is_used_for_memorisation(photos, tmp_path, capsys):
    for split in ("train", "test"):
        shutil.copytree(photos, tmp_path / "both" / split)
    for path in (tmp_path / "both" / "test").rglob("*.png"):
        Image.new("RGB", (16, 12), (int(path.stem), 0, 9)).save(path)
    assert train(tmp_path / "both", tmp_path / "run", "--image-size", 8) == 0
    assert run("evaluate", tmp_path / "run", "--samples", 20, "--quiet") == 0
    assert "no metrics of memorisation" not in capsys.readouterr().out


@pytest.mark.usefixtures("no_pictures")
def test_without_labels_evaluate_measures_distances_of_pixels(photos, tmp_path, capsys):
    assert train(photos / "red", tmp_path / "run", "--image-size", 8) == 0
    capsys.readouterr()
    assert run("evaluate", tmp_path / "run", "--samples", 20, "--quiet") == 0
    text = capsys.readouterr().out
    assert "folder has no labels, so no classifier can judge the samples. " in text and "diversity " in text


@pytest.mark.usefixtures("no_pictures")
def test_broken_pictures_stop_the_run_before_anything_is_written(photos, tmp_path, capsys):
    (photos / "red" / "bad.jpg").write_bytes(b"no")
    assert train(photos, tmp_path / "run", "--image-size", 8) == 2
    assert "1 of 21 pictures cannot be read: red/bad.jpg (not a picture" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with pytest.warns(UserWarning, match="1 pictures were left out"):
        assert train(photos, tmp_path / "run", "--image-size", 8, "--skip-broken") == 0
    with pytest.warns(UserWarning, match="1 pictures were left out"):
        resume_run(tmp_path / "run").close()


@pytest.mark.parametrize("size", ["0", "x", "8x", "x8", "8x8x8", "-8", "8.5", ""])
def test_odd_sizes_on_the_command_line(photos, tmp_path, size, capsys):
    assert train(photos, tmp_path / "run", f"--image-size={size}") == 2
    assert "--image-size" in capsys.readouterr().err


@pytest.mark.parametrize("given", [3, "image_size", {"split": "test"}, {"directory": "x"}, {3: 4}, ["image_size"]])
def test_odd_options_of_the_data(given, tmp_path):
    with pytest.raises(OptionError, match="Small: expected data_options as a dict of options"):
        start_run(SMALL, tmp_path / "run", data_options=given)


@pytest.mark.parametrize(
    "found", [3, None, {"split": "test"}, {"image_size": 10**9}, {"image_size": "x"}, {"background": []}]
)
def test_odd_options_in_config_json(found, photos, tmp_path):
    start_run(SMALL, tmp_path / "run", "folder", photos, batch_size=5, data_options={"image_size": 8}).close()
    path = tmp_path / "run" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data_options": found}))
    with pytest.raises((CheckpointError, OptionError, MemoryError)):
        resume_run(tmp_path / "run")


def test_an_experiment_can_have_a_size_of_its_own(photos, tmp_path):
    sized = SMALL.but("Sized", image_size=4, dataset="folder")
    assert sized.image_shape == (4, 4, 3)
    training = start_run(sized, tmp_path / "run", data_dir=photos, batch_size=5, steps=1)
    assert training.config.image_shape == [4, 4, 3]
    training.close()
    training = start_run(sized, tmp_path / "other", data_dir=photos, batch_size=5, data_options={"image_size": 6})
    assert training.config.data_options == {"image_size": (6, 6)}
    training.close()
    with pytest.raises(OptionError, match="image_size"):
        SMALL.but("Sized", image_size="64")


def test_a_size_that_the_generator_cannot_make(photos, tmp_path):
    with pytest.raises(ShapeError, match=r"multiples of 4, got 10 x 10.*--image-size"):
        start_run(find("dcgan"), tmp_path / "run", "folder", photos, data_options={"image_size": 10}, batch_size=5)


def test_a_folder_that_is_not_given(tmp_path):
    with pytest.raises(OptionError, match="give the folder of your pictures"):
        start_run(SMALL, tmp_path / "run", "folder")
    with pytest.raises(DataError, match="cannot read the folder"):
        start_run(SMALL, tmp_path / "run", "folder", "nowhere")
