"""The layers that take labels, read from ONNX: operators around the rows of a table that belong to the labels.

Where Gather takes such rows, `work.table` knows the table, (classes, size). What becomes of them says which layer it
is:

    ConditionalBatchNorm   BatchNormalization without scale and shift, Mul by rows, Add of rows
    Projection             Mul of x and rows, ReduceSum; a Gemm of x; Add of the two
    ConcatenateLabel       Concat of x and rows, or of x and OneHot; in images after Reshape and Expand
    Embedding              anything else
"""

import numpy as np

from minigan.interop.onnx_integers import BATCH
from minigan.interop.onnx_patterns import found
from minigan.interop.onnx_work import permutation
from minigan.layers import ConcatenateLabel, ConditionalBatchNorm, Projection
from minigan.options import shown


def gather(work, node):
    """Rows of a table; the operators that take them make layers of them."""
    if not work.model.labels or node.input(1) != work.model.labels:
        raise ValueError(
            "minigan has it only for labels: from a table of constants, the rows whose numbers are the model's second "
            "input, a vector of integers"
        )
    node.require("axis", 0, default=0)
    table = work.constant(node, 0)
    if table.ndim < 2 or not table.size:
        raise ValueError(f"expected a table with a row for each class, (classes, size), found the shape {table.shape}")


def one_hot(work, node):
    """1 at the place of the label, else 0."""
    classes, values = work.integers(node.input(1)), work.constant(node, 2)
    if not work.model.labels or node.input(0) != work.model.labels:
        raise ValueError("minigan has it only for labels, the model's second input, a vector of integers")
    if classes is None or classes.size != 1 or int(classes.reshape(-1)[0]) < 1:
        raise ValueError("expected the number of classes as a constant integer")
    if values.reshape(-1).tolist() != [0, 1]:
        raise ValueError(f"minigan's ConcatenateLabel has the numbers 0 and 1, found {shown(values.tolist())}")
    node.require("axis", -1, 1, default=-1)
    if any(after.operator not in ("Concat", "Reshape") for after in work.consumers.get(node.outputs[0], [])):
        raise ValueError("minigan has it only in ConcatenateLabel: behind the numbers, or the channels, of each sample")


def classes_of(work, name):
    """Return the number of classes of a OneHot that makes a tensor, or None."""
    node = work.makers.get(name)
    if node is None or node.operator != "OneHot" or node.input(0) != work.model.labels:
        return None
    return int(work.integers(node.input(1)).reshape(-1)[0])  # the node itself was read before


def conditional_batch_norm(work, node, numbers):
    """A BatchNormalization that Mul and Add by rows follow. Returns whether it is one.

    numbers    of the BatchNormalization, by minigan's names
    """
    nodes, tables = [node], []
    for operator in ("Mul", "Add"):
        before = nodes[-1].outputs[0]
        after = work.next_node(before)
        others = [name for name in after.inputs if name != before] if after and after.operator == operator else []
        table = table_of(work, others[0]) if len(others) == 1 else None
        if table is None:
            return False
        nodes.append(after)
        tables.append(table)
    x = work.tensor(node)
    gamma, beta = tables
    expected = (len(gamma), x.shape[-1], *(1 for _ in x.shape[1:]))  # one number for all pixels of a channel
    if gamma.shape != expected or beta.shape != expected:
        raise ValueError(
            f"expected tables of the shape {expected} for the scales and shifts of the classes after it, found "
            f"{gamma.shape} and {beta.shape}"
        )
    if (numbers["gamma"] != 1).any() or numbers["beta"].any():
        raise ValueError(
            "minigan's ConditionalBatchNorm has scales and shifts of the classes alone; here the BatchNormalization "
            "before them has its own, too"
        )
    for name, table in (("gamma", gamma), ("beta", beta)):
        numbers[name] = table.reshape(len(table), -1)[:, permutation(x.order)]
    layer = ConditionalBatchNorm(len(gamma), node.option("momentum", 0.9), node.option("epsilon", 1e-5))
    found(work, nodes, layer, numbers)
    return True


def scales_channels(work, node):
    """Return whether a Reshape lets rows of a table count for channels, (n, c) -> (n, c, 1, 1), in a Mul or Add."""
    table, target = work.table(node.input(0)), work.integers(node.input(1))
    if table is None or table.ndim != 2 or target is None or target.ndim != 1 or len(target) < 3:
        return False
    after = work.next_node(node.outputs[0])
    if after is None or after.operator not in ("Mul", "Add"):
        return False
    node.require("allowzero", 0, default=0)
    return target[0] in (0, -1, BATCH) and target[1] == table.shape[1] and (target[2:] == 1).all()


def table_of(work, name):
    """Return the table whose rows a tensor holds, with 1 for each axis of pixels that a Reshape has added; or None."""
    node = work.makers.get(name)
    if node is None or node.operator != "Reshape" or not scales_channels(work, node):
        return work.table(name)
    table, axes = work.table(node.input(0)), len(work.integers(node.input(1)))
    return table.reshape(*table.shape, *(1,) * (axes - 2))


