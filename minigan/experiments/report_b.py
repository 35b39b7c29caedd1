"""Report B, "Report for Individual Project": one MLP-GAN, changed in one thing at a time, and its conv generator."""

from functools import partial

from minigan import models
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.gan import latent
from minigan.optimizers import SGD

G, D = (128, 256, 512, 1024), (1024, 512, 256, 128)


def dropout_in_d(rate):
    return mlp_discriminator(*D, dropout=rate)


B0 = Experiment(
    "B0",
    "G 128-256-512-1024-784 tanh; D 1024-512-256-128-1; LeakyReLU .2",
    claim="the base of the report",
    generator=mlp_generator(*G),
    discriminator=mlp_discriminator(*D),
    epochs=30,
)

improves_then_drops = "improves, then both losses drop suddenly and fluctuate widely: garbage that fools D"
B1_50 = B0.but("B1-50", networks="B0 for 50 epochs", epochs=50, claim=improves_then_drops)
B1_100 = B0.but("B1-100", networks="B0 for 100 epochs", epochs=100, claim=improves_then_drops)
B1_300 = B0.but("B1-300", networks="B0 for 300 epochs", epochs=300, claim=improves_then_drops)

B2 = B0.but(
    "B2",
    networks="B0, all widths 128",
    claim="much worse than B0",
    generator=mlp_generator(128, 128, 128, 128),
    discriminator=mlp_discriminator(128, 128, 128, 128),
)

B3 = B0.but("B3", networks="B0, Dropout .4 in G", claim="unclear against B0", generator=mlp_generator(*G, dropout=0.4))
B4 = B0.but("B4", networks="B0, Dropout .4 in D", claim="clearly better than B0", discriminator=dropout_in_d(0.4))

about_equal = ".3 and .5 about equal, .4 slightly worse"
B5_30 = B0.but("B5-dropout30", networks="B0, Dropout .3 in D", claim=about_equal, discriminator=dropout_in_d(0.3))
B5_40 = B0.but("B5-dropout40", networks="B0, Dropout .4 in D", claim=about_equal, discriminator=dropout_in_d(0.4))
B5_50 = B0.but("B5-dropout50", networks="B0, Dropout .5 in D", claim=about_equal, discriminator=dropout_in_d(0.5))

B6 = B5_30.but(
    "B6",
    networks="B0, Dropout .3 in D; D by SGD .01, G by Adam",
    claim="worse than Adam for both (B5-dropout30)",
    d_optimizer=partial(SGD, lr=0.01),
)
B7 = B0.but("B7", networks="B0, images in [0, 1]", claim="far worse than images in [-1, 1] (B0)", data_range=(0, 1))
B8 = B0.but(
    "B8",
    networks="B0, BatchNorm in G between Dense and activation",
    claim="no difference from B0 at 30 epochs",
    generator=mlp_generator(*G, batch_norm=True),
)
B9 = B0.but("B9", networks="B0, uniform z", claim="Gaussian z (B0) much better", latent=latent.Uniform(100))

B10 = B0.but(
    "B10",
    networks="G Dense 784, Conv2D 3x3 8-16-32, 1 tanh; D as B0, Dropout .3",
    claim="like the MLP at 30 epochs, far slower",
    generator=models.same_size_conv_generator,
    discriminator=dropout_in_d(0.3),
)
B11 = B10.but("B11", networks="B10 for 100 epochs", claim="much better than B10", epochs=100)
B12 = B10.but(
    "B12",
    networks="B10, filters 16-32-64",
    claim="slightly better than B10, and slower",
    generator=partial(models.same_size_conv_generator, filters=(16, 32, 64)),
)
B13 = B0.but(
    "B13",
    networks="B0",
    claim="the shape of the loss curves does not predict sample quality; D's loss near 0 is the sign of failure",
)

EXPERIMENTS = (B0, B1_50, B1_100, B1_300, B2, B3, B4, B5_30, B5_40, B5_50, B6, B7, B8, B9, B10, B11, B12, B13)
