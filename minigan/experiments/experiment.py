"""An experiment: networks, data and recipe under a name, the claim of a report, and the GAN that it makes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from minigan.data.dataset import OPTION_NAMES
from minigan.errors import OptionError, ShapeError
from minigan.gan import GAN
from minigan.gan.latent import Latent, Normal
from minigan.gan.objectives import NonSaturating, Objective
from minigan.gan.penalties import checked_penalties
from minigan.hints import Seed, Shape
from minigan.layers import Layer
from minigan.models.augmented import checked_policy, diff_augment
from minigan.network import Sequential
from minigan.optimizers import Adam
from minigan.options import (
    is_integer,
    require_choice,
    require_count,
    require_flag,
    require_instance,
    require_positive,
    require_range,
    require_shape,
    require_share,
    require_text,
    shown,
)
from minigan.schedules import OF_A_RUN, Constant, WarmUp

NORMAL, NON_SATURATING, ADAM = Normal(100), NonSaturating(), partial(Adam, lr=2e-4, beta1=0.5)


@dataclass(frozen=True)
class Experiment:
    """The networks of an experiment and their recipe; the defaults are what the reports have in common.

    generator, discriminator   functions of the shape of an image that give the lists of layers
    conditional                True: the networks take labels, and these functions also the number of classes
    g_optimizer, d_optimizer   functions of a network that give its optimizer
    data_range                 the numbers that black and white become
    ema                        the decay of a moving average of the generator, which makes the samples; None: none
    image_size                 the height and width that all images are given; None: as they are
    accumulate                 in how many parts of the batch a step is computed
    lr_schedule                how both learning rates change over the whole run: "constant", "linear" or "cosine" (to
                               0), "late-linear" (constant for half of it, then linear to 0)
    warm_up                    in how many steps both learning rates rise to their first value; None: they start with it
    claim                      what the report says came of it
    augment                    random changes in front of D: "color", "translation", "cutout"
    aliases                    other names, which one can guess
    """

    name: str
    networks: str
    claim: str
    generator: Callable
    discriminator: Callable
    dataset: str = "mnist"
    epochs: int = 10
    batch_size: int = 128
    latent: Latent = NORMAL
    objective: Objective = NON_SATURATING
    g_optimizer: Callable = ADAM
    d_optimizer: Callable = ADAM
    d_steps: int = 1
    accumulate: int = 1
    lr_schedule: str = "constant"
    warm_up: int | None = None
    max_grad_norm: float | None = None
    penalties: tuple = ()
    ema: float | None = None
    data_range: tuple = (-1, 1)
    image_size: int | None = None
    conditional: bool = False
    augment: tuple = ()
    aliases: tuple = ()

    def __post_init__(self):
        owner = "Experiment"
        require_text(owner, name=self.name, networks=self.networks, claim=self.claim, dataset=self.dataset)
        if not self.name:
            raise OptionError("Experiment: expected name as a text, got an empty one.")
        for option in ("generator", "discriminator", "g_optimizer", "d_optimizer"):
            if isinstance(getattr(self, option), Layer) or not callable(getattr(self, option)):
                argument = "the network" if "optimizer" in option else "the shape of an image"
                raise OptionError(
                    f"Experiment: expected {option} as a function of {argument}, got {shown(getattr(self, option))}."
                )
        require_instance(owner, Latent, "latent.Normal(100)", latent=self.latent)
        require_instance(owner, Objective, "objectives.Hinge()", objective=self.objective)
        for option in ("epochs", "batch_size", "d_steps", "accumulate"):
            self._set(option, require_count(owner, **{option: getattr(self, option)}))
        self._set("conditional", require_flag(owner, conditional=self.conditional))
        for option in ("image_size", "warm_up"):
            if getattr(self, option) is not None:
                self._set(option, require_count(owner, **{option: getattr(self, option)}))
        self._set("augment", checked_policy("Experiment: augment", self.augment))
        require_choice(owner, list(OF_A_RUN), lr_schedule=self.lr_schedule)
        if self.max_grad_norm is not None:
            self._set("max_grad_norm", require_positive(owner, max_grad_norm=self.max_grad_norm))
        if self.ema is not None:
            self._set("ema", require_share(owner, ema=self.ema))
        self._set("penalties", checked_penalties(self.penalties, owner))
        if not isinstance(self.data_range, (tuple, list)) or len(self.data_range) != 2:
            raise OptionError(f"Experiment: expected data_range as two numbers, got {shown(self.data_range)}.")
        self._set("data_range", require_range(owner, *self.data_range))
        if not isinstance(self.aliases, (tuple, list)) or not all(isinstance(alias, str) for alias in self.aliases):
            raise OptionError(f"Experiment: expected aliases as a tuple of texts, got {shown(self.aliases)}.")

    def _set(self, name, value):
        """Set a field to its plain value, while the experiment is made."""
        object.__setattr__(self, name, value)

    def but(self, name: str, **changes: Any) -> "Experiment":
        """Return this experiment under another name, with something changed; its aliases stay behind."""
        return replace(self, name=name, **({"aliases": ()} | changes))

    @property
    def report(self) -> str:
        """Return the letter of the report; empty for minigan's own recipes."""
        return self.name[0] if self.name[0].isupper() else ""

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Return the shape (h, w, c) of the images of its data set, as far as one can say without the data."""
        shape = (32, 32, 3) if self.dataset in ("cifar10", "svhn", "folder") else (28, 28, 1)
        if self.dataset.startswith("stacked-"):
            shape = (28, 28, 3)
        return shape if self.image_size is None else (self.image_size, self.image_size, shape[2])

    def data_options(self, given: dict | None = None) -> dict:
        """Return how its images are loaded, as options of `data.load`; what is given counts more than image_size."""
        given = {} if given is None else given
        if not isinstance(given, dict) or not set(given) <= OPTION_NAMES:
            raise OptionError(
                f"{self.name}: expected data_options as a dict of options of data.load "
                f"({', '.join(sorted(OPTION_NAMES))}), got {shown(given)}."
            )
        own = {} if self.image_size is None else {"image_size": self.image_size}
        return {**own, **given}

    @property
    def classes(self) -> int | None:
        """Return how many classes its data set has, as far as one can say without the data; None if not conditional."""
        if not self.conditional:
            return None
        return 1000 if self.dataset.startswith("stacked-") else 10

    def layers_of(self, network: str, image_shape: Shape, classes: int | None = None) -> list[Layer]:
        """Return the layers of "generator" or "discriminator" for images of a shape and, if conditional, classes."""
        arguments = [image_shape]
        if self.conditional:
            arguments.append(self.classes if classes is None else classes)
        changes = diff_augment(self.augment, *self.data_range) if network == "discriminator" else []
        return [*changes, *getattr(self, network)(*arguments)]

    def make_networks(
        self, image_shape: Shape, seed: Seed = 0, device: str = "cpu", classes: int | None = None
    ) -> tuple[Sequential, ...]:
        """Return (generator, discriminator) for images of a shape (h, w, c); classes: of a conditional experiment"""
        image_shape = require_shape(self.name, image_shape=image_shape)
        if classes is not None:
            classes = require_count(self.name, classes=classes)
        parts = (("generator", (self.latent.size,)), ("discriminator", image_shape))
        return tuple(
            Sequential(self.layers_of(name, image_shape, classes), input_shape=shape, seed=(seed, i), device=device)
            for i, (name, shape) in enumerate(parts)
        )

    def make_gan(
        self,
        image_shape: Shape = (28, 28, 1),
        seed: Seed = 0,
        device: str = "cpu",
        steps: int | None = None,
        classes: int | None = None,
    ) -> GAN:
        """Return the GAN for images of a shape; `seed` decides over weights, dropout, latents and label noise.

        steps      how many steps the whole run will have; only a schedule of learning rates needs it
        classes    how many classes the images have, for a conditional experiment; by default `self.classes`
        Errors     ShapeError where this experiment cannot make images of the shape; OptionError for the seed, and
                   without steps where they are needed
        """
        if not is_integer(seed) or seed < 0:
            raise OptionError(f"seed: expected an integer of at least 0, got {shown(seed)}.")
        steps = None if steps is None else require_count(self.name, steps=steps)
        generator, discriminator = self.make_networks(image_shape, seed, device, classes)
        if generator.output_shape != tuple(image_shape):
            raise ShapeError(
                f"{self.name} makes images of {generator.output_shape}, but the data set has {tuple(image_shape)}: "
                "its generator doubles the size several times. Choose another size (--image-size), another data set or "
                "another experiment."
            )
        g_optimizer, d_optimizer = self.g_optimizer(generator), self.d_optimizer(discriminator)
        if self.lr_schedule != "constant" or self.warm_up:
            self._schedule(g_optimizer, steps, self.d_steps)
            self._schedule(d_optimizer, steps, 1)
        gan = GAN(
            generator,
            discriminator,
            latent=self.latent,
            objective=self.objective,
            g_optimizer=g_optimizer,
            d_optimizer=d_optimizer,
            d_steps=self.d_steps,
            accumulate=self.accumulate,
            max_grad_norm=self.max_grad_norm,
            penalties=self.penalties,
            ema=self.ema,
            seed=(seed, 2),
        )
        gan.data_range = self.data_range
        return gan

    def _schedule(self, optimizer, steps, every):
        """Give an optimizer that is used in every so-many-th step of a run the experiment's schedule."""
        falls, warm_up = self.lr_schedule != "constant", self.warm_up or 0
        option = f"lr_schedule={self.lr_schedule!r}" if falls else f"warm_up={warm_up}"
        if not isinstance(optimizer.schedule, Constant):
            raise OptionError(
                f"{self.name}: {option} needs learning rates that are numbers, but an optimizer has "
                f"{optimizer.schedule}. Leave one of them out."
            )
        if falls and steps is None:
            raise OptionError(
                f"{self.name}: {option} changes the learning rates over the whole run. Say how many steps it has: "
                "make_gan(..., steps=10_000)."
            )
        if falls and warm_up >= steps:
            raise OptionError(
                f"{self.name}: the warm-up of {warm_up:,} steps leaves nothing of the run, which has {steps:,}, for "
                f"{option}. Choose a shorter warm-up, or more epochs."
            )
        schedule = optimizer.schedule
        if falls:
            schedule = OF_A_RUN[self.lr_schedule](optimizer.lr, max((steps - warm_up) // every, 1))
        optimizer.lr = WarmUp(schedule, max(warm_up // every, 1)) if warm_up else schedule
