"""sample and interpolate: what the generator of a run makes, of latents drawn at random and of those between two."""

import argparse
from pathlib import Path

import numpy as np

from minigan import pictures
from minigan.cli.arguments import add_option, positive
from minigan.files import atomic_write
from minigan.gan import latent
from minigan.training.trained import load_trained


def add_to(commands):
    sample = commands.add_parser("sample", help="a grid of images that a run's generator makes")
    add_common_arguments(sample)
    sample.add_argument("--n", type=positive, default=64, help="how many; default 64")
    sample.add_argument("--out", type=png_file, metavar="FILE.png", help="default: RUN/sample_seedSEED.png")
    sample.add_argument(
        "--npy", type=Path, metavar="FILE", help="write the images as an array, too: float32 (n, h, w, c) in [-1, 1]"
    )
    sample.set_defaults(command=draw_samples)

    interpolate = commands.add_parser(
        "interpolate",
        help="images on the way from one latent to another",
        description="Images on the way from one latent to another: a picture with a path in each row, and a GIF. The "
        "way is the arc of slerp, which is meant for normal latents; for uniform ones take --linear.",
    )
    add_common_arguments(interpolate)
    interpolate.add_argument("--steps", type=positive, default=10, help="images on each path, its ends too; default 10")
    interpolate.add_argument("--rows", type=positive, default=5, help="paths; default 5")
    interpolate.add_argument("--linear", action="store_true", help="along the straight line instead of the arc")
    interpolate.add_argument(
        "--out",
        type=png_file,
        metavar="FILE.png",
        help="default: RUN/slerp_seedSEED.png, or lerp_; the GIF lies beside it",
    )
    interpolate.set_defaults(command=draw_paths)


def add_common_arguments(parser):
    parser.add_argument("run", type=Path, help="the folder of the run")
    add_option(parser, "--seed", help="of the latents; default 0")
    add_option(parser, "--device")


def png_file(text):
    if not text.lower().endswith(".png"):
        raise argparse.ArgumentTypeError(f"expected the name of a file that ends in .png, got {text}")
    return Path(text)


def draw_samples(args):
    run = load_trained(args.run, args.device)
    images = run.sample(args.n, args.seed)
    out = args.out or run.folder.path / f"sample_seed{args.seed}.png"
    pictures.save_png(out, pictures.grid(images))
    print(f"{args.n} samples of step {run.step:,}: {out}")
    if args.npy:
        with atomic_write(args.npy) as file:
            np.save(file, images)
        print(f"the same as an array: {args.npy}")


def draw_paths(args):
    run = load_trained(args.run, args.device)
    path_between = latent.lerp if args.linear else latent.slerp
    starts, ends = np.split(run.latents(2 * args.rows, args.seed), 2)
    latents = [path_between(start, end, args.steps) for start, end in zip(starts, ends, strict=True)]
    images = run.images(np.concatenate(latents))
    out = args.out or run.folder.path / f"{path_between.__name__}_seed{args.seed}.png"
    pictures.save_png(out, pictures.grid(images, columns=args.steps))
    frames = [pictures.grid(images[step :: args.steps], columns=args.rows) for step in range(args.steps)]
    pictures.save_gif(out.with_suffix(".gif"), frames, zoom=2)
    print(f"{args.rows} paths of {args.steps} steps: {out} and {out.with_suffix('.gif')}")
