"""Measure how a generator loses its latent, and which digit it makes then: for docs/causes.md.

    python docs/one_picture.py          E1, E2 and E1 with one change, on the built-in digits

A watcher looks before the first step, at a few early steps, and after each epoch. It writes into docs/results/causes/

    one_picture_epochs.csv    of each run and epoch: how much of the images depends on the latent (share), how much they
                              differ compared with real images (spread), the most frequent digit among 500 samples by
                              minigan's classifier, its share, and how many digits have at least 2 %
    one_picture_layers.csv    of each experiment, seed 0: how much of each layer's output depends on the latent
    one_picture_steps.csv     of each run: what one of the first steps changes of the picture before tanh, as root mean
                              square: the part that is the same for all latents (common), the part that depends on
                              them (own); and how much the pictures differ (spread)

and the pictures docs/images/causes/one_picture.png and one_picture_samples.png.
"""

import tempfile
from pathlib import Path

import numpy as np
from causes import (
    PICTURES,
    RESULTS,
    numbers,
    read_rows,
    save_small,
    share_over_samples,
    shares_of_layers,
    train,
    write_rows,
)

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
SHOWN, SHOWN_EPOCHS = 8, 2
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
# (experiment, seed, epochs): three seeds for what the page claims, one for what it only tries
RUNS = [("E1", 0, 4), ("E1, BatchNorm", 0, 4), ("E2", 0, 2), ("E1, larger weights", 0, 2), ("E1, one Dense", 0, 2)]
RUNS += [(arm, seed, 2) for seed in (1, 2) for arm in ("E1", "E1, BatchNorm", "E2")]


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
            if "Reshape" not in name:
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


def draw(results, images):
    """Draw the files: the share of the latent over the epochs, and over the layers of E1."""
    epochs, layers = (read_rows(results / f"one_picture_{name}.csv") for name in ("epochs", "layers"))
    figure = pictures._figure(11, 4.5)
    axes = figure.add_subplot(1, 2, 1, title="how much of the images depends on the latent", yscale="log")
    arms = list(dict.fromkeys(row["experiment"] for row in epochs))
    for colour, arm in enumerate(arms):
        for seed in ("0", "1", "2"):
            own = [row for row in epochs if (row["experiment"], row["seed"]) == (arm, seed)]
            label = arm if seed == "0" else None
            axes.plot(numbers(own, "epoch"), numbers(own, "share"), f"C{colour}", marker=".", label=label)
    axes.set(xlabel="epoch", ylabel="variance / mean square")
    axes.legend(fontsize="small")
    axes = figure.add_subplot(1, 2, 2, title="E1, layer by layer, seed 0", yscale="log")
    own = [row for row in layers if row["experiment"] == "E1"]
    for step in ("step 0", "step 5", "step 20", "step 80"):
        if step in own[0]:
            axes.plot([row["layer"] for row in own], numbers(own, step), marker=".", label=step)
    axes.tick_params(axis="x", rotation=60)
    axes.legend(fontsize="small")
    save_small(images / "one_picture.png", figure)


def draw_samples(path, samples):
    """Draw samples of the last epochs of each run, a row for each epoch: {(experiment, seed): [images]}."""
    arms = list(dict.fromkeys(arm for arm, _ in samples))
    figure = pictures._figure(9.6, 1.2 * len(arms))
    for (arm, seed), of_epochs in samples.items():
        axes = figure.add_subplot(len(arms), 3, 3 * arms.index(arm) + seed + 1, title=f"{arm}, seed {seed}")
        pictures.show_grid(axes, pictures.grid(np.concatenate(of_epochs[-SHOWN_EPOCHS:]), SHOWN))
    save_small(path, figure, colours=8)


def by_layer(run, looks):
    """Return a row for each layer, with a column for each look."""
    rows = {look["layer"]: run | {"layer": look["layer"]} for look in looks}
    for look in looks:
        rows[look["layer"]][f"step {look['step']}"] = look["share"]
    return [*rows.values()]


def measure(folder, results=RESULTS, images=PICTURES, runs=RUNS, **options):
    """Train all runs in a folder, and write the files and the pictures."""
    dataset = data.load(options.setdefault("dataset", "digits"), options.get("data_dir"))
    classifier = metrics.trained_classifier(dataset, quiet=True)
    rows, samples = {"epochs": [], "layers": [], "steps": []}, {}
    for arm, seed, epochs in runs:
        watcher, run = OnePicture(classifier), {"experiment": arm, "seed": seed}
        train(ARMS[arm], folder / f"{arm}-{seed}", watcher, seed=seed, epochs=epochs, **options)
        rows["epochs"] += [run | row for row in watcher.epochs]
        if seed == 0:
            rows["layers"] += by_layer(run, watcher.layers)
        common, own, spread = map(float, np.mean(watcher.changes, axis=0))
        rows["steps"].append(run | {"common": common, "own": own, "spread": spread, "ratio": common / spread})
        samples[arm, seed] = watcher.samples
        for name, found in rows.items():
            write_rows(results / f"one_picture_{name}.csv", found)
    draw(results, images)
    draw_samples(images / "one_picture_samples.png", samples)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))
