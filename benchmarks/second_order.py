"""Time a step of the critic of WGAN-GP, with its gradient penalty, in minigan and in PyTorch.

    python benchmarks/second_order.py                      needs PyTorch: pip install torch
    python benchmarks/second_order.py --network conv --rounds 30

A step is the losses on real and on generated images, the penalty between them, and Adam (lr 1e-4, betas 0 and .9), with
batches of 64. PyTorch computes the gradient of the penalty by a graph of the backward pass (create_graph=True), minigan
by a tangent pass. The step without the penalty shows what the penalty costs.

Networks: mlp is 784-512-256-1; tanh is mlp with Tanh, whose curves need one pass more; conv has two convolutions with
5 x 5 kernels and strides 2, 32 and 64 filters. mlp and conv have LeakyReLU. lstm reads 28 rows of 28 pixels by two
LSTM layers of 128 units.

"minigan" is as `python -m minigan train` runs it: workers share the batch, and freed memory is kept. "minigan, a
script" is what a script has that asks for nothing: threads of BLAS. "memory kept" gives PyTorch the same memory.
"""

import os
import sys

import numpy as np
from interleave import options, print_table, race, work

BATCH, STEPS = 64, 8
SHAPE = (28, 28, 1)


def batches():
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (BATCH, *SHAPE)).astype("float32") for _ in range(2)]


def minigan_step(with_penalty, network, as_train=True):
    from minigan import Sequential
    from minigan.gan import objectives, penalties
    from minigan.layers import LSTM, Conv2D, Dense, Flatten, LeakyReLU, Reshape, Tanh
    from minigan.ops.allocator import keep_freed_memory
    from minigan.optimizers import Adam
    from minigan.parallel import ALONE

    layers = {
        "mlp": lambda: [Flatten(), Dense(512), LeakyReLU(), Dense(256), LeakyReLU(), Dense(1)],
        "tanh": lambda: [Flatten(), Dense(512), Tanh(), Dense(256), Tanh(), Dense(1)],
        "conv": lambda: [Conv2D(32, 5, 2), LeakyReLU(), Conv2D(64, 5, 2), LeakyReLU(), Flatten(), Dense(1)],
        "lstm": lambda: [Reshape(SHAPE[:2]), LSTM(128, return_sequences=True), LSTM(128), Dense(1)],
    }[network]()
    net = Sequential(layers, SHAPE)
    if as_train:
        keep_freed_memory()
        net.parallel("auto")
    adam, rng = Adam(net, 1e-4, 0.0, 0.9), np.random.default_rng(0)
    real, generated = batches()
    objective, penalty = objectives.Wasserstein(clip=None), penalties.WGANGP()

    def step():
        net.forget_grads()
        logits = net.forward(np.concatenate([real, generated]), training=True)
        _, dreal = objective.real(logits[:BATCH], rng)
        _, dfake = objective.fake(logits[BATCH:], rng)
        net.backward(np.concatenate([dreal, dfake]), input_grad=False)
        if with_penalty:
            penalty.add(net, real, generated, rng, ALONE)
        adam.step()

    return step


def torch_step(with_penalty, network, memory_kept=False):
    import torch
    from torch import nn

    from minigan.ops.allocator import keep_freed_memory

    if memory_kept:
        keep_freed_memory()
    torch.manual_seed(0)
    activation = nn.Tanh if network == "tanh" else lambda: nn.LeakyReLU(0.2)
    if network == "conv":
        parts = [nn.Conv2d(1, 32, 5, 2, 2), activation(), nn.Conv2d(32, 64, 5, 2, 2), activation()]
        net = nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * 49, 1))
    elif network == "lstm":
        lstm, dense = nn.LSTM(28, 128, num_layers=2, batch_first=True), nn.Linear(128, 1)
        parts = nn.ModuleList([lstm, dense])
        net = lambda x: dense(lstm(x[:, 0])[0][:, -1])  # noqa: E731
        net.parameters = parts.parameters
    else:
        parts = [nn.Linear(784, 512), activation(), nn.Linear(512, 256), activation()]
        net = nn.Sequential(nn.Flatten(), *parts, nn.Linear(256, 1))
    adam = torch.optim.Adam(net.parameters(), 1e-4, betas=(0.0, 0.9))
    real, generated = (torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()) for batch in batches())

    def step():
        adam.zero_grad()
        logits = net(torch.cat([real, generated]))
        loss = logits[BATCH:].mean() - logits[:BATCH].mean()
        if with_penalty:
            points = (real + torch.rand(BATCH, 1, 1, 1) * (generated - real)).requires_grad_()
            (g,) = torch.autograd.grad(net(points).sum(), points, create_graph=True)
            loss = loss + 10 * ((g.reshape(BATCH, -1).norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        adam.step()

    return step


NETWORKS = ("mlp", "tanh", "conv", "lstm")
PYTORCH, KEPT = "PyTorch, create_graph=True", "PyTorch, create_graph=True, memory kept"
CONTESTANTS = {
    PYTORCH: lambda network: torch_step(True, network),
    KEPT: lambda network: torch_step(True, network, memory_kept=True),
    "minigan": lambda network: minigan_step(True, network),
    "minigan, a script": lambda network: minigan_step(True, network, as_train=False),
    "PyTorch, no penalty": lambda network: torch_step(False, network),
    "minigan, no penalty": lambda network: minigan_step(False, network),
}

if __name__ == "__main__":
    parser = options(CONTESTANTS, rounds=15, steps=STEPS)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS)
    args = parser.parse_args()
    if args.worker:
        work(CONTESTANTS[args.worker](os.environ["CRITIC"]))
        sys.exit()
    for network in args.network:
        os.environ["CRITIC"] = network  # for the processes of the contestants
        print(f"\n{network}, batch {BATCH}\n")
        print_table(race(__file__, list(CONTESTANTS), args.rounds, STEPS, args.threads), [PYTORCH, KEPT])
