"""The benchmarks time the same numbers on both sides, and make their tables as they say."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def convolution(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield pytest.importorskip("convolution")
    for name in ("convolution", "interleave"):
        sys.modules.pop(name, None)


@pytest.mark.torch
def test_all_algorithms_and_pytorch_compute_the_same_three_maps(convolution):
    """In float64, which PyTorch's gradients in channels_last do not have: this layout in float32."""
    pytest.importorskip("torch")
    back = {"forward": (0, 2, 3, 1), "dW": (2, 3, 1, 0), "dx": (0, 2, 3, 1)}  # to minigan's order of axes
    for key, layer in convolution.LAYERS.items():
        nchw = convolution.torch_maps(layer, "NCHW", n=2, dtype="float64")
        channels_last = convolution.torch_maps(layer, "channels_last", n=2)
        for name in convolution.MAPS:
            expected = nchw[name]()
            close = (channels_last[name]() - expected).abs().max() < 1e-5 * expected.abs().max()
            assert close, f"{key} {name} channels_last"
            for algorithm in convolution.ALGORITHMS:
                ours = convolution.minigan_maps(layer, algorithm, n=2, dtype="float64")[name]()
                theirs = expected.numpy().transpose(back[name])
                np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10, err_msg=f"{key} {name} {algorithm}")


def test_the_layers_are_those_of_the_networks(convolution):
    """Shapes and strides; and what auto takes, at what counted cost, although the zeros lie elsewhere."""
    from minigan import Sequential, models

    networks = {
        "C1-G": Sequential(models.dcgan_generator(), (100,)),
        "C1-D": Sequential(models.dcgan_discriminator(), (28, 28, 1)),
        "E3-G": Sequential(models.upsampling_generator(), (100,)),
        "B10-G": Sequential(models.same_size_conv_generator(), (100,)),
    }
    for key, layer in convolution.LAYERS.items():
        convolutions = [layer for layer in networks[key[:-1]].layers if hasattr(layer, "plan")]
        plan, twin = layer.plan("auto"), convolutions[int(key[-1]) - 1]
        assert type(twin).__name__ == layer.kind
        assert (plan.image_shape, plan.kernel_shape) == (twin.plan.image_shape, twin.plan.kernel_shape)
        assert (plan.strides, plan.outputs) == (twin.plan.strides, twin.plan.outputs)
        assert (plan.name, plan.flops()) == (twin.plan.name, twin.plan.flops())


def test_the_rows_take_the_faster_layout_and_the_ratio_within_each_round(convolution):
    times = {name: [1.0, 2.0, 4.0] for name in convolution.contestants("C1-D2")}
    for name in times:
        if "channels_last" in name and "dW" in name:
            times[name] = [0.5, 1.0, 2.0]
        if "fourier" in name:
            times[name] = [0.25, 0.5, 1.0]
    table = {row[1]: row for row in convolution.rows("C1-D2", times)}
    algorithms = list(convolution.ALGORITHMS)
    fourier, im2col = 3 + algorithms.index("fourier"), 3 + algorithms.index("im2col")
    assert table["forward"][2] == "2000.00 (NCHW)" and table["dW"][2] == "1000.00 (channels_last)"
    assert (table["dx"][im2col], table["dx"][fourier]) == ("1.00", "0.25")
    assert (table["dW"][im2col], table["dW"][fourier]) == ("2.00", "0.50")
    assert table["all"][2] == "5000.00 (channels_last)"
    assert (table["all"][im2col], table["all"][fourier]) == ("1.20", "0.30")


def test_contestants_take_turns(convolution, tmp_path):
    """Two small programs write down their steps: the warm-up, then in each round one to wake up and those timed."""
    import interleave

    program = tmp_path / "program.py"
    program.write_text(
        f"import sys\nsys.path.insert(0, {str(BENCHMARKS)!r})\nfrom interleave import options, work\n"
        "name = options(['a', 'b'], 1, 1).parse_args().worker\n"
        f"work(lambda: open({str(tmp_path / 'log')!r}, 'a').write(name) and None)\n"
    )
    times = interleave.race(program, ["a", "b"], rounds=3, steps=2, threads=1)
    assert (tmp_path / "log").read_text() == "a" + "b" + 3 * ("aaa" + "bbb")
    assert set(times) == {"a", "b"} and all(len(own) == 3 and min(own) > 0 for own in times.values())


