"""A run opened to be looked at: its GAN as the newest checkpoint left it, without the data set."""

import sys
from dataclasses import dataclass

import numpy as np

from minigan import backend
from minigan.budget import SLACK, budget
from minigan.errors import CheckpointError, OptionError, ShapeError, TooLargeError
from minigan.experiments import Experiment, find
from minigan.gan import GAN
from minigan.gan.state import restore_gan
from minigan.hints import Array, PathLike, Seed
from minigan.options import require_instance
from minigan.training import checkpoints
from minigan.training.config import RunConfig
from minigan.training.folder import RunFolder
from minigan.training.settings import FOR_SAMPLES, quoted, require_same, settings_of


@dataclass
class TrainedRun:
    """What `load_trained` gives. Images come as NumPy float32 in [-1, 1], whatever the range of the run itself.

    step       steps that its GAN was trained for
    """

    folder: RunFolder
    config: RunConfig
    experiment: Experiment
    gan: GAN
    step: int

    @property
    def epoch(self) -> float:
        """Epochs that these steps are"""
        return self.step / self.config.steps_per_epoch

    def latents(self, n: int, seed: Seed) -> Array:
        """n latents (n, size), NumPy: those of `gan.sample(n, seed)`."""
        if seed < 0:
            raise OptionError(f"seed: expected an integer of at least 0, got {seed}.")
        return self.gan.latent.sample(n, np.random.default_rng(seed), self.gan.generator.dtype)

    def images(self, latents: Array) -> Array:
        """What the generator makes of latents: (n, h, w, c).

        The run's range is mapped to [-1, 1] and what lies outside is cut off: a run on images in [0, 1] whose
        generator ends in tanh can make numbers below 0, blacker than black.
        """
        generator = self.gan.generator
        images = backend.to_cpu(generator.predict(backend.to_device(latents, generator.xp)))
        low, high = self.experiment.data_range
        return np.clip(images * (2 / (high - low)) - (high + low) / (high - low), -1, 1)

    def sample(self, n: int, seed: Seed) -> Array:
        """n generated images; the same seed gives the same ones."""
        return self.images(self.latents(n, seed))


def load_trained(path: PathLike, device: str = "auto", experiment: Experiment | None = None) -> TrainedRun:
    """The TrainedRun in the folder `path`; its data set is not needed.

    experiment your own Experiment that the run was begun with; those of the catalogue are found by name
    Damaged checkpoints are passed over, each with a line on the standard error stream.
    Errors     CheckpointError where the folder is none of a run, or has no whole checkpoint; DeviceError
    """
    folder, config = RunFolder.open(path)
    experiment = experiment_of(folder, config, experiment)
    notes = []
    newest = checkpoints.read_newest(folder.checkpoints, notes.append)
    if newest is None:
        why = "its checkpoints are lost" if folder.traces() else "it stopped before its first epoch was over"
        raise CheckpointError(
            f"{folder.path} holds no checkpoint: the run was begun, but {why}. Train it first: python -m minigan "
            f"resume {folder.path}"
        )
    arrays, values = newest
    gan = make_gan(experiment, config, device, arrays)
    now, who = settings_of(experiment, gan), f"the experiment {experiment.name!r}"
    require_same(config.settings, now, folder.path / "config.json", who, FOR_SAMPLES)
    put_back(gan, config, folder, arrays, values)
    sys.stderr.writelines(f"note: {note}\n" for note in notes)
    return TrainedRun(folder, config, experiment, gan, values["step"])


def make_gan(experiment, config, device, arrays):
    """The GAN of a run, no larger than what its checkpoint holds, whatever image_shape config.json asks for."""
    kinds = {"parameters": ".params", "state": ".state."}
    limits = {
        kind: sum(array.size for name, array in arrays.items() if part in name) + SLACK for kind, part in kinds.items()
    }
    try:
        with budget(**limits):
            return experiment.make_gan(tuple(config.image_shape), config.seed, device)
    except (ShapeError, TooLargeError) as error:
        raise CheckpointError(
            f"the networks of {quoted(config.experiment)} for images of {config.image_shape}, as config.json says, are "
            f"not those of the checkpoint: {error}"
        ) from error


def experiment_of(folder, config, given=None):
    """The experiment that a run was begun with: the one that is given, or the one of that name in the catalogue."""
    if given is not None:
        require_instance("experiment", Experiment, "the one that `begin` was given", experiment=given)
        if given.name != config.experiment:
            raise CheckpointError(
                f"{folder.path} was begun with the experiment {quoted(config.experiment)}, not with {given.name!r}."
            )
        return given
    try:
        return find(config.experiment)
    except OptionError as error:
        raise CheckpointError(
            f"{folder.path} was begun with the experiment {quoted(config.experiment)}, which is none of minigan's (see "
            "python -m minigan list). If it is your own, go on in Python, where you can give it: reopen(path, "
            "experiment=...).run() of minigan.training.loop; for samples load_trained(path, experiment=...) of "
            "minigan.training.trained."
        ) from error


def restore_newest(gan, config, folder, warn):
    """Put the newest whole checkpoint of a run into its GAN; returns the values in it, or None where there is none.

    warn       called with a text for each damaged one that is passed over
    Errors     CheckpointError where all are damaged, one cannot be read, or the newest is that of another run
    """
    newest = checkpoints.read_newest(folder.checkpoints, warn)
    if newest is None:
        return None
    put_back(gan, config, folder, *newest)
    return newest[1]


def put_back(gan, config, folder, arrays, values):
    """Put the newest checkpoint of a run into its GAN; CheckpointError where it is that of another run."""
    where = f"the newest checkpoint in {folder.checkpoints}"
    config.check_same(values["config"], where)
    try:
        restore_gan(gan, arrays, values["gan"])
    except ValueError as error:
        raise CheckpointError(
            f"{where} does not fit the networks of {config.experiment} ({error}). It was made by another version of "
            "minigan; train anew into another folder."
        ) from error
