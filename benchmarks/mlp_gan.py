"""Time the whole training step of an MLP-GAN, in minigan and in PyTorch.

    python benchmarks/mlp_gan.py                      needs PyTorch: pip install torch
    python benchmarks/mlp_gan.py --rounds 30

G 100-256-512-1024-784 tanh, D 784-1024-512-256-1, LeakyReLU 0.2, dropout 0.4 in D, batch 128, Adam for both. A step is
one step of D on real and on generated images, and one step of G, on shuffled batches of the built-in digits. "PyTorch
tuned" freezes D's parameters in G's step, fuses Adam, and computes activations in place. The matrix products alone,
written into existing arrays, are the floor that each BLAS sets.
"""

from itertools import pairwise

import numpy as np
from gan_step import batch_stream, torch_gan_step
from interleave import main

BATCH = 128
G_WIDTHS, D_WIDTHS = (256, 512, 1024), (1024, 512, 256)


def minigan_step(workers):
    from minigan import GAN, Sequential
    from minigan.models import mlp_discriminator, mlp_generator

    generator = Sequential(mlp_generator(G_WIDTHS), input_shape=(100,), seed=0)
    discriminator = Sequential(mlp_discriminator(D_WIDTHS, dropout=0.4), input_shape=(28, 28, 1), seed=1)
    gan, batches = GAN(generator, discriminator), batch_stream(BATCH)
    gan.parallel(workers)
    return lambda: gan.train_step(next(batches))


def torch_networks(inplace):
    import torch
    from torch import nn

    torch.manual_seed(0)
    widths = (100, *G_WIDTHS)
    g_layers = []
    for n_in, n_out in pairwise(widths):
        g_layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2, inplace)]
    widths = (784, *D_WIDTHS)
    d_layers = [nn.Flatten()]
    for n_in, n_out in pairwise(widths):
        d_layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2, inplace), nn.Dropout(0.4)]
    generator = nn.Sequential(*g_layers, nn.Linear(G_WIDTHS[-1], 784), nn.Tanh(), nn.Unflatten(1, (28, 28, 1)))
    return generator, nn.Sequential(*d_layers, nn.Linear(D_WIDTHS[-1], 1))


def torch_step(tuned):
    import torch

    batches = batch_stream(BATCH)
    return torch_gan_step(*torch_networks(tuned), lambda: torch.from_numpy(next(batches)), BATCH, tuned)


def shapes_of_products():
    """Return (n, in, out, how often x W, x^T dy and dy W^T) for every Dense layer in a step."""
    g, d = (100, *G_WIDTHS, 784), (784, *D_WIDTHS, 1)
    for i in range(4):
        yield BATCH, g[i], g[i + 1], 1, 1, int(i > 0)
        yield BATCH, d[i], d[i + 1], 3, 2, 3 if i else 1


def random_arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def matrix_products():
    """Return a step that does every matrix product of the training step with NumPy, into existing arrays."""
    products = []
    for n, n_in, n_out, forward, dw, dx in shapes_of_products():
        x, w, dy = random_arrays((n, n_in), (n_in, n_out), (n, n_out))
        products += [(x, w, dy.copy())] * forward + [(x.T, dy, w.copy())] * dw + [(dy, w.T, x.copy())] * dx

    def step():
        for a, b, out in products:
            np.matmul(a, b, out=out)

    return step


def torch_products():
    """Return a step that does the same products with PyTorch, which keeps its weights as (out, in)."""
    import torch

    products = []
    for n, n_in, n_out, forward, dw, dx in shapes_of_products():
        x, w, dy = map(torch.from_numpy, random_arrays((n, n_in), (n_out, n_in), (n, n_out)))
        products += [(x, w.T, dy.clone())] * forward + [(dy.T, x, w.clone())] * dw + [(dy, w, x.clone())] * dx

    def step():
        for a, b, out in products:
            torch.mm(a, b, out=out)

    return step


CONTESTANTS = {
    "PyTorch eager": lambda: torch_step(tuned=False),
    "PyTorch tuned": lambda: torch_step(tuned=True),
    "minigan, threads of BLAS": lambda: minigan_step(1),
    "minigan, workers": lambda: minigan_step("auto"),
    "its matrix products alone, NumPy": matrix_products,
    "its matrix products alone, PyTorch": torch_products,
}

if __name__ == "__main__":
    main(__file__, CONTESTANTS, references=("PyTorch eager", "PyTorch tuned"))
