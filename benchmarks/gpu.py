"""Time the whole training step on a GPU, in minigan and in PyTorch.

    python benchmarks/gpu.py mlp                      needs CuPy, PyTorch with CUDA, and a GPU
    python benchmarks/gpu.py dcgan --rounds 30
    CUPY_TF32=1 python benchmarks/gpu.py dcgan        TF32 for minigan and for PyTorch; without it, for neither

mlp: the networks of benchmarks/mlp_gan.py, batch 128. dcgan: C1, batch 256. The digits are on the GPU as bytes, and
every step gathers its batch there. All contestants are in one process and take turns. A turn is a number of steps
between two CUDA events. The losses are read only after the last turn. Their means are in the table: they would show
if a contestant did not do the work.
"""

import argparse
import statistics

import dcgan
import mlp_gan
import numpy as np
from interleave import ratio

from minigan import GAN, Sequential, backend, data, models
from minigan.ops.gpu.cublas import tf32

IMAGES = data.load("digits").images
LEARNING = {"lr": 2e-4, "betas": (0.5, 0.999)}


class Work:
    """One of the two training steps: minigan's networks, PyTorch's, and the size of a batch."""

    def __init__(self, batch, minigan_layers, torch_networks, image_axes):
        self.batch, self.minigan_layers, self.torch_networks = batch, minigan_layers, torch_networks
        self.image_axes = image_axes  # (n, h, w, c) in PyTorch's order


def mlp_layers():
    return (
        models.mlp_generator(mlp_gan.G_WIDTHS),
        models.mlp_discriminator(mlp_gan.D_WIDTHS, dropout=0.4),
    )


def dcgan_layers():
    return models.dcgan_generator(), models.dcgan_discriminator()


WORK = {
    "mlp": Work(mlp_gan.BATCH, mlp_layers, lambda: mlp_gan.torch_networks(inplace=True), (0, 1, 2, 3)),
    "dcgan": Work(
        dcgan.BATCH, dcgan_layers, lambda: dcgan.torch_networks(inplace=True, channels_last=True), (0, 3, 1, 2)
    ),
}


def minigan_step(work, captured):
    generator, discriminator = (
        Sequential(layers, shape, seed=seed, device="gpu")
        for seed, (layers, shape) in enumerate(zip(work.minigan_layers(), ((100,), (28, 28, 1)), strict=True))
    )
    gan = GAN(generator, discriminator)
    if captured:
        gan.capture()
    images = backend.to_device(IMAGES, generator.xp)

    def batches():
        rng = np.random.default_rng(0)
        while True:
            yield from data.batches(images, work.batch, rng)

    stream = batches()
    return lambda: gan.train_step(next(stream))


class TorchStep:
    """The usual loop: D on real and on generated images, then G through D; with D frozen in G's step."""

    def __init__(self, work, adam_options=None, compiled=False, device="cuda"):
        import torch

        self.torch, self.work, self.device = torch, work, device
        networks = [net.to(device) for net in work.torch_networks()]
        adam_options = {**LEARNING, **(adam_options or {})}
        self.adams = [torch.optim.Adam(net.parameters(), **adam_options) for net in networks]
        self.parameters = list(networks[1].parameters())
        self.generator, self.discriminator = (
            [torch.compile(net, mode="reduce-overhead") for net in networks] if compiled else networks
        )
        self.images, self.compiled = torch.tensor(IMAGES, device=device), compiled
        self.bce = torch.nn.BCEWithLogitsLoss()
        self.ones, self.zeros = (torch.full((work.batch, 1), value, device=device) for value in (1.0, 0.0))
        self.chosen = torch.zeros(work.batch, dtype=torch.int64, device=device)
        self.order, self.start = None, len(IMAGES)

    def next_indices(self):
        """The images of the next batch, from an order drawn once an epoch"""
        if self.start + self.work.batch > len(IMAGES):
            self.order, self.start = self.torch.randperm(len(IMAGES), device=self.device), 0
        chosen = self.order[self.start : self.start + self.work.batch]
        self.start += self.work.batch
        return chosen

    def __call__(self):
        self.chosen.copy_(self.next_indices())
        if self.compiled:
            self.torch.compiler.cudagraph_mark_step_begin()
        return self.compute()

    def compute(self):
        """All that a graph can hold."""
        torch, (g_adam, d_adam) = self.torch, self.adams
        real = self.images[self.chosen].float().mul_(2 / 255).sub_(1).permute(self.work.image_axes)
        generated = self.generator(torch.randn(self.work.batch, 100, device=self.device))
        if self.compiled:
            generated = generated.clone()  # the next call of a compiled network overwrites what the last one gave
        for adam in self.adams:
            adam.zero_grad(set_to_none=True)
        d_loss = self.bce(self.discriminator(real), self.ones)
        d_loss.backward()
        fake_loss = self.bce(self.discriminator(generated.detach()), self.zeros)
        fake_loss.backward()
        d_adam.step()
        for parameter in self.parameters:
            parameter.requires_grad_(False)
        g_loss = self.bce(self.discriminator(generated), self.ones)
        g_loss.backward()
        g_adam.step()
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        return (d_loss + fake_loss).detach(), g_loss.detach()


