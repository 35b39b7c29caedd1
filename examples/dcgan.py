"""Train a convolutional GAN on digits, clothes or colour images.

    python examples/dcgan.py                                          built-in digits, about ten minutes
    python examples/dcgan.py --generator upsampling --dataset fashion-mnist
    python examples/dcgan.py --system C1 --dataset mnist              a report's system
    python examples/dcgan.py --dataset cifar10 --data-dir DIR

Into --out go the same pictures and files as from examples/mlp_gan.py.
"""

import argparse

import numpy as np

from minigan import backend, data
from minigan.experiments.dcgan import SYSTEMS
from minigan.experiments.system import make_gan
from minigan.runs.arguments import add_run_arguments, run_program
from minigan.runs.gallery import Gallery
from minigan.runs.progress import Progress


def main(args):
    system = SYSTEMS[args.system or default_system(args.dataset, args.generator)]
    epochs, batch_size = args.epochs, args.batch_size or system.batch_size
    dataset = data.load(args.dataset, directory=args.data_dir)
    gan = make_gan(system, dataset.images.shape[1:], args.seed, args.device)
    gallery = Gallery(args.out, gan, dataset.images, args.seed)
    images = backend.to_device(dataset.images, gan.generator.xp)
    rng = np.random.default_rng((args.seed, 3))

    with Progress(gallery, epochs, len(images), batch_size, args.quiet) as progress:
        for _ in range(epochs):
            for batch in data.batches(images, batch_size, rng):
                progress.step(*gan.train_step(batch))
            progress.end_epoch()

    gallery.finish()
    done = progress.completed
    print(f"{done} of {epochs} epochs: pictures, animation and both networks are in {gallery.out.resolve()}")
    return 0 if done == epochs else 130  # what a shell gives for Ctrl-C


def default_system(dataset, generator):
    """The system for a data set whose generator enlarges by transposed convolutions, or by upsampling."""
    color = dataset in ("cifar10", "svhn")
    if generator == "upsampling":
        return "E8-upsampling" if color else "E3"
    return "E8" if color else "E2"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a convolutional GAN.")
    add_run_arguments(parser, SYSTEMS, out="out/dcgan", epochs=20)
    parser.add_argument(
        "--generator",
        choices=("transpose", "upsampling"),
        default="transpose",
        help="how images grow, where no --system is given; default: transposed convolutions",
    )
    run_program(main, parser.parse_args())
