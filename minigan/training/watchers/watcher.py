"""What a watcher of a run is: the methods that a run calls while it trains."""

from typing import Any

from minigan.hints import Array, Labels


class Watcher:
    """A watcher of a training run. Derive from it, and write the methods that you need:

        start(training)                                   before the first step, and again when the run is resumed
        after_step(step, batch, d_loss, g_loss, labels)   after each step
        after_epoch(row, picture)                         after each epoch
        close()                                           at the end, also after an error

    training   the run: training.gan, .step, .epoch (completed ones), .history, .metrics, .config, and .folder.path,
               where a watcher may write files under names of its own. training.stop() ends the run after this step
    batch      the images (n, h, w, c) of the step, in the range of the run; labels: (n,), of a conditional run, or None
    d_loss     numbers, on a GPU arrays of one number; float(d_loss) waits for the GPU, so do not ask in each step
    row        the epoch's row of history.csv: step, epoch, d_loss, g_loss (means), d_grad_norm, g_grad_norm;
               d_lr and g_lr, if a schedule changes them
    picture    the grid of samples (h, w, c), uint8; None after an epoch without one (--every)

    A watcher may read everything and must change nothing. Arrays may be overwritten by the next step: keep copies. An
    error in `start` ends the run before its first step. After an error in another method the run goes on without the
    watcher. If several processes share a run, only the first one calls them.
    """

    def start(self, training: Any) -> None:
        """Do nothing, unless a watcher of yours does something here."""

    def after_step(self, step: int, batch: Array, d_loss: Any, g_loss: Any, labels: Labels | None = None) -> None:
        """Do nothing, unless a watcher of yours does something here."""

    def after_epoch(self, row: dict, picture: Array | None) -> None:
        """Do nothing, unless a watcher of yours does something here."""

    def close(self) -> None:
        """Do nothing, unless a watcher of yours does something here."""
