"""Training a run to its end, from wherever its newest checkpoint stands."""

import math
import warnings
from itertools import islice
from typing import Any

import numpy as np

from minigan import backend, data, machine
from minigan.errors import CheckpointError, MiniganError, NonFiniteWarning, OptionError
from minigan.experiments import Experiment
from minigan.files import as_path
from minigan.gan.state import gan_state
from minigan.hints import PathLike, Seed
from minigan.options import require_instance
from minigan.training import checkpoints
from minigan.training.config import RunConfig, images_md5, versions, wrong_entry
from minigan.training.folder import RunFolder
from minigan.training.gallery import Gallery
from minigan.training.settings import require_same, settings_of
from minigan.training.stopping import StopRequest
from minigan.training.trained import experiment_of, restore_newest
from minigan.training.watchers.health import Health
from minigan.training.watchers.progress import ProgressBar
from minigan.training.watchers.tensorboard import TensorBoard


def begin(
    experiment: Experiment,
    out: PathLike,
    dataset: str | None = None,
    data_dir: PathLike | None = None,
    seed: Seed = 0,
    device: str = "auto",
    **options: Any,
) -> "Training":
    """A new run of an experiment in the folder `out`, ready to train; nothing is written if anything does not fit.

    experiment one of `find`, or an Experiment of your own
    options    epochs, steps, batch_size, every, tensorboard; None or left out: the experiment's own
    """
    experiment = require_instance("begin", Experiment, 'find("A4")', experiment=experiment)
    out = as_path(out)
    dataset_name = experiment.dataset if dataset is None else dataset
    dataset = data.load(dataset_name, directory=data_dir)
    options = {name: value for name, value in options.items() if value is not None}
    device = backend.device_name(backend.device_module(device))
    config = RunConfig(
        experiment=experiment.name,
        dataset=dataset_name,
        data_dir=absolute(data_dir),
        images=len(dataset),
        image_shape=list(dataset.images.shape[1:]),
        images_md5=images_md5(dataset.images),
        epochs=options.pop("epochs", experiment.epochs),
        steps=options.pop("steps", None),
        batch_size=options.pop("batch_size", experiment.batch_size),
        seed=seed,
        device=device,
        versions=versions(device),
        **options,
    )
    require_right(config)
    if config.batch_size > len(dataset):
        raise OptionError(
            f"batch_size is {config.batch_size}, but {dataset_name} has only {len(dataset)} images here, so that no "
            f"batch would be full. Take a --batch-size of at most {len(dataset)}."
        )
    gan = experiment.make_gan(dataset.images.shape[1:], seed, config.device)
    config.settings = settings_of(experiment, gan)
    return Training(RunFolder.create(out, config), config, experiment, dataset.images, gan)


def reopen(
    path: PathLike,
    epochs: int | None = None,
    steps: int | None = None,
    device: str | None = None,
    data_dir: PathLike | None = None,
    experiment: Experiment | None = None,
) -> "Training":
    """The run in a folder, ready to go on from its newest whole checkpoint; this process owns the folder from now on.

    epochs, steps, device    a later end, or another device, than config.json says
    data_dir                 where the files of the data set are now, if they were moved
    experiment               your own Experiment that the run was begun with; those of the catalogue are found by name
    Errors     FileError where another process trains there; CheckpointError where something does not fit
    """
    folder, _ = RunFolder.open(path)
    folder.lock()
    try:
        return go_on(folder, epochs, steps, device, data_dir, experiment)
    except BaseException:
        folder.release()
        raise


