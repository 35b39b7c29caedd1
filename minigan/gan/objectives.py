"""What the two networks of a GAN try to reach, each as a loss on the discriminator's logits with its gradient.

In every formula x is a logit, s the sigmoid, n the number of images; all values are means over the images.
What each does for the generator, and what to watch: docs/gan.md
"""

from minigan.backend import array_module, is_array
from minigan.errors import DtypeError, OptionError, ShapeError
from minigan.hints import Array, Rng
from minigan.losses import BinaryCrossEntropy
from minigan.ops.gpu.graphs import from_host
from minigan.ops.sums import mean
from minigan.optimizers import clip_weights
from minigan.options import require_flag, require_positive, require_rng, require_share, shown


class Objective:
    """What all objectives share; derive your own from it.

    Methods    real(logits, rng)       the discriminator's loss on real images
               fake(logits, rng)       the discriminator's loss on generated images
               generator(logits)       the generator's loss on the discriminator's logits for its images
               Each returns (value, dlogits). rng is a NumPy generator, for objectives that draw their targets.
    Hook       after_discriminator_step(discriminator): GAN calls it after every update of the discriminator
    Shapes     logits (n, 1) -> value: one number, on a GPU an array of one; dlogits (n, 1); the dtype of the logits
    Errors     ShapeError, DtypeError where the logits are not n >= 1 rows of one floating-point number
    """

    def real(self, logits: Array, rng: Rng) -> tuple[float, Array]:
        raise NotImplementedError(f"{type(self).__name__} has no real(logits, rng)")

    def fake(self, logits: Array, rng: Rng) -> tuple[float, Array]:
        raise NotImplementedError(f"{type(self).__name__} has no fake(logits, rng)")

    def generator(self, logits: Array) -> tuple[float, Array]:
        raise NotImplementedError(f"{type(self).__name__} has no generator(logits)")

    def after_discriminator_step(self, discriminator):
        """Nothing here; the place for what an objective demands of the discriminator's parameters."""

    def __repr__(self):
        options = {name: value for name, value in vars(self).items() if isinstance(value, bool | int | float)}
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in options.items())})"

    def check(self, logits):
        """Refuse what is not one logit for each image; returns the array module."""
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
    """The loss of the first GAN paper in the form that it recommends: G maximises log D(G(z)).

    D          minimises  BCE(logits of real images, 1) + BCE(logits of generated images, 0)
    G          minimises  BCE(logits of generated images, 1)
    Gradient   (1) real       (s(x) - 1) / n
               (2) fake       s(x) / n
               (3) generator  (s(x) - 1) / n
    The other form, G minimising log(1 - D(G(z))), is Minimax; its gradient vanishes just where D rejects everything,
    where this one is largest.
    Options    label_noise: for D, targets of real images ~ U(0.7, 1.2) and of generated ones ~ U(0, 0.3), drawn
               anew for each image; smoothing: one-sided, the target of real images is 1 - smoothing.
               In (1) and (2) the target takes the place of 1 and 0.
    Source     Goodfellow et al. 2014, arXiv:1406.2661, section 3; smoothing and noise: Salimans et al. 2016,
               arXiv:1606.03498, section 3.4
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
    """The game as the first GAN paper defines it: G minimises the very thing that D maximises.

    D          as NonSaturating, with its options
    G          minimises  mean log(1 - s(x)) = -mean softplus(x) = -BCE(logits of generated images, 0)
    Gradient   (1) (2) as NonSaturating
               (3) generator  -s(x) / n
    Where D is sure that an image is generated, s(x) is nearly 0, and G learns nothing: the one to compare with.
    Source     Goodfellow et al. 2014, arXiv:1406.2661, equation 1 and algorithm 1
    """

    def generator(self, logits):
        self.check(logits)
        value, dlogits = self.loss(logits, 0)
        return -value, -dlogits  # (3)


class LeastSquares(Objective):
    """LSGAN: the logit itself is drawn to 1 for real and to 0 for generated images.

    D          minimises  mean (x - 1)^2 / 2 on real images + mean x^2 / 2 on generated ones
    G          minimises  mean (x - 1)^2 / 2
    Gradient   (1) real       (x - 1) / n
               (2) fake       x / n
               (3) generator  (x - 1) / n
    There is no sigmoid, so nothing saturates: the farther a logit is from its target, the larger its gradient, also
    for images that lie far on the real side.
    Source     Mao et al. 2017, arXiv:1611.04076, with the targets a = 0, b = c = 1
    """

    def real(self, logits, rng):
        return self.half_square(logits, 1)  # (1)

    def fake(self, logits, rng):
        return self.half_square(logits, 0)  # (2)

    def generator(self, logits):
        return self.half_square(logits, 1)  # (3)

    def half_square(self, logits, target):
        """mean (x - target)^2 / 2, and its gradient."""
        self.check(logits)
        difference = logits - target
        return mean(0.5 * difference * difference), difference / logits.size


class Hinge(Objective):
    """D learns from an image only until it is right by a margin of 1; G raises its logits without end.

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
    """WGAN: the discriminator is a critic whose scores tell how far the generated images are from the real ones.

    D          minimises  mean x on generated images - mean x on real ones
    G          minimises  -mean x
    Gradient   (1) real       -1 / n
               (2) fake        1 / n
               (3) generator  -1 / n
    Hook       After each of its steps the critic's parameters are clipped to [-clip, clip]: without a bound on its
               slope it could make the difference of the means as large as it likes. With it, minus D's loss
               estimates the Wasserstein distance, up to a constant factor that the bound sets.
    Options    clip: 0.01 in the paper, whose recipe goes with it: RMSProp with lr 5e-5 for both networks, and five
               steps of the critic for one of the generator (`GAN(..., d_steps=5)`)
    Source     Arjovsky, Chintala & Bottou 2017, arXiv:1701.07875, algorithm 1
    """

    def __init__(self, clip: float = 0.01):
        self.clip = require_positive("Wasserstein", clip=clip)

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
        clip_weights(discriminator, self.clip)


def noisy_targets(logits, rng, low, high):
    """Targets ~ U(low, high), one for each logit."""
    require_rng("label_noise", rng)
    shape, dtype = logits.shape, logits.dtype
    return from_host(lambda: rng.uniform(low, high, shape).astype(dtype), array_module(logits))


def minus_mean(logits):
    """-mean x, and its gradient: the loss of who wants high logits and has no sigmoid to end the rise."""
    return -mean(logits), array_module(logits).full_like(logits, -1 / logits.size)
