"""The options of the command line. Each is declared once, for all commands and examples that have it."""

import argparse
import re
import sys
from pathlib import Path

from minigan import backend, data
from minigan.cli.ranges import value_range, with_ranges_joined
from minigan.data.dataset import OPTION_NAMES
from minigan.data.decoding import BACKGROUNDS
from minigan.errors import OptionError
from minigan.experiments.variants import SEPARATOR
from minigan.parallel.sharing import MOST_WORKERS
from minigan.schedules import OF_A_RUN

MOST = 10**9  # the largest count on a command line: a run that would never end is refused before it starts


def integer(least):
    """Return a function for argparse that reads an integer of at least `least`."""

    def read(text):
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= MOST):
            raise argparse.ArgumentTypeError(f"expected an integer of at least {least} (at most {MOST:,}), got {text}")
        return int(text)

    return read


positive, seed = integer(1), integer(0)


def workers(text):
    """Read the number of workers for argparse: "auto" or an integer from 1 to MOST_WORKERS."""
    if text == "auto":
        return text
    count = positive(text)
    if count > MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected auto, or an integer from 1 to {MOST_WORKERS}, got {text}")
    return count


def decay(text):
    """Read the decay of a moving average for argparse: "none" or a number in [0, 1). Returns the text."""
    number = re.fullmatch(r"0?\.\d{1,15}|0(\.0*)?", text, re.ASCII)
    if not number and text.lower() != "none":
        raise argparse.ArgumentTypeError(f"expected none, or a number from 0 to below 1 such as 0.998, got {text}")
    return text


def image_size(text):
    """Read the size of images for argparse: 64, or the height and the width, 48x64."""
    sizes = [positive(part) for part in text.lower().split("x")]
    if len(sizes) > 2:
        raise argparse.ArgumentTypeError(f"expected a size such as 64 or 48x64, got {text}")
    return (sizes[0], sizes[-1])


DATA = ("--image-size", "--channels", "--background", "--skip-broken", "--value-range")  # how images are loaded


def data_options(args):
    """Return the options of `data.load` that were given on the command line."""
    given = {name: getattr(args, name, None) for name in sorted(OPTION_NAMES)}
    return {name: value for name, value in given.items() if value not in (None, False)}


OPTIONS = {
    "--dataset": {"choices": data.NAMES, "help": "the data set; default: the experiment's own"},
    "--data-dir": {
        "type": Path,
        "metavar": "DIR",
        "help": "the folder of your pictures or of the data set's files, or a .npz file; without it, minigan uses its "
        "cache or downloads the files",
    },
    "--image-size": {
        "type": image_size,
        "metavar": "N",
        "help": "make all images N x N pixels, or HxW: 48x64; default: as they are",
    },
    "--channels": {
        "type": int,
        "choices": (1, 3),
        "help": "1 for grey, 3 for colour; default: as the images are, in a folder as most of them are",
    },
    "--background": {
        "choices": tuple(BACKGROUNDS),
        "help": "of transparent pictures in a folder; default: white",
    },
    "--skip-broken": {"action": "store_true", "help": "leave out pictures of a folder that cannot be read"},
    "--value-range": {
        "type": value_range,
        "metavar": "LOW:HIGH",
        "help": "the numbers that stand for black and white in a .npz or .npy file: --value-range=-1:1; default: bytes",
    },
    "--epochs": {"type": positive, "metavar": "N", "help": "the number of epochs; default: the experiment's own"},
    "--steps": {"type": positive, "metavar": "N", "help": "stop after N steps, even within an epoch"},
    "--batch-size": {"type": positive, "metavar": "N", "help": "images in a batch; default: the experiment's own"},
    "--seed": {
        "type": seed,
        "default": 0,
        "metavar": "N",
        "help": "the same seed gives the same run, bit for bit; default: 0",
    },
    "--device": {"choices": backend.DEVICES, "default": "auto", "help": "default: the GPU if there is one"},
    "--workers": {
        "type": workers,
        "default": "auto",
        "metavar": "N",
        "help": "how many threads share each batch; default: auto, one for each core if it is worth it",
    },
    "--judge-every": {
        "type": positive,
        "metavar": "N",
        "help": "judge the samples after every N epochs, and after the last step: nFD, score, coverage ... over the "
        "epochs, in metrics.csv; default: never",
    },
    "--judge-samples": {
        "type": positive,
        "metavar": "N",
        "help": "how many samples --judge-every judges; default: 2000. nFD depends on the number",
    },
    "--raw": {
        "action": "store_true",
        "help": "use the generator as its last step left it, not the moving average of its steps",
    },
    "--quiet": {"action": "store_true", "help": "show no progress bar"},
    "--no-report": {"action": "store_true", "help": "do not write the page of the run, report.html, at its end"},
}


