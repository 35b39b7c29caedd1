"""Time examples/mlp_gan.py as a whole, from the start of Python to the last picture, beside the same in PyTorch.

    python benchmarks/whole_example.py                needs PyTorch: pip install torch
    python benchmarks/whole_example.py --epochs 35    the example's default; some minutes for each program

The PyTorch program has the same networks, data, batches, learning rates, moving average and pictures, and all that
"PyTorch tuned" means in mlp_gan.py: D frozen in G's step, Adam fused, activations in place.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from interleave import environment, print_table

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "mlp_gan.py"
BATCH_SIZE, LATENT_SIZE, LEARNING_RATE, EMA_DECAY = 128, 100, 5e-4, 0.998  # of the example


def torch_networks():
    """Return the networks of the example."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    g_layers, width = [], LATENT_SIZE
    for units in (256, 512, 1024):
        g_layers += [nn.Linear(width, units, bias=False), nn.BatchNorm1d(units), nn.LeakyReLU(0.2, True)]
        width = units
    generator = nn.Sequential(*g_layers, nn.Linear(width, 784), nn.Tanh(), nn.Unflatten(1, (28, 28, 1)))
    discriminator = nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 1024), nn.LeakyReLU(0.2, True), nn.Dropout(0.4)),
        *(nn.Linear(1024, 512), nn.LeakyReLU(0.2, True), nn.Dropout(0.4), nn.Linear(512, 1)),
    )
    return generator, discriminator


def real_numbers(net):
    """Return the parameters and running statistics of a network of PyTorch, without its counters."""
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]


def torch_program(epochs, out):
    """Do what the example does, with PyTorch."""
    import copy

    import torch
    from tqdm.auto import tqdm

    from minigan import data, pictures

    G, D = torch_networks()
    options = {"lr": LEARNING_RATE, "betas": (0.5, 0.999), "fused": True}
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), **options) for net in (G, D))
    bce, ones, zeros = torch.nn.BCEWithLogitsLoss(), torch.ones(BATCH_SIZE, 1), torch.zeros(BATCH_SIZE, 1)
    images, fixed, frames = data.load("digits").images, torch.randn(64, LATENT_SIZE), []
    averaged, steps = copy.deepcopy(G).eval(), 0
    averages, numbers = real_numbers(averaged), real_numbers(G)
    for epoch in tqdm(range(epochs)):
        for batch in data.batches(images, BATCH_SIZE, np.random.default_rng(epoch)):
            generated = G(torch.randn(BATCH_SIZE, LATENT_SIZE))
            d_adam.zero_grad(set_to_none=True)
            logits = D(torch.cat([torch.from_numpy(batch), generated.detach()]))
            (bce(logits[:BATCH_SIZE], ones) + bce(logits[BATCH_SIZE:], zeros)).backward()
            d_adam.step()
            D.requires_grad_(False)
            g_adam.zero_grad(set_to_none=True)
            bce(D(generated), ones).backward()
            g_adam.step()
            D.requires_grad_(True)
            steps += 1
            decay = min(EMA_DECAY, (1 + steps) / (10 + steps))
            with torch.no_grad():
                torch._foreach_lerp_(averages, numbers, 1 - decay)
        with torch.no_grad():
            frames.append(pictures.grid(averaged(fixed).numpy()))
        pictures.save_png(out / f"epoch_{epoch + 1:03}.png", frames[-1])
    pictures.save_gif(out / "learning.gif", frames)


def seconds(command, threads):
    """Return how long a program runs."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment(threads))
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description="Time a whole example beside the same program in PyTorch.")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program, in turns")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch, and workers of minigan")
    parser.add_argument("--torch", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.torch:
        return torch_program(args.epochs, args.torch)
    with tempfile.TemporaryDirectory() as folder:
        epochs = ["--epochs", str(args.epochs)]
        example = [sys.executable, str(EXAMPLE), *epochs, "--out", f"{folder}/minigan"]
        programs = {
            "PyTorch tuned": [sys.executable, __file__, *epochs, "--torch", folder],
            "examples/mlp_gan.py": example,
            "examples/mlp_gan.py --workers 1": [*example, "--workers", "1"],
        }
        times = {name: [] for name in programs}
        for _ in range(args.rounds):
            for name, command in programs.items():
                times[name].append(seconds(command, args.threads))
    print_table(times, ["PyTorch tuned"])
    print(f"\n{args.epochs} epochs, the whole program")


if __name__ == "__main__":
    main()
