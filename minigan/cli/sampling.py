"""The commands sample and interpolate: images from random latents, and from latents between two of them."""

import argparse
from pathlib import Path

import numpy as np

from minigan import pictures
from minigan.cli.arguments import add_option, add_source, integer, positive, seed
from minigan.cli.opening import open_trained
from minigan.errors import OptionError
from minigan.files import atomic_write, make_folder
from minigan.gan import latent
from minigan.labels import labels_of_grid

MOST_LABELS = 40  # in one picture


def add_to(commands):
    sample = commands.add_parser("sample", help="draw a grid of images from a run's generator")
    add_common_arguments(sample)
    sample.add_argument(
        "--n", type=positive, help="the number of images; default: 64, of a conditional run ten of each class"
    )
    sample.add_argument("--out", type=png_file, metavar="FILE.png", help="default: RUN/sample_seedSEED.png")
    sample.add_argument(
        "--npy", type=Path, metavar="FILE", help="also write the images as an array: float32 (n, h, w, c) in [-1, 1]"
    )
    sample.set_defaults(command=draw_samples)

    interpolate = commands.add_parser(
        "interpolate",
        help="draw images on the path from one latent to another",
        description="Draw images on the path from one latent to another: a picture with a path in each row, and a GIF. "
        "In a conditional run, the class stays the same on each path. "
        "The path is an arc (slerp), which is right for normal latents; for uniform latents use --linear.",
    )
    add_common_arguments(interpolate)
    interpolate.add_argument(
        "--steps", type=integer(2), default=10, help="the number of images on each path, with both ends; default: 10"
    )
    interpolate.add_argument("--rows", type=positive, default=5, help="the number of paths; default: 5")
    interpolate.add_argument("--linear", action="store_true", help="follow the straight line instead of the arc")
    interpolate.add_argument(
        "--out",
        type=png_file,
        metavar="FILE.png",
        help="default: RUN/slerp_seedSEED.png, or lerp_seedSEED.png, with the labels before the seed; the GIF is "
        "written beside it",
    )
    interpolate.set_defaults(command=draw_paths)


def add_common_arguments(parser):
    parser.add_argument("run", type=Path, help="the folder of the run")
    add_option(parser, "--seed", help="the seed of the latents; default: 0")
    add_option(parser, "--device")
    add_option(parser, "--raw")
    add_source(parser)
    parser.add_argument(
        "--labels",
        "--label",
        type=label_list,
        metavar="K,K",
        help="of a conditional run: which classes to make, in a row each, such as 3 or 0,1,2; default: all",
    )


def png_file(text):
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"expected a file name that ends in .png, got {text}")
    return Path(text)


def label_list(text):
    """Read labels for argparse: integers of at least 0 with commas between, at most MOST_LABELS."""
    labels = [seed(part) for part in text.split(",")]
    if len(labels) > MOST_LABELS:
        raise argparse.ArgumentTypeError(f"expected at most {MOST_LABELS} labels, got {len(labels)}")
    return labels


def require_conditional(run, labels):
    """Raise OptionError for labels that the run does not take."""
    classes = run.gan.generator.classes
    if labels and classes is None:
        raise OptionError(
            f"{run.folder.path} is a run of {run.experiment.name}, which takes no labels. Leave out --labels."
        )
    if labels and max(labels) >= classes:
        raise OptionError(
            f"--labels: {run.folder.path} has {classes} classes, so the labels go from 0 to {classes - 1}, got "
            f"{max(labels)}."
        )


def labels_and_columns(run, n, labels):
    """Return how many images to draw, their labels, and how many of them are in a row; None where it is open."""
    require_conditional(run, labels)
    classes = run.gan.generator.classes
    if classes is None:
        return n or 64, None, None
    if labels is None:
        made, columns = labels_of_grid(classes)
        if n:
            made, columns = np.sort(np.arange(n) % classes), None if n % classes else n // classes
        return len(made), made, columns
    n = n or (64 if len(labels) == 1 else 10 * len(labels))
    if n % len(labels):
        raise OptionError(f"--n: expected a multiple of {len(labels)}, the number of labels, got {n}.")
    columns = n // len(labels)
    return n, np.repeat(labels, columns), columns if len(labels) > 1 else None


def draw_samples(args):
    run = open_trained(args.run, args)
    n, labels, columns = labels_and_columns(run, args.n, args.labels)
    images = run.sample(n, args.seed, labels)
    out = args.out or default_path(run, "sample", args)
    make_folder(out.parent)
    pictures.save_png(out, pictures.grid(images, columns))
    print(f"{n} samples of step {run.step:,}: {out}")
    if args.npy:
        make_folder(args.npy.parent)
        with atomic_write(args.npy) as file:
            np.save(file, images)
        print(f"the same as an array: {args.npy}")


def default_path(run, what, args):
    labels = f"_labels{'-'.join(map(str, args.labels))}" if args.labels else ""
    return run.folder.path / f"{what}{'' if run.averaged else '_raw'}{labels}_seed{args.seed}.png"


def draw_paths(args):
    run = open_trained(args.run, args)
    path_between = latent.lerp if args.linear else latent.slerp
    starts, ends = np.split(run.latents(2 * args.rows, args.seed), 2)
    latents = [path_between(start, end, args.steps) for start, end in zip(starts, ends, strict=True)]
    require_conditional(run, args.labels)
    classes = run.gan.generator.classes
    labels = None if classes is None else np.repeat(np.resize(args.labels or range(classes), args.rows), args.steps)
    images = run.images(np.concatenate(latents), labels)
    out = args.out or default_path(run, path_between.__name__, args)
    make_folder(out.parent)
    pictures.save_png(out, pictures.grid(images, columns=args.steps))
    frames = [pictures.grid(images[step :: args.steps], columns=args.rows) for step in range(args.steps)]
    pictures.save_gif(out.with_suffix(".gif"), frames, zoom=2)
    print(f"{args.rows} paths of {args.steps} steps: {out} and {out.with_suffix('.gif')}")
