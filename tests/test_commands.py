"""The command line on tiny runs: what each command writes and prints, its exit code, and its errors in one line."""

import csv
import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minigan import analysis, backend, data, machine, memory, pictures
from minigan.__main__ import main, make_parser
from minigan.cli import information, measuring
from minigan.cli.ranges import with_ranges_joined
from minigan.data import dataset
from minigan.errors import DeviceError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.gan import latent
from minigan.gan.objectives import NonSaturating
from minigan.layers import Dense
from minigan.metrics import classifier
from minigan.training import sharpness
from minigan.training.trained import load_trained

SMALL = find("A5").but(  # batch statistics, dropout, label noise
    "Small", generator=mlp_generator(6, batch_norm=True), discriminator=mlp_discriminator(5, dropout=0.4)
)


def small_digits(directory, split):
    """The first 600 of the built-in digits."""
    digits = dataset._load_digits(directory, split)
    return dataset.Dataset("digits", split, digits.images[:600], digits.labels[:600], digits.classes)


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    """600 digits, a classifier of 20 steps, a cache folder of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINIGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(dataset.LOADERS, "digits", small_digits)
        patch.setattr(classifier, "STEPS", 20)
        patch.setitem(EXPERIMENTS, "Small", SMALL)
        yield


def run(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code or 0


def train(folder, name, seed, *options):
    arguments = ("--steps", 3, "--batch-size", 32, "--seed", seed, "--quiet", "--out", folder / f"{name}-{seed}")
    assert run("train", name, *(options or ("--dataset", "digits")), *arguments) == 0
    return folder / f"{name}-{seed}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs that differ in the seed alone, and one on images in [0, 1] whose generator ends in tanh."""
    folder = tmp_path_factory.mktemp("runs")
    return [train(folder, "A1", 0), train(folder, "A1", 1), train(folder, "B7", 0)]


def pixels(path, zoom=2):
    with Image.open(path) as picture:
        return np.asarray(picture)[::zoom, ::zoom, None]


# a trained run


def test_a_trained_run_is_the_one_that_was_saved(runs, monkeypatch):
    monkeypatch.setattr(dataset, "LOADERS", {})  # no data set is read
    trained = load_trained(runs[0])
    assert (trained.step, trained.epoch, trained.experiment.name) == (3, 3 / 18, "A1")
    with np.load(runs[0] / "generator.npz") as saved:
        np.testing.assert_array_equal(trained.gan.generator.flat_params, saved["params"])
    np.testing.assert_array_equal(trained.sample(5, seed=2), trained.gan.sample(5, seed=2))


def test_images_of_every_range_are_mapped_to_minus_one_to_one(runs):
    trained = load_trained(runs[2])
    raw = trained.gan.sample(40, seed=0)
    assert raw.min() < 0, "tanh leaves [0, 1]"
    images = trained.sample(40, seed=0)
    np.testing.assert_allclose(images, 2 * raw.clip(0, 1) - 1, atol=1e-6)
    assert images.dtype == np.float32 and images.min() == -1


# sample and interpolate


def test_sample_writes_the_grid_and_the_array(runs, tmp_path, capsys):
    assert run("sample", runs[0], "--n", 6, "--seed", 3, "--npy", tmp_path / "x.npy") == 0
    expected = load_trained(runs[0]).gan.sample(6, seed=3)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected)
    np.testing.assert_array_equal(pixels(runs[0] / "sample_seed3.png"), pictures.grid(expected))
    assert str(runs[0] / "sample_seed3.png") in capsys.readouterr().out
    assert run("sample", runs[0], "--out", tmp_path / "y.png") == 0
    assert pixels(tmp_path / "y.png").shape == (8 * 30 + 2, 8 * 30 + 2, 1)


