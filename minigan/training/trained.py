"""A trained run, opened to draw samples: the GAN of the newest checkpoint, without the data set."""

import sys
from dataclasses import dataclass, replace

import numpy as np

from minigan import backend
from minigan.budget import SLACK, budget
from minigan.errors import CheckpointError, OptionError, ShapeError, TooLargeError
from minigan.experiments import Experiment, find
from minigan.gan import GAN
from minigan.gan.state import restore_gan
from minigan.hints import Array, Labels, PathLike, Seed
from minigan.labels import labels_to_make
from minigan.options import require_array, require_flag, require_instance, require_seed
from minigan.training import checkpoints
from minigan.training.config import RunConfig
from minigan.training.folder import RunFolder
from minigan.training.settings import FOR_SAMPLES, quoted, require_same, settings_of
from minigan.training.sources import how_to_give


@dataclass
class TrainedRun:
    """A trained GAN, as `load_trained` returns it. Its images are NumPy float32 in [-1, 1], whatever the run's range.

    step       the number of steps that the GAN was trained for
    averaged   whether the samples are made by the moving average of the generator, if the run has one
    """

    folder: RunFolder
    config: RunConfig
    experiment: Experiment
    gan: GAN
    step: int
    averaged: bool = True

    @property
    def epoch(self) -> float:
        """Return how many epochs these steps are."""
        return self.step / self.config.steps_per_epoch

    def latents(self, n: int, seed: Seed) -> Array:
        """Return n latents (n, size) as a NumPy array, the same ones that `gan.sample(n, seed)` uses.

        Errors     OptionError for n and seed
        """
        rng = np.random.default_rng(require_seed("TrainedRun", seed=seed))
        return self.gan.latent.sample(n, rng, self.gan.generator.dtype)

    def images(self, latents: Array, labels: Labels | int | None = None) -> Array:
        """Return the images (n, h, w, c) that the generator makes from latents.

        labels     which classes to make, in a conditional run: (n,), or one for all; by default the classes in turn
        The run's range is mapped to [-1, 1], and numbers outside of it are clipped: a run on images in [0, 1] whose
        generator ends in tanh can make numbers below 0, which are blacker than black.
        Errors     DtypeError, ShapeError for latents and labels that do not fit; OptionError, DataError for labels
        """
        generator = self.gan.sampler(self.averaged)
        require_array("TrainedRun.images", 2, generator.dtype, latents=latents)
        labels = labels_to_make(len(latents), labels, generator.classes)
        images = backend.to_cpu(generator.predict(backend.to_device(latents, generator.xp), labels=labels))
        low, high = self.experiment.data_range
        return np.clip(images * (2 / (high - low)) - (high + low) / (high - low), -1, 1)

    def sample(self, n: int, seed: Seed, labels: Labels | int | None = None) -> Array:
        """Return n generated images; the same seed gives the same images.

        labels     as for `images`
        Errors     OptionError for n and seed; for labels as for `images`
        """
        return self.images(self.latents(n, seed), labels)


def load_trained(
    path: PathLike, device: str = "auto", experiment: Experiment | None = None, averaged: bool = True
) -> TrainedRun:
    """Return the TrainedRun in the folder `path`; the data set is not needed.

    experiment the Experiment of your own that the run was started with; minigan's are found by name
    averaged   whether the samples are made by the moving average of the generator, if the run has one
    A damaged checkpoint is skipped, with a line on the standard error stream.
    Errors     CheckpointError if the folder is not one of a run, or has no undamaged checkpoint; DeviceError
    """
    averaged = require_flag("load_trained", averaged=averaged)
    folder, config = RunFolder.open(path)
    experiment = with_average_of(config, folder, experiment_of(folder, config, experiment))
    notes = []
    newest = checkpoints.read_newest(folder.checkpoints, notes.append)
    if newest is None:
        if folder.traces():
            raise CheckpointError(
                f"{folder.path} holds no checkpoint: its checkpoints are lost. Copy the files step_*.checkpoint back "
                "from a backup, or train again into another folder."
            )
        raise CheckpointError(
            f"{folder.path} holds no checkpoint: the run was started, but it stopped before the end of its first "
            f"epoch. Train it first: python -m minigan resume {folder.path}"
        )
    arrays, values = newest
    gan = make_gan(experiment, config, device, arrays)
    now, who = settings_of(experiment, gan), f"the experiment {experiment.name!r}"
    require_same(config.settings, now, folder.path / "config.json", who, FOR_SAMPLES)
    restore_checkpoint(gan, config, folder, arrays, values)
    sys.stderr.writelines(f"note: {note}\n" for note in notes)
    return TrainedRun(folder, config, experiment, gan, values["step"], averaged)


