"""The pictures and files that a training run leaves in its folder."""

from minigan import data, pictures
from minigan.backend import to_cpu
from minigan.files import make_folder


class Gallery:
    """Collects a run's losses and samples, and writes them to the folder `out`.

    After each epoch: a grid of samples, always from the same latents. At the end: loss curves, real images beside
    generated ones, an animation of the learning, both networks.
    """

    def __init__(self, out, gan, real_images, seed):
        self.out, self.gan, self.seed = make_folder(out), gan, seed
        self.real_images = data.scale(real_images[:64])
        self.losses, self.frames = [], []

    def add_epoch(self, d_loss, g_loss):
        """Note the mean losses of an epoch and draw its samples."""
        self.losses.append((d_loss, g_loss))
        self.frames.append(pictures.grid(self.samples(100)))
        pictures.save_png(self.out / f"epoch_{len(self.losses):03d}.png", self.frames[-1])

    def samples(self, n):
        return to_cpu(self.gan.sample(n, seed=self.seed))

    def finish(self):
        """Write what is left to write; of a run that was stopped, what the completed epochs gave."""
        self.gan.generator.save(self.out / "generator.npz")
        self.gan.discriminator.save(self.out / "discriminator.npz")
        pictures.save_real_beside_generated(
            self.out / "real_beside_generated.png", self.real_images, self.samples(len(self.real_images))
        )
        if self.losses:
            pictures.save_loss_curves(self.out / "losses.png", *zip(*self.losses, strict=True))
            pictures.save_gif(self.out / "learning.gif", self.frames)