# options that change the recipe: short for options in the name of the experiment, NAME+g_lr=0.001+d_lr=0.001
RECIPE = {
    "--lr": (("g_lr", "d_lr"), {"metavar": "X", "help": "the learning rate of both networks"}),
    "--g-lr": (("g_lr",), {"metavar": "X", "help": "the learning rate of the generator"}),
    "--d-lr": (("d_lr",), {"metavar": "X", "help": "the learning rate of the discriminator"}),
    "--lr-schedule": (
        ("lr_schedule",),
        {"choices": list(OF_A_RUN), "help": "how both learning rates change over the whole run; default: constant"},
    ),
    "--warm-up": (
        ("warm_up",),
        {"metavar": "STEPS", "help": "both learning rates rise in a straight line in the first STEPS; default: none"},
    ),
    "--ema": (
        ("ema",),
        {
            "type": decay,
            "metavar": "D",
            "help": "keep a moving average of the generator with this decay, which makes the samples; none for no "
            "average; default: the experiment's own",
        },
    ),
    "--augment": (
        ("augment",),
        {
            "type": lambda text: text.replace(",", ":"),
            "metavar": "NAMES",
            "help": "random changes of all images in front of the discriminator, for data sets with few images: "
            "color,translation,cutout",
        },
    ),
    "--weight-decay": (
        ("g_weight_decay", "d_weight_decay"),
        {"metavar": "X", "help": "the weight decay of both networks; default: none"},
    ),
    "--accumulate": (
        ("accumulate",),
        {"metavar": "N", "help": "compute each step in N parts of the batch: less memory; default: 1"},
    ),
}


def add_recipe(parser):
    """Add the options of RECIPE to a parser."""
    for name, (_, options) in RECIPE.items():
        parser.add_argument(name, **options)


def with_recipe(args):
    """Return the name of the variant that args.name and the options of RECIPE stand for."""
    if args.lr is not None and (args.g_lr is not None or args.d_lr is not None):
        raise OptionError("--lr sets both learning rates. Leave it out, and give both --g-lr and --d-lr.")
    texts = [args.name]
    for option, (names, _) in RECIPE.items():
        value = getattr(args, option.strip("-").replace("-", "_"))
        texts += [f"{name}={value}" for name in names if value is not None]
    return SEPARATOR.join(texts)


def add_option(parser, name, **changes):
    """Add one of OPTIONS to a parser, with some changes."""
    parser.add_argument(name, **(OPTIONS[name] | changes))


def add_source(parser):
    """Add the options that give the experiment of a run which was started with a file of one's own."""
    parser.add_argument(
        "--source",
        type=Path,
        metavar="FILE.py",
        help="of a run that was started with your own file (train my_gan.py:EXPERIMENT): this file, which is run",
    )
    parser.add_argument(
        "--trust-source",
        action="store_true",
        help="or: run the text of that file as the run folder holds it. Only for a folder that you trust as a program",
    )


def example_options(description, epochs, batch_size, out=None, **more):
    """Return the options of an example program, read from the command line.

    Its data_options are what `data.load` takes besides the name and the folder: {"image_size": (32, 32)}
    epochs, batch_size, out    the defaults of these options; without `out`, the program writes no files
    more           further options of the program: name=dict(help=..., ...), as for argparse
    """
    parser = argparse.ArgumentParser(description=description)
    add_option(parser, "--epochs", default=epochs, help=f"default: {epochs}")
    add_option(parser, "--batch-size", default=batch_size, help=f"images in a batch; default: {batch_size}")
    add_option(parser, "--seed")
    add_option(parser, "--device")
    add_option(parser, "--workers")
    if out is not None:
        parser.add_argument(
            "--out",
            type=Path,
            default=Path(out),
            metavar="DIR",
            help=f"the folder for everything that the run writes; default: {out}",
        )
    add_option(parser, "--dataset", default="digits", help="default: the built-in 10,000 digits")
    for name in ("--data-dir", *DATA):
        add_option(parser, name)
    for name, options in more.items():
        parser.add_argument(f"--{name}", **options)
    args = parser.parse_args(with_ranges_joined(sys.argv[1:]))
    args.data_options = data_options(args)
    return args
