"""Binary cross-entropy of logits, value and gradient in one."""

import numpy as np

from minigan.backend import array_module
from minigan.ops.gpu.kernels import launch


def binary_cross_entropy(logits, targets):
    """(mean( max(x, 0) - x t + log(1 + exp(-|x|)) ), (sigmoid(x) - t) / N), for targets t of x's shape or one number"""
    xp = array_module(logits)
    if xp is np:
        value = (np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-abs(logits)))).mean()
        sigmoid = 0.5 * (1 + np.tanh(0.5 * logits))
        return value, (sigmoid - targets) / logits.size
    array, number = (None, float(targets)) if isinstance(targets, (int, float)) else (targets, 0.0)
    logits, loss, dlogits = xp.ascontiguousarray(logits), xp.empty_like(logits), xp.empty_like(logits)
    launch("binary_cross_entropy", logits.dtype, logits.size, logits, array, number, loss, dlogits)
    return loss.mean(), dlogits
