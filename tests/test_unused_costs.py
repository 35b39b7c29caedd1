"""What is not used costs neither memory nor time: plans of convolutions, and all that a network makes while built."""

import copy
import gc
import json
import math
import re
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_convolution import geometries

from minigan import Sequential
from minigan.errors import OptionError
from minigan.layers import AveragePool2D, BatchNorm, Conv2D, Conv2DTranspose, Dense, LeakyReLU, MaxPool2D
from minigan.ops.convolution import fourier
from minigan.ops.convolution.choose import ALGORITHMS, make_plan


def peak_of(function):
    """(result, megabytes at the peak, seconds) of a call; the time is the best of three, measured apart."""
    seconds = math.inf
    for _ in range(3):
        start = time.perf_counter()
        function()
        seconds = min(seconds, time.perf_counter() - start)
    gc.collect()
    tracemalloc.start()
    try:
        result = function()
        return result, tracemalloc.get_traced_memory()[1] / 1e6, seconds
    finally:
        tracemalloc.stop()


@settings(deadline=None, max_examples=100)
@given(geometries(), st.sampled_from(["float32", "float64"]))
def test_counted_costs_are_those_of_the_arrays(geometry, dtype):
    """flops, numbers and constants, counted from the shapes, against the arrays that the plans then make."""
    image, kernel, strides, padding = geometry
    (_, _, c), (_, _, _, o) = image, kernel
    x, w = np.ones((1, *image), dtype), np.ones(kernel, dtype)
    for algorithm in ALGORITHMS:
        plan = make_plan("test", image, kernel, strides, padding, dtype, np, algorithm)
        counted = plan.flops(), plan.matrix_size(), plan.constants()
        X, W = plan.encode_image(x), plan.encode_kernel(w)
        if algorithm == "im2col":
            columns = plan.columns(X)
            assert counted == (2 * columns.size * o, columns.size, 0)
        elif algorithm == "kn2row":
            products = W @ X.reshape(-1, c).T
            assert counted == (2 * products.size * c, products.size, 0)
        else:
            A, B, D, channels = plan.A, plan.B, plan.D, X.shape[2]
            flops = 2 * (A.size * channels + len(A) * channels * o + D.size * o)
            assert counted == (flops, X.size + (X @ W).size, A.size + B.size + D.size)


@settings(deadline=None, max_examples=50)
@given(geometries())
def test_auto_takes_what_costs_least_of_the_built_plans(geometry):
    def built(algorithm):
        plan = make_plan("test", *geometry, "float32", np, algorithm)
        plan.encode_image(np.ones((1, *geometry[0]), "float32"))
        return plan

    plans = [built(algorithm) for algorithm in ALGORITHMS]
    chosen = built("auto")
    assert chosen.cost() == min(plan.cost() for plan in plans)
    assert chosen.name == min(plans, key=lambda plan: plan.cost()).name


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: [Conv2D(8, 3)], (128, 128, 3)),
        (lambda: [Conv2D(8, 3)], (256, 256, 3)),
        (lambda: [Conv2DTranspose(3, 4, 2)], (128, 128, 8)),
        (lambda: [Conv2D(8, 3) for _ in range(20)], (256, 256, 8)),
        (lambda: [Conv2D(8, 3, algorithm="fourier") for _ in range(3)], (64, 64, 8)),
    ],
)
def test_building_a_network_makes_no_matrices(make, shape):
    _, megabytes, seconds = peak_of(lambda: Sequential(make(), shape))
    assert megabytes < 20 and seconds < 0.05


def test_matrices_are_made_once_and_go_with_the_last_network(rng):
    gc.collect()
    before = len(fourier.in_use)
    x = rng.standard_normal((2, 9, 9, 2))
    nets = [Sequential([Conv2D(2, 5, algorithm="fourier")], (9, 9, 2), dtype="float64") for _ in range(2)]
    assert len(fourier.in_use) == before, "nothing was computed yet"
    for net in nets:
        net.forward(x)
    assert len(fourier.in_use) == before + 1
    assert nets[0].layers[0].plan.matrices is nets[1].layers[0].plan.matrices
    twin = nets[0].astype("float32")
    twin.forward(x.astype("float32"))
    assert len(fourier.in_use) == before + 2 and twin.layers[0].plan.A.dtype == np.float32
    del nets, twin, net
    gc.collect()
    assert len(fourier.in_use) == before


