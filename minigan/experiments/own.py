"""minigan's own recipes: the defaults of the example programs, chosen to show digits in minutes on a laptop."""

from minigan import models
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import adam, for_any_image, mlp_discriminator, mlp_generator
from minigan.gan import objectives, penalties
from minigan.initializers import RandomNormal

MLP_GAN = Experiment(
    "mlp-gan",
    "G 256-512-1024-784 with BatchNorm; D 1024-512-1, Dropout .4; a high rate",
    claim="digits from the 10,000 built-in images in minutes",
    generator=mlp_generator(256, 512, 1024, batch_norm=True, first=RandomNormal(0.02)),
    discriminator=mlp_discriminator(1024, 512, first=RandomNormal(0.02), dropout=0.4),
    dataset="digits",
    epochs=35,
    g_optimizer=adam(5e-4),
    d_optimizer=adam(5e-4),
    ema=0.998,
    aliases=("fast",),
)

DCGAN = Experiment(
    "dcgan",
    "G Dense 512-7x7x128, Conv2DTranspose 64-1, BatchNorm; D Conv2D 32-64, Dense 256-1; high rates",
    claim="digits from the 10,000 built-in images within five minutes",
    generator=models.small_dcgan_generator,
    discriminator=for_any_image(models.small_dcgan_discriminator),
    dataset="digits",
    epochs=18,
    batch_size=64,
    g_optimizer=adam(1e-3),
    d_optimizer=adam(5e-4),
    ema=0.998,
    aliases=("fast-dcgan",),
)
UPSAMPLING_GAN = DCGAN.but(
    "upsampling-gan",
    networks="dcgan with UpSampling2D and Conv2D in place of Conv2DTranspose",
    generator=models.small_upsampling_generator,
    aliases=("fast-upsampling",),
)

WGAN_GP = Experiment(
    "wgan-gp",
    "G 256-512-1024-784 with BatchNorm; critic 512-256-1; a penalty on its slope",
    claim="digits from the 10,000 built-in images; the critic's loss comes nearer to 0 while they get better",
    generator=mlp_generator(256, 512, 1024, batch_norm=True),
    discriminator=mlp_discriminator(512, 256),
    dataset="digits",
    epochs=100,
    batch_size=64,
    objective=objectives.Wasserstein(clip=None),
    penalties=(penalties.WGANGP(weight=10),),
    g_optimizer=adam(1e-4, beta1=0.0, beta2=0.9),
    d_optimizer=adam(1e-4, beta1=0.0, beta2=0.9),
    d_steps=5,
)
R1_GAN = MLP_GAN.but(
    "r1-gan",
    networks="mlp-gan without Dropout in D; the penalty R1, every 4 steps",
    claim="better digits than those of mlp-gan, with one seed",
    discriminator=mlp_discriminator(1024, 512, first=RandomNormal(0.02)),
    penalties=(penalties.R1(weight=1, every=4),),
)

R1_DCGAN = DCGAN.but(
    "r1-dcgan",
    networks="dcgan; the penalty R1, every 8 steps",
    claim="better digits than those of dcgan, with one seed",
    penalties=(penalties.R1(weight=1, every=8),),
)
SN_GAN = DCGAN.but(
    "sn-gan",
    networks="dcgan with SpectralNorm in D; the hinge objective",
    claim="digits that are nearer to the real ones than those of dcgan, with one seed",
    discriminator=for_any_image(models.small_spectral_discriminator),
    objective=objectives.Hinge(),
)


DCGAN_64 = Experiment(
    "dcgan-64",
    "G 4x4x256, Conv2DTranspose 128-64-32 to 64 x 64, BatchNorm; D Conv2D 32-64-128-256, Dropout .3",
    claim="for pictures of your own: train dcgan-64 --data-dir DIR",
    generator=models.sized_dcgan_generator,
    discriminator=models.sized_dcgan_discriminator,
    dataset="folder",
    image_size=64,
    epochs=200,
    batch_size=64,
    g_optimizer=adam(1e-3),
    d_optimizer=adam(5e-4),
)
DCGAN_32 = DCGAN_64.but(
    "dcgan-32",
    networks="G 4x4x128, Conv2DTranspose 64-32 to 32 x 32, BatchNorm; D Conv2D 32-64-128, Dropout .3",
    claim="for pictures of your own: train dcgan-32 --data-dir DIR",
    image_size=32,
)
DCGAN_128 = DCGAN_64.but(
    "dcgan-128",
    networks="G 4x4x512, Conv2DTranspose 256-128-64-32 to 128 x 128, BatchNorm; D Conv2D 32-64-128-256-512, Dropout .3",
    claim="for pictures of your own: train dcgan-128 --data-dir DIR",
    image_size=128,
)

EXPERIMENTS = (MLP_GAN, DCGAN, DCGAN_32, DCGAN_64, DCGAN_128, UPSAMPLING_GAN, WGAN_GP, R1_GAN, R1_DCGAN, SN_GAN)
