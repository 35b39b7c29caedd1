"""A run opened to be looked at: its GAN as the newest checkpoint left it, without the data set."""

import sys
from dataclasses import dataclass

import numpy as np

from minigan import backend
from minigan.errors import CheckpointError, OptionError
from minigan.experiments import Experiment, find
from minigan.gan import GAN
from minigan.gan.state import restore_gan
from minigan.training import checkpoints
from minigan.training.config import RunConfig
from minigan.training.folder import RunFolder


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
    def epoch(self):
        """Epochs that these steps are"""
        return self.step / self.config.steps_per_epoch

    def latents(self, n, seed):
        """n latents (n, size), NumPy: those of `gan.sample(n, seed)`."""
        if seed < 0:
            raise OptionError(f"seed: expected an integer of at least 0, got {seed}.")
        return self.gan.latent.sample(n, np.random.default_rng(seed), self.gan.generator.dtype)

    def images(self, latents):
        """What the generator makes of latents: (n, h, w, c).

        The run's range is mapped to [-1, 1] and what lies outside is cut off: a run on images in [0, 1] whose
        generator ends in tanh can make numbers below 0, blacker than black.
        """
        generator = self.gan.generator
        images = backend.to_cpu(generator.predict(backend.to_device(latents, generator.xp)))
        low, high = self.experiment.data_range
        return np.clip(images * (2 / (high - low)) - (high + low) / (high - low), -1, 1)

    def sample(self, n, seed):
        """n generated images; the same seed gives the same ones."""
        return self.images(self.latents(n, seed))


def load_trained(path, device="auto"):
    """The TrainedRun in the folder `path`; its data set is not needed.

    Damaged checkpoints are passed over, each with a line on the standard error stream.
    Errors     CheckpointError where the folder is none of a run, or has no whole checkpoint; DeviceError
    """
    folder, config = RunFolder.open(path)
    experiment = find(config.experiment)
    gan = experiment.make_gan(tuple(config.image_shape), config.seed, device)
    notes = []
    values = restore_newest(gan, config, folder, notes.append)
    if values is None:
        raise CheckpointError(
            f"{folder.path} holds no checkpoint: the run was begun, but stopped before its first epoch was over. Train "
            f"it first: python -m minigan resume {folder.path}"
        )
    sys.stderr.writelines(f"note: {note}\n" for note in notes)
    return TrainedRun(folder, config, experiment, gan, values["step"])


def restore_newest(gan, config, folder, warn):
    """Put the newest whole checkpoint of a run into its GAN; returns the values in it, or None where there is none.

    warn       called with a text for each damaged one that is passed over
    Errors     CheckpointError where all are damaged, or the newest is that of another run
    """
    newest = checkpoints.read_newest(folder.checkpoints, warn)
    if newest is None:
        return None
    arrays, values = newest
    where = f"the newest checkpoint in {folder.checkpoints}"
    config.check_same(values["config"], where)
    try:
        restore_gan(gan, arrays, values["gan"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{where} does not fit the networks of {config.experiment} ({error}). It was made by another version of "
            "minigan; train anew into another folder."
        ) from error
    return values
