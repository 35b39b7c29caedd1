"""python -m minigan: train, resume and judge the systems of the reports by name."""

import argparse
import sys

from minigan.cli import checking, evaluating, information, listing, sampling, training
from minigan.cli.arguments import run_program

COMMANDS = (listing, training, sampling, evaluating, checking, information)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m minigan", description=__doc__.partition(": ")[2])
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in COMMANDS:
        module.add_to(commands)
    args = parser.parse_args(arguments)
    run_program(args.command, args)


if __name__ == "__main__":
    main(sys.argv[1:])
