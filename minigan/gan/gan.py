"""A generative adversarial network: two networks, and the step that trains them against each other."""

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np

from minigan import backend
from minigan.errors import DataError, NonFiniteWarning, OptionError, ShapeError
from minigan.gan.capture import capture_steps
from minigan.gan.latent import Latent, Normal
from minigan.gan.misuse import tell_of_images, tell_of_networks
from minigan.gan.objectives import NonSaturating, Objective
from minigan.gan.saving import load_gan, save_gan
from minigan.hints import Array, PathLike, Seed
from minigan.layers.base import Layer
from minigan.memory import require_room
from minigan.network import Sequential
from minigan.ops.squares import norm
from minigan.optimizers import Adam, Optimizer, clip_grad_norm
from minigan.options import require_built, require_count, require_instance, require_positive, require_seed, shown


class GAN:
    """A generator that learns to make images, from a discriminator that learns to tell them from real ones.

    Options    generator: latents (n, size) -> images; discriminator: images -> logits (n, 1), no sigmoid at its end
               latent: where z comes from, by default Normal; objective: by default NonSaturating
               g_optimizer, d_optimizer: each made for its network, by default Adam(net, lr=2e-4, beta1=0.5)
               d_steps: steps of the discriminator for one of the generator
               max_grad_norm: before each update the network's gradient is shortened to this Euclidean norm where it
               is longer; None leaves it as it is
               seed: of the latents and the label noise; None for another one each time
    Errors     ShapeError, OptionError where the parts do not fit one another
    Source     Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1
    """

    def __init__(
        self,
        generator: Sequential,
        discriminator: Sequential,
        latent: Latent | None = None,
        objective: Objective | None = None,
        g_optimizer: Optimizer | None = None,
        d_optimizer: Optimizer | None = None,
        d_steps: int = 1,
        max_grad_norm: float | None = None,
        seed: Seed = 0,
    ):
        self.generator, self.discriminator = require_built("GAN", generator=generator, discriminator=discriminator)
        self.latent = Normal(latent_size(generator)) if latent is None else latent
        self.objective = NonSaturating() if objective is None else objective
        self.g_optimizer = Adam(generator) if g_optimizer is None else g_optimizer
        self.d_optimizer = Adam(discriminator) if d_optimizer is None else d_optimizer
        self.d_steps = require_count("GAN", d_steps=d_steps)
        self.max_grad_norm = max_grad_norm
        if max_grad_norm is not None:
            self.max_grad_norm = require_positive("GAN", max_grad_norm=max_grad_norm)
        self.rng = np.random.default_rng(require_seed("GAN", seed=seed))
        self.d_updates = 0
        self.g_loss = math.nan
        self.norms_before_clipping = {}
        self.told = False  # of losses that are not finite
        self._step = self.compute_step
        self._check_parts()
        tell_of_networks(self)

    def __setattr__(self, name, value):
        """Refuse another network in the place of one that an optimizer was made for."""
        if name in ("generator", "discriminator") and name in vars(self):
            raise OptionError(
                f"GAN: its {name} cannot be replaced, since its optimizer is made for it: make a new GAN."
            )
        super().__setattr__(name, value)

    def __getstate__(self):
        """What copies and pickles hold: all but captured steps. Call `capture` again on a copy."""
        return {name: value for name, value in vars(self).items() if name != "_step"}

    def __setstate__(self, values):
        vars(self).update(values)
        self._step = self.compute_step

    def _check_parts(self):
        generator, discriminator = self.generator, self.discriminator
        require_instance("GAN", Latent, "latent.Normal(100)", latent=self.latent)
        require_instance("GAN", Objective, "objectives.Hinge()", objective=self.objective)
        require_instance("GAN", Optimizer, "Adam(generator)", g_optimizer=self.g_optimizer)
        require_instance("GAN", Optimizer, "Adam(discriminator)", d_optimizer=self.d_optimizer)
        latent_size(generator)
        if generator.input_shape != (self.latent.size,):
            raise ShapeError(
                f"GAN: the latents have {self.latent.size} numbers, the generator takes {generator.input_shape}. Give "
                f"it input_shape=({self.latent.size},)."
            )
        if generator.output_shape != discriminator.input_shape:
            raise ShapeError(
                f"GAN: the generator makes images of shape {generator.output_shape}, the discriminator takes "
                f"{discriminator.input_shape}. The two must be the same."
            )
        if discriminator.output_shape != (1,):
            raise ShapeError(
                f"GAN: expected a discriminator that ends in one logit, Dense(1), got {discriminator.output_shape}."
            )
        if (generator.dtype, generator.xp) != (discriminator.dtype, discriminator.xp):
            raise OptionError("GAN: generator and discriminator must have the same dtype and device.")
        if self.g_optimizer.net is not generator or self.d_optimizer.net is not discriminator:
            raise OptionError("GAN: g_optimizer must be made for the generator, d_optimizer for the discriminator.")

    def train_step(self, images: Array) -> tuple[float, float]:
        """One step of the discriminator on a batch of real images, and one of the generator (every `d_steps` calls).

        images     (n, h, w, c) in the range of the generator's output, in the networks' dtype and on their device
        Returns    (d_loss, g_loss): numbers, on a GPU arrays of one number each, which wait for it only when read;
                   g_loss is the last known one (at first NaN) where the generator was not trained
        One batch of latents serves both: D learns from the images G made, then, updated, judges the very same images
        for G, so that G's forward pass is never repeated. Where D mixes the samples of a batch, real and generated
        images pass it separately, so that a BatchNorm normalises each by their own statistics; where it does not,
        they pass it as one batch: the same sums, in fewer and larger matrix products.
        """
        self._check_images(images)
        trains_generator = (self.d_updates + 1) % self.d_steps == 0
        losses = self._step(images, trains_generator)
        self.d_updates += 1
        if trains_generator:
            self.g_loss = losses[1]
        self._tell_of_losses(losses)
        return losses[0], self.g_loss

    def _tell_of_losses(self, losses):
        """Warn once where a loss is not finite. On a GPU nobody looks: reading a loss would wait for it."""
        if self.told or all(map(backend.finite_where_cheap, losses)):
            return
        self.told = True
        warnings.warn(
            f"GAN.train_step: in step {self.d_updates:,} the losses (D, G) are {', '.join(map(str, losses))}. Mostly "
            "the weights grew until a number overflowed, and the networks are spoiled from here on. Go back to the "
            "last file that you saved; try lower learning rates, or GAN(..., max_grad_norm=1.0). Which layer it was: "
            "docs/health.md",
            NonFiniteWarning,
            stacklevel=3,
        )

    def compute_step(self, images, trains_generator):
        """The networks' part of a step, kernel by kernel: [d_loss], or [d_loss, g_loss]."""
        z = self.latent.sample(len(images), self.rng, self.generator.dtype, self.generator.xp)
        generated = self.generator.forward(z, training=True)
        losses = [self._train_discriminator(images, generated)]
        if trains_generator:
            losses.append(self._train_generator(generated))
        return losses

    def capture(self, say: Callable[[str], object] | None = None) -> None:
        """Let a GPU take each step as one CUDA graph, from the fourth one on: fewer waits for Python, the same numbers.

        On the CPU it changes nothing. Where a step cannot be captured, it goes on as it was, and `say` is called once
        with a text that says why; without it, a CaptureWarning does.
        Call it again after changing anything but learning rates: networks, objective, the options of an optimizer.
        How it works: docs/gpu.md
        """
        if say is not None and not callable(say):
            raise OptionError(f"GAN.capture: expected say as a function of one text, such as print, got {shown(say)}.")
        self._step = capture_steps(self, say)

    def _train_discriminator(self, images, generated):
        """One update on the sum of both losses; the gradient with respect to the images is not computed."""
        net, objective = self.discriminator, self.objective
        net.forget_grads()
        if net.mixes_samples:
            logits = net.forward(images, training=True)
            real_loss, dlogits = objective.real(logits, self.rng)
            net.backward(dlogits, input_grad=False)
            logits = net.forward(generated, training=True)
            fake_loss, dlogits = objective.fake(logits, self.rng)
            net.backward(dlogits, input_grad=False)
        else:
            both = net.xp.concatenate([images, generated])
            logits = net.forward(both, training=True)
            real_loss, dreal = objective.real(logits[: len(images)], self.rng)
            fake_loss, dfake = objective.fake(logits[len(images) :], self.rng)
            net.backward(net.xp.concatenate([dreal, dfake]), input_grad=False)
        self._update(self.d_optimizer)
        objective.after_discriminator_step(net)
        return real_loss + fake_loss

    def _train_generator(self, generated):
        """One update through the discriminator, whose own gradients are not computed: only its dx is needed."""
        value, dlogits = self.objective.generator(self.discriminator.forward(generated, training=True))
        dimages = self.discriminator.backward(dlogits, param_grads=False)
        self.generator.forget_grads()
        self.generator.backward(dimages, input_grad=False)
        self._update(self.g_optimizer)
        return value

    def _update(self, optimizer):
        """One step of an optimizer, its gradient clipped first where that is wanted."""
        if self.max_grad_norm is not None:
            self.norms_before_clipping[optimizer] = clip_grad_norm(optimizer.net, self.max_grad_norm)
        optimizer.step()

    @property
    def d_grad_norm(self) -> float:
        """Euclidean norm of the discriminator's last gradient, before clipping; before the first step 0.

        A number, on a GPU an array of one. Without clipping it is computed when asked for: a step costs no more.
        """
        return self._grad_norm(self.d_optimizer)

    @property
    def g_grad_norm(self) -> float:
        """The same of the generator's last gradient."""
        return self._grad_norm(self.g_optimizer)

    def _grad_norm(self, optimizer):
        if self.max_grad_norm is None:
            return norm(optimizer.net.flat_grads)
        return self.norms_before_clipping.get(optimizer, 0.0)

    def _check_images(self, images):
        """Refuse what would otherwise be noticed only after the networks were changed, or never."""
        if not backend.is_array(images) or images.ndim == 0:
            raise DataError(f"GAN.train_step: expected an array of images (n, h, w, c), got {shown(images)}.")
        if len(images) == 0:
            raise DataError("GAN.train_step: expected a batch of images, got none.")
        self.discriminator.check_input(images)
        if not backend.finite_where_cheap(images):
            raise DataError("GAN.train_step: the images hold NaN or infinity. Clean the data before training on it.")
        if self.d_updates == 0 and not backend.reading_waits(self.discriminator.xp):
            tell_of_images(self, images)

    def sample(self, n: int, seed: Seed = None) -> Array:
        """n generated images (n, h, w, c), by the generator in inference mode: a copy that nothing overwrites.

        The same seed gives the same latents, so that pictures of one training run can be compared; without one,
        every call draws new ones, not taken from the stream that training uses.
        """
        n, rng = require_count("GAN.sample", n=n), np.random.default_rng(require_seed("GAN.sample", seed=seed))
        net = self.generator
        require_room("GAN.sample", f"{n} images", n * math.prod(net.output_shape) * net.dtype.itemsize, net.xp)
        return net.predict(self.latent.sample(n, rng, net.dtype, net.xp))

    def save(self, path: PathLike) -> None:
        """Write all of this GAN to one file, so that `load` goes on where it stands, bit for bit.

        Both networks, optimizers, latent, objective, counters, the last gradients, random numbers. Your own classes of
        them must keep each argument of their constructors in an attribute of the same name.
        Errors     NonFiniteError where a number of it is NaN or infinite; FileError, OptionError
        """
        save_gan(self, path)

    @classmethod
    def load(
        cls,
        path: PathLike,
        device: str = "cpu",
        custom_layers: Sequence[type[Layer]] = (),
        custom_parts: Sequence[type] = (),
    ) -> "GAN":
        """Read a GAN that `save` wrote; `capture` is to be called again.

        custom_layers   classes of layers that are not minigan's own, as in Sequential.load
        custom_parts    classes of objectives, latents and optimizers that are not
        Errors          CheckpointError where the file is missing, damaged, or names a class that is not known
        """
        return load_gan(cls, path, device, custom_layers, custom_parts)


def latent_size(generator):
    """How many numbers a latent of this generator has."""
    shape = generator.input_shape
    if len(shape) != 1:
        size = math.prod(shape)
        raise ShapeError(
            f"GAN: expected a generator of latents (n, size), got one with input_shape={shape}. Give it input_shape="
            f"({size},), and begin it with Reshape({shape}) where its next layer needs that shape."
        )
    return shape[0]
