"""A GAN that draws the digit that you ask for, in one file.

    python examples/conditional_gan.py

The run takes about two minutes and uses the built-in digits. --dataset mnist trains on all of MNIST, for better digits.
After each epoch it writes a picture with a row for each digit, 0 to 9. At the end it writes an animation of them and
both networks.

It is the GAN of mlp_gan.py without Dropout in D, and one thing is new: the label, 0 to 9. G gets random numbers and a
label, and makes an image of this digit. D gets an image and a label, and answers two questions with one number: does
the image look real, and does it look like this digit? How the label reaches each layer, and the gradients:
docs/conditional.md
"""

import copy
import math

import numpy as np
from tqdm.auto import tqdm

from minigan import Sequential, backend, data, pictures
from minigan.cli.arguments import example_options
from minigan.cli.program import run_program
from minigan.errors import DataError
from minigan.initializers import RandomNormal
from minigan.layers import (
    BatchNorm,
    ConcatenateLabel,
    Dense,
    Flatten,
    LeakyReLU,
    Projection,
    Reshape,
    Tanh,
)
from minigan.losses import BinaryCrossEntropy
from minigan.optimizers import Adam

EPOCHS, BATCH_SIZE, LATENT_SIZE, LEARNING_RATE, EMA_DECAY = 30, 128, 100, 5e-4, 0.998


def generator_layers(image_shape, classes):
    """Return the layers of G. In: 100 random numbers and a label. Out: an image with values from -1 to 1."""
    return [
        ConcatenateLabel(classes),  # 10 more numbers: a 1 in the place of the digit, and else 0
        Dense(256, use_bias=False, initializer=RandomNormal(0.02)),
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


def discriminator_layers(classes):
    """Return the layers of D. In: an image and a label. Out: a logit: above 0 means "real, and of this class"."""
    return [
        Flatten(),
        Dense(1024, initializer=RandomNormal(0.02)),
        LeakyReLU(0.2),
        Dense(512),
        LeakyReLU(0.2),
        Projection(classes),  # looks real + looks like this class
    ]


def main(options):
    digits = data.load(options.dataset, directory=options.data_dir, **options.data_options)
    if digits.labels is None:
        raise DataError("these images have no labels: put the pictures of each class into a folder of their own.")
    image_shape, classes, seed = digits.images.shape[1:], len(digits.classes), options.seed
    G = Sequential(generator_layers(image_shape, classes), (LATENT_SIZE,), seed=(seed, 0), device=options.device)
    D = Sequential(discriminator_layers(classes), image_shape, seed=(seed, 1), device=options.device)
    for net in (G, D):
        net.parallel(options.workers)
    g_optimizer = Adam(G, lr=LEARNING_RATE, beta1=0.5)
    d_optimizer = Adam(D, lr=LEARNING_RATE, beta1=0.5)
    loss = BinaryCrossEntropy()
    rng = np.random.default_rng((seed, 2))
    xp, images = G.xp, backend.to_device(digits.images, G.xp)

    def latents(n, rng):
        return backend.to_device(rng.standard_normal((n, LATENT_SIZE)).astype("float32"), xp)

    averaged = copy.deepcopy(G)  # moving averages of the arrays of G, as in mlp_gan.py
    averages, arrays = [[*net.params.values(), *net.state.values()] for net in (averaged, G)]
    fixed, rows = latents(10 * classes, np.random.default_rng(seed)), np.repeat(np.arange(classes), 10)
    out = pictures.folder_for_epochs(options.out)
    frames, bar = [], tqdm(range(options.epochs), unit="epoch")
    for epoch in bar:
        order = np.random.default_rng((seed, 3, epoch))
        for real, labels in data.labelled_batches(images, digits.labels, options.batch_size, order, low=-1, high=1):
            n = len(real)
            # G makes as many images of the same digits, so D cannot tell them apart by the labels.
            generated = G.forward(latents(n, rng), training=True, labels=labels)

            both, twice = xp.concatenate([real, generated]), np.concatenate([labels, labels])
            logits = D.forward(both, training=True, labels=twice)
            real_loss, real_dlogits = loss(logits[:n], 1.0)
            generated_loss, generated_dlogits = loss(logits[n:], 0.0)
            D.zero_grads()
            D.backward(xp.concatenate([real_dlogits, generated_dlogits]), input_grad=False)
            d_optimizer.step()

            g_loss, dlogits = loss(D.forward(generated, training=True, labels=labels), 1.0)
            dimages = D.backward(dlogits, param_grads=False)
            G.zero_grads()
            G.backward(dimages, input_grad=False)
            g_optimizer.step()

            d = min(EMA_DECAY, (1 + g_optimizer.steps) / (10 + g_optimizer.steps))
            for average, array in zip(averages, arrays, strict=True):
                average += (1 - d) * (array - average)  # in place: it is an array of `averaged`

        bar.set_postfix_str(f"loss of D {real_loss + generated_loss:.2f}, of G {g_loss:.2f}")
        frames.append(pictures.grid(backend.to_cpu(averaged.predict(fixed, labels=rows)), columns=10))
        pictures.save_png(out / f"epoch_{epoch + 1:03}.png", frames[-1])

    pictures.save_gif(out / "learning.gif", frames)
    averaged.save(out / "generator.npz")
    D.save(out / "discriminator.npz")
    print(f"A picture for each epoch, learning.gif and both networks are in {out.resolve()}")


if __name__ == "__main__":
    what = "Train a GAN that draws the digit that you ask for."
    run_program(main, example_options(what, EPOCHS, BATCH_SIZE, out="out/conditional_gan"))
