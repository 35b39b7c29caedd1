"""How the time of a training step falls with the number of processes: a model on paper, checked at 1 and 2 here.

    python benchmarks/scaling.py [NAME ...] [--rounds 7]         needs mpi4py and mpirun: pip install "minigan[mpi]"

One process computes a step of m rows in a + b m seconds: a for updates and calls, b for each row. Of b, the part r is
work that every process does for the whole batch: latents, and the images of the batch. With p processes:

    T(p) = a + (b - r) n/p + r n + sum over all all-reduces of ( 2 log2(p) latency + 2 (p - 1)/p bytes / bandwidth )

a, b and r are measured in one process; latency and bandwidth between two processes of this machine, or taken from the
data sheets of a network; the all-reduces of a step are counted. See docs/parallel.md.
"""

import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

THREADS = "OPENBLAS_NUM_THREADS"
PROCESSES = (1, 2, 8, 64, 1024)
SMALL, LARGE = 8, 8_000_000  # bytes of the all-reduces that latency and bandwidth are measured with


@dataclass
class Link:
    """What connects two processes: the latency in seconds, the bandwidth in bytes a second."""

    latency: float
    bandwidth: float

    def all_reduce(self, size, p):
        """Return the time to add up `size` bytes of p processes: reduce-scatter, then all-gather, by halving."""
        return 2 * math.log2(p) * self.latency + 2 * (p - 1) / p * size / self.bandwidth


LINKS = {"10 Gbit/s, 30 us": Link(30e-6, 1.25e9), "100 Gbit/s, 2 us": Link(2e-6, 12.5e9)}


@dataclass
class Model:
    """The cost of a step: fixed (a), row (b), repeated (r) in seconds, and the bytes of each all-reduce."""

    fixed: float
    row: float
    repeated: float
    sums: list

    def compute(self, n, p):
        return self.fixed + (self.row - self.repeated) * n / p + self.repeated * n

    def communicate(self, n, p, link):
        return sum(link.all_reduce(fixed + rows * n, p) for fixed, rows in self.sums)

    def step(self, n, p, link):
        """Return the time of a step with a batch of n rows and p processes."""
        return self.compute(n, p) + self.communicate(n, p, link)


def make(name, n):
    """Return the GAN of an experiment, and a function that makes its next batch of n images."""
    import numpy as np

    from minigan import data
    from minigan.experiments import find
    from minigan.ops.allocator import keep_freed_memory

    keep_freed_memory()  # as the training programs do
    experiment = find(name)
    images = data.load("digits").images
    rng = np.random.default_rng(0)

    def batches():
        while True:
            yield from data.batches(images, n, rng, *experiment.data_range)

    return experiment.make_gan(images.shape[1:]), batches().__next__


