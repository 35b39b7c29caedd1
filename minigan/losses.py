"""The losses, each giving its value and its gradient together: `value, dlogits = loss(logits, targets)`.

They take logits, the numbers before a sigmoid or softmax: folded into the loss, both stay exact where they saturate.
Derivations: docs/layers/losses.md
"""

from minigan import backend
from minigan.errors import DataError, DeviceError, DtypeError, ShapeError
from minigan.ops.cross_entropy import binary_cross_entropy
from minigan.options import require_array, require_number


class BinaryCrossEntropy:
    """How far the probability sigmoid(x) is from the target t in [0, 1], or near it (noisy labels may leave it).

    Value      mean( max(x, 0) - x t + log(1 + exp(-|x|)) ) = mean( -t log s(x) - (1 - t) log(1 - s(x)) )
    Gradient   (1) dx = (s(x) - t) / N                                         s: sigmoid, N: number of elements
    Shapes     logits x (any shape), targets the same shape or one number for all; both exact for |x| up to 1e4
    Source     docs/layers/losses.md; the code: minigan/ops/cross_entropy.py
    """

    def __call__(self, logits, targets):
        targets = checked_targets("BinaryCrossEntropy", logits, targets)
        return binary_cross_entropy(logits, targets)  # (1)


class MeanSquaredError:
    """The squared distance to the target.

    Value      mean( (x - t)^2 )
    Gradient   (1) dx = 2 (x - t) / N                                          N: number of elements
    Shapes     x (any shape), targets the same shape or one number for all
    """

    def __call__(self, logits, targets):
        targets = checked_targets("MeanSquaredError", logits, targets)
        difference = logits - targets
        return (difference * difference).mean(), difference * (2 / logits.size)  # (1)


class SoftmaxCrossEntropy:
    """How improbable softmax(x) finds the true class.

    Value      mean_n( log sum_k exp(x[n,k]) - sum_k t[n,k] x[n,k] )           for targets that sum to 1
    Gradient   (1) dx[n,k] = (softmax(x)[n,k] - t[n,k]) / n
    Shapes     logits x (n, k); targets either class numbers (n,) of an integer type, or probabilities t (n, k)
    """

    def __call__(self, logits, targets):
        name = type(self).__name__
        check_logits(name, logits)
        require_array(name, targets=targets)
        if logits.ndim != 2:
            raise ShapeError(f"{name}: expected logits of shape (n, k), got {logits.shape}.")
        if targets.shape == logits.shape[:1]:
            targets = one_hot(targets, logits)
        targets, xp = checked_targets(name, logits, targets), backend.array_module(logits)
        shifted = logits - logits.max(axis=1, keepdims=True)  # exp of at most 0 cannot overflow
        exponentials = xp.exp(shifted)
        sums = exponentials.sum(axis=1, keepdims=True)
        value = (xp.log(sums[:, 0]) - (targets * shifted).sum(axis=1)).mean()
        return value, (exponentials / sums - targets) / len(logits)  # (1)


def one_hot(labels, logits):
    """Class numbers (n,) as rows with a single 1, in the shape and dtype of `logits`."""
    if labels.dtype.kind not in "iu":
        raise DtypeError(
            f"SoftmaxCrossEntropy: expected class numbers of an integer type, got {labels.dtype}. Whole numbers become "
            'one by labels.astype("int64").'
        )
    classes = backend.array_module(labels).arange(logits.shape[1])
    if int(labels.min()) < 0 or int(labels.max()) >= len(classes):
        raise DataError(
            f"SoftmaxCrossEntropy: expected class numbers from 0 to {len(classes) - 1}, got {int(labels.min())} to "
            f"{int(labels.max())}."
        )
    return (labels[:, None] == classes).astype(logits.dtype)


def check_logits(name, logits):
    """Refuse what is no array of floating-point numbers, or an empty one."""
    require_array(name, logits=logits)
    if logits.dtype.kind != "f":
        raise DtypeError(f"{name}: expected logits of float32 or float64, got {logits.dtype}.")
    if logits.size == 0:
        raise ShapeError(f"{name}: expected at least one logit, got shape {logits.shape}.")


def checked_targets(name, logits, targets):
    """Return targets that fit: one number, or an array like the logits. Others NumPy would broadcast or upcast."""
    check_logits(name, logits)
    if not backend.is_array(targets):
        return require_number(name, targets=targets)
    if targets.shape != logits.shape:
        raise ShapeError(
            f"{name}: expected targets of the shape of the logits, {logits.shape}, or one number; got {targets.shape}."
        )
    if targets.dtype != logits.dtype:
        kind = "integer labels of " if targets.dtype.kind in "iu" else ""
        raise DtypeError(
            f"{name}: expected targets of {logits.dtype} like the logits, got {kind}{targets.dtype}. Convert them: "
            f'targets.astype("{logits.dtype}").'
        )
    if backend.array_module(targets) is not backend.array_module(logits):
        raise DeviceError(f"{name}: logits and targets live on two devices. Move one: backend.to_device(targets, xp).")
    return targets
