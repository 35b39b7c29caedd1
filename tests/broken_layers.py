"""Broken backward passes, as exercises: each class has exactly one mistake, and minigan.checks must find every one.

Cover the docstrings, read the code, and say what is wrong; then run the check and read its report:

    python -c "from tests.broken_layers import *; check_layer(DenseTransposed, (3,))"
"""

import copy

import numpy as np

from minigan.checks import check_layer  # noqa: F401  (for the line above)
from minigan.layers import (
    ELU,
    GELU,
    LSTM,
    Add,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    ConcatenateLabel,
    ConditionalBatchNorm,
    Conv2D,
    Conv2DTranspose,
    Cutout,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GaussianNoise,
    GlobalAveragePool2D,
    GroupNorm,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    Projection,
    RandomColor,
    RandomTranslation,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    SpectralNorm,
    Tanh,
    UpSampling2D,
)
from minigan.layers.container import backward_through, tangent_through
from minigan.ops.class_sums import class_sums
from minigan.ops.random_bits import keep_mask, uniform_numbers
from minigan.ops.sums import column_dot, column_sum
from minigan.parallel.group import ALONE


class BrokenDense(Dense):
    """A square Dense(3), so that a transposed gradient even has the right shape."""

    def __init__(self):
        super().__init__(3)

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        if param_grads:
            self.weight_gradient(x, dy)
            self.bias_gradient(dy)
        return self.input_gradient(dy) if input_grad else None

    def weight_gradient(self, x, dy):
        self.grads["W"] += x.T @ dy

    def bias_gradient(self, dy):
        self.grads["b"] += dy.sum(axis=0)

    def input_gradient(self, dy):
        return dy @ self.params["W"].T


class DenseTransposed(BrokenDense):
    """dW transposed."""

    cause = "transposed"

    def weight_gradient(self, x, dy):
        self.grads["W"] += dy.T @ x


class DenseInputTransposed(BrokenDense):
    """dx by W instead of W transposed."""

    cause = "dx"

    def input_gradient(self, dy):
        return dy @ self.params["W"]


class DenseBiasFirstSample(BrokenDense):
    """db without the sum over the batch: the first sample only."""

    cause = "missing sum over the batch"

    def bias_gradient(self, dy):
        self.grads["b"] += dy[0]


class DenseWeightLastSample(BrokenDense):
    """dW without the sum over the batch: the last sample only."""

    cause = "missing sum over the batch"

    def weight_gradient(self, x, dy):
        self.grads["W"] += np.outer(x[-1], dy[-1])


class DenseMeanOverBatch(BrokenDense):
    """dW averaged over the batch, which the loss has done already."""

    cause = "factor 1/n"

    def weight_gradient(self, x, dy):
        self.grads["W"] += x.T @ dy / len(x)


class DenseFactorN(BrokenDense):
    """db n times too large."""

    cause = "factor n"

    def bias_gradient(self, dy):
        self.grads["b"] += len(dy) * dy.sum(axis=0)


class DenseNoBiasGradient(BrokenDense):
    """db forgotten."""

    cause = "all zeros"

    def bias_gradient(self, dy):
        pass


class DenseWrongSign(BrokenDense):
    """dx with the wrong sign."""

    cause = "sign"

    def input_gradient(self, dy):
        return -dy @ self.params["W"].T


class DenseAddedTwice(BrokenDense):
    """dW added twice."""

    cause = "factor 2"

    def weight_gradient(self, x, dy):
        self.grads["W"] += x.T @ dy
        self.grads["W"] += x.T @ dy


class DenseAssigned(BrokenDense):
    """Gradients assigned instead of added."""

    cause = "not the sum of both"

    def weight_gradient(self, x, dy):
        self.grads["W"][...] = x.T @ dy


class DenseNewArray(BrokenDense):
    """Gradients put into a new array, no longer a view into the network's vector."""

    cause = "replaced by a new array"

    def bias_gradient(self, dy):
        self.grads.place("b", self.grads["b"] + dy.sum(axis=0))


class DenseStepsItself(BrokenDense):
    """backward updates the weights, the optimizer's job."""

    cause = "changed a parameter"

    def weight_gradient(self, x, dy):
        super().weight_gradient(x, dy)
        self.params["W"] -= 1e-3 * x.T @ dy


class DenseIgnoresParamGrads(BrokenDense):
    """param_grads=False is not heeded."""

    cause = "param_grads=False"

    def backward(self, dy, param_grads=True, input_grad=True):
        return super().backward(dy, True, input_grad)


class DenseKeepsCache(BrokenDense):
    """The cache is not used up: a second backward silently counts twice."""

    cause = "cache used up"

    def backward(self, dy, param_grads=True, input_grad=True):
        cache = self.cache
        dx = super().backward(dy, param_grads, input_grad)
        self.cache = cache
        return dx


class DenseWrongShape(BrokenDense):
    """build announces another output shape than forward gives."""

    cause = "what forward returns in training mode"

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        return (4,)


class DenseUpcasts(BrokenDense):
    """A float64 constant makes float64 of everything."""

    cause = "bool * float do not"

    def forward(self, x, training=False):
        return super().forward(x, training) * np.float64(1)


class DenseUnseeded(BrokenDense):
    """Weights from NumPy's global generator, not from build's."""

    cause = "same seed, same result"

    def build(self, input_shape, rng, dtype, xp):
        return super().build(input_shape, np.random.default_rng(), dtype, xp)


