"""Numbers at both ends: huge, tiny and infinite ones give what the formulas say, not NaN, 0 or a lost digit.

The right values are computed here in float64, with formulas that cancel nothing.
"""

import math
import warnings

import numpy as np
import pytest

from minigan import GAN, Sequential
from minigan.backend import to_cpu, to_device
from minigan.gan.latent import slerp
from minigan.gan.objectives import Minimax, NonSaturating
from minigan.layers import (
    LSTM,
    BatchNorm,
    Dense,
    Dropout,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Sigmoid,
    Tanh,
)
from minigan.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from minigan.metrics.frechet import frechet_distance, mean_and_covariance
from minigan.ops import cross_entropy, lstm
from minigan.ops.sums import column_dot, column_sum
from minigan.optimizers import Adam, RMSProp, clip_grad_norm
from minigan.training.watchers.health import Health, roughness, spread

INF = math.inf
LOGITS = np.linspace(-80, 80, 641, dtype="float32").reshape(-1, 1)


@pytest.fixture(autouse=True)
def no_warnings():
    """Whatever overflows on the way to a right value is expected, and nothing to bother people with."""
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        yield


def exact_sigmoid(x):
    x = np.asarray(x, "float64")
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-abs(x)))


def exact_softplus(x):
    x = np.asarray(x, "float64")
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


def close(ours, right, rtol=1e-6):
    """Equal to six digits; below the normal numbers of float32, 1e-38, it has fewer."""
    np.testing.assert_allclose(to_cpu(ours).astype("float64"), right, rtol=rtol, atol=2e-45)


# losses: right to 1e-6 of themselves, however sure the network is


@pytest.mark.parametrize("target", [0, 1, 0.9, 1.2, "array"])
@pytest.mark.parametrize("copies", [1, 100])
@pytest.mark.parametrize("fast", [True, False])
def test_binary_cross_entropy(xp, target, copies, fast, monkeypatch):
    monkeypatch.setattr(cross_entropy, "pays", lambda logits: fast)
    x = np.repeat(LOGITS, copies, axis=0)
    t = np.resize(np.array([[0], [1]], "float32"), x.shape) if target == "array" else target
    value, dx = BinaryCrossEntropy()(to_device(x, xp), to_device(t, xp) if target == "array" else t)
    t = np.asarray(t, "float64")
    right = (1 - t) * exact_softplus(x) + t * exact_softplus(-x)
    close(value, right.mean())
    if np.isin(t, (0, 1)).all():
        close(dx, ((1 - t) * exact_sigmoid(x) - t * exact_sigmoid(-x)) / x.size)
    else:  # between the two ends the gradient crosses 0, where float32 targets have no digits left
        np.testing.assert_allclose(to_cpu(dx), (exact_sigmoid(x) - t) / x.size, rtol=1e-6, atol=2e-7 / x.size)


def test_binary_cross_entropy_of_each_logit(xp):
    """One at a time, since a mean hides the small ones."""
    for target in (0, 1):
        for x in (-80, -20, -17, -1, 0, 1, 17, 20, 80):
            value, dx = BinaryCrossEntropy()(xp.full((1, 1), x, "float32"), target)
            close(value, exact_softplus(x if target == 0 else -x))
            close(dx, exact_sigmoid(x) if target == 0 else -exact_sigmoid(-x))


@pytest.mark.parametrize("objective", [NonSaturating(), Minimax()])
def test_objectives_of_a_sure_discriminator(xp, objective):
    x, n = to_device(LOGITS, xp), len(LOGITS)
    close(objective.real(x, None)[1], -exact_sigmoid(-LOGITS) / n)
    close(objective.fake(x, None)[1], exact_sigmoid(LOGITS) / n)
    sign, value = (-1, exact_sigmoid(LOGITS)) if isinstance(objective, Minimax) else (-1, exact_sigmoid(-LOGITS))
    close(objective.generator(x)[1], sign * value / n)