def torch_graph(work):
    """The same loop as one CUDA graph, captured by hand: fused Adam, everything static."""
    import torch

    step = TorchStep(work, {"fused": True, "capturable": True})
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        losses = step.compute()

    def replay():
        step.chosen.copy_(step.next_indices())
        graph.replay()
        return [loss.clone() for loss in losses]

    return replay


CONTESTANTS = {
    "PyTorch eager": lambda work: TorchStep(work),
    "PyTorch, Adam fused": lambda work: TorchStep(work, {"fused": True}),
    "PyTorch, reduce-overhead": lambda work: TorchStep(work, {"fused": True}, compiled=True),
    "PyTorch, graph by hand": torch_graph,
    "minigan eager": lambda work: minigan_step(work, captured=False),
    "minigan captured": lambda work: minigan_step(work, captured=True),
}


def elapsed(step, count, losses):
    """Return the milliseconds of a step, between two events on the default stream."""
    cupy = backend.cupy
    start, end = cupy.cuda.Event(), cupy.cuda.Event()
    start.record()
    for _ in range(count):
        losses.append(step())
    end.record()
    end.synchronize()
    return cupy.cuda.get_elapsed_time(start, end) / count


def race(work, names, rounds, steps, warm_up=20):
    """({name: milliseconds a step in each round}, {name: mean losses of all steps})"""
    contestants = {name: CONTESTANTS[name](work) for name in names}
    times, losses = {name: [] for name in names}, {name: [] for name in names}
    for name, step in contestants.items():
        elapsed(step, warm_up, losses[name])
    for _ in range(rounds):
        for name, step in contestants.items():
            times[name].append(elapsed(step, steps, losses[name]))
    means = {
        name: np.mean([[float(loss) for loss in pair] for pair in pairs], axis=0) for name, pairs in losses.items()
    }
    return times, means


def main():
    parser = argparse.ArgumentParser(description="Time a training step on a GPU, minigan beside PyTorch.")
    parser.add_argument("work", choices=WORK)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50, help="of a turn")
    parser.add_argument("--only", nargs="+", choices=CONTESTANTS, metavar="NAME", help="leave the others out")
    args = parser.parse_args()
    cupy = backend.device_module("gpu")
    import torch

    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32()
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(f"{name}, CuPy {cupy.__version__}, PyTorch {torch.__version__}, TF32 {'on' if tf32() else 'off'} for both\n")
    names = args.only or list(CONTESTANTS)
    times, means = race(WORK[args.work], names, args.rounds, args.steps)
    references = [name for name in names if name.startswith("PyTorch")]
    print("| | median step | " + " | ".join(f"of {name}" for name in references) + " | mean losses D, G |")
    print("|---|---" + "|---" * len(references) + "|---|")
    for name in names:
        ratios = [f"{ratio(times[name], times[other]):.2f}" for other in references]
        d_loss, g_loss = means[name]
        print(
            " | ".join(
                [f"| {name}", f"{statistics.median(times[name]):.3f} ms", *ratios, f"{d_loss:.2f}, {g_loss:.2f} |"]
            )
        )


if __name__ == "__main__":
    main()
