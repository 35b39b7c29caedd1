"""Judging a trained run: the metrics of its samples, written into its folder as evaluation.json and evaluation.png."""

import json
import sys

from minigan import data, metrics, pictures
from minigan.errors import CheckpointError, NonFiniteError
from minigan.files import atomic_write
from minigan.hints import PathLike, Seed
from minigan.training.config import images_md5, versions
from minigan.training.trained import TrainedRun

SHOWN, SEARCHED = 100, 10  # samples in the picture's grid, and samples beside their nearest training images


class Judge:
    """The judge of all runs on one data set: its classifier, and the metrics of its real images.

    run        one of the runs
    data_dir   the folder of the data set's files; by default the run's own
    samples    how many samples are judged
    """

    def __init__(
        self,
        run: TrainedRun,
        data_dir: PathLike | None = None,
        samples: int = 10_000,
        device: str = "auto",
        quiet: bool = False,
    ) -> None:
        self.samples, self.quiet = samples, quiet
        name, directory = run.config.dataset, data_dir or run.config.data_dir
        self.train = data.load(name, directory, **run.config.data_options)
        self.require_same_images(run)
        self.say(f"{name}: loading or training the classifier, and applying it to {len(self.train):,} real images")
        self.reference = metrics.load_reference(self.train, directory, samples, device, quiet)

    def require_same_images(self, run):
        """Raise CheckpointError unless the run was trained on the images of this judge."""
        if images_md5(self.train.images) != run.config.images_md5:
            raise CheckpointError(
                f"{run.folder.path} was trained on other images of {run.config.dataset} than these: "
                f"{run.config.images:,} images then, {len(self.train):,} now. Give the folder with the old images: "
                "--data-dir DIR"
            )

    def judge(self, run: TrainedRun, seed: Seed = 0) -> dict:
        """Return the metrics of a run's samples, and write them into its folder.

        They are in evaluation.json and evaluation.png; in evaluation_raw.json and so on for a run that was opened with
        averaged=False.
        """
        path = run.folder.path
        self.say(f"{path}: judging {self.samples:,} samples of step {run.step:,}")
        samples = run.sample(self.samples, seed)
        try:
            scores = metrics.evaluate(samples, self.reference)
        except NonFiniteError as error:
            raise NonFiniteError(f"{path}: {error}") from error
        report = {
            "experiment": run.experiment.name,
            "step": run.step,
            "epoch": run.epoch,
            "seed": seed,
            "averaged": run.averaged and run.gan.average is not None,
            **scores,
            "versions": versions(),
        }
        name = "evaluation" if run.averaged else "evaluation_raw"
        with atomic_write(path / f"{name}.json") as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
        searched = samples[:SEARCHED]
        nearest = self.train.images[metrics.nearest_training_images(searched, self.train.images)]
        pictures.save_evaluation(
            path / f"{name}.png",
            samples[:SHOWN],
            scores["class_shares"],
            self.train.classes,
            searched,
            data.scale(nearest),
        )
        return scores

    def say(self, text):
        if not self.quiet:
            sys.stderr.write(f"{text}\n")
