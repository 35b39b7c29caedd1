"""Time training beside another busy program: workers that share a batch, and threads of BLAS that share each product.

    python benchmarks/under_load.py [--rounds 5] [--busy 1]

The steps are those of dcgan.py, mlp_gan.py and lstm.py. A busy program is an endless loop in Python. Each step is timed
on the quiet machine, then beside the busy programs.
"""

import argparse
import statistics
import subprocess
import sys

import dcgan
import lstm
import mlp_gan
from interleave import Contestant, work

CONTESTANTS = {
    "DCGAN, threads of BLAS": lambda: dcgan.minigan_step("auto", 1),
    "DCGAN, workers": lambda: dcgan.minigan_step("auto", "auto"),
    "MLP-GAN, threads of BLAS": lambda: mlp_gan.minigan_step(1),
    "MLP-GAN, workers": lambda: mlp_gan.minigan_step("auto"),
    "LSTM, threads of BLAS": lambda: lstm.minigan_step(1),
    "LSTM, workers": lambda: lstm.minigan_step("auto"),
}
SECONDS = 3  # of each measurement, at least: the busy program and the step must have shared the cores many times


def median_step(contestant):
    """Return the median time of the steps of at least SECONDS."""
    contestant.steps(1)  # wakes the threads
    times = []
    while sum(times) < SECONDS:
        times += contestant.steps(1)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description="Time training steps on the quiet machine and beside busy programs.")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each, in turns")
    parser.add_argument("--busy", type=int, default=1, help="busy programs")
    parser.add_argument("--threads", type=int, default=2, help="threads of BLAS, and workers")
    parser.add_argument("--worker", choices=CONTESTANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        return work(CONTESTANTS[args.worker]())
    contestants = {name: Contestant(__file__, name, args.threads) for name in CONTESTANTS}
    quiet, loaded = ({name: [] for name in CONTESTANTS} for _ in range(2))
    for _ in range(args.rounds):
        for name, contestant in contestants.items():
            quiet[name].append(median_step(contestant))
            busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(args.busy)]
            try:
                loaded[name].append(median_step(contestant))
            finally:
                for program in busy:
                    program.kill()
                    program.wait()
    print(f"| | quiet machine | beside {args.busy} busy | slowdown |\n|---|---|---|---|")
    for name, contestant in contestants.items():
        before, after = statistics.median(quiet[name]), statistics.median(loaded[name])
        print(f"| {name} | {before * 1e3:.0f} ms | {after * 1e3:.0f} ms | {after / before:.1f} |")
        contestant.close()


if __name__ == "__main__":
    main()
