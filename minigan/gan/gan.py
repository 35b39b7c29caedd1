"""The GAN: a generator, a discriminator, and the step that trains them against each other."""

import math
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import numpy as np

from minigan import backend
from minigan.errors import DataError, NonFiniteWarning, OptionError
from minigan.gan.accumulation import step_in_parts
from minigan.gan.average import MovingAverage
from minigan.gan.capture import graphs_for
from minigan.gan.latent import Latent, Normal
from minigan.gan.misuse import tell_of_images, tell_of_networks, tell_of_penalties
from minigan.gan.objectives import NonSaturating, Objective, loss_and_gradient
from minigan.gan.parts import CHECKS, latent_size, require_networks
from minigan.gan.penalties import GradientPenalty
from minigan.gan.saving import load_gan, save_gan
from minigan.hints import Array, Labels, PathLike, Seed
from minigan.initializers import Initializer
from minigan.labels import checked_labels, labels_for, labels_to_make
from minigan.layers.base import Layer
from minigan.machine import one_blas_thread
from minigan.memory import require_room
from minigan.network import Sequential
from minigan.ops.squares import norm
from minigan.optimizers import Adam, Optimizer, clip_grad_norm
from minigan.options import (
    require_built,
    require_count,
    require_flag,
    require_instance,
    require_seed,
    require_share,
    shown,
)
from minigan.other_libraries import OF_GANS, NamesOfOthers
from minigan.parallel.group import ALONE, Group
from minigan.parallel.joining import require_joinable


