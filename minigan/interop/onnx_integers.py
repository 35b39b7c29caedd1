"""The small calculations with integers that exporters put before a Reshape: which shape should it have?

PyTorch, for one, writes x.view(len(x), -1) as Shape, Gather, Unsqueeze, Concat, Reshape. Here these are computed, with
a number that stands for the batch.
"""

import numpy as np

BATCH = 1_000_003  # a prime, which no other size of a network has
LARGEST, DEEPEST = 64, 40  # numbers in an array of integers; nodes one after the other
ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.floor_divide, "Mod": np.mod}


def integers_of(work, name, depth=0):
    """Return the integers of a tensor, or None for a tensor that holds something else."""
    if name in work.constants:
        values = work.constants[name]
        return values if values.dtype.kind in "ib" and values.size <= LARGEST else None
    if name not in work.whole:
        node = work.makers.get(name)
        known = node is not None and depth < DEEPEST and node.operator in CALCULATIONS
        work.whole[name] = compute(work, node, depth) if known else None
    return work.whole[name]


def compute(work, node, depth):
    if node.operator == "Shape":
        shape = work.whole_shape(node.input(0))
        start, end = node.option("start", 0), node.option("end", None)
        return None if shape is None else np.array(shape[start:end], "int64")
    inputs = [integers_of(work, name, depth + 1) for name in node.inputs if name]
    if not inputs or any(values is None for values in inputs):
        return None
    try:
        with np.errstate(all="ignore"):
            if node.operator in ARITHMETIC:
                result = ARITHMETIC[node.operator](*inputs)
            else:
                result = OTHERS[node.operator](node, *inputs)
    except (ValueError, TypeError, IndexError):
        return None
    return result if result.size <= LARGEST else None


def gather(node, values, places):
    return np.take(values, places, axis=node.option("axis", 0))


def unsqueeze(node, values, axes):
    return np.expand_dims(values, tuple(axes.tolist()))


def squeeze(node, values, axes=None):
    return np.squeeze(values, None if axes is None else tuple(axes.tolist()))


def concat(node, *values):
    return np.concatenate(values, axis=node.option("axis"))


def cut(node, values, starts, ends, axes=None, steps=None):
    """Slice, of vectors alone."""
    if values.ndim != 1:
        raise ValueError("not a vector")
    (start,), (end,), (step,) = starts, ends, [1] if steps is None else steps
    return values[slice(start, end, step)]


def cast(node, values):
    node.option("to")
    return values.astype("int64")


def reshape(node, values, shape):
    return values.reshape(shape)


OTHERS = {
    "Cast": cast,
    "Concat": concat,
    "Gather": gather,
    "Identity": lambda node, values: values,
    "Reshape": reshape,
    "Shape": None,
    "Slice": cut,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
}
CALCULATIONS = {*ARITHMETIC, *OTHERS}
