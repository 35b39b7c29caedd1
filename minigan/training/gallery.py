"""The pictures and networks that a training run writes into its folder."""

import re

import numpy as np
from PIL import Image

from minigan import data, pictures
from minigan.backend import to_cpu
from minigan.files import make_folder
from minigan.gan.undecided import undecided_losses
from minigan.labels import labels_of_grid

ZOOM = 2
SHOWN = 100  # samples in a grid
RAW = "raw: G after its last step"  # above two grids of samples from the same latents
AVERAGED = "averaged: the moving average of G"
MODES = {1: "L", 3: "RGB", 4: "RGBA"}  # Pillow's names for pictures of so many channels
EPOCH = re.compile(r"epoch_(\d{3,18})\.png", re.ASCII)


class Gallery:
    """The pictures of a run: grids of samples, always from the same latents, and an overview at the end.

    out           the folder of the run; the grids go into `samples`: epoch_001.png and so on. There, too, real.png, a
                  grid of real images, and at the end raw.png, if the generator has an average
    real_images   bytes; the first 64 are shown beside generated images
    data_range    the numbers that stand for black and white in the networks
    real_labels   the classes of the real images, if the GAN takes labels; then a grid has a row for each class
    """

    def __init__(self, out, gan, real_images, seed, samples=None, data_range=(-1, 1), real_labels=None):
        self.out, self.gan, self.seed, self.data_range = make_folder(out), gan, seed, data_range
        self.folder = make_folder(samples or out)
        self.real_images = data.scale(real_images[:64], *data_range)
        self.real_labels = None if real_labels is None else real_labels[:64]
        self.labels, self.columns = labels_of_grid(gan.generator.classes)
        self.shown = SHOWN if self.labels is None else len(self.labels)
        empty = np.zeros((self.shown, *gan.generator.output_shape))
        self.grid_shape = pictures.grid(empty, columns=self.columns).shape
        self.real_grid = real_images[: self.shown].copy()  # which does not hold all images
        if self.labels is not None:
            self.real_grid = like_labels(real_images, real_labels, self.labels)

    def remove_all_but(self, epochs):
        """Delete the pictures of all other epochs: those that are drawn again, and those that a longer run lacks."""
        for path in self.folder.glob("epoch_*.png"):
            match = EPOCH.fullmatch(path.name)
            if match and int(match[1]) not in epochs:
                path.unlink(missing_ok=True)

    def draw(self, epoch):
        """Write the grid of an epoch's samples as a PNG, and return the picture; once a grid of real images, too."""
        low, high = self.data_range
        if not (self.folder / "real.png").exists():
            pictures.save_png(self.folder / "real.png", pictures.grid(self.real_grid, columns=self.columns), ZOOM)
        picture = pictures.grid(self.samples(self.shown, self.labels), columns=self.columns, low=low, high=high)
        pictures.save_png(self.path(epoch), picture, ZOOM)
        return picture

    def samples(self, n, labels=None, averaged=True):
        return to_cpu(self.gan.sample(n, seed=self.seed, labels=labels, averaged=averaged))

    def finish(self, losses):
        """Write both networks, real images beside generated ones, the loss curves, and the animation of all epochs.

        generator.npz is what makes the samples. If this is the moving average of the generator, the generator itself is
        in generator_raw.npz, and a picture shows samples of both.

        losses        (d_loss, g_loss) of each epoch; the animation shows the pictures of these epochs only
        Returns       the paths of pictures that the animation leaves out, since they are not grids of this run
        """
        self.gan.sampler().save(self.out / "generator.npz")
        self.gan.discriminator.save(self.out / "discriminator.npz")
        low, high = self.data_range
        generated = self.samples(len(self.real_images), self.real_labels)
        pictures.save_real_beside_generated(
            self.out / "real_beside_generated.png", self.real_images, generated, low, high
        )
        if self.gan.average is not None:
            self.gan.generator.save(self.out / "generator_raw.npz")
            titles = {RAW: False, AVERAGED: True}
            grids = {title: self.samples(self.shown, self.labels, averaged) for title, averaged in titles.items()}
            pictures.save_side_by_side(self.out / "raw_beside_averaged.png", grids, low, high, self.columns)
            pictures.save_png(self.folder / "raw.png", pictures.grid(grids[RAW], self.columns, low, high), ZOOM)
        if losses:
            lines = undecided_losses(type(self.gan.objective).__name__)
            pictures.save_loss_curves(self.out / "losses.png", *zip(*losses, strict=True), lines=lines)
        frames = {epoch: self.frame(epoch) for epoch in range(1, len(losses) + 1) if self.path(epoch).exists()}
        whole = [frame for frame in frames.values() if frame is not None]
        if whole:
            pictures.save_gif(self.out / "learning.gif", whole)
        return [self.path(epoch) for epoch, frame in frames.items() if frame is None]

    def path(self, epoch):
        return self.folder / f"epoch_{epoch:03d}.png"

    def frame(self, epoch):
        """Return the grid that `draw` wrote for an epoch, without the zoom: (h, w, c) bytes.

        Return None if the file is not such a grid: cut short, or of another kind or size. It is then not decoded.
        """
        height, width, channels = self.grid_shape
        try:
            with Image.open(self.path(epoch), formats=["PNG"]) as picture:
                if picture.size != (ZOOM * width, ZOOM * height) or picture.mode != MODES.get(channels):
                    return None
                return np.asarray(picture)[::ZOOM, ::ZOOM].reshape(self.grid_shape)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
            return None


def like_labels(real_images, real_labels, labels):
    """Return a real image of the class of each label: all of a class in turn, and again if they are too few.

    The place of a class without images stays grey.
    """
    images = np.full((len(labels), *real_images.shape[1:]), pictures.EMPTY, np.uint8)
    for label in np.unique(labels):
        places, of_class = np.flatnonzero(labels == label), np.flatnonzero(real_labels == label)
        if len(of_class):
            images[places] = real_images[np.resize(of_class, len(places))]
    return images