class DenseForgetsItsScale(BrokenDense):
    """A number that forward needs is neither a parameter, nor state, nor an argument."""

    cause = "save and load"

    def build(self, input_shape, rng, dtype, xp):
        self.scale = xp.asarray(rng.uniform(1, 2), dtype)
        return super().build(input_shape, rng, dtype, xp)

    def forward(self, x, training=False):
        return super().forward(x, training) * self.scale

    def weight_gradient(self, x, dy):
        self.grads["W"] += x.T @ dy * self.scale

    def bias_gradient(self, dy):
        self.grads["b"] += dy.sum(axis=0) * self.scale

    def input_gradient(self, dy):
        return dy @ self.params["W"].T * self.scale


class DenseFlatBuffer(BrokenDense):
    """Relies on the memory layout of dy."""

    cause = "non-contiguous"

    def bias_gradient(self, dy):
        start = np.lib.stride_tricks.as_strided(dy, dy.shape, (dy.shape[1] * dy.itemsize, dy.itemsize))
        self.grads["b"] += start.sum(axis=0)


class ReLUInPlace(ReLU):
    """forward overwrites its input."""

    cause = "x modified"

    def forward(self, x, training=False):
        y = super().forward(x, training)
        x *= x > 0
        return y


class LeakyReLUInPlaceBackward(LeakyReLU):
    """backward overwrites dy."""

    cause = "dy modified"

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        dy *= np.where(y > 0, 1, self.negative_slope)
        return dy if input_grad else None


class LeakyReLULost(LeakyReLU):
    """The slope of the negative side is forgotten in backward."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        return dy * (y > 0) if input_grad else None


class TanhOfInput(Tanh):
    """1 - x^2 instead of 1 - y^2."""

    cause = "dx"

    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.save_for_backward(x)
        return y


class SigmoidHalf(Sigmoid):
    """y instead of y (1 - y)."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        y = self.saved(dy)
        return dy * y if input_grad else None


class SigmoidConstantTerm(Sigmoid):
    """A term that does not depend on dy."""

    cause = "dy = 0"

    def backward(self, dy, param_grads=True, input_grad=True):
        dx = super().backward(dy, param_grads, input_grad)
        return dx + 1e-3 if input_grad else None


class DropoutRedrawn(Dropout):
    """A new mask in backward."""

    cause = "other units are switched off"

    def __init__(self):
        super().__init__(0.4)

    def backward(self, dy, param_grads=True, input_grad=True):
        keep = self.saved(dy)
        if keep is None:
            return dy if input_grad else None
        keep = keep_mask(dy.shape, 0.4, self.state["seed"], self.state["calls"] + 1, self.xp)
        return dy * keep.astype(dy.dtype) / 0.6 if input_grad else None


class DropoutUnscaled(Dropout):
    """The mask without its scale in backward."""

    cause = "constant factor"

    def __init__(self):
        super().__init__(0.4)

    def backward(self, dy, param_grads=True, input_grad=True):
        keep = self.saved(dy)
        if keep is None:
            return dy if input_grad else None
        return dy * keep if input_grad else None


class BrokenBatchNorm(BatchNorm):
    """BatchNorm whose dx in training a subclass gets wrong."""

    asks_group = False  # it sums over its own rows

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r, m = self.saved(dy)
        dbeta, dgamma = column_sum(dy), column_dot(dy, xhat)
        if param_grads:
            self.grads["beta"] += dbeta
            self.grads["gamma"] += dgamma
        if not input_grad:
            return None
        if m is None:
            return dy * (self.params["gamma"] * r)
        return self.input_gradient(dy, xhat, r, dbeta / len(dy), dgamma / len(dy))


class BatchNormNoThirdTerm(BrokenBatchNorm):
    """Without the term of the variance. An upstream gradient of ones would not notice."""

    cause = "proportional to x - mean(x)"

    def input_gradient(self, dy, xhat, r, mean_dy, mean_dy_xhat):
        return self.params["gamma"] * r * (dy - mean_dy)


class BatchNormNoMeanTerm(BrokenBatchNorm):
    """Without the term of the mean."""

    cause = "the same for all samples"

    def input_gradient(self, dy, xhat, r, mean_dy, mean_dy_xhat):
        return self.params["gamma"] * r * (dy - xhat * mean_dy_xhat)


class BatchNormConstantStatistics(BrokenBatchNorm):
    """Mean and variance taken for constants, in training too."""

    cause = "dx"

    def input_gradient(self, dy, xhat, r, mean_dy, mean_dy_xhat):
        return self.params["gamma"] * r * dy


class BatchNormNoGamma(BrokenBatchNorm):
    """gamma forgotten in dx: invisible while gamma is still 1."""

    cause = "dx"

    def input_gradient(self, dy, xhat, r, mean_dy, mean_dy_xhat):
        return r * (dy - mean_dy - xhat * mean_dy_xhat)


class BatchNormTrainingBackwardOnly(BatchNorm):
    """The training formula after a forward in inference mode too."""

    cause = "inference mode"

    def forward(self, x, training=False):
        y = super().forward(x, training)
        n, (xhat, r, _) = self.cache
        self.cache = (n, (xhat, r, len(xhat)))
        return y


class BatchNormStateReplaced(BatchNorm):
    """Running statistics put into a new array."""

    cause = "state in place"

    def forward(self, x, training=False):
        y = super().forward(x, training)
        self.state.place("mean", self.state["mean"] * 1)
        return y


class BatchNormUndeclared(BatchNorm):
    """Mixes the samples of a batch without saying so."""

    cause = "mixes_samples = True"
    mixes_samples = False


class FlattenFortran(Flatten):
    """backward puts the numbers back in another order."""

    cause = "permuted"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy.reshape(len(dy), *self.input_shape, order="F") if input_grad else None


