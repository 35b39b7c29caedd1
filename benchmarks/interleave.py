"""Time several programs side by side: each in a process of its own, taking turns, so that all meet the same machine.

A contestant is a function without arguments that makes a `step`; a benchmark file holds a table of them and calls
`main(__file__, CONTESTANTS, references)`. Times on a shared machine drift by tens of percent within minutes; the ratio
within one round hardly does, so it is the median of these ratios that is reported.
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
    parser = argparse.ArgumentParser(description="Time the contestants side by side, in turns.")
    parser.add_argument("--rounds", type=int, default=15, help=f"turns of {steps} steps for each")
    parser.add_argument("--threads", type=int, default=2, help="threads of BLAS and of PyTorch")
    parser.add_argument("--only", nargs="+", choices=contestants, help="leave the others out")
    parser.add_argument("--worker", choices=contestants, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(contestants[args.worker]())
    else:
        race(file, args.only or list(contestants), references, args.rounds, steps, args.threads)


def work(step):
    """Take as many steps as each line of standard input says, and answer with their times in seconds."""
    step()
    print("ready", flush=True)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        print(json.dumps(times), flush=True)


def race(file, names, references, rounds, steps, threads):
    """Start all workers, let them take turns, print a table in Markdown."""
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(variables, str(threads))}
    workers = {}
    for name in names:
        workers[name] = subprocess.Popen(
            [sys.executable, file, "--worker", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        if workers[name].stdout.readline().strip() != "ready":
            sys.exit(f"{name} did not start; its error stands above. PyTorch: pip install torch")

    def turn(name, count):
        workers[name].stdin.write(f"{count}\n")
        workers[name].stdin.flush()
        return json.loads(workers[name].stdout.readline())

    medians = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            turn(name, 1)  # wakes the threads, which slept during the others' turns
            medians[name].append(statistics.median(turn(name, steps)))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()

    references = [name for name in references if name in names]
    print("| | median step | " + " | ".join(f"of {name}" for name in references) + " |")
    print("|---|---" + "|---" * len(references) + "|")
    for name in names:
        ratios = [
            statistics.median(a / b for a, b in zip(medians[name], medians[other], strict=True)) for other in references
        ]
        cells = [f"{statistics.median(medians[name]) * 1e3:.1f} ms", *(f"{ratio:.2f}" for ratio in ratios)]
        print(f"| {name} | " + " | ".join(cells) + " |")
