"""Time several programs side by side. Each has its own process, and they take turns on the same machine.

A contestant is a function without arguments that makes a `step`. A benchmark file has a table of them. It calls
`main(__file__, CONTESTANTS, references)`, or takes the times from `race` and makes a table of its own. On a shared
machine, times drift by tens of percent within minutes. But the ratio within one round hardly changes. So the reports
give the median of these ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def main(file, contestants, references, steps=8):
    """Run as the race, or, with --worker NAME, as one contestant of it."""
    parser = options(contestants, rounds=15, steps=steps)
    parser.add_argument("--only", nargs="+", choices=contestants, help="leave the others out")
    args = parser.parse_args()
    if args.worker:
        work(contestants[args.worker]())
    else:
        times = race(file, args.only or list(contestants), args.rounds, steps, args.threads)
        print_table(times, [name for name in references if name in times])


def options(contestants, rounds, steps):
    """Return the command line that every race has."""
    parser = argparse.ArgumentParser(description="Time the contestants side by side, in turns.")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"turns of {steps} steps for each")
    parser.add_argument("--threads", type=int, default=2, help="threads of BLAS and of PyTorch")
    parser.add_argument("--worker", choices=contestants, metavar="NAME", help=argparse.SUPPRESS)
    return parser


def work(step):
    """Take as many steps as each line of standard input says, and print their times in seconds."""
    step()
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        print(json.dumps(times), flush=True)


class Contestant:
    """The process of one contestant, which takes steps when it is told to."""

    def __init__(self, file, name, threads):
        self.process = subprocess.Popen(
            [sys.executable, file, "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(threads),
        )
        if self.process.stdout.readline().strip() != "ready":
            sys.exit(f"{name} did not start; its error stands above. PyTorch: pip install torch")

    def steps(self, count):
        """Let it take some steps; returns their times in seconds."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def race(file, names, rounds, steps, threads):
    """Start all contestants and let them take turns: {name: the median time of a step in each round, in seconds}."""
    contestants = {name: Contestant(file, name, threads) for name in names}
    times = {name: [] for name in names}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            contestant.steps(1)  # wakes the threads, which slept during the others' turns
            times[name].append(statistics.median(contestant.steps(steps)))
    for contestant in contestants.values():
        contestant.close()
    return times


def environment(threads):
    """Return the variables of a worker: how many threads its BLAS and PyTorch take."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(variables, str(threads))}


def ratio(times, reference):
    """Return how long one takes compared with the other: the median of the ratios within each round."""
    return statistics.median(a / b for a, b in zip(times, reference, strict=True))


def print_table(times, references):
    """Print the times of a race as a table in Markdown, with the ratios to the contestants in `references`."""
    print("| | median step | " + " | ".join(f"of {name}" for name in references) + " |")
    print("|---|---" + "|---" * len(references) + "|")
    for name, own in times.items():
        cells = [f"{statistics.median(own) * 1e3:.1f} ms", *(f"{ratio(own, times[other]):.2f}" for other in references)]
        print(f"| {name} | " + " | ".join(cells) + " |")
