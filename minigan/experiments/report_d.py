"""Report D, "Experiments with GANs": four families of networks, Dropout .5, small rates; all but D1 clip.

The report sweeps sizes; the names without a suffix are the middle of each sweep. D1 does not explode here. With two
habits of first programs, it does as the report says: docs/as_reported.md
"""

from functools import partial

from minigan import models
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import adam, for_any_image, mlp_discriminator, mlp_generator
from minigan.gan.objectives import NaiveNonSaturating
from minigan.initializers import RandomNormal


def mlp(name, width):
    """Return an experiment with two hidden layers of one width in both networks, and no gradient clipping."""
    return Experiment(
        name,
        f"G {width}-{width}-784 tanh; D {width}-{width}-1; Dropout .5",
        claim="fastest and sharpest; improves from step 50, flat by 300; all but one configuration exploded to NaN",
        generator=mlp_generator(width, width, dropout=0.5),
        discriminator=mlp_discriminator(width, width, dropout=0.5),
        epochs=500,
        batch_size=256,
        g_optimizer=adam(1e-4),
        d_optimizer=adam(1e-4),
    )


D1, D1_128, D1_512 = mlp("D1", 256), mlp("D1-units128", 128), mlp("D1-units512", 512)


def as_reported(experiment):
    """Return D1 of some size with large first weights, and with losses that take the logarithm of a rounded sigmoid."""
    large = RandomNormal(0.1)
    return experiment.but(
        f"{experiment.name}-as-reported",
        networks=f"{experiment.name}, all weights from N(0, .1^2), log(sigmoid) as it stands",
        generator=partial(experiment.generator, initializer=large),
        discriminator=partial(experiment.discriminator, initializer=large),
        objective=NaiveNonSaturating(),
    )


def convolutional(name, kernel_size=5, strides=2):
    """Return an experiment with transposed convolutions in G and convolutions in D, 5 channels each."""
    return D1.but(
        name,
        networks=f"G Conv2DTranspose {kernel_size}x{kernel_size} s{strides}, 5-5 channels, Dense; D likewise",
        claim="smallest stride and filter best; improves after step 200; never explodes; slower",
        generator=partial(models.capped_conv_generator, kernel_size=kernel_size, strides=strides),
        discriminator=for_any_image(models.capped_conv_discriminator, kernel_size=kernel_size, strides=strides),
        max_grad_norm=5.0,
    )


D2 = convolutional("D2")
D2_stride1 = convolutional("D2-stride1", strides=1)
D2_filter3 = convolutional("D2-filter3", kernel_size=3)
D2_filter3_stride1 = convolutional("D2-filter3-stride1", kernel_size=3, strides=1)

D3 = D2.but(
    "D3",
    networks="D2 with pooling [2, 2], stride [1, 1], between the convolutions",
    claim="poor, no lasting gain",
    generator=partial(models.capped_conv_generator, pooling=True),
    discriminator=for_any_image(models.capped_conv_discriminator, pooling=True),
)


def recurrent(name, units, aliases=()):
    """Return an experiment with two LSTM layers in both networks."""
    return D2.but(
        name,
        networks=f"G LSTM {units}-{units}, then Dense 784 tanh; D LSTM {units}-{units}, Dense 1",
        claim="gradients fall to 0; worst",
        generator=partial(models.lstm_generator, units=units),
        discriminator=partial(models.lstm_discriminator, units=units),
        aliases=aliases,
    )


D4, D4_64, D4_256 = recurrent("D4", 128, ("lstm-gan",)), recurrent("D4-units64", 64), recurrent("D4-units256", 256)

EXPERIMENTS = (
    *(D1, D1_128, D1_512, D2, D2_stride1, D2_filter3, D2_filter3_stride1, D3, D4, D4_64, D4_256),
    *map(as_reported, (D1, D1_128, D1_512)),
)
