"""The progress of a training run: the bar, the mean losses of each epoch, and a clean end on Ctrl-C."""

import numpy as np
from tqdm import tqdm


class Progress:
    """Wraps a training loop:

        with Progress(gallery, epochs, n_images, batch_size) as progress:
            for _ in range(epochs):
                for batch in data.batches(images, batch_size, rng):
                    progress.step(*gan.train_step(batch))
                progress.end_epoch()

    Ctrl-C ends the loop as if it were over; `completed` then is less than `epochs`.
    """

    def __init__(self, gallery, epochs, n_images, batch_size, quiet=False):
        self.gallery, self.epochs, self.batch_size = gallery, epochs, batch_size
        total = epochs * (n_images // batch_size) * batch_size
        self.bar = tqdm(total=total, unit=" images", unit_scale=True, disable=quiet)
        self.losses, self.completed = [], 0

    def __enter__(self):
        return self

    def step(self, d_loss, g_loss):
        """Note the losses of a step."""
        self.losses.append((d_loss, g_loss))
        self.bar.update(self.batch_size)

    def end_epoch(self):
        """Show the mean losses of the epoch, and let the gallery draw its samples."""
        d_loss, g_loss = np.mean([[float(loss) for loss in pair] for pair in self.losses], axis=0)
        self.losses, self.completed = [], self.completed + 1
        self.bar.set_postfix_str(f"epoch {self.completed}/{self.epochs}  D {d_loss:.3f}  G {g_loss:.3f}")
        self.gallery.add_epoch(d_loss, g_loss)

    def __exit__(self, kind, error, traceback):
        self.bar.close()
        return kind is KeyboardInterrupt
