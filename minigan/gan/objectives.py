"""What the two networks of a GAN try to reach, each as a loss on the discriminator's logits with its gradient.

An objective has three methods, all returning `(value, dlogits)` for logits of shape (n, 1):
    real(logits, rng)        the discriminator's loss on real images
    fake(logits, rng)        the discriminator's loss on generated images
    generator(logits)        the generator's loss on the discriminator's logits for its images
"""

from minigan.backend import array_module, to_device
from minigan.errors import OptionError
from minigan.losses import BinaryCrossEntropy
from minigan.options import require_share


class NonSaturating:
    """The loss of the first GAN paper in the form that it recommends: G maximises log D(G(z)).

    D          minimises  BCE(logits of real images, 1) + BCE(logits of generated images, 0)
    G          minimises  BCE(logits of generated images, 1)
    The other form, G minimising log(1 - D(G(z))), has a gradient of sigmoid(logit), which vanishes just where D
    rejects everything; this one has sigmoid(logit) - 1, which is largest there.
    Options    label_noise: for D, targets of real images ~ U(0.7, 1.2) and of generated ones ~ U(0, 0.3), drawn
               anew for each image; smoothing: one-sided, the target of real images is 1 - smoothing
    Source     Goodfellow et al. 2014, arXiv:1406.2661, section 3; smoothing and noise: Salimans et al. 2016,
               arXiv:1606.03498, section 3.4
    """

    def __init__(self, label_noise=False, smoothing=0.0):
        require_share("NonSaturating", smoothing=smoothing)
        if label_noise and smoothing:
            raise OptionError(
                "NonSaturating: label_noise and smoothing both set the target of real images; choose one."
            )
        self.label_noise, self.smoothing = label_noise, smoothing
        self.loss = BinaryCrossEntropy()

    def real(self, logits, rng):
        return self.loss(logits, noisy_targets(logits, rng, 0.7, 1.2) if self.label_noise else 1 - self.smoothing)

    def fake(self, logits, rng):
        return self.loss(logits, noisy_targets(logits, rng, 0.0, 0.3) if self.label_noise else 0)

    def generator(self, logits):
        return self.loss(logits, 1)


def noisy_targets(logits, rng, low, high):
    """Targets ~ U(low, high), one for each logit."""
    return to_device(rng.uniform(low, high, logits.shape).astype(logits.dtype), array_module(logits))
