"""Time the whole training step of the DCGAN C1 on 28 x 28 images, batch 256, in minigan and in PyTorch.

    python benchmarks/dcgan.py                        needs PyTorch: pip install torch
    python benchmarks/dcgan.py --only "PyTorch eager" "minigan auto"

"PyTorch eager" is the usual loop, in both memory layouts. "PyTorch tuned" freezes D's parameters in G's step, fuses
Adam, computes activations in place, and uses channels_last. minigan keeps freed memory, as its training commands do.
"PyTorch tuned, memory kept" does the same with PyTorch.
"""

from gan_step import batch_stream, torch_gan_step
from interleave import main

BATCH = 256


def minigan_step(algorithm, workers):
    from minigan import GAN, Sequential
    from minigan.models import dcgan_discriminator, dcgan_generator
    from minigan.ops.allocator import keep_freed_memory

    keep_freed_memory()  # as the training programs do
    networks = []
    for layers, shape in ((dcgan_generator(), (100,)), (dcgan_discriminator(), (28, 28, 1))):
        for layer in layers:
            if hasattr(layer, "algorithm"):
                layer.algorithm = algorithm
        networks.append(Sequential(layers, shape, seed=len(networks)))
    gan, batches = GAN(*networks), batch_stream(BATCH)
    gan.parallel(workers)
    return lambda: gan.train_step(next(batches))


def torch_networks(inplace, channels_last):
    import torch
    from torch import nn

    torch.manual_seed(0)

    def leaky():
        return nn.LeakyReLU(0.2, inplace)

    generator = nn.Sequential(
        *(nn.Linear(100, 12544, bias=False), nn.BatchNorm1d(12544), leaky(), nn.Unflatten(1, (256, 7, 7))),
        *(nn.ConvTranspose2d(256, 128, 5, 1, 2, bias=False), nn.BatchNorm2d(128), leaky()),
        *(nn.ConvTranspose2d(128, 64, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(64), leaky()),
        *(nn.ConvTranspose2d(64, 1, 5, 2, 2, 1), nn.Tanh()),
    )
    discriminator = nn.Sequential(
        *(nn.Conv2d(1, 64, 5, 2, 2), leaky(), nn.Dropout(0.3)),
        *(nn.Conv2d(64, 128, 5, 2, 2), leaky(), nn.Dropout(0.3)),
        *(nn.Conv2d(128, 256, 5, 2, 2), leaky(), nn.Dropout(0.3)),
        *(nn.Flatten(), nn.Linear(4096, 1)),
    )
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    return [net.to(memory_format=memory_format) for net in (generator, discriminator)]


def torch_step(tuned, channels_last, memory_kept=False):
    import torch

    from minigan.ops.allocator import keep_freed_memory

    if memory_kept:
        keep_freed_memory()
    batches = batch_stream(BATCH)

    def images():
        nchw = torch.from_numpy(next(batches)).permute(0, 3, 1, 2)
        return nchw.contiguous(memory_format=torch.channels_last) if channels_last else nchw.contiguous()

    return torch_gan_step(*torch_networks(tuned, channels_last), images, BATCH, tuned)


CONTESTANTS = {
    "PyTorch eager": lambda: torch_step(tuned=False, channels_last=False),
    "PyTorch eager, channels_last": lambda: torch_step(tuned=False, channels_last=True),
    "PyTorch tuned": lambda: torch_step(tuned=True, channels_last=True),
    "PyTorch tuned, memory kept": lambda: torch_step(tuned=True, channels_last=True, memory_kept=True),
    "minigan, threads of BLAS": lambda: minigan_step("auto", 1),
    "minigan, workers": lambda: minigan_step("auto", "auto"),
    "minigan im2col, threads of BLAS": lambda: minigan_step("im2col", 1),
    "minigan im2col, workers": lambda: minigan_step("im2col", "auto"),
}

if __name__ == "__main__":
    main(__file__, CONTESTANTS, references=("PyTorch eager", "PyTorch eager, channels_last", "PyTorch tuned"), steps=1)
