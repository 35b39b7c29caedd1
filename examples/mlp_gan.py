"""Train an MLP-GAN that writes digits, and watch it learn.

    python examples/mlp_gan.py                                        built-in digits, two to four minutes
    python examples/mlp_gan.py --system A4 --dataset mnist            a report's system on all 60,000 digits
    python examples/mlp_gan.py --help

Into --out go a sample grid per epoch (the same latents every time), the loss curves, real digits beside generated
ones, an animation of the learning, and both networks.
"""

import argparse

import numpy as np

from minigan import backend, data
from minigan.experiments.mlp import SYSTEMS
from minigan.experiments.system import make_gan
from minigan.runs.arguments import add_run_arguments, run_program
from minigan.runs.gallery import Gallery
from minigan.runs.progress import Progress


def main(args):
    system = SYSTEMS[args.system]
    epochs, batch_size = args.epochs or system.epochs, args.batch_size or system.batch_size
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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train an MLP-GAN that writes digits.")
    add_run_arguments(parser, SYSTEMS, out="out/mlp_gan", default_system="fast")
    run_program(main, parser.parse_args())