class ELUSlopeWithoutAlpha(ELU):
    """The slope y on the negative side, where it is y + alpha."""

    cause = "a term is missing or has a wrong factor"

    def slope(self, y):
        return np.where(y > 0, 1, y)


class SoftplusSlopeOfOutput(Softplus):
    """sigmoid(y) for the slope, where it is sigmoid(x)."""

    cause = "a term is missing or has a wrong factor"

    def minus_slope(self, y):
        return -1 / (1 + np.exp(-y))


class SiLUGateAlone(SiLU):
    """The gate taken for a constant, as if it were a mask: the term x g' is missing."""

    cause = "a term is missing or has a wrong factor"

    def backward(self, dy, param_grads=True, input_grad=True):
        _, g = self.saved(dy)
        return dy * g if input_grad else None


class GELUMixed(GELU):
    """Forward with the exact gate, backward with the slope of the approximation."""

    cause = "dx"

    def gate_slope(self, x, g):
        other = GELU("tanh")
        other.xp = np
        return other.gate_slope(x, g)


class SoftmaxEachByItself(Softmax):
    """y (1 - y) for the slope, as if the outputs did not depend on one another."""

    cause = "a term is missing or has a wrong factor"

    def times_slopes(self, dy, y):
        return dy * y * (1 - y)


class SoftmaxPlainMean(Softmax):
    """dy less its plain mean, which should be weighted by the shares."""

    cause = "a term is missing or has a wrong factor"

    def times_slopes(self, dy, y):
        return y * (dy - dy.mean(axis=-1, keepdims=True))


class SoftmaxOverTheBatch(Softmax):
    """Shares over the samples of the batch instead of the last axis."""

    cause = "mixes_samples = True"

    def forward(self, x, training=False):
        self.check_input(x)
        y = np.exp(x)
        y /= y.sum(axis=0)
        self.save_for_backward(y)
        return y


class BrokenConv2D(Conv2D):
    """Conv2D(1, 3) by im2col, whose three gradients subclasses get wrong."""

    def __init__(self):
        super().__init__(1, 3, algorithm="im2col")

    def backward(self, dy, param_grads=True, input_grad=True):
        image, kernel = self.saved(dy)
        output = self.plan.encode_output(dy)
        if param_grads:
            self.bias_gradient(dy)
            self.grads["W"] += self.weight_gradient(image, output)
        return self.input_gradient(output, kernel) if input_grad else None

    def bias_gradient(self, dy):
        self.grads["b"] += dy.sum(axis=(0, 1, 2))

    def weight_gradient(self, image, output):
        return self.plan.weight_gradient(image, output)

    def input_gradient(self, output, kernel):
        return self.plan.input_gradient(output, kernel)


class Conv2DFlippedKernel(BrokenConv2D):
    """dW with both axes of the window reversed: convolution taken for correlation."""

    cause = "flipped"

    def weight_gradient(self, image, output):
        return self.plan.weight_gradient(image, output)[::-1, ::-1]


class Conv2DForgetsDilation(BrokenConv2D):
    """A window of every second pixel forward, but dx goes to the pixels of a dense window."""

    cause = "dx"

    def __init__(self):
        Conv2D.__init__(self, 1, 3, algorithm="im2col", dilation=2)

    def input_gradient(self, output, kernel):
        plan = copy.copy(self.plan)
        plan.dilation = (1, 1)
        return plan.input_gradient(output, kernel)


class Conv2DGroupsSwapped(BrokenConv2D):
    """dx of each group by the weights of the other one."""

    cause = "dx"

    def __init__(self):
        Conv2D.__init__(self, 2, 3, algorithm="im2col", groups=2)

    def input_gradient(self, output, kernel):
        return self.plan.input_gradient(output, kernel[::-1])


class DepthwiseOfAllFilters(BrokenConv2D):
    """dW summed over the filters, as if each of them saw every channel."""

    cause = "dW"

    def __init__(self):
        Conv2D.__init__(self, 2, 3, groups=2)

    def weight_gradient(self, image, output):
        dW = self.plan.weight_gradient(image, output)
        return np.broadcast_to(dW.sum(axis=3, keepdims=True), dW.shape)


class Conv2DFlippedInput(BrokenConv2D):
    """dx with the flipped kernel."""

    cause = "dx"

    def input_gradient(self, output, kernel):
        return self.plan.input_gradient(output, kernel[::-1])


class Conv2DPaddingOffByOne(BrokenConv2D):
    """dx shifted by one row, as when the padding is cut off on the wrong side."""

    cause = "dx"

    def input_gradient(self, output, kernel):
        return np.roll(self.plan.input_gradient(output, kernel), 1, axis=1)


class Conv2DBiasOfOnePlace(BrokenConv2D):
    """db summed over the batch only, at one place of the image."""

    cause = "db"

    def bias_gradient(self, dy):
        self.grads["b"] += dy[:, 0, 0].sum(axis=0)


class Conv2DOverlapLost(BrokenConv2D):
    """dx where windows overlap: the last contribution instead of the sum."""

    cause = "dx"

    def input_gradient(self, output, kernel):
        n, (p, q) = len(output), self.plan.outputs
        columns = (output.reshape(-1, 1) @ kernel.T).reshape(n, p, q, 3, 3, -1)
        dx = np.zeros((n, p + 2, q + 2, columns.shape[-1]))
        for u, v in np.ndindex(3, 3):
            dx[:, u : u + p, v : v + q] = columns[:, :, :, u, v]
        return dx[:, 1:-1, 1:-1]


