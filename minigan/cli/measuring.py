"""The command sharpness: how sharply the losses of a run curved while it trained."""

from pathlib import Path

from minigan import machine
from minigan.cli.arguments import add_option, add_source, positive
from minigan.cli.opening import open_trained
from minigan.training.sharpness import sharpness_of_run


def add_to(commands):
    parser = commands.add_parser(
        "sharpness",
        help="measure how sharply the losses of a run curved while it trained, and draw a picture",
        description="Repeat the training of a run in memory, and measure the largest eigenvalues of the Hessian of "
        "both losses on the way. Writes sharpness.csv and sharpness.png into the folder of the run. What the numbers "
        "mean: docs/second_order.md",
    )
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="measure every N epochs; default: 1")
    parser.add_argument("--count", type=positive, default=1, metavar="N", help="how many eigenvalues; default: 1")
    parser.add_argument("--samples", type=positive, default=128, metavar="N", help="on N images; default: 128")
    add_option(parser, "--data-dir", help="the folder of the data set's files; default: the run's own")
    add_option(parser, "--device")
    add_source(parser)
    add_option(parser, "--quiet", help="show no progress, only the table")
    parser.set_defaults(command=measure_sharpness)


def measure_sharpness(args):
    """Print a row for each epoch that was measured."""
    run = open_trained(args.run, args)
    machine.take_threads_of(run.config.machine)  # the training is repeated: with the same last bits, if it can be
    rows = sharpness_of_run(run, args.every, args.count, args.samples, args.data_dir, args.quiet)
    print(f"{'step':>8}  {'epoch':>7}  {'network':13}  {'number':>6}  {'eigenvalue':>12}")
    for row in rows:
        print(
            f"{row['step']:>8}  {row['epoch']:>7.4g}  {row['network']:13}  {row['rank']:>6}  {row['eigenvalue']:>12.5g}"
        )
    print(f"sharpness.csv and sharpness.png are in {run.folder.path}")