@pytest.mark.parametrize(("options", "path_between"), [((), latent.slerp), (("--linear",), latent.lerp)])
def test_interpolate_draws_a_path_in_each_row(runs, capsys, options, path_between):
    assert run("interpolate", runs[0], "--steps", 4, "--rows", 2, *options) == 0
    z = load_trained(runs[0]).latents(4, seed=0)
    latents = np.concatenate([path_between(z[0], z[2], 4), path_between(z[1], z[3], 4)])
    images = load_trained(runs[0]).gan.generator.predict(latents)
    out = runs[0] / f"{path_between.__name__}_seed0.png"
    np.testing.assert_array_equal(pixels(out), pictures.grid(images, columns=4))
    with Image.open(out.with_suffix(".gif")) as gif:
        assert gif.n_frames == 4 and gif.size == (2 * 62, 2 * 32)
        gif.seek(1)
        frame = np.asarray(gif.convert("L"))[::2, ::2, None]
    np.testing.assert_array_equal(frame, pictures.grid(images[[1, 5]], columns=2))
    assert str(out) in capsys.readouterr().out


# evaluate


def test_evaluate_several_runs(runs, capsys, monkeypatch):
    trained = []
    original = classifier.train_classifier
    monkeypatch.setattr(classifier, "train_classifier", lambda *args: trained.append(1) or original(*args))
    assert run("evaluate", *runs, runs[0], "--samples", 100) == 0
    out, err = capsys.readouterr()
    assert len(trained) == 1 and err.count("real images") == 1, "once for the data set, not once for each run"
    assert all(str(path) in err for path in runs)
    reports = [json.loads((path / "evaluation.json").read_text()) for path in runs]
    for report, name, path in zip(reports, ("A1", "A1", "B7"), runs, strict=True):
        assert (report["experiment"], report["step"], report["seed"], report["samples"]) == (name, 3, 0, 100)
        assert report["epoch"] == 3 / 18 and set(report["versions"]) == {"minigan", "numpy", "python"}
        with Image.open(path / "evaluation.png") as picture:
            picture.verify()
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in out.splitlines() if line.startswith("|")}
    nfds = [report["nfd"] for report in reports]
    for name, nfd in zip(map(str, runs), nfds, strict=True):
        assert float(rows[name][0]) == pytest.approx(nfd, abs=0.006)
    mean, deviation = (float(rows[f"A1 on digits, 2 runs: {name}"][0]) for name in ("mean", "standard deviation"))
    assert mean == pytest.approx(statistics.mean(nfds[:2]), abs=0.006)
    assert deviation == pytest.approx(abs(nfds[0] - nfds[1]) / 2**0.5, abs=0.006) and deviation > 0
    assert rows["A1 on digits, 2 runs: mean"][8].strip() == "-" and 'only the split "train"' in out
    assert not any("B7 on" in name for name in rows)


def test_evaluate_one_run_quietly_and_the_same_again(runs, capsys):
    reports = []
    for _ in range(2):
        assert run("evaluate", runs[0], "--samples", 50, "--seed", 5, "--quiet") == 0
        out, err = capsys.readouterr()
        assert err == "" and "mean" not in out
        reports.append((runs[0] / "evaluation.json").read_bytes())
    assert reports[0] == reports[1] and b'"seed": 5' in reports[0]


@pytest.mark.filterwarnings("ignore::minigan.data.PartialDataWarning")
def test_evaluate_without_labels_and_without_the_images_of_the_training(runs, tmp_path, rng, capsys, monkeypatch):
    savemat = pytest.importorskip("scipy.io").savemat
    savemat(tmp_path / "train_32x32.mat", {"X": rng.integers(0, 256, (32, 32, 3, 40), np.uint8)})
    unlabelled = train(tmp_path, "A1", 2, "--dataset", "svhn", "--data-dir", tmp_path)
    capsys.readouterr()
    assert run("evaluate", unlabelled, runs[0], "--samples", 60, "--quiet") == 0
    output = capsys.readouterr()
    assert f"{unlabelled}: svhn has no labels, so no classifier can judge the samples. Distances of" in output.out
    assert f"| {runs[0]} |" in output.out and f"| {unlabelled} |" not in output.out and not output.err
    scores = json.loads((unlabelled / "evaluation.json").read_text())
    assert scores["samples"] == 60 and 0 < scores["diversity_ratio"] < 1 and "nfd" not in scores
    assert Image.open(unlabelled / "evaluation.png").size[0] > 1000

    digits = small_digits(None, "train")
    other = dataset.Dataset("digits", "train", 255 - digits.images, digits.labels, digits.classes)
    monkeypatch.setitem(dataset.LOADERS, "digits", lambda directory, split: other)
    assert run("evaluate", runs[0], "--quiet") == 2
    assert one_line(capsys, "trained on other images")


