"""Numbers at both ends: huge, tiny and infinite ones give what the formulas say, not NaN, 0 or a lost digit.

The right values are computed here in float64, with formulas that cancel nothing.
"""

import math
import warnings

import numpy as np
import pytest

from minigan.backend import to_cpu, to_device
from minigan.gan.objectives import Minimax, NonSaturating
from minigan.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from minigan.ops import cross_entropy

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
