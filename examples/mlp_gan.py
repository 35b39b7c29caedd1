"""Train an MLP-GAN that writes digits, and watch it learn.

    python examples/mlp_gan.py                                        built-in digits, two to four minutes
    python examples/mlp_gan.py --system A4 --dataset mnist            a report's system on all 60,000 digits
    python examples/mlp_gan.py --help

Into --out go a sample grid per epoch (the same latents every time), the loss curves, real digits beside generated
ones, an animation of the learning, and both networks.
"""

import argparse

import numpy as np
from tqdm import tqdm

from minigan import backend, data
from minigan.experiments.mlp import SYSTEMS
from minigan.experiments.system import make_gan
from minigan.runs.arguments import add_run_arguments, run_program
from minigan.runs.gallery import Gallery


def main(args):
    system = SYSTEMS[args.system]
    epochs = args.epochs or system.epochs
    batch_size = args.batch_size or system.batch_size
    dataset = data.load(args.dataset, directory=args.data_dir)
    gan = make_gan(system, dataset.images.shape[1:], args.seed, args.device)
    gallery = Gallery(args.out, gan, dataset.images, args.seed)
    images = backend.to_device(dataset.images, gan.generator.xp)
    rng = np.random.default_rng((args.seed, 3))

    steps = len(images) // batch_size
    with tqdm(total=epochs * steps * batch_size, unit=" images", unit_scale=True, disable=args.quiet) as bar:
        try:
            for epoch in range(1, epochs + 1):
                losses = []
                for batch in data.batches(images, batch_size, rng):
                    losses.append(gan.train_step(batch))
                    bar.update(batch_size)
                d_loss, g_loss = np.mean([[float(loss) for loss in pair] for pair in losses], axis=0)
                bar.set_postfix_str(f"epoch {epoch}/{epochs}  D {d_loss:.3f}  G {g_loss:.3f}")
                gallery.add_epoch(d_loss, g_loss)
        except KeyboardInterrupt:
            bar.set_postfix_str("stopped")
    gallery.finish()
    done = len(gallery.losses)
    print(f"{done} of {epochs} epochs: pictures, animation and both networks are in {gallery.out.resolve()}")
    return 0 if done == epochs else 130  # what a shell gives for Ctrl-C


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train an MLP-GAN that writes digits.")
    add_run_arguments(parser, SYSTEMS, default_system="fast", out="out/mlp_gan")
    run_program(main, parser.parse_args())
