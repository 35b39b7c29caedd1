"""Watches a GAN while it trains: what goes wrong is noticed when it happens and said in words. See docs/health.md"""

import copy
import math
from collections import defaultdict, deque

import numpy as np

from minigan import backend
from minigan.errors import NonFiniteError
from minigan.gan.objectives import NonSaturating
from minigan.gan.state import state_arrays
from minigan.ops import squares
from minigan.training.watchers.replay import Fault, Watched, all_finite, replay_step

# Steps between two looks at everything. Such a look reads every parameter, gradient and optimizer state and waits for a
# GPU, about as much work as the update of one step.
EVERY = 100

# Numbers beyond which both networks are copied after each step, so that an overflow in the next one can be replayed.
# Healthy losses and biases are below 100; from 1e6 an explosion has some steps to go to the 3e38 of float32.
DANGER = 1e6

# The discriminator has won when its mean loss is this near its least value, as a share of the way from there to
# 2 log 2, its loss when it cannot tell. With targets 1 and 0 that is a loss below 0.07: a probability of 97% for the
# right answer. What is left for the generator in Minimax, s(x), is 3% of what there is to have.
WON = 0.05

# Root mean square below which a layer's gradient has vanished: the epsilon of Adam and RMSProp. Down to it they divide
# a gradient by its own size, so that even a small one makes a full step; below it the step shrinks with the gradient.
VANISHED = 1e-8

# Norm above which a layer's gradient has exploded. The gradient at the logits has a norm of at most 1 in all objectives
# with a bounded slope; the layers on the way back have made more than a thousand of it.
EXPLODED = 1e3

# Or: growth over the median of the last looks, where there are enough of them and the norm is above 1. A gradient that
# grows from 1e-4 to 1e-1 has recovered.
GROWTH, LOOKS, ENOUGH_LOOKS = 100, 20, 5

# Samples judged at the end of an epoch, from the same latents each time: 64 give the spread to about a tenth. And the
# steps of the generator before it is judged: an untrained one makes nearly equal pictures of noise.
SAMPLES, WARM_UP = 64, 200

# The samples have collapsed when two of them differ by less than this share of what two real images differ by: to the
# eye they are one picture (E1 after 6 epochs: 0.08, B2: 0.07). Sound runs of A4 and B0 begin at 0.1 to 0.17 and are
# above 0.13 when the warm-up is over.
COLLAPSED = 0.1

# Samples are noise when neighbouring pixels differ by more than this share of what independent ones would, while those
# of real images differ by less than half of it: about 0.3 in digits, and 1 in the samples of an untrained MLP.
NOISE = 0.8


