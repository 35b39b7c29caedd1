"""Health: watches a GAN while it trains, and reports problems when they happen. See docs/health.md"""

import copy
import math
from collections import defaultdict, deque

import numpy as np

from minigan import backend
from minigan.errors import NonFiniteError
from minigan.gan.objectives import NaiveNonSaturating, NonSaturating
from minigan.gan.state import state_arrays
from minigan.ops import squares
from minigan.training.watchers.replay import Fault, Watched, all_finite, replay_step
from minigan.training.watchers.watcher import Watcher

# Steps between two full checks. A full check reads all parameters, gradients and optimizer states, and waits for a GPU:
# about as much work as the update of one step.
EVERY = 100

# Above this number, both networks are copied after each step, so that an overflow in the next step can be replayed.
# Healthy losses and biases are below 100; from 1e6 an explosion needs some more steps to reach the 3e38 of float32.
DANGER = 1e6

# Each problem below begins at one number, and ends at another one, which is better. Else a number that stays near the
# limit would be reported again and again.

# The discriminator has won when its mean loss is this near its least value, as a share of the distance from there to
# 2 log 2, its loss when it cannot tell real from generated. With targets 1 and 0 this is a loss below 0.07: D gives the
# right answer a probability of 97%. The generator's gradient in Minimax, s(x), is then 3% of its maximum.
WON, NO_LONGER_WON = 0.05, 0.1

# A layer's gradient has vanished when its root mean square is below this number, the epsilon of Adam and RMSProp. They
# divide a gradient by its own size, so even a small one makes a full step; below epsilon, the step shrinks with it.
VANISHED, NO_LONGER_VANISHED = 1e-8, 1e-7

# A layer's gradient has exploded when its norm is above this number. The gradient at the logits has a norm of at most 1
# in all objectives with a bounded slope, so the layers have made it more than a thousand times larger.
EXPLODED = 1e3

# It has also exploded when its norm is above 1 and GROWTH times the median of the last LOOKS checks, if there are
# ENOUGH_LOOKS of them. A gradient that grows from 1e-4 to 1e-1 has not exploded: it has recovered.
GROWTH, LOOKS, ENOUGH_LOOKS = 100, 20, 5

# Until it ends, both limits of an explosion are this many times lower.
STILL_EXPLODED = 10

# The number of samples judged at the end of an epoch, always from the same latents: 64 give the spread to about 10%.
# And the generator's steps before it is judged: without training it makes nearly equal pictures of noise.
SAMPLES, WARM_UP = 64, 200

# The samples have collapsed when the difference of two samples is less than this share of the difference of two real
# images: they look like one picture (E1 after 6 epochs: 0.08, B2: 0.07). Healthy runs of A4 and B0 start at 0.1 to 0.17
# and are above 0.13 after the warm-up.
COLLAPSED, NO_LONGER_COLLAPSED = 0.1, 0.15

# Samples are noise when neighbouring pixels differ by more than this share of the difference of independent pixels,
# while in real images it is less than half of this. Digits have about 0.3, the samples of an untrained MLP 1.
NOISE, NO_LONGER_NOISE = 0.8, 0.7


