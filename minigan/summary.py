"""The summary of a network: a row for each layer, as text for a terminal and as HTML for a notebook."""

import copy
import html

from minigan.layers.base import Layer
from minigan.layers.trainable import slices_that_learn

TITLES = ("layer", "output shape", "parameters", "flops", "bytes kept")


def rows_of(network):
    """Return the rows of the table as lists of text: the titles, the input, each layer, the total."""
    small, large = cache_bytes(network)
    rows = [TITLES, ("input", shape_text(network.input_shape), "", "", "")]
    total = 0
    for (indent, layer), low, high in zip(listed(network.layers), small, large, strict=True):
        if not isinstance(layer, Layer):
            rows.append((indent + layer, "", "", "", ""))
            continue
        numbers = (sum(value.size for value in layer.params.values()), layer.flops(), high - low)
        rows.append((indent + described(layer), shape_text(layer.output_shape), *(f"{number:,}" for number in numbers)))
        total += 0 if indent else high - low
    totals = (network.flat_params.size, network.flops(), total)
    rows.append(("total", "", *(f"{number:,}" for number in totals)))
    return rows


def listed(layers, indent=""):
    """Yield (indent, layer) of layers and, below a layer with branches, of those in its branches.

    An empty branch is a text.
    """
    for layer in layers:
        yield indent, layer
        for k, branch in enumerate(getattr(layer, "branches", ())):
            yield from listed(branch or [f"branch{k}: the input itself"], indent + "  ")


def note(network):
    """Return the line below the table."""
    text, size = f"flops forward and bytes kept for backward: per sample, in {network.dtype}", network.flat_params.size
    learns = sum(place.stop - place.start for place, _ in slices_that_learn(network))
    return text if learns == size else f"{text}; {learns:,} parameters are trainable, {size - learns:,} are frozen"


def described(layer):
    """Return the layer's name, and whether it is frozen."""
    return layer.describe() + (" (frozen)" if layer.params and not layer.trainable else "")


def as_text(network):
    """Return the table with aligned columns."""
    rows = rows_of(network)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    rule = "-" * max(map(len, lines))
    lines[1:1], lines[-1:] = [rule], [rule, lines[-1]]
    return "\n".join([*lines, note(network)])


def as_html(network):
    """Return the table as HTML; a notebook shows it where a network is the last line of a cell."""
    lines = []
    for index, row in enumerate(rows_of(network)):
        tag = "th" if index == 0 else "td"
        cells = [
            f'<{tag} style="text-align: {"left" if i < 2 else "right"}">{html.escape(cell)}</{tag}>'
            for i, cell in enumerate(row)
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table><p><small>{note(network)}</small></p>"


def shape_text(shape):
    """Return the shape of a batch in words: (n, 28, 28, 1)."""
    return f"(n, {', '.join(map(str, shape))})"


def cache_bytes(network):
    """Return the bytes that each listed layer of a copy keeps after a training pass of two samples, and of three."""
    twin, bytes_kept = copy.deepcopy(network), []
    for batch in (2, 3):  # of a single row, a BatchNorm would say that nothing can be learned
        labels = [0] * batch if network.takes_labels else None
        twin.forward(network.xp.zeros((batch, *network.input_shape), network.dtype), training=True, labels=labels)
        bytes_kept.append([array_bytes(layer) for _, layer in listed(twin.layers)])
        twin.clear_cache()
    return bytes_kept


def array_bytes(layer):
    """Return the bytes of the arrays that a layer and those inside it saved; parameters do not count."""
    if not isinstance(layer, Layer):
        return 0
    owned = {id(value) for value in layer.params.values()}
    _, saved = layer.cache or (0, ())
    inner_layers = [*getattr(layer, "layers", ()), *(part for part in saved if isinstance(part, Layer))]
    inner = sum(array_bytes(part) for part in inner_layers)
    return inner + sum(part.nbytes for part in saved if hasattr(part, "nbytes") and id(part) not in owned)
