"""The pictures and networks that a training run leaves in its folder."""

import numpy as np
from PIL import Image

from minigan import data, pictures
from minigan.backend import to_cpu
from minigan.files import make_folder

ZOOM = 2


class Gallery:
    """Draws a run's samples, always from the same latents, and at its end the overview.

    out           the folder; samples go into `samples`, epoch_001.png and so on
    real_images   bytes; the first 64 stand beside generated ones
    data_range    the numbers that black and white are to the networks
    """

    def __init__(self, out, gan, real_images, seed, samples=None, data_range=(-1, 1)):
        self.out, self.gan, self.seed, self.data_range = make_folder(out), gan, seed, data_range
        self.folder = make_folder(samples or out)
        self.real_images = data.scale(real_images[:64], *data_range)

    def draw(self, epoch):
        """The grid of an epoch's samples as a PNG; returns the picture."""
        low, high = self.data_range
        picture = pictures.grid(self.samples(100), low=low, high=high)
        pictures.save_png(self.folder / f"epoch_{epoch:03d}.png", picture, ZOOM)
        return picture

    def samples(self, n):
        return to_cpu(self.gan.sample(n, seed=self.seed))

    def finish(self, losses):
        """Both networks, real beside generated, and the curves and the animation of the epochs that there were.

        losses        (d_loss, g_loss) of each epoch
        """
        self.gan.generator.save(self.out / "generator.npz")
        self.gan.discriminator.save(self.out / "discriminator.npz")
        low, high = self.data_range
        pictures.save_real_beside_generated(
            self.out / "real_beside_generated.png", self.real_images, self.samples(len(self.real_images)), low, high
        )
        if losses:
            pictures.save_loss_curves(self.out / "losses.png", *zip(*losses, strict=True))
        frames = [self.frame(path) for path in sorted(self.folder.glob("epoch_*.png"))]
        if frames:
            pictures.save_gif(self.out / "learning.gif", frames)

    @staticmethod
    def frame(path):
        """A grid that `draw` wrote, in its own size: (h, w, c) bytes"""
        with Image.open(path) as picture:
            pixels = np.asarray(picture)[::ZOOM, ::ZOOM]
        return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
