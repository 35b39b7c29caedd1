"""The summaries of a run's networks, built again from config.json: a description, which may come from a stranger."""

import json
from functools import lru_cache

from minigan.budget import budget
from minigan.errors import MiniganError
from minigan.files import printable
from minigan.network import Sequential
from minigan.pages import element, table
from minigan.report.words import value_text
from minigan.storage import known_classes, make_layers
from minigan.summary import note, rows_of

# numbers: what a network may take to be summarised. A hostile description must not fill the memory.
LIMITS = {"parameters": 2**25, "state": 2**22, "layers": 1000, "sample": 2**24, "matrices": 2**26, "windows": 2**16}


def summary_of(title, description):
    """Return the summary of a network as a table; or its layers alone, and a sentence that says why."""
    try:
        text = json.dumps(description)
        rows, line = summary_rows(text)
    except (MiniganError, KeyError, TypeError, AttributeError, ValueError, MemoryError, RecursionError) as error:
        reason = str(error) if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"
        return [
            element("p", f"No summary of the {title}: {printable(reason)[:300]}", class_="soft"),
            layers_alone(title, description),
        ]
    headings, *rows = rows
    return [table(f"the {title}", headings, rows, class_="summary"), element("p", line, class_="soft")]


@lru_cache(maxsize=16)
def summary_rows(text):
    """Return the rows of a network's summary and the line below them, from its description as JSON."""
    description = json.loads(text)
    with budget(**LIMITS):
        parts = make_layers(description["layers"], known_classes(Sequential, ()), "config.json")
        network = Sequential(parts, input_shape=description["input_shape"], dtype=description["dtype"])
        return rows_of(network), note(network)


def layers_alone(title, description):
    """Return the layers of a description with their options, as far as it is one."""
    layers = description.get("layers") if isinstance(description, dict) else None
    if not isinstance(layers, list):
        return None
    rows = [
        [printable(layer.get("layer", "?"))[:80], value_text({k: v for k, v in layer.items() if k != "layer"})]
        for layer in layers[:200]
        if isinstance(layer, dict)
    ]
    return table(f"the layers of the {title}, as config.json has them", ["layer", "options"], rows)
