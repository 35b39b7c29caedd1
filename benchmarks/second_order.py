"""Time a step of the critic of WGAN-GP, with its gradient penalty, in minigan and in PyTorch.

    python benchmarks/second_order.py                      needs PyTorch: pip install torch
    python benchmarks/second_order.py --network conv --rounds 30

A step is the losses on real and on generated images, the penalty between them, and Adam (lr 1e-4, betas 0 and .9), with
batches of 64. PyTorch computes the gradient of the penalty by a graph of the backward pass (create_graph=True), minigan
by a tangent pass. The step without the penalty shows what the penalty costs. Networks: mlp is 784-512-256-1, conv has
two convolutions with 5 x 5 kernels and strides 2, 32 and 64 filters; both with LeakyReLU. tanh is mlp with Tanh: its
curves need one pass more.
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


def minigan_step(with_penalty, network):
    from minigan import Sequential
    from minigan.gan import objectives, penalties
    from minigan.layers import Conv2D, Dense, Flatten, LeakyReLU, Tanh
    from minigan.optimizers import Adam
    from minigan.parallel import ALONE

    layers = {
        "mlp": lambda: [Flatten(), Dense(512), LeakyReLU(), Dense(256), LeakyReLU(), Dense(1)],
        "tanh": lambda: [Flatten(), Dense(512), Tanh(), Dense(256), Tanh(), Dense(1)],
        "conv": lambda: [Conv2D(32, 5, 2), LeakyReLU(), Conv2D(64, 5, 2), LeakyReLU(), Flatten(), Dense(1)],
    }[network]()
    net = Sequential(layers, SHAPE)
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


def torch_step(with_penalty, network):
    import torch
    from torch import nn

    torch.manual_seed(0)
    activation = nn.Tanh if network == "tanh" else lambda: nn.LeakyReLU(0.2)
    if network == "conv":
        parts = [nn.Conv2d(1, 32, 5, 2, 2), activation(), nn.Conv2d(32, 64, 5, 2, 2), activation()]
        net = nn.Sequential(*parts, nn.Flatten(), nn.Linear(64 * 49, 1))
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


NETWORKS = ("mlp", "tanh", "conv")
CONTESTANTS = {
    "PyTorch, create_graph=True": (torch_step, True),
    "minigan, tangent pass": (minigan_step, True),
    "PyTorch, no penalty": (torch_step, False),
    "minigan, no penalty": (minigan_step, False),
}

if __name__ == "__main__":
    parser = options(CONTESTANTS, rounds=15, steps=STEPS)
    parser.add_argument("--network", nargs="+", choices=NETWORKS, default=NETWORKS)
    args = parser.parse_args()
    if args.worker:
        make, with_penalty = CONTESTANTS[args.worker]
        work(make(with_penalty, os.environ["CRITIC"]))
        sys.exit()
    for network in args.network:
        os.environ["CRITIC"] = network  # for the processes of the contestants
        print(f"\n{network}, batch {BATCH}\n")
        print_table(race(__file__, list(CONTESTANTS), args.rounds, STEPS, args.threads), ["PyTorch, create_graph=True"])
