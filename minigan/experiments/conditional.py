"""minigan's own recipes with classes: GANs that make the digit that you ask for, and one whose modes are counted.

How labels reach the networks, and what the modes are: docs/conditional.md
"""

from minigan import models
from minigan.experiments.own import DCGAN, MLP_GAN
from minigan.experiments.parts import adam, conditional
from minigan.gan import penalties
from minigan.initializers import RandomNormal

CONDITIONAL_MLP = MLP_GAN.but(
    "conditional-mlp",
    networks="mlp-gan with labels: one-hot beside the latents of G, a Projection at the end of D; no Dropout",
    claim="the digit that you ask for, in 98.7 % of the samples; from the 10,000 built-in images in minutes",
    generator=conditional(models.conditional_mlp_generator, widths=(256, 512, 1024), first=RandomNormal(0.02)),
    discriminator=conditional(models.conditional_mlp_discriminator, widths=(1024, 512), first=RandomNormal(0.02)),
    epochs=30,
    conditional=True,
    aliases=("cgan",),
)
CONDITIONAL_DCGAN = DCGAN.but(
    "conditional-dcgan",
    networks="dcgan with labels: one-hot beside the latents, ConditionalBatchNorm in G, a Projection at the end of D",
    claim="the digit that you ask for, in 99 % of the samples; from the 10,000 built-in images",
    generator=conditional(models.conditional_dcgan_generator),
    discriminator=conditional(models.conditional_dcgan_discriminator),
    conditional=True,
)
MNIST_BEST = CONDITIONAL_DCGAN.but(
    "mnist-best",
    networks="those of conditional-dcgan, on all of MNIST; the penalty R1, every 8 steps",
    claim="digits of all of MNIST as good as we know how to make them, in a quarter of an hour on two cores",
    dataset="mnist",
    epochs=7,
    g_optimizer=adam(5e-4),
    d_optimizer=adam(5e-4),
    penalties=(penalties.R1(weight=1, every=8),),
)
STACKED_MNIST = DCGAN.but(
    "stacked-mnist",
    networks="dcgan on three digits in one image, each in a channel of its own",
    claim="after 800 steps of one run, 26,000 samples showed 982 of the 1,000 numbers",
    dataset="stacked-digits",
    epochs=3,
)

EXPERIMENTS = (CONDITIONAL_MLP, CONDITIONAL_DCGAN, MNIST_BEST, STACKED_MNIST)
