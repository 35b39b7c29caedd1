"""The command-line options that the example programs share, and how a program ends."""

import argparse
import sys
from pathlib import Path

from minigan import backend, data
from minigan.errors import MiniganError
from minigan.ops.allocator import keep_freed_memory


def add_run_arguments(parser, out, system=None):
    """Add --system, --dataset, --data-dir, --epochs, --batch-size, --device, --seed, --out, --quiet to a parser.

    system: the default, or None where the program chooses by the other options
    """
    own = "the system's own"
    parser.add_argument(
        "--system",
        default=system,
        metavar="NAME",
        help=f"an experiment of `python -m minigan list`; default: {system or 'by the other options'}",
    )
    parser.add_argument("--dataset", choices=data.NAMES, default="digits", help="default: the built-in 10,000 digits")
    parser.add_argument("--data-dir", type=Path, help="folder of the data set's files; without it: cache or download")
    parser.add_argument("--epochs", type=positive, help=f"default: {own}")
    parser.add_argument("--batch-size", type=positive, help=f"default: {own}")
    parser.add_argument("--device", choices=backend.DEVICES, default="auto", help="default: the GPU if there is one")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same run, bit for bit")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder for what the run makes, default {out}")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text}")
    return int(text)


def run_program(main, args):
    """Exit with main(args)'s code; an error of minigan becomes one line and code 2, Ctrl-C code 130."""
    keep_freed_memory()
    try:
        sys.exit(main(args))
    except MiniganError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except MemoryError as error:  # CuPy's for the memory of the GPU is one, too
        sys.stderr.write(
            f"error: out of memory ({error}). Take a smaller --batch-size, a smaller experiment, or --device cpu; on a "
            "GPU, nvidia-smi shows which other programs hold its memory. A run goes on from its last checkpoint by "
            "resume.\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.stderr.write("stopped; each file that was written is whole\n")
        sys.exit(130)
