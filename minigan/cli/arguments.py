"""The options of the command line, each declared once, for all commands and examples that take it."""

import argparse
from pathlib import Path

from minigan import backend, data

MOST = 10**9  # no count on a command line is larger: what would not end is refused before it begins


def integer(least):
    """Return a function for argparse that reads an integer of at least `least`."""

    def read(text):
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= MOST):
            raise argparse.ArgumentTypeError(f"expected an integer of at least {least} (at most {MOST:,}), got {text}")
        return int(text)

    return read


positive, seed = integer(1), integer(0)

OPTIONS = {
    "--dataset": {"choices": data.NAMES, "help": "default: the experiment's own"},
    "--data-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "folder of the data set's files; without it: cache or download",
    },
    "--epochs": {"type": positive, "metavar": "N", "help": "default: the experiment's own"},
    "--steps": {"type": positive, "metavar": "N", "help": "stop after so many steps, whatever the epochs"},
    "--batch-size": {"type": positive, "metavar": "N", "help": "default: the experiment's own"},
    "--seed": {"type": seed, "default": 0, "metavar": "N", "help": "same seed, same numbers, bit for bit; default 0"},
    "--device": {"choices": backend.DEVICES, "default": "auto", "help": "default: the GPU if there is one"},
    "--quiet": {"action": "store_true", "help": "no progress bar"},
}


def add_option(parser, name, **changes):
    """Add one of OPTIONS to a parser, with something of it changed."""
    parser.add_argument(name, **(OPTIONS[name] | changes))


def add_run_options(parser):
    """Add the options of a training run: those that `minigan train` and the examples share."""
    for name in ("--dataset", "--data-dir", "--epochs", "--batch-size", "--seed", "--device", "--quiet"):
        add_option(parser, name)


def add_run_arguments(parser, out, experiment=None):
    """Add the options of an example: those of a run, --experiment and --out.

    experiment    the default, or None where the program chooses by the other options
    """
    parser.add_argument(
        "--experiment",
        "--system",  # its name until version 0.2
        default=experiment,
        metavar="NAME",
        help=f"an experiment of `minigan list`; default: {experiment or 'by the other options'}",
    )
    add_run_options(parser)
    parser.add_argument("--out", type=Path, metavar="DIR", help=f"folder for what the run makes, default {out}")
    parser.set_defaults(out=Path(out), dataset="digits")