def test_evaluate_says_which_run_has_diverged(runs, capsys, monkeypatch):
    make = type(find("A1")).make_gan

    def diverged(experiment, *arguments):
        gan = make(experiment, *arguments)
        gan.generator.predict = lambda z, labels=None: np.full((len(z), 28, 28, 1), np.nan, np.float32)
        return gan

    monkeypatch.setattr(type(find("A1")), "make_gan", diverged)
    assert run("evaluate", runs[1], "--samples", 50, "--quiet") == 2
    assert one_line(capsys, f"{runs[1]}: evaluate: the samples hold NaN")


# check


def test_check_finds_all_gradients_right(capsys):
    assert run("check", "small") == 0
    lines = capsys.readouterr().out.splitlines()
    nets = SMALL.make_networks((28, 28, 1))
    assert sum(line.endswith("  ok") for line in lines) == sum(len(net.layers) for net in nets) + 2
    assert [line.split()[:2] for line in lines if "Dense" in line] == [
        *(
            ["generator", "0.Dense"],
            ["generator", "3.Dense"],
            ["discriminator", "1.Dense"],
            ["discriminator", "4.Dense"],
        )
    ]
    assert lines[-1] == "Small: all gradients are right"


def test_check_names_a_wrong_layer(capsys, monkeypatch):
    backward = Dense.backward

    def doubled(layer, dy, param_grads=True, input_grad=True):
        dx = backward(layer, dy, param_grads, input_grad)
        return dx if dx is None or layer.units != 5 else 2 * dx

    monkeypatch.setattr(Dense, "backward", doubled)
    assert run("check", "Small") == 1
    out = capsys.readouterr().out
    wrong = [line.split()[:4] for line in out.splitlines() if line.endswith("WRONG")]
    assert wrong == [["discriminator", "1.Dense", "3,925", "see"], ["generator", "the", "whole", "step"]]
    assert "factor 2" in out and "2 of" in out


def test_check_names_a_wrong_step(capsys, monkeypatch):
    """Every layer is right, the gradient of the generator's loss is not: for the discriminator's, nothing changes."""
    generator = NonSaturating.generator

    def scaled(objective, logits):
        value, dlogits = generator(objective, logits)
        return value, 1.001 * dlogits

    monkeypatch.setattr(NonSaturating, "generator", scaled)
    assert run("check", "Small") == 1
    out = capsys.readouterr().out
    assert out.count("WRONG") == 1 and "the generator's loss in a training step: along" in out


# info


def test_info_as_a_program():
    process = subprocess.run([sys.executable, "-m", "minigan", "info"], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0 and process.stderr == ""
    for text in (np.__version__, "threads", "memory", "GPU", "caches", "core type"):
        assert text in process.stdout


def test_info_where_nothing_can_be_known(capsys, monkeypatch, tmp_path):
    def fails(*arguments, **options):
        raise OSError("not on this system")

    for owner, name in ((Path, "read_text"), (np, "show_config"), (information.os, "sysconf")):
        monkeypatch.setattr(owner, name, fails)
    monkeypatch.setattr(machine, "OPENBLAS_FOLDERS", ())
    monkeypatch.setattr(information.os, "cpu_count", lambda: None)
    monkeypatch.delattr(information.os, "sched_getaffinity", raising=False)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "none"))
    assert run("info") == 0
    out = capsys.readouterr().out
    assert out.count("unknown") >= 5 and "empty" in out and "advice" not in out


def test_info_shows_the_memory_that_a_container_allows(capsys, monkeypatch, tmp_path):
    (tmp_path / "memory.max").write_text("2000000000\n")
    monkeypatch.setattr(memory, "CONTAINER_LIMITS", (tmp_path / "memory.max",))
    memory.machine_bytes.cache_clear()
    try:
        assert run("info") == 0
    finally:
        memory.machine_bytes.cache_clear()
    assert "memory        2.0 GB\n" in capsys.readouterr().out


