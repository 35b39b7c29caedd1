"""What the example programs share around their visible loops: the data, the GAN, the bar, the pictures."""

import sys

import numpy as np
from tqdm.auto import tqdm

from minigan import backend, data
from minigan.training.gallery import Gallery
from minigan.training.stopping import StopRequest


class ExampleRun:
    """Everything that a training loop needs, made from the options of the command line:

        with ExampleRun(experiment, args) as run:
            for _ in range(run.epochs):
                for batch in data.batches(run.images, run.batch_size, run.rng):
                    run.after_step(*run.gan.train_step(batch))
                run.after_epoch()
        return run.finish()

    Ctrl-C ends the loop after the step that it is in, as if it were over; `losses` then has fewer rows than `epochs`.
    """

    def __init__(self, experiment, args):
        dataset = data.load(args.dataset, directory=args.data_dir)
        self.epochs = args.epochs or experiment.epochs
        self.batch_size = args.batch_size or experiment.batch_size
        self.gan = experiment.make_gan(dataset.images.shape[1:], args.seed, args.device)
        self.gallery = Gallery(args.out, self.gan, dataset.images, args.seed, data_range=experiment.data_range)
        old = self.gallery.of_before()
        if old:
            sys.stderr.write(
                f"note: {self.gallery.out} holds {len(old)} files of an earlier run, as {old[0].name}. Those that this "
                "run makes, too, are overwritten; the others stay.\n"
            )
        self.images = backend.to_device(dataset.images, self.gan.generator.xp)
        self.rng = np.random.default_rng((args.seed, 3))
        self.losses, self.step_losses = [], []
        total = self.epochs * (len(self.images) // self.batch_size) * self.batch_size
        self.stop = StopRequest()
        self.bar = tqdm(total=total, unit=" images", unit_scale=True, disable=args.quiet)
        self.gan.capture(self.bar.write)

    def __enter__(self):
        self.stop.__enter__()
        return self

    def after_step(self, d_loss, g_loss):
        """Note the losses of a step; leave the loop if a signal has asked for it."""
        self.step_losses.append((d_loss, g_loss))
        self.bar.update(self.batch_size)
        if self.stop.signal:
            raise KeyboardInterrupt

    def after_epoch(self):
        """Note the mean losses of the epoch, show them, and draw its samples."""
        d_loss, g_loss = np.mean([[float(loss) for loss in pair] for pair in self.step_losses], axis=0)
        self.step_losses = []
        self.losses.append((d_loss, g_loss))
        self.bar.set_postfix_str(f"epoch {len(self.losses)}/{self.epochs}  D {d_loss:.3f}  G {g_loss:.3f}")
        self.gallery.draw(len(self.losses))

    def __exit__(self, kind, error, traceback):
        self.bar.close()
        self.stop.__exit__()
        return kind is KeyboardInterrupt

    def finish(self):
        """Write the overview, say where it is, and return the program's exit code."""
        self.gallery.finish(self.losses)
        done = len(self.losses)
        print(f"{done} of {self.epochs} epochs: pictures, animation and networks are in {self.gallery.out.resolve()}")
        return 0 if done == self.epochs else 130  # what a shell gives for Ctrl-C
