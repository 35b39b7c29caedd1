"""The losses. Each returns its value and its gradient together: `value, dlogits = loss(logits, targets)`.

They take logits, the numbers before a sigmoid or softmax. The loss contains the sigmoid or softmax itself, and so stays
exact where these saturate.
Derivations: docs/layers/losses.md
"""

from minigan import backend
from minigan.errors import DataError, DeviceError, DtypeError, ShapeError
from minigan.hints import Array
from minigan.misuse import tell_once
from minigan.ops import cross_entropy
from minigan.ops.sigmoid import sigmoid, softplus, weighted
from minigan.ops.sums import mean
from minigan.options import DTYPES, require_array, require_number, shown

FAR = 0.5  # how far noisy targets may lie outside of [0, 1]
# how far the sum of a row of probabilities may be from 1. Rounding moves the sums of smoothed labels by at most 5e-4 in
# float16 and 4e-3 in bfloat16, and three shares of 0.33 sum to 0.99; two classes in one row sum to 2
SUM_TOLERANCE = 0.02


class BinaryCrossEntropy:
    """The binary cross-entropy of the probability s = sigmoid(x) and the target t in [0, 1] (noisy ones may exceed it).

    Value      (1) L  = mean( -t log s - (1 - t) log(1 - s) )          log s = -softplus(-x), log(1 - s) = -softplus(x)
    Gradient   (2) dx = (s - t) / N                                    N: number of elements
    Shapes     logits x (any shape), targets the same shape or one number for all
    Precision  all digits for every x: (2) is computed as (1 - t) s - t (1 - s) with 1 - s = sigmoid(-x), since the
               plain difference s - t would be 0 where s rounds to 1 and t = 1
    Fast form  minigan/ops/cross_entropy.py, for many logits and for GPUs
    Source     docs/layers/losses.md
    """

    def __call__(self, logits: Array, targets: Array | float) -> tuple[float, Array]:
        x, t = logits, checked_targets("BinaryCrossEntropy", logits, targets)
        tell_of_far_targets(self, t)
        if cross_entropy.pays(x):
            return cross_entropy.binary_cross_entropy(x, t)
        value = mean(weighted(t, softplus(-x)) + weighted(1 - t, softplus(x)))  # (1)
        dx = ((1 - t) * sigmoid(x) - t * sigmoid(-x)) / x.size  # (2)
        return value, dx


class MeanSquaredError:
    """The mean squared distance to the target.

    Value      (1) L  = mean( (x - t)^2 )
    Gradient   (2) dx = 2 (x - t) / N                                  N: number of elements
    Shapes     x (any shape), targets the same shape or one number for all
    """

    def __call__(self, logits: Array, targets: Array | float) -> tuple[float, Array]:
        x, t = logits, checked_targets("MeanSquaredError", logits, targets)
        difference = x - t
        value = mean(difference * difference)  # (1)
        dx = difference * (2 / x.size)  # (2)
        return value, dx


class SoftmaxCrossEntropy:
    """The cross-entropy of the probabilities p = softmax(x) and the true class.

    Value      (1) L  = mean_n( -sum_j t[n,j] log p[n,j] ) = mean_n( log sum_l e^x[n,l] - sum_j t[n,j] x[n,j] )
    Gradient   (2) dx[n,j] = (p[n,j] - t[n,j]) / m, for m samples
    Shapes     logits x (n, k), k classes; targets either class numbers (n,) of an integer type, or probabilities t
               (n, k), whose rows sum to 1 (checked on the CPU)
    Precision  all digits: (2) is computed as (1 - t) p - t (1 - p). For the largest class, whose p may round to 1,
               1 - p is the sum of the other probabilities
    """

    def __call__(self, logits: Array, targets: Array) -> tuple[float, Array]:
        name = type(self).__name__
        check_logits(name, logits)
        if logits.ndim != 2:
            raise ShapeError(f"{name}: expected logits of shape (n, k), got {logits.shape}.")
        x, t, xp = logits, checked_probabilities(logits, targets), backend.array_module(logits)
        # adding a constant to all logits of a row changes nothing: if the largest is 0, e^x cannot overflow
        largest = xp.arange(x.shape[1]) == x.argmax(axis=1)[:, None]  # one True in each row
        below = xp.where(largest, 0, x.max(axis=1, keepdims=True))  # 0 there, since infinity minus infinity is NaN
        x = xp.where(largest, 0, x - below)
        exponentials = xp.exp(x)
        others = xp.where(largest, 0, exponentials).sum(axis=1, keepdims=True)  # the sum is 1 + others
        value = mean(xp.log1p(others[:, 0]) - weighted(t, x).sum(axis=1))  # (1)
        p = exponentials / (1 + others)
        rest = xp.where(largest, others, 1 + others - exponentials) / (1 + others)  # 1 - p
        dx = ((1 - t) * p - t * rest) / len(x)  # (2)
        return value, dx


