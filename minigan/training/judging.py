"""Judging a trained run: the metrics of its samples, written into its folder as evaluation.json and evaluation.png."""

import json
import sys

import numpy as np

from minigan import data, metrics, pictures
from minigan.data import Dataset, stacked
from minigan.errors import DataError, NonFiniteError, OptionError
from minigan.files import atomic_write, make_folder
from minigan.hints import PathLike, Seed
from minigan.labels import labels_to_make
from minigan.metrics.evaluation import NEIGHBORS
from minigan.metrics.memorisation import nearest
from minigan.options import require_count, require_instance, require_seed
from minigan.training.config import versions
from minigan.training.run_data import data_of_run
from minigan.training.trained import TrainedRun

SAMPLES = 10_000  # that are judged, unless somebody says how many
SHOWN, SEARCHED = 100, 10  # samples in the picture's grid, and samples beside their nearest training images


class Judge:
    """The judge of all runs on one data set: its classifier, and the metrics of its real images.

    If the images have no labels, there is no classifier, and only distances of pixels are measured.
    run        one of the runs
    data_dir   the folder of the data set's files; by default the run's own
    samples    how many samples are judged
    train      the data set of the run, where it is loaded already
    """

    def __init__(
        self,
        run: TrainedRun,
        data_dir: PathLike | None = None,
        samples: int = SAMPLES,
        device: str = "auto",
        quiet: bool = False,
        train: Dataset | None = None,
    ) -> None:
        samples = require_count("Judge", samples=samples)
        self.samples, self.quiet = samples, quiet
        if train is not None:
            require_instance("Judge", Dataset, 'minigan.data.load("digits")', train=train)
        name, directory = run.config.dataset, data_dir or run.config.data_dir
        if name in stacked.SOURCES:
            raise DataError(
                f"{name} has 1,000 classes, so the metrics of the samples are not defined. Count its modes instead: "
                "python -m minigan evaluate RUN."
            )
        self.train = data_of_run(run, data_dir) if train is None else train
        require_judgeable(self.train, samples, "samples")  # before a classifier is trained
        self.reference = None
        if self.train.labels is not None:
            self.say(f"{name}: loading or training the classifier, and applying it to {len(self.train):,} real images")
            self.reference = metrics.load_reference(self.train, directory, samples, device, quiet)

    def judge(self, run: TrainedRun, seed: Seed = 0) -> dict:
        """Return the metrics of a run's samples, and write them into its folder.

        They are in evaluation.json and evaluation.png; in evaluation_raw.json and so on for a run that was opened with
        averaged=False. samples/nearest.png has samples above the training images nearest to them.
        """
        path, seed = run.folder.path, require_seed("Judge.judge", seed=seed)
        self.say(f"{path}: judging {self.samples:,} samples of step {run.step:,}")
        samples, labels = samples_of(run, self.samples, seed)
        try:
            scores = self.scores(samples, labels)
        except NonFiniteError as error:
            raise NonFiniteError(f"{path}: {error}") from error
        name, searched = report_name(run), samples[:SEARCHED]
        # without the check of the range, which has seen all samples: ten of them may be bright by chance
        closest = self.train.images[nearest(searched, self.train.images)]
        pictures.save_evaluation(
            path / f"{name}.png",
            samples[:SHOWN] if labels is None else samples[np.argsort(labels[:SHOWN], kind="stable")],
            scores.get("class_shares"),
            self.train.classes,
            searched,
            data.scale(closest),
        )
        pairs = np.concatenate([pictures.to_uint8(searched), closest])
        file = "nearest.png" if run.averaged else "nearest_raw.png"
        pictures.save_png(make_folder(run.folder.samples) / file, pictures.grid(pairs, columns=len(searched)))
        write_report(run, seed, scores)
        return scores

    def scores(self, samples, labels=None):
        """Return the metrics of samples; labels: the classes that they were asked for, of a conditional run."""
        if self.reference is None:
            found = metrics.pixel_scores(samples, self.train.images)
            return {"dataset": self.train.name, "samples": self.samples, **found}
        return metrics.evaluate(samples, self.reference, labels)

    def say(self, text):
        if not self.quiet:
            sys.stderr.write(f"{text}\n")


