"""Train an MLP-GAN that writes digits, and watch it learn.

    python examples/mlp_gan.py                                        built-in digits, about two minutes on a laptop
    python examples/mlp_gan.py --system A4 --dataset mnist            a report's system on all 60,000 digits
    python examples/mlp_gan.py --help

Into --out go a sample grid per epoch (the same latents every time), the loss curves, real digits beside generated
ones, an animation of the learning, and both networks.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from minigan import backend, data, pictures
from minigan.errors import MiniganError
from minigan.experiments.mlp import SYSTEMS, make_gan
from minigan.files import make_folder


def main(args):
    system = SYSTEMS[args.system]
    epochs = args.epochs or system.epochs
    batch_size = args.batch_size or system.batch_size
    out = make_folder(args.out)
    dataset = data.load(args.dataset, directory=args.data_dir)
    gan = make_gan(system, dataset.images.shape[1:], args.seed, args.device)
    images = backend.to_device(dataset.images, gan.generator.xp)
    rng = np.random.default_rng((args.seed, 3))
    steps = len(images) // batch_size

    history, frames = [], []
    with tqdm(total=epochs * steps * batch_size, unit=" images", unit_scale=True, disable=args.quiet) as bar:
        try:
            for epoch in range(1, epochs + 1):
                losses = []
                for batch in data.batches(images, batch_size, rng):
                    losses.append(gan.train_step(batch))
                    bar.update(batch_size)
                d_loss, g_loss = np.mean([[float(loss) for loss in pair] for pair in losses], axis=0)
                history.append((d_loss, g_loss))
                bar.set_postfix_str(f"epoch {epoch}/{epochs}  D {d_loss:.3f}  G {g_loss:.3f}")
                frames.append(pictures.grid(backend.to_cpu(gan.sample(100, seed=args.seed))))
                pictures.save_png(out / f"epoch_{epoch:03d}.png", frames[-1])
        except KeyboardInterrupt:
            bar.set_postfix_str("stopped")
    finish(gan, dataset, history, frames, out, args.seed)
    print(f"{len(history)} of {epochs} epochs: pictures, animation and both networks are in {out.resolve()}")
    return 0 if len(history) == epochs else 130  # what a shell gives for Ctrl-C


def finish(gan, dataset, history, frames, out, seed):
    """Write what a run leaves behind; after Ctrl-C, of the epochs that were completed."""
    gan.generator.save(out / "generator.npz")
    gan.discriminator.save(out / "discriminator.npz")
    real = data.scale(dataset.images[:64])
    pictures.save_real_beside_generated(
        out / "real_beside_generated.png", real, backend.to_cpu(gan.sample(64, seed=seed))
    )
    if history:
        pictures.save_loss_curves(out / "losses.png", *zip(*history, strict=True))
        pictures.save_gif(out / "learning.gif", frames)


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description="Train an MLP-GAN that writes digits.")
    known = ", ".join(f"{name} ({system.about})" for name, system in SYSTEMS.items())
    parser.add_argument("--system", choices=SYSTEMS, default="fast", metavar="NAME", help=f"one of {known}")
    parser.add_argument("--dataset", choices=data.NAMES, default="digits", help="default: the built-in 10,000 digits")
    parser.add_argument("--data-dir", type=Path, help="folder of the data set's files; without it: cache or download")
    parser.add_argument("--epochs", type=positive, help="default: the system's own")
    parser.add_argument("--batch-size", type=positive, help="default: the system's own")
    parser.add_argument("--device", choices=backend.DEVICES, default="auto", help="default: the GPU if there is one")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same run, bit for bit")
    parser.add_argument("--out", type=Path, default=Path("out/mlp_gan"), help="folder for what the run makes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    return parser.parse_args(arguments)


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text}")
    return int(text)


if __name__ == "__main__":
    try:
        sys.exit(main(parse_arguments()))
    except MiniganError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("stopped before the first epoch began or while files were written; each file is whole", file=sys.stderr)
        sys.exit(130)
