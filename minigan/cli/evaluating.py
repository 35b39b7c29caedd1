"""The command evaluate: judge the samples of one or more runs by the data set that they were trained on."""

import statistics
import sys
from pathlib import Path

from minigan import metrics
from minigan.cli.arguments import add_option, add_source, positive
from minigan.cli.opening import open_all
from minigan.errors import MiniganError
from minigan.metrics.evaluation import COLUMNS
from minigan.training.judging import judge_for


def add_to(commands):
    parser = commands.add_parser(
        "evaluate",
        help="judge the samples of runs: print a table, and write a report and a picture into each run's folder",
        description="Judge the samples of runs with a classifier that was trained on the real images; without labels, "
        "by distances of pixels alone. Samples are "
        "mapped from the run's own range to [-1, 1], and numbers outside of it are clipped. The metrics are explained "
        "in docs/evaluation.md",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "--samples",
        type=positive,
        help="the number of samples, default: 10000, of stacked digits 26000; metrics of different numbers cannot be "
        "compared",
    )
    add_option(parser, "--data-dir", help="the folder of the data set's files; default: the run's own")
    add_option(parser, "--seed", help="the seed of the latents; default: 0")
    add_option(parser, "--device")
    add_option(parser, "--raw")
    add_source(parser)
    add_option(parser, "--quiet", help="show no progress, only the table")
    parser.set_defaults(command=evaluate_runs)


def evaluate_runs(args):
    """Judge each run and print the table; what runs on the same data share is computed once."""
    runs = open_all(list(dict.fromkeys(args.runs)), args)  # errors before hours of work
    judges, evaluations = {}, {}
    for run in runs:
        data_of_run = run.config.dataset, run.config.images_md5
        if data_of_run not in judges:
            judges[data_of_run] = judge_for(run, args.data_dir, args.samples, args.device, args.quiet)
        evaluations[str(run.folder.path)] = judges[data_of_run].judge(run, args.seed)
    print_scores(runs, evaluations)
    name = "evaluation_raw" if args.raw else "evaluation"
    print(f"{name}.json and {name}.png are in {' '.join(evaluations)}")
    for run in runs:
        renew_page(run)


def renew_page(run):
    """Write the page of a run again, if it has one: now with the metrics."""
    from minigan.report.writing import REPORT, renew_report

    page = run.folder.path / REPORT
    if page.exists():
        try:
            renew_report(run.folder.path, run.experiment)
        except MiniganError as error:
            sys.stderr.write(f"note: {page} stays as it was: {error}\n")


def print_scores(runs, evaluations):
    """Print a table of the metrics, then a line for what only some runs have."""
    judged = {path: scores for path, scores in evaluations.items() if "nfd" in scores}
    if judged:
        of_judged = [run for run in runs if str(run.folder.path) in judged]
        print(metrics.table({**judged, **summaries(of_judged, judged)}))
    for note in dict.fromkeys(scores["memorisation_note"] for scores in judged.values()):
        if note:
            print(f"no metrics of memorisation: {note}")
    for path, scores in evaluations.items():
        if "asked_share" in scores:
            share = f"{scores['asked_share']:.2%}"
            print(f"{path}: the classifier sees the class that was asked for in {share} of the samples")
        if "diversity_ratio" in scores:
            print(f"{path}: {of_pixels(scores)}")
        if "modes" in scores:
            print(
                f"{path}: {scores['modes']:,} of {scores['all_modes']:,} modes in {scores['samples']:,} samples; KL "
                f"divergence to the uniform distribution {scores['mode_kl']:.3f}"
            )


def of_pixels(scores):
    """Return what distances of pixels say of a run on images without labels, in words."""
    reason = f"{scores['dataset']} has no labels, so no classifier can judge the samples."
    if scores["memorisation_note"]:
        return f"{reason} Distances of pixels say nothing either: {scores['memorisation_note']}"
    return (
        f"{reason} Distances of pixels: memorisation {scores['memorisation_ratio']:.2f} (about 1 is healthy, near 0 "
        f"are copies of training images), copied {scores['copied_share']:.3f}, diversity "
        f"{scores['diversity_ratio']:.2f} (near 0: all samples alike; 1: as different as training images; above 1: "
        "noise). Whether they look real, the picture shows"
    )


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
