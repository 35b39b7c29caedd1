"""A user's code with types: what mypy says of it shows that the types of the public functions are right.

It runs, too: tests/test_hints.py calls `use`.
"""

from pathlib import Path

import numpy as np

from minigan import models, pictures
from minigan.checks import check_gradients, check_layer
from minigan.layers import Dense, Layer, Reshape
from minigan.metrics import frechet


def use(folder: Path) -> float:
    """Make a picture of noise, judge noise, check a layer."""
    noise: np.ndarray = np.random.default_rng(0).standard_normal((16, 28, 28, 1))
    pictures.save_png(folder / "noise.png", pictures.grid(noise, columns=4))
    picture: np.ndarray = pictures.open_png(str(folder / "noise.png"))
    layers: list[Layer] = models.mlp_generator([8, 16], image_shape=picture.shape)
    assert isinstance(layers[-1], Reshape)
    mean, covariance = frechet.mean_and_covariance(noise.reshape(16, -1)[:, :5])
    distance: float = frechet.frechet_distance(mean, covariance, mean, covariance)
    report: str = check_layer(lambda: Dense(2), input_shape=(3,))
    assert "keeps the contract" in report
    return distance + check_gradients(Dense(3), (4,)).worst
