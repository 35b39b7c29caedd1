"""The optimizers: each updates the flat vector of a network's parameters. And two kinds of clipping.

Each optimizer is made for one network. It stores what it remembers in `state`, by name, so that it can be saved.
Derivations, and first steps by hand: docs/layers/optimizers.md
"""

import math
import warnings

import numpy as np

from minigan import backend
from minigan.errors import MisuseWarning, OptionError
from minigan.network import Sequential
from minigan.ops import adam_update
from minigan.ops.gpu.graphs import from_host
from minigan.ops.pieces import in_pieces
from minigan.ops.squares import bounded, largest_square_root, norm
from minigan.options import require_built, require_epsilon, require_flag, require_positive, require_share


class Optimizer:
    """The base class of all optimizers: the network, the learning rate, the number of steps taken."""

    elementwise = False  # True if `update` treats each number of the vector by itself, so that threads can share it
    doubtful_lr = math.inf  # from this learning rate on, a warning: it is nearly always a mistake

    def __init__(self, net: Sequential, lr: float):
        owner = type(self).__name__
        self.net, self.lr, self.steps = require_built(owner, net=net), require_positive(owner, lr=lr), 0
        self.xp = backend.array_module(net.flat_params)
        self.state = {}
        if self.lr >= self.doubtful_lr:
            warnings.warn(
                f"{owner}: lr={self.lr:g} moves every parameter by about that much in each step. Usual values are "
                "1e-4 to 1e-2.",
                MisuseWarning,
                stacklevel=3,
            )

    def __getstate__(self):
        """Return what copies and pickles hold: everything but the array module, which follows from the network."""
        return {name: value for name, value in vars(self).items() if name != "xp"}

    def __setstate__(self, values):
        vars(self).update(values)
        self.xp = backend.array_module(self.net.flat_params)

    def step(self) -> None:
        """Update the parameters from the gradients. The gradients stay as they are (`zero_grads` clears them)."""
        numbers = from_host(self.next_numbers, self.xp)
        if self.net.shared and self.is_elementwise():
            self.net.shared.update(self, numbers)
        else:
            self.update(self.net.flat_params, self.net.flat_grads, numbers)

    def is_elementwise(self):
        """Return whether the class that defines `update` says that it treats each number of the vector by itself."""
        owner = next(kind for kind in type(self).__mro__ if "update" in vars(kind))
        return vars(owner).get("elementwise", False) and "update" not in vars(self)

    def update(self, params, grads, numbers):
        """Change the vector `params` in place; `numbers` are what `numbers()` returns."""
        raise NotImplementedError(f"{type(self).__name__} has no update(params, grads, numbers)")

    def next_numbers(self):
        """Count the step, and return its `numbers()` as an array in the dtype of the network."""
        self.steps += 1
        return np.array(self.numbers(), self.net.dtype)

    def numbers(self):
        """Return the numbers that change from step to step, for step number `steps`."""
        return [self.lr]


class SGD(Optimizer):
    """Stochastic gradient descent, with or without momentum.

    Update     (1) p <- p - lr g                       plain, without momentum
               (2) v <- momentum v + g
               (3) p <- p - lr v                       with momentum
               (4) p <- p - lr (g + momentum v)        Nesterov: the gradient as if one step further
    Source     Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"
    """

    elementwise = True

    def __init__(self, net: Sequential, lr: float, momentum: float = 0.0, nesterov: bool = False):
        super().__init__(net, lr)
        self.momentum, self.nesterov = require_share("SGD", momentum=momentum), require_flag("SGD", nesterov=nesterov)
        if self.nesterov and self.momentum == 0:
            raise OptionError("SGD: nesterov=True needs a momentum above 0.")
        if self.momentum:
            self.state["velocity"] = self.xp.zeros_like(net.flat_params)

    def update(self, params, grads, numbers):
        (lr,) = numbers
        if not self.momentum:
            for p, g in in_pieces(params, grads):
                p -= lr * g  # (1)
            return
        for p, g, v in in_pieces(params, grads, self.state["velocity"]):
            v *= self.momentum
            v += g  # (2)
            if self.nesterov:
                p -= lr * (g + self.momentum * v)  # (4)
            else:
                p -= lr * v  # (3)


