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


def example_options(description, epochs, out=None, **more):
    """Return the options of an example program, read from the command line.

    epochs, out    the defaults of --epochs and --out; without an `out` the program writes no files
    more           options of the program's own: name=dict(help=..., ...), as argparse takes them
    """
    parser = argparse.ArgumentParser(description=description)
    add_option(parser, "--epochs", default=epochs, help=f"default: {epochs}")
    add_option(parser, "--seed")
    add_option(parser, "--device")
    if out is not None:
        parser.add_argument(
            "--out", type=Path, default=Path(out), metavar="DIR", help=f"folder for what the run makes, default {out}"
        )
    add_option(parser, "--dataset", default="digits", help="default: the built-in 10,000 digits")
    add_option(parser, "--data-dir")
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    return parser.parse_args()
