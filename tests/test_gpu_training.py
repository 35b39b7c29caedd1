"""Training on a GPU: GANs as on the CPU, steps as one CUDA graph, runs, experiments and metrics.

On any machine with the strict stand-in for CuPy, which counts waits for the GPU and replays graphs as CUDA does; with
-m gpu on a device.
"""

import math
import os
import warnings
from contextlib import nullcontext
from functools import partial

import numpy as np
import pytest
from run_helpers import one_of_each_kind
from test_metrics import stripes
from test_runs import SMALL, outcome

from minigan import GAN, Sequential, backend, data, metrics
from minigan.errors import DeviceError, NonFiniteError
from minigan.experiments import EXPERIMENTS, find
from minigan.gan import capture, objectives, penalties
from minigan.gan.capture import CaptureWarning
from minigan.gan.state import gan_state
from minigan.layers import (
    ELU,
    GELU,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cutout,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    LeakyReLU,
    RandomColor,
    RandomTranslation,
    Reshape,
    SiLU,
    Softmax,
    Softplus,
    SpectralNorm,
    Tanh,
)
from minigan.losses import MeanSquaredError, SoftmaxCrossEntropy
from minigan.metrics import classifier
from minigan.ops.gpu.graphs import WARM_UP
from minigan.optimizers import SGD, Adam, AdamW, RMSProp
from minigan.schedules import Cosine, WarmUp
from minigan.training.loop import resume_run, start_run
from minigan.training.watchers.health import EVERY, Health


def mlp_networks():
    return [Dense(6), BatchNorm(), LeakyReLU(), Dense(8), Tanh()], [Dense(7), LeakyReLU(), Dropout(0.4), Dense(1)]


def conv_networks():
    generator = [Dense(8), Reshape((2, 2, 2)), BatchNorm(), LeakyReLU(), Conv2DTranspose(1, 3, 2), Tanh()]
    return generator, [Conv2D(3, 3, 2), LeakyReLU(), Dropout(0.3), Flatten(), Dense(1)]


def newer_networks():
    generator = [
        Dense(8),
        GELU(),
        Dense(8),
        Softplus(),
        Reshape((2, 2, 2)),
        Softmax(),
        Conv2DTranspose(1, 3, 2),
        Tanh(),
    ]
    return generator, [GaussianNoise(0.1), Conv2D(3, 3, 2), SiLU(), GlobalAveragePool2D(), Dense(3), ELU(), Dense(1)]


def augmented_networks():
    generator, discriminator = conv_networks()
    return generator, [RandomColor(), RandomTranslation(), Cutout(), *discriminator]


def spectral_networks():
    generator, _ = conv_networks()
    return generator, [SpectralNorm(Conv2D(3, 3, 2)), LeakyReLU(), Dropout(0.3), Flatten(), SpectralNorm(Dense(1))]


def make_gan(device, networks=mlp_networks, optimizer=Adam, dtype="float64", seed=0, **options):
    g_layers, d_layers = networks()
    generator = Sequential(g_layers, (3,), seed=(seed, 0), dtype=dtype, device=device)
    discriminator = Sequential(d_layers, generator.output_shape, seed=(seed, 1), dtype=dtype, device=device)
    return GAN(generator, discriminator, None, None, optimizer(generator), optimizer(discriminator), **options)


