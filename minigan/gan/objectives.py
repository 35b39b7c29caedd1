"""The objectives of a GAN: the losses of both networks on the discriminator's logits, with their gradients.

In every formula x is a logit, s the sigmoid, n the number of images; all values are means over the images.
How they differ, and what to watch: docs/gan.md
"""

import numpy as np

from minigan.backend import array_module, is_array
from minigan.errors import DtypeError, OptionError, ShapeError
from minigan.hints import Array, Rng
from minigan.losses import BinaryCrossEntropy
from minigan.ops.gpu.graphs import from_host
from minigan.ops.sums import mean
from minigan.optimizers import clip_weights
from minigan.options import as_constructed, require_flag, require_positive, require_rng, require_share, shown


def loss_and_gradient(judge, logits, *rng):
    """Return (value, dlogits) of a method of an objective; OptionError if it returns something else."""
    answer = judge(logits, *rng)
    if not isinstance(answer, tuple) or len(answer) != 2 or getattr(answer[1], "shape", None) != logits.shape:
        got = f"({', '.join(map(shown, answer))})" if isinstance(answer, tuple) else shown(answer)
        raise OptionError(
            f"{judge.__qualname__}: expected the pair (value, dlogits), the second an array like the logits, of shape "
            f"{logits.shape}, got {got}."
        )
    return answer


class Objective:
    """The base class of all objectives. Derive your own objectives from it.

    Methods    real(logits, rng)       the discriminator's loss on real images
               fake(logits, rng)       the discriminator's loss on generated images
               generator(logits)       the generator's loss on the discriminator's logits for its images
               Each returns (value, dlogits). rng is a NumPy generator, for objectives that draw their targets.
    Hook       after_discriminator_step(discriminator): called by GAN after every update of the discriminator
    Shapes     logits (n, 1) -> value: one number, on a GPU an array of one; dlogits (n, 1); the dtype of the logits
    Errors     ShapeError, DtypeError if the logits are not n >= 1 rows of one floating-point number
    """

    def real(self, logits: Array, rng: Rng) -> tuple[float, Array]:
        raise NotImplementedError(f"{type(self).__name__} has no real(logits, rng)")

    def fake(self, logits: Array, rng: Rng) -> tuple[float, Array]:
        raise NotImplementedError(f"{type(self).__name__} has no fake(logits, rng)")

    def generator(self, logits: Array) -> tuple[float, Array]:
        raise NotImplementedError(f"{type(self).__name__} has no generator(logits)")

    def after_discriminator_step(self, discriminator):
        """Do nothing. An objective can change the discriminator's parameters here, as Wasserstein does."""

    def __repr__(self):
        return as_constructed(self)

    def check(self, logits):
        """Raise an error unless there is one logit for each image; return the array module."""
        name = type(self).__name__
        if not is_array(logits) or logits.ndim != 2 or logits.shape[0] == 0 or logits.shape[1] != 1:
            raise ShapeError(
                f"{name}: expected logits of shape (n, 1), one for each of n >= 1 images, got {shown(logits)}. "
                "End the discriminator in Dense(1)."
            )
        if logits.dtype.kind != "f":
            raise DtypeError(f"{name}: expected logits of float32 or float64, got {logits.dtype}.")
        return array_module(logits)