class Conv2DTransposeSwapped(Conv2DTranspose):
    """dW of Conv2D's argument order: the kernel's channel axes exchanged."""

    cause = "permuted"

    def __init__(self):
        super().__init__(2, 3, algorithm="im2col")

    def backward(self, dy, param_grads=True, input_grad=True):
        output, kernel = self.saved(dy)
        image = self.plan.encode_image(dy)
        if param_grads:
            self.add_bias_gradient(dy)
            self.grads["W"] += self.plan.weight_gradient(image, output).transpose(0, 1, 3, 2)
        return self.plan.correlate(image, kernel) if input_grad else None


class UpSamplingPicksOne(UpSampling2D):
    """backward takes one pixel of each block instead of the sum of all."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy[:, ::2, ::2].copy() if input_grad else None


class MaxPoolToAll(MaxPool2D):
    """dy to every place of the window, as if it were a sum."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return self.spread(dy for _ in range(4)) if input_grad else None


class AveragePoolUndivided(AveragePool2D):
    """dy not divided by the number of pixels."""

    cause = "constant factor"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return self.spread(dy for _ in range(4)) if input_grad else None


class GlobalAverageOfRows(GlobalAveragePool2D):
    """dy divided by the number of rows, not of pixels."""

    cause = "constant factor"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        h, w, c = self.input_shape
        return np.broadcast_to(dy[:, None, None] / h, (len(dy), h, w, c)).copy() if input_grad else None


class BrokenSkip(Add):
    """x + tanh(x W + b), a skip connection that subclasses get wrong."""

    def __init__(self):
        super().__init__([Dense(3), Tanh()], [])


class SkipWithHalfTheGradient(BrokenSkip):
    """dy divided among the branches, though the sum passes all of it to each of them."""

    cause = "factor 1/2"

    def shares(self, dy):
        return [dy / 2, dy / 2]


class SkipWithoutSkip(BrokenSkip):
    """dx of the first branch alone: what goes past the layers is forgotten."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return backward_through(self.parts[0], dy, param_grads, input_grad)


class ConcatenateSwapped(Concatenate):
    """Each branch gets the other one's part of dy."""

    cause = "dx"

    def __init__(self):
        super().__init__([Tanh()], [])

    def shares(self, dy):
        return super().shares(dy)[::-1]


class BrokenLSTM(LSTM):
    """LSTM(2) with every state handed out, whose backward, one step after the other, subclasses get wrong."""

    def __init__(self):
        super().__init__(2, return_sequences=True)

    def backward(self, dy, param_grads=True, input_grad=True):
        fast, seen, h, c, gates = self.saved(dy)
        assert not fast, "few numbers, as here, take the plain passes"
        steps, size = self.input_shape
        W, U = self.params["W"], self.params["U"]
        dx, dW, dU, db = np.zeros((len(dy), steps, size)), np.zeros_like(W), np.zeros_like(U), np.zeros(8)
        dh, dc = np.zeros((len(dy), 2)), np.zeros((len(dy), 2))
        for t in reversed(range(steps)):
            (i, f, g, o), tc, last_c, new_c = gates[t + 1], np.tanh(c[t + 1]), c[t], c[t + 1]
            x, last_h, new_h = seen[:, t], h[t], h[t + 1]
            dh = self.state_gradient(dy[:, t], dh)
            dc = dc + dh * o * self.slope_of_shown_cell(new_c, tc)
            parts = (dc * g * i * (1 - i), self.forget_gate(dc, last_c, new_c, f), dc * i * (1 - g * g))
            da = np.concatenate([*parts, dh * tc * o * (1 - o)], axis=1)
            dW, dU, db = dW + x.T @ da, self.add_recurrent(dU, da, last_h, new_h), db + da.sum(axis=0)
            if t == steps - 1:
                last_step = dW, dU, db
            dx[:, t], dh, dc = da @ W.T, da @ U.T, self.earlier_cell(dc, f, i)
        if param_grads:
            for name, gradient in zip(("W", "U", "b"), self.parameter_gradients((dW, dU, db), last_step), strict=True):
                self.grads[name] += gradient.astype(self.dtype)
        return dx.astype(self.dtype) if input_grad else None

    def state_gradient(self, dy, dh):
        return dy + dh

    def slope_of_shown_cell(self, new_c, tanh_c):
        return 1 - tanh_c * tanh_c

    def forget_gate(self, dc, last_c, new_c, f):
        return dc * last_c * f * (1 - f)

    def add_recurrent(self, dU, da, last_h, new_h):
        return dU + last_h.T @ da

    def earlier_cell(self, dc, f, i):
        return dc * f

    def parameter_gradients(self, gradients, last_step):
        return gradients


class LSTMCellPathLost(BrokenLSTM):
    """Nothing goes back through the cell: the path c[t] = f c[t-1] + ..., for which the LSTM was invented, is cut."""

    cause = "dx: 20 compared values are wrong"

    def earlier_cell(self, dc, f, i):
        return np.zeros_like(dc)


class LSTMCellThroughInputGate(BrokenLSTM):
    """The way back through the cell is weighted by the input gate instead of the forget gate."""

    cause = "dx: 20 compared values are wrong"

    def earlier_cell(self, dc, f, i):
        return dc * i


class LSTMStatePathLost(BrokenLSTM):
    """What step t+1 hands back to h[t] replaced by dy[:,t] instead of added to it."""

    cause = "dx: 20 compared values are wrong"

    def state_gradient(self, dy, dh):
        return dy


class LSTMLastStepOnly(BrokenLSTM):
    """Parameter gradients from the last step alone, not summed over time: dx is right all the same."""

    cause = "dW: 16 compared values are wrong"

    def parameter_gradients(self, gradients, last_step):
        return last_step