def checked_probabilities(logits, targets):
    """Return the targets of SoftmaxCrossEntropy as probabilities (n, k), whose rows sum to 1 but for rounding."""
    name, (n, k) = "SoftmaxCrossEntropy", logits.shape
    if not backend.is_array(targets):
        raise DtypeError(
            f"{name}: expected targets as an array, got {shown(targets)}. Convert class numbers by "
            f'numpy.asarray(targets, "int64"), and probabilities by numpy.asarray(targets, "{logits.dtype}").'
        )
    require_array(name, targets=targets)
    if targets.shape == (n,):
        return checked_targets(name, logits, one_hot(targets, logits))
    if targets.shape != (n, k):
        advice = " For labels in a column: labels[:, 0]." if targets.shape == (n, 1) else ""
        raise ShapeError(
            f"{name}: expected class numbers of shape ({n},), or probabilities of shape ({n}, {k}), got "
            f"{targets.shape}.{advice}"
        )
    checked_targets(name, logits, targets)
    if not backend.reading_waits(backend.array_module(targets)):
        require_sums_of_1(targets)
    return targets


def require_sums_of_1(probabilities):
    """Raise DataError unless each row sums to 1: otherwise both value and gradient are wrong."""
    sums = probabilities.sum(axis=1)
    wrong = ~(abs(sums - 1) <= SUM_TOLERANCE)  # also NaN
    if wrong.any():
        raise DataError(
            f"SoftmaxCrossEntropy: expected probabilities that sum to 1 in each row, got a row that sums to "
            f"{sums[wrong][0]:.4g}. Divide each row by its sum: targets / targets.sum(axis=1, keepdims=True). If a "
            "sample can have several classes, take BinaryCrossEntropy."
        )


def one_hot(labels, logits):
    """Return class numbers (n,) as rows with a single 1, in the shape and dtype of `logits`."""
    if labels.dtype.kind not in "iu":
        raise DtypeError(
            f"SoftmaxCrossEntropy: expected class numbers of an integer type, got {labels.dtype}. Convert whole "
            'numbers by labels.astype("int64").'
        )
    classes = backend.array_module(labels).arange(logits.shape[1])
    if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise DataError(
            f"SoftmaxCrossEntropy: expected class numbers from 0 to {len(classes) - 1}, got {int(labels.min())} to "
            f"{int(labels.max())}."
        )
    return (labels[:, None] == classes).astype(logits.dtype)


def tell_of_far_targets(loss, targets):
    """Warn if targets are far outside of [0, 1], such as -1 and 1: the loss can then fall without limit."""
    if backend.is_array(targets):
        if backend.reading_waits(backend.array_module(targets)):
            return  # reading them would wait for the GPU
        low, high = float(targets.min()), float(targets.max())
    else:
        low = high = targets
    if low < -FAR or high > 1 + FAR:
        tell_once(
            loss,
            f"BinaryCrossEntropy: the targets go from {low:.4g} to {high:.4g}, but 0 means no and 1 means yes. With "
            "targets far outside of [0, 1], the loss falls without limit.",
            stacklevel=4,
        )


def check_logits(name, logits):
    """Raise an error unless the logits are a non-empty array of float32 or float64."""
    require_array(name, logits=logits)
    if logits.dtype not in DTYPES:
        raise DtypeError(
            f"{name}: expected logits of float32 or float64, got {logits.dtype}. Convert them: "
            'logits.astype("float32").'
        )
    if logits.size == 0:
        raise ShapeError(f"{name}: expected at least one logit, got shape {logits.shape}.")


def checked_targets(name, logits, targets):
    """Return the targets if they are one number or an array like the logits; NumPy would broadcast others."""
    check_logits(name, logits)
    if not backend.is_array(targets):
        if isinstance(targets, (list, tuple)):
            require_array(name, dtype=logits.dtype, targets=targets)
        return require_number(name, targets=targets)
    if targets.shape != logits.shape:
        advice = f" Give them this shape: targets.reshape{logits.shape}." if targets.size == logits.size else ""
        raise ShapeError(
            f"{name}: expected targets of the shape of the logits, {logits.shape}, or one number, got "
            f"{targets.shape}.{advice}"
        )
    if targets.dtype != logits.dtype:
        kind = "integer labels of " if targets.dtype.kind in "iu" else ""
        raise DtypeError(
            f"{name}: expected targets of {logits.dtype} like the logits, got {kind}{targets.dtype}. Convert them: "
            f'targets.astype("{logits.dtype}").'
        )
    if backend.array_module(targets) is not backend.array_module(logits):
        raise DeviceError(
            f"{name}: logits and targets are on different devices. Move one of them: backend.to_device(targets, xp)."
        )
    return targets
