"""Make digits.npz, the built-in data set: python -m minigan.data.make_digits --mnist-dir DIR [--out FILE].

It takes the first 1,000 training digits of each class from the official MNIST files and keeps them in file order.
"""

import argparse
import hashlib
import sys
from pathlib import Path

import numpy as np

from minigan.data.dataset import DIGITS_PATH, load
from minigan.errors import MiniganError
from minigan.files import atomic_write

PER_CLASS = 1000


def choose(labels, per_class):
    """Return the indices, in rising order, of the first `per_class` labels of each class."""
    return np.sort(np.concatenate([np.flatnonzero(labels == c)[:per_class] for c in np.unique(labels)]))


def make(mnist_dir, out):
    """Write the digits of the MNIST files in `mnist_dir` to the file `out`; the same files give the same bytes."""
    mnist = load("mnist", directory=mnist_dir, split="train")
    chosen = choose(mnist.labels, PER_CLASS)
    with atomic_write(out) as file:
        # savez writes no time stamps, so nothing but zlib's version can change a byte.
        np.savez_compressed(file, images=mnist.images[chosen], labels=mnist.labels[chosen])


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="python -m minigan.data.make_digits",
        description="Make digits.npz, the built-in data set, from the official files of MNIST.",
    )
    parser.add_argument("--mnist-dir", required=True, help="folder with the official MNIST training files")
    parser.add_argument("--out", type=Path, default=DIGITS_PATH, help="file to write (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        make(options.mnist_dir, options.out)
    except MiniganError as error:
        sys.exit(f"make_digits: {error}")
    content = options.out.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    print(f"{options.out}: {len(content):,} bytes, MD5 {md5} (DIGITS_MD5 in minigan/data/sources.py)")


if __name__ == "__main__":
    main()
