"""Measure resident memory: in many steps of an MLP-GAN it must not grow; its peak in a DCGAN, beside PyTorch.

    python benchmarks/memory.py [--steps 2000]        the MLP-GAN of benchmarks/mlp_gan.py
    python benchmarks/memory.py --peak [5]            5 steps of each contestant of benchmarks/dcgan.py; needs PyTorch

Each contestant is a process of its own. The numbers are for the whole process, with interpreter, libraries and images.
They come from /proc/self/status, so this works on Linux only.
"""

import argparse
import json
import subprocess
import sys

import dcgan
from interleave import environment
from mlp_gan import minigan_step


def memory_mb(key):
    """Return VmRSS, the memory that is resident now, or VmHWM, the most since the process started."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(key)) / 1024


def growth(steps):
    step = minigan_step("auto")
    print("| after steps | resident memory |\n|---|---|")
    for done in range(1, steps + 1):
        step()
        if done in (1, 10) or done % (steps // 5) == 0:
            print(f"| {done:,} | {memory_mb('VmRSS'):.1f} MB |", flush=True)


def peaks(steps, threads):
    """Run the contestants one after the other; the first is the reference."""
    print(f"| | resident before the first step | peak in {steps} steps | of {next(iter(dcgan.CONTESTANTS))} |")
    print("|---|---|---|---|")
    reference = None
    for name in dcgan.CONTESTANTS:
        command = [sys.executable, __file__, "--peak", str(steps), "--worker", name]
        worker = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment(threads))
        if worker.returncode:
            sys.exit(f"{name} failed; its error stands above. PyTorch: pip install torch")
        before, peak = json.loads(worker.stdout)
        reference = reference or peak
        print(f"| {name} | {before:.0f} MB | {peak:.0f} MB | {peak / reference:.2f} |", flush=True)


def peak_of(name, steps):
    """Take the steps of one contestant and print, as JSON, the memory before them and at their peak."""
    step = dcgan.CONTESTANTS[name]()
    before = memory_mb("VmRSS")
    for _ in range(steps):
        step()
    print(json.dumps([before, memory_mb("VmHWM")]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Resident memory over many training steps, or its peak in a few.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--peak", type=int, nargs="?", const=5, metavar="STEPS", help="the peak in steps of a DCGAN")
    parser.add_argument("--threads", type=int, default=2, help="threads of BLAS and of PyTorch, with --peak")
    parser.add_argument("--worker", choices=dcgan.CONTESTANTS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        peak_of(args.worker, args.peak)
    elif args.peak:
        peaks(args.peak, args.threads)
    else:
        growth(args.steps)
