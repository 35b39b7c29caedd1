"""The parts that all benchmarks of GAN steps use: the stream of real images, and PyTorch's step."""

import numpy as np


def batch_stream(batch):
    """Yield shuffled batches (batch, 28, 28, 1) of the digits as float32 in [-1, 1], without end."""
    from minigan import data

    images, rng = data.load("digits").images, np.random.default_rng(0)
    while True:
        yield from data.batches(images, batch, rng)


def torch_gan_step(generator, discriminator, images, batch, tuned):
    """One step of D on real and on generated images, then one of G: Adam, binary cross-entropy on logits.

    images   a function that gives the next batch as a tensor; tuned: D frozen in G's step, Adam fused
    """
    import torch

    options = {"lr": 2e-4, "betas": (0.5, 0.999), **({"fused": True} if tuned else {})}
    g_adam = torch.optim.Adam(generator.parameters(), **options)
    d_adam = torch.optim.Adam(discriminator.parameters(), **options)
    bce, ones, zeros = torch.nn.BCEWithLogitsLoss(), torch.ones(batch, 1), torch.zeros(batch, 1)

    def step():
        real = images()
        generated = generator(torch.randn(batch, 100))
        d_adam.zero_grad(set_to_none=True)
        bce(discriminator(real), ones).backward()
        bce(discriminator(generated.detach()), zeros).backward()
        d_adam.step()
        if tuned:
            discriminator.requires_grad_(False)
        g_adam.zero_grad(set_to_none=True)
        bce(discriminator(generated), ones).backward()
        g_adam.step()
        discriminator.requires_grad_(True)

    return step
