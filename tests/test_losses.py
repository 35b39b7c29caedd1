"""The losses: values against the loops and by hand, gradients against central differences, extreme logits, errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import backend
from minigan.checks import loops
from minigan.errors import DataError, DeviceError, DtypeError, MiniganError, ShapeError
from minigan.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from minigan.ops import cross_entropy

CASES = [
    (BinaryCrossEntropy(), loops.binary_cross_entropy),
    (MeanSquaredError(), loops.mean_squared_error),
    (SoftmaxCrossEntropy(), loops.softmax_cross_entropy),
]


def random_pair(seed, n, k):
    rng = np.random.default_rng(seed)
    targets = rng.random((n, k))
    return 3 * rng.standard_normal((n, k)), targets / targets.sum(axis=1, keepdims=True)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 99), st.integers(1, 5), st.integers(1, 5))
def test_values_and_gradients(seed, n, k):
    logits, targets = random_pair(seed, n, k)
    for loss, loop in CASES:
        value, gradient = loss(logits, targets)
        np.testing.assert_allclose(value, loop(logits, targets), rtol=1e-12)
        assert gradient.shape == logits.shape
        numeric = np.zeros_like(logits)
        for index in np.ndindex(logits.shape):
            shifted = [logits.copy() for _ in range(2)]
            shifted[0][index] += 1e-5
            shifted[1][index] -= 1e-5
            numeric[index] = (loss(shifted[0], targets)[0] - loss(shifted[1], targets)[0]) / 2e-5
        np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-9)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([(1, 1), (32, 1), (33, 1), (300, 200)]),
    st.sampled_from(["float32", "float64"]),
    st.sampled_from([0, 1, 1.0, 0.9, "noisy", "labels"]),
    st.integers(0, 99),
)
def test_the_fast_form_agrees_with_the_formula(shape, dtype, targets, seed):
    """Binary cross-entropy of many logits, minigan/ops/cross_entropy.py, against the lines of the class."""
    rng = np.random.default_rng(seed)
    x = (10 * rng.standard_normal(shape)).astype(dtype)
    t = {"noisy": rng.uniform(-0.2, 1.2, shape), "labels": rng.integers(0, 2, shape)}.get(targets, targets)
    t = t.astype(dtype) if isinstance(t, np.ndarray) else t
    x, t = (array.T if isinstance(array, np.ndarray) and seed % 2 else array for array in (x, t))  # not contiguous
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_entropy, "pays", lambda logits: False)
        by_formula = BinaryCrossEntropy()(x, t)
        patch.setattr(cross_entropy, "pays", lambda logits: True)
        fast = BinaryCrossEntropy()(x, t)
    # both round the terms of their sums, x t and s(x): where these cancel, the rest is small, but not its rounding
    epsilon, scales = np.finfo(dtype).eps, (max(1, abs(x).max()), 1 / x.size)
    for ours, formulas, scale in zip(fast, by_formula, scales, strict=True):
        assert ours.dtype == formulas.dtype == dtype and ours.shape == formulas.shape
        np.testing.assert_allclose(ours, formulas, rtol=10 * epsilon, atol=epsilon * scale)


def test_few_logits_take_the_formula_and_many_the_fast_form(monkeypatch):
    taken = []
    monkeypatch.setattr(cross_entropy, "binary_cross_entropy", lambda x, t: taken.append(x.size))
    for n in (1, 32, 33, 100_000):
        BinaryCrossEntropy()(np.zeros((n, 1), "float32"), 0)
    assert taken == [33, 100_000]


def test_binary_cross_entropy_by_hand():
    value, gradient = BinaryCrossEntropy()(np.array([[0.0], [np.log(3)]]), np.array([[1.0], [0.0]]))
    np.testing.assert_allclose(value, (np.log(2) + np.log(4)) / 2)
    np.testing.assert_allclose(gradient, [[-0.25], [0.375]])
    assert BinaryCrossEntropy()(np.zeros((3, 1)), 1)[0] == pytest.approx(np.log(2))


def test_mean_squared_error_by_hand():
    value, gradient = MeanSquaredError()(np.array([[1.0, 4.0]]), np.array([[0.0, 2.0]]))
    assert value == 2.5 and gradient.tolist() == [[1, 2]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), MeanSquaredError()])
def test_a_single_logit_needs_no_axes(loss, dtype):
    for logit in (1.0, -2.0):
        for target in (1, 0.3, np.array(0.3, dtype)):
            value, gradient = loss(np.array(logit, dtype), target)
            row = loss(np.array([logit], dtype), target if isinstance(target, float | int) else target[np.newaxis])
            assert value == row[0] and gradient == row[1][0]
            assert gradient.shape == () and gradient.dtype == value.dtype == dtype


@pytest.mark.parametrize("dtype", ["float16", "int64", "bool"])
def test_logits_of_another_dtype(dtype):
    logits = np.ones((2, 1), dtype)
    for loss in (BinaryCrossEntropy(), MeanSquaredError(), SoftmaxCrossEntropy()):
        with pytest.raises(DtypeError, match=rf"of float32 or float64, got {logits.dtype}\. Convert them: logits"):
            loss(logits, logits)


def test_softmax_cross_entropy_by_hand():
    logits = np.log([[1.0, 2.0, 1.0], [3.0, 1.0, 0.5]])
    value, gradient = SoftmaxCrossEntropy()(logits, np.array([1, 0]))
    np.testing.assert_allclose(value, -(np.log(1 / 2) + np.log(3 / 4.5)) / 2)
    np.testing.assert_allclose(gradient, np.array([[1 / 4, -1 / 2, 1 / 4], [-1.5 / 4.5, 1 / 4.5, 0.5 / 4.5]]) / 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_exact_for_extreme_logits(dtype):
    logits = np.array([[1e4], [-1e4]], dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        right, gradient = BinaryCrossEntropy()(logits, np.array([[1], [0]], dtype))
        assert right == 0 and not gradient.any()
        wrong, gradient = BinaryCrossEntropy()(logits, np.array([[0], [1]], dtype))
        assert wrong == 1e4 and gradient.tolist() == [[0.5], [-0.5]]
        value, gradient = SoftmaxCrossEntropy()(np.array([[1e4, -1e4]], dtype), np.array([1]))
        assert value == 2e4 and gradient.tolist() == [[1, -1]]
    assert gradient.dtype == dtype and wrong.dtype == dtype


def test_tiny_probabilities_are_not_rounded_away():
    value, _ = BinaryCrossEntropy()(np.array([[-40.0]]), 0)
    np.testing.assert_allclose(value, np.exp(-40.0), rtol=1e-12)


def test_wrong_targets():
    logits = np.zeros((4, 1), np.float32)
    for loss in (BinaryCrossEntropy(), MeanSquaredError()):
        with pytest.raises(ShapeError, match=r"\(4, 1\)"):
            loss(logits, np.zeros(4, np.float32))  # NumPy would broadcast it to (4, 4)
        with pytest.raises(DtypeError, match="float32"):
            loss(logits, np.zeros((4, 1)))
        with pytest.raises(ShapeError, match="at least one"):
            loss(logits[:0], logits[:0])
    with pytest.raises(DataError, match="from 0 to 2"):
        SoftmaxCrossEntropy()(np.zeros((2, 3)), np.array([0, 3]))
    with pytest.raises(ShapeError, match="n, k"):
        SoftmaxCrossEntropy()(np.zeros(3), np.array([0]))
    with pytest.raises(ShapeError, match=r"shape \(2,\), or probabilities of shape \(2, 3\), got \(2, 2\)\.$"):
        SoftmaxCrossEntropy()(np.zeros((2, 3)), np.zeros((2, 2)))


def test_the_advice_for_targets_works():
    """Whoever does what an error says gets no second error."""
    logits, column = np.zeros((2, 3)), np.array([[0], [1]])
    with pytest.raises(ShapeError, match=r"class numbers of shape \(2,\), .* got \(2, 1\)\. .* labels\[:, 0\]\.$"):
        SoftmaxCrossEntropy()(logits, column)
    SoftmaxCrossEntropy()(logits, column[:, 0])
    with pytest.raises(DtypeError, match=r'class numbers by numpy\.asarray\(targets, "int64"\), .*, "float64"\)\.$'):
        SoftmaxCrossEntropy()(logits, [1, 2])
    SoftmaxCrossEntropy()(logits, np.asarray([1, 2], "int64"))
    SoftmaxCrossEntropy()(logits, np.asarray([[1, 0, 0], [0, 1, 0]], "float64"))
    with pytest.raises(ShapeError, match=r"got \(4,\)\. Give them this shape: targets\.reshape\(4, 1\)\."):
        BinaryCrossEntropy()(np.zeros((4, 1)), np.zeros(4))
    with pytest.raises(DtypeError, match=r'targets as an array, got \[\[1\]\]\. .*asarray\(numbers, "float64"\)'):
        BinaryCrossEntropy()(np.zeros((1, 1)), [[1]])
    BinaryCrossEntropy()(np.zeros((1, 1)), np.asarray([[1]], "float64"))


@pytest.mark.parametrize("row", [[1, 1, 0], [0, 0, 0], [0.9, 0, 0], [1, 0, np.nan], [5, -2, 1]])
def test_rows_that_are_no_probabilities(row):
    targets = np.array([[0, 1, 0], row], "float32")
    with pytest.raises(DataError, match=r"sum to 1 in each row, got a row that sums to .*BinaryCrossEntropy"):
        SoftmaxCrossEntropy()(np.zeros((2, 3), "float32"), targets)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("k", [2, 10, 1000])
def test_smoothed_labels_are_probabilities(dtype, k):
    """Rounded to few digits, too."""
    targets = (0.9 * np.eye(k)[:2] + 0.1 / k).astype(dtype).astype("float32")
    SoftmaxCrossEntropy()(np.zeros((2, k), "float32"), targets)
    SoftmaxCrossEntropy()(np.zeros((2, 3), "float32"), np.full((2, 3), 0.33, "float32"))


def test_a_number_of_numpy_is_one_target_and_keeps_float32():
    logits = np.array([[1.0], [-2.0]], "float32")
    for loss in (BinaryCrossEntropy(), MeanSquaredError()):
        plain = loss(logits, 0.5)
        for target in (np.float32(0.5), np.float64(0.5)):
            value, dlogits = loss(logits, target)
            assert value == plain[0] and value.dtype == dlogits.dtype == np.float32
            np.testing.assert_array_equal(dlogits, plain[1])
        assert loss(logits, np.int64(1))[0] == loss(logits, 1)[0]


def test_integer_labels_are_named_as_such():
    logits = np.zeros((4, 1), "float32")
    with pytest.raises(DtypeError, match=r'got integer labels of int64\. Convert them: targets\.astype\("float32"\)'):
        BinaryCrossEntropy()(logits, np.ones((4, 1), "int64"))
    with pytest.raises(DtypeError, match=r'class numbers of an integer type, got float64.*astype\("int64"\)'):
        SoftmaxCrossEntropy()(np.zeros((2, 3)), np.array([0.0, 1.0]))


@pytest.mark.parametrize("targets", [True, None, "1", [1.0], float("nan"), 1e300, np.float32, np.array(None), 1j])
@pytest.mark.parametrize("loss", [BinaryCrossEntropy(), MeanSquaredError(), SoftmaxCrossEntropy()])
def test_odd_targets_and_logits(loss, targets):
    name = type(loss).__name__
    with pytest.raises(MiniganError, match=f"{name}: expected (targets|logits)"):
        loss(np.zeros((4, 1), "float32"), targets)
    with pytest.raises(MiniganError, match=f"{name}: expected logits"):
        loss(targets, np.zeros((4, 1), "float32"))


def test_logits_and_targets_of_two_devices(standin, monkeypatch):
    monkeypatch.setattr(backend, "cupy", standin)
    for loss in (BinaryCrossEntropy(), MeanSquaredError()):
        with pytest.raises(DeviceError, match="different devices"):
            loss(np.zeros((4, 1)), standin.zeros((4, 1)))