class Health:
    """Says in one line what goes wrong, once until it is over, then that it is over; one of the watchers of Training.

    gan       the GAN in training; it is only looked at
    say       a function of one line of text
    Looks     at the losses and one parameter of each network after every step, on a GPU, which would have to be
              waited for, every EVERY steps; at everything every EVERY steps; at samples at the end of an epoch
    Errors    NonFiniteError for NaN or infinity anywhere: its text names step, network, layer and pass
    """

    def __init__(self, gan, say):
        self.gan, self.say = gan, say
        self.networks = {
            "generator": (gan.generator, gan.g_optimizer),
            "discriminator": (gan.discriminator, gan.d_optimizer),
        }
        self.waits = backend.reading_waits(gan.generator.xp)
        self.batch, self.losses, self.before = None, (), None
        self.d_losses = deque(maxlen=EVERY)
        self.least_d_loss = least_d_loss(gan.objective) if isinstance(gan.objective, NonSaturating) else None
        self.usual_norms = defaultdict(lambda: deque(maxlen=LOOKS))
        self.known = {}

    def after_step(self, step, batch, d_loss, g_loss):
        self.batch = batch
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
        self.check_finite(step)
        if step % EVERY:
            self.look_at_gradients(step)
        self.look_at_samples(step)

    def close(self):
        """Nothing is held open."""

    def state(self):
        """What was seen and said so far, as JSON values: a resumed run goes on with it, and says nothing twice."""
        return {
            "d_losses": [float(loss) for loss in self.d_losses],
            "usual_norms": [[*place, list(norms)] for place, norms in self.usual_norms.items()],
            "known": self.known,
        }

    def restore(self, values):
        """Take over what `state` gave. Errors: KeyError, TypeError, ValueError for anything else"""
        self.d_losses.extend(float(loss) for loss in values["d_losses"])
        for network, layer, norms in values["usual_norms"]:
            self.usual_norms[str(network), str(layer)].extend(float(norm) for norm in norms)
        self.known = {str(kind): [str(name) for name in names] for kind, names in values["known"].items()}

    # NaN and infinity

    def glance(self, step):
        """The check that costs nothing: the losses, and the parameters that a spoiled backward pass ends in."""
        numbers = [*self.losses, *(first_parameter(net) for net, _ in self.networks.values())]
        if not all(np.isfinite(number).all() for number in numbers):
            self.stop(step)
        in_danger = max(np.max(np.abs(number)) for number in numbers) > DANGER
        self.before = copy.deepcopy((self.gan.generator, self.gan.discriminator)) if in_danger else None

    def check_finite(self, step):
        """Stop unless all that a checkpoint would hold is finite."""
        if not all(map(all_finite, (*self.losses, *state_arrays(self.gan).values()))):
            self.stop(step)

    def stop(self, step):
        with np.errstate(all="ignore"):
            place = f"{self.first_fault()} {self.largest_parameters()}"
        shorter = "a smaller max_grad_norm" if self.gan.max_grad_norm else "shortened gradients, max_grad_norm=1.0"
        raise NonFiniteError(
            f"step {step:,}: {place} Probable cause: steps that are too large; the weights grow from one to the next "
            f"until a number overflows. Try lower learning rates, or {shorter}; check that the images are scaled to "
            "the range of the generator's output. Nothing was saved since: the last checkpoint from before is sound "
            "and kept, and resume goes on from it, but unchanged it would come to the same step again."
        )

    def first_fault(self):
        """Where the first NaN or infinity is, as a sentence: found in the networks, and by a step replayed on them."""
        if self.before:
            try:
                replay_step(self.gan, *self.before, self.batch)
            except Fault as fault:
                return str(fault)
        generator, discriminator = self.gan.generator, self.gan.discriminator
        d_loss_was_sound = bool(self.losses) and all_finite(self.losses[0])
        hint = (
            f" On a GPU only every {EVERY} steps are checked; the same run on the CPU would tell." if self.waits else ""
        )
        if not (all_finite(generator.flat_params) or all_finite(discriminator.flat_params) or d_loss_was_sound):
            return (
                "the parameters of both networks hold NaN or infinity. Each spoils the other within one step, so which "
                f"came first cannot be told any more.{hint}"
            )
        try:
            for network in ("discriminator", "generator"):  # in the order of their updates: the first spoils the second
                Watched(self.gan, network, self.networks[network][0]).check_parameters()
            if self.batch is not None:
                replay_step(self.gan, generator, discriminator, self.batch)
        except Fault as fault:
            return str(fault)
        places = [name for name, array in state_arrays(self.gan).items() if not all_finite(array)]
        return f"NaN or infinity in {', '.join(places) or 'the losses'}, while every layer works on finite numbers."

    def largest_parameters(self):
        """What has grown, as a sentence: a network with large weights often spoils the other one first."""
        sizes = {network: float(abs(net.flat_params).max()) for network, (net, _) in self.networks.items()}
        grown = "".join(f" The weights of the {name} have exploded." for name, size in sizes.items() if size > DANGER)
        return f"Largest parameter: {', '.join(f'{name} {size:.1e}' for name, size in sizes.items())}.{grown}"

    # The rest is said, and training goes on

    def tell(self, kind, found, trouble, recovery):
        """Say what was not found at the last look of this kind, and what is not found any more; {} takes the names."""
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
        won = mean - least < WON * (undecided - least)
        self.tell(
            "won",
            ["the discriminator"] if won else [],
            f"step {step:,}: {{}} wins: its mean loss over {EVERY} steps is {mean:.3f}; {least:.3f} is always right, "
            f"{undecided:.3f} undecided. The generator learns little from it. Try Dropout in the discriminator, a "
            "lower learning rate for it, or noisy labels.",
            f"step {step:,}: {{}} no longer wins: mean loss {mean:.3f}.",
        )

    def look_at_gradients(self, step):
        for network, (net, optimizer) in self.networks.items():
            if not optimizer.steps:
                continue
            vanished, exploded = [], []
            norms = self.gradient_norms(net, optimizer)
            for layer, norm in norms.items():
                if norm < VANISHED * math.sqrt(sum(grad.size for grad in layer.grads.values())):
                    vanished.append(layer.name)
                if self.has_exploded(norm, self.usual_norms[network, layer.name]):
                    exploded.append(layer.name)
            self.tell(
                f"vanished, {network}",
                vanished,
                f"step {step:,}: the gradient vanishes in the {network}, in {{}} ({len(vanished)} of {len(norms)} "
                f"layers with parameters): below {VANISHED:.0e} a number, too little for a full step even of Adam. "
                "Saturated or dead units on its way back, or a discriminator that is too sure, let nothing through. "
                "Try LeakyReLU, BatchNorm, larger initial weights, the objective NonSaturating.",
                f"step {step:,}: the gradient in the {network} no longer vanishes in {{}}.",
            )
            self.tell(
                f"exploded, {network}",
                exploded,
                f"step {step:,}: the gradient explodes in the {network}, in {{}}: a norm of up to "
                f"{max(norms.values()):.1e}, the parameters have {float(squares.norm(net.flat_params)):.1e}. NaN "
                "may follow. Try max_grad_norm, or a lower learning rate.",
                f"step {step:,}: the gradient in the {network} is back to its usual size in {{}}.",
            )

    def gradient_norms(self, net, optimizer):
        """Layer -> Euclidean norm of its gradient, before clipping."""
        before = self.gan.g_grad_norm if net is self.gan.generator else self.gan.d_grad_norm
        clipped = float(squares.norm(net.flat_grads))
        scale = float(before) / clipped if clipped else 1.0
        return {
            layer: scale * math.hypot(*(float(squares.norm(grad.ravel())) for grad in layer.grads.values()))
            for layer in net.layers
            if layer.params
        }

    @staticmethod
    def has_exploded(norm, usual):
        """Judge a norm by the usual ones of its layer, and count it among them if it is one."""
        grown = len(usual) >= ENOUGH_LOOKS and norm > max(1, GROWTH * np.median(usual))
        exploded = norm > EXPLODED or bool(grown)
        if not exploded:
            usual.append(norm)
        return exploded

    def look_at_samples(self, step):
        if self.batch is None or self.gan.g_optimizer.steps < WARM_UP:
            return
        samples, real = self.gan.sample(SAMPLES, seed=0), self.batch
        share = spread(samples) / spread(real) if spread(real) else 1.0
        self.tell(
            "collapsed",
            ["the samples"] if share < COLLAPSED else [],
            f"step {step:,}: {{}} are nearly equal (mode collapse): they differ by {share:.1%} of what real images "
            "differ by. The generator has found one picture that passes and ignores its latents. Try noisy labels, "
            "BatchNorm in the generator, a lower learning rate for it, or the objective Wasserstein.",
            f"step {step:,}: {{}} differ again: by {share:.0%} of what real images differ by.",
        )
        if share < COLLAPSED:  # what little they differ by says nothing
            return
        noise, real_noise = roughness(samples), roughness(real)
        self.tell(
            "noise",
            ["the samples"] if noise > NOISE and real_noise < NOISE / 2 else [],
            f"step {step:,}: {{}} are noise, whatever the losses say: neighbouring pixels differ by {noise:.0%} of "
            f"what independent ones would, those of real images by {real_noise:.0%}. The discriminator is content with "
            "it. Try more training, a larger or convolutional discriminator, or Dropout in it.",
            f"step {step:,}: {{}} are no longer noise: neighbouring pixels differ by {noise:.0%} of what independent "
            "ones would.",
        )


