"""The optimizers: each updates the flat vector of a network's parameters. And two kinds of clipping.

Weight decay lets the parameters shrink a little in each step. SGD, RMSProp and Adam add it to the gradient, as if the
loss had the term weight_decay/2 |p|^2 (L2); AdamW shrinks the parameters themselves.

Each optimizer is made for one network. It stores what it remembers in `state`, by name, so that it can be saved.
Derivations, and first steps by hand: docs/layers/optimizers.md
"""

import copy
import math
import warnings
from collections.abc import Sequence

import numpy as np

from minigan import backend
from minigan.errors import MisuseWarning, OptionError
from minigan.layers.trainable import parameters_of, slices_that_learn
from minigan.network import Sequential
from minigan.ops import adam_update
from minigan.ops.gpu.graphs import from_host
from minigan.ops.pieces import in_pieces
from minigan.ops.squares import bounded, largest_square_root, norm
from minigan.options import (
    CheckedOption,
    hint,
    is_number,
    require_built,
    require_epsilon,
    require_flag,
    require_non_negative,
    require_positive,
    require_share,
    shown,
)
from minigan.other_libraries import OF_OPTIMIZERS, NamesOfOthers
from minigan.schedules import Schedule, as_schedule

USUALLY_SPARED = ("b", "gamma", "beta")  # parameters that many exempt from weight decay: biases, and scales of norms


class Optimizer(NamesOfOthers):
    """The base class of all optimizers: the network, the learning rate, the number of steps taken.

    Options    lr: a number, or one of minigan.schedules; weight_decay: how much every parameter is drawn towards 0;
               no_decay: the names of the parameters that are not, such as ("b", "gamma", "beta"). By default all
               decay, as in PyTorch
    """

    elsewhere = OF_OPTIMIZERS
    elementwise = False  # True if `update` treats each number of the vector by itself, so that threads can share it
    doubtful_lr = math.inf  # from this learning rate on, a warning: it is nearly always a mistake
    weight_decay = CheckedOption(require_non_negative)
    _no_decay: tuple[str, ...] = ()

    def __init__(self, net: Sequential, lr: float | Schedule, weight_decay: float = 0.0, no_decay: Sequence[str] = ()):
        owner = type(self).__name__
        self.net, self.steps = require_built(owner, net=net), 0
        self.lr = require_positive(owner, lr=lr) if is_number(lr) else lr
        self.weight_decay, self.no_decay = weight_decay, no_decay
        self.xp = backend.array_module(net.flat_params)
        self.state = {}
        if self.lr >= self.doubtful_lr:
            warnings.warn(
                f"{owner}: lr={self.lr:g} moves every parameter by about that much in each step. Usual values are "
                "1e-4 to 1e-2.",
                MisuseWarning,
                stacklevel=1 + sum("__init__" in vars(kind) for kind in type(self).__mro__[:-1]),
            )

    @property
    def lr(self) -> float:
        """Return the learning rate of the last step; before the first one, that of the first.

        Assign a number or a schedule to it: it counts from the next step on.
        """
        return self.schedule(max(self.steps - 1, 0))

    @lr.setter
    def lr(self, lr):
        self.schedule = as_schedule(type(self).__name__, lr)

    @property
    def no_decay(self) -> tuple[str, ...]:
        """Return the names of the parameters that do not decay."""
        return self._no_decay

    @no_decay.setter
    def no_decay(self, names):
        self._no_decay = self.checked_names(names)

    def checked_names(self, names):
        """Return the names of the parameters that do not decay as a tuple, or say which of them does not exist."""
        owner, names = type(self).__name__, (names,) if isinstance(names, str) else names
        if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
            raise OptionError(
                f'{owner}: expected no_decay as a tuple of names of parameters, such as ("b", "gamma", "beta"), got '
                f"{shown(names)}."
            )
        known = list(dict.fromkeys(name for _, name, _ in parameters_of(self.net)))
        for name in names:
            if name not in (*known, *USUALLY_SPARED):
                raise OptionError(
                    f"{owner}: expected no_decay as names of parameters, got {name!r}. The parameters of this network "
                    f"are called {', '.join(known)}.{hint(name, known)}"
                )
        if names and not self.is_elementwise():
            raise OptionError(
                f"{owner}: no_decay needs elementwise = True in the class: an update that treats each number by itself."
            )
        return tuple(names)

    def __getstate__(self):
        """Return what copies and pickles hold: everything but the array module, which follows from the network."""
        return {name: value for name, value in vars(self).items() if name != "xp"}

    def __setstate__(self, values):
        vars(self).update(values)
        self.xp = backend.array_module(self.net.flat_params)

    def step(self) -> None:
        """Update the parameters from the gradients. The gradients stay as they are (`zero_grads` clears them)."""
        numbers = from_host(self.next_numbers, self.xp)
        params, grads = self.net.flat_params, self.net.flat_grads
        if self.net.shared and self.is_elementwise():
            self.net.shared.update(self, numbers)
        else:
            self.update_part(slice(0, len(params)), params, grads, numbers)

    def update_part(self, part, params, grads, numbers):
        """Update a slice of the flat vectors: those of its numbers that belong to layers that are not frozen.

        The ones that do not decay are updated by a twin of this optimizer without weight decay.
        """
        slices = slices_that_learn(self.net, lambda name: name not in self.no_decay)
        if not self.is_elementwise() and sum(span.stop - span.start for span, _ in slices) < len(params):
            return self.update_whole(slices, params, grads, numbers)
        for span, decays in slices:
            own = slice(max(part.start, span.start), min(part.stop, span.stop))
            if own == slice(0, len(params)) and decays:
                self.update(params, grads, numbers)
            elif own.start < own.stop:
                twin = copy.copy(self)
                twin.state = {name: array[own] for name, array in self.state.items()}
                twin.weight_decay = self.weight_decay if decays else 0.0
                twin.update(params[own], grads[own], numbers)

    def update_whole(self, slices, params, grads, numbers):
        """Update the whole vector, which the update may look at, and keep only what belongs to the slices."""
        before = params.copy()
        self.update(params, grads, numbers)
        for span, _ in slices:
            before[span] = params[span]
        params[...] = before

    def with_decay(self, grads, params):
        """Return the gradients of the loss with its term weight_decay/2 |p|^2: g + weight_decay p."""
        return grads + self.weight_decay * params if self.weight_decay else grads

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
        try:
            return np.array(self.numbers(), self.net.dtype)
        except BaseException:
            self.steps -= 1  # a schedule of the user's own raised: no step is taken
            raise

    def numbers(self):
        """Return the numbers that change from step to step, for step number `steps`."""
        return [self.lr]