class Health(Watcher):
    """A watcher of Training that reports problems: one line when a problem appears, one line when it ends.

    gan       the GAN in training; it is never changed
    say       a function that is called with one line of text
    Checks    after every step the losses and one parameter of each network (not on a GPU: it would have to wait);
              every EVERY steps everything; at the end of an epoch the samples. `check_finite` is for the run to call,
              before it draws or saves
    Errors    NonFiniteError for NaN or infinity anywhere; its text names step, network, layer and pass
    """

    def __init__(self, gan, say):
        self.gan, self.say = gan, say
        self.networks = {
            "generator": (gan.generator, gan.g_optimizer),
            "discriminator": (gan.discriminator, gan.d_optimizer),
        }
        self.waits = backend.reading_waits(gan.generator.xp)
        self.batch, self.labels, self.losses, self.before = None, None, (), None
        self.d_losses = deque(maxlen=EVERY)
        self.least_d_loss = least_d_loss(gan.objective) if isinstance(gan.objective, NonSaturating) else None
        self.usual_norms = defaultdict(lambda: deque(maxlen=LOOKS))
        self.known = {}

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        self.batch, self.labels = batch, labels
        self.losses = (d_loss, g_loss) if self.gan.g_optimizer.steps else (d_loss,)  # g_loss is NaN until G's first
        self.d_losses.append(d_loss)
        if not self.waits:
            self.glance(step)
        if step % EVERY == 0:
            self.check_finite(step)
            self.look_at_the_discriminator(step)
            self.look_at_gradients(step)

    def after_epoch(self, row, picture):
        step = row["step"]
        if step % EVERY:
            self.look_at_gradients(step)
        self.look_at_samples(step)

    def state(self):
        """Return what was seen and reported so far, as JSON values, so that a resumed run reports nothing twice."""
        return {
            "d_losses": [float(loss) for loss in self.d_losses],
            "usual_norms": [[*place, list(norms)] for place, norms in self.usual_norms.items()],
            "known": self.known,
        }

    def restore(self, values):
        """Restore what `state` returned; KeyError, TypeError or ValueError for anything else."""
        self.d_losses.extend(float(loss) for loss in values["d_losses"])
        for network, layer, norms in values["usual_norms"]:
            self.usual_norms[str(network), str(layer)].extend(float(norm) for norm in norms)
        self.known = {str(kind): [str(name) for name in names] for kind, names in values["known"].items()}

    # NaN and infinity

    def glance(self, step):
        """Check what costs nothing: the losses, and the parameters that a NaN in a backward pass reaches."""
        numbers = [*self.losses, *(first_parameter(net) for net, _ in self.networks.values())]
        if not all(np.isfinite(number).all() for number in numbers):
            self.stop(step)
        in_danger = max(np.max(np.abs(number)) for number in numbers) > DANGER
        self.before = copy.deepcopy((self.gan.generator, self.gan.discriminator)) if in_danger else None

    def check_finite(self, step):
        """Stop training unless everything that a checkpoint would hold is finite."""
        if not all(map(all_finite, (*self.losses, *state_arrays(self.gan).values()))):
            self.stop(step)

    def stop(self, step):
        with np.errstate(all="ignore"):
            place = f"{self.first_fault()} {self.largest_parameters()}"
        shorter = "a smaller max_grad_norm" if self.gan.max_grad_norm else "shortened gradients, max_grad_norm=1.0"
        cause = (
            "the steps are too large, so the weights grow from step to step until a number overflows. Try lower "
            f"learning rates, or {shorter}. Check that the images are scaled to the range of the generator's output."
        )
        if isinstance(self.gan.objective, NaiveNonSaturating):
            cause = (
                "a sigmoid rounds to 0 or 1, and the objective takes the logarithm of 0. NonSaturating is the same "
                "loss, computed from the logits: it stays finite."
            )
        raise NonFiniteError(
            f"step {step:,}: {place} Probable cause: {cause} The last checkpoint is from before this step and is good. "
            "But resuming from it without a change would lead to the same step again."
        )

    def first_fault(self):
        """Return a sentence about the place of the first NaN or infinity, found by replaying the step on copies."""
        if self.before:
            try:
                replay_step(self.gan, *self.before, self.batch, self.labels)
            except Fault as fault:
                return str(fault)
        generator, discriminator = self.gan.generator, self.gan.discriminator
        d_loss_was_sound = bool(self.losses) and all_finite(self.losses[0])
        hint = (
            f" On a GPU, minigan checks only every {EVERY} steps; the same run on the CPU would show it."
            if self.waits
            else ""
        )
        if not (all_finite(generator.flat_params) or all_finite(discriminator.flat_params) or d_loss_was_sound):
            return (
                "the parameters of both networks hold NaN or infinity. Each network spoils the other within one "
                f"step, so it is no longer possible to see which came first.{hint}"
            )
        try:
            for network in ("discriminator", "generator"):  # in the order of their updates
                Watched(self.gan, network, self.networks[network][0]).check_parameters()
            if self.batch is not None:
                replay_step(self.gan, generator, discriminator, self.batch, self.labels)
        except Fault as fault:
            return str(fault)
        places = [name for name, array in state_arrays(self.gan).items() if not all_finite(array)]
        return f"NaN or infinity in {', '.join(places) or 'the losses'}, but every layer works with finite numbers."

    def largest_parameters(self):
        """Return a sentence about the largest parameters: a network with large weights often spoils the other first."""
        sizes = {network: float(abs(net.flat_params).max()) for network, (net, _) in self.networks.items()}
        grown = "".join(f" The weights of the {name} have exploded." for name, size in sizes.items() if size > DANGER)
        return f"Largest parameter: {', '.join(f'{name} {size:.1e}' for name, size in sizes.items())}.{grown}"

    # Problems that are reported while training continues

    def tell(self, kind, found, trouble, recovery):
        """Report the names that are new since the last check of this kind, and those that are gone; they replace {}."""
        known = self.known.get(kind, [])
        new = [name for name in found if name not in known]
        gone = [name for name in known if name not in found]
        self.known[kind] = found
        for names, text in ((new, trouble), (gone, recovery)):
            if names:
                self.say(text.format(", ".join(names)))

    def look_at_the_discriminator(self, step):
        if self.least_d_loss is None or len(self.d_losses) < EVERY:
            return
        mean, least, undecided = np.mean([float(loss) for loss in self.d_losses]), self.least_d_loss, 2 * math.log(2)
        limit = NO_LONGER_WON if self.known.get("won") else WON
        self.tell(
            "won",
            ["the discriminator"] if mean - least < limit * (undecided - least) else [],
            f"step {step:,}: {{}} wins: its mean loss over {EVERY} steps is {mean:.3f} ({least:.3f} means always "
            f"right, {undecided:.3f} means guessing). So the generator learns little from it. Try Dropout in the "
            "discriminator, a lower learning rate for it, or noisy labels.",
            f"step {step:,}: {{}} no longer wins: mean loss {mean:.3f}.",
        )

    def look_at_gradients(self, step):
        for network, (net, optimizer) in self.networks.items():
            if not optimizer.steps:
                continue
            vanished, exploded = [], []
            norms = self.gradient_norms(net)
            largest = max(norms.values(), default=0)
            had_vanished, had_exploded = (self.known.get(f"{what}, {network}", ()) for what in ("vanished", "exploded"))
            for layer, norm in norms.items():
                limit = NO_LONGER_VANISHED if layer.name in had_vanished else VANISHED
                if norm < limit * math.sqrt(sum(grad.size for grad in layer.grads.values())):
                    vanished.append(layer.name)
                if self.has_exploded(norm, self.usual_norms[network, layer.name], layer.name in had_exploded):
                    exploded.append(layer.name)
            self.tell(
                f"vanished, {network}",
                vanished,
                f"step {step:,}: the gradient vanishes in the {network}, in {{}} ({len(vanished)} of {len(norms)} "
                f"layers with parameters): its numbers are below {VANISHED:.0e}, too small for a full step even with "
                "Adam. Either saturated or dead units block it on the way back, or the discriminator is too sure. "
                "Try LeakyReLU, BatchNorm, larger initial weights, or the objective NonSaturating.",
                f"step {step:,}: the gradient in the {network} no longer vanishes in {{}}.",
            )
            self.tell(
                f"exploded, {network}",
                exploded,
                f"step {step:,}: the gradient explodes in the {network}, in {{}}: its norm is up to "
                f"{largest:.1e}, that of the parameters is {float(squares.norm(net.flat_params)):.1e}. "
                "NaN may follow. Try max_grad_norm, or a lower learning rate.",
                f"step {step:,}: the gradient in the {network} has its usual size again in {{}}.",
            )

    def gradient_norms(self, net):
        """Return for each layer the Euclidean norm of its gradient before clipping."""
        before = self.gan.g_grad_norm if net is self.gan.generator else self.gan.d_grad_norm
        clipped = float(squares.norm(net.flat_grads))
        scale = float(before) / clipped if clipped else 1.0
        return {
            layer: scale * math.hypot(*(float(squares.norm(grad.ravel())) for grad in layer.grads.values()))
            for layer in net.layers
            if layer.params and layer.trainable
        }

    @staticmethod
    def has_exploded(norm, usual, before=False):
        """Return whether a norm has exploded, compared with the usual ones of its layer; if not, add it to those.

        before     whether the norm had exploded at the last check: then lower limits hold
        """
        times = STILL_EXPLODED if before else 1
        grown = len(usual) >= ENOUGH_LOOKS and norm > max(1, GROWTH / times * np.median(usual))
        exploded = norm > EXPLODED / times or bool(grown)
        if not exploded:
            usual.append(norm)
        return exploded

    def look_at_samples(self, step):
        if self.batch is None or self.gan.g_optimizer.steps < WARM_UP:
            return
        samples, real = self.gan.sample(SAMPLES, seed=0, averaged=False), self.batch
        share = spread(samples) / spread(real) if spread(real) else 1.0
        collapsed = share < (NO_LONGER_COLLAPSED if self.known.get("collapsed") else COLLAPSED)
        self.tell(
            "collapsed",
            ["the samples"] if collapsed else [],
            f"step {step:,}: {{}} are nearly equal (mode collapse): their difference is {share:.1%} of that of real "
            "images. The generator has found one picture that fools the discriminator, and ignores its latents. Try "
            "noisy labels, BatchNorm in the generator, a lower learning rate for it, or the objective Wasserstein.",
            f"step {step:,}: {{}} differ again: their difference is {share:.0%} of that of real images.",
        )
        if collapsed:  # such small differences say nothing about noise
            return
        noise, real_noise = roughness(samples), roughness(real)
        limit = NO_LONGER_NOISE if self.known.get("noise") else NOISE
        self.tell(
            "noise",
            ["the samples"] if noise > limit and real_noise < NOISE / 2 else [],
            f"step {step:,}: {{}} are noise, even if the losses look good. The difference of neighbouring pixels is "
            f"{noise:.0%} of that of independent pixels; in real images it is {real_noise:.0%}. The discriminator "
            "accepts the noise. Try more training, a larger or convolutional discriminator, or Dropout in it.",
            f"step {step:,}: {{}} are no longer noise: the difference of neighbouring pixels is {noise:.0%} of that "
            "of independent pixels.",
        )