def test_info_shows_caches_with_their_sizes(capsys, monkeypatch, tmp_path):
    (tmp_path / "classifiers").mkdir()
    (tmp_path / "classifiers" / "a.npz").write_bytes(bytes(3 * 2**19))
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path))
    assert run("info") == 0
    assert "1 files, 1.6 MB" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("vendor", "flags", "core", "advised"),
    [
        ("AuthenticAMD", "sse avx2 avx512f", "Haswell", True),
        ("AuthenticAMD", "sse avx2 avx512f", "Zen", True),
        ("AuthenticAMD", "sse avx2", "Zen", False),  # it would crash
        ("AuthenticAMD", "sse avx2 avx512f", "SkylakeX (OPENBLAS_CORETYPE=SkylakeX)", False),
        ("GenuineIntel", "sse avx2 avx512f", "Haswell", False),
    ],
)
def test_advice_for_amd_processors_with_avx512(vendor, flags, core, advised):
    advice = information.core_advice({"vendor_id": vendor, "flags": flags}, core)
    assert advised == (advice is not None) and (not advised or "OPENBLAS_CORETYPE=SkylakeX" in advice)


def test_info_about_a_gpu(monkeypatch):
    properties = {"name": b"Test GPU", "totalGlobalMem": 80 * 2**30}
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 1,
        getDeviceProperties=lambda i: properties,
        driverGetVersion=lambda: 12040,
        runtimeGetVersion=lambda: 12090,
    )
    fake = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setattr(backend, "device_module", lambda device: fake)
    monkeypatch.delenv("CUPY_TF32", raising=False)
    found = information.gpu()
    assert found["device 0"] == "Test GPU, 85.9 GB" and found["CUDA"] == "driver 12.4, CuPy 12.9"
    assert found["TF32"].startswith("off")
    monkeypatch.setenv("CUPY_TF32", "1")
    assert information.gpu()["TF32"].startswith("on")

    def missing(device):
        raise DeviceError("no CUDA device")

    monkeypatch.setattr(backend, "device_module", missing)
    assert information.gpu() == {"none": "no CUDA device"}


# like the report


def test_train_like_the_report(tmp_path, capsys):
    options = ("--dataset", "digits", "--steps", 1, "--batch-size", 32, "--quiet", "--no-report")
    assert run("train", "a1", "--like-the-report", "--g-lr", 0.001, *options, "--out", tmp_path / "run") == 0
    assert load_trained(tmp_path / "run").experiment.name == "A1-as-reported+g_lr=0.001"
    assert run("resume", tmp_path / "run", "--steps", 2, "--quiet", "--no-report") == 0
    capsys.readouterr()
    assert run("train", "A4", "--like-the-report", *options, "--out", tmp_path / "other") == 2
    assert one_line(capsys, "A4 has no setting that gives what its report saw. These have one: A1, A2, A3, D1")
    assert not (tmp_path / "other").exists()


def test_an_explosion_like_that_of_the_report_is_told(tmp_path, capsys):
    options = ("--dataset", "digits", "--steps", 3, "--batch-size", 256, "--quiet", "--out", tmp_path / "run")
    assert run("train", "D1", "--like-the-report", *options) == 2
    assert one_line(capsys, "step 1: the parameters of both networks hold NaN")
    assert "takes the logarithm of 0. NonSaturating is the same loss" in (tmp_path / "run" / "notes.txt").read_text()


# errors


def one_line(capsys, message):
    """The error is one line and says `message`."""
    err = capsys.readouterr().err
    return message in err and err.startswith("error: ") and err.count("\n") == 1


def nothing(path, config):
    pass


def empty(path, config):
    path.mkdir()


def cut_short(path, config):
    path.mkdir()
    (path / "config.json").write_text(config[:40])


def begun(path, config):
    path.mkdir()
    (path / "config.json").write_text(config)


def damaged(path, config):
    begun(path, config)
    (path / "checkpoints").mkdir()
    (path / "checkpoints" / "step_00000009.checkpoint").write_bytes(b"not a checkpoint")


# sharpness


@pytest.fixture(scope="module")
def three_epochs(tmp_path_factory):
    """A run of 2 and a half epochs of 18 steps."""
    path = tmp_path_factory.mktemp("sharpness") / "run"
    options = ("--dataset", "digits", "--steps", 45, "--batch-size", 32, "--seed", 3, "--quiet", "--out", path)
    assert run("train", "Small", *options) == 0
    return path