def first_parameter(net):
    """The smallest parameter of the first layer that has any.

    A backward pass ends there: a NaN on its way down to the images or latents is in every sum it takes here.
    """
    layer = next((layer for layer in net.layers if layer.params), None)
    return min(layer.params.values(), key=lambda value: value.size) if layer else net.flat_params


def least_d_loss(objective):
    """The least mean loss that a discriminator can have: the entropy of the targets, 0 where they are 1 and 0.

    The targets are taken from the gradient at logit 0, where s(x) - t = 1/2 - t: so noisy ones count with their mean.
    """
    rng, logits = np.random.default_rng(0), np.zeros((10_000, 1))
    targets = [0.5 - float(loss(logits, rng)[1].sum()) for loss in (objective.real, objective.fake)]
    return sum(-p * math.log(p) for t in targets for p in (t, 1 - t) if p > 1e-9)


def spread(images):
    """The root mean square difference of two images at a pixel, up to a factor sqrt(2)"""
    return float(images.astype("float64").var(axis=0).mean()) ** 0.5


def roughness(images):
    """The mean squared difference of neighbouring pixels over that of independent ones, which is twice the variance.

    Taken from what is left of the images without their mean: it is smooth or rough whatever the samples are.
    """
    images = images.astype("float64")
    rest = images - images.mean(axis=0)
    steps = rest[:, :, 1:] - rest[:, :, :-1]
    variance = float((rest * rest).mean())
    return float((steps * steps).mean()) / (2 * variance) if variance and steps.size else 0.0