class SGD(Optimizer):
    """Stochastic gradient descent, with or without momentum.

    Update     (1) p <- p - lr g                       plain, without momentum
               (2) v <- momentum v + g
               (3) p <- p - lr v                       with momentum
               (4) p <- p - lr (g + momentum v)        Nesterov: the gradient as if one step further
    Options    weight_decay: (0) g <- g + weight_decay p, before the others; no_decay: as for all optimizers
    Source     Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"
    """

    elementwise = True

    def __init__(
        self,
        net: Sequential,
        lr: float | Schedule,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
        no_decay: Sequence[str] = (),
    ):
        super().__init__(net, lr, weight_decay, no_decay)
        if require_share("SGD", momentum=momentum):
            self.state["velocity"] = self.xp.zeros_like(net.flat_params)
        self.momentum, self.nesterov = momentum, nesterov

    @property
    def momentum(self) -> float:
        """Return how much of the velocity each step keeps. It can change, but not from 0 or to 0."""
        return self._momentum

    @momentum.setter
    def momentum(self, momentum):
        momentum = require_share("SGD", momentum=momentum)
        if (momentum > 0) != ("velocity" in self.state):
            raise OptionError(
                "SGD: momentum cannot change from 0 or to 0, because only an SGD with momentum has a velocity. Make a "
                f"new optimizer: SGD(net, lr, momentum={momentum})."
            )
        self._momentum = momentum

    @property
    def nesterov(self) -> bool:
        """Return whether the gradient is taken as if one step further."""
        return self._nesterov

    @nesterov.setter
    def nesterov(self, nesterov):
        if require_flag("SGD", nesterov=nesterov) and self.momentum == 0:
            raise OptionError("SGD: nesterov=True needs a momentum above 0.")
        self._nesterov = bool(nesterov)

    def update(self, params, grads, numbers):
        (lr,) = numbers
        if not self.momentum:
            for p, g in in_pieces(params, grads):
                g = self.with_decay(g, p)  # (0)
                p -= lr * g  # (1)
            return
        for p, g, v in in_pieces(params, grads, self.state["velocity"]):
            g = self.with_decay(g, p)  # (0)
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
    Options    weight_decay: (0) g <- g + weight_decay p, before the others; no_decay: as for all optimizers
    Range      a gradient beyond 9e18 in float32 (half of the largest whose square fits) counts as this number:
               otherwise s would be infinite, and the parameter would never move again
    Source     Tieleman & Hinton 2012, Coursera "Neural Networks for Machine Learning", lecture 6.5
    """

    elementwise = True
    doubtful_lr = 1
    rho, epsilon = CheckedOption(require_share), CheckedOption(require_epsilon)

    def __init__(
        self,
        net: Sequential,
        lr: float | Schedule,
        rho: float = 0.99,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        no_decay: Sequence[str] = (),
    ):
        super().__init__(net, lr, weight_decay, no_decay)
        self.rho, self.epsilon = rho, epsilon
        self.state["square"] = self.xp.zeros_like(net.flat_params)

    def update(self, params, grads, numbers):
        (lr,) = numbers
        for p, g, s in in_pieces(params, grads, self.state["square"]):
            g = bounded(self.with_decay(g, p), largest_square_root(g.dtype))  # (0)
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
               weight_decay: (0) g <- g + weight_decay p, before the others; usually AdamW's decay is better
               no_decay: as for all optimizers
    Source     Kingma & Ba 2015, arXiv:1412.6980, algorithm 1
    """

    elementwise = True
    doubtful_lr = 1
    decoupled = False  # True if weight_decay shrinks the parameters themselves, as in AdamW
    beta1, beta2, epsilon = CheckedOption(require_share), CheckedOption(require_share), CheckedOption(require_epsilon)

    def __init__(
        self,
        net: Sequential,
        lr: float | Schedule = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        no_decay: Sequence[str] = (),
    ):
        super().__init__(net, lr, weight_decay, no_decay)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.state["m"] = self.xp.zeros_like(net.flat_params)
        self.state["v"] = self.xp.zeros_like(net.flat_params)

    def numbers(self):
        """Return the learning rate and the sums of the weights in (2), by the formula of the geometric series."""
        return [self.lr, *((1 - beta**self.steps) / (1 - beta) for beta in (self.beta1, self.beta2))]

    def update(self, params, grads, numbers):
        m, v = self.state["m"], self.state["v"]
        limit = largest_square_root(params.dtype) * math.sqrt(1 - self.beta2)
        if adam_update.pays(self.net.flat_params):
            options = (self.beta1, self.beta2, self.epsilon, limit, self.weight_decay, self.decoupled)
            adam_update.adam_update(params, grads, m, v, numbers, *options)
            return
        lr, m_weights, v_weights = numbers
        if self.decoupled:
            params *= 1 - lr * self.weight_decay  # AdamW's (0)
            g = bounded(grads, limit)
        else:
            g = bounded(self.with_decay(grads, params), limit)  # (0)
        m *= self.beta1
        m += g  # (1)
        v *= self.beta2
        v += g * g
        m_hat, v_hat = m / m_weights, v / v_weights  # (2)
        params -= lr * m_hat / (self.xp.sqrt(v_hat) + self.epsilon)  # (3)