@pytest.mark.parametrize("copies", [1, 5000])  # few logits take the formula, many the fast form
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_binary_cross_entropy_of_infinite_logits(xp, copies, dtype):
    def loss(x, t):
        x, t = (xp.full((copies, 1), value, dtype) for value in (x, t))
        value, dx = BinaryCrossEntropy()(x, t)
        again, _ = BinaryCrossEntropy()(x, float(t[0, 0]))
        np.testing.assert_equal(float(again), float(value))
        return float(value), float(dx[0, 0]) * copies

    assert loss(INF, 1) == (0, 0) and loss(-INF, 0) == (0, 0)
    assert loss(INF, 0) == (INF, pytest.approx(1)) and loss(-INF, 1) == (INF, pytest.approx(-1))
    assert loss(INF, 0.5) == (INF, pytest.approx(0.5)) and loss(-INF, 0.75) == (INF, pytest.approx(-0.75))
    assert np.isnan(loss(math.nan, 1)).all() and np.isnan(loss(math.nan, 0)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_softmax_cross_entropy_of_infinite_logits(xp, dtype):
    def loss(x, label):
        value, dx = SoftmaxCrossEntropy()(xp.array([x], dtype), xp.array([label]))
        return float(value), to_cpu(dx)[0].tolist()

    assert loss([0, -INF], 0) == (0, [0, 0]) and loss([0, -INF], 1) == (INF, [1, -1])
    assert loss([INF, 5], 0) == (0, [0, 0]) and loss([INF, 5], 1) == (INF, [1, -1])
    assert loss([-INF, 0, 0], 1) == (pytest.approx(math.log(2)), [0, -0.5, 0.5])
    for undecided in ([INF, INF], [-INF, -INF], [math.nan, 0]):
        with np.errstate(invalid="ignore"):
            assert math.isnan(loss(undecided, 0)[0])


def test_softmax_cross_entropy_of_a_sure_classifier(xp):
    """Two classes are the binary case; with three, the small gradients are there, too."""
    x = np.concatenate([LOGITS, np.zeros_like(LOGITS)], axis=1)
    for label, sign in ((0, -1), (1, 1)):
        value, dx = SoftmaxCrossEntropy()(to_device(x, xp), to_device(np.full(len(x), label), xp))
        close(value, exact_softplus(sign * LOGITS).mean())
        close(dx[:, :1], sign * exact_sigmoid(sign * LOGITS) / len(x))
        close(dx[:, 1:], -sign * exact_sigmoid(sign * LOGITS) / len(x))
    value, dx = SoftmaxCrossEntropy()(xp.array([[30, 0, 1]], "float32"), xp.array([0]))
    others = np.exp([-30.0, -29.0])
    close(value, np.log1p(others.sum()))
    close(dx, [np.array([-others.sum(), *others]) / (1 + others.sum())])


def test_a_mean_does_not_overflow_where_the_losses_do_not(xp):
    x = xp.full((1000, 1), 1e36, "float32")
    close(BinaryCrossEntropy()(x, 0)[0], 1e36)
    close(MeanSquaredError()(xp.full((1000, 1), 1e18, "float32"), 0)[0], 1e36)


# optimizers


def network(params, grads, device="cpu"):
    """A network whose parameters and gradients are these numbers."""
    net = Sequential([Dense(1, use_bias=False)], (len(params),)).to(device)
    net.flat_params[...], net.flat_grads[...] = (to_device(np.array(v, "float32"), net.xp) for v in (params, grads))
    return net


@pytest.fixture
def to_xp(xp, monkeypatch):
    """The device of `xp` by its name, wherever it is."""
    monkeypatch.setattr("minigan.backend.gpu_available", lambda: xp is not np)
    return "cpu" if xp is np else "gpu"


@pytest.mark.parametrize("size", [4, 200_000])  # few parameters take the formula of the class, many the fast form
@pytest.mark.parametrize(
    ("make", "first", "second"),
    [
        # the first step is lr in the direction of the sign; the second, of the same gradient, too
        (lambda net: Adam(net, lr=0.1, beta1=0.5), 0.1, 0.1),
        (lambda net: Adam(net, lr=0.1, beta1=0.9, beta2=0.9999), 0.1, 0.1),
        # s = (1 - rho) g^2, then (1 - rho) (1 + rho) g^2
        (lambda net: RMSProp(net, lr=0.1, rho=0.75), 0.1 / 0.5, 0.1 / math.sqrt(0.4375)),
    ],
)
def test_adaptive_steps_do_not_depend_on_the_size_of_the_gradient(to_xp, make, first, second, size):
    grads = np.resize(np.array([1e20, -1e30, 3e38, -0.1], "float32"), size)
    net = network(np.zeros(size), grads, to_xp)
    optimizer = make(net)
    for step in (first, second):
        before = to_cpu(net.flat_params).copy()
        optimizer.step()
        np.testing.assert_allclose(to_cpu(net.flat_params) - before, -step * np.sign(grads), rtol=2e-5)
    assert all(np.isfinite(to_cpu(state)).all() for state in optimizer.state.values())


@pytest.mark.parametrize("size", [4, 200_000])
@pytest.mark.parametrize("make", [lambda net: Adam(net, lr=0.1), lambda net: RMSProp(net, lr=0.1)])
def test_infinite_gradients_still_show(to_xp, make, size):
    """Infinity is no large number but a fault, which must not be trained away."""
    net = network(np.zeros(size), np.resize(np.array([INF, -INF, math.nan, 1], "float32"), size), to_xp)
    with np.errstate(invalid="ignore"):
        make(net).step()
    params = to_cpu(net.flat_params)[:4]
    assert np.isnan(params[:3]).all() and np.isfinite(params[3])


@pytest.mark.parametrize("scale", [1e30, 1e20, 1, 1e-20, 1e-30, 1e-40])
def test_the_norm_of_huge_and_tiny_gradients(to_xp, scale):
    net = network([0, 0, 0], [3 * scale, 0, -4 * scale], to_xp)
    rtol = 1e-6 if scale > 1e-38 else 1e-4  # 1e-40 has fewer digits in float32
    np.testing.assert_allclose(float(clip_grad_norm(net, 6 * scale)), 5 * scale, rtol=rtol)
    close(net.flat_grads, np.array([3, 0, -4]) * scale, rtol)
    np.testing.assert_allclose(float(clip_grad_norm(net, scale / 2)), 5 * scale, rtol=rtol)
    close(net.flat_grads, np.array([0.3, 0, -0.4]) * scale, rtol)


def test_the_norm_of_gradients_whose_length_no_float32_holds(to_xp):
    net = network(np.zeros(400), np.full(400, 3e38), to_xp)
    np.testing.assert_allclose(float(clip_grad_norm(net, 1)), 6e39, rtol=1e-6)
    np.testing.assert_allclose(to_cpu(net.flat_grads), 1 / 20, rtol=1e-5)


def test_the_norm_of_nothing_and_of_infinity(to_xp):
    net = network([0, 0], [0, 0], to_xp)
    assert float(clip_grad_norm(net, 1)) == 0 and not to_cpu(net.flat_grads).any()
    net = network([0, 0], [INF, 1], to_xp)
    with np.errstate(invalid="ignore"):
        assert float(clip_grad_norm(net, 1)) == INF and np.isnan(to_cpu(net.flat_grads)[0]), "it shows"
    net = network([0, 0], [math.nan, 1], to_xp)
    assert math.isnan(float(clip_grad_norm(net, 1)))


# what watches and judges


def test_norms_of_a_gan_with_huge_gradients():
    net, critic = network([1, 1], [3e20, 4e20]), network([1], [0])
    gan = GAN(net, critic)
    np.testing.assert_allclose(float(gan.g_grad_norm), 5e20, rtol=1e-6)
    health = Health(gan, say=print)
    (found,) = health.gradient_norms(net).values()
    np.testing.assert_allclose(found, 5e20, rtol=1e-6)


@pytest.mark.parametrize("scale", [1, 1e20, 1e-20])
def test_spread_and_roughness_do_not_depend_on_the_scale(rng, scale):
    images = rng.standard_normal((20, 8, 8, 1)).astype("float32")
    scaled = images * np.float32(scale)
    np.testing.assert_allclose(spread(scaled), scale * spread(images), rtol=1e-5)
    np.testing.assert_allclose(roughness(scaled), roughness(images), rtol=1e-5)


@pytest.mark.parametrize("scale", [1, 1e30, 1e-30])
@pytest.mark.parametrize("tilt", [1, 1e-3, 1e-5])
def test_slerp_stays_on_the_sphere(scale, tilt):
    """From one pole to nearly the other one, and to nearly the same: every latent is as long as both ends."""
    start = np.array([scale, 0, 0], "float32")
    for end in (-1, 1):
        end = (scale * np.array([end * math.cos(tilt), math.sin(tilt), 0])).astype("float32")
        path = slerp(start, end, 7).astype("float64")
        # rounded to float32, the ends are not quite equally long, which the way around makes more of
        np.testing.assert_allclose(np.sqrt(((path / scale) ** 2).sum(axis=1)), 1, rtol=1e-3)


def test_a_frechet_distance_is_never_below_0(rng):
    for size in (2, 5, 20, 60):
        for scale in (1e-3, 1, 1e6):
            mean, covariance = mean_and_covariance(scale * rng.standard_normal((3 * size, size)) + 5)
            distance = frechet_distance(mean, covariance, mean, covariance)
            assert 0 <= distance <= 1e-12 * size * np.trace(covariance)


# layers


def one_layer(layer, shape, device="cpu", dtype="float32"):
    return Sequential([layer], shape, dtype=dtype).to(device)


def passed_through(layer, x, device, dy=None, training=False):
    """(y, dx) of a layer for a batch x, with dy of ones unless it is given."""
    x = np.asarray(x, "float32")
    net = one_layer(layer, x.shape[1:], device)
    y = net.forward(to_device(x, net.xp), training)
    dx = net.backward(net.xp.ones_like(y) if dy is None else to_device(np.asarray(dy, "float32"), net.xp))
    return to_cpu(y), to_cpu(dx)


def test_sigmoid(to_xp):
    """Forward and backward to six digits, also where 1 - y would be 0."""
    y, dx = passed_through(Sigmoid(), LOGITS, to_xp)
    close(y, exact_sigmoid(LOGITS))
    close(dx, exact_sigmoid(LOGITS) * exact_sigmoid(-LOGITS))
    y, dx = passed_through(Sigmoid(), [[1e30], [-1e30], [INF], [-INF]], to_xp)
    assert y.ravel().tolist() == [1, 0, 1, 0] and not dx.any()


@pytest.mark.parametrize("layer", [ReLU, lambda: LeakyReLU(0), LeakyReLU, Tanh])
def test_activations_of_infinity(to_xp, layer):
    y, dx = passed_through(layer(), [[INF, -INF, 3e38, -3e38]], to_xp)
    if layer is Tanh:
        assert y.tolist() == [[1, -1, 1, -1]] and not dx.any()
    else:
        slope = layer().negative_slope
        low = -INF if slope else 0
        np.testing.assert_array_equal(y, np.array([[INF, low, 3e38, -3e38 * slope]], "float32"))
        np.testing.assert_array_equal(dx, np.array([[1, slope, 1, slope]], "float32"))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rate", [0, 1e-5])
def test_activations_of_infinity_behind_a_product(to_xp, rate, training):
    """A GPU runs these layers as one kernel, or two."""
    for slope, low in ((0.0, 0), (0.25, -INF)):
        net = Sequential([Dense(2, use_bias=False), LeakyReLU(slope), Dropout(rate)], (1,), dtype="float32").to(to_xp)
        net.flat_params = to_device(np.array([1, -1], "float32"), net.xp)
        y = to_cpu(net.forward(net.xp.full((1, 1), INF, "float32"), training))
        assert y.tolist() == [[INF, low]]
        y = to_cpu(net.forward(net.xp.full((1, 1), math.nan, "float32"), training))
        assert np.isnan(y).all()


@pytest.mark.parametrize("padding", ["same", ((1, 0), (1, 0)), ((0, 1), (0, 1)), "valid"])
@pytest.mark.parametrize("value", [-INF, -3e38, 0])
def test_max_pooling_of_minus_infinity(to_xp, padding, value):
    """Where a window holds nothing larger, the gradient goes to its first pixel, never to the padding."""
    x = np.full((1, 5, 5, 1), value, "float32")
    dy = np.arange(1, 26).reshape(1, 5, 5, 1)
    layer = MaxPool2D(2, 1, padding)
    p, q = one_layer(MaxPool2D(2, 1, padding), (5, 5, 1)).output_shape[:2]
    y, dx = passed_through(layer, x, to_xp, dy[:, :p, :q])
    assert (y == np.float32(value)).all() and dx.sum() == dy[:, :p, :q].sum()


def batch_norm_in_float64(x, dy):
    """(y, dx) of BatchNorm in training, as the formulas say."""
    x, dy = np.asarray(x, "float64"), np.asarray(dy, "float64")
    deviation = x - x.mean(axis=0)
    std = np.sqrt((deviation**2).mean(axis=0) + 1e-5)
    xhat = deviation / std
    return xhat, (dy - dy.mean(axis=0) - xhat * (dy * xhat).mean(axis=0)) / std


@pytest.mark.parametrize("scale", [1e30, 1e20, 1, 1e-20])
def test_batch_norm_of_huge_and_tiny_numbers(to_xp, rng, scale):
    x = (scale * rng.standard_normal((50, 3))).astype("float32")
    dy = rng.standard_normal((50, 3)).astype("float32")
    y, dx = passed_through(BatchNorm(), x, to_xp, dy, training=True)
    right_y, right_dx = batch_norm_in_float64(x, dy)
    np.testing.assert_allclose(y, right_y, rtol=1e-5, atol=1e-5 * abs(right_y).max())
    np.testing.assert_allclose(dx, right_dx, rtol=1e-4, atol=1e-5 * abs(right_dx).max())


@pytest.mark.parametrize("rows", [100, 200_000])
def test_batch_norm_of_a_large_mean(to_xp, rng, rows):
    """In float32 the mean has seven digits, so the deviations are off by two units of the last, and by no more."""
    x = (1e4 + rng.standard_normal((rows, 2))).astype("float32")
    y, _ = passed_through(BatchNorm(), x, to_xp, np.zeros((rows, 2)), training=True)
    np.testing.assert_allclose(y, batch_norm_in_float64(x, x)[0], rtol=0, atol=2e4 * np.finfo("float32").eps)


SAMPLE_NORMS = {"layer": LayerNorm, "instance": InstanceNorm, "group": lambda: GroupNorm(2)}


def sets_of(name, x):
    """The sets of x (n, t, c) as columns, as batch_norm_in_float64 takes them; and the way back"""
    n, t, c = x.shape
    if name == "layer":
        return x.reshape(n * t, c).T, lambda columns: columns.T.reshape(n, t, c)
    groups = c if name == "instance" else 2
    columns = x.reshape(n, t, groups, -1).transpose(1, 3, 0, 2).reshape(-1, n * groups)
    return columns, lambda columns: columns.reshape(t, -1, n, groups).transpose(2, 0, 3, 1).reshape(n, t, c)


@pytest.mark.parametrize("scale", [1e30, 1e20, 1, 1e-20])
@pytest.mark.parametrize("name", SAMPLE_NORMS)
def test_sample_norms_of_huge_and_tiny_numbers(to_xp, rng, name, scale):
    x, dy = (size * rng.standard_normal((3, 5, 6)).astype("float32") for size in (np.float32(scale), np.float32(1)))
    y, dx = passed_through(SAMPLE_NORMS[name](), x, to_xp, dy, training=True)
    columns, back = sets_of(name, x)
    right_y, right_dx = map(back, batch_norm_in_float64(columns, sets_of(name, dy)[0]))
    np.testing.assert_allclose(y, right_y, rtol=1e-5, atol=1e-5 * abs(right_y).max())
    np.testing.assert_allclose(dx, right_dx, rtol=1e-4, atol=1e-5 * abs(right_dx).max())


@pytest.mark.parametrize("name", SAMPLE_NORMS)
def test_sample_norms_of_a_large_mean(to_xp, rng, name):
    x = (1e4 + rng.standard_normal((2, 4000, 4))).astype("float32")
    y, _ = passed_through(SAMPLE_NORMS[name](), x, to_xp, np.zeros_like(x), training=True)
    columns, back = sets_of(name, x)
    right, smallest = back(batch_norm_in_float64(columns, columns)[0]), columns.std(axis=0, dtype="float64").min()
    np.testing.assert_allclose(y, right, rtol=0, atol=2e4 * np.finfo("float32").eps / smallest)


def test_running_statistics_stay_finite(to_xp, rng):
    """The variance of 1e20 is beyond float32: it counts as the largest, and is forgotten again, as all old ones are."""
    net = one_layer(BatchNorm(momentum=0.5), (2,), to_xp)
    for scale, steps in ((1e20, 3), (1, 150)):
        for _ in range(steps):
            net.forward(to_device((scale * rng.standard_normal((50, 2))).astype("float32"), net.xp), training=True)
        assert all(np.isfinite(to_cpu(value)).all() for value in net.state.values())
    np.testing.assert_allclose(to_cpu(net.layers[0].state["variance"]), 1, rtol=0.5)


@pytest.mark.parametrize("rows", [1, 255, 256, 257, 1000, 100_000])
def test_column_sums_keep_their_digits(xp, rng, rows):
    """Added up one by one in float32, 100,000 numbers lose three digits."""
    x, y = rng.random((2, rows, 3)).astype("float32")
    right, dot = x.astype("float64").sum(axis=0), (x.astype("float64") * y).sum(axis=0)
    out = xp.empty(3, "float32")
    column_sum(to_device(x, xp), out=out)
    for ours, rights in (
        (column_sum(to_device(x, xp)), right),
        (out, right),
        (column_dot(*map(xp.asarray, (x, y))), dot),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(to_cpu(ours), rights, rtol=1e-6)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("gate", ["input", "output"])
def test_the_gates_of_an_lstm(to_xp, gate, fast, monkeypatch):
    """c = sigmoid(x) g or h = sigmoid(x) tanh(c), to six digits however far the gate is shut."""
    monkeypatch.setattr(lstm, "pays", lambda x, units: fast or to_xp == "gpu")
    layer = LSTM(1)
    net = one_layer(layer, (1, 1))
    net.layers[0].params["W"] = np.array([[1, 0, 0, 0] if gate == "input" else [0, 0, 0, 1]], "float32")
    net.layers[0].params["b"] = np.array([0, 0, 0.01, 0], "float32")
    net = net.to(to_xp)
    y = net.forward(to_device(LOGITS[:, None], net.xp))
    c = 0.5 * np.tanh(0.01) if gate == "output" else exact_sigmoid(LOGITS) * np.tanh(0.01)
    close(y, (exact_sigmoid(LOGITS) if gate == "output" else 0.5) * np.tanh(c))
    y = net.forward(net.xp.array([[[1e30]], [[-1e30]]], "float32"))
    assert np.isfinite(to_cpu(y)).all() and not to_cpu(y)[1::2].any()
