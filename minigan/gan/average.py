"""The moving average of a network along its training: smoother than any of its steps. See docs/gan.md"""

import copy

import numpy as np

from minigan.network import Sequential
from minigan.ops.gpu.graphs import from_host
from minigan.ops.pieces import in_pieces
from minigan.options import require_built, require_share

FIRST, SLOWNESS = 1, 10  # of the warm-up, (1 + t) / (10 + t)


class MovingAverage:
    """A copy of a network whose numbers are moving averages of the network's: an EMA, exponential moving average.

    Update     (1) d <- min(decay, (1 + t) / (10 + t))     in update t = 1, 2, ...: at first it soon forgets the start
               (2) a <- a + (1 - d) (p - a)                = d a + (1 - d) p
               for each parameter p, and for each running statistic of a BatchNorm: they belong together. Other state
               is copied: what is no real number (the counters of Dropout), and a layer's `latest_state`
    Options    net: the network that trains; decay: how much of the average each update keeps. 0.998 averages over about
               1 / (1 - decay) = 500 steps
    Attributes network: the average, a Sequential; source: the network that trains; steps: the number of updates
    Cost       3 flops for each number, in place; on the CPU in pieces that stay in the cache
    Source     Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging"; for GANs Yazici et al.
               2019, arXiv:1806.04498; the warm-up is that of TensorFlow's ExponentialMovingAverage
    """

    def __init__(self, net: Sequential, decay: float = 0.998):
        self.source = require_built("MovingAverage", net=net)
        self.decay = require_share("MovingAverage", decay=decay)
        self.network, self.steps = copy.deepcopy(net), 0

    def update(self) -> None:
        """Move the average towards what the network is now. Call it after each step of the optimizer."""
        (weight,) = from_host(self.next_weight, self.source.xp)
        move(self.network.flat_params, self.source.flat_params, weight)
        for own, layer in zip(self.network.inner_layers(), self.source.inner_layers(), strict=True):
            for name, value in layer.state.items():
                if value.dtype.kind == "f" and name not in layer.latest_state:
                    move(own.state[name], value, weight)
                else:
                    own.state[name][...] = value

    def next_weight(self):
        """Count the update, and return its 1 - d as an array of one number."""
        self.steps += 1
        d = min(self.decay, (FIRST + self.steps) / (SLOWNESS + self.steps))  # (1)
        return np.array([1 - d], self.source.dtype)


def move(average, values, weight):
    """Move an array towards another one, in place."""
    for a, p in in_pieces(average, values):
        way = p - a
        way *= weight
        a += way  # (2)
