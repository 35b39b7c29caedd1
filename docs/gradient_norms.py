"""Measure the gradients of each layer of a GAN while it trains: for docs/causes.md.

    python docs/gradient_norms.py D4 --steps 1700 --data-dir DIR       the data set's files, see python -m minigan train
    python docs/gradient_norms.py B0 --steps 300 --data-dir DIR

It trains the experiment with a watcher that looks before the first step, every 20 steps until step 300, then every 100.
Each time one batch of 64 goes forward and back through copies of both networks, in the same way as in a training step,
but without clipping, and always with the same latents. It writes into docs/results/causes/

    d4_gradients.csv    a row for each look: losses, what D answers, and of each layer with parameters the norm of their
                        gradient (grad), of the gradient that the layer gets (dy), and of the one that it hands on to
                        the layer before (dx); of G's LSTMs also the slopes at which their cells and gates stand
    d4_steps.csv        of each LSTM, the norm of dx for every step of its sequence; of some looks alone (KEPT, and the
                        last)

and the picture docs/images/causes/d4_gradients.png.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from causes import (
    PICTURES,
    RESULTS,
    norm,
    numbers,
    read_rows,
    save_small,
    share_over_samples,
    shares_of_layers,
    train,
    write_rows,
)

import minigan
from minigan import data, pictures
from minigan.gan import objectives
from minigan.layers import LSTM
from minigan.ops.sigmoid import sigmoid
from minigan.training.watchers import Watcher

FINE, UNTIL, COARSE = 20, 300, 100  # every 20 steps until step 300, then every 100
KEPT = (0, 100, 300, 1000)
SAMPLES = 64


class GradientNorms(Watcher):
    """Look at the gradients of both networks; `rows` for each look, `steps` for each step of a sequence."""

    def __init__(self):
        self.rows, self.steps = [], []

    def start(self, training):
        self.gan = training.gan
        low, high = training.experiment.data_range
        generator = self.gan.generator
        self.real = data.scale(training.images[:SAMPLES], low, high, generator.dtype)
        self.z = self.gan.latent.sample(SAMPLES, np.random.default_rng(0), generator.dtype, generator.xp)
        self.look(0, float("nan"), float("nan"))

    def after_step(self, step, batch, d_loss, g_loss, labels=None):
        if step % (FINE if step <= UNTIL else COARSE) == 0:
            self.look(step, float(d_loss), float(g_loss))

    def look(self, step, d_loss, g_loss):
        """Add a row: one batch through both networks and back."""
        G, D, objective = self.gan.generator, self.gan.discriminator, self.gan.objective
        to_G = {}  # D, on the way back to G, for each objective of G

        def through_D(kind):
            def gradient(images):
                to_G[kind] = minigan.microscope(D, images, lambda logits: kind.generator(logits)[1])
                return to_G[kind].dx

            return minigan.microscope(G, self.z, gradient)

        g_scope, minimax = through_D(objective), through_D(objectives.Minimax())
        judge = to_G[objective]
        both = np.concatenate([self.real, g_scope.y])

        def gradient_of_D(logits):
            rng = np.random.default_rng(0)
            return np.concatenate([objective.real(logits[:SAMPLES], rng)[1], objective.fake(logits[SAMPLES:], rng)[1]])

        d_scope = minigan.microscope(D, both, gradient_of_D)
        answers = 1 / (1 + np.exp(-d_scope.y.astype("float64")))
        self.rows.append(
            {
                "step": step,
                "d_loss": d_loss,
                "g_loss": g_loss,
                "D(real)": float(answers[:SAMPLES].mean()),
                "D(fake)": float(answers[SAMPLES:].mean()),
                "D grad": norm_of_grads(d_scope.layers),
                "G grad": norm_of_grads(g_scope.layers),
                "G grad minimax": norm_of_grads(minimax.layers),
                "D to images": norm(judge.dx),
                "same direction": 1 - share_over_samples(judge.dx),
                **{f"D {name} {what}": value for name, what, value in norms(d_scope)},
                **{f"G {name} {what}": value for name, what, value in norms(g_scope)},
                **{f"G {name} share": value for name, value in shares_of_layers(G, self.z).items() if counts(name)},
                "Dropout share": self.share_of_dropout(),
                **{
                    f"G {view.name} slope of {name}": value
                    for view in g_scope.layers
                    if isinstance(view.layer, LSTM)
                    for name, value in slopes_of_lstm(view).items()
                },
            }
        )
        for network, scope in (("D", judge), ("G", g_scope)):
            for view in scope.layers:
                if isinstance(view.layer, LSTM):
                    length = view.dx.shape[1]
                    found = {f"t={t + 1}": norm(view.dx[:, t]) for t in range(length)}
                    self.steps.append({"network": network, "layer": view.name, "step": step, **found})

    def share_of_dropout(self):
        """Return how much of an image depends on Dropout alone: 64 times the same latent, in training mode."""
        same = np.repeat(self.z[:1], SAMPLES, axis=0)
        return share_over_samples(minigan.microscope(self.gan.generator, same, np.zeros_like).y)


def counts(name):
    """Return whether a layer does more than to reshape; in inference mode, Dropout does nothing."""
    return not any(word in name for word in ("Reshape", "Flatten", "Dropout"))


def norms(scope):
    """Yield (name, "grad", "dy" or "dx", norm) for each layer that has parameters."""
    for view in scope.layers:
        if view.grads:
            yield view.name, "grad", norm(*view.grads.values())
            yield view.name, "dy", norm(view.dy)
            yield view.name, "dx", norm(view.dx)


def slopes_of_lstm(view):
    """Return the slopes that the gradient of an LSTM meets in the last step of the sequence: means over its units.

    c: 1 - tanh(c)^2; i, f and o: i (1 - i) and so on; g: 1 - g^2. They are terms (2) and (3) of the layer's backward.
    An open cell has 1, a half-open gate 1/4. Where all are 0, nothing gets through.
    """
    W, U, b = (view.params[name] for name in ("W", "U", "b"))
    h = c = np.zeros((len(view.x), len(U)), view.x.dtype)
    for t in range(view.x.shape[1]):
        a_i, a_f, a_g, a_o = np.split(view.x[:, t] @ W + h @ U + b, 4, axis=1)
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
        c = f * c + i * g
        h = o * np.tanh(c)
    slopes = {"c": 1 - np.tanh(c) ** 2, "i": i * (1 - i), "f": f * (1 - f), "g": 1 - g * g, "o": o * (1 - o)}
    return {name: float(slope.mean(dtype="float64")) for name, slope in slopes.items()}


def norm_of_grads(views):
    """Return the norm of the whole gradient of a network."""
    return norm(*[grad for view in views for grad in view.grads.values()])


def draw(results, images, stem):
    """Draw the files of an experiment: norms over the training; for LSTMs also over the steps of their sequences."""
    rows, along = read_rows(results / f"{stem}_gradients.csv"), results / f"{stem}_steps.csv"
    figure = pictures._figure(11, 8)
    x, title = numbers(rows, "step"), stem.upper()
    for place, network in enumerate("DG", start=1):
        axes = figure.add_subplot(2, 2, place, title=f"{title}: the gradients of {network}'s layers", yscale="log")
        for column in [name for name in rows[0] if name.startswith(network) and name.endswith(" grad")]:
            if column != f"{network} grad":
                axes.plot(x, numbers(rows, column), label=column.removesuffix(" grad"))
        if network == "G":
            axes.plot(x, numbers(rows, "G grad minimax"), "k:", label="all of G, objective Minimax")
        over_training(axes, "norm")
    axes = figure.add_subplot(2, 2, 3, title="how much depends on the latent, layer by layer of G", yscale="log")
    for column in [name for name in rows[0] if name.startswith("G") and name.endswith(" share")]:
        axes.plot(x, numbers(rows, column), label=column.removesuffix(" share"))
    of_dropout = numbers(rows, "Dropout share")
    if max(of_dropout) > 1e-6:  # less is rounding: G has no Dropout
        axes.plot(x, of_dropout, "k:", label="of the image on Dropout")
    over_training(axes, "variance / mean square")
    if along.exists():
        axes = figure.add_subplot(2, 2, 4, title="dx over the steps of each LSTM", yscale="log")
        steps = read_rows(along)
        layers = list(dict.fromkeys((row["network"], row["layer"]) for row in steps))
        for row in [row for row in steps if row["step"] in (steps[0]["step"], steps[-1]["step"])]:
            norms = [float(value) for name, value in row.items() if name.startswith("t=") and value]
            style = f"C{layers.index((row['network'], row['layer']))}{'-' if row['step'] == '0' else '--'}"
            label = f"{row['network']} {row['layer']}, step {row['step']}"
            axes.plot(range(1, len(norms) + 1), np.array(norms) / max(norms), style, label=label)
        axes.set(xlabel="step of the sequence", ylabel="norm / largest", ylim=(0.01, 1.2))
        axes.legend(fontsize="x-small", loc="lower right")
    save_small(images / f"{stem}_gradients.png", figure)


def over_training(axes, ylabel):
    """Label a plot over the steps of the training."""
    axes.set(xlabel="step", ylabel=ylabel)
    axes.set_xscale("symlog", linthresh=100)
    axes.legend(fontsize="small")


def measure(name, folder, seed=0, results=RESULTS, images=PICTURES, **options):
    """Train an experiment in a folder with the watcher, and write the files and the picture."""
    watcher = GradientNorms()
    train(name, folder, watcher, seed=seed, **options)
    stem = name.split("+")[0].lower()
    write_rows(results / f"{stem}_gradients.csv", watcher.rows)
    if watcher.steps:
        longest = max(watcher.steps, key=len)
        kept = [row for row in watcher.steps if row["step"] in (*KEPT, watcher.rows[-1]["step"])]
        write_rows(results / f"{stem}_steps.csv", [{**dict.fromkeys(longest, ""), **row} for row in kept])
    draw(results, images, stem)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("experiment")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--dataset")
    parser.add_argument("--data-dir")
    with tempfile.TemporaryDirectory() as folder:
        given = vars(parser.parse_args())
        measure(given.pop("experiment"), Path(folder) / "run", **given)
