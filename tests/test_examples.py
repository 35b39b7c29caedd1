"""The examples: what they write, the same numbers as GAN and as `python -m minigan train`, Ctrl-C, their errors."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minigan import GAN, Sequential, data
from minigan.data import stacked
from minigan.errors import DataError, OptionError
from minigan.experiments import find
from minigan.optimizers import Adam
from minigan.training.loop import start_run

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
BATCH = 50  # with few_digits, so that an epoch is four steps


def start(script, *arguments, **options):
    command = [sys.executable, EXAMPLES / script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def run(script, *arguments):
    process = start(script, *arguments)
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def load(script):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(script, EXAMPLES / f"{script}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def few_digits(monkeypatch):
    """data.load gives 200 of the built-in digits, so that a convolutional network needs seconds."""
    digits = data.load("digits")
    few = replace(digits, images=digits.images[:200], labels=digits.labels[:200])
    monkeypatch.setattr(data, "load", lambda *arguments, **options: few)
    return few


def options(out=None, **changes):
    values = dict(epochs=2, seed=4, device="cpu", workers="auto", out=out, dataset="digits", data_dir=None)
    values |= dict(data_options={}, batch_size=BATCH)
    return SimpleNamespace(**{**values, **changes})


def arrays_of(network):
    return {"params": network.flat_params, **network.state}


def assert_equal_networks(one, other):
    one, other = arrays_of(one), arrays_of(other)
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize(("script", "rates"), [("mlp_gan", (5e-4, 5e-4)), ("dcgan", (1e-3, 5e-4))])
def test_the_loop_written_out_gives_the_numbers_of_gan_train_step(script, rates, tmp_path, few_digits):
    """Bit for bit: the example is what GAN.train_step does."""
    example = load(script)
    example.main(options(tmp_path, epochs=1))

    seed = 4
    generator = Sequential(example.generator_layers((28, 28, 1)), (100,), seed=(seed, 0))
    discriminator = Sequential(example.discriminator_layers(), (28, 28, 1), seed=(seed, 1))
    optimizers = [Adam(net, lr=lr, beta1=0.5) for net, lr in zip((generator, discriminator), rates, strict=True)]
    chosen = dict(g_optimizer=optimizers[0], d_optimizer=optimizers[1], seed=(seed, 2), ema=example.EMA_DECAY)
    gan = GAN(generator, discriminator, **chosen)
    for images in data.batches(few_digits.images, BATCH, np.random.default_rng((seed, 3, 0))):
        gan.train_step(images)
    assert_equal_networks(Sequential.load(tmp_path / "generator.npz"), gan.average)
    assert_equal_networks(Sequential.load(tmp_path / "discriminator.npz"), discriminator)


@pytest.mark.parametrize(
    ("script", "experiment", "workers"),
    [
        ("mlp_gan", "mlp-gan", 1),
        ("mlp_gan", "mlp-gan", 2),
        ("dcgan", "dcgan", 2),
        ("conditional_gan", "conditional-mlp", 2),
    ],
)
def test_an_example_is_the_same_run_as_its_experiment(script, experiment, workers, tmp_path, few_digits, no_pictures):
    """The same seed and data give the same networks from the example and from `python -m minigan train`."""
    load(script).main(options(tmp_path / "example", workers=workers))
    chosen = dict(seed=4, device="cpu", epochs=2, batch_size=BATCH, workers=workers)
    training = start_run(find(experiment), tmp_path / "run", **chosen)
    training.run(quiet=True)
    assert_equal_networks(Sequential.load(tmp_path / "example" / "generator.npz"), training.gan.average)
    assert_equal_networks(Sequential.load(tmp_path / "example" / "discriminator.npz"), training.gan.discriminator)


@pytest.mark.parametrize(
    ("script", "experiment"),
    [("mlp_gan", "mlp-gan"), ("dcgan", "dcgan"), ("conditional_gan", "conditional-mlp")],
)
def test_an_example_has_the_recipe_of_its_experiment(script, experiment):
    example, experiment = load(script), find(experiment)
    assert (experiment.epochs, experiment.ema) == (example.EPOCHS, example.EMA_DECAY)
    assert experiment.batch_size == example.BATCH_SIZE
    gan = experiment.make_gan()
    classes = [10] if experiment.conditional else []
    layers = [*example.generator_layers((28, 28, 1), *classes), *example.discriminator_layers(*classes)]
    assert repr(layers) == repr([*gan.generator.layers, *gan.discriminator.layers])


def test_mlp_gan_writes_what_it_promises(tmp_path, few_digits, capsys):
    example = load("mlp_gan")
    for name in ("a", "b"):
        example.main(options(tmp_path / name))
    captured = capsys.readouterr()
    assert str(tmp_path / "a") in captured.out and "loss of D" in captured.err
    files = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert set(files) == {"epoch_001.png", "epoch_002.png", "learning.gif", "generator.npz", "discriminator.npz"}
    for name in ("epoch_001.png", "epoch_002.png", "learning.gif"):
        assert (tmp_path / "b" / name).read_bytes() == files[name], name
    with Image.open(tmp_path / "a" / "learning.gif") as gif:
        assert gif.n_frames == 2
    generator = Sequential.load(tmp_path / "a" / "generator.npz")
    assert generator.predict(np.zeros((1, 100), np.float32)).shape == (1, 28, 28, 1)

    example.main(options(tmp_path / "a", epochs=1))
    assert "2 pictures of an earlier run removed" in capsys.readouterr().err
    assert not (tmp_path / "a" / "epoch_002.png").exists()
    with Image.open(tmp_path / "a" / "learning.gif") as gif:
        assert getattr(gif, "n_frames", 1) == 1


def test_mlp_gan_fits_on_two_printed_pages():
    """And it hides nothing: no trainer, no GAN."""
    text = (EXAMPLES / "mlp_gan.py").read_text()
    assert len(text.splitlines()) <= 2 * 60
    assert "train_step" not in text and "import GAN" not in text
    for step in ("G.forward(", "D.forward(", "D.backward(", "G.backward(", "d_optimizer.step()", "g_optimizer.step()"):
        assert step in text


def test_ctrl_c_keeps_what_was_made(tmp_path):
    # a shell lets its background jobs ignore Ctrl-C, and they pass that on: the example shall hear it in any case
    listen = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)} if os.name == "posix" else {}
    process = start("mlp_gan.py", "--epochs", 500, "--out", tmp_path, **listen)
    deadline = time.monotonic() + 120
    while not (tmp_path / "epoch_001.png").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "all written files are complete" in err and "Traceback" not in err
    with Image.open(tmp_path / "epoch_001.png") as picture:
        picture.load()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epochs", "0"], "at least 1"),
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


@pytest.fixture
def pictures_without_labels(tmp_path, rng):
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, image in enumerate(rng.integers(0, 256, (12, 30, 30), np.uint8)):
        Image.fromarray(image).save(photos / f"{number}.png")
    return photos


@pytest.mark.parametrize("script", ["classifier", "lstm_rows", "conditional_gan"])
def test_pictures_without_labels_are_refused_in_words(script, pictures_without_labels, tmp_path):
    given = options(tmp_path / "out", dataset="folder", data_dir=pictures_without_labels, network="mlp")
    with pytest.raises(DataError, match="have no labels: put the pictures of each class into a folder"):
        load(script).main(given)


@pytest.mark.parametrize("script", ["mlp_gan", "dcgan", "autoencoder"])
def test_a_few_pictures_and_pictures_of_odd_sizes(script, pictures_without_labels, tmp_path):
    """A batch can be made smaller, as the error says; dcgan.py names the sizes that it takes."""
    given = dict(epochs=1, dataset="folder", data_dir=pictures_without_labels)
    given["data_options"] = {"image_size": (28, 28)}
    with pytest.raises(OptionError, match="Use a batch_size of at most 12"):
        load(script).main(options(tmp_path / "out", **given))
    load(script).main(options(tmp_path / "out", **given | {"batch_size": 6}))
    if script == "dcgan":
        with pytest.raises(OptionError, match="multiples of four"):
            load(script).main(options(tmp_path / "out", **given | {"data_options": {}, "batch_size": 6}))


@pytest.fixture
def floats(tmp_path, rng):
    """A file with images of numbers from -1 to 1, and their labels."""
    path, x = tmp_path / "floats.npz", rng.uniform(-1, 1, (50, 8, 8))
    np.savez(path, x_train=x[:40], y_train=np.arange(40) % 2, x_test=x[40:])
    return path


def test_an_example_takes_all_options_of_the_data(floats, tmp_path):
    """As the errors advise: without --value-range, nobody knows which numbers are black and white."""
    given = ("--dataset", "array", "--data-dir", floats, "--batch-size", 10, "--epochs", 1, "--out", tmp_path / "out")
    code, _, err = run("mlp_gan.py", *given)
    assert code == 2 and "--value-range=-1:1" in err
    code, _, err = run("mlp_gan.py", *given, "--value-range", "-1:1", "--channels", 3)
    assert code == 0, err
    with Image.open(tmp_path / "out" / "epoch_001.png") as picture:
        assert picture.mode == "RGB"
    code, _, err = run("mlp_gan.py", *given, "--skip-broken", "--background", "black")
    assert code == 2 and 'the data set "array" has no option' in err


@pytest.mark.parametrize("script", ["mlp_gan", "dcgan", "conditional_gan", "autoencoder", "classifier", "lstm_rows"])
def test_every_example_hands_the_options_of_the_data_on(script, floats, tmp_path):
    given = dict(epochs=1, batch_size=10, dataset="array", data_dir=floats, network="mlp")
    load(script).main(options(tmp_path / "out", **given, data_options={"value_range": (-1, 1)}))


@pytest.mark.parametrize("dataset", ["digits", "stacked-digits"])
def test_the_classifier_puts_a_tenth_aside_where_there_is_no_test_split(dataset, monkeypatch):
    monkeypatch.setitem(stacked.COUNTS, "train", 500)
    images, labels, test_images, test_labels, classes = load("classifier").load(options(dataset=dataset))
    assert len(images) == len(labels) == 9 * len(test_images) == 9 * len(test_labels)
    assert classes == {"digits": 10, "stacked-digits": 1000}[dataset]


@pytest.mark.parametrize("script", ["classifier", "lstm_rows"])
def test_fewer_labelled_pictures_than_a_batch(script, tmp_path, rng):
    for number, image in enumerate(rng.integers(0, 256, (40, 12, 12), np.uint8)):
        for split in ("train", "test"):
            path = tmp_path / split / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    given = dict(epochs=1, dataset="folder", data_dir=tmp_path, network="mlp")
    with pytest.raises(OptionError, match="Use a batch_size of at most"):
        load(script).main(options(**given))
    load(script).main(options(**given | {"batch_size": 10}))


def test_dcgan_on_colour_images(tmp_path, rng):
    for i in range(1, 6):
        records = rng.integers(0, 256, (8, 3073), np.uint8)
        records[:, 0] = np.arange(8)
        (tmp_path / f"data_batch_{i}.bin").write_bytes(records.tobytes())
    colours = dict(epochs=1, batch_size=20, dataset="cifar10", data_dir=tmp_path)
    with pytest.warns(UserWarning, match="40"):
        load("dcgan").main(options(tmp_path / "out", **colours))
    with Image.open(tmp_path / "out" / "epoch_001.png") as picture:
        assert picture.mode == "RGB"


@pytest.mark.parametrize(
    ("script", "changes", "least"),
    [("classifier", {"network": "mlp"}, 0.85), ("classifier", {"network": "cnn"}, 0.8), ("lstm_rows", {}, 0.6)],
)
def test_what_reads_digits_learns_to(script, changes, least, capsys):
    load(script).main(options(epochs=1, batch_size=100, **changes))
    shares = re.findall(r"([\d.]+)% of 1,000 unseen images read right", capsys.readouterr().out)
    assert float(shares[-1]) / 100 > least


@pytest.mark.slow
@pytest.mark.skipif("MINIGAN_MNIST_DIR" not in os.environ, reason="set MINIGAN_MNIST_DIR to a folder with MNIST")
@pytest.mark.parametrize(("network", "least"), [("mlp", 0.97), ("cnn", 0.985)])
def test_the_classifiers_on_all_of_mnist(network, least, capsys):
    arguments = ("--network", network, "--dataset", "mnist", "--data-dir", os.environ["MINIGAN_MNIST_DIR"])
    code, out, err = run_long("classifier.py", *arguments)
    assert code == 0, err
    shares = re.findall(r"([\d.]+)% of 10,000 unseen images read right", out)
    with capsys.disabled():
        print(f"\n{network}: {shares}")
    assert float(shares[-1]) / 100 >= least


def run_long(script, *arguments):
    process = start(script, *arguments)
    out, err = process.communicate(timeout=3000)
    return process.returncode, out, err


def test_the_autoencoder_draws_the_digits_again(tmp_path, capsys):
    load("autoencoder").main(options(tmp_path, epochs=3, batch_size=100))
    picture = np.asarray(Image.open(tmp_path / "epoch_003.png").convert("L"), float)
    above, below = np.split(picture[: len(picture) // 2 * 2], 2)
    untrained = np.abs(above - above.mean()).mean()
    assert np.abs(above - below).mean() < 0.6 * untrained
    assert "mean squared error" in capsys.readouterr().err


def test_gradient_check_shows_a_pass_and_a_catch():
    code, out, err = run("gradient_check.py")
    assert code == 0, err
    right, broken = out.split("The broken layer:")
    assert "wrong" not in right and "third term" in broken


def test_custom_layer_is_checked_and_learns():
    code, out, err = run("custom_layer.py", "--steps", 100)
    assert code == 0 and "keeps the contract" in out, err
    assert float(out.strip().split()[-1].rstrip("%")) > 80