def test_sharpness_along_a_run(three_epochs, capsys):
    capsys.readouterr()
    assert run("sharpness", three_epochs, "--count", 2, "--samples", 20) == 0
    output = capsys.readouterr()
    with open(three_epochs / "sharpness.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows[::4]] == [0, 18, 36, 45]
    assert [(row["network"], row["rank"]) for row in rows[:4]] == [
        *(("discriminator", "1"), ("discriminator", "2")),
        *(("generator", "1"), ("generator", "2")),
    ]
    assert "ends with other numbers" not in output.err, "the repetition is the run, bit for bit"
    # the last rows are those of the trained GAN itself
    trained = load_trained(three_epochs)
    images = data.scale(data.load("digits").images[:20])
    values = analysis.gan_sharpness(trained.gan, images, count=2)
    assert [float(row["eigenvalue"]) for row in rows[-4:]] == values["discriminator"] + values["generator"]
    assert float(rows[-4]["eigenvalue"]) != 0
    assert Image.open(three_epochs / "sharpness.png").size[0] > 500
    assert len(output.out.splitlines()) == len(rows) + 2 and "epoch 2.5: discriminator " in output.err
    assert "45/45" in output.err and "epoch 1: generator's curvature, product 3" in output.err


def test_sharpness_quietly_every_second_epoch(three_epochs, capsys):
    capsys.readouterr()
    assert run("sharpness", three_epochs, "--every", 2, "--samples", 10, "--quiet") == 0
    output = capsys.readouterr()
    assert [line.split()[0] for line in output.out.splitlines()[1:-1:2]] == ["0", "36", "45"] and not output.err


def test_sharpness_repeats_with_the_threads_of_the_run(three_epochs, monkeypatch):
    taken, config = [], json.loads((three_epochs / "config.json").read_text())
    monkeypatch.setattr(machine, "take_threads_of", taken.append)
    monkeypatch.setattr(measuring, "sharpness_of_run", lambda *arguments: taken.append("measured") or [])
    assert run("sharpness", three_epochs) == 0
    assert taken == [config["machine"], "measured"]


def test_sharpness_says_why_the_repetition_is_another_run(three_epochs, tmp_path, capsys, monkeypatch):
    shutil.copytree(three_epochs, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "machine": {**config["machine"], "BLAS kernels": "Abacus"}}))
    monkeypatch.setattr(sharpness, "watched_sharpness", lambda *arguments: {"discriminator": [1.0]})
    monkeypatch.setattr(sharpness, "replayed", lambda gan, *arguments: [45])  # without a step
    assert run("sharpness", tmp_path / "run", "--quiet") == 0
    error = capsys.readouterr().err
    assert "ends with other numbers than the run" in error and "BLAS kernels was 'Abacus', now it is '" in error


def test_sharpness_needs_the_images_of_the_training(three_epochs, capsys, monkeypatch):
    fewer = dataset.Dataset("digits", "train", *(array[:100] for array in small_arrays()), tuple("0123456789"))
    monkeypatch.setitem(dataset.LOADERS, "digits", lambda directory, split: fewer)
    before = (three_epochs / "sharpness.csv").read_text() if (three_epochs / "sharpness.csv").exists() else None
    assert run("sharpness", three_epochs, "--quiet") == 2
    assert one_line(capsys, "was trained on other images of digits")
    assert before is None or (three_epochs / "sharpness.csv").read_text() == before


def small_arrays():
    digits = small_digits(None, "train")
    return digits.images, digits.labels


@pytest.mark.parametrize("command", ["sample", "interpolate", "evaluate", "sharpness", "microscope"])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nothing, "no such folder"),
        (empty, "config.json cannot be read"),
        (cut_short, "not the configuration of a run"),
        (begun, "holds no checkpoint"),
        (damaged, "all 1 checkpoints are damaged"),
    ],
)
def test_what_is_not_a_whole_run(runs, tmp_path, capsys, command, make, message):
    make(tmp_path / "run", (runs[0] / "config.json").read_text())
    assert run(command, tmp_path / "run") == 2
    assert one_line(capsys, message)


