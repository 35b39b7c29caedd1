"""Penalties on the slope of the discriminator: g = dD/dx at some images must not be steep, or must have the length 1.

Each gives a value of g, and its gradient v = dP/dg. They differ in where the images lie, and in what they ask of g.
The gradients of the discriminator's parameters follow by its tangent pass: docs/second_order.md
"""

import numpy as np

from minigan import backend
from minigan.backend import array_module
from minigan.errors import OptionError
from minigan.hints import Array, Rng
from minigan.input_gradient import InputGradient
from minigan.ops.gpu.graphs import from_host
from minigan.ops.sums import mean
from minigan.options import as_constructed, require_count, require_positive, shown


class GradientPenalty:
    """The base class of all penalties. Derive your own penalties from it.

    Methods    points(real, generated, rng)    the images at which the slope is looked at
               value(g)                        (P, dP/dg) for the slopes g of n images, by default from weight and
                                               target: P = weight/n sum_n (|g[n]| - target)^2
    Options    weight; every: the penalty counts only in every so-many-th step of the discriminator, then so-many times
               (lazy regularization, Karras et al. 2020, arXiv:1912.04958; their code: 16): cheaper, nearly as good
    Shapes     real, generated, points, g: (n, h, w, c)
    """

    target = 0.0

    def __init__(self, weight: float = 10.0, every: int = 1):
        name = type(self).__name__
        self.weight, self.every = require_positive(name, weight=weight), require_count(name, every=every)

    def points(self, real: Array, generated: Array, rng: Rng) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no points(real, generated, rng)")

    def value(self, g: Array) -> tuple[float, Array]:
        """Return P and dP/dg[n] = 2 weight/n (1 - target / |g[n]|) g[n]; where the slope is 0, that is 0, too."""
        xp, n = array_module(g), len(g)
        rows = g.reshape(n, -1)
        squares = (rows * rows).sum(axis=1)
        if self.target == 0:
            return self.weight * mean(squares), g * (2 * self.weight / n)
        lengths = xp.sqrt(squares)
        excess = lengths - self.target
        directions = rows / xp.maximum(lengths, float(np.finfo(g.dtype).tiny))[:, None]
        v = directions * (2 * self.weight / n * excess)[:, None]
        return self.weight * mean(excess * excess), v.reshape(g.shape)

    def due(self, step: int) -> bool:
        """Return whether the penalty counts in a step of the discriminator; the first is step 0."""
        return step % self.every == 0

    def add(self, discriminator, real, generated, rng, group, labels=None):
        """Add the gradient of the penalty to the discriminator's gradients, and return its value.

        real, generated    the whole batch, also where processes share it
        labels             of this worker's rows: the points have the labels of the images in the same rows
        """
        return self.add_at(discriminator, self.points_to_judge(real, generated, rng), group, labels)

    def points_to_judge(self, real, generated, rng):
        """Return the points, read-only if they are new."""
        points = self.points(real, generated, rng)
        if not (backend.share_memory(points, real) or backend.share_memory(points, generated)):
            backend.make_read_only(points)  # so that D need not copy it to be sure of it
        return points

    def add_at(self, discriminator, points, group, labels, share=1):
        """Do the work of `add` at some points: those of the whole batch, or of a share of it."""
        slope = InputGradient(discriminator)
        g = group.gather(slope.forward(group.own(points), training=True, labels=labels))
        answer = self.value(g)
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise OptionError(
                f"{type(self).__name__}.value: expected the pair (P, dP/dg), the second an array like g, got "
                f"{shown(answer)}."
            )
        value, v = answer
        if self.every * share != 1:
            value, v = value * (self.every * share), v * (self.every * share)
        slope.backward(group.own(v), input_grad=False)
        return value

    def __repr__(self):
        return as_constructed(self)


class WGANGP(GradientPenalty):
    """The penalty of WGAN-GP: between real and generated images, the slope of the critic should have the length 1.

    Points     x = real + u (generated - real),   u ~ U(0, 1), one for each pair
    Penalty    P = weight/n sum_n (|g[n]| - 1)^2                               two-sided: flat is as wrong as steep
    Use it with Wasserstein(clip=None), d_steps=5 and Adam(net, lr=1e-4, beta1=0, beta2=0.9), and without BatchNorm in D
    Source     Gulrajani et al. 2017, arXiv:1704.00028, equation 3 and algorithm 1; weight: lambda, 10 in all of its
               experiments
    """

    target = 1.0

    def points(self, real, generated, rng):
        return between(real, generated, rng)


class ZeroCentered(GradientPenalty):
    """Between real and generated images, the slope of D should be 0.

    Points     as WGANGP
    Penalty    P = weight/n sum_n |g[n]|^2
    Source     Thanh-Tung, Tran & Venkatesh 2019, arXiv:1902.03984. Their code takes 100 as weight for MNIST, with D's
               slope after a sigmoid; here it is that of the logit, which is at least four times as steep
    """

    def points(self, real, generated, rng):
        return between(real, generated, rng)


class R1(GradientPenalty):
    """At the real images, D should be flat: it must not push G away from where it is right.

    Points     the real images
    Penalty    P = weight/2 1/n sum_n |g[n]|^2                                 weight: gamma in the paper
    Source     Mescheder, Geiger & Nowozin 2018, arXiv:1801.04406, equation 9; gamma: 10 in its experiments (their
               code leaves out the 1/2)
    """

    def points(self, real, generated, rng):
        return real

    def value(self, g):
        value, v = super().value(g)
        return value / 2, v / 2


class R2(R1):
    """As R1, at the generated images: equation 10 of the same paper."""

    def points(self, real, generated, rng):
        return generated


class DRAGAN(GradientPenalty):
    """Around the real images, the slope of D should have a given length.

    Points     x = real + u noise,   u ~ U(0, 1), one for each image;   noise = spread std(real) U(0, 1) for each number
    Penalty    P = weight/n sum_n (|g[n]| - target)^2
    Options    weight, spread, target: 10, 0.5 and 1 in the authors' code
    Source     Kodali et al. 2017, arXiv:1705.07215
    """

    def __init__(self, weight: float = 10.0, every: int = 1, spread: float = 0.5, target: float = 1.0):
        super().__init__(weight, every)
        self.spread, self.target = require_positive("DRAGAN", spread=spread), require_positive("DRAGAN", target=target)

    def points(self, real, generated, rng):
        u = uniform(real, (len(real),) + (1,) * (real.ndim - 1), rng)
        return real + u * (uniform(real, real.shape, rng) * (self.spread * real.std()))


def between(real, generated, rng):
    """Return a random point on the straight line between each real image and a generated one."""
    u = uniform(real, (len(real),) + (1,) * (real.ndim - 1), rng)
    return real + u * (generated - real)


def uniform(like, shape, rng):
    """Return numbers from U(0, 1) of the dtype and on the device of an array."""
    return from_host(lambda: rng.random(shape).astype(like.dtype), array_module(like))


def checked_penalties(penalties, owner="GAN"):
    """Return the penalties of a GAN as a tuple, or raise OptionError."""
    if isinstance(penalties, GradientPenalty):
        penalties = (penalties,)
    are_many = isinstance(penalties, (tuple, list))
    wrong = [part for part in penalties if not isinstance(part, GradientPenalty)] if are_many else [penalties]
    if wrong:
        raise OptionError(
            f"{owner}: expected penalties as a list of gradient penalties, [penalties.WGANGP()] or [penalties.R1()], "
            f"got {shown(wrong[0])}."
        )
    return tuple(penalties)