def test_fourier_on_large_images_is_refused_in_words():
    with pytest.raises(OptionError, match=r'0\.Conv2D: .*fourier.* GB, for images of 128 x 128 pixels.*"auto"'):
        Sequential([Conv2D(8, 3, algorithm="fourier")], (128, 128, 3))
    # so many channels and so large a window that Fourier would have the fewest flops: auto passes it over
    many = ((128, 128, 512), (11, 11, 512, 512), (1, 1), "same", "float32", np)
    costs = {kind.name: plan_of(kind, many).cost() for kind in ALGORITHMS.values()}
    assert min(costs, key=costs.get) == "fourier"
    assert make_plan("test", *many, "auto").name == "im2col"


def plan_of(kind, geometry):
    """A plan that make_plan may refuse."""
    im2col = make_plan("test", *geometry, "im2col")
    return kind(im2col.image_shape, im2col.kernel_shape, im2col.strides, im2col.pads, im2col.outputs, "float32", np)


def test_pooling_counts_its_pixels_without_an_image():
    """What AveragePool2D knows of its windows does not grow with the channels, nor at all without padding."""
    _, megabytes, _ = peak_of(lambda: Sequential([AveragePool2D(2), MaxPool2D(2)], (512, 512, 64)))
    assert megabytes < 1
    _, megabytes, _ = peak_of(
        lambda: Sequential([AveragePool2D(3, 2, "same"), MaxPool2D(3, 2, "same")], (512, 512, 64))
    )
    assert megabytes < 3
    assert not Sequential([AveragePool2D(3, 2, "same")], (9, 9, 2)).state


def test_files_that_hold_the_pixels_as_state_still_load(tmp_path, rng):
    """As written by 0.1."""
    net = Sequential([AveragePool2D(2, padding="same"), BatchNorm()], (5, 5, 2))
    x = rng.standard_normal((3, 5, 5, 2)).astype("float32")
    net.forward(x, training=True)
    arrays = {f"state.{name}": value for name, value in net.state.items()}
    arrays["state.0.AveragePool2D.pixels"] = np.ones((1, 3, 3, 2), "float32")
    architecture = {"format": "minigan network 1", "input_shape": [5, 5, 2], "dtype": "float32", **net.config()}
    np.savez(tmp_path / "old.npz", architecture=json.dumps(architecture), params=net.flat_params, **arrays)
    np.testing.assert_array_equal(Sequential.load(tmp_path / "old.npz").predict(x), net.predict(x))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_copy_takes_its_own_size_and_once_more(dtype):
    """Parameters and gradients of the copy, and for a moment the arrays that they are filled from."""
    net = Sequential([Dense(1000), LeakyReLU(), Dense(500)], (1000,))
    size = 2 * net.flat_params.size * np.dtype(dtype).itemsize / 1e6
    for copied in (
        lambda: net.astype(dtype),
        *([lambda: net.to("cpu"), lambda: copy.deepcopy(net)] * (dtype == "float32")),
    ):
        _, megabytes, _ = peak_of(copied)
        assert megabytes < 2.1 * size


def test_a_summary_runs_three_samples_at_most_and_flops_none():
    net = Sequential([Conv2D(16, 3), LeakyReLU(), Conv2D(16, 3, algorithm="fourier"), LeakyReLU()], (64, 64, 3))
    _, megabytes, seconds = peak_of(net.flops)
    assert megabytes < 0.1 and seconds < 0.01 and not vars(net.layers[2].plan).get("matrices")
    net = Sequential([Conv2D(16, 3), LeakyReLU(), MaxPool2D(2), Conv2D(16, 3), LeakyReLU()], (128, 128, 3))
    text, megabytes, _ = peak_of(net.summary)
    kept = int(re.search(r"^total .* ([\d,]+)$", text, re.M).group(1).replace(",", ""))  # by one sample
    assert megabytes < 3 * kept / 1e6 + 5  # three samples; a block of 4 MB of im2col's columns
