"""Resident memory over 2,000 training steps of the MLP-GAN of benchmarks/mlp_gan.py: it must not grow.

    python benchmarks/memory.py [--steps 2000]

Reads /proc/self/status, so Linux only.
"""

import argparse

from mlp_gan import minigan_step


def resident_mb():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


def main(steps):
    step = minigan_step()
    print("| after steps | resident memory |\n|---|---|")
    for done in range(1, steps + 1):
        step()
        if done in (1, 10) or done % (steps // 5) == 0:
            print(f"| {done:,} | {resident_mb():.1f} MB |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Resident memory over many training steps.")
    parser.add_argument("--steps", type=int, default=2000)
    main(parser.parse_args().steps)
