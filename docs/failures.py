"""Make the pictures of docs/failures.md from the runs of a study: samples and losses of each failure and of its cure.

    python -m minigan study ...           the line in docs/failures.md
    python docs/failures.py out/failures  the folder of the study

The program also prints what the runs said about themselves, and writes docs/results/failures.csv.
"""

import csv
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from minigan import pictures  # noqa: E402

MLP = "mlp-gan+d_dropout=0"
# name of the picture: (the failure, its cure)
PAIRS = {
    "mode_collapse": ("B0+dataset=digits+d_lr=0.00001+g_lr=0.001+epochs=5", "B0+dataset=digits+epochs=5"),
    "discriminator_wins": (f"{MLP}+g_lr=0.00001+epochs=6", f"{MLP}+epochs=6"),
    "vanishing_gradient": (f"{MLP}+objective=minimax+d_lr=0.01+epochs=8", f"{MLP}+objective=minimax+epochs=8"),
    "exploding_gradient": (
        f"{MLP}+objective=wasserstein+clip=none+d_lr=0.01+epochs=6",
        "wgan-gp+epochs=10",
    ),
    "not_a_number": (
        "mlp-gan+objective=least-squares+d_optimizer=sgd+d_lr=1+epochs=6",
        "mlp-gan+objective=least-squares+epochs=6",
    ),
    "healthy_losses": (
        "B6+dataset=digits+epochs=8",
        "B6+dataset=digits+d_optimizer=adam+d_lr=0.0002+epochs=8",
    ),
}


def folders(study):
    """Return {name of a run: its folder}; the name is in config.json, in the order that minigan gives the options."""
    from minigan.experiments import find

    wanted = {find(name).name: name for pair in PAIRS.values() for name in pair}
    found = {}
    for folder in sorted(study.glob("*-seed0")):
        name = folder.name.removesuffix("-seed0")
        if name in wanted:
            found[wanted[name]] = folder
    return found


def last_samples(folder):
    """Return the upper half of the last grid of samples, or None for a run that has stopped before it made one."""
    grids = sorted((folder / "samples").glob("epoch_*.png"))
    if not grids:
        return None
    picture = pictures.open_png(grids[-1])
    return picture[: len(picture) // 2]


def losses(folder):
    """Return (epochs, losses of D, losses of G)."""
    path = folder / "history.csv"
    if not path.exists():
        return [], [], []
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [[float(row[column]) for row in rows] for column in ("epoch", "d_loss", "g_loss")]


def draw(pair, found, path):
    """Draw a failure above its cure: the samples on the left, the losses on the right."""
    figure = pictures._figure(9, 5)
    for row, (title, name) in enumerate(zip(("the failure", "with the cure"), pair, strict=True)):
        axes = figure.add_subplot(2, 2, 2 * row + 1, title=title)
        picture = last_samples(found[name])
        if picture is None:
            axes.text(0.5, 0.5, "no samples: the run stopped", ha="center")
            axes.axis("off")
        else:
            pictures.show_grid(axes, picture)
        epochs, d_losses, g_losses = losses(found[name])
        if not epochs:
            continue
        axes = figure.add_subplot(2, 2, 2 * row + 2)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.plot(epochs, d_losses, marker=".", label="discriminator")
        axes.plot(epochs, g_losses, marker=".", linestyle="--", label="generator")
        axes.set(xlabel="epoch", ylabel="loss")
        axes.legend()
    pictures.save_figure(path, figure)
    reduce_colours(path)


def reduce_colours(path):
    """Keep 256 colours that are far apart: the pages need small pictures, but lines should keep their colours."""
    from PIL import Image

    Image.open(path).convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE).save(path, optimize=True)


def main(study):
    found = folders(study)
    for name, pair in PAIRS.items():
        path = DOCS / "images" / "failures" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        draw(pair, found, path)
        for run in pair:
            print(f"\n{name}: {run}\n{(found[run] / 'notes.txt').read_text(encoding='utf-8')}")
    shutil.copyfile(study / "results.csv", DOCS / "results" / "failures.csv")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