class NonSaturating(Objective):
    """The loss of the first GAN paper, in the form that the paper recommends: G maximises log D(G(z)).

    D          minimises  BCE(logits of real images, 1) + BCE(logits of generated images, 0)
    G          minimises  BCE(logits of generated images, 1)
    Gradient   (1) real       (s(x) - 1) / n
               (2) fake       s(x) / n
               (3) generator  (s(x) - 1) / n
    In the other form, Minimax, G minimises log(1 - D(G(z))). If D rejects all of G's images, the gradient of Minimax
    vanishes, while the gradient of this form is largest.
    Options    label_noise: D's targets of real images are drawn from U(0.7, 1.2), those of generated images from
               U(0, 0.3), a new one for each image; smoothing: D's target of real images is 1 - smoothing.
               In (1) and (2) these targets replace 1 and 0.
    Source     Goodfellow et al. 2014, arXiv:1406.2661, section 3; smoothing: Salimans et al. 2016,
               arXiv:1606.03498, section 3.4; noise: Chintala et al. 2016, "How to train a GAN?"
    """

    def __init__(self, label_noise: bool = False, smoothing: float = 0.0):
        name = type(self).__name__
        self.label_noise = require_flag(name, label_noise=label_noise)
        self.smoothing = require_share(name, smoothing=smoothing)
        if self.label_noise and self.smoothing:
            raise OptionError(f"{name}: label_noise and smoothing both set the target of real images; choose one.")
        self.loss = BinaryCrossEntropy()

    def real(self, logits, rng):
        self.check(logits)
        targets = noisy_targets(logits, rng, 0.7, 1.2) if self.label_noise else 1 - self.smoothing
        return self.loss(logits, targets)  # (1)

    def fake(self, logits, rng):
        self.check(logits)
        return self.loss(logits, noisy_targets(logits, rng, 0.0, 0.3) if self.label_noise else 0)  # (2)

    def generator(self, logits):
        self.check(logits)
        return self.loss(logits, 1)  # (3)


class Minimax(NonSaturating):
    """The game as the first GAN paper defines it: G minimises what D maximises.

    D          as NonSaturating, with its options
    G          minimises  mean log(1 - s(x)) = -mean softplus(x) = -BCE(logits of generated images, 0)
    Gradient   (1) (2) as NonSaturating
               (3) generator  -s(x) / n
    If D is sure that an image is generated, s(x) is nearly 0, and G learns nothing. Use it for comparison only.
    Source     Goodfellow et al. 2014, arXiv:1406.2661, equation 1 and algorithm 1
    """

    def generator(self, logits):
        self.check(logits)
        value, dlogits = self.loss(logits, 0)
        return -value, -dlogits  # (3)


class NaiveNonSaturating(NonSaturating):
    """NonSaturating typed in as its formula stands: first the sigmoid, then the logarithm. Do not use it: it breaks.

    D          minimises  mean -log s on real images + mean -log(1 - s) on generated ones,    s = 1 / (1 + e^-x)
    G          minimises  mean -log s
    Gradient   the chain rule, factor by factor, as a framework with automatic differentiation computes it
               (1) real       -1/s       s (1 - s) / n
               (2) fake        1/(1 - s) s (1 - s) / n
               (3) generator  -1/s       s (1 - s) / n
    While no s rounds to 0 or 1, these are the numbers of NonSaturating. In float32, s is 1 for x of 17 and more. Then
    log(1 - s) is -infinity, and (2) is infinity times 0: NaN. So are (1) and (3) for x of -89 and less, where e^-x
    overflows and s is 0. It is here to show why the losses take logits: docs/layers/losses.md, docs/as_reported.md
    """

    def __init__(self) -> None:
        super().__init__()

    def real(self, logits, rng):
        self.check(logits)
        s, ds = rounded_sigmoid(logits)
        return minus_log(s, ds)  # (1)

    def fake(self, logits, rng):
        self.check(logits)
        s, ds = rounded_sigmoid(logits)
        return minus_log(1 - s, -ds)  # (2)

    def generator(self, logits):
        self.check(logits)
        s, ds = rounded_sigmoid(logits)
        return minus_log(s, ds)  # (3)


