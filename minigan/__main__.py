"""The command `minigan`, or `python -m minigan`: train, resume and judge experiments by name."""

import argparse
import sys
from pathlib import Path

from minigan.cli.program import program
from minigan.cli.ranges import with_ranges_joined
from minigan.cli.several import refuse_several


def main(arguments=None):
    with program():
        args = make_parser().parse_args(with_ranges_joined(sys.argv[1:] if arguments is None else arguments))
        if not vars(args).get("shared"):
            refuse_several()
        sys.exit(args.command(args))


def make_parser():
    """Return the parser of all commands."""
    # here, since they take a second to import: Ctrl-C in that second ends the program in words, too
    from minigan import __version__
    from minigan.cli import (
        checking,
        evaluating,
        exporting,
        information,
        listing,
        looking,
        measuring,
        reporting,
        sampling,
        studying,
        training,
    )

    parser = argparse.ArgumentParser(
        prog="minigan" if Path(sys.argv[0]).stem == "minigan" else "python -m minigan",
        description="Train, resume and judge experiments by name.",
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (
        listing,
        training,
        studying,
        sampling,
        evaluating,
        exporting,
        measuring,
        reporting,
        looking,
        checking,
        information,
    ):
        module.add_to(commands)
    return parser


if __name__ == "__main__":
    main()
