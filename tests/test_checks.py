"""The checks themselves: what they refuse, notice and report. That they find mistakes: test_mutations.py."""

import numpy as np
import pytest

from minigan import Sequential
from minigan.checks import check_gradients, check_layer, loops
from minigan.errors import DtypeError, GradientError, OptionError
from minigan.layers import BatchNorm, Dense, Dropout, Layer, LeakyReLU, ReLU, Tanh


def test_float32_is_refused(rng):
    net = Sequential([Dense(2)], (3,))
    with pytest.raises(DtypeError, match="float64"):
        check_gradients(net, (3,))
    with pytest.raises(DtypeError, match="float64"):
        check_gradients(net.astype("float64"), rng.standard_normal((2, 3)).astype("float32"))


def test_relative_error_below_1e_6_for_a_network_of_all_layers():
    net = Sequential([Dense(6), BatchNorm(), LeakyReLU(), Dropout(0.4), Dense(3), Tanh()], (5,), dtype="float64")
    assert check_gradients(net, (5,)).worst < 1e-6


def test_the_layer_is_left_as_it_was(rng):
    net = Sequential([Dense(3), BatchNorm(), Dropout(0.5)], (4,), dtype="float64")
    before = {name: value.copy() for name, value in {**net.params, **net.state}.items()}
    check_gradients(net, rng.standard_normal((3, 4)))
    for name, value in {**net.params, **net.state}.items():
        np.testing.assert_array_equal(value, before[name])
    assert not net.flat_grads.any()


def test_small_arrays_entry_by_entry_large_ones_along_directions():
    report = str(check_gradients(Dense(40), (30,)))
    assert "all 40 entries" in report and "8 random directions" in report


def test_a_mistake_in_a_large_array_is_found_and_placed():
    class OneRowLost(Dense):
        def backward(self, dy, param_grads=True, input_grad=True):
            x = self.saved(dy)
            if param_grads:
                dw = x.T @ dy
                dw[7] = 0
                self.grads["W"] += dw
                self.grads["b"] += dy.sum(axis=0)
            return dy @ self.params["W"].T

    with pytest.raises(GradientError) as caught:
        check_gradients(OneRowLost(40), (30,))
    assert "(7, " in str(caught.value)


def test_kinks_are_noticed_and_avoided():
    """x = 0 lies exactly on ReLU's kink, where the difference gives 1/2 and backward 0."""
    report = check_gradients(ReLU(), np.zeros((2, 3)))
    assert report.resampled == 1 and "moved once, away from kinks" in str(report)
    assert check_gradients(ReLU(), np.ones((2, 3))).resampled == 0


def test_a_check_of_nothing_but_zeros_says_so():
    assert "all zero" in str(check_gradients(ReLU(), np.full((2, 3), -1.0)))
    assert "all zero" not in str(check_gradients(ReLU(), np.ones((2, 3))))


def test_a_kink_does_not_excuse_a_wrong_gradient():
    class Wrong(ReLU):
        def backward(self, dy, param_grads=True, input_grad=True):
            return 3 * super().backward(dy)

    with pytest.raises(GradientError, match="3 times what it should be"):
        check_gradients(Wrong(), np.zeros((4, 5)))


class DenseWithBias(Dense):
    """A Dense layer whose db is made by `bias_gradient`."""

    def __init__(self, units, bias_gradient):
        super().__init__(units)
        self.bias_gradient = bias_gradient

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        self.add_grad("W", x.T @ dy)
        self.add_grad("b", self.bias_gradient(dy))
        return dy @ self.params["W"].T


@pytest.mark.parametrize(
    ("bias_gradient", "cause"),
    [
        (lambda dy: dy[0], "missing sum over the batch: this is the gradient of the first sample only"),
        (lambda dy: dy[-1], "missing sum over the batch: this is the gradient of the last sample only"),
        (lambda dy: dy.mean(axis=0), "factor 1/n"),
        (lambda dy: 2 * dy.sum(axis=0), "factor 2"),
        (lambda dy: dy[:2].sum(axis=0), "a term is missing"),
        (lambda dy: abs(dy).sum(axis=0), "a term is missing"),
    ],
)
def test_a_single_wrong_number_is_always_a_multiple_so_that_is_no_hint(bias_gradient, cause):
    with pytest.raises(GradientError) as caught:
        check_gradients(DenseWithBias(1, bias_gradient), (3,))
    report = str(caught.value)
    assert f"db: 1 compared value is wrong. Likely cause: {cause}" in report and "the only entry" in report