# everything that changes from step to step: latents, label noise, Adam's corrections, dropout, running statistics
GANS = {
    "plain": {},
    "convolutions": {"networks": conv_networks},
    "newer layers": {"networks": newer_networks},
    "label noise, gradients clipped": {"objective": lambda: objectives.NonSaturating(True), "max_grad_norm": 0.5},
    "several critic steps": {"objective": objectives.Wasserstein, "optimizer": partial(RMSProp, lr=1e-3), "d_steps": 3},
    "decay of some": {"optimizer": partial(AdamW, lr=1e-3, weight_decay=0.1, no_decay=("b", "beta"))},
    "in parts": {
        "objective": lambda: objectives.NonSaturating(True),
        "optimizer": partial(SGD, lr=0.1),
        "penalties": [penalties.R1()],
        "accumulate": 2,
    },
    "a schedule": {"optimizer": lambda net: Adam(net, WarmUp(Cosine(1e-2, 8), steps=3)), "d_steps": 2},
    "least squares, momentum": {"objective": objectives.LeastSquares, "optimizer": partial(SGD, lr=0.1, momentum=0.9)},
    # by SGD: Adam divides the smallest gradients, mere rounding, by their own size
    "hinge, float32": {"objective": objectives.Hinge, "dtype": "float32", "optimizer": partial(SGD, lr=0.1)},
    "penalties, one of them lazy": {
        "objective": partial(objectives.Wasserstein, clip=None),
        "networks": conv_networks,
        "optimizer": partial(SGD, lr=0.01),
        "penalties": [penalties.WGANGP(), penalties.R1(every=2)],
        "d_steps": 2,
    },
    "augmentation and a penalty": {
        "networks": augmented_networks,
        "optimizer": partial(SGD, lr=0.1),
        "penalties": [penalties.R1()],
    },
    "spectral normalization and a penalty": {
        "networks": spectral_networks,
        "optimizer": partial(SGD, lr=0.1),
        "penalties": [penalties.R1()],
    },
    "penalties around the images": {"penalties": [penalties.DRAGAN(), penalties.R2(), penalties.ZeroCentered()]},
    "a moving average": {"ema": 0.9, "d_steps": 2},
    "minimax, Nesterov": {
        "objective": objectives.Minimax,
        "optimizer": partial(SGD, lr=0.1, momentum=0.9, nesterov=True),
    },
}


@pytest.fixture(params=GANS)
def make(request):
    """A function of a device that makes a GAN."""
    options = dict(GANS[request.param])
    objective = options.pop("objective", objectives.NonSaturating)

    def make(device):
        gan = make_gan(device, **options)
        gan.objective = objective()
        return gan

    return make


def batches(gan, steps, n=5, seed=0):
    images = np.random.default_rng(seed).standard_normal((steps, n, *gan.generator.output_shape))
    return backend.to_device(images.astype(gan.generator.dtype), gan.generator.xp)


def state_of(gan):
    """All that the next step depends on, as one dict"""
    arrays, values = gan_state(gan)
    return {**arrays, **{name: values[name] for name in ("g_steps", "d_steps", "d_updates")}}, values["rng"]


