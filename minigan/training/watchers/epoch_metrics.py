"""Metrics over the epochs: while a run trains, its samples are judged as `evaluate` does. See docs/evaluation.md"""

import time
from contextlib import contextmanager

from minigan.errors import MiniganError
from minigan.training.checkpoints import METRICS
from minigan.training.judging import judge_for, samples_of
from minigan.training.trained import TrainedRun
from minigan.training.watchers.watcher import Watcher

SEED = 0  # of the latents, as `evaluate` takes it: the last row has the metrics of `evaluate --samples N`


class EpochMetrics(Watcher):
    """A watcher of Training that judges its samples after every N-th epoch, and after the last step.

    training   the run, which is not changed: samples are made in inference mode, from a random state of their own. The
               rows are added to `training.metrics`, and written to metrics.csv
    dataset    the data set of the run
    say        a function that is called with one line of text
    seconds    how long all of this took so far
    """

    def __init__(self, training, dataset):
        self.training, self.dataset = training, dataset
        self.judge, self.say, self.seconds = None, training.folder.note, 0.0

    @contextmanager
    def timed(self):
        """Add the time that passes within to `seconds`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - start

    def load(self, quiet):
        """Load the judge, which trains a classifier if there is none yet; not if there is nothing left to judge."""
        training, config = self.training, self.training.config
        with self.timed():
            if self.judge is None and not (training.step == config.total_steps and self.is_judged()):
                options = config.data_dir, config.judge_samples, config.device, quiet, self.dataset
                self.judge = judge_for(self.trained_run(), *options)

    def after_epoch(self, row, picture):
        if self.training.epoch % self.training.config.judge_every == 0:
            self.add_row()

    def after_last_step(self):
        """Judge the samples of the last step, unless its epoch was judged.

        Its checkpoint is written before, and does not hold this row: a run that is resumed to train longer drops it.
        """
        if not self.is_judged():
            self.add_row()

    def is_judged(self):
        metrics = self.training.metrics
        return bool(metrics) and metrics[-1]["step"] == self.training.step

    def trained_run(self):
        training = self.training
        return TrainedRun(training.folder, training.config, training.experiment, training.gan, training.step)

    def add_row(self):
        """Judge the samples; if that cannot be done, say so, and leave the metrics empty."""
        training, run = self.training, self.trained_run()
        with self.timed():
            samples, labels = samples_of(run, training.config.judge_samples, SEED)
            try:
                scores = self.judge.scores(samples, labels)
            except MiniganError as error:
                scores = {}
                self.say(f"step {run.step:,}: the samples cannot be judged, metrics.csv has no numbers here: {error}")
            place = {"step": run.step, "epoch": run.epoch, "samples": training.config.judge_samples}
            training.metrics.append(place | {name: scores.get(name) for name in METRICS})
            training.folder.write_metrics(training.metrics)