@pytest.fixture
def gpu_benchmark(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import gpu

    yield gpu
    for name in ("gpu", "dcgan", "mlp_gan", "gan_step", "interleave"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("captured", [False, True])
def test_minigans_side_of_the_race_on_a_gpu(gpu, gpu_benchmark, captured, monkeypatch):
    work = gpu_benchmark.WORK["mlp"]
    monkeypatch.setattr(work, "batch", 4)
    step = gpu_benchmark.minigan_step(work, captured)
    losses = [[float(loss) for loss in step()] for _ in range(5)]
    assert np.isfinite(losses).all() and 1 < losses[0][0] < 2


def test_a_step_is_as_many_pieces_of_work_as_the_page_says(gpu, gpu_benchmark, monkeypatch):
    if not hasattr(gpu, "forbid_syncs"):
        pytest.skip("only the stand-in tells what a graph holds")
    graphs, end_capture = [], gpu.cuda.Stream.end_capture
    monkeypatch.setattr(gpu.cuda.Stream, "end_capture", lambda self: graphs.append(end_capture(self)) or graphs[-1])
    step = gpu_benchmark.minigan_step(gpu_benchmark.WORK["mlp"], captured=True)
    for _ in range(4):
        step()
    pieces = graphs[0].recording.steps
    products = sum("FakeCublas" in piece.__qualname__ for piece in pieces)
    page = (BENCHMARKS.parent / "docs" / "gpu.md").read_text()
    assert f"is {len(pieces)} pieces of work, {products} of them matrix products" in page


@pytest.mark.torch
@pytest.mark.parametrize("name", ["mlp", "dcgan"])
def test_pytorchs_side_of_the_race_does_the_same_work(gpu_benchmark, name, monkeypatch):
    pytest.importorskip("torch")
    work = gpu_benchmark.WORK[name]
    monkeypatch.setattr(work, "batch", 4)
    step = gpu_benchmark.TorchStep(work, device="cpu")
    sizes = [sum(p.numel() for p in adam.param_groups[0]["params"]) for adam in step.adams]
    from minigan import Sequential

    shapes = ((100,), (28, 28, 1))
    ours = [Sequential(layers, shape) for layers, shape in zip(work.minigan_layers(), shapes, strict=True)]
    assert sizes == [net.flat_params.size for net in ours]
    losses = [[float(loss) for loss in step()] for _ in range(3)]
    assert np.isfinite(losses).all() and 1 < losses[0][0] < 2


@pytest.fixture
def scaling(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    yield pytest.importorskip("scaling")
    sys.modules.pop("scaling", None)


def test_the_cost_of_an_all_reduce(scaling):
    """By hand: p processes send and receive 2 (p - 1) parts of k / p bytes, in 2 log2(p) rounds of messages."""
    link = scaling.Link(latency=1.0, bandwidth=10.0)
    assert [link.all_reduce(80, p) for p in (1, 2, 4, 8)] == [0, 2 + 8, 4 + 12, 6 + 14]


def test_the_model_of_a_step(scaling):
    model = scaling.Model(fixed=5.0, row=3.0, repeated=1.0, sums=[(80, 0), (0, 10)])
    link = scaling.Link(latency=1.0, bandwidth=10.0)
    assert model.step(8, 1, link) == 5 + 3 * 8
    assert model.step(8, 4, link) == 5 + 2 * 2 + 1 * 8 + (4 + 12) + (4 + 12)


def test_the_all_reduces_of_a_step_are_counted(scaling):
    """Of B0, which has no BatchNorm: D's logits and gradients, then G's."""
    gan, _ = scaling.make("B0", 4)
    d, g = gan.discriminator.flat_grads.nbytes, gan.generator.flat_grads.nbytes
    assert scaling.count_sums("B0", 4) == [(0, 2 * 4), (d, 0), (0, 4), (g, 0)]


@pytest.mark.torch
def test_the_twin_in_pytorch_trains_as_minigan_does(monkeypatch):
    """With the same latents: one step of both gives the same samples of the averaged generator."""
    torch = pytest.importorskip("torch")
    monkeypatch.syspath_prepend(BENCHMARKS)
    samples = pytest.importorskip("samples")
    from minigan.experiments import find

    monkeypatch.setattr(samples, "SAMPLES", 5)
    monkeypatch.setattr(samples, "PART", 5)
    experiment = find("dcgan").but("dcgan", epochs=1, batch_size=40)
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28, 1), np.uint8)
    gan = experiment.make_gan(images.shape[1:], seed=4)
    z = gan.latent.sample(40, np.random.default_rng((4, 2)), "float32")  # as GAN draws them
    fixed = gan.latent.sample(5, np.random.default_rng(0), "float32")  # as GAN.sample(5, seed=0) does
    latents = iter([z, fixed])
    monkeypatch.setattr(torch, "randn", lambda *size: torch.from_numpy(next(latents)))
    theirs, ours = samples.torch_samples(experiment, images, 4), samples.minigan_samples(experiment, images, 4)
    # the running variance is that of 39 degrees of freedom there, and of 40 samples here
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-3 * abs(ours).max())
    for name in ("samples", "torch_twin", "whole_example", "interleave"):
        sys.modules.pop(name, None)
