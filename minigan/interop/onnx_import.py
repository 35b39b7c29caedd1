"""An ONNX model as a Sequential: the operators that minigan has as layers, and one clear error for all others.

The operators are read one after the other, each into layers (onnx_readers.py). Then the way from the output back to the
input gives the network: where an operator joins several tensors, the ways to it become the branches of one layer.
"""

from minigan import storage
from minigan.budget import SLACK, budget, spend
from minigan.errors import CheckpointError, MiniganError
from minigan.interop.onnx_export import import_onnx
from minigan.interop.onnx_model import Model
from minigan.interop.onnx_readers import READERS
from minigan.interop.onnx_work import Work, permutation
from minigan.layers import Flatten, Reshape

DEEPEST = 16  # branches in branches
MOST_STEPS = 10**6  # on the way back from the ends of branches to where they began
LONGEST_REASON = 500  # characters of an error that a file brings about


def load(network_class, source, xp):
    """Return the network that an ONNX file holds: see Sequential.from_onnx."""
    onnx = import_onnx()
    where, content = storage.read(source)
    model = Model(onnx, content, where)
    limits = {kind: model.numbers + SLACK for kind in ("parameters", "state")}
    work = Work(model)
    try:
        with budget(**limits):
            spend("layers", len(model.nodes), "a network", f"{len(model.nodes):,} operators")
            read_nodes(work)
        require_minigans_order(work)
        row = checked_row(Rows(work).between(model.input, model.output))
        with budget(**limits):
            layers = make(row) or [Reshape(work.tensors[model.input].shape)]  # a model that changes nothing
            network = network_class(layers, input_shape=work.tensors[model.input].shape, dtype=model.dtype)
        fill(row)
    except CheckpointError:
        raise
    except (ValueError, TypeError, MemoryError, RecursionError, MiniganError) as error:
        raise CheckpointError(
            f"{where}: this ONNX model is not a network that minigan can have: {str(error)[:LONGEST_REASON]}"
        ) from error
    network.convert(network.dtype, xp)
    return network


def read_nodes(work):
    """Turn every operator into layers, or say which one cannot be."""
    constants = [node for node in work.model.nodes if node.operator == "Constant"]  # patterns look ahead for them
    for node in [*constants, *work.model.nodes]:
        try:
            if node.number in work.done or work.integers(node.outputs[0]) is not None or work.is_unknown(node):
                continue
            if node.operator not in READERS:
                raise ValueError(f"minigan has no such operator. It reads {', '.join(sorted(READERS))}")
            READERS[node.operator](work, node)
            node.require_all_read()
            work.done.add(node.number)
        except (ValueError, TypeError, IndexError, KeyError, OverflowError, MemoryError, MiniganError) as error:
            reason = str(error) if isinstance(error, (ValueError, MiniganError)) else f"{type(error).__name__}: {error}"
            raise CheckpointError(
                f"{work.model.where}: {node} cannot be read: {reason[:LONGEST_REASON].rstrip('.')}."
            ) from error


class Rows:
    """The layers from one tensor to another."""

    def __init__(self, work):
        self.work, self.used, self.climbed = work, set(), 0
        self.gates, self.depths = {work.model.input: None}, {work.model.input: 0}
        for name, step in work.steps.items():  # in the order of the nodes
            gate = self.common(step.inputs)
            if gate is not None:
                self.gates[name], self.depths[name] = gate, self.depths[gate] + 1

    def common(self, names):
        """Return the last tensor that lies on all ways from the input to these tensors; None if there are no such ways.

        Tensors that are made from the labels alone do not count: they can begin anywhere.
        """
        names = [name for name in names if name in self.gates]
        if not names:
            return None
        first, *others = names
        for other in others:
            while first != other:
                self.climbed += 1
                if self.climbed > MOST_STEPS:
                    raise ValueError("its branches are too many and too long")
                if self.depths[first] < self.depths[other]:
                    other = self.gates[other]
                else:
                    first = self.gates[first]
        return first

    def between(self, start, end, depth=0):
        """Return the layers that lead from the tensor `start` to `end`: (layer or class of branches, ...)"""
        if depth > DEEPEST:
            raise ValueError(f"it has more than {DEEPEST} branches within branches")
        row = []
        while end != start and end is not None:  # None: what is made from the labels alone begins here
            if end in self.used or end not in self.work.steps:
                raise ValueError("its branches are crossed: minigan needs branches that begin and end together")
            self.used.add(end)
            step = self.work.steps[end]
            if step.join:
                gate = self.common(step.inputs)
                branches = [checked_row(self.between(gate, name, depth + 1)) for name in step.inputs]
                row.append((step.join, branches, None, None))
                end = gate
            else:
                row += reversed(step.layers)
                (end,) = step.inputs or [None]
        return row[::-1]


def checked_row(row):
    """Return a row of layers without the reshapings that others after them undo."""
    tidy = []
    for entry in row:
        layer, arrays, before, after = entry
        if isinstance(layer, Reshape):
            if tidy and isinstance(tidy[-1][0], Reshape):
                before = tidy.pop()[2]
            if before == after:
                continue
            layer = Flatten() if len(after) == 1 else Reshape(after)
        tidy.append((layer, arrays, before, after))
    return tidy


def make(row):
    """Return the layers of a row."""
    return [entry(*map(make, parts)) if isinstance(entry, type) else entry for entry, parts, *_ in row]


def fill(row):
    """Copy the numbers of the file into the layers, once they are parts of a network."""
    for entry, parts, *_ in row:
        if isinstance(entry, type):
            for branch in parts:
                fill(branch)
            continue
        for name, array in parts.items():
            (entry.params if name in entry.params else entry.state)[name] = array


def require_minigans_order(work):
    """Raise ValueError if the output is a vector that was an image with the channels first."""
    if not work.is_made(work.model.output):
        raise ValueError("its output is not made from its input")
    tensor = work.tensors[work.model.output]
    if not isinstance(permutation(tensor.order), slice):
        raise ValueError("its output is an image as a vector, with the channels first: minigan has them last")
