"""Time forward and backward of an LSTM, in minigan and in PyTorch.

    python benchmarks/lstm.py                         needs PyTorch: pip install torch
    python benchmarks/lstm.py --rounds 30

There are 28 steps of 28 inputs, like the rows of an image, 128 units and a batch of 256. Every state is returned. A
random upstream gradient gives the gradients of the input and of all parameters. "PyTorch batch_first" uses the order
(n, steps, size), as minigan does. "PyTorch time-first" uses PyTorch's own order (steps, n, size). The matrix products
alone, written into existing arrays, are the floor that BLAS sets.
"""

import numpy as np
from interleave import main

BATCH, STEPS, SIZE, UNITS = 256, 28, 28, 128


def random_arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape, dtype=np.float32) for shape in shapes]


def minigan_step(workers):
    from minigan import Sequential
    from minigan.layers import LSTM
    from minigan.ops.allocator import keep_freed_memory

    keep_freed_memory()  # as the training programs do
    net = Sequential([LSTM(UNITS, return_sequences=True)], input_shape=(STEPS, SIZE))
    net.parallel(workers)
    x, dy = random_arrays((BATCH, STEPS, SIZE), (BATCH, STEPS, UNITS))

    def step():
        net.forget_grads()
        net.forward(x, training=True)
        net.backward(dy)

    return step


def torch_step(batch_first):
    import torch

    torch.manual_seed(0)
    lstm = torch.nn.LSTM(SIZE, UNITS, batch_first=batch_first)
    first = (BATCH, STEPS) if batch_first else (STEPS, BATCH)
    x, dy = map(torch.from_numpy, random_arrays((*first, SIZE), (*first, UNITS)))
    x.requires_grad_()

    def step():
        lstm.zero_grad(set_to_none=True)
        x.grad = None
        lstm(x)[0].backward(dy)

    return step


def matrix_products():
    """Return a step that does the three products of each time step: a, dW with dU and db, dx with dh."""
    rows = SIZE + UNITS + 1
    weights, xh, a = random_arrays((rows, 4 * UNITS), (STEPS, rows, BATCH), (STEPS, 4 * UNITS, BATCH))
    dweights, dxh = np.empty_like(weights), np.empty((STEPS, rows - 1, BATCH), np.float32)

    def step():
        for t in range(STEPS):
            np.matmul(weights.T, xh[t], out=a[t])
        for t in reversed(range(STEPS)):
            np.matmul(xh[t], a[t].T, out=dweights)
            np.matmul(weights[:-1], a[t], out=dxh[t])

    return step


CONTESTANTS = {
    "PyTorch batch_first": lambda: torch_step(batch_first=True),
    "PyTorch time-first": lambda: torch_step(batch_first=False),
    "minigan, threads of BLAS": lambda: minigan_step(1),
    "minigan, workers": lambda: minigan_step("auto"),
    "its matrix products alone, NumPy": matrix_products,
}

if __name__ == "__main__":
    main(__file__, CONTESTANTS, references=("PyTorch batch_first", "PyTorch time-first"))