def go_on(folder, epochs, steps, device, data_dir, experiment):
    """`reopen` in a folder that is owned: from here on nobody else changes it."""
    folder.refuse_links()
    _, config = RunFolder.open(folder.path)
    experiment = experiment_of(folder, config, experiment)
    config.data_dir = config.data_dir if data_dir is None else absolute(data_dir)
    config.epochs = config.epochs if epochs is None else epochs
    config.steps = config.steps if steps is None else steps
    require_right(config)
    dataset = data.load(config.dataset, directory=config.data_dir)
    if images_md5(dataset.images) != config.images_md5:
        raise CheckpointError(
            f"{folder.path}: {config.dataset} is not the data that this run was begun with: {len(dataset):,} images "
            f"with other bytes, then {config.images:,}. Give the folder that holds those (--data-dir DIR), or train "
            "anew into another folder."
        )
    before = config.device
    config.device = before if device is None else backend.device_name(backend.device_module(device))
    gan = experiment.make_gan(dataset.images.shape[1:], config.seed, config.device)
    settings = settings_of(experiment, gan)
    require_same(config.settings, settings, folder.path / "config.json", f"the experiment {experiment.name!r}")
    folder.make_folders()
    training = Training(folder, config, experiment, dataset.images, gan)
    training.restore()
    if training.step > config.total_steps:
        raise OptionError(
            f"{folder.path} has taken {training.step:,} steps already; an end after {config.total_steps:,} lies behind."
        )
    training.note_changes(before, versions(config.device), machine.numerics())
    config.settings = settings
    folder.write_config(config)
    return training


def absolute(data_dir):
    """A folder's path as config.json keeps it: right from every working directory."""
    return None if data_dir is None else str(as_path(data_dir).expanduser().absolute())


def require_right(config):
    """Refuse options that could not be read again."""
    wrong = wrong_entry(vars(config))
    if wrong:
        raise OptionError(f"a run cannot go like this: {wrong}.")


