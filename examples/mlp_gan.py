"""Train a GAN that writes digits. This file shows everything that happens in training.

    python examples/mlp_gan.py                                   10,000 built-in digits, two to four minutes
    python examples/mlp_gan.py --dataset fashion-mnist --epochs 10
    python examples/mlp_gan.py --help

Two networks play against each other. The generator G makes images out of random numbers. The discriminator D looks at
an image and says how sure it is that the image is real. D learns to tell real images from G's images. G learns to
fool D.
"""

import copy
import math

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data, pictures
from minigan.cli.arguments import example_options
from minigan.cli.program import run_program
from minigan.initializers import RandomNormal
from minigan.layers import BatchNorm, Dense, Dropout, Flatten, LeakyReLU, Reshape, Tanh
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import Adam

EPOCHS, BATCH_SIZE, LATENT_SIZE, LEARNING_RATE, EMA_DECAY = 35, 128, 100, 5e-4, 0.998


def generator_layers(image_shape):
    """Return the layers of G. In: 100 random numbers. Out: an image with values from -1 to 1."""
    return [
        Dense(256, use_bias=False, initializer=RandomNormal(0.02)),  # BatchNorm's beta takes the place of the bias
        BatchNorm(),
        LeakyReLU(0.2),
        Dense(512, use_bias=False),
        BatchNorm(),
        LeakyReLU(0.2),
        Dense(1024, use_bias=False),
        BatchNorm(),
        LeakyReLU(0.2),
        Dense(math.prod(image_shape)),
        Tanh(),
        Reshape(image_shape),
    ]


def discriminator_layers():
    """Return the layers of D. In: an image. Out: a logit, one number: above 0 means "real", below 0 "generated"."""
    return [
        Flatten(),
        Dense(1024, initializer=RandomNormal(0.02)),
        LeakyReLU(0.2),
        Dropout(0.4),
        Dense(512),
        LeakyReLU(0.2),
        Dropout(0.4),
        Dense(1),
    ]


def main(options):
    images = data.load(options.dataset, directory=options.data_dir, **options.data_options).images
    image_shape, seed = images.shape[1:], options.seed
    G = Sequential(generator_layers(image_shape), (LATENT_SIZE,), seed=(seed, 0), device=options.device)
    D = Sequential(discriminator_layers(), image_shape, seed=(seed, 1), device=options.device)
    for net in (G, D):
        net.parallel(options.workers)  # threads share each batch, inside of forward and backward
    g_optimizer = Adam(G, lr=LEARNING_RATE, beta1=0.5)
    d_optimizer = Adam(D, lr=LEARNING_RATE, beta1=0.5)
    loss = BinaryCrossEntropy()  # takes logits: the sigmoid is in the loss
    rng = np.random.default_rng((seed, 2))
    xp, images = G.xp, backend.to_device(images, G.xp)

    def latents(n, rng):
        return backend.to_device(rng.standard_normal((n, LATENT_SIZE)).astype("float32"), xp)

    averaged = copy.deepcopy(G)  # its arrays will be moving averages (EMA) of those of G: it draws better than G
    averages, arrays = [[*net.params.values(), *net.state.values()] for net in (averaged, G)]
    fixed = latents(64, np.random.default_rng(seed))  # the same for every picture, so that you can see G learn
    out = pictures.folder_for_epochs(options.out)
    frames, bar = [], tqdm(range(options.epochs), unit="epoch")
    for epoch in bar:
        order = np.random.default_rng((seed, 3, epoch))
        for real in data.batches(images, options.batch_size, order, low=-1, high=1):
            n = len(real)
            generated = G.forward(latents(n, rng), training=True)

            # Update D: target 1 for real images, 0 for G's. Both pass D as one batch. A BatchNorm in D would mix them.
            logits = D.forward(xp.concatenate([real, generated]), training=True)
            real_loss, real_dlogits = loss(logits[:n], 1.0)
            generated_loss, generated_dlogits = loss(logits[n:], 0.0)
            D.zero_grads()
            D.backward(xp.concatenate([real_dlogits, generated_dlogits]), input_grad=False)
            d_optimizer.step()

            # Update G: target 1, so that D, as it is now, calls G's images real. The gradient comes to G through D,
            # whose own parameters need no gradients this time.
            g_loss, dlogits = loss(D.forward(generated, training=True), 1.0)
            dimages = D.backward(dlogits, param_grads=False)
            G.zero_grads()
            G.backward(dimages, input_grad=False)
            g_optimizer.step()

            # G moves in circles around a good place; its average is nearer to it. At first it soon forgets the start.
            d = min(EMA_DECAY, (1 + g_optimizer.steps) / (10 + g_optimizer.steps))
            for average, array in zip(averages, arrays, strict=True):
                average += (1 - d) * (array - average)  # in place: it is an array of `averaged`

        bar.set_postfix_str(f"loss of D {real_loss + generated_loss:.2f}, of G {g_loss:.2f}")
        frames.append(pictures.grid(backend.to_cpu(averaged.predict(fixed))))
        pictures.save_png(out / f"epoch_{epoch + 1:03}.png", frames[-1])

    pictures.save_gif(out / "learning.gif", frames)
    averaged.save(out / "generator.npz")
    D.save(out / "discriminator.npz")
    print(f"A picture for each epoch, learning.gif and both networks are in {out.resolve()}")


if __name__ == "__main__":
    run_program(main, example_options("Train an MLP-GAN that writes digits.", EPOCHS, BATCH_SIZE, out="out/mlp_gan"))
