"""Train an experiment with minigan and with PyTorch, and judge the samples of both: are minigan's as good?

    python benchmarks/samples.py mlp-gan                 needs PyTorch: pip install torch; some minutes for each seed
    python benchmarks/samples.py dcgan --dataset fashion-mnist --epochs 7 --csv FILE

PyTorch gets the same networks with the same initial weights, the same batches in the same order, the same optimizers
and the same moving average of the generator. Only the latents and Dropout's masks are its own. A difference counts if
it is larger than the spread of the seeds.
"""

import argparse
import copy
import csv
import statistics

import numpy as np
from tqdm.auto import tqdm
from whole_example import real_numbers

from minigan import data, metrics
from minigan.experiments import find
from minigan.gan.objectives import NonSaturating

SCORES = ("nfd", "score", "smallest_class", "coverage")
SAMPLES, PART = 10_000, 1000  # made in parts


def batches(experiment, images, seed, program):
    """Yield the batches of all epochs, as `minigan train` does."""
    low, high = experiment.data_range
    bar = tqdm(range(experiment.epochs), f"{experiment.name}, {program}, seed {seed}", unit="epoch")
    for epoch in bar:
        order = np.random.default_rng((seed, 3, epoch))
        yield from data.batches(images, experiment.batch_size, order, low=low, high=high)


def minigan_samples(experiment, images, seed):
    """Train with minigan, and return samples of the averaged generator."""
    gan = experiment.make_gan(images.shape[1:], seed)
    gan.parallel("auto")
    for batch in batches(experiment, images, seed, "minigan"):
        gan.train_step(batch)
    return gan.sample(SAMPLES, seed=0)


def torch_samples(experiment, images, seed):
    """Train the same networks with PyTorch, and return samples of the averaged generator."""
    import torch
    from torch_twin import torch_network

    torch.manual_seed(seed)
    gan = experiment.make_gan(images.shape[1:], seed)
    G, D = torch_network(gan.generator), torch_network(gan.discriminator)
    g_adam, d_adam = torch_adam(gan.g_optimizer, G), torch_adam(gan.d_optimizer, D)
    n, size, bce = experiment.batch_size, experiment.latent.size, torch.nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(n, 1), torch.zeros(n, 1)
    average = copy.deepcopy(G)
    averages, numbers = real_numbers(average), real_numbers(G)
    for t, batch in enumerate(batches(experiment, images, seed, "PyTorch"), start=1):
        generated = G(torch.randn(n, size))
        d_adam.zero_grad()
        logits = D(torch.cat([torch.from_numpy(batch), generated.detach()]))
        (bce(logits[:n], ones) + bce(logits[n:], zeros)).backward()
        d_adam.step()
        D.requires_grad_(False)
        g_adam.zero_grad()
        bce(D(generated), ones).backward()
        g_adam.step()
        D.requires_grad_(True)
        decay = min(experiment.ema, (1 + t) / (10 + t))
        with torch.no_grad():
            torch._foreach_lerp_(averages, numbers, 1 - decay)
    average.eval()
    with torch.no_grad():
        return np.concatenate([average(torch.randn(PART, size)).numpy() for _ in range(SAMPLES // PART)])


def torch_adam(adam, net):
    """Return PyTorch's Adam with the options of minigan's."""
    import torch

    return torch.optim.Adam(net.parameters(), lr=adam.lr, betas=(adam.beta1, adam.beta2), eps=adam.epsilon)


def check_recipe(experiment):
    """Stop where torch_samples does not do what the experiment does."""
    if not isinstance(experiment.objective, NonSaturating) or experiment.penalties or not experiment.ema:
        raise SystemExit(f"{experiment.name}: only experiments with NonSaturating, an average and no penalties.")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="+", metavar="EXPERIMENT")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--dataset", help="default: the experiment's own")
    parser.add_argument("--epochs", type=int, help="default: the experiment's own")
    parser.add_argument("--data-dir")
    parser.add_argument("--csv", help="write the scores of each run to this file")
    args = parser.parse_args()

    rows = []
    for name in args.experiments:
        experiment = find(name)
        check_recipe(experiment)
        experiment = experiment.but(
            name, epochs=args.epochs or experiment.epochs, dataset=args.dataset or experiment.dataset
        )
        train = data.load(experiment.dataset, args.data_dir)
        reference = metrics.load_reference(train, args.data_dir)
        for seed in args.seeds:
            for program, samples in (("minigan", minigan_samples), ("PyTorch", torch_samples)):
                scores = metrics.evaluate(samples(experiment, train.images, seed), reference)
                found = [scores[key] for key in SCORES]
                rows.append((name, experiment.dataset, experiment.epochs, program, seed, *found))
                print(*rows[-1], flush=True)
                if args.csv:  # after each run, so that nothing is lost if the program is stopped
                    write_rows(args.csv, rows)
    print_means(rows)


def write_rows(path, rows):
    """Write the scores of all runs as CSV."""
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("experiment", "dataset", "epochs", "program", "seed", *SCORES), *rows])


def print_means(rows):
    """Print for each experiment and program the mean of its seeds, and their standard deviation."""
    print(f"| experiment | program | {' | '.join(SCORES)} |", "|---" * (2 + len(SCORES)) + "|", sep="\n")
    for name, _, _, program in dict.fromkeys(row[:4] for row in rows):
        columns = zip(*(row[5:] for row in rows if (row[0], row[3]) == (name, program)), strict=True)
        cells = [f"{statistics.mean(c):.2f} ± {statistics.stdev(c) if len(c) > 1 else 0:.2f}" for c in columns]
        print(f"| {name} | {program} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
