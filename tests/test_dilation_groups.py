"""Dilation and groups in both convolutions: against loops, against what they stand for, on a GPU, against PyTorch."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_convolution import PADDINGS
from test_gpu_kernels import DTYPES, agree, fast

from minigan import Sequential
from minigan.backend import to_device
from minigan.checks import loops
from minigan.errors import OptionError, ShapeError
from minigan.initializers import GlorotNormal, GlorotUniform, HeNormal, Orthogonal
from minigan.layers import Conv2D, Conv2DTranspose
from minigan.ops.convolution.choose import make_plan
from minigan.ops.convolution.depthwise import Depthwise
from minigan.ops.convolution.windows import output_size, reach, transposed_size

PAIRS = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def dilated(draw):
    """(image shape, kernel shape, strides, padding, dilation) that fit."""
    window, dilation = draw(PAIRS), draw(PAIRS)
    h, w = (size + draw(st.integers(0, 4)) for size in reach(window, dilation))
    c, o = draw(PAIRS)
    return (h, w, c), (*window, c, o), draw(PAIRS), draw(PADDINGS), dilation


@st.composite
def grouped(draw):
    """(image shape, kernel shape, strides, padding, dilation, groups) that fit; every second one is depthwise."""
    (h, w, c), (kh, kw, _, o), strides, padding, dilation = draw(dilated())
    groups = draw(st.integers(2, 3))
    c = draw(st.sampled_from([1, c]))
    return (h, w, c * groups), (kh, kw, c, o * groups), strides, padding, dilation, groups


def spread(w, dilation):
    """A kernel with zeros between its entries: it does without dilation what w does with it."""
    larger = np.zeros((*reach(w.shape[:2], dilation), *w.shape[2:]))
    larger[:: dilation[0], :: dilation[1]] = w
    return larger


@settings(deadline=None, max_examples=40)
@given(dilated(), st.sampled_from(["im2col", "kn2row", "auto"]))
def test_dilated_maps_are_adjoint_and_the_first_is_the_loops(geometry, algorithm):
    image, kernel, strides, padding, dilation = geometry
    rng = np.random.default_rng(0)
    plan = make_plan("test", image, kernel, strides, padding, np.dtype("float64"), np, algorithm, dilation)
    x, w = rng.standard_normal((2, *image)), rng.standard_normal(kernel)
    y = rng.standard_normal((2, *plan.outputs, kernel[3]))
    X, W, Y = plan.encode_image(x), plan.encode_kernel(w), plan.encode_output(y)
    _, pads = output_size("test", image, reach(kernel[:2], dilation), strides, padding)
    forward, none = plan.correlate(X, W), np.zeros(kernel[3])
    np.testing.assert_allclose(forward, loops.conv2d(x, w, none, strides, pads, dilation), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(forward, loops.conv2d(x, spread(w, dilation), none, strides, pads), rtol=1e-9, atol=1e-9)
    dx, dw = plan.input_gradient(Y, W), plan.weight_gradient(X, Y)
    np.testing.assert_allclose([(x * dx).sum(), (w * dw).sum()], (forward * y).sum(), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(dilated())
def test_dilated_transposed_against_loops(geometry):
    (h, w, c), kernel, strides, padding, dilation = geometry
    try:
        size = transposed_size("test", (h, w), reach(kernel[:2], dilation), strides, padding)
    except ShapeError:
        return  # everything is cropped away
    layer = Conv2DTranspose(2, kernel[:2], strides, padding, dilation=dilation)
    net = Sequential([layer], (h, w, c), dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, h, w, c))
    _, pads = output_size("test", size, reach(kernel[:2], dilation), strides, padding)
    expected = loops.conv2d_transpose(x, layer.params["W"], layer.params["b"], strides, pads, size, dilation)
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-9, atol=1e-11)


@settings(deadline=None, max_examples=60)
@given(grouped(), st.sampled_from(["im2col", "kn2row", "fourier", "auto"]))
def test_maps_of_groups_are_adjoint_and_the_first_is_the_loops(geometry, algorithm):
    image, kernel, strides, padding, dilation, groups = geometry
    if algorithm == "fourier":
        dilation = (1, 1)
    rng = np.random.default_rng(0)
    plan = make_plan("test", image, kernel, strides, padding, np.dtype("float64"), np, algorithm, dilation, groups)
    x, w = rng.standard_normal((2, *image)), rng.standard_normal(kernel)
    y = rng.standard_normal((2, *plan.outputs, kernel[3]))
    X, W, Y = plan.encode_image(x), plan.encode_kernel(w), plan.encode_output(y)
    _, pads = output_size("test", image, reach(kernel[:2], dilation), strides, padding)
    forward = plan.correlate(X, W)
    expected = loops.conv2d(x, w, np.zeros(kernel[3]), strides, pads, dilation, groups)
    np.testing.assert_allclose(forward, expected, rtol=1e-9, atol=1e-11)
    dx, dw = plan.input_gradient(Y, W), plan.weight_gradient(X, Y)
    assert dx.shape == x.shape and dw.shape == w.shape
    np.testing.assert_allclose([(x * dx).sum(), (w * dw).sum()], (forward * y).sum(), rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(grouped())
def test_transposed_in_groups_against_loops(geometry):
    (h, w, c), kernel, strides, padding, dilation, groups = geometry
    try:
        size = transposed_size("test", (h, w), reach(kernel[:2], dilation), strides, padding)
    except ShapeError:
        return  # everything is cropped away
    layer = Conv2DTranspose(2 * groups, kernel[:2], strides, padding, dilation=dilation, groups=groups)
    net = Sequential([layer], (h, w, c), dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, h, w, c))
    _, pads = output_size("test", size, reach(kernel[:2], dilation), strides, padding)
    expected = loops.conv2d_transpose(x, layer.params["W"], layer.params["b"], strides, pads, size, dilation, groups)
    np.testing.assert_allclose(net.forward(x), expected, rtol=1e-9, atol=1e-11)


def test_depthwise_in_several_blocks(rng, monkeypatch):
    geometry = ((5, 4, 2), (3, 3, 1, 4), (2, 1), "same", "float64", np, "auto", (1, 1), 2)
    whole = make_plan("t", *geometry)
    x, w, y = rng.standard_normal((7, 5, 4, 2)), rng.standard_normal((3, 3, 1, 4)), rng.standard_normal((7, 3, 4, 4))

    def maps(plan):
        X, W, Y = plan.encode_image(x), plan.encode_kernel(w), plan.encode_output(y)
        return plan.correlate(X, W), plan.input_gradient(Y, W), plan.weight_gradient(X, Y)

    expected = maps(whole)
    monkeypatch.setattr(Depthwise, "block", 2 * whole.matrix_size())
    for ours, theirs in zip(maps(whole), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@fast
@given(dilated(), DTYPES, st.booleans())
def test_dilation_on_a_gpu(gpu, geometry, dtype, quads):
    image, kernel, strides, padding, dilation = geometry
    if quads:
        image, kernel = (*image[:2], 4 * image[2]), (*kernel[:2], 4 * kernel[2], kernel[3])
    rng, results = np.random.default_rng(0), []
    plans = [make_plan("t", image, kernel, strides, padding, dtype, xp, "im2col", dilation) for xp in (gpu, np)]
    shapes = ((2, *image), kernel, (2, *plans[0].outputs, kernel[3]))
    x, w, y = (rng.standard_normal(shape).astype(dtype) for shape in shapes)
    for plan in plans:
        X, W = plan.encode_image(to_device(x, plan.xp)), plan.encode_kernel(to_device(w, plan.xp))
        Y = plan.encode_output(to_device(y, plan.xp))
        results.append((plan.correlate(X, W), plan.input_gradient(Y, W), plan.weight_gradient(X, Y)))
    for ours, numpys in zip(*results, strict=True):
        agree(ours, np.ascontiguousarray(numpys))


def test_dilation_by_hand():
    net = Sequential([Conv2D(1, (1, 2), padding="valid", dilation=(1, 3), use_bias=False)], (1, 5, 1), dtype="float64")
    net.flat_params = np.array([1.0, 10.0])
    x, dy = np.arange(1.0, 6).reshape(1, 1, 5, 1), np.array([1.0, 2.0]).reshape(1, 1, 2, 1)
    assert net.forward(x).ravel().tolist() == [41, 52]
    assert net.backward(dy).ravel().tolist() == [1, 2, 0, 10, 20]
    assert net.flat_grads.tolist() == [1 + 2 * 2, 4 + 2 * 5]


def test_same_counts_the_dilated_window():
    for size, strides, dilation, out in ((7, 1, 2, 7), (7, 2, 3, 4), (8, 3, 2, 3)):
        assert Sequential([Conv2D(2, 3, strides, dilation=dilation)], (size, size, 1)).output_shape == (out, out, 2)
        up = Sequential([Conv2DTranspose(2, 3, strides, dilation=dilation)], (size, size, 1))
        assert up.output_shape == (size * strides, size * strides, 2)
    assert Sequential([Conv2D(2, 3, padding="valid", dilation=2)], (7, 6, 1)).output_shape == (3, 2, 2)
    with pytest.raises(ShapeError, match="a window of 7 does not fit height 6"):
        Sequential([Conv2D(2, 3, padding="valid", dilation=3)], (6, 6, 1))


def test_auto_takes_what_can_dilate_and_fourier_refuses():
    many = {"filters": 64, "kernel_size": 5}
    plain, wide = (Sequential([Conv2D(**many, dilation=d)], (7, 7, 64)) for d in (1, 2))
    assert "fourier" in plain.summary() and "im2col" in wide.summary()
    with pytest.raises(OptionError, match=r'algorithm="fourier" takes no dilation, got \(2, 1\). Use algorithm="auto"'):
        Sequential([Conv2D(2, 3, algorithm="fourier", dilation=(2, 1))], (7, 7, 1))
    Sequential([Conv2D(2, 3, algorithm="fourier", dilation=1)], (7, 7, 1))


@pytest.mark.parametrize("dilation", [0, -1, 1.5, "2", None, (1, 2, 3), (0, 1), True, 2**31])
def test_impossible_dilation(dilation):
    with pytest.raises(OptionError, match="Conv2D: expected dilation as an integer of at least 1"):
        Conv2D(2, 3, dilation=dilation)


def test_groups_by_hand():
    net = Sequential([Conv2D(2, 1, groups=2, use_bias=False)], (1, 1, 2), dtype="float64")
    net.flat_params = np.array([3.0, 5.0])
    assert net.forward(np.array([[[[10.0, 100.0]]]])).ravel().tolist() == [30, 500]
    assert net.backward(np.array([[[[1.0, 2.0]]]])).ravel().tolist() == [3, 10]
    assert net.flat_grads.tolist() == [10, 200]


def test_the_summary_names_what_was_chosen():
    """And W has the shapes that PyTorch and Keras give it, but for the order of the axes."""
    for options, name, shape in (
        ({"groups": 4}, "in 4 groups", (3, 3, 2, 8)),
        ({"groups": 8}, "depthwise", (3, 3, 1, 8)),
        ({"groups": 8, "algorithm": "kn2row"}, "kn2row in 8 groups", (3, 3, 1, 8)),
    ):
        net = Sequential([Conv2D(8, 3, **options)], (6, 6, 8))
        assert name in net.summary() and net.layers[0].params["W"].shape == shape
    up = Sequential([Conv2DTranspose(4, 3, 2, groups=2)], (6, 6, 8)).layers[0]
    assert up.params["W"].shape == (3, 3, 2, 8)


@pytest.mark.parametrize("kind", [Conv2D, Conv2DTranspose])
def test_groups_that_do_not_divide(kind):
    with pytest.raises(OptionError, match=f"{kind.__name__}: groups=3 does not divide the number of filters, 8"):
        kind(8, 3, groups=3)
    with pytest.raises(ShapeError, match=r"groups=4 does not divide the number of channels of the input, 6"):
        Sequential([kind(8, 3, groups=4)], (5, 5, 6))
    for groups in (0, -1, 1.5, "2", None, True):
        with pytest.raises(OptionError, match=f"{kind.__name__}: expected groups as an integer of at least 1"):
            kind(8, 3, groups=groups)


def test_who_changes_x_after_forward_changes_no_gradient(rng):
    for groups in (2, 4):
        for algorithm in ("auto", "im2col", "kn2row"):
            net = Sequential([Conv2D(4, 1, groups=groups, algorithm=algorithm)], (3, 3, 4), dtype="float64")
            x, dy = rng.standard_normal((2, 2, 3, 3, 4))
            twin = copy.deepcopy(net)
            twin.forward(x.copy(), training=True)
            net.layers[0].forward(x, training=True)
            x += 1
            np.testing.assert_array_equal(net.layers[0].backward(dy), twin.backward(dy))
            np.testing.assert_array_equal(net.flat_grads, twin.flat_grads)


def test_they_are_copied_and_saved(tmp_path, rng):
    net = [Conv2D(4, 3, dilation=(2, 1)), Conv2D(4, 3, groups=4), Conv2DTranspose(2, 3, 2, dilation=2, groups=2)]
    net = Sequential(net, (6, 5, 2))
    x = rng.standard_normal((2, 6, 5, 2)).astype("float32")
    net.save(tmp_path / "net.npz")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), Sequential.load(tmp_path / "net.npz")):
        np.testing.assert_array_equal(twin.forward(x), net.forward(x))
    assert Sequential.load(tmp_path / "net.npz").layers[0].dilation == (2, 1)


@pytest.mark.torch
@pytest.mark.parametrize("dilation", [1, 2, (3, 1)])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize(("channels", "filters", "groups"), [(6, 4, 1), (6, 4, 2), (4, 4, 4), (4, 8, 4), (8, 4, 4)])
def test_against_torch(dilation, strides, channels, filters, groups, rng):
    torch = pytest.importorskip("torch")
    functions, axes = torch.nn.functional, (3, 2, 0, 1)
    for kind, function in ((Conv2D, functions.conv2d), (Conv2DTranspose, functions.conv_transpose2d)):
        layer = kind(filters, 3, strides, 1, dilation=dilation, groups=groups)
        net = Sequential([layer], (8, 7, channels), dtype="float64")
        layer.params["b"] = rng.standard_normal(filters)
        x, dy = rng.standard_normal((3, 8, 7, channels)), rng.standard_normal((3, *net.output_shape))
        tx = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
        tW = torch.tensor(layer.params["W"].transpose(axes).copy(), requires_grad=True)
        tb = torch.tensor(layer.params["b"].copy(), requires_grad=True)
        ty = function(tx, tW, tb, stride=strides, padding=1, dilation=dilation, groups=groups)
        ty.backward(torch.tensor(dy.transpose(0, 3, 1, 2).copy()))
        np.testing.assert_allclose(net.forward(x), ty.detach().numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(net.backward(dy), tx.grad.numpy().transpose(0, 2, 3, 1), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.grads["W"].transpose(axes), tW.grad.numpy(), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.grads["b"], tb.grad.numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", [Conv2D, Conv2DTranspose])
@pytest.mark.parametrize("initializer", [HeNormal(), GlorotUniform(), GlorotNormal(), Orthogonal()], ids=str)
def test_signals_start_as_large_with_groups_as_without(kind, initializer, rng):
    # a convolution in g groups is g small ones side by side: each sums over the channels of its own group
    x = rng.standard_normal((4, 12, 12, 64), "float32")
    sizes = {}
    for groups in (1, 4, 16):
        net = Sequential([kind(64, 3, groups=groups, initializer=initializer)], (12, 12, 64), seed=0)
        sizes[groups] = net.predict(x)[:, 1:-1, 1:-1].var()
    assert sizes[4] == pytest.approx(sizes[1], rel=0.15) and sizes[16] == pytest.approx(sizes[1], rel=0.3)