class LeastSquares(Objective):
    """LSGAN: the logit itself should be 1 for real images and 0 for generated images.

    D          minimises  mean (x - 1)^2 / 2 on real images + mean x^2 / 2 on generated ones
    G          minimises  mean (x - 1)^2 / 2
    Gradient   (1) real       (x - 1) / n
               (2) fake       x / n
               (3) generator  (x - 1) / n
    There is no sigmoid, so nothing saturates: the farther a logit is from its target, the larger is its gradient. This
    is also true for images that D finds too real.
    Source     Mao et al. 2017, arXiv:1611.04076, with the targets a = 0, b = c = 1
    """

    def real(self, logits, rng):
        return self.half_square(logits, 1)  # (1)

    def fake(self, logits, rng):
        return self.half_square(logits, 0)  # (2)

    def generator(self, logits):
        return self.half_square(logits, 1)  # (3)

    def half_square(self, logits, target):
        """Return mean (x - target)^2 / 2 and its gradient."""
        self.check(logits)
        difference = logits - target
        return mean(0.5 * difference * difference), difference / logits.size


class Hinge(Objective):
    """The hinge loss: D learns from an image until its logit is right by a margin of 1; G raises its logits.

    D          minimises  mean max(0, 1 - x) on real images + mean max(0, 1 + x) on generated ones
    G          minimises  -mean x
    Gradient   (1) real       -1 / n where x < 1, else 0
               (2) fake        1 / n where x > -1, else 0
               (3) generator  -1 / n
    Source     Lim & Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957
    """

    def real(self, logits, rng):
        xp = self.check(logits)
        return mean(xp.maximum(1 - logits, 0)), (logits < 1).astype(logits.dtype) / -logits.size  # (1)

    def fake(self, logits, rng):
        xp = self.check(logits)
        return mean(xp.maximum(1 + logits, 0)), (logits > -1).astype(logits.dtype) / logits.size  # (2)

    def generator(self, logits):
        self.check(logits)
        return minus_mean(logits)  # (3)


class Wasserstein(Objective):
    """WGAN: the discriminator is a critic that estimates the distance between generated and real images.

    D          minimises  mean x on generated images - mean x on real ones
    G          minimises  -mean x
    Gradient   (1) real       -1 / n
               (2) fake        1 / n
               (3) generator  -1 / n
    Hook       After each step of the critic, its parameters are clipped to [-clip, clip]. Without a bound on its slope,
               the critic could make the difference of the means as large as it likes. With the bound, minus D's loss
               estimates the Wasserstein distance, up to a constant factor that depends on the bound.
    Options    clip: 0.01 in the paper. Use it with the rest of the paper's recipe: RMSProp with lr 5e-5 for both
               networks, and five steps of the critic for each step of the generator (`GAN(..., d_steps=5)`).
               None: no clipping, where a penalty bounds the slope instead, `GAN(..., penalties=[penalties.WGANGP()])`
    Source     Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875, algorithm 1
    """

    def __init__(self, clip: float | None = 0.01):
        self.clip = None if clip is None else require_positive("Wasserstein", clip=clip)

    def real(self, logits, rng):
        self.check(logits)
        return minus_mean(logits)  # (1)

    def fake(self, logits, rng):
        xp = self.check(logits)
        return mean(logits), xp.full_like(logits, 1 / logits.size)  # (2)

    def generator(self, logits):
        self.check(logits)
        return minus_mean(logits)  # (3)

    def after_discriminator_step(self, discriminator):
        if self.clip is not None:
            clip_weights(discriminator, self.clip)


def noisy_targets(logits, rng, low, high):
    """Return targets from U(low, high), one for each logit."""
    require_rng("label_noise", rng)
    shape, dtype = logits.shape, logits.dtype
    return from_host(lambda: rng.uniform(low, high, shape).astype(dtype), array_module(logits))


def minus_mean(logits):
    """Return -mean x and its gradient: the loss that raises logits without a limit."""
    return -mean(logits), array_module(logits).full_like(logits, -1 / logits.size)


def rounded_sigmoid(x):
    """Return s = 1 / (1 + e^-x), which rounds to 0 or 1 far from 0, and its slope s (1 - s)."""
    with np.errstate(over="ignore"):
        s = 1 / (1 + array_module(x).exp(-x))
    return s, s * (1 - s)


def minus_log(p, slope):
    """Return the mean of -log p and its gradient -1/p dp/dx / n: infinity and NaN where p is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return mean(-array_module(p).log(p)), -1 / p * slope / p.size