class Training:
    """A run on its way: the GAN, and how far it has come.

    step       steps taken in all; the losses of those in the current epoch are kept, for the epoch's means
    history    one row for each completed epoch
    """

    def __init__(self, folder, config, experiment, images, gan):
        self.folder, self.config, self.experiment, self.gan = folder, config, experiment, gan
        self.images = backend.to_device(images, gan.generator.xp)
        self.gallery = Gallery(
            folder.path, gan, images, config.seed, samples=folder.samples, data_range=experiment.data_range
        )
        self.step, self.losses, self.history = 0, [], []
        self.remarks = []  # noted while the run was opened; said again where it goes on
        self.health = Health(gan, folder.note)

    @property
    def epoch(self):
        """Completed epochs"""
        return self.step // self.config.steps_per_epoch

    def remark(self, text):
        self.folder.note(text)
        self.remarks.append(text)

    def restore(self):
        """Take over the newest whole checkpoint; a run that was killed before its first one begins at step 0.

        Errors     CheckpointError where there was one, and is none now
        """
        values = restore_newest(self.gan, self.config, self.folder, self.remark)
        if values is None:
            traces = self.folder.traces()
            if traces:
                raise CheckpointError(
                    f"{self.folder.checkpoints} holds no checkpoint, but {' and '.join(traces)} in {self.folder.path} "
                    "tell that steps were taken and saved: the checkpoints are lost. Put the files step_*.checkpoint "
                    "back from a copy, or train anew into another folder."
                )
            return
        self.step, self.losses, self.history = values["step"], values["losses"], values["history"]
        try:
            self.health.restore(values.get("health", self.health.state()))
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{self.folder.checkpoints}: no state of the health ({error!r}).") from error
        self.gallery.remove_after(len(self.history))

    def note_changes(self, device, versions, machine):
        """Say what is not as it was when the run trained last, of what the numbers depend on, and keep what is now."""
        config = self.config
        changes = config.changes(versions, machine)
        if device != config.device:
            changes.insert(0, f"the device was {device}, is {config.device}")
        if changes:
            self.remark(
                f"not as before: {'; '.join(changes)}. From here on the run is the same but for rounding, not bit for "
                "bit, and training enlarges such differences from step to step."
            )
        config.versions, config.machine = versions, machine

    def save(self):
        """Write a checkpoint, and the history beside it, which a later one only adds to."""
        arrays, gan = gan_state(self.gan)
        self.losses = [[float(loss) for loss in pair] for pair in self.losses]
        values = {
            "step": self.step,
            "losses": self.losses,
            "history": self.history,
            "gan": gan,
            "health": self.health.state(),
            "config": self.config.fixed(),
        }
        checkpoints.write(self.folder.checkpoints, self.step, arrays, values)
        self.folder.write_history(self.history)

    def close(self):
        """Give up the folder, so that others can go on with the run; `run` does it at its end."""
        self.folder.release()

    def run(self, quiet: bool = False) -> int | None:
        """Train to the end, or to the first Ctrl-C or SIGTERM, whose number is returned; None at the end.

        The folder is this process's own until then.
        """
        if self.folder.lock():  # it was given up: somebody else may have trained since
            self.require_newest()
        try:
            return self.train(quiet)
        finally:
            self.close()

    def require_newest(self):
        """Errors: CheckpointError where the folder holds checkpoints of later steps than this Training took."""
        found = checkpoints.in_folder(self.folder.checkpoints)
        if found and found[-1][0] > self.step:
            self.close()
            raise CheckpointError(
                f"{self.folder.path} went on to step {found[-1][0]:,} without this Training, which stands at step "
                f"{self.step:,}. Open the run anew: reopen({str(self.folder.path)!r})."
            )

    def train(self, quiet):
        """`run` in a folder that is owned."""
        config, folder = self.config, self.folder
        folder.note(f"training from step {self.step:,} of {config.total_steps:,} on {config.device}")
        bar = ProgressBar(config, self.step, quiet)

        def say(text):
            folder.note(text)
            bar.say(text)

        for text in self.remarks:
            bar.say(text)
        self.remarks = []
        self.gan.capture(say)
        self.health.say = say
        board = TensorBoard(folder.path / "tensorboard", self.step) if config.tensorboard else None
        watchers = [bar, self.health, *([board] if board else [])]
        try:
            with StopRequest() as stop, warnings.catch_warnings():
                warnings.simplefilter("ignore", NonFiniteWarning)  # health says it, and which layer it was
                while self.step < config.total_steps and not stop.signal:
                    self.train_epoch(stop, watchers)
                self.health.check_finite(self.step)
                self.save()
        except MiniganError as error:
            folder.note(f"stopped at step {self.step:,}: {error}")
            raise
        finally:
            for watcher in watchers:
                watcher.close()
        if self.losses and not stop.signal:  # the end lies within an epoch
            self.end_epoch([])
            folder.write_history(self.history)
        left_out = self.gallery.finish([(row["d_loss"], row["g_loss"]) for row in self.history])
        for path in left_out:
            folder.note(f"{path}: no whole picture of this run; it is left out of learning.gif")
        folder.note(f"{f'stopped by signal {stop.signal}' if stop.signal else 'finished'} after {self.step:,} steps")
        return stop.signal

    def train_epoch(self, stop, watchers):
        """The rest of the current epoch. Its order of images depends on seed and epoch alone."""
        config = self.config
        rng = np.random.default_rng((config.seed, 3, self.epoch))
        batches = data.batches(self.images, config.batch_size, rng, *self.experiment.data_range)
        done = self.step % config.steps_per_epoch
        end = min(config.steps_per_epoch, done + config.total_steps - self.step)
        for batch in islice(batches, done, end):
            losses = self.gan.train_step(batch)
            self.step += 1
            self.losses.append(losses)
            for watcher in watchers:
                watcher.after_step(self.step, batch, *losses)
            if stop.signal:
                break
        if self.step % config.steps_per_epoch == 0:
            self.end_epoch(watchers)
            if self.step < config.total_steps and not stop.signal:
                self.save()

    def end_epoch(self, watchers):
        """The row of the history, the grid of samples."""
        d_losses, g_losses = np.array([[float(loss) for loss in pair] for pair in self.losses]).T
        row = {
            "step": self.step,
            "epoch": self.step / self.config.steps_per_epoch,
            "d_loss": float(d_losses.mean()),
            # before the first step of a generator with several critic steps there is no loss
            "g_loss": float(np.nanmean(g_losses)) if not np.isnan(g_losses).all() else math.nan,
            "d_grad_norm": float(self.gan.d_grad_norm),
            "g_grad_norm": float(self.gan.g_grad_norm),
        }
        self.losses = []
        self.history.append(row)
        picture = None
        last = self.step >= self.config.total_steps
        if len(self.history) % self.config.every == 0 or last:
            picture = self.gallery.draw(len(self.history))
        for watcher in watchers:
            watcher.after_epoch(row, picture)
