"""The microscope: one batch forward and back through a network, with everything that happens in between."""

import copy
from collections.abc import Callable, Sequence

from minigan.analysis.microscope.explain import explanation_of
from minigan.analysis.microscope.explanation import Explanation
from minigan.analysis.microscope.recording import on_cpu, record_parameters, record_updates, views_of
from minigan.analysis.microscope.table import as_html, as_text
from minigan.analysis.microscope.view import LayerView
from minigan.errors import OptionError
from minigan.hints import Array, Labels, PathLike
from minigan.network import Sequential
from minigan.optimizers import SGD, Optimizer, clip_grad_norm
from minigan.options import (
    hint,
    is_integer,
    require_array,
    require_built,
    require_flag,
    require_positive,
    require_text,
    shown,
    takes_one_argument,
)

OWNER = "microscope"


class Microscope:
    """What happened in one pass forward and back, layer by layer, as `minigan.microscope` returns it.

    layers     a LayerView for each layer, first to last
    x, y, dy, dx     what went into the network and came out, as NumPy arrays
    print it for a table; in a notebook it shows itself
    """

    def __init__(self, layers: list[LayerView], training: bool, y: Array):
        self.layers, self.training, self.y = layers, training, y
        first, last = layers[0], layers[-1]
        self.x, self.dx, self.dy = first.x, first.dx, last.dy

    def __getitem__(self, layer: int | str) -> LayerView:
        """Return the LayerView of a layer by its number or its name: scope[0], scope["0.Dense"]"""
        names = [view.name for view in self.layers]
        if isinstance(layer, str) and names.count(layer) == 1:
            return self.layers[names.index(layer)]
        if is_integer(layer) and -len(names) <= layer < len(names):
            return self.layers[layer]
        raise OptionError(
            f"{OWNER}: expected a layer by its number, 0 to {len(names) - 1}, or by its name, {', '.join(names)}, got "
            f"{shown(layer)}.{hint(layer, names)}"
        )

    def explain(self, layer: int | str, what: str, index: int | Sequence[int]) -> Explanation:
        """Return the sum that made one number: which inputs, which weights, the products.

        layer      its number or name
        what       "y" or "dx"; "dW" for the gradient of the parameter W, and so on ("W" is short for it)
        index      the place of the number in this array: (0, 3)
        It compares the sum with the same number by central differences of the layer's own forward pass, in float64.
        Errors     OptionError for an unknown layer or name; ShapeError for an index outside of the array
        """
        return explanation_of(self[layer], what, index)

    def save(self, path: PathLike, title: str = "The microscope") -> None:
        """Write a page of HTML, in which one can click on every number that it shows to see its sum.

        The page is one file, needs no network, and has at most 5 MB: where the arrays are larger, it shows a part of
        their samples, channels and units, and says so.
        """
        from minigan.analysis.microscope.page import Network, write_microscope

        mode = "training" if self.training else "inference"
        lead = f"One batch of {len(self.y)} in {mode} mode, forward and back."
        write_microscope(path, require_text(OWNER, title=title), [Network("network", lead, {"now": self})])

    def __str__(self):
        return as_text(self)

    def __repr__(self):
        return f"<Microscope of {len(self.layers)} layers; print it for a table>"

    def _repr_html_(self):
        """Return a small table with histograms, for notebooks."""
        return as_html(self)


def microscope(
    net: Sequential,
    x: Array,
    dy: Array | Callable[[Array], Array],
    labels: Labels | None = None,
    training: bool = True,
    optimizer: Optimizer | float | None = None,
    max_grad_norm: float | None = None,
) -> Microscope:
    """Run one batch forward and back through a copy of a network, and return all that happened as a Microscope.

    x          the input, (n, ...), in the network's dtype and on its device
    dy         the gradient of the loss with respect to the output: an array, or a function of y that returns it, such
               as lambda y: loss(y, targets)[1]
    labels     the classes of the samples, if the network takes labels; training: the mode of forward
    optimizer  the network's optimizer, or a learning rate (of plain SGD), to see how the parameters would change;
               max_grad_norm: the gradient is clipped to this length before
    The network and its optimizer stay as they are: parameters, gradients, running statistics, random numbers.
    """
    require_built(OWNER, net=net)
    training = require_flag(OWNER, training=training)
    if isinstance(dy, type) or not callable(dy):
        require_array(OWNER, dtype=net.dtype, dy=dy)
    elif not takes_one_argument(dy):
        raise OptionError(f"{OWNER}: expected dy as an array, or a function of y alone, got {shown(dy)}.")
    if max_grad_norm is not None:
        max_grad_norm = require_positive(OWNER, max_grad_norm=max_grad_norm)
    before, (twin, step) = copy.deepcopy(net), copies(net, optimizer)
    views = views_of(twin, before, training)
    y = twin.forward(x, training, labels)
    twin.zero_grads()
    twin.backward(dy(y) if callable(dy) else dy)
    record_parameters(twin, views)
    if step is not None:
        if max_grad_norm is not None:
            clip_grad_norm(twin, max_grad_norm)
        start = twin.flat_params.copy()
        step.step()
        record_updates(twin, views, twin.flat_params - start)
    return Microscope(views, training, on_cpu(y))


def copies(net, optimizer):
    """Return a copy of a network, and of its optimizer or a new one for a learning rate; None without either."""
    if optimizer is None:
        return copy.deepcopy(net), None
    if isinstance(optimizer, Optimizer):
        if optimizer.net is not net:
            raise OptionError(f"{OWNER}: the optimizer was made for another network. Give that of this net.")
        return copy.deepcopy((net, optimizer))
    lr = require_positive(OWNER, optimizer=optimizer)
    twin = copy.deepcopy(net)
    return twin, SGD(twin, lr)
