"""The MLP GANs for 28 x 28 digits: those of the reports A and B, and "fast", the recipe that learns quickest here."""

from dataclasses import dataclass

from minigan.experiments.system import System
from minigan.gan import latent
from minigan.gan.architectures import mlp_discriminator, mlp_generator
from minigan.initializers import RandomNormal
from minigan.layers import LeakyReLU, ReLU


@dataclass(frozen=True)
class MLPSystem(System):
    """Hidden widths of both networks, and what differs from the common recipe."""

    generator: tuple = ()
    discriminator: tuple = ()
    activation: type = LeakyReLU
    first_stddev: float | None = None  # RandomNormal(stddev) for the first Dense of both networks
    g_dropout: float = 0
    d_dropout: float = 0
    g_batch_norm: bool = False

    def layers(self, image_shape):
        first = RandomNormal(self.first_stddev) if self.first_stddev else None
        return (
            mlp_generator(self.generator, image_shape, self.activation, self.g_batch_norm, self.g_dropout, first),
            mlp_discriminator(self.discriminator, self.activation, self.d_dropout, first),
        )


G3, D2 = (256, 512, 1024), (1024, 512)
G4, D4 = (128, 256, 512, 1024), (1024, 512, 256, 128)

SYSTEMS = {
    "fast": MLPSystem(
        "BatchNorm in G, a high rate",
        generator=G3,
        discriminator=D2,
        first_stddev=0.02,
        d_dropout=0.4,
        g_batch_norm=True,
        g_lr=5e-4,
        d_lr=5e-4,
        epochs=45,
    ),
    "A1": MLPSystem(
        "one hidden layer, ReLU, uniform z",
        generator=(256,),
        discriminator=(256,),
        activation=ReLU,
        latent=latent.Uniform,
    ),
    "A2": MLPSystem("LeakyReLU, one layer more", generator=(256, 512), discriminator=(256, 512), latent=latent.Uniform),
    "A3": MLPSystem("wider", generator=G3, discriminator=D2, latent=latent.Uniform),
    "A4": MLPSystem(
        "normal z, RandomNormal, dropout in D", generator=G3, discriminator=D2, first_stddev=0.02, d_dropout=0.4
    ),
    "A5": MLPSystem(
        "A4 with noisy labels", generator=G3, discriminator=D2, first_stddev=0.02, d_dropout=0.4, label_noise=True
    ),
    "A6": MLPSystem(
        "A5, D deeper",
        generator=G3,
        discriminator=(1024, 512, 256),
        first_stddev=0.02,
        d_dropout=0.4,
        label_noise=True,
        epochs=100,
    ),
    "B0": MLPSystem("the base of report B", generator=G4, discriminator=D4, epochs=30),
    "B2": MLPSystem("B0, all widths 128", generator=(128,) * 4, discriminator=(128,) * 4, epochs=30),
    "B3": MLPSystem("B0, dropout in G", generator=G4, discriminator=D4, g_dropout=0.4, epochs=30),
    "B4": MLPSystem("B0, dropout in D", generator=G4, discriminator=D4, d_dropout=0.4, epochs=30),
    "B8": MLPSystem("B0, BatchNorm in G", generator=G4, discriminator=D4, g_batch_norm=True, epochs=30),
    "B9": MLPSystem("B0, uniform z", generator=G4, discriminator=D4, latent=latent.Uniform, epochs=30),
}
