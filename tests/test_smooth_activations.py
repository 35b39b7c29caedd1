"""ELU, Softplus, SiLU, GELU, Softmax: against loops, by hand, at both ends, against PyTorch; and the normal CDF."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from test_layers import batches, built

from minigan import Sequential
from minigan.backend import to_cpu, to_device
from minigan.checks import check_gradients, loops
from minigan.errors import OptionError
from minigan.input_gradient import InputGradient
from minigan.layers import ELU, GELU, Dense, SiLU, Softmax, Softplus
from minigan.ops.normal import normal_cdf, normal_density

SMOOTH = {
    "elu": (ELU, lambda x: loops.elu(x, 1)),
    "elu of 0.3": (lambda: ELU(0.3), lambda x: loops.elu(x, 0.3)),
    "softplus": (Softplus, loops.softplus),
    "silu": (SiLU, loops.silu),
    "gelu": (GELU, loops.gelu),
    "gelu by tanh": (lambda: GELU("tanh"), lambda x: loops.gelu(x, "tanh")),
    "softmax": (Softmax, loops.softmax),
}


@settings(deadline=None, max_examples=15)
@given(batches)
def test_against_loops(x):
    for make, loop in SMOOTH.values():
        y = built(make(), x.shape[1:]).forward(x)
        np.testing.assert_allclose(y, loop(x), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("layer", "x", "y", "dx"),
    [
        (ELU(2), [-np.log(2), 0.0, 3.0], [-1, 0, 3], [1, 2, 1]),
        (Softplus(), [0.0, np.log(3), -np.log(3)], np.log([2, 4, 4 / 3]), [0.5, 0.75, 0.25]),
        (SiLU(), [0.0, np.log(3), -np.log(3)], [0, 0.75 * np.log(3), -0.25 * np.log(3)], [0.5, 0.956, 0.044]),
        (GELU(), [0.0, 1.0, -1.0], [0, 0.84134475, -0.15865525], [0.5, 1.083315, -0.083315]),
        (Softmax(), np.log([1.0, 2, 5]), [0.125, 0.25, 0.625], [0, 0, 0]),
    ],
)
def test_by_hand(layer, x, y, dx):
    built(layer, (3,))
    np.testing.assert_allclose(layer.forward(np.array([x])), [y], rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(layer.backward(np.ones((1, 3))), [dx], rtol=1e-3, atol=1e-15)


def test_softmax_by_hand_with_a_gradient_that_counts():
    layer = built(Softmax(), (2,))
    layer.forward(np.log([[1.0, 3.0]]))  # shares 1/4 and 3/4, the weighted mean of dy is 7
    np.testing.assert_allclose(layer.backward(np.array([[4.0, 8.0]])), [[-0.75, 0.75]], rtol=1e-12)


# how many digits


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 2e-14)])
def test_the_normal_distribution_keeps_its_digits(xp, dtype, tolerance):
    """Relative to itself down to 1e-20, where 1 + erf would have none left."""
    # in the tail, exp shows how x^2 / 2 = 40 was rounded
    x = np.linspace(-9, 9, 2001).astype(dtype)
    exact = np.array([math.erfc(-float(v) / math.sqrt(2)) / 2 for v in x])
    given = to_device(x, xp)
    np.testing.assert_allclose(to_cpu(normal_cdf(given)), exact, rtol=tolerance)
    density = np.exp(-(x.astype("float64") ** 2) / 2) / math.sqrt(2 * math.pi)
    np.testing.assert_allclose(to_cpu(normal_density(given)), density, rtol=tolerance)
    ends = to_device(np.array([0, -0.0, 1e30, -1e30, np.inf, -np.inf], dtype), xp)
    np.testing.assert_allclose(to_cpu(normal_cdf(ends)), [0.5, 0.5, 1, 0, 1, 0], rtol=tolerance)
    assert math.isnan(to_cpu(normal_cdf(to_device(np.array([math.nan], dtype), xp)))[0])


def test_the_normal_distribution_of_other_memory_layouts(rng):
    x = rng.standard_normal((6, 8))
    np.testing.assert_array_equal(normal_cdf(x.T), normal_cdf(x).T)
    np.testing.assert_array_equal(normal_cdf(x[:, ::2]), normal_cdf(x)[:, ::2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SMOOTH)
def test_far_from_zero(xp, name, dtype):
    """Forward, backward and tangent give the limits, without a warning and without NaN."""
    ends = {
        "softplus": ([0, 0, 1e30, 300], [0, 0, 1, 1]),
        "elu": ([-1, -1, 1e30, 300], [0, 0, 1, 1]),
        "elu of 0.3": ([-0.3, -0.3, 1e30, 300], [0, 0, 1, 1]),
        "softmax": ([0, 0, 1, 0], [0, 0, 0, 0]),
    }.get(name, ([0, 0, 1e30, 300], [0, 0, 1, 1]))
    net = Sequential([SMOOTH[name][0]()], (4,), dtype=dtype).to("cpu" if xp is np else "gpu")
    x = to_device(np.array([[-1e30, -300, 1e30, 300]], dtype), xp)
    slope = InputGradient(net)
    with np.errstate(all="raise", under="ignore"):
        y = to_cpu(net.forward(x))
        dx = to_cpu(net.backward(xp.ones_like(x)))
        np.testing.assert_allclose(y, np.array([ends[0]], dtype), rtol=1e-6, atol=1e-38)
        np.testing.assert_allclose(dx, [ends[1]], rtol=1e-6, atol=1e-7)
        assert np.isfinite(to_cpu(slope.forward(x))).all()
        assert np.isfinite(to_cpu(slope.backward(xp.ones_like(x)))).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in SMOOTH if name != "softmax"])
def test_infinity_has_the_limits_and_nan_stays_nan(xp, name, dtype):
    """Forward, slope and both parts of the tangent; a NaN is not hidden behind a number."""
    alpha = {"elu": 1, "elu of 0.3": 0.3}.get(name, 0)
    net = Sequential([SMOOTH[name][0]()], (3,), dtype=dtype).to("cpu" if xp is np else "gpu")
    x = to_device(np.array([[np.inf, -np.inf, np.nan]], dtype), xp)
    slope = InputGradient(net)
    with np.errstate(all="raise", under="ignore"):
        y, dx = to_cpu(net.forward(x)), to_cpu(net.backward(xp.ones_like(x)))
        first, second = to_cpu(slope.forward(x)), to_cpu(slope.backward(xp.ones_like(x)))
    np.testing.assert_array_equal(y, np.array([[np.inf, -alpha, np.nan]], dtype))
    np.testing.assert_array_equal(dx[0, :2], [1, 0])
    np.testing.assert_array_equal(first[0, :2], [1, 0])
    np.testing.assert_array_equal(second[0, :2], [0, 0])


def test_softmax_of_infinity():
    """A logit of -inf has the share 0. With +inf, or nothing but -inf, no shares are right: NaN, as in PyTorch."""
    net = Sequential([Softmax()], (3,), dtype="float64")
    np.testing.assert_allclose(net.forward(np.array([[-np.inf, 0.0, 0.0]])), [[0, 0.5, 0.5]])
    np.testing.assert_allclose(net.backward(np.array([[1.0, 2.0, 4.0]])), [[0, -0.5, 0.5]])
    for row in ([np.inf, 0.0, 0.0], [-np.inf] * 3, [np.nan, 0.0, 0.0]):
        with np.errstate(invalid="ignore"):
            assert np.isnan(net.predict(np.array([row]))).all()


def test_small_numbers_keep_their_digits():
    x = np.array([[1e-6, -1e-6, -20, 20]], "float32")
    elu, softplus = (built(layer, (4,), "float32") for layer in (ELU(), Softplus()))
    np.testing.assert_allclose(elu.forward(x)[0, :2], [1e-6, np.expm1(-1e-6)], rtol=1e-6)
    np.testing.assert_allclose(softplus.forward(x)[0, 2], math.exp(-20), rtol=1e-6)
    np.testing.assert_allclose(softplus.backward(np.ones_like(x))[0, 2], math.exp(-20), rtol=1e-6)


def test_the_approximation_of_gelu_is_as_near_as_the_page_says():
    x = np.linspace(-8, 8, 4001).reshape(1, -1)
    exact, approximate = (built(GELU(form), x.shape[1:]).forward(x) for form in ("none", "tanh"))
    assert 0.0004 < abs(exact - approximate).max() < 0.0005


# options, networks


@pytest.mark.parametrize("alpha", [0, -1, float("nan"), "x", None, True])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(OptionError, match="ELU: expected alpha > 0"):
        ELU(alpha)


@pytest.mark.parametrize("form", ["erf", True, None, "Tanh"])
def test_the_forms_of_gelu(form):
    with pytest.raises(OptionError, match='GELU: expected approximate as "none" or "tanh"'):
        GELU(form)


@pytest.mark.parametrize("name", SMOOTH)
def test_second_order_in_a_network(name):
    net = Sequential([Dense(5), SMOOTH[name][0](), Dense(4), SMOOTH[name][0](), Dense(1)], (3,), dtype="float64")
    check_gradients(InputGradient(net), (3,))


@pytest.mark.torch
@pytest.mark.parametrize("name", SMOOTH)
def test_against_torch(name, rng):
    torch = pytest.importorskip("torch")
    nn = torch.nn
    twin = {
        "elu": nn.ELU(),
        "elu of 0.3": nn.ELU(0.3),
        "softplus": nn.Softplus(threshold=1e9),
        "silu": nn.SiLU(),
        "gelu": nn.GELU(),
        "gelu by tanh": nn.GELU(approximate="tanh"),
        "softmax": nn.Softmax(dim=-1),
    }[name]
    x, dy, v = 3 * rng.standard_normal((3, 6, 5, 4))
    net = Sequential([SMOOTH[name][0]()], (5, 4), dtype="float64")
    tx, tdy = torch.tensor(x, requires_grad=True), torch.tensor(dy)
    ty = twin(tx)
    (tdx,) = torch.autograd.grad(ty, tx, tdy, create_graph=True)
    (bend,) = torch.autograd.grad(tdx, tx, torch.tensor(v))
    slope = InputGradient(net, dy)
    for ours, theirs in ((net.forward(x), ty), (slope.forward(x), tdx), (slope.backward(v), bend)):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-13)
