"""The losses, each giving its value and its gradient together: `value, dlogits = loss(logits, targets)`.

They take logits, the numbers before a sigmoid or softmax: folded into the loss, both stay exact where they saturate.
Derivations: docs/layers/losses.md
"""

from minigan import backend
from minigan.errors import DataError, DtypeError, ShapeError
from minigan.ops.cross_entropy import binary_cross_entropy


class BinaryCrossEntropy:
    """How far the probability sigmoid(x) is from the target t in [0, 1], or near it (noisy labels may leave it).

    Value      mean( max(x, 0) - x t + log(1 + exp(-|x|)) ) = mean( -t log s(x) - (1 - t) log(1 - s(x)) )
    Gradient   (1) dx = (s(x) - t) / N                                         s: sigmoid, N: number of elements
    Shapes     logits x (any shape), targets the same shape or one number for all; both exact for |x| up to 1e4
    Source     docs/layers/losses.md; the code: minigan/ops/cross_entropy.py
    """

    def __call__(self, logits, targets):
        check_pair("BinaryCrossEntropy", logits, targets)
        return binary_cross_entropy(logits, targets)  # (1)


class MeanSquaredError:
    """The squared distance to the target.

    Value      mean( (x - t)^2 )
    Gradient   (1) dx = 2 (x - t) / N                                          N: number of elements
    Shapes     x (any shape), targets the same shape or one number for all
    """

    def __call__(self, logits, targets):
        check_pair("MeanSquaredError", logits, targets)
        difference = logits - targets
        return (difference * difference).mean(), difference * (2 / logits.size)  # (1)


class SoftmaxCrossEntropy:
    """How improbable softmax(x) finds the true class.

    Value      mean_n( log sum_k exp(x[n,k]) - sum_k t[n,k] x[n,k] )           for targets that sum to 1
    Gradient   (1) dx[n,k] = (softmax(x)[n,k] - t[n,k]) / n
    Shapes     logits x (n, k); targets either class numbers (n,) of an integer type, or probabilities t (n, k)
    """

    def __call__(self, logits, targets):
        xp = backend.array_module(logits)
        if logits.ndim != 2:
            raise ShapeError(f"SoftmaxCrossEntropy: expected logits of shape (n, k), got {logits.shape}.")
        if targets.shape == logits.shape[:1] and targets.dtype.kind in "iu":
            targets = one_hot(targets, logits)
        check_pair("SoftmaxCrossEntropy", logits, targets)
        shifted = logits - logits.max(axis=1, keepdims=True)  # exp of at most 0 cannot overflow
        exponentials = xp.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        value = (xp.log(sums[:, 0]) - (targets * shifted).sum(axis=1)).mean()
        return value, (exponentials / sums - targets) / len(logits)  # (1)


def one_hot(labels, logits):
    """Class numbers (n,) as rows with a single 1, in the shape and dtype of `logits`."""
    classes = backend.array_module(labels).arange(logits.shape[1])
    if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise DataError(
            f"SoftmaxCrossEntropy: expected class numbers from 0 to {len(classes) - 1}, got {int(labels.min())} to "
            f"{int(labels.max())}."
        )
    return (labels[:, None] == classes).astype(logits.dtype)


def check_pair(name, logits, targets):
    """Refuse targets of another shape or dtype, which NumPy would broadcast or upcast; returns the array module."""
    if logits.size == 0:
        raise ShapeError(f"{name}: expected at least one logit, got shape {logits.shape}.")
    if isinstance(targets, (int, float)):
        return backend.array_module(logits)
    if getattr(targets, "shape", None) != logits.shape:
        raise ShapeError(
            f"{name}: expected targets of the shape of the logits, {logits.shape}, or one number; got "
            f"{getattr(targets, 'shape', type(targets).__name__)}."
        )
    if targets.dtype != logits.dtype:
        raise DtypeError(f"{name}: expected targets of {logits.dtype} like the logits, got {targets.dtype}.")
    return backend.array_module(logits)