def test_a_damaged_newest_checkpoint_is_passed_over_with_a_note(runs, tmp_path, capsys):
    damaged(tmp_path / "run", (runs[0] / "config.json").read_text())
    whole = (runs[0] / "checkpoints" / "step_00000003.checkpoint").read_bytes()
    (tmp_path / "run" / "checkpoints" / "step_00000003.checkpoint").write_bytes(whole)
    assert run("sample", tmp_path / "run") == 0
    out, err = capsys.readouterr()
    assert "of step 3:" in out and err.startswith("note: ") and "step_00000009.checkpoint: damaged" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sample", "{run}", "--n", "0"), "--n: expected an integer of at least 1"),
        (("sample", "{run}", "--seed", "-1"), "seed: expected an integer of at least 0"),
        (("sample", "{run}", "--out", "x.gif"), "ends in .png"),
        (("sample", "{run}", "--out", "{run}/config.json/x.png"), "cannot write"),
        (("interpolate", "{run}", "--rows", "0"), "at least 1"),
        (("interpolate", "{run}", "--steps", "1"), "--steps: expected an integer of at least 2"),
        (("microscope", "{run}", "--images", "1"), "--images: expected an integer of at least 2"),
        (("report", "{run}", "--port", "80"), "--port belongs to --watch"),
        (("train", "A1", "--lr", "0.1", "--g-lr", "0.2"), "Leave it out, and give both --g-lr and --d-lr"),
        (("train", "A1", "--data-dir", "{run}", "--dataset", "digits"), '"folder" for pictures of your own'),
        (("train", "mlp-gan", "--out", "{run}"), "To resume the run in it"),
        (("resume", "{run}/.."), "but there are runs in it, such as "),
        (("evaluate",), "RUN"),
        (("evaluate", "{run}", "--samples", "0"), "--samples: expected an integer of at least 1"),
        (("evaluate", "{run}", "--samples", "1400", "--quiet"), "Choose at most 1,200"),
        (("evaluate", "{run}", "--samples", "1", "--quiet"), "samples is 1, but the metrics need at least 12"),
        (("evaluate", "{run}", "--data-dir", "{run}"), "read from no directory"),
        (("check", "A77"), "there is no experiment 'A77'"),
        (("check", "A1", "--seed", "-1"), "seed: expected an integer of at least 0"),
        (("chekc", "A1"), "invalid choice"),
    ],
)
def test_wrong_arguments_are_told_in_words(runs, capsys, arguments, message):
    assert run(*(argument.format(run=runs[0]) for argument in arguments)) == 2
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


def test_files_are_written_into_folders_that_are_not_there_yet(runs, tmp_path):
    for command, *more in (("sample", "--npy", tmp_path / "c/x.npy"), ("interpolate",), ("export",), ("report",)):
        path = tmp_path / command / "new" / "x.png"
        assert run(command, runs[0], "--out", path, *more) == 0 and path.exists()
    assert (tmp_path / "c/x.npy").exists()


def test_resume_of_a_finished_run_says_that_it_is_finished(runs, tmp_path, capsys):
    shutil.copytree(runs[0], tmp_path / "run")
    capsys.readouterr()
    assert run("resume", tmp_path / "run") == 0
    assert "steps are taken, so only the pictures are drawn again. To go on: --epochs N" in capsys.readouterr().err


def test_a_range_that_begins_with_a_minus_needs_no_equals_sign():
    given = ["train", "A1", "--value-range", "-1:1", "--quiet"]
    assert with_ranges_joined(given) == ["train", "A1", "--value-range=-1:1", "--quiet"]
    assert with_ranges_joined(["--value-range", "--quiet"]) == ["--value-range", "--quiet"]
    assert make_parser().parse_args(with_ranges_joined(given)).value_range == (-1, 1)


def test_the_recipe_names_all_options_of_objective_and_optimizers(capsys):
    assert run("list", "A5+g_beta1=0.9+d_weight_decay=0.1+d_lr=0.001") == 0
    text = capsys.readouterr().out
    assert "NonSaturating(label_noise=True, smoothing=0.0)" in text
    assert "G Adam(lr=0.0002, beta1=0.9, beta2=0.999, epsilon=1e-08); D Adam(lr=0.001" in text
    assert "weight_decay=0.1" in text and run("list", "C3") == 0 and "Wasserstein(clip=0.01)" in capsys.readouterr().out
