"""The progress bar of a training run: epochs, steps, losses, nFD, images per second, the time left."""

import math
import sys

from tqdm.auto import tqdm

from minigan.training.watchers.watcher import Watcher


class ProgressBar(Watcher):
    """A watcher of Training that shows a bar over all images of the run."""

    def __init__(self, config, step, quiet=False):
        self.batch_size, self.epochs = config.batch_size, math.ceil(config.total_steps / config.steps_per_epoch)
        self.steps_per_epoch, self.total_steps = config.steps_per_epoch, config.total_steps
        self.metrics = []
        self.bar = tqdm(
            total=config.total_steps * config.batch_size,
            initial=step * config.batch_size,
            unit=" images",
            unit_scale=True,
            disable=quiet,
        )

    def start(self, training):
        self.metrics = training.metrics

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        self.bar.update(self.batch_size)
        if not self.bar.disable and step % 10 == 0:  # reading a loss makes the program wait for a GPU
            epoch = (step - 1) // self.steps_per_epoch + 1
            losses = f"D {float(d_loss):.3f}  G {float(g_loss):.3f}{self.newest_nfd()}"
            self.bar.set_postfix_str(
                f"epoch {epoch}/{self.epochs}  step {step}/{self.total_steps}  {losses}", refresh=False
            )

    def newest_nfd(self):
        """Return the newest nFD as a text, or nothing if there is none."""
        nfd = self.metrics[-1]["nfd"] if self.metrics else None
        return "" if nfd is None else f"  nFD {nfd:.1f} %"

    def say(self, text):
        """Write a line above the bar, on the standard error stream."""
        self.bar.write(text, file=sys.stderr)

    def close(self):
        self.bar.close()
