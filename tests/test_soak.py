"""A long-lived process: it trains, samples, saves, loads and resumes again and again, and takes no more of anything."""

import gc
import os
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from minigan import GAN, Sequential, pictures
from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Dropout, Flatten, LeakyReLU, Reshape, Tanh

BATCH = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1)).astype("float32")


def make_gan():
    generator = [
        Dense(64, use_bias=False),
        BatchNorm(),
        LeakyReLU(),
        Reshape((4, 4, 4)),
        Conv2DTranspose(1, 3, 2),
        Tanh(),
    ]
    discriminator = [Conv2D(4, 3, strides=2, algorithm="fourier"), LeakyReLU(), Dropout(0.3), Flatten(), Dense(1)]
    return GAN(Sequential(generator, (8,)), Sequential(discriminator, (8, 8, 1)))


def one_round(folder):
    """What a server or a notebook may do all day; returns the GAN as it came back from its file."""
    gan = make_gan()
    for _ in range(3):
        gan.train_step(BATCH)
    pictures.save_png(folder / "samples.png", pictures.grid(gan.sample(9, seed=0)))
    gan.generator.save(folder / "generator.npz")
    Sequential.load(folder / "generator.npz").predict(np.zeros((2, 8), "float32"))
    gan.generator.astype("float64").summary()
    gan.save(folder / "gan.npz")
    again = GAN.load(folder / "gan.npz")
    again.train_step(BATCH)
    return again


def open_files():
    """How many files this process holds open; None if the system does not tell."""
    folder = Path("/proc/self/fd")
    return len(os.listdir(folder)) if folder.exists() else None


def soak(folder, rounds):
    for _ in range(5):  # what is made once for all, such as imports and fonts
        one_round(folder)
    gc.collect()
    files, threads = open_files(), threading.active_count()
    tracemalloc.start()
    try:
        one_round(folder)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        results = {tuple(one_round(folder).generator.flat_params[:5].tolist()) for _ in range(rounds)}
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(results) == 1, "every round gives the same numbers"
    # the parameters of one round alone are 8 kB; tables that Python and NumPy keep may grow a little
    assert grown < 30_000 + 200 * rounds, f"{grown:,} bytes more after {rounds} rounds"
    assert (open_files(), threading.active_count()) == (files, threads)
    assert sorted(path.name for path in folder.iterdir()) == ["gan.npz", "generator.npz", "samples.png"]


def test_some_rounds(tmp_path):
    soak(tmp_path, rounds=20)


@pytest.mark.slow
def test_many_rounds(tmp_path):
    soak(tmp_path, rounds=1000)
