"""The command `minigan`, or `python -m minigan`: train, resume and judge experiments by name."""

import argparse
import sys
from pathlib import Path

from minigan import __version__
from minigan.cli import checking, evaluating, information, listing, sampling, training
from minigan.cli.arguments import run_program

COMMANDS = (listing, training, sampling, evaluating, checking, information)


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="minigan" if Path(sys.argv[0]).stem == "minigan" else "python -m minigan",
        description="Train, resume and judge experiments by name.",
    )
    parser.add_argument("--version", action="version", version=f"minigan {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_to(commands)
    args = parser.parse_args(arguments)
    run_program(args.command, args)


if __name__ == "__main__":
    main()