class LSTMBiasGatesSwapped(BrokenLSTM):
    """db with the blocks of cell and output gate exchanged: another library's order."""

    cause = "db: 4 compared values are wrong. Likely cause: permuted"

    def parameter_gradients(self, gradients, last_step):
        dW, dU, db = gradients
        return dW, dU, db[[0, 1, 2, 3, 6, 7, 4, 5]]


class LSTMSlopeOfCell(BrokenLSTM):
    """1 - c^2 for the slope of tanh(c), instead of 1 - tanh(c)^2."""

    cause = "dx: 30 compared values are wrong"

    def slope_of_shown_cell(self, new_c, tanh_c):
        return 1 - new_c * new_c


class LSTMForgetsTheNewCell(BrokenLSTM):
    """The forget gate's gradient with c[t], though it multiplied c[t-1]."""

    cause = "dx: 30 compared values are wrong"

    def forget_gate(self, dc, last_c, new_c, f):
        return dc * new_c * f * (1 - f)


class LSTMStateOfTheSameStep(BrokenLSTM):
    """dU with h[t], though h[t-1] was multiplied by U: only dU is wrong."""

    cause = "dU: 16 compared values are wrong"

    def add_recurrent(self, dU, da, last_h, new_h):
        return dU + new_h.T @ da


class HiddenState(Layer):
    """Uses what an earlier batch left behind: the second forward of the same input differs."""

    cause = "save and load"

    def forward(self, x, training=False):
        self.scale = getattr(self, "scale", 1.0) * 1.5
        self.save_for_backward(self.scale)
        return x * self.scale

    def backward(self, dy, param_grads=True, input_grad=True):
        scale = self.saved(dy)
        return dy * scale if input_grad else None


class BatchNormOfOwnRows(BatchNorm):
    """Batch statistics of a worker's own rows, though it says that it sums over all workers."""

    cause = "workers. y is different"

    def forward(self, x, training=False):
        self.group = ALONE
        return super().forward(x, training)


class BatchNormMeansOfOwnRows(BatchNorm):
    """Right statistics forward, but dx with the sums of a worker's own rows: only dx is wrong."""

    cause = "workers. dx is different"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.group = ALONE
        return super().backward(dy, param_grads, input_grad)


class BatchNormGradientTwice(BatchNorm):
    """The gradient of all rows in each worker, where the workers' gradients are added up anyway."""

    cause = "workers. gradients is different"

    def add_grad(self, name, value, *operands):
        super().add_grad(name, self.group.sum(value))


class DropoutSameForAll(Dropout):
    """The same mask in each worker: not the one that the whole batch would get."""

    cause = "workers. y is different"

    def __init__(self):
        super().__init__(0.4)

    def forward(self, x, training=False):
        self.group = ALONE
        return super().forward(x, training)


class NoiseSameForAll(GaussianNoise):
    """The first noise of the pass in each worker: not what the whole batch would get."""

    cause = "workers. y is different"

    def __init__(self):
        super().__init__(0.5)

    def forward(self, x, training=False):
        self.group = ALONE
        return super().forward(x, training)


class SumsInOneWorker(Layer):
    """A sum over the workers that only the first one asks for: without a check the others would wait for ever."""

    cause = "do not call group.sum alike"
    mixes_samples = asks_group = True

    def forward(self, x, training=False):
        total = x.sum(axis=0)
        if self.group.rank == 0:
            total = self.group.sum(total)
        self.save_for_backward(None)
        return x + 0 * total

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy if input_grad else None


# broken tangents: all but the tangent is right


class TanhWithoutBend(Tanh):
    """No bend, as if the slope were the same for every x."""

    cause = "all zeros"

    def tangent(self, xdot):
        _, y = self.retained(xdot)
        return xdot * (1 - y * y)


class TanhBendHalf(Tanh):
    """A bend without the 2 from the derivative of y^2."""

    cause = "factor 1/2"

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        ydot = xdot * (1 - y * y)
        self.bend = -y * ydot * dy
        return ydot


class TanhBendWithoutDy(Tanh):
    """A bend that forgets dy."""

    cause = "a term is missing or has a wrong factor"

    def tangent(self, xdot):
        _, y = self.retained(xdot)
        ydot = xdot * (1 - y * y)
        self.bend = -2 * y * ydot
        return ydot


class SigmoidWrongCurve(Sigmoid):
    """f' where f'' should be."""

    cause = "a term is missing or has a wrong factor"

    def tangent(self, xdot):
        dy, _, y = self.retained(xdot)
        ydot = xdot * y * (1 - y)
        self.bend = ydot * dy
        return ydot


class SoftplusBendOfBothSlopes(Softplus):
    """s^2 where the curve is s (1 - s)."""

    cause = "a term is missing or has a wrong factor"

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        ydot = -self.minus_slope(y) * xdot
        self.bend = -self.minus_slope(y) * ydot * dy
        return ydot


class GELUOneSlopeOnly(GELU):
    """g' instead of 2 g' in the bend: the product rule gives it twice."""

    cause = "a term is missing or has a wrong factor"

    def tangent(self, xdot):
        dy, x, g = self.retained(xdot)
        slope, curve = self.gate_slope(x, g), self.gate_curve(x, g)
        self.bend = (slope + x * curve) * xdot * dy
        return (g + x * slope) * xdot


