"""How a network learns: one update over its flat vector of parameters. And two ways to keep that vector in bounds.

Each optimizer is made for one network and keeps what it remembers in `state`, by name, so that it can be saved.
Derivations and first steps by hand: docs/layers/optimizers.md
"""

import numpy as np

from minigan import backend
from minigan.errors import OptionError
from minigan.ops.adam_update import adam_numbers, adam_update
from minigan.ops.gpu.graphs import from_host
from minigan.ops.sums import sum_of_squares
from minigan.options import require_built, require_epsilon, require_flag, require_positive, require_share


class Optimizer:
    """What all optimizers share: the network, the learning rate, the number of steps taken."""

    def __init__(self, net, lr):
        owner = type(self).__name__
        self.net, self.lr, self.steps = require_built(owner, net=net), require_positive(owner, lr=lr), 0
        self.xp = backend.array_module(net.flat_params)
        self.state = {}

    def __getstate__(self):
        """What copies and pickles hold: all but the array module, which follows from the network."""
        return {name: value for name, value in vars(self).items() if name != "xp"}

    def __setstate__(self, values):
        vars(self).update(values)
        self.xp = backend.array_module(self.net.flat_params)

    def step(self):
        """Change the parameters by what the gradients say; the gradients stay (`zero_grads` clears them)."""
        numbers = from_host(self.next_numbers, self.xp)
        self.update(self.net.flat_params, self.net.flat_grads, numbers)

    def next_numbers(self):
        """Count the step; what changes from one step to the next, as an array in the dtype of the network."""
        self.steps += 1
        return np.array(self.numbers(), self.net.dtype)

    def numbers(self):
        """The plain numbers that `update` takes, for step number `steps`."""
        return [self.lr]


class SGD(Optimizer):
    """Gradient descent, with momentum if wanted.

    Update     (1) v <- momentum v + g
               (2) p <- p - lr v                       plain
               (3) p <- p - lr (g + momentum v)        Nesterov: the gradient as if one step further on
    Source     Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"
    """

    def __init__(self, net, lr, momentum=0.0, nesterov=False):
        super().__init__(net, lr)
        self.momentum, self.nesterov = require_share("SGD", momentum=momentum), require_flag("SGD", nesterov=nesterov)
        if self.nesterov and self.momentum == 0:
            raise OptionError("SGD: nesterov=True needs a momentum above 0.")
        if self.momentum:
            self.state["velocity"] = self.xp.zeros_like(net.flat_params)

    def update(self, params, grads, numbers):
        (lr,) = numbers
        if not self.momentum:
            params -= lr * grads
            return
        velocity = self.state["velocity"]
        velocity *= self.momentum
        velocity += grads  # (1)
        if self.nesterov:
            params -= lr * (grads + self.momentum * velocity)  # (3)
        else:
            params -= lr * velocity  # (2)


class RMSProp(Optimizer):
    """Steps of about equal size in every direction: each gradient is divided by its own recent magnitude.

    Update     (1) s <- rho s + (1 - rho) g^2
               (2) p <- p - lr g / (sqrt(s) + epsilon)
    Source     Tieleman & Hinton 2012, Coursera "Neural Networks for Machine Learning", lecture 6.5
    """

    def __init__(self, net, lr, rho=0.99, epsilon=1e-8):
        super().__init__(net, lr)
        self.rho, self.epsilon = require_share("RMSProp", rho=rho), require_epsilon("RMSProp", epsilon=epsilon)
        self.state["square"] = self.xp.zeros_like(net.flat_params)

    def update(self, params, grads, numbers):
        (lr,) = numbers
        square = self.state["square"]
        square *= self.rho
        square += (1 - self.rho) * grads * grads  # (1)
        params -= lr * grads / (self.xp.sqrt(square) + self.epsilon)  # (2)


class Adam(Optimizer):
    """RMSProp with momentum, both freed of their start at zero.

    Update     (1) m <- beta1 m + (1 - beta1) g              v <- beta2 v + (1 - beta2) g^2
               (2) m_hat = m / (1 - beta1^t)                 v_hat = v / (1 - beta2^t),    t = 1, 2, ...
               (3) p <- p - lr m_hat / (sqrt(v_hat) + epsilon)
    State      m and v are kept without the factors (1 - beta): see minigan/ops/adam_update.py, where the three lines
               are one pass over the vector
    Options    beta1 = 0.5, the value for GANs (DCGAN, arXiv:1511.06434); 0.9 in the paper
    Source     Kingma & Ba 2015, arXiv:1412.6980, algorithm 1
    """

    def __init__(self, net, lr=2e-4, beta1=0.5, beta2=0.999, epsilon=1e-8):
        super().__init__(net, lr)
        self.beta1, self.beta2 = require_share("Adam", beta1=beta1, beta2=beta2)
        self.epsilon = require_epsilon("Adam", epsilon=epsilon)
        self.state["m"] = self.xp.zeros_like(net.flat_params)
        self.state["v"] = self.xp.zeros_like(net.flat_params)

    def numbers(self):
        return adam_numbers(self.steps, self.lr, self.beta1, self.beta2, self.epsilon)

    def update(self, params, grads, numbers):
        adam_update(params, grads, self.state["m"], self.state["v"], numbers, self.beta1, self.beta2)  # (1) (2) (3)


def clip_grad_norm(net, max_norm):
    """Scale all gradients down together so that their Euclidean norm is at most `max_norm`; returns the norm before.

    g <- g min(1, max_norm / |g|): the direction stays, only the length changes.
    Source: Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063.
    """
    max_norm = require_positive("clip_grad_norm", max_norm=max_norm)
    require_built("clip_grad_norm", net=net)
    xp, grads = backend.array_module(net.flat_grads), net.flat_grads
    norm = xp.sqrt(sum_of_squares(grads))
    grads *= max_norm / xp.maximum(norm, max_norm)
    return norm


def clip_weights(net, limit):
    """Move every parameter into [-limit, limit], as the first Wasserstein GAN does with its critic.

    Source: Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875, algorithm 1.
    """
    limit = require_positive("clip_weights", limit=limit)
    require_built("clip_weights", net=net)
    backend.array_module(net.flat_params).clip(net.flat_params, -limit, limit, out=net.flat_params)
