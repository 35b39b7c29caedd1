"""The command microscope: a page that shows what happens in both networks of a run, number by number."""

import sys
from pathlib import Path

from minigan.cli.arguments import add_option, add_source, integer, positive
from minigan.cli.opening import open_trained
from minigan.training.microscope import NETWORKS, microscope_of_run


def add_to(commands):
    parser = commands.add_parser(
        "microscope",
        help="show one batch forward and back through the networks of a run, number by number, as a page",
        description="Write microscope.html into the folder of the run: one batch forward and back through both "
        "networks, at each checkpoint that the run keeps (the newest three). Click on a number to see the sum that "
        "made it. docs/microscope.md",
    )
    parser.add_argument("run", type=Path, help="the folder of the run")
    parser.add_argument("--network", choices=(*NETWORKS, "both"), default="both", help="default: both")
    parser.add_argument(
        "--checkpoint", type=positive, metavar="STEP", help="only the checkpoint of this step; default: all of them"
    )
    parser.add_argument("--images", type=integer(2), default=8, metavar="N", help="the size of the batch; default: 8")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page; default: microscope.html in the run")
    add_option(parser, "--data-dir", help="the folder of the data set's files; default: the run's own")
    add_option(parser, "--device")
    add_source(parser)
    add_option(parser, "--quiet", help="say nothing but where the page is")
    parser.set_defaults(command=look)


def look(args):
    """Write the page, and print where it is."""
    run = open_trained(args.run, args)
    if not args.quiet:
        sys.stderr.write("note: many gradients are measured by central differences, which takes a while\n")
    path, size = microscope_of_run(run, args.network, args.checkpoint, args.images, args.data_dir, args.out)
    print(f"{path}: {size / 1e6:.1f} MB. Open it in a browser.")
