"""Time the three maps of each convolution layer, by every algorithm of minigan and by PyTorch.

    python benchmarks/convolution.py                  needs PyTorch: pip install torch
    python benchmarks/convolution.py --layers C1-G1 C1-D2 --rounds 9

Batch 256, float32, no bias. PyTorch runs in both memory layouts, and the one with the smaller median is the reference.
Every layer, map and program is a process of its own. The processes of one layer take turns.

Encoding takes time, too. The time of forward includes the encoding of x and of the kernel, which are then kept, as the
layers keep them. dy is encoded once for dW and dx, and the time of dW includes this. So the row "all" is the cost of a
forward and a backward pass of the layer. If PyTorch reorders its operands, it does so within each map.
"""

import statistics
from typing import NamedTuple

import numpy as np
from interleave import options, race, ratio, work

from minigan.ops.allocator import keep_freed_memory
from minigan.ops.convolution.choose import ALGORITHMS, make_plan

BATCH, STEPS = 256, 3
HOPELESS = 10  # an algorithm that counts so many times the cost of the cheapest would only slow the race
MAPS, LAYOUTS = ("forward", "dW", "dx"), ("NCHW", "channels_last")


class Layer(NamedTuple):
    """A convolution of a larger image (size, size, channels) into a smaller (size / stride, size / stride, filters).

    Conv2DTranspose goes the other way, so its input is the smaller one and its output has `channels` channels.
    """

    kind: str
    size: int
    channels: int
    filters: int
    k: int
    stride: int

    @property
    def transposed(self):
        return self.kind == "Conv2DTranspose"

    @property
    def shapes(self):
        """Return the shapes of an image, the kernel and an output."""
        size, p, k = self.size, -(-self.size // self.stride), self.k
        return (size, size, self.channels), (k, k, self.channels, self.filters), (p, p, self.filters)

    def plan(self, algorithm, dtype="float32"):
        """Return minigan's plan for the convolution that this layer is, or whose adjoint it is."""
        image, kernel, (p, _, _) = self.shapes
        # as many zeros as for "same", but laid as PyTorch lays them: the odd one before the image
        before = self.k // 2
        pads = (before, (p - 1) * self.stride + self.k - self.size - before)
        return make_plan(self.kind, image, kernel, (self.stride,) * 2, (pads, pads), np.dtype(dtype), np, algorithm)

    def arrays(self, n, dtype):
        """Return random images, kernel and outputs."""
        image, kernel, output = self.shapes
        rng = np.random.default_rng(0)
        return [rng.standard_normal(shape).astype(dtype) for shape in ((n, *image), kernel, (n, *output))]

    def __str__(self):
        image, _, output = (" × ".join(map(str, shape)) for shape in self.shapes)
        sides = f"{output} → {image}" if self.transposed else f"{image} → {output}"
        return f"{self.kind} {self.k} × {self.k}, stride {self.stride}: {sides}"


LAYERS = {
    "C1-G1": Layer("Conv2DTranspose", size=7, channels=128, filters=256, k=5, stride=1),
    "C1-G2": Layer("Conv2DTranspose", size=14, channels=64, filters=128, k=5, stride=2),
    "C1-G3": Layer("Conv2DTranspose", size=28, channels=1, filters=64, k=5, stride=2),
    "C1-D1": Layer("Conv2D", size=28, channels=1, filters=64, k=5, stride=2),
    "C1-D2": Layer("Conv2D", size=14, channels=64, filters=128, k=5, stride=2),
    "C1-D3": Layer("Conv2D", size=7, channels=128, filters=256, k=5, stride=2),
    "E3-G1": Layer("Conv2D", size=14, channels=128, filters=64, k=5, stride=1),
    "E3-G2": Layer("Conv2D", size=28, channels=64, filters=1, k=5, stride=1),
    "B10-G3": Layer("Conv2D", size=28, channels=16, filters=32, k=3, stride=1),
}


def minigan_maps(layer, algorithm, n=BATCH, dtype="float32"):
    """Return {map: a function that computes it with the layer's plan}."""
    keep_freed_memory()  # as the training programs do
    plan = layer.plan(algorithm, dtype)
    image, kernel, output = layer.arrays(n, dtype)
    kept_image, kept_kernel, kept_output = (
        plan.encode_image(image),
        plan.encode_kernel(kernel),
        plan.encode_output(output),
    )
    if layer.transposed:  # x is the output of the convolution, dy its image
        return {
            "forward": lambda: plan.input_gradient(plan.encode_output(output), plan.encode_kernel(kernel)),
            "dW": lambda: plan.weight_gradient(plan.encode_image(image), kept_output),
            "dx": lambda: plan.correlate(kept_image, kept_kernel),
        }
    return {
        "forward": lambda: plan.correlate(plan.encode_image(image), plan.encode_kernel(kernel)),
        "dW": lambda: plan.weight_gradient(kept_image, plan.encode_output(output)),
        "dx": lambda: plan.input_gradient(kept_output, kept_kernel),
    }


def torch_maps(layer, layout, n=BATCH, dtype="float32"):
    """Return {map: a function that computes it with PyTorch}: images (n, c, h, w), kernel (filters, channels, k, k)."""
    import torch

    memory_format = torch.channels_last if layout == "channels_last" else torch.contiguous_format
    image, kernel, output = map(torch.from_numpy, layer.arrays(n, dtype))
    image, output = (array.permute(0, 3, 1, 2).contiguous(memory_format=memory_format) for array in (image, output))
    kernel = kernel.permute(3, 2, 0, 1).contiguous(memory_format=memory_format)
    x, dy = (output, image) if layer.transposed else (image, output)
    pad = layer.k // 2
    # rows of the image that no window covers, as PyTorch counts: "output padding"
    rest = (layer.size + 2 * pad - layer.k) % layer.stride if layer.transposed else 0
    # strides, padding, dilation, transposed, output padding, groups
    geometry = [layer.stride] * 2, [pad] * 2, [1, 1], layer.transposed, [rest] * 2, 1
    aten = torch.ops.aten
    return {
        "forward": lambda: aten.convolution(x, kernel, None, *geometry),
        "dW": lambda: aten.convolution_backward(dy, x, kernel, None, *geometry, [False, True, False])[1],
        "dx": lambda: aten.convolution_backward(dy, x, kernel, None, *geometry, [True, False, False])[0],
    }


def raced(key):
    """Return the algorithms that count at most HOPELESS times the cost of the cheapest for this layer."""
    costs = {algorithm: LAYERS[key].plan(algorithm).cost() for algorithm in ALGORITHMS}
    return [algorithm for algorithm, cost in costs.items() if cost <= HOPELESS * min(costs.values())]


def contestants(key):
    """Return {"layer, map, program": what makes its step}, for all maps and programs of one layer."""
    programs = {**dict.fromkeys(LAYOUTS, torch_maps), **dict.fromkeys(raced(key), minigan_maps)}
    return {
        contestant(key, name, program): lambda maps=maps, program=program, name=name: maps(LAYERS[key], program)[name]
        for name in MAPS
        for program, maps in programs.items()
    }


def contestant(key, name, program):
    return f"{key}, {name}, {program}"


def rows(key, times):
    """Return the rows of the table for one layer: its maps, then their sum in each round."""
    algorithms = raced(key)
    per_map = {name: {p: times[contestant(key, name, p)] for p in (*LAYOUTS, *algorithms)} for name in MAPS}
    per_map["all"] = {p: list(map(sum, zip(*(per_map[name][p] for name in MAPS), strict=True))) for p in per_map["dx"]}
    for name, own in per_map.items():
        layout = min(LAYOUTS, key=lambda layout: statistics.median(own[layout]))
        ratios = [f"{ratio(own[name], own[layout]):.2f}" if name in algorithms else "-" for name in ALGORITHMS]
        yield [
            *(key, name, f"{statistics.median(own[layout]) * 1e3:.2f} ({layout})"),
            *(*ratios, LAYERS[key].plan("auto").name),
        ]


def print_rows(*rows):
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)


def main():
    everything = {name: make for key in LAYERS for name, make in contestants(key).items()}
    parser = options(everything, rounds=7, steps=STEPS)
    parser.add_argument("--layers", nargs="+", choices=LAYERS, default=list(LAYERS), help="leave the others out")
    args = parser.parse_args()
    if args.worker:
        return work(everything[args.worker]())

    print_rows(["layer", "", *(f"{algorithm}, Mflop an image" for algorithm in ALGORITHMS)])
    print_rows(["---"] * (2 + len(ALGORITHMS)))
    for key in args.layers:
        flops = [f"{LAYERS[key].plan(algorithm).flops() / 1e6:.2f}" for algorithm in ALGORITHMS]
        print_rows([key, str(LAYERS[key]), *flops])
    print()
    print_rows(["layer", "map", "PyTorch, ms", *(f"{algorithm} / PyTorch" for algorithm in ALGORITHMS), "auto takes"])
    print_rows(["---"] * (4 + len(ALGORITHMS)))
    for key in args.layers:
        print_rows(*rows(key, race(__file__, contestants(key), args.rounds, STEPS, args.threads)))


if __name__ == "__main__":
    main()
