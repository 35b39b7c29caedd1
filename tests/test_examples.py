"""The examples as programs: what they write, the same bytes from the same seed, Ctrl-C, and their errors."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minigan import Sequential

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def start(script, *arguments, **options):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(script, *arguments):
    process = start(script, *arguments)
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def test_mlp_gan_writes_what_it_promises_and_the_same_bytes_again(tmp_path):
    for name in ("a", "b"):
        code, out, err = run(
            "mlp_gan.py",
            "--experiment",
            "A1",
            "--epochs",
            2,
            "--batch-size",
            5000,
            "--out",
            tmp_path / name,
            "--seed",
            4,
        )
        assert code == 0 and str(tmp_path / name) in out and "2 of 2 epochs" in out, err
        assert "images/s" in err and "D " in err and "G " in err
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert set(files) == {
        "epoch_001.png",
        "epoch_002.png",
        "losses.png",
        "real_beside_generated.png",
        "learning.gif",
        "generator.npz",
        "discriminator.npz",
    }
    for name, content in files.items():
        assert (tmp_path / "b" / name).read_bytes() == content, name
    with Image.open(tmp_path / "a" / "learning.gif") as gif:
        assert gif.n_frames == 2
    generator = Sequential.load(tmp_path / "a" / "generator.npz")
    assert generator.predict(np.zeros((1, 100), np.float32)).shape == (1, 28, 28, 1)


def test_ctrl_c_keeps_what_was_made(tmp_path):
    process = start("mlp_gan.py", "--experiment", "A1", "--epochs", 500, "--out", tmp_path)
    deadline = time.monotonic() + 120
    while not (tmp_path / "epoch_002.png").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "of 500 epochs" in out and "Traceback" not in err
    assert {"generator.npz", "discriminator.npz", "losses.png", "learning.gif"} <= {p.name for p in tmp_path.iterdir()}
    Sequential.load(tmp_path / "generator.npz")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--experiment", "A9"], "there is no experiment 'A9'"),
        (["--epochs", "0"], "at least 1"),
        (["--batch-size", "20000"], "only 10000 images"),
        (["--seed", "-1"], "at least 0"),
        (["--dataset", "mnist", "--data-dir", "{tmp}"], "train-images-idx3-ubyte.gz"),
        (["--data-dir", "{tmp}"], "built in"),
        (["--out", "{tmp}/a_file/out"], "cannot write to the folder"),
    ],
)
def test_errors_are_one_line_and_exit_code_2(tmp_path, arguments, message):
    (tmp_path / "a_file").touch()
    arguments = [argument.format(tmp=tmp_path) for argument in arguments]
    out = [] if "--out" in arguments else ["--out", tmp_path / "out"]
    code, _, err = run("mlp_gan.py", *arguments, *out)
    assert code == 2 and message in err and "Traceback" not in err


@pytest.mark.parametrize("generator", ["transpose", "upsampling"])
def test_dcgan_on_colour_images(tmp_path, rng, generator):
    for i in range(1, 6):
        records = rng.integers(0, 256, (8, 3073), np.uint8)
        records[:, 0] = np.arange(8)
        (tmp_path / f"data_batch_{i}.bin").write_bytes(records.tobytes())
    arguments = ["--dataset", "cifar10", "--data-dir", tmp_path, "--batch-size", 20, "--epochs", 1]
    code, out, err = run("dcgan.py", *arguments, "--generator", generator, "--out", tmp_path / "out")
    assert code == 0 and "1 of 1 epochs" in out and "40" in err, err
    with Image.open(tmp_path / "out" / "epoch_001.png") as picture:
        assert picture.mode == "RGB"


def test_dcgan_refuses_an_experiment_for_other_images(tmp_path):
    code, _, err = run("dcgan.py", "--experiment", "E8", "--out", tmp_path)
    assert code == 2 and "(24, 24, 1)" in err and "(28, 28, 1)" in err


def test_gradient_check_shows_a_pass_and_a_catch():
    code, out, err = run("gradient_check.py")
    assert code == 0, err
    right, broken = out.split("The broken one:")
    assert "wrong" not in right and "third term" in broken


def test_custom_layer_is_checked_and_learns():
    code, out, err = run("custom_layer.py", "--steps", 100)
    assert code == 0 and "keeps the contract" in out, err
    assert float(out.strip().split()[-1].rstrip("%")) > 80