def test_a_single_wrong_row_is_no_sign_of_a_mean_over_the_batch():
    class Twisted(Tanh):
        def backward(self, dy, param_grads=True, input_grad=True):
            return np.cumsum(super().backward(dy), axis=1)

    with pytest.raises(GradientError, match="Likely cause: a term is missing"):
        check_gradients(Twisted(), np.ones((1, 3)))


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_a_layer_of_positive_numbers_is_checked_at_an_x_of_ones_own(rng):
    class Log(Layer):
        def forward(self, x, training=False):
            self.save_for_backward(x)
            return np.log(x)

        def backward(self, dy, param_grads=True, input_grad=True):
            x = self.saved(dy)
            return dy / x if input_grad else None

    with (
        pytest.raises(GradientError, match=r"normal distribution.*check_gradients\(layer, x\)"),
        np.errstate(all="ignore"),
    ):
        check_layer(Log, (3,))
    for training in (True, False):
        check_gradients(Log(), rng.uniform(0.1, 2, (5, 3)), training)


def test_a_step_has_no_gradient():
    class Step(Layer):
        def forward(self, x, training=False):
            self.save_for_backward()
            return np.round(x, 4)

        def backward(self, dy, param_grads=True, input_grad=True):
            self.saved(dy)
            return dy * 1.0

    with pytest.raises(GradientError):
        check_gradients(Step(), (3,))


def test_not_finite_gradients_and_wrong_shapes():
    class Infinite(Tanh):
        def backward(self, dy, param_grads=True, input_grad=True):
            return super().backward(dy) * np.inf

    class Summed(Tanh):
        def backward(self, dy, param_grads=True, input_grad=True):
            return super().backward(dy).sum(axis=0)

    with pytest.raises(GradientError, match="NaN or infinity"), np.errstate(invalid="ignore"):
        check_gradients(Infinite(), (3,))
    with pytest.raises(GradientError, match=r"expected it to return dx, .*\(3, 3\), got .*\(3,\)"):
        check_gradients(Summed(), (3,))


def test_a_layer_that_only_returns_its_output_shape(rng):
    class FirstTwo(Layer):
        def build(self, input_shape, rng, dtype, xp):
            super().build(input_shape, rng, dtype, xp)
            return (2,)

        def forward(self, x, training=False):
            self.save_for_backward()
            return x[:, :2].copy()

        def backward(self, dy, param_grads=True, input_grad=True):
            self.saved(dy)
            dx = self.xp.zeros((len(dy), *self.input_shape), self.dtype)
            dx[:, :2] = dy
            return dx if input_grad else None

    check_layer(FirstTwo, (5,))
    assert "FirstTwo" in repr(Sequential([FirstTwo()], (5,)))


def test_options():
    with pytest.raises(OptionError, match="finite"):
        check_gradients(Tanh(), np.full((2, 3), np.nan))
    with pytest.raises(OptionError, match="at least one sample"):
        check_gradients(Tanh(), np.zeros((0, 3)))
    with pytest.raises(OptionError, match="lambda"):
        check_layer(Dense(3), (4,))


def test_the_loops_are_right_where_the_answer_is_known():
    """The oracle itself, by hand."""
    assert loops.dense(np.array([[1.0, 2.0]]), np.array([[1.0], [10.0]]), np.array([100.0])).tolist() == [[121]]
    assert loops.leaky_relu(np.array([[-2.0, 3.0]]), 0.5).tolist() == [[-1, 3]]
    assert loops.relu(np.array([[-2.0, 3.0]])).tolist() == [[0, 3]]
    assert loops.sigmoid(np.array([[0.0]])).tolist() == [[0.5]]
    np.testing.assert_allclose(loops.tanh(np.array([[np.log(2)]])), [[0.6]])
    keep = np.array([[True, False]])
    assert loops.dropout(np.array([[1.0, 1.0]]), keep, 0.5).tolist() == [[2, 0]]
    one, zero = np.ones(1), np.zeros(1)
    assert loops.batch_norm(np.array([[1.0], [3.0]]), one, zero, 3.0).tolist() == [[-0.5], [0.5]]
    assert loops.flatten(np.arange(4.0).reshape(1, 2, 2)).tolist() == [[0, 1, 2, 3]]
    assert loops.mean_squared_error(np.array([[3.0]]), np.array([[1.0]])) == 4
    np.testing.assert_allclose(loops.binary_cross_entropy(np.array([[0.0]]), np.array([[1.0]])), np.log(2))
    np.testing.assert_allclose(loops.softmax_cross_entropy(np.zeros((1, 4)), np.eye(4)[:1]), np.log(4))
