"""Convolutions, pooling and upsampling: every algorithm against the loops, the adjoint identities, by hand, errors."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import Sequential
from minigan.checks import check_layer, loops
from minigan.errors import OptionError, ShapeError
from minigan.layers import AveragePool2D, Conv2D, Conv2DTranspose, GlobalAveragePool2D, MaxPool2D, UpSampling2D
from minigan.ops.convolution.choose import ALGORITHMS, make_plan
from minigan.ops.convolution.windows import output_size, transposed_size

PADDINGS = st.sampled_from(["same", "valid"]) | st.integers(0, 2)
PADDINGS |= st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2)


@st.composite
def geometries(draw):
    """(image shape, kernel shape, strides, padding) that fit, of all kinds: odd, rectangular, not dividing."""
    kh, kw = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    image = (draw(st.integers(kh, 9)), draw(st.integers(kw, 9)), draw(st.integers(1, 3)))
    strides = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    return image, (kh, kw, image[2], draw(st.integers(1, 3))), strides, draw(PADDINGS)


@settings(deadline=None, max_examples=60)
@given(geometries(), st.integers(1, 3), st.sampled_from(sorted(ALGORITHMS)))
def test_the_three_maps_are_adjoint_and_the_first_is_the_loops(geometry, n, algorithm):
    """<correlate(x, w), y> = <x, input_gradient(y, w)> = <w, weight_gradient(x, y)> for all x, w, y."""
    image, kernel, strides, padding = geometry
    rng = np.random.default_rng(n)
    plan = make_plan("test", image, kernel, strides, padding, np.dtype("float64"), np, algorithm)
    x, w = rng.standard_normal((n, *image)), rng.standard_normal(kernel)
    y = rng.standard_normal((n, *plan.outputs, kernel[3]))
    X, W, Y = plan.encode_image(x), plan.encode_kernel(w), plan.encode_output(y)
    _, pads = output_size("test", image, kernel, strides, padding)
    forward = plan.correlate(X, W)
    np.testing.assert_allclose(forward, loops.conv2d(x, w, np.zeros(kernel[3]), strides, pads), rtol=1e-9, atol=1e-11)
    dx, dw = plan.input_gradient(Y, W), plan.weight_gradient(X, Y)
    assert dx.shape == x.shape and dw.shape == w.shape
    np.testing.assert_allclose([(x * dx).sum(), (w * dw).sum()], (forward * y).sum(), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=30)
@given(geometries(), st.sampled_from(sorted(ALGORITHMS)))
def test_transposed_against_loops(geometry, algorithm):
    (h, w, c), kernel, strides, padding = geometry
    rng = np.random.default_rng(0)
    try:
        size = transposed_size("test", (h, w), kernel, strides, padding)
    except ShapeError:
        return  # everything is cropped away
    layer = Conv2DTranspose(2, kernel[:2], strides, padding, algorithm=algorithm)
    net = Sequential([layer], (h, w, c), dtype="float64")
    layer.params["b"][...] = rng.standard_normal(2)
    x = rng.standard_normal((2, h, w, c))
    _, pads = output_size("test", size, kernel, strides, padding)
    expected = loops.conv2d_transpose(x, layer.params["W"], layer.params["b"], strides, pads, size)
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("algorithm", ALGORITHMS)  # "auto" chooses one of them
@pytest.mark.parametrize(
    ("kind", "options", "shape"),
    [
        (Conv2D, {"kernel_size": 3}, (4, 5, 2)),
        (Conv2D, {"kernel_size": (3, 2), "strides": (2, 3), "padding": ((1, 2), (0, 3))}, (5, 6, 1)),
        (Conv2D, {"kernel_size": 2, "padding": 1, "use_bias": False}, (3, 3, 2)),
        (Conv2D, {"kernel_size": 5, "strides": 2}, (7, 7, 1)),
        (Conv2DTranspose, {"kernel_size": 5, "strides": 2}, (3, 2, 3)),
        (Conv2DTranspose, {"kernel_size": 3, "strides": 2, "padding": "valid"}, (2, 3, 1)),
        (Conv2DTranspose, {"kernel_size": (3, 4), "strides": (2, 1), "padding": ((1, 0), (0, 2))}, (3, 3, 2)),
        (Conv2DTranspose, {"kernel_size": 2, "strides": 3}, (2, 2, 2)),
    ],
)
def test_contract_of_convolutions(algorithm, kind, options, shape):
    check_layer(lambda: kind(2, algorithm=algorithm, **options), shape)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (MaxPool2D, (4, 4, 2)),
        (lambda: MaxPool2D(3, 2, "same"), (5, 4, 1)),
        (lambda: MaxPool2D((2, 3), 1, ((1, 0), (2, 1))), (3, 4, 2)),
        (AveragePool2D, (5, 4, 1)),
        (lambda: AveragePool2D(3, 2, "same"), (5, 4, 2)),
        (lambda: AveragePool2D((1, 3), (1, 2)), (2, 5, 1)),
        (UpSampling2D, (2, 3, 2)),
        (lambda: UpSampling2D((1, 3)), (2, 3, 1)),
    ],
)
def test_contract_of_pooling_and_upsampling(make, shape):
    check_layer(make, shape)


@settings(deadline=None, max_examples=40)
@given(geometries(), st.booleans())
def test_pooling_against_loops(geometry, maximum):
    image, (kh, kw, _, _), strides, padding = geometry
    kind, loop = (MaxPool2D, loops.max_pool) if maximum else (AveragePool2D, loops.average_pool)
    _, pads = output_size("test", image, (kh, kw), strides, padding)
    x = np.random.default_rng(kh).standard_normal((2, *image)) - 3  # all negative: a zero of the padding would win
    if any(pad >= k for both, k in zip(pads, (kh, kw), strict=True) for pad in both):
        with pytest.raises(OptionError, match="would not contain a pixel of the image"):
            Sequential([kind((kh, kw), strides, padding)], image)
        return
    net = Sequential([kind((kh, kw), strides, padding)], image, dtype="float64")
    np.testing.assert_allclose(net.forward(x), loop(x, (kh, kw), strides, pads), rtol=1e-12)


@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(1, 4)] * 4), st.tuples(st.integers(1, 3), st.integers(1, 3)))
def test_upsampling_against_loops(shape, size):
    x = np.random.default_rng(0).standard_normal(shape)
    net = Sequential([UpSampling2D(size)], shape[1:], dtype="float64")
    np.testing.assert_array_equal(net.forward(x), loops.upsampling(x, size))


@settings(deadline=None, max_examples=20)
@given(st.tuples(*[st.integers(1, 6)] * 4))
def test_global_pooling_against_loops(shape):
    x = np.random.default_rng(0).standard_normal(shape)
    net = Sequential([GlobalAveragePool2D()], shape[1:], dtype="float64")
    np.testing.assert_allclose(net.forward(x), loops.global_average_pool(x), rtol=1e-12, atol=1e-14)


def test_global_pooling_keeps_its_digits(rng):
    x = rng.random((2, 512, 512, 3)).astype("float32")
    y = Sequential([GlobalAveragePool2D()], x.shape[1:]).forward(x)
    np.testing.assert_allclose(y, x.mean(axis=(1, 2), dtype="float64"), rtol=1e-6)


@pytest.mark.torch
def test_global_pooling_against_torch(rng):
    torch = pytest.importorskip("torch")
    x, dy = rng.standard_normal((3, 5, 4, 2)), rng.standard_normal((3, 2))
    tx = torch.tensor(x, requires_grad=True)
    ty = torch.nn.AdaptiveAvgPool2d(1)(tx.permute(0, 3, 1, 2)).flatten(1)
    ty.backward(torch.tensor(dy))
    net = Sequential([GlobalAveragePool2D()], x.shape[1:], dtype="float64")
    np.testing.assert_allclose(net.forward(x), ty.detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(net.backward(dy), tx.grad.numpy(), rtol=1e-12)


# by hand


def one_channel(*rows):
    return np.array(rows, float)[None, :, :, None]


def test_conv2d_by_hand():
    net = Sequential([Conv2D(1, 2, padding="valid", algorithm="im2col")], (2, 3, 1), dtype="float64")
    net.flat_params[...] = [1, 2, 3, 4, 10]  # W = [[1, 2], [3, 4]]: not flipped
    assert net.forward(one_channel([1, 0, 2], [0, 3, 0])).ravel().tolist() == [10 + 1 + 12, 10 + 4 + 9]
    dx = net.backward(one_channel([1, 2]))
    assert dx[0, :, :, 0].tolist() == [[1, 2 + 2, 4], [3, 4 + 6, 8]]
    assert net.flat_grads.tolist() == [1 * 1 + 2 * 0, 1 * 0 + 2 * 2, 0 + 2 * 3, 1 * 3 + 0, 3]


def test_conv2d_transpose_by_hand():
    net = Sequential([Conv2DTranspose(1, 2, 1, "valid", algorithm="im2col")], (1, 2, 1), dtype="float64")
    net.flat_params[...] = [1, 2, 3, 4, 10]
    y = net.forward(one_channel([1, 5]))
    assert (y[0, :, :, 0] - 10).tolist() == [[1, 2 + 5, 10], [3, 4 + 15, 20]]
    assert net.backward(one_channel([1, 0, 0], [0, 0, 1])).ravel().tolist() == [1, 4]
    assert net.flat_grads.tolist() == [1, 0, 0, 5, 2]


def test_same_padding_puts_the_odd_zero_after():
    assert output_size("", (5, 4), (2, 2), (1, 1), "same") == ((5, 4), ((0, 1), (0, 1)))
    assert output_size("", (28, 7), (5, 5), (2, 2), "same") == ((14, 4), ((1, 2), (2, 2)))
    assert transposed_size("", (7, 7), (5, 5), (2, 2), "same") == (14, 14)
    assert transposed_size("", (7, 7), (5, 5), (2, 2), ((2, 1), (2, 1))) == (14, 14)


def test_pooling_by_hand():
    x = one_channel([1, 5, 5], [2, 0, 3])
    net = Sequential([MaxPool2D(2, 1)], (2, 3, 1), dtype="float64")
    assert net.forward(x).ravel().tolist() == [5, 5]
    assert net.backward(one_channel([1, 10]))[0, :, :, 0].tolist() == [[0, 11, 0], [0, 0, 0]], "the first of equals"
    net = Sequential([AveragePool2D(2, 2, "same")], (2, 3, 1), dtype="float64")
    assert net.forward(x).ravel().tolist() == [2, 4], "the padding is not counted"
    assert net.backward(one_channel([4, 2]))[0, :, :, 0].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_upsampling_by_hand():
    net = Sequential([UpSampling2D(2)], (1, 2, 1), dtype="float64")
    assert net.forward(one_channel([1, 2]))[0, :, :, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]
    assert net.backward(one_channel([1, 2, 3, 4], [5, 6, 7, 8]))[0, :, :, 0].tolist() == [[14, 22]]


# the plans


@pytest.mark.parametrize("algorithm", ["im2col", "kn2row"])
def test_blocks_change_nothing(algorithm, monkeypatch, rng):
    plan = make_plan("test", (6, 6, 2), (3, 3, 2, 4), (1, 1), "same", np.dtype("float64"), np, algorithm)
    X, W = plan.encode_image(rng.standard_normal((7, 6, 6, 2))), plan.encode_kernel(rng.standard_normal((3, 3, 2, 4)))
    Y = plan.encode_output(rng.standard_normal((7, 6, 6, 4)))

    def maps():
        return plan.correlate(X, W), plan.input_gradient(Y, W), plan.weight_gradient(X, Y)

    whole = maps()
    assert len(plan.blocks(7)) == 1
    monkeypatch.setattr("minigan.ops.convolution.plan.Plan.block", 2 * plan.matrix_size())
    assert [b.stop - b.start for b in plan.blocks(7)] == [2, 2, 2, 1]
    for part, expected in zip(maps(), whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12, atol=1e-12)


def test_auto_counts_and_summary_says_which():
    net = Sequential([Conv2D(64, 5, 2), Conv2D(128, 5, 2), Conv2D(256, 5, 2)], (28, 28, 1))
    assert [layer.plan.name for layer in net.layers] == ["im2col", "fourier", "fourier"]
    assert all(f"Conv2D {layer.plan.name}" in net.summary() for layer in net.layers)
    narrow = Sequential([Conv2D(1, 5)], (28, 28, 64))
    assert narrow.layers[0].plan.name == "kn2row"  # one filter: a matrix 64 times as small as that of im2col
    for layer in (*net.layers, *narrow.layers):
        costs = [kind(*plan_arguments(layer)).cost() for kind in ALGORITHMS.values()]
        assert layer.plan.cost() == min(costs)


def plan_arguments(layer):
    outputs, pads = output_size("", layer.input_shape, layer.kernel_size, layer.strides, layer.padding)
    return layer.input_shape, layer.kernel_shape(), layer.strides, pads, outputs, layer.dtype, np


def test_copies_share_the_plan_and_keep_their_dtype(rng):
    net = Sequential([Conv2D(2, 3, algorithm="fourier")], (5, 5, 1))
    assert copy.deepcopy(net).layers[0].plan is net.layers[0].plan
    double = net.astype("float64")
    x = rng.standard_normal((2, 5, 5, 1))
    np.testing.assert_allclose(double.forward(x), net.forward(x.astype("float32")), atol=1e-5)
    assert double.forward(x).dtype == np.float64


# errors


@pytest.mark.parametrize(
    ("make", "shape", "error", "match"),
    [
        (lambda: Conv2D(0, 3), (5, 5, 1), OptionError, "filters"),
        (lambda: Conv2D(1, 0), (5, 5, 1), OptionError, "kernel_size"),
        (lambda: Conv2D(1, (3, 3, 3)), (5, 5, 1), OptionError, "kernel_size"),
        (lambda: Conv2D(1, 3, strides=0), (5, 5, 1), OptionError, "strides"),
        (lambda: Conv2D(1, 3, padding="full"), (5, 5, 1), OptionError, '"same", "valid"'),
        (lambda: Conv2D(1, 3, padding=-1), (5, 5, 1), OptionError, "padding"),
        (lambda: Conv2D(1, 3, padding=(1, 1)), (5, 5, 1), OptionError, "padding"),
        (lambda: Conv2D(1, 3, algorithm="fft"), (5, 5, 1), OptionError, r'"im2col", "kn2row" or "fourier", got'),
        (lambda: Conv2D(1, 3), (25,), ShapeError, "Reshape"),
        (lambda: Conv2D(1, 7, padding="valid"), (5, 5, 1), ShapeError, r"0\.Conv2D: .*out = \(5 \+ 0 \+ 0 - 7\)"),
        (lambda: Conv2DTranspose(1, 2, padding=2), (2, 2, 1), ShapeError, "would be empty"),
        (lambda: MaxPool2D(6), (5, 5, 1), ShapeError, "would be empty"),
        (lambda: MaxPool2D(0), (5, 5, 1), OptionError, "pool_size"),
        (lambda: AveragePool2D(2, padding=2), (5, 5, 1), OptionError, "would not contain a pixel of the image"),
        (lambda: MaxPool2D(2), (25,), ShapeError, "expected images"),
        (lambda: UpSampling2D(0), (5, 5, 1), OptionError, "size"),
        (lambda: UpSampling2D(2), (25,), ShapeError, "expected images"),
    ],
)
def test_impossible_shapes_are_refused_when_the_network_is_built(make, shape, error, match):
    with pytest.raises(error, match=match):
        Sequential([make()], shape)


def test_channels_that_do_not_match():
    net = Sequential([Conv2D(2, 3)], (5, 5, 3))
    with pytest.raises(ShapeError, match=r"expected x of shape \(n, 5, 5, 3\)"):
        net.forward(np.zeros((2, 5, 5, 1), np.float32))


def test_convolutions_survive_saving(tmp_path, rng):
    layers = [Conv2D(2, 3, padding=((1, 2), (0, 1)), algorithm="im2col"), MaxPool2D(2), AveragePool2D(2, 1, "same")]
    net = Sequential([*layers, UpSampling2D((2, 1)), Conv2DTranspose(1, (2, 3), (1, 2))], (6, 6, 2))
    net.save(tmp_path / "net.npz")
    x = rng.standard_normal((3, 6, 6, 2)).astype("float32")
    np.testing.assert_array_equal(Sequential.load(tmp_path / "net.npz").predict(x), net.predict(x))