def first_parameter(net):
    """Return the smallest parameter of the first layer that has parameters.

    A backward pass ends there, so a NaN from any later layer reaches every sum of this gradient.
    """
    layer = next((layer for layer in net.layers if layer.params), None)
    return min(layer.params.values(), key=lambda value: value.size) if layer else net.flat_params


def least_d_loss(objective):
    """Return the least mean loss that a discriminator can have: the entropy of the targets, 0 for targets 1 and 0.

    The targets follow from the gradient at logit 0, where s(x) - t = 1/2 - t: noisy targets count with their mean.
    """
    rng, logits = np.random.default_rng(0), np.zeros((10_000, 1))
    targets = [0.5 - float(loss(logits, rng)[1].sum()) for loss in (objective.real, objective.fake)]
    return sum(-p * math.log(p) for t in targets for p in (t, 1 - t) if p > 1e-9)


def spread(images):
    """Return the root mean square difference of two images at a pixel, up to a factor sqrt(2)."""
    return float(images.astype("float64").var(axis=0).mean()) ** 0.5


def roughness(images):
    """Return the mean squared difference of neighbouring pixels, divided by that of independent pixels.

    The latter is twice the variance. The mean image is subtracted first: it is smooth or rough whatever the samples
    are.
    """
    images = images.astype("float64")
    rest = images - images.mean(axis=0)
    steps = rest[:, :, 1:] - rest[:, :, :-1]
    variance = float((rest * rest).mean())
    return float((steps * steps).mean()) / (2 * variance) if variance and steps.size else 0.0
