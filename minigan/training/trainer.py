"""The training loop: a run trains from its step to its end, and shows each step to its watchers."""

import math
import warnings
from itertools import islice

import numpy as np

from minigan import backend
from minigan.errors import CheckpointError, MiniganError, NonFiniteWarning
from minigan.gan.state import gan_state, restore_gan
from minigan.parallel.joining import require_together
from minigan.schedules import Constant
from minigan.training import checkpoints, sharing
from minigan.training.checkpoints import RATES
from minigan.training.gallery import Gallery
from minigan.training.run_data import batches_of_epoch, labels_of_data
from minigan.training.stopping import StopRequest
from minigan.training.trained import restore_gan_from_newest
from minigan.training.watchers.epoch_metrics import EpochMetrics
from minigan.training.watchers.health import Health
from minigan.training.watchers.own import OwnWatchers
from minigan.training.watchers.progress import ProgressBar
from minigan.training.watchers.tensorboard import TensorBoard


class Training:
    """A run in training: the GAN and its progress.

    step       the number of steps taken
    losses     those of the steps of the current epoch, for the epoch's means
    history    one row for each completed epoch
    metrics    one row for each time the samples were judged
    watchers   the user's
    """

    def __init__(self, folder, config, experiment, dataset, gan, watchers=()):
        self.folder, self.config, self.experiment, self.gan = folder, config, experiment, gan
        self.group = gan.group
        self.images = backend.to_device(dataset.images, gan.generator.xp)
        self.labels = labels_of_data(experiment, dataset)
        self.gallery = None
        if self.group.rank == 0:
            self.gallery = Gallery(
                folder.path, gan, dataset.images, config.seed, folder.samples, experiment.data_range, self.labels
            )
        self.step, self.losses, self.history, self.metrics = 0, [], [], []
        self.skipped = set()  # steps whose checkpoints are damaged; they are later than the one that was restored
        self.remarks = []  # notes from opening the run; shown when training starts
        self.health, self.watchers = Health(gan, folder.note), watchers
        judges = config.judge_every and self.group.rank == 0
        self.epoch_metrics = EpochMetrics(self, dataset) if judges else None
        self.stop_request = StopRequest(self.group)

    @property
    def epoch(self):
        """Return the number of completed epochs."""
        return self.step // self.config.steps_per_epoch

    def seconds_of_judging(self):
        """Return how long the samples were judged while this Training trained: part of `run`, but not of training."""
        return self.epoch_metrics.seconds if self.epoch_metrics else 0.0

    def remark(self, text):
        self.folder.note(text)
        self.remarks.append(text)

    def restore(self):
        """Restore the newest undamaged checkpoint, in all processes; rank 0 reads it."""
        if self.group.rank == 0:
            self.restore_newest()
        if self.group.size > 1:
            arrays, values = self.group.broadcast(self.state() if self.group.rank == 0 else None)
            if self.group.rank > 0:
                restore_gan(self.gan, arrays, values["gan"])
                self.take_over(values)

    def restore_newest(self):
        """Restore the newest undamaged checkpoint; a run that was killed before its first one starts at step 0.

        Errors     CheckpointError if there were checkpoints, but they are gone
        """
        values = restore_gan_from_newest(self.gan, self.config, self.folder, self.remark)
        if values is None:
            traces = self.folder.traces()
            if traces:
                raise CheckpointError(
                    f"{self.folder.checkpoints} holds no checkpoint, but {' and '.join(traces)} in "
                    f"{self.folder.path} show that steps were taken and saved: the checkpoints are lost. Copy the "
                    "files step_*.checkpoint back from a backup, or train again into another folder."
                )
            return
        self.skipped = {step for step, _ in checkpoints.in_folder(self.folder.checkpoints) if step > values["step"]}
        try:
            self.take_over(values)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{self.folder.checkpoints}: the health values of the checkpoint of step {values['step']:,} are wrong "
                f"({error!r})."
            ) from error

    def take_over(self, values):
        """Continue from the step, losses, history and metrics of a checkpoint."""
        self.step, self.losses, self.history = values["step"], values["losses"], values["history"]
        self.metrics = checkpoints.metrics_of(values)
        self.health.restore(values.get("health", self.health.state()))

    def note_changes(self, device, shared_by, versions, machine):
        """Report what has changed since the run last trained, and store the new versions and machine."""
        config = self.config
        changes = config.changes(versions, machine)
        if device != config.device:
            changes.insert(0, f"the device was {device}, now it is {config.device}")
        if shared_by != config.sharers:
            changes.insert(0, f"{shared_by} shared each batch, now {config.sharers}")
        if changes:
            self.remark(
                f"changed since the last training: {'; '.join(changes)}. From here on, results differ by rounding "
                "from those of an uninterrupted run, and training enlarges such differences from step to step."
            )
        config.versions, config.machine = versions, machine

    def save(self):
        """Write a checkpoint, the history and the metrics."""
        if self.group.rank == 0:
            arrays, values = self.state()
            checkpoints.write(self.folder.checkpoints, self.step, arrays, values)
            self.folder.write_history(self.history)
            if self.epoch_metrics:
                self.folder.write_metrics(self.metrics)

    def state(self):
        """Return the arrays and the values of a checkpoint."""
        arrays, gan = gan_state(self.gan)
        self.losses = [[float(loss) for loss in pair] for pair in self.losses]
        values = {
            "step": self.step,
            "losses": self.losses,
            "history": self.history,
            "metrics": self.metrics,
            "gan": gan,
            "health": self.health.state(),
            "config": self.config.fixed(),
        }
        return arrays, values

    def close(self):
        """Unlock the folder, so that others can resume the run; `run` does this at its end."""
        self.folder.release()

    def stop(self) -> None:
        """Stop a run that trains in another thread: it finishes its step and saves, as after Ctrl-C."""
        self.stop_request.ask()

    def run(self, quiet: bool = False) -> int | None:
        """Train to the end and return None; stop at the first Ctrl-C or SIGTERM and return the signal's number.

        The folder is locked until then.
        """
        if self.folder.lock():  # it was unlocked: somebody else may have trained since
            self.require_newest()
        try:
            return self.train(quiet)
        finally:
            self.stop_request = StopRequest(self.group)
            self.close()

    def require_newest(self):
        """Raise CheckpointError if the folder holds checkpoints of later steps than this Training took."""
        found = [step for step, _ in checkpoints.in_folder(self.folder.checkpoints) if step not in self.skipped]
        if found and found[-1] > self.step:
            self.close()
            raise CheckpointError(
                f"another process has trained the run in {self.folder.path} to step {found[-1]:,}, but this "
                f"Training is at step {self.step:,}. Open the run again: resume_run({str(self.folder.path)!r})."
            )

    def train(self, quiet):
        """Do the work of `run` in a folder that is locked."""
        config, folder, judges = self.config, self.folder, [self.epoch_metrics] if self.epoch_metrics else []
        for watcher in judges:  # before the bar of the training is there: a classifier has a bar of its own
            with sharing.one_thread(config.workers):
                watcher.load(quiet)
        where = config.device if config.sharers == "1 worker" else f"{config.device} with {config.sharers}"
        folder.note(f"training from step {self.step:,} of {config.total_steps:,} on {where}")
        if self.gallery:
            self.gallery.remove_all_but(self.epochs_that_stay())
        bar = ProgressBar(config, self.step, quiet or self.group.rank > 0)

        def say(text):
            folder.note(text)
            bar.say(text)

        watchers = [bar]  # it is closed, too, if the others cannot be made
        try:
            for text in self.remarks:
                bar.say(text)
            self.remarks = []
            self.gan.capture(say)
            for watcher in (self.health, *judges):
                watcher.say = say
            board = TensorBoard(folder.path / "tensorboard", self.step) if config.tensorboard and self.gallery else None
            own = OwnWatchers(self.watchers if self.group.rank == 0 else (), say)
            # the judge comes first: the others show its metrics, and health may end the run
            watchers = [*judges, bar, self.health, *([board] if board else []), own]
            for watcher in watchers:
                watcher.start(self)
            with sharing.one_thread(config.workers), self.stop_request as stop, warnings.catch_warnings():
                warnings.simplefilter("ignore", NonFiniteWarning)  # the health watcher reports it, with the layer
                stop.agree()
                while self.step < config.total_steps and not stop.signal:
                    self.train_epoch(stop, watchers)
                self.health.check_finite(self.step)
                self.save()
                if self.epoch_metrics and not stop.signal:
                    self.epoch_metrics.after_last_step()
        except MiniganError as error:
            folder.note(f"stopped at step {self.step:,}: {error}")
            raise
        finally:
            for watcher in watchers:
                watcher.close()
        if self.losses and not stop.signal:  # the run ends within an epoch
            self.end_epoch([])
            folder.write_history(self.history)
        if self.gallery:
            self.finish_gallery()
        folder.note(f"{f'stopped by signal {stop.signal}' if stop.signal else 'finished'} after {self.step:,} steps")
        self.group.wait()  # mpirun ends all processes when one of them has ended with an exit code
        return stop.signal

    def epochs_that_stay(self):
        """Return the epochs so far whose grids stay: every N-th; at the end of the run all, also that of the end."""
        every = self.config.every if self.step < self.config.total_steps else 1
        return range(every, len(self.history) + 1, every)

    def finish_gallery(self):
        """Write the pictures of the whole run."""
        left_out = self.gallery.finish([(row["d_loss"], row["g_loss"]) for row in self.history])
        for path in left_out:
            self.folder.note(f"{path}: damaged, or not a picture of this run; learning.gif leaves it out")

    def train_epoch(self, stop, watchers):
        """Train the rest of the current epoch."""
        config = self.config
        batches = batches_of_epoch(self.images, self.labels, config, self.epoch, self.experiment.data_range)
        done = self.step % config.steps_per_epoch
        end = min(config.steps_per_epoch, done + config.total_steps - self.step)
        for batch, *labels in islice(batches, done, end):
            losses = self.gan.train_step(batch, *labels)
            self.step += 1
            self.losses.append(losses)
            for watcher in watchers:
                watcher.after_step(self.step, batch, *losses, *labels)
            stop.agree()
            if stop.signal:
                break
        if self.step % config.steps_per_epoch == 0:
            self.end_epoch(watchers)
            if self.step < config.total_steps and not stop.signal:
                self.save()

    def changing_rates(self):
        """Return the learning rates of the last step by their columns of the history, if one of them changes."""
        optimizers = self.gan.d_optimizer, self.gan.g_optimizer
        if all(isinstance(optimizer.schedule, Constant) for optimizer in optimizers):
            return {}
        return {name: optimizer.lr for name, optimizer in zip(RATES, optimizers, strict=True)}

    def end_epoch(self, watchers):
        """Add the epoch's row to the history and draw the grid of samples."""
        d_losses, g_losses = np.array([[float(loss) for loss in pair] for pair in self.losses]).T
        row = {
            "step": self.step,
            "epoch": self.step / self.config.steps_per_epoch,
            "d_loss": float(d_losses.mean()),
            # with several critic steps, there is no loss of G before its first step
            "g_loss": float(np.nanmean(g_losses)) if not np.isnan(g_losses).all() else math.nan,
            "d_grad_norm": float(self.gan.d_grad_norm),
            "g_grad_norm": float(self.gan.g_grad_norm),
            **self.changing_rates(),
        }
        self.losses = []
        self.history.append(row)
        require_together(self.gan, self.group, self.step)
        self.health.check_finite(self.step)  # before anything is made of the samples: it names the layer
        picture = None
        last = self.step >= self.config.total_steps
        if self.gallery and (len(self.history) % self.config.every == 0 or last):
            picture = self.gallery.draw(len(self.history))
        for watcher in watchers:
            watcher.after_epoch(row, picture)
