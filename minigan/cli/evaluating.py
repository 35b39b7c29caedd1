"""evaluate: how good the samples of one run or of several are, judged against the data set they were trained on."""

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
        help="judge the samples of runs: a table, and a report and a picture in each run's folder",
        description="Judge the samples of runs by a classifier trained on the real images. Samples are mapped from the "
        "run's own range to [-1, 1], and what lies outside is cut off. The figures: docs/evaluation.md",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a run")
    parser.add_argument("--samples", type=positive, default=10_000, help="default 10000; compare like with like")
    add_option(parser, "--data-dir", help="folder of the data set's files; default: the run's own")
    add_option(parser, "--seed", help="of the latents; default 0")
    add_option(parser, "--device")
    add_option(parser, "--quiet", help="no progress, only the table")
    parser.set_defaults(command=evaluate_runs)


def evaluate_runs(args):
    """Judge each run by what its data set has in common with the others', which is computed once; print the table."""
    runs = [load_trained(path, args.device) for path in dict.fromkeys(args.runs)]  # errors before hours of work
    judges, evaluations = {}, {}
    for run in runs:
        data_of_run = run.config.dataset, run.config.images_md5
        if data_of_run not in judges:
            judges[data_of_run] = Judge(run, args)
        evaluations[str(run.folder.path)] = judges[data_of_run].judge(run)
    print(metrics.table({**evaluations, **summaries(runs, evaluations)}))
    for note in dict.fromkeys(figures["memorisation_note"] for figures in evaluations.values()):
        if note:
            print(f"no figures on memorisation: {note}")
    print(f"evaluation.json and evaluation.png are in {' '.join(evaluations)}")


class Judge:
    """The real side of a data set, for all runs on it."""

    def __init__(self, run, args):
        self.args = args
        name, directory = run.config.dataset, args.data_dir or run.config.data_dir
        self.train = data.load(name, directory)
        if images_md5(self.train.images) != run.config.images_md5:
            raise CheckpointError(
                f"{run.folder.path} was trained on other images than these {len(self.train):,} of {name}, then "
                f"{run.config.images:,}. Give the folder that holds those: --data-dir DIR"
            )
        self.say(f"{name}: the classifier, and what it says of {len(self.train):,} real images")
        self.reference = metrics.load_reference(self.train, directory, args.samples, args.device, args.quiet)

    def judge(self, run):
        """The figures of a run's samples, which are written into its folder, too."""
        args, path = self.args, run.folder.path
        self.say(f"{path}: {args.samples:,} samples of step {run.step:,}")
        samples = run.sample(args.samples, args.seed)
        try:
            figures = metrics.evaluate(samples, self.reference)
        except NonFiniteError as error:
            raise NonFiniteError(f"{path}: {error}") from error
        report = {
            "experiment": run.experiment.name,
            "step": run.step,
            "epoch": run.epoch,
            "seed": args.seed,
            **figures,
            "versions": versions(),
        }
        with atomic_write(path / "evaluation.json") as file:
            file.write((json.dumps(report, indent=2) + "\n").encode())
        searched = samples[:SEARCHED]
        nearest = self.train.images[metrics.nearest_training_images(searched, self.train.images)]
        pictures.save_evaluation(
            path / "evaluation.png",
            samples[:SHOWN],
            figures["class_shares"],
            self.train.classes,
            searched,
            data.scale(nearest),
        )
        return figures

    def say(self, text):
        if not self.args.quiet:
            sys.stderr.write(f"{text}\n")


def summaries(runs, evaluations):
    """Two rows for each experiment of which there are several runs on the same data: mean and standard deviation."""
    groups = {}
    for run, figures in zip(runs, evaluations.values(), strict=True):
        groups.setdefault((run.experiment.name, run.config.dataset, run.config.images_md5), []).append(figures)
    rows = {}
    for (experiment, dataset, _), group in groups.items():
        if len(group) > 1:
            for name, function in (("mean", statistics.mean), ("standard deviation", statistics.stdev)):
                rows[f"{experiment} on {dataset}, {len(group)} runs: {name}"] = over(group, function)
    return rows


def over(group, function):
    """A function of each column's figures; None where one of them is."""
    columns = {key: [figures[key] for figures in group] for _, key, _ in COLUMNS}
    return {key: None if None in values else function(values) for key, values in columns.items()}
