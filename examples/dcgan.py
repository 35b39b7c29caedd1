"""Train a convolutional GAN (DCGAN). This file shows everything that happens in training.

    python examples/dcgan.py                                     10,000 built-in digits, about five minutes
    python examples/dcgan.py --dataset fashion-mnist
    python examples/dcgan.py --dataset cifar10 --data-dir DIR    colour images
    python examples/dcgan.py --help

The training is the same loop as in mlp_gan.py, which explains it. The networks are different, and so are the numbers
in capitals below. Both networks look at neighbouring pixels together. G starts from a small image with many channels
and doubles its size twice. D halves the size of its image twice. The height and width of an image must be multiples of
four.
"""

import copy

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data, pictures
from minigan.cli.arguments import example_options
from minigan.cli.program import run_program
from minigan.errors import OptionError
from minigan.layers import BatchNorm, Conv2D, Conv2DTranspose, Dense, Flatten, LeakyReLU, Reshape, Tanh
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import Adam

EPOCHS, BATCH_SIZE, LATENT_SIZE, EMA_DECAY = 18, 64, 100, 0.998
G_LEARNING_RATE, D_LEARNING_RATE = 1e-3, 5e-4


def generator_layers(image_shape):
    """Return the layers of G. In: 100 random numbers. Out: an image with values from -1 to 1."""
    height, width, channels = image_shape[0] // 4, image_shape[1] // 4, image_shape[2]
    return [
        Dense(512, use_bias=False),  # BatchNorm's beta takes the place of the bias
        BatchNorm(),
        LeakyReLU(0.2),
        Dense(height * width * 128, use_bias=False),
        BatchNorm(),
        LeakyReLU(0.2),
        Reshape((height, width, 128)),
        Conv2DTranspose(64, kernel_size=5, strides=2, use_bias=False),  # twice as high and wide
        BatchNorm(),
        LeakyReLU(0.2),
        Conv2DTranspose(channels, kernel_size=5, strides=2),  # and again
        Tanh(),
    ]


def discriminator_layers():
    """Return the layers of D. In: an image. Out: a logit, one number: above 0 means "real", below 0 "generated"."""
    return [
        Conv2D(32, kernel_size=5, strides=2),  # half as high and wide
        LeakyReLU(0.2),
        Conv2D(64, kernel_size=5, strides=2),
        LeakyReLU(0.2),
        Flatten(),
        Dense(256),  # looks at the whole image
        LeakyReLU(0.2),
        Dense(1),
    ]


def main(options):
    images = data.load(options.dataset, directory=options.data_dir, **options.data_options).images
    image_shape, seed = images.shape[1:], options.seed
    if image_shape[0] % 4 or image_shape[1] % 4:
        raise OptionError(f"height and width must be multiples of four, got {image_shape}. Choose an --image-size.")
    G = Sequential(generator_layers(image_shape), (LATENT_SIZE,), seed=(seed, 0), device=options.device)
    D = Sequential(discriminator_layers(), image_shape, seed=(seed, 1), device=options.device)
    for net in (G, D):
        net.parallel(options.workers)  # threads share each batch, inside of forward and backward
    g_optimizer = Adam(G, lr=G_LEARNING_RATE, beta1=0.5)
    d_optimizer = Adam(D, lr=D_LEARNING_RATE, beta1=0.5)
    loss = BinaryCrossEntropy()
    rng = np.random.default_rng((seed, 2))
    xp, images = G.xp, backend.to_device(images, G.xp)

    def latents(n, rng):
        return backend.to_device(rng.standard_normal((n, LATENT_SIZE)).astype("float32"), xp)

    averaged = copy.deepcopy(G)  # its arrays will be moving averages (EMA) of those of G
    averages, arrays = [[*net.params.values(), *net.state.values()] for net in (averaged, G)]
    fixed = latents(64, np.random.default_rng(seed))
    out = pictures.folder_for_epochs(options.out)
    frames = []
    for epoch in range(options.epochs):
        order = np.random.default_rng((seed, 3, epoch))
        batches = data.batches(images, options.batch_size, order, low=-1, high=1)
        steps = len(images) // options.batch_size
        bar = tqdm(batches, f"epoch {epoch + 1} of {options.epochs}", total=steps, unit="step")
        for real in bar:
            n = len(real)
            generated = G.forward(latents(n, rng), training=True)

            # Update D: target 1 ("real") for real images, 0 ("generated") for G's
            logits = D.forward(xp.concatenate([real, generated]), training=True)
            real_loss, real_dlogits = loss(logits[:n], 1.0)
            generated_loss, generated_dlogits = loss(logits[n:], 0.0)
            D.zero_grads()
            D.backward(xp.concatenate([real_dlogits, generated_dlogits]), input_grad=False)
            d_optimizer.step()

            # Update G: target 1, so that D calls its images real. The gradient comes to G through D.
            g_loss, dlogits = loss(D.forward(generated, training=True), 1.0)
            dimages = D.backward(dlogits, param_grads=False)
            G.zero_grads()
            G.backward(dimages, input_grad=False)
            g_optimizer.step()

            # Move the average towards G, at first faster
            d = min(EMA_DECAY, (1 + g_optimizer.steps) / (10 + g_optimizer.steps))
            for average, array in zip(averages, arrays, strict=True):
                average += (1 - d) * (array - average)  # in place: it is an array of `averaged`

        print(f"loss of D {real_loss + generated_loss:.2f}, of G {g_loss:.2f}")
        frames.append(pictures.grid(backend.to_cpu(averaged.predict(fixed))))
        pictures.save_png(out / f"epoch_{epoch + 1:03}.png", frames[-1])

    pictures.save_gif(out / "learning.gif", frames)
    averaged.save(out / "generator.npz")
    D.save(out / "discriminator.npz")
    print(f"A picture for each epoch, learning.gif and both networks are in {out.resolve()}")


if __name__ == "__main__":
    run_program(main, example_options("Train a convolutional GAN.", EPOCHS, BATCH_SIZE, out="out/dcgan"))