def projection(work, node):
    """A product of x and rows, its sum for each sample, and x w + b. Returns whether it is one."""
    place = 1 if work.table(node.input(1)) is None else 0  # of x
    x, rows = node.input(place), node.input(1 - place)
    table, along = work.table(rows), work.next_node(node.outputs[0])
    if table is None or along is None or along.operator != "ReduceSum":
        return False
    after = work.next_node(along.outputs[0])
    if after is None or after.operator != "Add":
        return False
    others = [name for name in after.inputs if name != along.outputs[0]]
    gemm = work.makers.get(others[0]) if len(others) == 1 else None
    if gemm is None or gemm.operator != "Gemm" or gemm.input(0) != x or work.next_node(others[0]) is not after:
        return False
    tensor, (W, b) = work.tensor(node, place), work.weights(gemm)
    size = tensor.shape[-1]
    if len(tensor.shape) != 1 or table.shape != (len(table), size):
        raise ValueError(
            f"minigan's Projection takes vectors, and a table with as many columns; found samples of the shape "
            f"{tensor.shape}, and a table of the shape {table.shape}"
        )
    if W.shape != (size, 1) or (b is not None and b.size != 1):
        raise ValueError(f"minigan's Projection gives one number for each sample, found weights of {W.shape}")
    if work.axes_of(along) not in ([1], [-1]) or along.option("keepdims", 1) != 1:
        raise ValueError("minigan's Projection sums over the numbers of a sample, axes=[1], and keeps this axis")
    along.read.add("noop_with_empty_axes")  # there are axes
    p = permutation(tensor.order)
    arrays = {"w": W[p], "E": table[:, p]} | ({} if b is None else {"b": b.reshape(1)})
    layer = Projection(len(table), use_bias=b is not None)
    found(work, [node, along, gemm, after], layer, arrays, place=place, order=None)
    return True


def found_everywhere(work, node):
    """A Reshape to one pixel and an Expand to all pixels, for ConcatenateLabel. Returns whether it is one."""
    if classes_of(work, node.input(0)) is None and work.table(node.input(0)) is None:
        return False
    after = work.next_node(node.outputs[0])
    if after is None or after.operator != "Expand":
        return False
    node.require("allowzero", 0, default=0)
    work.done.add(after.number)  # concatenate_label looks at both
    return True


def concatenate_label(work, node):
    """Concat of x and the numbers of the label. Returns whether it is one."""
    if len(node.inputs) != 2:
        return False
    name, pixel, shape = where_it_stands(work, node.input(1))
    table, classes = work.table(name), classes_of(work, name)
    if table is None and classes is None:
        return False
    x = work.tensor(node)
    size = classes if table is None else table.shape[1]
    axis = 0 if x.first else len(x.shape) - 1  # of the channels, in a sample
    places = [*x.onnx_shape]
    places[axis] = size
    pixels = [1] * len(places)
    pixels[axis] = size
    if (table is not None and table.ndim != 2) or (shape or [size]) != places or (pixel or [size]) != pixels:
        raise ValueError(
            f"expected the numbers of the label as {size} more channels of each sample, of the shape {tuple(places)}, "
            f"found the shape {tuple(shape or [size])}, made from one pixel of {tuple(pixel or [size])}"
        )
    if not isinstance(permutation(x.order), slice):
        raise ValueError("minigan cannot put labels behind vectors that were images with the channels first")
    layer = ConcatenateLabel(classes or len(table), None if table is None else size)
    work.add(node, layer, {} if table is None else {"E": table})
    return True


def where_it_stands(work, name):
    """Return (tensor, shape of a pixel, shape of a sample) of numbers that were brought to all pixels.

    Without Reshape and Expand, this is (name, None, None).
    """
    expand = work.makers.get(name)
    reshape = work.makers.get(expand.input(0)) if expand is not None and expand.operator == "Expand" else None
    if reshape is None or reshape.operator != "Reshape":
        return name, None, None
    pixel, places = work.integers(reshape.input(1)), work.integers(expand.input(1))
    known = pixel is not None and places is not None and pixel.ndim == places.ndim == 1
    if not known or len(pixel) != len(places) or min(pixel[1:], default=0) < 1 or min(places[1:]) < 1:
        raise ValueError("the shape of the label's numbers is not known before the network runs")
    if pixel[0] not in (0, -1, BATCH) or places[0] not in (1, BATCH):
        raise ValueError("minigan has one label for each sample, and here the first axis changes")
    if any(1 not in pair and pair[0] != pair[1] for pair in zip(pixel[1:], places[1:], strict=True)):
        raise ValueError(f"the shapes {pixel.tolist()} and {places.tolist()} of the label's numbers do not fit")
    return reshape.input(0), pixel[1:].tolist(), np.maximum(pixel[1:], places[1:]).tolist()
