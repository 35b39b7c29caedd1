"""The convolutional GANs of the reports B, C and E."""

from collections.abc import Callable
from dataclasses import dataclass

from minigan.errors import ShapeError
from minigan.experiments.system import System
from minigan.gan import architectures as nets


@dataclass(frozen=True)
class ConvSystem(System):
    """Two functions that make the networks, for images of one shape."""

    generator: Callable = None
    discriminator: Callable = None
    image_shape: tuple = (28, 28, 1)

    def layers(self, image_shape):
        if tuple(image_shape) != self.image_shape:
            raise ShapeError(
                f"this system makes images of {self.image_shape}, the data set has {tuple(image_shape)}. Choose "
                "another --system: C1, E2, E3, E7, B10, B12 for 28 x 28 x 1, C2, E8, E8-upsampling for 32 x 32 x 3."
            )
        return self.generator(), self.discriminator()


COLOR = (32, 32, 3)
SYSTEMS = {
    "C1": ConvSystem(
        "DCGAN of report C",
        generator=nets.c1_generator,
        discriminator=nets.c1_discriminator,
        g_lr=1e-3,
        d_lr=1e-4,
        batch_size=256,
        epochs=100,
    ),
    "C2": ConvSystem(
        "C1 for SVHN",
        generator=lambda: nets.c1_generator(size=8, channels=3),
        discriminator=nets.c1_discriminator,
        image_shape=COLOR,
        g_lr=1e-3,
        d_lr=1e-4,
        batch_size=256,
        epochs=200,
    ),
    "E2": ConvSystem(
        "transposed convolutions", generator=nets.e2_generator, discriminator=nets.e2_discriminator, epochs=100
    ),
    "E3": ConvSystem(
        "upsampling and convolutions", generator=nets.e3_generator, discriminator=nets.e2_discriminator, epochs=100
    ),
    "E7": ConvSystem(
        "E3, for Fashion-MNIST", generator=nets.e3_generator, discriminator=nets.e2_discriminator, epochs=100
    ),
    "E8": ConvSystem(
        "for CIFAR-10",
        generator=nets.e8_generator,
        discriminator=nets.e8_discriminator,
        image_shape=COLOR,
        epochs=100,
    ),
    "E8-upsampling": ConvSystem(
        "E8 with upsampling and convolutions",
        generator=nets.e8_upsampling_generator,
        discriminator=nets.e8_discriminator,
        image_shape=COLOR,
        epochs=100,
    ),
    "B10": ConvSystem(
        "convolutions at full size", generator=nets.b10_generator, discriminator=nets.b10_discriminator, epochs=30
    ),
    "B12": ConvSystem(
        "B10, twice the filters",
        generator=lambda: nets.b10_generator((16, 32, 64)),
        discriminator=nets.b10_discriminator,
        epochs=30,
    ),
}
