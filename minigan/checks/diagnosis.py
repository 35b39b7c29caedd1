"""Diagnosis of a wrong gradient: guesses the mistake in a backward pass from the computed and the measured array."""

import numpy as np

CLOSE = 1e-4


def likely_cause(name, analytic, numeric, probe):
    """Return one sentence about the likely mistake.

    analytic, numeric: the gradient as backward computed it and as it was measured, in the array's own shape where
    all entries were compared, as a sample of entries otherwise. `probe` measures again where a guess needs it.
    """
    batch = len(probe.x)
    if not analytic.any():
        return "all zeros: this gradient is never computed, or never added to grads."
    if not numeric.any():
        return "the output does not depend on this array, so its gradient is 0."
    return (
        constant_factor(analytic, numeric, batch)
        or axes_in_wrong_order(analytic, numeric)
        or one_sample_only(name, analytic, probe)
        or other_entries_zero(analytic, numeric)
        or missing_batch_term(name, analytic, numeric, probe)
        or "a term is missing or has a wrong factor or index. Compare the code with the derivation, term by term."
    )


def same(a, b):
    return a.shape == b.shape and np.linalg.norm(a - b) <= CLOSE * np.linalg.norm(b)


def constant_factor(analytic, numeric, batch):
    """Recognise analytic = c numeric, for one number c."""
    c = float((analytic * numeric).sum() / (numeric * numeric).sum())
    if abs(c) < CLOSE or not same(analytic, c * numeric):
        return None
    for value, cause in (
        (-1, "the sign is wrong."),
        (batch, f"factor n: {batch} times too large, the batch size n; forward takes a mean, backward sums."),
        (
            1 / batch,
            "factor 1/n: divided by the batch size n; only the loss averages over the batch, backward must sum.",
        ),
        (2, "factor 2: it is computed or added twice."),
        (0.5, "factor 1/2: a 2 from the derivative of a square is missing."),
    ):
        if abs(c - value) <= CLOSE * abs(value):
            return cause
    if analytic.size == 1:
        return None  # any wrong number is some factor times the right one
    return f"a constant factor: every entry is {c:.6g} times what it should be."


def axes_in_wrong_order(analytic, numeric):
    """Recognise the right numbers in other places."""
    if numeric.ndim == 2 and (same(analytic, numeric.T) or same(analytic.reshape(numeric.T.shape).T, numeric)):
        return "transposed: the right numbers with rows and columns exchanged; write x.T @ dy, not dy.T @ x."
    if numeric.ndim >= 2 and same(analytic, np.flip(numeric, (0, 1))):
        return "flipped: the right numbers with both window axes reversed."
    if numeric.ndim >= 1 and same(np.sort(analytic, axis=None), np.sort(numeric, axis=None)):
        return "permuted: the right numbers in other places; check reshape and transpose."
    return None


def one_sample_only(name, analytic, probe):
    """Recognise a parameter's gradient of only one sample, measured with the weights of the others at 0."""
    if name == "dx" or len(probe.x) < 2 or analytic.shape != probe.arrays()[name].shape:
        return None
    weights, array, base = probe.weights, probe.arrays()[name], probe.base
    try:
        for sample, which in ((0, "first"), (-1, "last")):
            probe.weights = np.zeros_like(weights)
            probe.weights[sample] = weights[sample]
            probe.base = probe.loss()
            alone = np.array([probe.slope(array, index)[0] for index in np.ndindex(array.shape)]).reshape(array.shape)
            if same(analytic, alone):
                return f"missing sum over the batch: this is the gradient of the {which} sample only."
    finally:
        probe.weights, probe.base = weights, base
    return None


def other_entries_zero(analytic, numeric):
    """Recognise zeros in wrong places: another mask than in forward."""
    zero = abs(numeric) < 1e-8 * abs(numeric).max()
    wrong_on, wrong_off = ((analytic != 0) & zero).mean(), ((analytic == 0) & ~zero).mean()
    if wrong_on > 0.02 and wrong_off > 0.02:
        return "other units are switched off than in forward: save forward's mask, never draw a new one."
    return None


def missing_batch_term(name, analytic, numeric, probe):
    """Recognise a difference that is constant over the batch or linear in the input, as from half a BatchNorm."""
    if name != "dx" or analytic.shape != probe.x.shape:
        return None
    channels = analytic.shape[-1]
    missing = (numeric - analytic).reshape(-1, channels)
    if len(missing) == 1:
        return None  # any difference is the same in all rows of one
    if np.abs(missing - missing.mean(axis=0)).max() <= CLOSE * np.abs(missing).max():
        return "missing term: the difference is the same for all samples, so it is a mean over the batch (of dy, say)."
    centred = probe.x.reshape(-1, channels) - probe.x.reshape(-1, channels).mean(axis=0)
    slope = (missing * centred).sum(axis=0) / np.maximum((centred * centred).sum(axis=0), 1e-300)
    if same(slope * centred, missing):
        return (
            "missing term: the difference is proportional to x - mean(x) in each channel, like BatchNorm's third "
            "term, xhat mean(dy xhat)."
        )
    return None