class SoftmaxBendOfSharesOnly(Softmax):
    """A bend in which the weighted mean of dy does not move."""

    cause = "a term is missing or has a wrong factor"

    def tangent(self, xdot):
        dy, y = self.retained(xdot)
        ydot = self.times_slopes(xdot, y)
        self.bend = ydot * (dy - (dy * y).sum(axis=-1, keepdims=True))
        return ydot


class SkipTangentOfOneBranch(BrokenSkip):
    """ydot of the first branch alone."""

    cause = "tangent, ydot"

    def tangent(self, xdot):
        self.retained(xdot)
        return tangent_through(self.parts[0], xdot)


class SkipWithoutBends(BrokenSkip):
    """The bends of the layers in the branches are left behind."""

    cause = "all zeros"

    def tangent_backward(self, dy=None, param_grads=True, input_grad=True):
        dx = None if dy is None else self.backward(dy, param_grads, input_grad)
        self.clear_cache()
        return dx


class LeakyReLUForwardAgain(LeakyReLU):
    """The slope at xdot instead of the slope at x."""

    cause = "tangent, ydot"

    def tangent(self, xdot):
        self.retained(xdot)
        return np.maximum(xdot, self.negative_slope * xdot)


class DenseWithBias(Dense):
    """ydot with the bias, which does not move."""

    cause = "tangent, ydot"

    def __init__(self):
        super().__init__(3)

    def tangent(self, xdot):
        return super().tangent(xdot) + self.params["b"]


class DenseWeightForgotten(DenseWithBias):
    """No gradient of the weights."""

    cause = "all zeros"

    def tangent(self, xdot):
        self.retained(xdot)
        return xdot @ self.params["W"]


class DenseTangentTransposed(DenseWithBias):
    """The gradient of the weights transposed."""

    cause = "transposed"

    def tangent(self, xdot):
        dy, _ = self.retained(xdot)
        self.add_grad("W", dy.T @ xdot)
        return xdot @ self.params["W"]


class DenseTangentAssigned(DenseWithBias):
    """The gradient assigned instead of added."""

    cause = "tangent did not add"

    def tangent(self, xdot):
        dy, _ = self.retained(xdot)
        self.grads["W"][...] = xdot.T @ dy
        return xdot @ self.params["W"]


class TangentSpoilsTheCache(Tanh):
    """What forward saved is changed by the tangent, so the last pass computes with something else."""

    cause = "tangent, backward after it"

    def tangent(self, xdot):
        ydot = super().tangent(xdot)
        samples, (y,) = self.cache
        self.cache = samples, (0 * y,)
        return ydot


class DenseTangentKeepsDy(DenseWithBias):
    """dy itself kept for the tangent, although the caller may write to it."""

    cause = "tangent, dy changed in between"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.kept = dy
        return super().backward(dy, param_grads, input_grad)

    def tangent(self, xdot):
        self.retained(xdot)
        self.add_grad("W", xdot.T @ self.kept)
        return xdot @ self.params["W"]


class DropoutNewMask(Dropout):
    """Other units switched off in the tangent pass than in forward."""

    cause = "tangent, ydot"

    def __init__(self):
        super().__init__(0.4)

    def tangent(self, xdot):
        self.retained(xdot)
        keep = keep_mask(xdot.shape, self.rate, self.state["seed"], self.state["calls"], self.xp)
        return self.switched(xdot, keep)


class NoiseOnDirection(GaussianNoise):
    """Noise added to xdot as well, though it does not move with x."""

    cause = "tangent, ydot"

    def __init__(self):
        super().__init__(0.5)

    def tangent(self, xdot):
        self.retained(xdot)
        return xdot + 0.5 * np.random.default_rng(0).standard_normal(xdot.shape)


class BatchNormFixedStatistics(BatchNorm):
    """Mean and variance held fixed in training, although they move with x."""

    cause = "tangent, ydot"

    def tangent(self, xdot):
        dy, _, r, _ = self.retained(xdot)
        self.add_grad("gamma", column_dot(dy, xdot * r))
        return self.params["gamma"] * r * xdot


class BatchNormBendOfMeanOnly(BatchNorm):
    """The bend without the move of the standard deviation."""

    cause = "a term is missing"

    def tangent(self, xdot):
        ydot = super().tangent(xdot)
        dy, xhat, r, m = self.retained(xdot)
        if m is not None:
            xhatdot = ydot / self.params["gamma"]
            dgamma, dgammadot = column_dot(dy, xhat), column_dot(dy, xhatdot)
            self.bend = -self.params["gamma"] * r * (xhatdot * dgamma / m + xhat * dgammadot / m)
        return ydot


class LayerNormGammaOutside(LayerNorm):
    """BatchNorm's formula for dx: gamma stands before the bracket, though it differs within a set."""

    cause = "dx: 15 compared values are wrong"

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r = self.saved(dy)
        dy, xhat, r = dy.reshape(-1, 3), xhat.reshape(-1, 3), r.reshape(-1, 1)
        if param_grads:
            self.grads["beta"] += dy.sum(axis=0)
            self.grads["gamma"] += (dy * xhat).sum(axis=0)
        mean, share = dy.mean(axis=1, keepdims=True), (dy * xhat).mean(axis=1, keepdims=True)
        return self.params["gamma"] * r * (dy - mean - xhat * share) if input_grad else None


class LayerNormGradientsOfFirstSample(LayerNorm):
    """dgamma and dbeta of the first sample alone: the layer normalises each sample, but all of them share gamma."""

    cause = "missing sum over the batch"

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r = (array[:, 0] for array in self.saved(dy))
        if param_grads:
            self.grads["beta"] += dy[0]
            self.grads["gamma"] += dy[0] * xhat[0]
        a = self.params["gamma"] * dy
        mean, share = a.mean(axis=1, keepdims=True), (a * xhat).mean(axis=1, keepdims=True)
        return r * (a - mean - xhat * share) if input_grad else None


