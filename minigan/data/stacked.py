"""Stacked digits: three random digits as the red, green and blue channel of one image, so 1,000 different numbers.

With them one counts how many modes of the data a GAN has found: which of the numbers 000 to 999 does it ever make?
Source: Metz et al. 2017, "Unrolled generative adversarial networks", arXiv:1611.02163; with 128,000 images as in
Lin et al. 2018, "PacGAN", arXiv:1712.04086
"""

import numpy as np

from minigan.memory import require_room

CHANNELS = 3
CLASSES = tuple(f"{number:03}" for number in range(1000))
COUNTS = {"train": 128_000, "test": 26_000}
SAMPLES = 26_000  # generated images whose modes are counted: what all papers take
SEEDS = {"train": 0, "test": 1}
SOURCES = {"stacked-digits": "digits", "stacked-mnist": "mnist"}  # the data set that the digits are from


def stack(name, images, labels, split):
    """Return (images, labels) of stacked digits, always the same ones: uint8 (n, 28, 28, 3), and 100 a + 10 b + c."""
    n = COUNTS[split]
    _, height, width, _ = images.shape
    require_room(name, f"{n:,} images of three digits", n * height * width * CHANNELS)
    chosen = np.random.default_rng(SEEDS[split]).integers(0, len(images), (n, CHANNELS))
    stacked = np.empty((n, height, width, CHANNELS), np.uint8)
    for channel in range(CHANNELS):
        stacked[..., channel] = images[chosen[:, channel], :, :, 0]
    digits = labels[chosen].astype("int64")
    return stacked, digits @ [100, 10, 1]
