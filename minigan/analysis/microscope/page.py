"""The page of the microscope: one file of HTML with the passes of one network or of several, at several checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minigan.analysis.microscope.crops import LEVELS
from minigan.analysis.microscope.document import Store, arrays_as_json, facts_of
from minigan.analysis.microscope.measuring import measured_crop
from minigan.files import as_path, atomic_write
from minigan.hints import PathLike
from minigan.pages import element, page_text, section

FOLDER = Path(__file__).parent
STYLES, SCRIPTS = (
    [FOLDER / "microscope.css"],
    [FOLDER / f"{name}.js" for name in ("sums", "sums_of_others", "pictures", "number", "microscope")],
)
LARGEST = 5_000_000  # bytes of a page


@dataclass
class Network:
    """A network in the page: its name, a sentence about the batch, and a Microscope for each label of a checkpoint."""

    name: str
    lead: str
    scopes: dict[str, Any]


def write_microscope(path: PathLike, title: str, networks: list[Network], lead: Any = None, notes: Any = ()) -> int:
    """Write the page, with as much of the arrays as fits; return its size in bytes."""
    page = {"body": body_of(networks, notes), "lead": lead, "scripts": SCRIPTS, "styles": STYLES}
    facts = [[[facts_of(view) for view in scope.layers] for scope in network.scopes.values()] for network in networks]
    for level in LEVELS:  # without the differences, which take time; numbers of the same size stand in for them
        if len(page_text(title, data=data_of(networks, facts, level, placeholder), **page)) <= LARGEST:
            break
    text = page_text(title, data=data_of(networks, facts, level, measured_crop), **page).encode("utf-8")
    with atomic_write(as_path(path)) as file:
        file.write(text)
    return len(text)


def placeholder(view, what, crop):
    """Return an array like that of measured_crop, which no other array of the page equals."""
    return np.full([len(axis) for axis in crop], np.random.default_rng().random())


def data_of(networks, facts, level, measure):
    """Return all that the scripts show, as JSON values. measure: a function such as measured_crop"""
    store, found = Store(), []
    for network, known in zip(networks, facts, strict=True):
        checkpoints = []
        for (label, scope), of_layers in zip(network.scopes.items(), known, strict=True):
            layers = [
                fact | {"arrays": arrays_as_json(view, store, level, measure)}
                for view, fact in zip(scope.layers, of_layers, strict=True)
            ]
            checkpoints.append({"label": label, "layers": layers})
        found.append({"name": network.name, "lead": network.lead, "checkpoints": checkpoints})
    return {"networks": found, "store": store.texts}


def body_of(networks, notes):
    """Return the parts of the page that the scripts fill."""
    several, steps = len(networks) > 1, max(len(network.scopes) for network in networks)
    choices = [element("option", network.name, value=k) for k, network in enumerate(networks)]
    controls = element(
        "div",
        element("label", "Network ", element("select", choices, id="network"), hidden=not several),
        element(
            "label",
            "Checkpoint: ",
            element("output", id="checkpoint-name", for_="checkpoint"),
            element("input", type="range", id="checkpoint", min=0, max=steps - 1, value=steps - 1, step=1),
            class_="slider",
            hidden=steps < 2,
        ),
        class_="controls",
    )
    return [
        element("noscript", element("p", "This page needs JavaScript: it computes the sums.", class_="note")),
        [element("div", element("p", note), class_="note") for note in notes],
        section(
            "Layers, in the order of the forward pass",
            element("p", id="lead", class_="soft"),
            controls,
            element("ol", id="layers", class_="strip", aria_label="Layers"),
            element(
                "div",
                element("div", id="layer"),
                element("aside", id="sum", class_="sum", aria_label="The sum that made the chosen number"),
                class_="bench",
            ),
            element("p", id="spoken", class_="unseen", aria_live="polite"),
            name="layers-of-the-network",
        ),
    ]