class GAN(NamesOfOthers):
    """A generator that learns to make images, and a discriminator that learns to tell them from real images.

    Options    generator: latents (n, size) -> images; discriminator: images -> logits (n, 1), without a sigmoid at the
               end
               latent: the distribution of z, by default Normal; objective: by default NonSaturating
               g_optimizer, d_optimizer: each made for its network, by default Adam(net, lr=2e-4, beta1=0.5)
               d_steps: steps of the discriminator for each step of the generator
               max_grad_norm: before each update, a longer gradient is clipped to this Euclidean norm; None for no
               clipping
               penalties: on the slope of the discriminator, such as [penalties.R1()]; by default none
               seed: of the latents and the label noise; None for a new one each time
               accumulate: compute each step in so many parts of the batch, whose gradients add up: less memory
               ema: the decay of a moving average of the generator, such as 0.998, which then makes the samples; None
               for no average
    Errors     ShapeError, OptionError if the parts do not fit together
    Source     Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1
    """

    elsewhere = OF_GANS
    data_range: tuple[float, float] | None = None  # of the images, if an experiment has chosen it

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
        penalties: Sequence[GradientPenalty] = (),
        ema: float | None = None,
        accumulate: int = 1,
    ):
        self.generator, self.discriminator = require_built("GAN", generator=generator, discriminator=discriminator)
        require_networks(generator, discriminator)
        self.latent = Normal(latent_size(generator)) if latent is None else latent
        self.objective = NonSaturating() if objective is None else objective
        self.g_optimizer = Adam(generator) if g_optimizer is None else g_optimizer
        self.d_optimizer = Adam(discriminator) if d_optimizer is None else d_optimizer
        self.d_steps, self.accumulate, self.max_grad_norm = d_steps, accumulate, max_grad_norm
        self.penalties = penalties
        self.rng = np.random.default_rng(require_seed("GAN", seed=seed))
        self.moving_average = None
        if ema is not None:
            self.moving_average = MovingAverage(generator, require_share("GAN", ema=ema))
        self.d_updates = 0
        self.g_loss = math.nan
        self.norms_before_clipping = {}
        self.told = False  # of losses that are not finite
        self.group = ALONE
        self._graphs = None  # of steps, on a GPU that captures them
        tell_of_networks(self)
        tell_of_penalties(self)

    def __setattr__(self, name, value):
        """Check the parts and options of the GAN whenever they are set, by __init__ or later.

        The networks cannot be replaced, because their optimizers are made for them.
        """
        if name in ("generator", "discriminator") and name in vars(self):
            raise OptionError(
                f"GAN: the {name} cannot be replaced, because its optimizer is made for it. Make a new GAN."
            )
        if name in CHECKS:
            value = CHECKS[name](self, value)
        super().__setattr__(name, value)

    def __getstate__(self):
        """Return what copies and pickles hold: everything but captured steps and the group of processes."""
        return {name: value for name, value in vars(self).items() if name not in ("_graphs", "group")}

    def __setstate__(self, values):
        vars(self).update(values)
        self.group, self._graphs = ALONE, None

    def train_step(self, images: Array, labels: Labels | None = None) -> tuple[float, float]:
        """Train the discriminator on a batch of real images, then (in every `d_steps`-th call) the generator.

        images     (n, h, w, c) in the range of the generator's output, in the networks' dtype and on their device
        labels     (n,), the classes of the images, if the networks take labels: integers from 0. G makes as many images
                   of the same classes, so D judges pairs of an image and a label
        Returns    (d_loss, g_loss): numbers; on a GPU arrays of one number, so that only reading them waits. If the
                   generator was not trained, g_loss is the last one (NaN before the first)
        Both updates use the same batch of latents: D learns from the images that G made; then the updated D judges the
        same images for G, so G's forward pass runs only once. If D mixes the samples of a batch, real and generated
        images pass it separately, so that a BatchNorm uses the statistics of each. If not, they pass it as one batch:
        the same sums, in fewer and larger matrix products.
        """
        self._check_images(images)
        labels = self.checked_labels("GAN.train_step", labels, len(images))
        trains_generator = (self.d_updates + 1) % self.d_steps == 0
        # BLAS's own threads would wait for work on the cores of the workers
        with one_blas_thread() if self.workers > 1 else nullcontext():
            if self._graphs is None:
                losses = self.compute_step(images, trains_generator, labels)
            else:
                losses = self._graphs.step(self, images, trains_generator, labels)
        self.d_updates += 1
        if trains_generator:
            self.g_loss = losses[1]
        self._tell_of_losses(losses)
        return losses[0], self.g_loss

    def _tell_of_losses(self, losses):
        """Warn once if a loss is not finite. Not on a GPU: reading a loss would wait for it."""
        if self.told or all(map(backend.finite_where_cheap, losses)):
            return
        self.told = True
        warnings.warn(
            f"GAN.train_step: in step {self.d_updates:,} the losses (D, G) are {', '.join(map(str, losses))}. "
            "Usually this means that the weights grew until a number overflowed. The networks cannot recover from "
            "this. Load the last file that you saved, and try lower learning rates, or GAN(..., max_grad_norm=1.0). "
            "How to find the layer: docs/health.md",
            NonFiniteWarning,
            stacklevel=3,
        )

    def compute_step(self, images, trains_generator, labels=None):
        """Compute a step kernel by kernel, and return [d_loss] or [d_loss, g_loss].

        Where processes share the batch, each draws the same latents and has the same images, and takes its own rows.
        """
        if self.accumulate > 1:
            return step_in_parts(self, images, trains_generator, labels)
        group, n = self.group, len(images)
        group.take(n)
        z = self.latent.sample(n, self.rng, self.generator.dtype, self.generator.xp)
        own = None if labels is None else group.own(labels)
        with group.working((self.generator, self.discriminator)):
            generated = self.generator.forward(group.own(z), training=True, labels=own)
            losses = [self._train_discriminator(images, generated, own)]
            if trains_generator:
                losses.append(self._train_generator(generated, own))
        return losses

    def capture(self, say: Callable[[str], object] | None = None) -> None:
        """Let a GPU run each step, from the fourth on, as one CUDA graph: less waiting for Python, the same numbers.

        On the CPU this changes nothing. If a step cannot be captured, it runs as before, and `say` is called once with
        a text that says why; without `say`, a CaptureWarning is given.
        Call `capture` again after any change except of learning rates: networks, objective, options of an optimizer.
        How it works: docs/gpu.md
        """
        if say is not None and not callable(say):
            raise OptionError(f"GAN.capture: expected say as a function of one text, such as print, got {shown(say)}.")
        self._graphs = graphs_for(self, say)

    def parallel(self, workers: int | str = "auto") -> int:
        """Let threads share every batch from now on, in both networks and in both updates. Returns their number.

        The results do not depend on the number of threads, but for rounding; with one number they are always the same
        bits. Call `parallel` again after a change of a layer's options, and on a copy.
        workers    how many threads; "auto": as many as BLAS has, which have nothing to do meanwhile; 1 ends the sharing
        Errors     OptionError on a GPU, or for a layer of your own that mixes the samples of a batch and does not sum
                   over the workers
        How it works: docs/parallel.md
        """
        if self.group.size > 1:
            if workers not in ("auto", 1):
                raise OptionError(
                    f"GAN.parallel: {self.group.size} processes share the batches of this GAN, so threads cannot share "
                    "them as well. Leave out workers, or take 1."
                )
            return 1
        before = self.generator.shared
        try:
            self.generator.parallel(workers)
            return self.discriminator.parallel(workers)
        except BaseException:
            self.generator.shared = before
            raise

    def join(self, group: Group) -> None:
        """Share every batch with the other processes of a group from now on, each with a GAN like this one.

        Every process gives `train_step` the same whole batch, and gets the same losses. The results do not depend on
        the number of processes, but for rounding; with one number they are always the same bits. Call `join` before
        `capture`. A copy of the GAN belongs to no group.
        group      minigan.parallel.processes() in a program that mpirun has started; minigan.parallel.ALONE leaves it
        Errors     OptionError if threads share the batch, the GANs of the processes are not alike, or for a layer of
                   your own that mixes the samples of a batch and does not sum over the workers
        How it works: docs/parallel.md
        """
        require_instance("GAN.join", Group, "minigan.parallel.processes()", group=group)
        if group.size > 1:
            require_joinable(self, group)
        self.group = group

    @property
    def workers(self) -> int:
        """Return how many threads share a batch."""
        return max(self.generator.workers, self.discriminator.workers)

    def _train_discriminator(self, images, generated, labels):
        """Update D on the sum of both losses and the penalties; the gradient of the images is not computed.

        The objective gets the logits of all n images, whoever computed them.
        images               the whole batch
        generated, labels    this worker's part: both the real and the generated images have these labels
        """
        net, objective, group, n = self.discriminator, self.objective, self.group, len(images)
        whole, images = images, group.own(images)
        net.forget_grads()
        if net.mixes_samples:
            logits = group.gather(net.forward(images, training=True, labels=labels))
            real_loss, dlogits = loss_and_gradient(objective.real, logits, self.rng)
            net.backward(group.own(dlogits), input_grad=False)
            logits = group.gather(net.forward(generated, training=True, labels=labels))
            fake_loss, dlogits = loss_and_gradient(objective.fake, logits, self.rng)
            net.backward(group.own(dlogits), input_grad=False)
        else:
            both = net.xp.concatenate([images, generated])
            backend.make_read_only(both)  # so that D need not copy it to be sure of it
            twice = None if labels is None else net.xp.concatenate([labels, labels])
            group.take(n, batches=2)
            logits = group.gather(net.forward(both, training=True, labels=twice))
            real_loss, dreal = loss_and_gradient(objective.real, logits[:n], self.rng)
            fake_loss, dfake = loss_and_gradient(objective.fake, logits[n:], self.rng)
            net.backward(group.own(net.xp.concatenate([dreal, dfake])), input_grad=False)
            group.take(n)
        loss = real_loss + fake_loss
        due = self.penalties_due()
        if due:
            generated = group.gather(generated)
            for penalty in due:
                loss = loss + penalty.add(net, whole, generated, self.rng, group, labels)
        self._update(self.d_optimizer)
        objective.after_discriminator_step(net)
        return loss

    def penalties_due(self) -> tuple[GradientPenalty, ...]:
        """Return the penalties that count in the next step of the discriminator: all that are not lazy."""
        return tuple(penalty for penalty in self.penalties if penalty.due(self.d_updates))

    def _train_generator(self, generated, labels):
        """Update G through D; only D's dx is computed, not the gradients of its parameters."""
        logits = self.group.gather(self.discriminator.forward(generated, training=True, labels=labels))
        value, dlogits = loss_and_gradient(self.objective.generator, logits)
        dimages = self.discriminator.backward(self.group.own(dlogits), param_grads=False)
        self.generator.forget_grads()
        self.generator.backward(dimages, input_grad=False)
        self._update(self.g_optimizer)
        return value

    def _update(self, optimizer):
        """Add up the workers' gradients, clip the sum if max_grad_norm is set, then take one step of the optimizer."""
        self.group.add_up(optimizer.net.flat_grads)
        if self.max_grad_norm is not None:
            self.norms_before_clipping[optimizer] = clip_grad_norm(optimizer.net, self.max_grad_norm)
        optimizer.step()
        if self.moving_average and optimizer is self.g_optimizer:
            self.moving_average.update()

    @property
    def d_grad_norm(self) -> float:
        """Return the Euclidean norm of the discriminator's last gradient before clipping; 0 before the first step.

        It is a number, on a GPU an array of one number. Without clipping, it is computed only when it is read.
        """
        return self._grad_norm(self.d_optimizer)

    @property
    def g_grad_norm(self) -> float:
        """Return the norm of the generator's last gradient, as d_grad_norm does."""
        return self._grad_norm(self.g_optimizer)

    def _grad_norm(self, optimizer):
        if self.max_grad_norm is None:
            return norm(optimizer.net.flat_grads)
        return self.norms_before_clipping.get(optimizer, 0.0)

    def _check_images(self, images):
        """Raise an error for images that would otherwise spoil the networks."""
        if not backend.is_array(images) or images.ndim == 0:
            raise DataError(f"GAN.train_step: expected an array of images (n, h, w, c), got {shown(images)}.")
        if len(images) == 0:
            raise DataError("GAN.train_step: expected a batch of images, got none.")
        self.discriminator.check_input(images)
        if not backend.finite_where_cheap(images):
            raise DataError("GAN.train_step: the images hold NaN or infinity. Clean the data before you train on it.")
        if self.d_updates == 0 and not backend.reading_waits(self.discriminator.xp):
            tell_of_images(self, images)

    @property
    def ema(self) -> float | None:
        """Return the decay of the generator's moving average, or None if there is no average."""
        return self.moving_average.decay if self.moving_average else None

    @property
    def average(self) -> Sequential | None:
        """Return the moving average of the generator, a network of its own, or None. See docs/gan.md"""
        return self.moving_average.network if self.moving_average else None

    def sampler(self, averaged: bool = True) -> Sequential:
        """Return the network that makes samples: the generator's moving average if there is one and it is wanted."""
        averaged = require_flag("GAN", averaged=averaged)
        return self.moving_average.network if averaged and self.moving_average else self.generator

    def checked_labels(self, where, labels, n):
        """Return the labels of n images on the networks' device, or None if the networks take none."""
        net = self.generator
        if labels_for(net, labels, where) is None:
            return None
        return checked_labels(where, backend.to_cpu(labels), n, net.classes, net.xp)

    def sample(self, n: int, seed: Seed = None, labels: Labels | int | None = None, averaged: bool = True) -> Array:
        """Return n generated images (n, h, w, c), made in inference mode.

        labels     which classes to make, if the generator takes labels: (n,) integers, or one for all images. By
                   default the classes take turns: 0, 1, 2, ...
        averaged   by the moving average of the generator, if the GAN has one (ema); False: by the generator itself
        The same seed gives the same latents, so pictures of a training run can be compared. Without a seed, every call
        draws new latents. Sampling does not change the random numbers of training.
        """
        n, rng = require_count("GAN.sample", n=n), np.random.default_rng(require_seed("GAN.sample", seed=seed))
        net = self.sampler(averaged)
        require_room("GAN.sample", f"{n} images", n * math.prod(net.output_shape) * net.dtype.itemsize, net.xp)
        labels = self.checked_labels("GAN.sample", labels_to_make(n, labels, net.classes), n)
        return net.predict(self.latent.sample(n, rng, net.dtype, net.xp), labels=labels)

    def save(self, path: PathLike) -> None:
        """Write this GAN to one file, so that training can continue after `load`, bit for bit.

        The file holds both networks, the average of the generator, optimizers, latent, objective, penalties, counters,
        the last gradients and the random state.
        Classes of your own must store each argument of their constructors in an attribute of the same name.
        Errors     NonFiniteError if any number is NaN or infinite; TooLargeError if `load` would refuse a network as
                   too large; FileError, OptionError
        """
        save_gan(self, path)

    @classmethod
    def load(
        cls,
        path: PathLike,
        device: str = "cpu",
        custom_layers: Sequence[type[Layer] | type[Initializer]] = (),
        custom_parts: Sequence[type] = (),
    ) -> "GAN":
        """Read a GAN that `save` wrote. Call `capture` again afterwards.

        custom_layers   classes of layers and initializers that are not minigan's own, as in Sequential.load
        custom_parts    classes of objectives, penalties, latents, optimizers and schedules that are not minigan's own
        Errors          CheckpointError if the file is missing or damaged, or names an unknown class
        """
        return load_gan(cls, path, device, custom_layers, custom_parts)