class InstanceNormNoThirdTerm(InstanceNorm):
    """dx without the part through the variance."""

    cause = "dx: 30 compared values are wrong"

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r = self.saved(dy)
        if param_grads:
            self.grads["beta"] += dy.sum(axis=(0, 1))
            self.grads["gamma"] += (dy * xhat).sum(axis=(0, 1))
        return self.params["gamma"] * r * (dy - dy.mean(axis=1, keepdims=True)) if input_grad else None


class InstanceNormOfTheBatch(InstanceNorm):
    """Each channel normalised over all samples, as in BatchNorm, though it does not say that it mixes them."""

    cause = "mixes_samples"

    def places_shape(self, shape):
        return (1, shape[0] * shape[1], shape[2])


class GroupNormBendWithoutR(GroupNorm):
    """The bend without the move of r, the inverse standard deviation."""

    cause = "the input gradient of 0.GroupNormBendWithoutR"

    def __init__(self):
        super().__init__(2)

    def config(self):
        return {}

    def tangent(self, xdot):
        ydot = super().tangent(xdot)
        dy, xhat, r = (array.reshape(-1, 2, 3) for array in self.retained(xdot))
        gamma = self.params["gamma"].reshape(2, 3)
        a, xhatdot = gamma * dy, ydot.reshape(-1, 2, 3) / gamma
        share, moved = ((a * b).mean(axis=2, keepdims=True) for b in (xhat, xhatdot))
        self.bend = (-r * (xhatdot * share + xhat * moved)).reshape(xdot.shape)
        return ydot


class BrokenSpectralNorm(SpectralNorm):
    """A SpectralNorm of a Dense(3), with the gradient of W in one place."""

    def __init__(self):
        super().__init__(Dense(3))

    def config(self):
        return {}

    def add_grads_of(self, layer, measured):
        v, sigma, u = measured["W"]
        self.grads["b"] += layer.grads["b"]
        self.grads["W"] += self.weight_gradient(layer.grads["W"], layer.params["W"], v, sigma, u)


class SpectralNormSigmaIsAConstant(BrokenSpectralNorm):
    """dW without the way through sigma."""

    cause = "dW: 9 compared values are wrong. Likely cause: a term is missing"

    def weight_gradient(self, dWbar, Wbar, v, sigma, u):
        return dWbar / sigma


class SpectralNormGradientOfWbar(BrokenSpectralNorm):
    """dWbar itself for dW."""

    cause = "dW: 9 compared values are wrong"

    def weight_gradient(self, dWbar, Wbar, v, sigma, u):
        return dWbar


class SpectralNormTransposed(BrokenSpectralNorm):
    """u v^T for v u^T, the derivative of sigma."""

    cause = "dW: 6 compared values are wrong"

    def weight_gradient(self, dWbar, Wbar, v, sigma, u):
        return (dWbar - (dWbar * Wbar).sum() * np.outer(u, v)) / sigma


class SpectralNormTangentOfAConstant(SpectralNorm):
    """sigma as a constant in the tangent pass alone."""

    cause = "the input gradient of 0.SpectralNormTangentOfAConstant, gradients in training mode"

    def __init__(self):
        super().__init__(Dense(3))

    def config(self):
        return {}

    def tangent(self, xdot):
        _, layer, measured = self.retained(xdot)
        _, sigma, _ = measured["W"]
        layer.forget_grads()
        ydot = layer.tangent(xdot)
        self.add_grad("W", layer.grads["W"] / sigma)
        return ydot


class BrokenSpectralNormOfTwo(SpectralNorm):
    """A SpectralNorm of a Projection(3), which has two matrices, w and E."""

    def __init__(self):
        super().__init__(Projection(3))

    def config(self):
        return {}


class SpectralNormForgetsAMatrix(BrokenSpectralNormOfTwo):
    """The gradient of E without what goes through its sigma."""

    cause = "dE: 9 compared values are wrong"

    def add_grads_of(self, layer, measured):
        super().add_grads_of(layer, {"w": measured["w"]})


class SpectralNormSharesItsSigma(BrokenSpectralNormOfTwo):
    """Forward divides E by the sigma of w, backward by that of E."""

    cause = "dE: 9 compared values are wrong"

    def divided(self, measured):
        sigma = measured["w"][1]
        return super().divided({"w": measured["w"], "E": (None, sigma, None)})


class SpectralNormTangentForgetsAMatrix(BrokenSpectralNormOfTwo):
    """As SpectralNormForgetsAMatrix, in the tangent pass alone."""

    cause = "the input gradient of 0.SpectralNormTangentForgetsAMatrix, gradients in training mode"

    def tangent(self, xdot):
        _, layer, measured = self.retained(xdot)
        layer.forget_grads()
        ydot = layer.tangent(xdot)
        self.add_grads_of(layer, {"w": measured["w"]})
        return ydot


class TangentWritesToDirection(LeakyReLU):
    """xdot changed in place: the caller still needs it."""

    cause = "tangent, xdot modified"

    def tangent(self, xdot):
        ydot = super().tangent(xdot)
        xdot *= 2
        return ydot


class BatchNormTangentAlone(BatchNorm):
    """Sums over the rows of one worker in the tangent pass."""

    cause = "tangent, workers"

    def tangent(self, xdot):
        group, self.group = self.group, ALONE
        ydot = super().tangent(xdot)
        self.group = group
        return ydot


# layers that take labels


