"""The command study: train and judge experiments with several seeds and options, many runs at once."""

import argparse
import sys
from pathlib import Path

from minigan import machine
from minigan.cli.arguments import DATA, add_option, data_options, integer, positive, seed
from minigan.errors import MiniganError
from minigan.experiments.from_files import find_or_hint, from_file, names_a_file
from minigan.training.config import absolute

NAMES = "the name of an experiment: python -m minigan list; or your own: my_gan.py:NAME"


def add_to(commands):
    parser = commands.add_parser(
        "study",
        help="train and judge experiments with several seeds and options, many runs at once",
        description="Train and judge every experiment with every seed, and with every combination of the options of "
        "--set. Each run is a folder in the folder of the study. The same command continues a study that was stopped: "
        "docs/study.md",
    )
    parser.add_argument("names", nargs="+", metavar="NAME", help=NAMES)
    parser.add_argument(
        "--seeds", type=seed, nargs="+", default=[0, 1, 2], metavar="N", help="default: 0 1 2; each gives a run"
    )
    parser.add_argument(
        "--set",
        type=option,
        action="append",
        default=[],
        dest="options",
        metavar="NAME=VALUE,...",
        help="an option of the experiments or of the run, and its values: batch_size=64,128. Several --set give all "
        "combinations",
    )
    for name in ("--dataset", "--data-dir", *DATA, "--epochs", "--steps", "--batch-size", "--device", "--quiet"):
        add_option(parser, name)
    parser.add_argument(
        "--samples", type=positive, default=10_000, metavar="N", help="samples to judge of each run; default: 10000"
    )
    add_option(parser, "--judge-every")
    add_option(parser, "--judge-samples")
    parser.add_argument(
        "--workers", type=positive, metavar="N", help="runs at once on this machine; default: one for each core"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="run on the cluster with this scheduler of Dask, as tcp://10.0.0.1:8786"
    )
    parser.add_argument(
        "--retries", type=integer(0), default=0, metavar="N", help="try a failed run again, N times; default: 0"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("out/study"), metavar="DIR", help="the folder of the study; default: out/study"
    )
    parser.set_defaults(command=study_command, parser=parser)


def option(text):
    """Return (name, values) of NAME=VALUE,VALUE"""
    name, equals, values = text.partition("=")
    if not (name and equals and values):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE,VALUE, as in batch_size=64,128, got {text}")
    return name, values.split(",")


def study_command(args):
    """Run the study and return the exit code: 0 if all its runs are finished, 1 if some failed or are in use."""
    from minigan.study import cluster
    from minigan.study.plan import Study
    from minigan.study.studying import run_study, summary

    names = [name for name, _ in args.options]
    for name in names:
        if names.count(name) > 1:
            args.parser.error(f"argument --set: {name} is given twice; give all its values at once: {name}=1,2")
    if args.scheduler is not None and args.workers:
        args.parser.error("--workers is for this machine; on a cluster (--scheduler), its own workers count")
    cluster.load_dask()  # or say that it is missing, before a file is run and anything is written
    study = Study(
        experiments=tuple(from_file(name) if names_a_file(name) else find_or_hint(name).name for name in args.names),
        seeds=tuple(args.seeds),
        options=dict(args.options),
        epochs=args.epochs,
        steps=args.steps,
        batch_size=args.batch_size,
        dataset=args.dataset,
        data_dir=absolute(args.data_dir),
        device=args.device,
        samples=args.samples,
        judge_every=args.judge_every,
        judge_samples=args.judge_samples,
        data_options=data_options(args) or None,
    )

    def open_cluster(runs, say):
        if args.scheduler is not None:
            return cluster.remote_cluster(args.scheduler, args.out, say)
        return cluster.local_cluster(min(args.workers or machine.usable_cores() or 1, runs), say)

    report = run_study(study, args.out, open_cluster, args.retries, args.quiet)
    print(summary(args.out, report))
    print_page(args.out)
    if report.signal:
        return 128 + report.signal
    return 1 if report.failed or report.skipped else 0


def print_page(folder):
    """Write the page of the study, and say where it is, if a run of it has begun."""
    from minigan.study.page import write_study_page

    try:
        print(f"its page: {write_study_page(folder)}")
    except MiniganError as error:
        sys.stderr.write(f"note: no page of this study could be written: {error}\n")
