"""Report A, "Individual GAN MNIST Assignment": MLPs that grow from one hidden layer to A6.

A1 to A3 show digits, while the report saw random images. With latents from [0, 1], they show what the report saw; the
report only says "uniform". So these are experiments of their own: docs/as_reported.md
"""

from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.gan import latent, objectives
from minigan.initializers import RandomNormal
from minigan.layers import ReLU

A1 = Experiment(
    "A1",
    "G 256-ReLU-784 tanh; D 256-ReLU-1; uniform z",
    claim="random images, losses hardly move",
    generator=mlp_generator(256, activation=ReLU),
    discriminator=mlp_discriminator(256, activation=ReLU),
    latent=latent.Uniform(100),
)

A2 = A1.but(
    "A2",
    networks="G 256-512-784; D 256-512-1; LeakyReLU .2; uniform z",
    claim="images still random, D's loss better",
    generator=mlp_generator(256, 512),
    discriminator=mlp_discriminator(256, 512),
)

A3 = A2.but(
    "A3",
    networks="G 256-512-1024-784; D 1024-512-1; uniform z",
    claim="still random, D's loss better again",
    generator=mlp_generator(256, 512, 1024),
    discriminator=mlp_discriminator(1024, 512),
)

A4 = A3.but(
    "A4",
    networks="A3, Gaussian z, RandomNormal(.02) in the first layers, Dropout .4 in D",
    claim="digits visible after 10 epochs; losses oscillate healthily",
    generator=mlp_generator(256, 512, 1024, first=RandomNormal(0.02)),
    discriminator=mlp_discriminator(1024, 512, first=RandomNormal(0.02), dropout=0.4),
    latent=latent.Normal(100),
    aliases=("mlp-gan-mnist",),
)

A5 = A4.but(
    "A5",
    networks="A4, noisy labels: real ~ U(.7, 1.2), generated ~ U(0, .3)",
    claim="images like A4's; variance of the losses up",
    objective=objectives.NonSaturating(label_noise=True),
)

A6 = A5.but(
    "A6",
    networks="A5, D 1024-512-256-1",
    claim="much better, still a little noisy",
    discriminator=mlp_discriminator(1024, 512, 256, first=RandomNormal(0.02), dropout=0.4),
    epochs=100,
)


def as_reported(experiment):
    """Return A1, A2 or A3 with latents from [0, 1] in place of [-1, 1]."""
    return experiment.but(
        f"{experiment.name}-as-reported",
        networks=f"{experiment.name}, z from [0, 1]",
        latent=latent.Uniform(100, low=0),
    )


EXPERIMENTS = (A1, A2, A3, A4, A5, A6, *map(as_reported, (A1, A2, A3)))