class EmbeddingLastWins(Embedding):
    """Of the samples of one class, only the last one counts: NumPy's += with an index that repeats adds once."""

    cause = "dE"

    def __init__(self):
        super().__init__(4, 2)

    def add_grad(self, name, value, *operands):
        dy, labels, _ = operands
        self.grads["E"][labels] += dy


class ConcatenateLabelCutsTheWrongEnd(ConcatenateLabel):
    """dx with the last columns of dy, which belong to the label."""

    cause = "dx: 15 compared values are wrong"

    def __init__(self):
        super().__init__(4)

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy[:, -3:] if input_grad else None


class BrokenProjection(Projection):
    """Projection(3), which subclasses get wrong."""

    def __init__(self):
        super().__init__(3)


class ProjectionWithoutClass(BrokenProjection):
    """dx of the part without a label alone: G would not learn which class it was asked for."""

    cause = "dx"

    def slope(self, labels, w, E):
        return 0 * E[labels] + w.T


class ProjectionSameForAllClasses(BrokenProjection):
    """Every class gets the gradient of all samples."""

    cause = "dE"

    def add_grad(self, name, value, *operands):
        if name == "E":
            rows, *_ = operands
            super().add_grad(name, np.broadcast_to(rows.sum(axis=0), self.params[name].shape))
        else:
            super().add_grad(name, value, *operands)


class ProjectionTangentWithX(BrokenProjection):
    """In the tangent pass, the gradient of E with x instead of xdot."""

    cause = "dE"

    def tangent(self, xdot):
        dy, x, labels = self.retained(xdot)
        self.add_grad("w", xdot.T @ dy)
        self.add_grad("E", class_sums(x * dy, labels, self.classes))
        return self.weighted(xdot, labels, self.params["w"], self.params["E"])


class LabelOfTheFirstSample(BrokenProjection):
    """The first label for all samples."""

    cause = "labels. another label of the first sample"

    def forward(self, x, training=False, labels=None):
        return super().forward(x, training, np.repeat(labels[:1], len(x)))


class ConditionalBatchNormFactorOut(ConditionalBatchNorm):
    """gamma in front of the means, as in BatchNorm; but here it differs from sample to sample."""

    cause = "dx"

    def __init__(self):
        super().__init__(3)

    def backward(self, dy, param_grads=True, input_grad=True):
        xhat, r, m, labels = self.saved(dy)
        if param_grads:
            self.add_grad("beta", class_sums(dy, labels, self.classes))
            self.add_grad("gamma", class_sums(dy * xhat, labels, self.classes))
        if not input_grad:
            return None
        scale = self.params["gamma"][labels] * r
        return scale * (dy if m is None else self.centred(dy, xhat, m)[0])


class ContrastWithoutMean(RandomColor):
    """The mean of the image counted as a constant, although it depends on every pixel."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if choice is None or not input_grad:
            return dy if input_grad else None
        _, s, k = choice
        return k * s * dy + k * (1 - s) * dy.mean(axis=3, keepdims=True)


class BrightnessInTangent(RandomColor):
    """The brightness added to the direction, too, although y + b moves as y does."""

    cause = "tangent, ydot"

    def tangent(self, xdot):
        _, choice = self.retained(xdot)
        return xdot if choice is None else self.mixed(xdot, *choice[1:]) + choice[0]


class TranslationTheSameWay(RandomTranslation):
    """dy moved in the direction of x, not back."""

    cause = "dx"

    def __init__(self):
        super().__init__(0.5)

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if choice is None or not input_grad:
            return dy if input_grad else None
        return self.moved(dy, *choice)


class TranslationAround(RandomTranslation):
    """What leaves the image on one side comes in on the other, but in backward only."""

    cause = "dx"

    def __init__(self):
        super().__init__(0.5)

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if choice is None or not input_grad:
            return dy if input_grad else None
        moves = zip(*choice, strict=True)
        return np.stack([np.roll(image, (-p, -q), (0, 1)) for image, (p, q) in zip(dy, moves, strict=True)])


class CutoutAnew(Cutout):
    """Another rectangle in backward than in forward."""

    cause = "dx"

    def backward(self, dy, param_grads=True, input_grad=True):
        choice = self.saved(dy)
        if choice is None or not input_grad:
            return dy if input_grad else None
        u = uniform_numbers((len(dy), 2), self.state["seed"], self.state["calls"] + 1, self.xp)
        return self.cut(dy, *self.choose(u))


class CutoutOfTheFirst(Cutout):
    """The same rectangle for all workers: the place of the images in the whole batch is forgotten."""

    cause = "workers"

    def forward(self, x, training=False):
        group, self.group = self.group, ALONE
        y = super().forward(x, training)
        self.group = group
        return y


IMAGES = (
    RandomColor,
    RandomTranslation,
    Cutout,
    Conv2D,
    Conv2DTranspose,
    UpSampling2D,
    MaxPool2D,
    AveragePool2D,
    GlobalAveragePool2D,
)


def input_shape_for(kind):
    if issubclass(kind, InstanceNorm):
        return (3, 2)
    if issubclass(kind, GroupNorm):
        return (6,)
    if issubclass(kind, IMAGES):
        return (4, 4, 2)
    if issubclass(kind, LSTM):
        return (3, 2)
    return (2, 3) if issubclass(kind, Flatten) else (12,) if issubclass(kind, Dropout) else (3,)


# name -> (class, input shape)
CATALOGUE = {
    kind.__name__: (kind, input_shape_for(kind))
    for kind in list(globals().values())
    if isinstance(kind, type) and issubclass(kind, Layer) and hasattr(kind, "cause")
}
