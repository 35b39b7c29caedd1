"""The commands sample and interpolate: images from random latents, and from latents between two of them."""

import argparse
from pathlib import Path

import numpy as np

from minigan import pictures
from minigan.cli.arguments import add_option, positive
from minigan.files import atomic_write
from minigan.gan import latent
from minigan.training.trained import load_trained


def add_to(commands):
    sample = commands.add_parser("sample", help="draw a grid of images from a run's generator")
    add_common_arguments(sample)
    sample.add_argument("--n", type=positive, default=64, help="the number of images; default: 64")
    sample.add_argument("--out", type=png_file, metavar="FILE.png", help="default: RUN/sample_seedSEED.png")
    sample.add_argument(
        "--npy", type=Path, metavar="FILE", help="also write the images as an array: float32 (n, h, w, c) in [-1, 1]"
    )
    sample.set_defaults(command=draw_samples)

    interpolate = commands.add_parser(
        "interpolate",
        help="draw images on the path from one latent to another",
        description="Draw images on the path from one latent to another: a picture with a path in each row, and a GIF. "
        "The path is an arc (slerp), which is right for normal latents; for uniform latents use --linear.",
    )
    add_common_arguments(interpolate)
    interpolate.add_argument(
        "--steps", type=positive, default=10, help="the number of images on each path, with both ends; default: 10"
    )
    interpolate.add_argument("--rows", type=positive, default=5, help="the number of paths; default: 5")
    interpolate.add_argument("--linear", action="store_true", help="follow the straight line instead of the arc")
    interpolate.add_argument(
        "--out",
        type=png_file,
        metavar="FILE.png",
        help="default: RUN/slerp_seedSEED.png, or lerp_seedSEED.png; the GIF is written beside it",
    )
    interpolate.set_defaults(command=draw_paths)


def add_common_arguments(parser):
    parser.add_argument("run", type=Path, help="the folder of the run")
    add_option(parser, "--seed", help="the seed of the latents; default: 0")
    add_option(parser, "--device")
    add_option(parser, "--raw")


def png_file(text):
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"expected a file name that ends in .png, got {text}")
    return Path(text)


def draw_samples(args):
    run = load_trained(args.run, args.device, averaged=not args.raw)
    images = run.sample(args.n, args.seed)
    out = args.out or default_path(run, "sample", args.seed)
    pictures.save_png(out, pictures.grid(images))
    print(f"{args.n} samples of step {run.step:,}: {out}")
    if args.npy:
        with atomic_write(args.npy) as file:
            np.save(file, images)
        print(f"the same as an array: {args.npy}")


def default_path(run, what, seed):
    return run.folder.path / f"{what}{'' if run.averaged else '_raw'}_seed{seed}.png"


def draw_paths(args):
    run = load_trained(args.run, args.device, averaged=not args.raw)
    path_between = latent.lerp if args.linear else latent.slerp
    starts, ends = np.split(run.latents(2 * args.rows, args.seed), 2)
    latents = [path_between(start, end, args.steps) for start, end in zip(starts, ends, strict=True)]
    images = run.images(np.concatenate(latents))
    out = args.out or default_path(run, path_between.__name__, args.seed)
    pictures.save_png(out, pictures.grid(images, columns=args.steps))
    frames = [pictures.grid(images[step :: args.steps], columns=args.rows) for step in range(args.steps)]
    pictures.save_gif(out.with_suffix(".gif"), frames, zoom=2)
    print(f"{args.rows} paths of {args.steps} steps: {out} and {out.with_suffix('.gif')}")
