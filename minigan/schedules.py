"""Learning rates that change from step to step, in the place of a number: Adam(net, lr=Cosine(5e-4, steps=10_000)).

A schedule is a function of t, the number of updates that its optimizer has made before: t = 0 for the first one. It
remembers nothing, so an optimizer that continues from its step number continues with the right rate, to the last bit.
How they look, and which to take: docs/layers/optimizers.md
"""

import math
from collections.abc import Sequence

from minigan.errors import OptionError
from minigan.options import (
    as_constructed,
    is_count,
    is_integer,
    is_number,
    require_count,
    require_instance,
    require_non_negative,
    shown,
)


class Schedule:
    """The base class of all schedules. Derive your own from it, and write `value(t)`.

    Call it with t, the number of updates before this one: schedule(t) -> the learning rate.
    To be saved with a GAN, a schedule of your own must keep each argument of its constructor in an attribute of the
    same name.
    """

    def value(self, t: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} has no value(t)")

    def __call__(self, t: int) -> float:
        """Return the learning rate of update number t, counted from 0.

        Errors     OptionError if t is no such number, or if value(t) is no learning rate: negative, NaN, too large
        """
        if not is_integer(t) or t < 0:
            raise OptionError(f"{type(self).__name__}: expected t as an integer of at least 0, got {shown(t)}.")
        try:
            rate = self.value(int(t))
        except OverflowError:
            rate = math.inf
        if not is_number(rate) or rate < 0:
            raise OptionError(
                f"{type(self).__name__}: expected from value({t}) a learning rate of at least 0, got {shown(rate)}."
            )
        return float(rate)

    def __repr__(self):
        return as_constructed(self)


class Constant(Schedule):
    """The same rate in every update; `lr=5e-4` is short for `lr=Constant(5e-4)`.

    Rate       lr
    """

    def __init__(self, lr: float):
        self.lr = require_non_negative("Constant", lr=lr)

    def value(self, t):
        return self.lr


class Linear(Schedule):
    """A straight line from lr to `end`, where it stays.

    Rate       lr + (end - lr) t / steps    for t < steps, then end
    Source     as LinearLR in PyTorch, PolynomialDecay with power 1 in Keras
    """

    def __init__(self, lr: float, steps: int, end: float = 0.0):
        self.lr, self.end = require_non_negative("Linear", lr=lr, end=end)
        self.steps = require_count("Linear", steps=steps)

    def value(self, t):
        return self.lr + (self.end - self.lr) * t / self.steps if t < self.steps else self.end


class Exponential(Schedule):
    """A rate that is multiplied by `factor` in every `steps` updates, smoothly: by the same share in each.

    Rate       lr factor^(t / steps)
    Source     as ExponentialDecay in Keras, ExponentialLR in PyTorch (steps=1)
    """

    def __init__(self, lr: float, factor: float, steps: int = 1):
        name = type(self).__name__
        self.lr, self.factor = require_non_negative(name, lr=lr, factor=factor)
        self.steps = require_count(name, steps=steps)

    def value(self, t):
        return self.lr * self.factor ** (t / self.steps)


class Step(Exponential):
    """A rate that is multiplied by `factor` after every `steps` updates, at once.

    Rate       lr factor^floor(t / steps)
    Source     as StepLR in PyTorch
    """

    def value(self, t):
        return self.lr * self.factor ** (t // self.steps)


class Cosine(Schedule):
    """Half a cosine from lr to `end`, where it stays: slow at first, fast in the middle, slow at the end.

    Rate       end + (lr - end) (1 + cos(pi t / steps)) / 2    for t < steps, then end
    Source     Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5, without restarts
    """

    def __init__(self, lr: float, steps: int, end: float = 0.0):
        self.lr, self.end = require_non_negative("Cosine", lr=lr, end=end)
        self.steps = require_count("Cosine", steps=steps)

    def value(self, t):
        if t >= self.steps:
            return self.end
        return self.end + (self.lr - self.end) * (1 + math.cos(math.pi * t / self.steps)) / 2


class WarmUp(Schedule):
    """A straight line up to the first rate of another schedule in `steps` updates; then that schedule begins.

    Rate       schedule(0) (t + 1) / (steps + 1)    for t < steps, then schedule(t - steps)
    Source     Goyal et al. 2017, arXiv:1706.02677, section 2.2
    """

    def __init__(self, schedule: Schedule, steps: int):
        self.schedule = require_instance("WarmUp", Schedule, "Cosine(5e-4, steps=10_000)", schedule=schedule)
        self.steps = require_count("WarmUp", steps=steps)

    def value(self, t):
        if t < self.steps:
            return self.schedule(0) * (t + 1) / (self.steps + 1)
        return self.schedule(t - self.steps)


class Joined(Schedule):
    """Several schedules, one after the other; each counts its own updates, from 0.

    Rate       the first schedule until t = at[0], then the second until t = at[1], and so on: schedules[i](t - at[i-1])
    Options    schedules; at: when the next one begins, in updates from the start, one number less than schedules
    Source     as SequentialLR in PyTorch
    """

    def __init__(self, schedules: Sequence[Schedule], at: Sequence[int]):
        if not isinstance(schedules, (tuple, list)) or not schedules:
            raise OptionError(f"Joined: expected schedules as a list of at least one, got {shown(schedules)}.")
        for schedule in schedules:
            require_instance("Joined", Schedule, "Constant(5e-4)", schedules=schedule)
        increasing = isinstance(at, (tuple, list)) and all(map(is_count, at)) and list(at) == sorted(set(at))
        if not increasing or len(at) != len(schedules) - 1:
            raise OptionError(
                f"Joined: expected `at` as a list of {len(schedules) - 1} increasing numbers of updates, when each of "
                f"the {len(schedules)} schedules but the first begins, got {shown(at)}."
            )
        self.schedules, self.at = tuple(schedules), tuple(map(int, at))

    def value(self, t):
        begun = sum(t >= start for start in self.at)
        return self.schedules[begun](t - (0, *self.at)[begun])


ALL = (Constant, Linear, Exponential, Step, Cosine, WarmUp, Joined)


def as_schedule(owner, lr):
    """Return a learning rate as a schedule: a number that stays, or the schedule itself."""
    if isinstance(lr, Schedule):
        return lr
    if not is_number(lr) or lr < 0:
        raise OptionError(
            f"{owner}: expected lr > 0, or a schedule such as minigan.schedules.Cosine(5e-4, steps=10_000), got "
            f"{shown(lr)}."
        )
    return Constant(lr)


# of a whole run, by name: (lr, number of updates) -> schedule
OF_A_RUN = {
    "constant": lambda lr, steps: Constant(lr),
    "linear": Linear,
    "late-linear": lambda lr, steps: (
        Joined([Constant(lr), Linear(lr, steps - steps // 2)], [steps // 2]) if steps > 1 else Constant(lr)
    ),
    "cosine": Cosine,
}
