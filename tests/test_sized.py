"""Networks for 32, 64, 128 pixels and whatever doubles to it: shapes, widths, and steps that really train."""

import numpy as np
import pytest

from minigan import GAN, Sequential, data, models
from minigan.cli.training import tell_of_size
from minigan.errors import OptionError, ShapeError
from minigan.experiments import find
from minigan.layers import Conv2D, Conv2DTranspose, Reshape
from minigan.models.sized import growth, nearby
from minigan.optimizers import Adam


@pytest.mark.parametrize(
    ("size", "first", "doublings"),
    [
        ((32, 32), (4, 4), 3), ((64, 64), (4, 4), 4), ((128, 128), (4, 4), 5), ((28, 28), (7, 7), 2),
        ((48, 64), (6, 8), 3), ((96, 96), (6, 6), 4), ((8, 8), (4, 4), 1), ((80, 40), (10, 5), 3),
    ],
)  # fmt: skip
def test_sizes_come_from_a_small_image_by_doubling(size, first, doublings):
    assert growth("here", (*size, 3)) == (first, doublings, 3)
    shape = (*size, 3)
    G = Sequential(models.sized_dcgan_generator(shape, features=2), (5,))
    D = Sequential(models.sized_dcgan_discriminator(shape, features=2), shape)
    assert G.output_shape == shape and D.output_shape == (1,)
    assert next(layer for layer in G.layers if isinstance(layer, Reshape)).target_shape[:2] == first
    assert sum(isinstance(layer, Conv2DTranspose) for layer in G.layers) == doublings
    assert sum(isinstance(layer, Conv2D) for layer in D.layers) == doublings


def test_the_widths_of_the_paper():
    G, D = models.sized_dcgan_generator(features=128), models.sized_dcgan_discriminator(features=64)
    assert [layer.filters for layer in G if isinstance(layer, Conv2DTranspose)] == [512, 256, 128, 3]
    assert G[0].units == 4 * 4 * 1024
    assert [layer.filters for layer in D if isinstance(layer, Conv2D)] == [64, 128, 256, 512]


@pytest.mark.parametrize(
    ("size", "match"),
    [
        ((100, 100), r"100 x 100 pixels do not come .*choose 96 x 96 \(--image-size 96\)"),
        ((65, 64), r"choose 64 x 64 \(--image-size 64\)"), ((4, 4), "choose 8 x 8"), ((1, 1), "choose 8 x 8"),
        ((8, 512), r"choose 8 x 32 \(--image-size 8x32\)"), ((120, 68), r"--image-size 128x64"),
    ],
)  # fmt: skip
def test_sizes_that_do_not_are_told_one_that_does(size, match):
    for make in (models.sized_dcgan_generator, models.sized_dcgan_discriminator):
        with pytest.raises(ShapeError, match=match):
            make((*size, 3))
    for sizes in ((40, 40), (30, 30), (500, 33), (1, 999), (77, 78)):
        growth("here", (*nearby(*sizes), 1))


def test_odd_options():
    with pytest.raises(OptionError, match="features as an integer"):
        models.sized_dcgan_generator(features="32")
    with pytest.raises(OptionError, match="features as an integer"):
        models.sized_dcgan_discriminator(features=0)


@pytest.mark.parametrize("name", ["dcgan-32", "dcgan-64", "dcgan-128"])
def test_the_experiments_have_networks_of_their_size(name):
    experiment = find(f"{name}+g_features=2+d_features=2")
    size = int(name.removeprefix("dcgan-"))
    assert experiment.image_shape == (size, size, 3) and experiment.dataset == "folder"
    assert experiment.data_options() == {"image_size": size}
    assert experiment.make_gan(experiment.image_shape).generator.output_shape == (size, size, 3)


def squares(n, size, rng):
    """Pictures of one bright square on dark ground."""
    images = np.full((n, size, size, 3), -0.8, "float32")
    for image in images:
        side, (row, column) = size // 3, rng.integers(0, size - size // 3, 2)
        image[row : row + side, column : column + side] = rng.uniform(0, 1, 3)
    return images


@pytest.mark.parametrize(("size", "steps"), [(32, 12), (64, 6), (128, 3)])
def test_they_train(size, steps):
    """A discriminator that learns tells squares from what an untrained generator makes, and G moves away from there."""
    rng, shape = np.random.default_rng(0), (size, size, 3)
    G = Sequential(models.sized_dcgan_generator(shape, features=4), (10,), seed=0)
    D = Sequential(models.sized_dcgan_discriminator(shape, features=4), shape, seed=1)
    gan = GAN(G, D, g_optimizer=Adam(G, lr=2e-3, beta1=0.5), d_optimizer=Adam(D, lr=2e-3, beta1=0.5), seed=2)
    before = gan.sample(4, seed=0)
    losses = [gan.train_step(squares(8, size, rng)) for _ in range(steps)]
    assert losses[-1][0] < losses[0][0] and np.isfinite(losses).all()
    assert np.abs(gan.sample(4, seed=0) - before).max() > 0.01


def test_dcgan_tells_of_the_networks_that_suit(capsys):
    for size, named in (
        ((64, 64), "dcgan-64"),
        ((48, 40), "dcgan-32"),
        ((28, 28), ""),
        (None, ""),
        ((96, 128), "dcgan-128"),
    ):
        tell_of_size(find("dcgan"), size)
        assert (f"Those of {named} suit" in capsys.readouterr().err) == bool(named)
    tell_of_size(find("mlp-gan"), (64, 64))
    assert capsys.readouterr().err == ""


def test_the_size_is_an_option_of_variants():
    assert find("mlp-gan+image_size=12").make_gan((12, 12, 1)).generator.output_shape == (12, 12, 1)
    assert find("dcgan-64+image_size=32").image_shape == (32, 32, 3)
    with pytest.raises(OptionError, match="image_size"):
        find("mlp-gan+image_size=0")


def test_digits_in_32_pixels():
    """A data set that is there already, in the size that a network wants."""
    assert data.load("digits", **find("dcgan-32").data_options()).images.shape[1:] == (32, 32, 1)