def median(function, rounds):
    """Return the median time of a call, after a first one that does not count."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def count_sums(name, n):
    """Return (bytes, bytes for each row) of all all-reduces of a step: a group of one process notes them."""
    from minigan.parallel import Group

    class Counting(Group):
        def add_up(self, array):
            noted.append(array.nbytes)

    found = []
    for rows in (n, 2 * n):
        noted = []
        gan, batch = make(name, rows)
        gan.join(Counting())
        gan.train_step(batch())
        found.append(noted)
    return [(2 * one - two, (two - one) / n) for one, two in zip(*found, strict=True)]


def measure(name, n, rounds):
    """Return the Model of an experiment, and the measured time of a step of n rows."""
    times = {}
    for rows in (n, n // 2):
        gan, batch = make(name, rows)
        times[rows] = median(lambda gan=gan, batch=batch: gan.train_step(batch()), rounds)
    gan, batch = make(name, n)
    net = gan.generator
    repeated = median(lambda: (batch(), gan.latent.sample(n, gan.rng, net.dtype)), 2 * rounds) / n
    row = (times[n] - times[n // 2]) / (n - n // 2)
    return Model(times[n] - n * row, row, repeated, count_sums(name, n)), times[n]


def as_process(name, n, rounds):
    """Be one of the processes that mpirun has started; rank 0 prints what they measure, as JSON."""
    import numpy as np

    from minigan.parallel import processes

    group = processes()
    found = {}
    for key, size in (("small", SMALL), ("large", LARGE)):
        array = np.zeros(size // 4, "float32")
        found[key] = median(lambda array=array: group.add_up(array), 50)
    gan, batch = make(name, n)
    gan.join(group)
    found["step"] = median(lambda: gan.train_step(batch()), rounds)
    if group.rank == 0:
        print(json.dumps(found), flush=True)


def run_processes(p, name, n, rounds):
    """Return what p processes measure."""
    beside = Path(sys.executable).parent / "mpirun"
    mpirun = str(beside) if beside.exists() else shutil.which("mpirun")
    version = subprocess.run([mpirun, "--version"], capture_output=True, text=True).stdout
    options = ["--bind-to", "none", "--oversubscribe", "--allow-run-as-root"] if "Open MPI" in version else []
    arguments = [__file__, name, "--batch-size", str(n), "--rounds", str(rounds), "--as-process"]
    command = [mpirun, *options, "-n", str(p), sys.executable, *arguments]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def report(name, n, rounds):
    """Measure an experiment here, check the model at 2 processes, and print what it says of more."""
    model, one = measure(name, n, rounds)
    two = run_processes(2, name, n, rounds)
    # two processes: 2 log2(2) latency for a few bytes; of many, half goes out and half comes back
    here = Link(two["small"] / 2, LARGE / max(two["large"] - two["small"], 1e-9))
    total = sum(fixed + rows * n for fixed, rows in model.sums)
    said = model.step(n, 2, here)
    print(
        f"\n{name}, batch {n}: a {1e3 * model.fixed:.0f} ms, b {1e6 * model.row:.0f} us a row, of which r "
        f"{1e6 * model.repeated:.1f} us; {len(model.sums)} all-reduces of {total / 1e6:.2f} MB together.\n"
        f"Here: latency {1e6 * here.latency:.1f} us, bandwidth {here.bandwidth / 1e9:.1f} GB/s. One process "
        f"{1e3 * one:.0f} ms. Two: the model says {1e3 * said:.0f} ms, measured {1e3 * two['step']:.0f} ms "
        f"({two['step'] / one:.2f} of one)."
    )
    print_table(model, n)


def print_table(model, n):
    """Print the speed-up that the model gives for numbers of processes: of one batch, and of n rows for each."""
    print("\n| processes |" + "".join(f" {link}: one batch | n rows each | sums |" for link in LINKS))
    print("|---|" + "---|---|---|" * len(LINKS))
    for p in PROCESSES:
        cells = []
        for link in LINKS.values():
            one = model.step(n, 1, link)
            strong = f"{one / model.step(n, p, link):.1f}" if p <= n else "-"
            weak = p * one / model.step(p * n, p, link)
            share = model.communicate(p * n, p, link) / model.step(p * n, p, link)
            cells += [strong, f"{weak:.1f}", f"{share:.0%}"]
        print(f"| {p:,} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description="Model the time of a step with many processes, checked at 1 and 2.")
    parser.add_argument("names", nargs="*", default=["C1", "mlp-gan"], help="experiments; default: C1 mlp-gan")
    parser.add_argument("--batch-size", type=int, help="default: the experiment's own")
    parser.add_argument("--rounds", type=int, default=7, help="steps that are timed")
    parser.add_argument("--as-process", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ[THREADS] = "1"  # before NumPy is imported
    from minigan import machine
    from minigan.experiments import find

    if not args.as_process:
        print(machine.cpu_model())
    for name in args.names:
        n = args.batch_size or find(name).batch_size
        (as_process if args.as_process else report)(name, n, args.rounds)


if __name__ == "__main__":
    main()
