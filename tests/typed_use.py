"""A user's code with types: what mypy says of it shows that the types of the public functions are right.

It runs, too: tests/test_hints.py calls `use`.
"""

from pathlib import Path

import numpy as np

from minigan import Sequential, models, pictures
from minigan.checks import check_gradients, check_layer
from minigan.initializers import HeNormal
from minigan.layers import LSTM, Conv2D, Dense, Flatten, Layer, Reshape, Tanh
from minigan.metrics import frechet


def use(folder: Path) -> float:
    """Make a picture of noise, judge noise, check a layer."""
    noise: np.ndarray = np.random.default_rng(0).standard_normal((16, 28, 28, 1))
    pictures.save_png(folder / "noise.png", pictures.grid(noise, columns=4))
    picture: np.ndarray = pictures.open_png(str(folder / "noise.png"))
    layers: list[Layer] = models.mlp_generator([8, 16], image_shape=picture.shape)
    assert isinstance(layers[-1], Reshape)
    net = Sequential(
        [Conv2D(2, (3, 3), strides=2, padding=((1, 0), (0, 1)), initializer=HeNormal()), Flatten(), Dense(5), Tanh()],
        input_shape=(28, 28, 1),
        dtype="float64",
    )
    y: np.ndarray = net.forward(noise, training=True)
    dx: np.ndarray | None = net.backward(y.copy(), input_grad=False)
    assert dx is None and net.output_shape[0] == LSTM(5).units == net.layers[2].output_shape[0]
    net.flat_params[...] *= 0.5
    net.save(folder / "net.npz")
    assert np.isfinite(
        Sequential.load(str(folder / "net.npz")).astype("float32").predict(noise.astype("float32"))
    ).all()
    mean, covariance = frechet.mean_and_covariance(noise.reshape(16, -1)[:, :5])
    distance: float = frechet.frechet_distance(mean, covariance, mean, covariance)
    report: str = check_layer(lambda: Dense(2), input_shape=(3,))
    assert "keeps the contract" in report
    return distance + check_gradients(Dense(3), (4,)).worst
