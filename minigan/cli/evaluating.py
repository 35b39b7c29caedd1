"""The command evaluate: judge the samples of one or more runs by the data set that they were trained on."""

import json
import statistics
import sys
from pathlib import Path

from minigan import data, metrics, pictures
from minigan.cli.arguments import add_option, positive
from minigan.errors import CheckpointError, NonFiniteError
from minigan.files import atomic_write
from minigan.metrics.evaluation import COLUMNS
from minigan.training.config import images_md5, versions
from minigan.training.trained import load_trained

SHOWN, SEARCHED = 100, 10  # samples in the picture's grid, and samples beside their nearest training images


def add_to(commands):
    parser = commands.add_parser(
        "evaluate",
        help="judge the samples of runs: print a table, and write a report and a picture into each run's folder",
        description="Judge the samples of runs with a classifier that was trained on the real images. Samples are "
        "mapped from the run's own range to [-1, 1], and numbers outside of it are clipped. The metrics are explained "
        "in docs/evaluation.md",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "--samples",
        type=positive,
        default=10_000,
        help="the number of samples, default: 10000; metrics of different numbers cannot be compared",
    )
    add_option(parser, "--data-dir", help="the folder of the data set's files; default: the run's own")
    add_option(parser, "--seed", help="the seed of the latents; default: 0")
    add_option(parser, "--device")
    add_option(parser, "--quiet", help="show no progress, only the table")
    parser.set_defaults(command=evaluate_runs)


def evaluate_runs(args):
    """Judge each run and print the table; what runs on the same data share is computed once."""
    runs = [load_trained(path, args.device) for path in dict.fromkeys(args.runs)]  # errors before hours of work
    judges, evaluations = {}, {}
    for run in runs:
        data_of_run = run.config.dataset, run.config.images_md5
        if data_of_run not in judges:
            judges[data_of_run] = Judge(run, args)
        evaluations[str(run.folder.path)] = judges[data_of_run].judge(run)
    print(metrics.table({**evaluations, **summaries(runs, evaluations)}))
    for note in dict.fromkeys(scores["memorisation_note"] for scores in evaluations.values()):
        if note:
            print(f"no metrics of memorisation: {note}")
    print(f"evaluation.json and evaluation.png are in {' '.join(evaluations)}")


class Judge:
    """The judge of all runs on one data set: its classifier, and the metrics of its real images."""

    def __init__(self, run, args):
        self.args = args
        name, directory = run.config.dataset, args.data_dir or run.config.data_dir
        self.train = data.load(name, directory)
        if images_md5(self.train.images) != run.config.images_md5:
            raise CheckpointError(
                f"{run.folder.path} was trained on other images of {name} than these: {run.config.images:,} images "
                f"then, {len(self.train):,} now. Give the folder with the old images: --data-dir DIR"
            )
        self.say(f"{name}: loading or training the classifier, and applying it to {len(self.train):,} real images")
        self.reference = metrics.load_reference(self.train, directory, args.samples, args.device, args.quiet)

    def judge(self, run):
        """Return the metrics of a run's samples, and write them into its folder."""
        args, path = self.args, run.folder.path
        self.say(f"{path}: judging {args.samples:,} samples of step {run.step:,}")
        samples = run.sample(args.samples, args.seed)
        try:
            scores = metrics.evaluate(samples, self.reference)
        except NonFiniteError as error:
            raise NonFiniteError(f"{path}: {error}") from error
        report = {
            "experiment": run.experiment.name,
            "step": run.step,
            "epoch": run.epoch,
            "seed": args.seed,
            **scores,
            "versions": versions(),
        }
        with atomic_write(path / "evaluation.json") as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
        searched = samples[:SEARCHED]
        nearest = self.train.images[metrics.nearest_training_images(searched, self.train.images)]
        pictures.save_evaluation(
            path / "evaluation.png",
            samples[:SHOWN],
            scores["class_shares"],
            self.train.classes,
            searched,
            data.scale(nearest),
        )
        return scores

    def say(self, text):
        if not self.args.quiet:
            sys.stderr.write(f"{text}\n")


def summaries(runs, evaluations):
    """Return two rows, mean and standard deviation, for each experiment with several runs on the same data."""
    groups = {}
    for run, scores in zip(runs, evaluations.values(), strict=True):
        groups.setdefault((run.experiment.name, run.config.dataset, run.config.images_md5), []).append(scores)
    rows = {}
    for (experiment, dataset, _), group in groups.items():
        if len(group) > 1:
            for name, function in (("mean", statistics.mean), ("standard deviation", statistics.stdev)):
                rows[f"{experiment} on {dataset}, {len(group)} runs: {name}"] = over(group, function)
    return rows


def over(group, function):
    """Return a function of each column of the group's scores, or None where one of them is None."""
    columns = {key: [scores[key] for scores in group] for _, key, _ in COLUMNS}
    return {key: None if None in values else function(values) for key, values in columns.items()}
