"""Folders of runs for the tests of reports, written without training: every file as a run would leave it."""

import json
from functools import cache

import numpy as np

from minigan import pictures
from minigan.experiments import find
from minigan.training.checkpoints import METRICS
from minigan.training.config import RunConfig
from minigan.training.folder import RunFolder
from minigan.training.settings import settings_of

SCORES = {
    "step": 60, "epoch": 3.0, "seed": 0, "averaged": True, "dataset": "digits", "samples": 10000, "nfd": 1.6197,
    "score": 8.135, "confidence": 0.922, "class_shares": [0.05, 0.15] + [0.1] * 8, "class_kl": 0.0053,
    "smallest_class": 0.05, "precision": 0.7782, "recall": 0.7926, "density": 0.48656, "coverage": 0.6488,
    "memorisation_ratio": None, "copied_share": None, "memorisation_note": "there is no split test",
}  # fmt: skip


@cache
def settings_text():
    experiment = find("mlp-gan")
    return json.dumps(settings_of(experiment, experiment.make_gan(steps=1)))


def config_of(**changes):
    given = {
        "experiment": "mlp-gan",
        "dataset": "digits",
        "data_dir": None,
        "images": 2560,
        "image_shape": [28, 28, 1],
        "images_md5": "0" * 32,
        "epochs": 3,
        "steps": None,
        "batch_size": 128,
        "seed": 0,
        "device": "cpu",
        "machine": {"processor": "a processor", "BLAS": "openblas 0.3", "BLAS threads": "1"},
        "settings": json.loads(settings_text()),
    }
    return RunConfig(**(given | changes))


def rows_of_history(epochs, steps=20):
    return [
        {"step": steps * k, "epoch": float(k), "d_loss": 1.3 + 0.0123456789 * k, "g_loss": 0.9 - 0.1 / k,
         "d_grad_norm": 2.0 / k, "g_grad_norm": 1.0 / k}
        for k in range(1, epochs + 1)
    ]  # fmt: skip


def rows_of_metrics(epochs=3, samples=2000, steps=20, **scores):
    """Rows of metrics.csv after each epoch: nFD 50, 25, 12.5 ...; scores: for all rows, None for none of it."""
    return [
        {"step": steps * k, "epoch": float(k), "samples": samples, **dict.fromkeys(METRICS),
         "nfd": 100 / 2**k, "score": 8 - 2 / k, "coverage": 1 - 0.75 / k, **scores}
        for k in range(1, epochs + 1)
    ]  # fmt: skip


NOTES = """2026-03-01 10:00:00  training from step 0 of 60 on cpu
2026-03-01 10:00:20  step 20: the discriminator wins: its mean loss over 100 steps is 0.010. Try Dropout.
2026-03-01 10:00:40  step 40: the discriminator no longer wins: mean loss 0.900.
2026-03-01 10:01:05  finished after 60 steps
"""


def make_run(path, epochs=3, notes=NOTES, scores=SCORES, size=(28, 28, 1), metrics=(), **changes):
    """Write the folder of a run with `epochs` epochs; return its path."""
    config = config_of(image_shape=list(size), **changes)
    run = RunFolder.create(path, config)
    run.release()
    if epochs:
        run.write_history(rows_of_history(epochs))
    if metrics:
        run.write_metrics(metrics)
    rng = np.random.default_rng(0)
    for name in ["real", "raw", *(f"epoch_{k:03d}" for k in range(1, epochs + 1))]:
        images = rng.integers(0, 256, (9, *size), dtype=np.uint8)
        pictures.save_png(run.samples / f"{name}.png", pictures.grid(images))
    if notes:
        (path / "notes.txt").write_text(notes, encoding="utf-8")
    if scores:
        (path / "evaluation.json").write_text(json.dumps(scores), encoding="utf-8")
        pictures.save_png(run.samples / "nearest.png", pictures.grid(rng.random((20, *size)), columns=10))
    return path
