"""Time the small choices in the layers, each beside the slower way, in nanoseconds for each number.

python benchmarks/elementwise.py
"""

import time

import numpy as np

SHAPE = (256, 1024)


def nanoseconds(function, repeats=9, calls=10):
    """Return the median time of a call, divided by the number of numbers in an array of SHAPE."""
    function()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        times.append((time.perf_counter() - start) / calls)
    return np.median(times) / np.prod(SHAPE) * 1e9


def main():
    rng = np.random.default_rng(0)
    x, dy = rng.standard_normal((2, *SHAPE), dtype=np.float32)
    keep, ones, raw = x > 0, np.ones(len(x), np.float32), np.random.Philox(0)

    def computed_slope():
        slope = (x > 0).astype(x.dtype)
        np.maximum(slope, 0.2, out=slope)
        slope *= dy

    def cast_then_product():
        y = keep.astype(x.dtype)
        y *= x

    def by_zeros():
        y = np.zeros_like(x)
        np.maximum(x, y, out=y)

    def by_exp():
        y = np.exp(-x)
        y += 1
        np.reciprocal(y, out=y)

    rows = {
        "ReLU: `maximum(x, 0)`": lambda: np.maximum(x, 0),
        "... with an array of zeros, as the layer does": by_zeros,
        "sigmoid: `0.5 * (1 + tanh(0.5 * x))`, which loses small numbers": lambda: 0.5 * (1 + np.tanh(0.5 * x)),
        "... `1 / (1 + exp(-x))` in place, as the layer does": by_exp,
        "slope of LeakyReLU times dy: `where(x > 0, dy, 0.2 * dy)`": lambda: np.where(x > 0, dy, 0.2 * dy),
        "... computed, as the layer does": computed_slope,
        "float array times bool mask": lambda: x * keep,
        "... the mask cast first, as Dropout does": cast_then_product,
        "dropout's mask from `rng.random(float32) >= rate`": lambda: rng.random(SHAPE, dtype=np.float32) >= 0.4,
        "... from 16 bits of Philox": lambda: raw.random_raw(x.size // 4).view(np.uint16) >= 26214,
        "column sums by `x.sum(axis=0)`": lambda: x.sum(axis=0),
        "... by a row of ones, `ones @ x`": lambda: ones @ x,
    }
    print("| | ns a number |\n|---|---|")
    for name, function in rows.items():
        print(f"| {name} | {nanoseconds(function):.2f} |", flush=True)


if __name__ == "__main__":
    main()
