"""Show which functions take the time of the step of benchmarks/mlp_gan.py.

python benchmarks/profile_mlp_gan.py [--steps 100]
"""

import argparse
import cProfile
import pstats
from pathlib import Path

from mlp_gan import minigan_step


def main(steps):
    step = minigan_step()
    for _ in range(20):
        step()
    profile = cProfile.Profile()
    profile.enable()
    for _ in range(steps):
        step()
    profile.disable()
    stats = pstats.Stats(profile)
    print(f"{stats.total_tt / steps * 1e3:.1f} ms a step\n\n| function | own time |\n|---|---|")
    by_time = sorted(stats.stats.items(), key=lambda item: -item[1][2])
    for (path, line, name), (_, _, own_time, _, _) in by_time[:12]:
        place = f"{Path(path).name}:{line} {name}" if line else name
        print(f"| {place} | {own_time / stats.total_tt:.1%} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A profile of the MLP-GAN step.")
    parser.add_argument("--steps", type=int, default=100)
    main(parser.parse_args().steps)
