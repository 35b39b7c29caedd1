"""Measure how a generator loses its latent, and which digit it makes then: for docs/causes.md.

    python docs/one_picture.py          E1, E2 and E1 with one change, on the built-in digits

A watcher looks before the first step, at a few early steps, and after each epoch. It writes into docs/results/causes/

    one_picture_epochs.csv    of each run and epoch: how much of the images depends on the latent (share), how much they
                              differ compared with real images (spread), the most frequent digit among 500 samples by
                              minigan's classifier, its share, and how many digits have at least 2 %
    one_picture_layers.csv    of each experiment, seed 0: how much of each layer's output depends on the latent
    one_picture_steps.csv     of each experiment: what one of the first steps changes of the picture before tanh, as
                              root mean square: the part that is the same for all latents (common), the part that
                              depends on them (own); and how much the pictures differ (spread). Means of all seeds

and the pictures docs/images/causes/one_picture.png and one_picture_samples.png.
"""

import tempfile
from pathlib import Path

import numpy as np
from causes import PICTURES, RESULTS, save_small, share_over_samples, shares_of_layers, train, write_rows

import minigan
from minigan import data, metrics, pictures
from minigan.experiments import find
from minigan.initializers import HeNormal
from minigan.layers import BatchNorm, Dense
from minigan.models import dense_to_conv_generator
from minigan.training.watchers import Watcher

FIRST = 20  # steps whose change of the picture is measured
EARLY = (0, 5, 10, 20, 40, 80)  # steps at which the layers are measured, besides the epochs
LATENTS, JUDGED = 64, 500
EPOCHS, SHOWN, SHOWN_EPOCHS = 4, 8, 2
LAST_DENSE = 6  # its place in E1's generator


def with_batchnorm(image_shape):
    """Return E1's generator with a BatchNorm behind the last Dense."""
    layers = dense_to_conv_generator(image_shape)
    return [*layers[: LAST_DENSE + 1], BatchNorm(), *layers[LAST_DENSE + 1 :]]


def with_larger_weights(image_shape):
    """Return E1's generator with weights of the last Dense that do not start smaller for having many outputs."""
    layers = dense_to_conv_generator(image_shape)
    layers[LAST_DENSE] = Dense(layers[LAST_DENSE].units, initializer=HeNormal())
    return layers


def with_one_dense(image_shape):
    """Return E1's generator with the last Dense alone: it reads the latent itself."""
    return dense_to_conv_generator(image_shape)[LAST_DENSE:]


E1, E2 = find("E1"), find("E2")
ARMS = {
    "E1": E1,
    "E1, BatchNorm": E1.but("E1-batchnorm", generator=with_batchnorm),
    "E1, larger weights": E1.but("E1-larger-weights", generator=with_larger_weights),
    "E1, one Dense": E1.but("E1-one-dense", generator=with_one_dense),
    "E2": E2,
}
RUNS = [(arm, 0) for arm in ARMS]
RUNS += [(arm, seed) for seed in (1, 2) for arm in ("E1", "E1, BatchNorm", "E2")]


class OnePicture(Watcher):
    """Look at the generator: `layers` and `epochs` are rows; `changes` (common, own, spread) of the first steps."""

    def __init__(self, classifier):
        self.classifier = classifier
        self.layers, self.epochs, self.changes, self.samples = [], [], [], []

    def start(self, training):
        self.gan, self.real = training.gan, data.scale(training.images[:JUDGED])
        generator = self.gan.generator
        self.z = self.gan.latent.sample(LATENTS, np.random.default_rng(0), generator.dtype, generator.xp)
        self.before = self.raw_pictures()
        self.look(0)
        self.judge(0)

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        if step <= FIRST:
            after = self.raw_pictures()
            change = after - self.before
            self.changes.append(
                [rms(change.mean(axis=0)), rms(change - change.mean(axis=0)), rms(after - after.mean(axis=0))]
            )
            self.before = after
        if step in EARLY:
            self.look(step)

    def after_epoch(self, row, picture):
        self.look(row["step"])
        self.judge(round(row["epoch"]))

    def raw_pictures(self):
        """Return the pictures before tanh, (n, pixels)."""
        scope = minigan.microscope(self.gan.generator, self.z, np.zeros_like, training=False)
        return scope[-1].x.reshape(LATENTS, -1)

    def look(self, step):
        """Measure every layer."""
        for name, share in shares_of_layers(self.gan.generator, self.z).items():
            self.layers.append({"step": step, "layer": name, "share": share})

    def judge(self, epoch):
        """Measure the images, and let the classifier say which digits they are."""
        images = self.gan.sample(JUDGED, seed=0)
        self.samples.append(images[:SHOWN])
        _, answers = metrics.features_and_probabilities(self.classifier, images)
        shares = np.bincount(answers.argmax(axis=1), minlength=answers.shape[1]) / JUDGED
        spread = float(images.std(axis=0).mean() / self.real.std(axis=0).mean())
        self.epochs.append(
            {
                "epoch": epoch,
                "share": share_over_samples(images),
                "spread": spread,
                "digit": int(shares.argmax()),
                "of all": float(shares.max()),
                "digits": int((shares >= 0.02).sum()),
            }
        )


