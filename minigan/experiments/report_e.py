"""Report E, "Project 3: MNIST GAN": generators of growing skill against one small convolutional discriminator."""

from functools import partial

from minigan import models
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import for_any_image
from minigan.gan import objectives

E1 = Experiment(
    "E1",
    "G four Dense, 28x28x64, Conv2D, tanh; D Conv2D 32-64 s2",
    claim="one repeated digit; which one depends on the initialisation and the epoch (mode collapse)",
    generator=models.dense_to_conv_generator,
    discriminator=for_any_image(models.conv_discriminator),
    epochs=100,
)


def transposed(name, features):
    """Return an experiment with two transposed convolutions behind a Dense layer of 7 x 7 x `features`."""
    return E1.but(
        name,
        networks=f"G Dense 7x7x{features}, two Conv2DTranspose s2; D Conv2D 32-64 s2",
        claim="F = 128 the best trade-off; all ten digits, some blur",
        generator=partial(models.transposed_generator, features=features),
    )


E2 = transposed("E2", 128)
E2_SIZES = [transposed(f"E2-F{features}", features) for features in (32, 64, 256, 512)]

E3 = E2.but(
    "E3",
    networks="E2 with UpSampling2D and Conv2D in place of Conv2DTranspose",
    claim="the best on MNIST",
    generator=models.upsampling_generator,
    aliases=("upsampling-gan-mnist",),
)
E4_SIZES = [
    E3.but(f"E4-batch{size}", networks=f"E3, batch {size}", claim="large batches: grey background", batch_size=size)
    for size in (32, 64, 256, 512, 1024)
]
E5_NOISE = E3.but(
    "E5-noise",
    networks="E3, noisy labels for D",
    claim="small gain over E3",
    objective=objectives.NonSaturating(label_noise=True),
)
E5_DEEP = E3.but(
    "E5-deep",
    networks="E3, D one layer deeper",
    claim="no gain over E3",
    discriminator=for_any_image(models.conv_discriminator, deeper=True),
)

needs = "UpSampling2D needs [-1, 1]; Conv2DTranspose needs [0, 1]"
E6_UPSAMPLING = E3.but("E6-upsampling", networks="E3, images in [-1, 1]", claim=needs)
E6_UPSAMPLING_01 = E3.but("E6-upsampling01", networks="E3, images in [0, 1]", claim=needs, data_range=(0, 1))
E6_TRANSPOSE = E2.but("E6-transpose", networks="E2, images in [-1, 1]", claim=needs)
E6_TRANSPOSE_01 = E2.but("E6-transpose01", networks="E2, images in [0, 1]", claim=needs, data_range=(0, 1))

E7 = E3.but(
    "E7",
    networks="E3 on Fashion-MNIST, unchanged",
    claim="good",
    dataset="fashion-mnist",
    aliases=("upsampling-gan-fashion",),
)

E8 = E1.but(
    "E8",
    networks="G Dense 4x4x256, three Conv2DTranspose s2 to 32x32x3; D one layer deeper",
    claim="a few recognisable images",
    generator=models.cifar_transposed_generator,
    discriminator=for_any_image(models.conv_discriminator, deeper=True),
    dataset="cifar10",
    aliases=("dcgan-cifar10",),
)
E8_UPSAMPLING = E8.but(
    "E8-upsampling",
    networks="E8 with UpSampling2D and Conv2D",
    generator=models.cifar_upsampling_generator,
    aliases=("upsampling-gan-cifar10",),
)

EXPERIMENTS = (
    E1,
    E2,
    *E2_SIZES,
    E3,
    *E4_SIZES,
    E5_NOISE,
    E5_DEEP,
    E6_UPSAMPLING,
    E6_UPSAMPLING_01,
    E6_TRANSPOSE,
    E6_TRANSPOSE_01,
    E7,
    E8,
    E8_UPSAMPLING,
)