class RMSProp(Optimizer):
    """An optimizer that divides each gradient by its recent size, so steps are about equal in all directions.

    Update     (1) s <- rho s + (1 - rho) g^2
               (2) p <- p - lr g / (sqrt(s) + epsilon)
    Range      a gradient whose square overflows (beyond 9e18 in float32) counts as the largest one whose square fits:
               otherwise s would be infinite, and the parameter would never move again
    Source     Tieleman & Hinton 2012, Coursera "Neural Networks for Machine Learning", lecture 6.5
    """

    elementwise = True
    doubtful_lr = 1

    def __init__(self, net: Sequential, lr: float, rho: float = 0.99, epsilon: float = 1e-8):
        super().__init__(net, lr)
        self.rho, self.epsilon = require_share("RMSProp", rho=rho), require_epsilon("RMSProp", epsilon=epsilon)
        self.state["square"] = self.xp.zeros_like(net.flat_params)

    def update(self, params, grads, numbers):
        (lr,) = numbers
        for p, g, s in in_pieces(params, grads, self.state["square"]):
            g = bounded(g, largest_square_root(g.dtype))
            s *= self.rho
            s += (1 - self.rho) * g * g  # (1)
            p -= lr * g / (self.xp.sqrt(s) + self.epsilon)  # (2)


class Adam(Optimizer):
    """RMSProp with momentum, both corrected for their start at zero.

    Update     (1) m <- beta1 m + g                           v <- beta2 v + g^2             old gradients fade away
               (2) m_hat = m / (1 + beta1 + ... + beta1^(t-1))     v_hat = v / (1 + beta2 + ... + beta2^(t-1))
               (3) p <- p - lr m_hat / (sqrt(v_hat) + epsilon)
               In step t = 1, 2, ... m_hat and v_hat are weighted means of all g and g^2 so far: (2) divides by the
               sum of the weights. In the paper m and v carry a factor 1 - beta, and (2) divides it out again.
    Range      as for RMSProp; v, a sum of about 1 / (1 - beta2) squares, must fit, too
    Fast form  minigan/ops/adam_update.py, for long vectors and for GPUs
    Options    beta1 = 0.5, the value for GANs (DCGAN, arXiv:1511.06434); 0.9 in the paper
    Source     Kingma & Ba 2015, arXiv:1412.6980, algorithm 1
    """

    elementwise = True
    doubtful_lr = 1

    def __init__(
        self, net: Sequential, lr: float = 2e-4, beta1: float = 0.5, beta2: float = 0.999, epsilon: float = 1e-8
    ):
        super().__init__(net, lr)
        self.beta1, self.beta2 = require_share("Adam", beta1=beta1, beta2=beta2)
        self.epsilon = require_epsilon("Adam", epsilon=epsilon)
        self.state["m"] = self.xp.zeros_like(net.flat_params)
        self.state["v"] = self.xp.zeros_like(net.flat_params)

    def numbers(self):
        """Return the learning rate and the sums of the weights in (2), by the formula of the geometric series."""
        return [self.lr, *((1 - beta**self.steps) / (1 - beta) for beta in (self.beta1, self.beta2))]

    def update(self, params, grads, numbers):
        m, v = self.state["m"], self.state["v"]
        limit = largest_square_root(params.dtype) * math.sqrt(1 - self.beta2)
        if adam_update.pays(params):
            options = (self.beta1, self.beta2, self.epsilon, limit)
            adam_update.adam_update(params, grads, m, v, numbers, *options)
            return
        lr, m_weights, v_weights = numbers
        g = bounded(grads, limit)
        m *= self.beta1
        m += g  # (1)
        v *= self.beta2
        v += g * g
        m_hat, v_hat = m / m_weights, v / v_weights  # (2)
        params -= lr * m_hat / (self.xp.sqrt(v_hat) + self.epsilon)  # (3)


def clip_grad_norm(net: Sequential, max_norm: float) -> float:
    """Scale all gradients together so that their Euclidean norm is at most `max_norm`; return the norm before.

    g <- g min(1, max_norm / |g|): the direction stays the same, only the length changes.
    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063.
    """
    max_norm = require_positive("clip_grad_norm", max_norm=max_norm)
    require_built("clip_grad_norm", net=net)
    xp, grads = backend.array_module(net.flat_grads), net.flat_grads
    length = norm(grads)
    grads *= (max_norm / xp.maximum(length, max_norm)).astype(grads.dtype)
    return length


def clip_weights(net: Sequential, limit: float) -> None:
    """Clip every parameter to [-limit, limit], as the first Wasserstein GAN does with its critic.

    Source: Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875, algorithm 1.
    """
    limit = require_positive("clip_weights", limit=limit)
    require_built("clip_weights", net=net)
    backend.array_module(net.flat_params).clip(net.flat_params, -limit, limit, out=net.flat_params)
