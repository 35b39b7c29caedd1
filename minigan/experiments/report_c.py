"""Report C, "Implementing GAN on MNIST and SVHN": a DCGAN, and the Wasserstein GAN on the same networks."""

from functools import partial

from minigan import models
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import adam, for_any_image
from minigan.gan import objectives
from minigan.optimizers import RMSProp

C1 = Experiment(
    "C1",
    "DCGAN: G Dense 7x7x256, Conv2DTranspose 128-64-1, BatchNorm; D Conv2D 64-128-256, Dropout .3",
    claim="blurry at 10 epochs, good by 30, no gain after 50; rates of 10:1 equalise the losses",
    generator=models.dcgan_generator,
    discriminator=for_any_image(models.dcgan_discriminator),
    epochs=100,
    batch_size=256,
    g_optimizer=adam(1e-3),
    d_optimizer=adam(1e-4),
    aliases=("dcgan-mnist",),
)

C2 = C1.but(
    "C2",
    networks="C1 from 8x8x256 to 3 channels",
    claim="D's loss rises after 50 epochs; varied colours; worse than MNIST",
    dataset="svhn",
    epochs=200,
    aliases=("dcgan-svhn",),
)

C3 = C1.but(
    "C3",
    networks="C1 as a Wasserstein GAN: RMSProp 5e-5, weights within .01, 5 critic steps",
    claim="G's loss falls below 0 within 10 epochs and stays; samples like C1's",
    objective=objectives.Wasserstein(clip=0.01),
    g_optimizer=partial(RMSProp, lr=5e-5),
    d_optimizer=partial(RMSProp, lr=5e-5),
    d_steps=5,
    epochs=50,
    aliases=("wgan", "wgan-mnist"),
)

C4 = C3.but("C4", networks="C3 on SVHN", claim="left open in the report", dataset="svhn", aliases=("wgan-svhn",))

EXPERIMENTS = (C1, C2, C3, C4)