def make_gan(experiment, config, device, arrays):
    """Return the GAN of a run; it cannot be larger than its checkpoint, whatever image_shape config.json says."""
    kinds = {"parameters": ".params", "state": ".state."}
    limits = {
        kind: sum(array.size for name, array in arrays.items() if part in name) + SLACK for kind, part in kinds.items()
    }
    try:
        with budget(**limits):
            shape, steps = tuple(config.image_shape), config.schedule_steps
            return experiment.make_gan(shape, config.seed, device, steps, config.classes)
    except (ShapeError, TooLargeError) as error:
        raise CheckpointError(
            f"the networks of {quoted(config.experiment)} for images of {config.image_shape}, as config.json says, do "
            f"not fit the checkpoint: {error}"
        ) from error


def experiment_of(folder, config, given=None):
    """Return the experiment that a run was started with: the one that is given, or minigan's own of that name."""
    if given is not None:
        require_instance("experiment", Experiment, "the one that `start_run` got", experiment=given)
        if given.name != config.experiment:
            raise CheckpointError(
                f"{folder.path} was started with the experiment {quoted(config.experiment)}, not with {given.name!r}."
            )
        return given
    if config.source is not None:
        raise CheckpointError(how_to_give(folder, config))
    try:
        found = find(config.experiment)
    except OptionError as error:
        raise CheckpointError(
            f"{folder.path} was started with the experiment {quoted(config.experiment)}, which is not one of "
            "minigan's (see python -m minigan list). If it is your own, give the file that holds it: --source FILE.py. "
            "In Python, pass the experiment: minigan.training.loop.resume_run(path, experiment=...).run(). To draw "
            "samples: minigan.training.trained.load_trained(path, experiment=...)."
        ) from error
    # the run may have begun before minigan gave this experiment an average of the generator
    return found if "ema" in (config.settings or {}) else replace(found, ema=None)


def with_average_of(config, folder, experiment):
    """Return the experiment with the decay that the run was started with: samples need the same networks, no more."""
    try:
        return replace(experiment, ema=(config.settings or {}).get("ema"))
    except OptionError as error:
        raise CheckpointError(f"{folder.path / 'config.json'}: {error}") from error


def restore_gan_from_newest(gan, config, folder, warn):
    """Restore a GAN from the newest undamaged checkpoint of its run; return the checkpoint's values, or None.

    warn       a function that is called with a text for each damaged checkpoint that is skipped
    Errors     CheckpointError if all are damaged, one cannot be read, or the newest belongs to another run
    """
    newest = checkpoints.read_newest(folder.checkpoints, warn)
    if newest is None:
        return None
    restore_checkpoint(gan, config, folder, *newest)
    return newest[1]


def restore_checkpoint(gan, config, folder, arrays, values):
    """Restore a GAN from a checkpoint of its run; CheckpointError if this belongs to another run."""
    where = f"the checkpoint of step {values['step']:,} in {folder.checkpoints}"
    config.check_same(values["config"], where)
    try:
        restore_gan(gan, arrays, values["gan"])
    except ValueError as error:
        raise CheckpointError(
            f"{where} does not fit the networks of {config.experiment} ({error}). Another version of minigan wrote "
            "it. Train again into another folder."
        ) from error