class ModeJudge:
    """The judge of all runs on stacked digits: it counts the numbers that their samples show. Options as of Judge"""

    def __init__(
        self,
        run: TrainedRun,
        data_dir: PathLike | None = None,
        samples: int = stacked.SAMPLES,
        device: str = "auto",
        quiet: bool = False,
    ) -> None:
        self.samples, self.quiet = require_count("ModeJudge", samples=samples), quiet
        name, directory = stacked.SOURCES[run.config.dataset], data_dir or run.config.data_dir
        self.say(f"{run.config.dataset}: loading or training the classifier of {name}")
        options = {name: value for name, value in run.config.data_options.items() if name != "channels"}
        digits = data.load(name, directory, **options)
        self.classifier = metrics.trained_classifier(digits, device=device, quiet=quiet)

    say = Judge.say

    def judge(self, run: TrainedRun, seed: Seed = 0) -> dict:
        """Return how many modes a run's samples show, and write it into its folder, with a picture of samples."""
        path, seed = run.folder.path, require_seed("ModeJudge.judge", seed=seed)
        self.say(f"{path}: counting the modes of {self.samples:,} samples of step {run.step:,}")
        samples, labels = samples_of(run, self.samples, seed)
        try:
            scores = self.scores(samples, labels)
        except NonFiniteError as error:
            raise NonFiniteError(f"{path}: {error}") from error
        pictures.save_png(path / f"{report_name(run)}.png", pictures.grid(samples[:SHOWN]))
        write_report(run, seed, {"dataset": run.config.dataset, **scores})
        return scores

    def scores(self, samples, labels=None):
        """Return how many modes samples show; their labels do not matter."""
        return {"samples": self.samples, **metrics.mode_scores(samples, self.classifier)}


def judge_for(
    run: TrainedRun,
    data_dir: PathLike | None = None,
    samples: int | None = None,
    device: str = "auto",
    quiet: bool = False,
    train: Dataset | None = None,
) -> Judge | ModeJudge:
    """Return the judge that fits the data set of a run. Options as of Judge; samples: by default those of the kind."""
    if run.config.dataset in stacked.SOURCES:
        return ModeJudge(run, data_dir, stacked.SAMPLES if samples is None else samples, device, quiet)
    return Judge(run, data_dir, SAMPLES if samples is None else samples, device, quiet, train)


def samples_of(run, n, seed):
    """Return the n samples of a run that are judged, and the classes that they were asked for, or None."""
    labels = labels_to_make(n, None, run.gan.generator.classes)
    return run.sample(n, seed, labels), labels


def require_judgeable(train, samples, name):
    """Raise OptionError unless a data set can judge so many samples.

    name       of the option that says how many
    """
    if train.name in stacked.SOURCES:
        return
    least, most = (2, None) if train.labels is None else (2 * (NEIGHBORS + 1), 2 * len(train))
    needed = 2 if train.labels is None else NEIGHBORS + 1
    if len(train) < needed:
        raise OptionError(
            f"{train.name} has too few images here, {len(train)}: the metrics compare the samples with at least "
            f"{needed}. Take more images, or judge the samples by eye, without judge_every (--judge-every)."
        )
    if samples < least:
        raise OptionError(f"{name} is {samples}, but the metrics need at least {least} samples.")
    if most is not None and samples > most:
        raise OptionError(
            f"{name} is {samples:,}, and half as many real images are compared with the samples, but {train.name} has "
            f"only {len(train):,} images here. Choose at most {most:,}."
        )


def report_name(run):
    """Return the name of the files about a run's samples, without their ending."""
    return "evaluation" if run.averaged else "evaluation_raw"


def write_report(run, seed, scores):
    """Write the metrics of a run into its folder. This comes last: who finds the report finds its pictures, too."""
    report = {
        "experiment": run.experiment.name,
        "step": run.step,
        "epoch": run.epoch,
        "seed": seed,
        "averaged": run.averaged and run.gan.average is not None,
        **scores,
        "versions": versions(),
    }
    with atomic_write(run.folder.path / f"{report_name(run)}.json") as file:
        file.write((json.dumps(report, indent=2) + "\n").encode())