class AdamW(Adam):
    """Adam with decoupled weight decay: in each step, every parameter shrinks by the same share.

    Update     (0) p <- p - lr weight_decay p
               (1) (2) (3) as Adam
               With Adam's own weight_decay, the decay is a part of g, so (3) divides it by sqrt(v_hat), too: then
               parameters with large gradients hardly decay. Here, decay and gradient do not meet.
    Fast form  as Adam's, in the same pass over memory
    Options    weight_decay: 0.01, as in PyTorch; the others as Adam
    Source     Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2, where the schedule's factor is part of lr
    """

    elementwise = decoupled = True

    def __init__(
        self,
        net: Sequential,
        lr: float | Schedule = 2e-4,
        beta1: float = 0.5,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
        weight_decay: float = 0.01,
        no_decay: Sequence[str] = (),
    ):
        super().__init__(net, lr, beta1, beta2, epsilon, weight_decay, no_decay)


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
    """Clip every parameter to [-limit, limit], as the first Wasserstein GAN does with its critic; not of frozen layers.

    Source: Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875, algorithm 1.
    """
    limit = require_positive("clip_weights", limit=limit)
    require_built("clip_weights", net=net)
    for place, _ in slices_that_learn(net):
        params = net.flat_params[place]
        backend.array_module(params).clip(params, -limit, limit, out=params)
