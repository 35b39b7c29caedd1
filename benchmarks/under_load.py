"""Time training beside other programs: the step of a small DCGAN with two threads of BLAS and with one.

    python benchmarks/under_load.py [--rounds 1] [--busy 0 1 2]

A busy program is an endless loop in Python. Each row of the table has a number of them running.
"""

import argparse
import json
import statistics
import subprocess
import sys

import numpy as np
from interleave import environment, work

from minigan import machine
from minigan.experiments import find


def dcgan_step(threads):
    """Return the step of the experiment dcgan at batch 64."""
    if not machine.set_blas_threads(threads):
        sys.exit("NumPy has another BLAS than OpenBLAS here: set its threads by its own variable, and time a script.")
    gan = find("dcgan").make_gan()
    images = np.random.default_rng(0).uniform(-1, 1, (64, 28, 28, 1)).astype("float32")
    return lambda: gan.train_step(images)


CONTESTANTS = {"two threads": lambda: dcgan_step(2), "one thread": lambda: dcgan_step(1)}


def start(name):
    """Return the process of a contestant, after its first step."""
    command = [sys.executable, __file__, "--worker", name]
    worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment(2))
    if worker.stdout.readline().strip() != "ready":
        sys.exit(f"{name} did not start; its error stands above.")
    return worker


def step(worker):
    """Let a contestant take one step; returns its time in seconds."""
    worker.stdin.write("1\n")
    worker.stdin.flush()
    return json.loads(worker.stdout.readline())[0]


def main():
    parser = argparse.ArgumentParser(description="Time a training step beside busy programs.")
    parser.add_argument("--rounds", type=int, default=1, help="steps of each contestant a row, in turns")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2], help="busy programs, one row for each")
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(CONTESTANTS[args.worker]())
    workers = {name: start(name) for name in CONTESTANTS}
    print("| busy programs beside it | " + " | ".join(workers) + " |")
    print("|---" * (1 + len(workers)) + "|")
    for count in args.busy:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
        try:
            rounds = [[step(worker) for worker in workers.values()] for _ in range(args.rounds)]
        finally:
            for program in busy:
                program.kill()
        medians = [statistics.median(times) for times in zip(*rounds, strict=True)]
        print(f"| {count} | " + " | ".join(f"{seconds:.2f} s" for seconds in medians) + " |", flush=True)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()


if __name__ == "__main__":
    main()
