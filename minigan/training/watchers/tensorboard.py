"""Training in TensorBoard: losses, gradient norms, learning rates and metrics as curves, samples as images."""

from minigan.errors import OptionError
from minigan.training.checkpoints import METRICS
from minigan.training.watchers.watcher import Watcher

EVERY = 10  # steps between two points of the losses


def summary_writer():
    """Return the class that writes events; OptionError if it is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise OptionError(
            '--tensorboard needs tensorboardX, which is not installed: pip install "minigan[tensorboard]"'
        ) from error
    return SummaryWriter


class TensorBoard(Watcher):
    """A watcher of Training that writes events into a folder, for `tensorboard --logdir`. It needs tensorboardX."""

    def __init__(self, folder, step):
        self.writer = summary_writer()(str(folder), purge_step=step + 1)  # what comes again when a run is resumed
        self.metrics, self.written = [], 0  # the rows of metrics.csv, and how many of them are in the events

    def start(self, training):
        self.metrics, self.written = training.metrics, len(training.metrics)

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        if step % EVERY == 0:
            self.writer.add_scalar("loss/discriminator", float(d_loss), step)
            self.writer.add_scalar("loss/generator", float(g_loss), step)

    def after_epoch(self, row, picture):
        step = row["step"]
        self.writer.add_scalar("gradient norm/discriminator", row["d_grad_norm"], step)
        self.writer.add_scalar("gradient norm/generator", row["g_grad_norm"], step)
        for name, column in (("discriminator", "d_lr"), ("generator", "g_lr")):
            if column in row:  # of a schedule
                self.writer.add_scalar(f"learning rate/{name}", row[column], step)
        if picture is not None:
            self.writer.add_image("samples", picture, step, dataformats="HWC")
        self.add_metrics()

    def add_metrics(self):
        """Write the metrics that are new."""
        for row in self.metrics[self.written :]:
            for name in METRICS:
                if row[name] is not None:
                    self.writer.add_scalar(f"metrics/{name}", row[name], row["step"])
        self.written = len(self.metrics)

    def close(self):
        self.add_metrics()  # those of the last step are made after its epoch
        self.writer.close()