def assert_same(one, other, tolerance=0.0):
    (arrays, rng), (others, other_rng) = state_of(one), state_of(other)
    assert rng == other_rng and set(arrays) == set(others)
    for name, value in arrays.items():
        np.testing.assert_allclose(others[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


def is_standin(gpu):
    return hasattr(gpu, "forbid_syncs")


def no_waits(gpu):
    """A block in which the stand-in raises where something waits for the GPU; a device raises in capture only."""
    return gpu.forbid_syncs() if is_standin(gpu) else nullcontext()


def test_steps_are_those_of_the_cpu(gpu, make):
    one, other = make("cpu"), make("gpu")
    tolerance = 1e-9 if one.generator.dtype == np.float64 else 1e-5
    for ours, theirs in zip(batches(other, 8), batches(one, 8), strict=True):
        d_loss, g_loss = other.train_step(ours)
        expected = one.train_step(theirs)
        np.testing.assert_allclose([float(d_loss), float(g_loss)], expected, rtol=tolerance, equal_nan=True)
    assert_same(one, other, tolerance)


def test_a_step_never_waits_for_the_gpu(gpu, make):
    gan = make("gpu")
    images = batches(gan, 5)
    gan.train_step(images[0])
    with no_waits(gpu):
        for batch in images:
            gan.train_step(batch)


def test_a_captured_run_is_the_eager_run(gpu, make):
    """The stand-in computes the same numbers, a device sums in another order at most."""
    exact = is_standin(gpu)
    steps = 12 if exact else 200
    eager, captured = make("gpu"), make("gpu")
    captured.capture()
    losses = []
    for i, batch in enumerate(batches(eager, steps)):
        if i == steps // 2:  # learning rates may change in the middle
            for optimizer in (eager.g_optimizer, eager.d_optimizer, captured.g_optimizer, captured.d_optimizer):
                optimizer.lr /= 2
        with no_waits(gpu):
            losses.append((eager.train_step(batch), captured.train_step(batch)))
    assert len(captured._graphs.graphs) == 1 + (captured.d_steps > 1)
    for one, other in losses:  # read at the end: no launch may have overwritten them
        np.testing.assert_allclose(*([float(loss) for loss in pair] for pair in (one, other)), rtol=1e-6 * (not exact))
    assert_same(eager, captured, 0 if exact else 1e-6)
    np.testing.assert_allclose(float(captured.d_grad_norm), float(eager.d_grad_norm), rtol=1e-6)


def test_frozen_layers_in_captured_steps(gpu):
    """Frozen from the start, in the middle, and no longer: as without capture, and as on the CPU."""
    cpu, eager, captured = make_gan("cpu"), make_gan("gpu"), make_gan("gpu")
    captured.capture()
    gans = (cpu, eager, captured)
    for i in range(24):
        for gan in gans:
            first, second = gan.discriminator.layers[0], gan.generator.layers[0]
            first.trainable, second.trainable = i >= 8, not 8 <= i < 16
            if i in (0, 8):
                before = backend.to_cpu((second if i else first).params["W"]).copy()
            batch = np.random.default_rng(i).uniform(-1, 1, (5, *gan.generator.output_shape))
            gan.train_step(backend.to_device(batch, gan.generator.xp))
            if i in (7, 15):
                np.testing.assert_array_equal(backend.to_cpu((second if i > 8 else first).params["W"]), before)
    assert len(captured._graphs.graphs) == 3
    assert_same(eager, captured, 0 if is_standin(gpu) else 1e-6)
    assert_same(cpu, captured, 1e-6)


def test_batches_of_other_sizes_have_graphs_of_their_own(gpu):
    eager, captured = make_gan("gpu"), make_gan("gpu")
    captured.capture()
    for i in range(12):
        for n in (5, 3):
            batch = batches(eager, 1, n, seed=(i, n))[0]
            eager.train_step(batch)
            captured.train_step(batch)
    assert len(captured._graphs.graphs) == 2
    assert_same(eager, captured, 1e-9)


def test_capture_changes_nothing_on_the_cpu():
    gan = make_gan("cpu")
    gan.capture()
    assert gan._graphs is None


class Waiting(LeakyReLU):
    """A layer that looks at its numbers, which no graph can hold."""

    def forward(self, x, training=False):
        assert float(x.max()) < 1e9
        return super().forward(x, training)


def test_what_cannot_be_captured_runs_as_before_with_one_warning(gpu):
    def networks():
        return mlp_networks()[0], [Dense(7), Waiting(), Dropout(0.4), Dense(1)]

    eager, captured = (make_gan("gpu", networks, d_steps=2) for _ in range(2))  # two kinds of steps, one warning
    captured.capture()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for batch in batches(eager, 2 * WARM_UP + 4):
            eager.train_step(batch)
            captured.train_step(batch)
    (warning,) = (w for w in caught if issubclass(w.category, CaptureWarning))
    assert "kernel by kernel" in str(warning.message) and warning.filename == __file__
    assert_same(eager, captured)


def test_a_run_notes_that_its_steps_cannot_be_captured(gpu, small, no_pictures, tmp_path, monkeypatch):
    from minigan.ops.gpu import cublas

    monkeypatch.setattr(cublas, "load_library", lambda: None)
    run = start_run(small, tmp_path / "run", device="gpu", steps=8)
    run.run(quiet=True)
    assert (run.folder.path / "notes.txt").read_text().count("cannot be one CUDA graph") == 1


def test_without_cublas_for_graphs_there_are_none_and_the_same_numbers(gpu, monkeypatch):
    from minigan.ops.gpu import cublas

    one = make_gan("gpu")
    monkeypatch.setattr(cublas, "load_library", lambda: None)
    one.capture()
    other = make_gan("cpu")
    with pytest.warns(CaptureWarning, match="cuBLAS"):
        for ours, theirs in zip(batches(one, WARM_UP + 2), batches(other, WARM_UP + 2), strict=True):
            one.train_step(ours)
            other.train_step(theirs)
    assert_same(one, other, 1e-9)


# runs


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    return SMALL


def test_a_run_on_the_gpu_is_resumed_bit_for_bit_and_moves_between_devices(gpu, small, no_pictures, tmp_path):
    whole = start_run(small, tmp_path / "whole", seed=5, device="gpu")
    assert whole.run(quiet=True) is None and whole.config.device == "gpu"

    start_run(small, tmp_path / "parts", seed=5, device="gpu", steps=7).run(quiet=True)
    parts = resume_run(tmp_path / "parts", epochs=3, steps=15)
    parts.run(quiet=True)
    if is_standin(gpu):
        assert outcome(parts)[1] == outcome(whole)[1]

    start_run(small, tmp_path / "moved", seed=5, device="gpu", steps=7).run(quiet=True)
    moved = resume_run(tmp_path / "moved", steps=15, device="cpu")
    moved.run(quiet=True)
    assert moved.config.device == "cpu" and moved.gan.generator.xp is np
    again = resume_run(tmp_path / "moved", steps=16, device="gpu")
    assert_same(moved.gan, again.gan)
    again.run(quiet=True)
    for ours, theirs in zip(moved.history, whole.history, strict=True):  # the same run but for rounding
        assert [ours["d_loss"], ours["g_loss"]] == pytest.approx([theirs["d_loss"], theirs["g_loss"]], rel=1e-2)


def test_a_gan_moves_between_devices_in_a_file(gpu, tmp_path):
    """From a GPU to a GPU and to the CPU; captured steps begin anew."""
    one = make_gan("gpu")
    one.capture()
    for batch in batches(one, WARM_UP + 2):
        one.train_step(batch)
    one.save(tmp_path / "gan.npz")
    again, moved = (GAN.load(tmp_path / "gan.npz", device=device) for device in ("gpu", "cpu"))
    assert again.generator.xp is gpu and moved.generator.xp is np
    assert_same(one, again)
    assert_same(one, moved)
    again.capture()
    for ours, theirs, third in zip(batches(one, 5), batches(again, 5), batches(moved, 5), strict=True):
        one.train_step(ours)
        again.train_step(theirs)
        moved.train_step(third)
    assert_same(one, again)
    assert_same(one, moved, 1e-9)


@pytest.mark.parametrize("name", one_of_each_kind())
def test_every_experiment_takes_captured_steps_and_draws(gpu, name, rng, monkeypatch):
    """Of experiments that differ in numbers alone, such as sizes and rates, the first one; with -m slow the others."""
    monkeypatch.setattr(capture, "WARM_UP", 1)
    experiment = find(name)
    shape = experiment.image_shape
    gan = experiment.make_gan(shape, seed=3, device="gpu")
    gan.capture()
    images = rng.uniform(*experiment.data_range, (2, *shape)).astype("float32")
    labels = [0, experiment.classes - 1] if experiment.conditional else None
    # a graph for each kind of step: whether G is trained, and which lazy penalties count
    period = math.lcm(experiment.d_steps, *(penalty.every for penalty in gan.penalties))
    kinds = {((i + 1) % gan.d_steps == 0, *(p.due(i) for p in gan.penalties)) for i in range(period)}
    for _ in range(2 * period):
        losses = gan.train_step(backend.to_device(images, gpu), labels)
    assert len(gan._graphs.graphs) == len(kinds)
    assert np.isfinite([float(loss) for loss in losses]).all()
    samples = gan.sample(2, seed=0)
    assert samples.shape == (2, *shape) and backend.array_module(samples) is gpu


def test_health_watches_a_captured_run(gpu):
    """Every so many steps, and names what is wrong; a sound run says nothing."""
    for lr, trouble in ((2e-4, None), (1e30, "NaN or infinity")):
        gan = make_gan("gpu", optimizer=partial(SGD, lr=lr), dtype="float32")
        gan.capture()
        said = []
        health = Health(gan, said.append)
        with pytest.raises(NonFiniteError, match=trouble) if trouble else nullcontext():
            for step, batch in enumerate(batches(gan, EVERY, n=3), start=1):
                health.after_step(step, batch, *gan.train_step(batch))
        assert not said


def test_batches_are_gathered_where_the_bytes_are(gpu):
    images = data.load("digits").images[:50]
    on_gpu = data.batches(backend.to_device(images, gpu), 8, np.random.default_rng(0))
    for ours, numpys in zip(on_gpu, data.batches(images, 8, np.random.default_rng(0)), strict=True):
        assert backend.array_module(ours) is gpu
        np.testing.assert_allclose(backend.to_cpu(ours), numpys, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("loss", [MeanSquaredError(), SoftmaxCrossEntropy()], ids=lambda loss: type(loss).__name__)
def test_losses(gpu, loss, rng):
    logits = rng.standard_normal((6, 4))
    targets = rng.integers(0, 4, 6) if isinstance(loss, SoftmaxCrossEntropy) else rng.standard_normal((6, 4))
    ours = loss(backend.to_device(logits, gpu), backend.to_device(targets, gpu))
    for one, other in zip(ours, loss(logits, targets), strict=True):
        np.testing.assert_allclose(backend.to_cpu(one), other, rtol=1e-12)


def test_metrics_judge_what_lies_on_the_gpu(gpu):
    train = stripes(600, seed=0)
    judges = [classifier.train_classifier(train, steps=20, device=device, quiet=True) for device in ("cpu", "gpu")]
    assert judges[1].xp is gpu
    np.testing.assert_allclose(backend.to_cpu(judges[1].flat_params), judges[0].flat_params, rtol=1e-2, atol=2e-3)
    reference = metrics.Reference(train, judges[0].to("gpu"), stripes(200, seed=1), samples=400)
    samples = stripes(400, seed=2).images
    ours = metrics.evaluate(backend.to_device(samples, gpu), reference)
    expected = metrics.evaluate(samples, metrics.Reference(train, judges[0], stripes(200, seed=1), samples=400))
    for name in ("nfd", "score", "precision", "recall", "coverage", "memorisation_ratio"):
        assert ours[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-3), name


# errors


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("cudaErrorInsufficientDriver: the driver is insufficient", "too old for its CUDA.*cuda12x or cuda13x"),
        ("cudaErrorNoDevice: no CUDA-capable device is detected", "finds no CUDA device.*nvidia-smi"),
    ],
)
def test_a_gpu_that_is_not_to_be_had_is_one_sentence_that_says_what_to_do(reason, message, monkeypatch):
    class Cupy:
        ndarray = type(None)

        class cuda:
            is_available = staticmethod(lambda: False)

            class runtime:
                @staticmethod
                def getDeviceCount():
                    raise RuntimeError(reason)

    monkeypatch.setattr(backend, "cupy", Cupy)
    with pytest.raises(DeviceError, match=message):
        Sequential([Dense(1)], (2,), device="gpu")
    assert Sequential([Dense(1)], (2,), device="auto").xp is np


def test_without_cupy_the_error_names_the_extra(monkeypatch):
    monkeypatch.setattr(backend, "cupy", None)
    with pytest.raises(DeviceError, match=r"minigan\[cuda12x\]"):
        backend.device_module("gpu")


def test_out_of_memory_is_one_line(monkeypatch, capsys):
    from minigan.cli.program import run_program

    def fails(args):
        raise MemoryError("Out of memory allocating 80,000,000,000 bytes")

    with pytest.raises(SystemExit) as stop:
        run_program(fails, None)
    assert stop.value.code == 2 and "--batch-size" in capsys.readouterr().err


# the proof on real data, by one command: MINIGAN_MNIST_DIR=... pytest -m gpu -k mnist


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "epochs", "nfd", "score"),
    # twice the distance of the CPU's runs from the best, docs/experiments.md
    [("A4", 10, 20, 5.0), ("C1", 5, 20, 5.3)],
)
def test_training_on_mnist_reaches_what_the_cpu_reaches(name, epochs, nfd, score, tmp_path):
    directory = os.environ.get("MINIGAN_MNIST_DIR")
    if not directory:
        pytest.skip("set MINIGAN_MNIST_DIR to a folder with MNIST")
    training = start_run(find(name), tmp_path / name, data_dir=directory, device="gpu", epochs=epochs)
    training.run(quiet=True)
    reference = metrics.load_reference(data.load("mnist", directory), directory, device="gpu", quiet=True)
    figures = metrics.evaluate(training.gan.sample(10_000, seed=0), reference)
    print(f"\n{name}: nFD {figures['nfd']:.1f} %, score {figures['score']:.2f}, coverage {figures['coverage']:.2f}")
    assert figures["nfd"] < nfd and figures["score"] > score
