"""A user's code with types: what mypy says of it shows that the types of the public functions are right.

It runs, too: tests/test_hints.py calls `use`.
"""

from pathlib import Path

import numpy as np

from minigan import GAN, Sequential, data, models, pictures
from minigan.checks import check_gradients, check_layer
from minigan.experiments import find
from minigan.gan import latent, objectives
from minigan.initializers import HeNormal
from minigan.layers import LSTM, Conv2D, Dense, Flatten, Layer, Reshape, Tanh
from minigan.losses import SoftmaxCrossEntropy
from minigan.metrics import frechet
from minigan.optimizers import SGD, Adam, clip_grad_norm


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
    loss, dlogits = SoftmaxCrossEntropy()(y, np.zeros(16, int))
    net.forward(noise, training=True)
    net.backward(dlogits)
    assert loss > 0 and clip_grad_norm(net, max_norm=1.0) > 0
    SGD(net, lr=0.1, nesterov=False).step()
    report: str = check_layer(lambda: Dense(2), input_shape=(3,))
    assert "keeps the contract" in report
    return train(folder) + distance + check_gradients(Dense(3), (4,)).worst


def train(folder: Path) -> float:
    """Take some steps of a small GAN; the change of what the loaded one samples, 0."""
    generator = Sequential([Dense(784), Tanh(), Reshape((28, 28, 1))], input_shape=(5,))
    discriminator = Sequential([Flatten(), Dense(1)], input_shape=(28, 28, 1), seed=1)
    gan = GAN(
        generator,
        discriminator,
        latent=latent.Normal(5),
        objective=objectives.NonSaturating(label_noise=True),
        g_optimizer=Adam(generator, lr=1e-3),
    )
    digits: data.Dataset = data.load("digits")
    for images in data.batches(digits.images[:200], batch_size=100, rng=np.random.default_rng(0)):
        losses: tuple[float, float] = gan.train_step(images)
        assert np.isfinite(losses).all()
    gan.save(folder / "gan.npz")
    samples: np.ndarray = gan.sample(4, seed=3)
    assert find("wgan").make_gan().d_steps == 5
    return float(abs(GAN.load(folder / "gan.npz").sample(4, seed=3) - samples).max())