def rms(array):
    """Return the root mean square of the numbers of an array."""
    return float(np.sqrt((array.astype("float64") ** 2).mean()))


def draw(path, runs):
    """Draw the share of the latent over the epochs, and over the layers of the first seed."""
    figure = pictures._figure(11, 4.5)
    axes = figure.add_subplot(1, 2, 1, title="how much of the images depends on the latent (all seeds)", yscale="log")
    for colour, arm in enumerate(dict.fromkeys(arm for arm, _ in runs)):
        for place, watcher in enumerate(watcher for (name, _), watcher in runs.items() if name == arm):
            x, y = ([row[key] for row in watcher.epochs] for key in ("epoch", "share"))
            axes.plot(x, y, f"C{colour}", marker=".", label=None if place else arm)
    axes.set(xlabel="epoch", ylabel="variance / mean square")
    axes.legend(fontsize="small")
    axes = figure.add_subplot(1, 2, 2, title="E1, layer by layer, seed 0", yscale="log")
    watcher = next(iter(runs.values()))
    for step in (0, 5, 20, 80):
        found = [(row["layer"], row["share"]) for row in watcher.layers if row["step"] == step]
        found = [pair for pair in found if "Reshape" not in pair[0]]
        if found:
            axes.plot(*zip(*found, strict=True), marker=".", label=f"step {step}")
    axes.tick_params(axis="x", rotation=60)
    axes.legend(fontsize="small")
    save_small(path, figure)


def draw_samples(path, runs):
    """Draw some samples of each run after its last epochs: a row for each epoch."""
    arms = list(dict.fromkeys(arm for arm, _ in runs))
    seeds = list(dict.fromkeys(seed for _, seed in runs))
    figure = pictures._figure(3.2 * len(seeds), 1.9 * len(arms))
    for (arm, seed), watcher in runs.items():
        place = arms.index(arm) * len(seeds) + seeds.index(seed) + 1
        axes = figure.add_subplot(len(arms), len(seeds), place, title=f"{arm}, seed {seed}")
        pictures.show_grid(axes, pictures.grid(np.concatenate(watcher.samples[-SHOWN_EPOCHS:]), SHOWN))
    save_small(path, figure)


def measure(folder, results=RESULTS, images=PICTURES, pairs=RUNS, **options):
    """Train all runs in a folder, and write the files and the pictures."""
    dataset = data.load(options.setdefault("dataset", "digits"), options.get("data_dir"))
    classifier = metrics.trained_classifier(dataset, quiet=True)
    runs = {}
    for arm, seed in pairs:
        watcher = runs[arm, seed] = OnePicture(classifier)
        run = folder / f"{ARMS[arm].name}-seed{seed}"
        train(ARMS[arm], run, watcher, seed=seed, **options)
        write(results, runs)
    draw(images / "one_picture.png", runs)
    draw_samples(images / "one_picture_samples.png", runs)


def write(results, runs):
    """Write the files, after each run."""
    epochs, layers, steps = [], [], []
    for (arm, seed), watcher in sorted(runs.items()):
        run = {"experiment": arm, "seed": seed}
        epochs += [{**run, **row} for row in watcher.epochs]
        if seed == 0:
            layers += [{**run, **row} for row in watcher.layers]
    for arm in sorted({arm for arm, _ in runs}):
        triples = np.array([watcher.changes for (name, _), watcher in runs.items() if name == arm])
        common, own, spread = map(float, triples.reshape(-1, 3).mean(axis=0))
        steps.append({"experiment": arm, "common": common, "own": own, "spread": spread, "ratio": common / spread})
    for name, rows in (("epochs", epochs), ("layers", layers), ("steps", steps)):
        write_rows(results / f"one_picture_{name}.csv", rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), epochs=EPOCHS)
