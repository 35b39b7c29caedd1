"""minigan's own recipes: the defaults of the example programs, chosen to show digits in minutes on a laptop."""

from minigan import models
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import adam, for_any_image, mlp_discriminator, mlp_generator
from minigan.initializers import RandomNormal

MLP_GAN = Experiment(
    "mlp-gan",
    "G 256-512-1024-784 with BatchNorm; D 1024-512-1, Dropout .4; a high rate",
    claim="digits from the 10,000 built-in images in minutes",
    generator=mlp_generator(256, 512, 1024, batch_norm=True, first=RandomNormal(0.02)),
    discriminator=mlp_discriminator(1024, 512, first=RandomNormal(0.02), dropout=0.4),
    dataset="digits",
    epochs=45,
    g_optimizer=adam(5e-4),
    d_optimizer=adam(5e-4),
    aliases=("fast",),
)

DCGAN = Experiment(
    "dcgan",
    "G Dense 7x7x128, Conv2DTranspose 64-1, BatchNorm; D Conv2D 32-64, Dropout .3; a high rate",
    claim="digits from the 10,000 built-in images within ten minutes",
    generator=models.small_dcgan_generator,
    discriminator=for_any_image(models.small_dcgan_discriminator),
    dataset="digits",
    epochs=20,
    g_optimizer=adam(1e-3),
    d_optimizer=adam(5e-4),
    aliases=("fast-dcgan",),
)
UPSAMPLING_GAN = DCGAN.but(
    "upsampling-gan",
    networks="dcgan with UpSampling2D and Conv2D in place of Conv2DTranspose",
    generator=models.small_upsampling_generator,
    aliases=("fast-upsampling",),
)

EXPERIMENTS = (MLP_GAN, DCGAN, UPSAMPLING_GAN)
