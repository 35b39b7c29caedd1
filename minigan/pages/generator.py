"""The page of a generator: the network itself runs in the browser, and draws images from latents that a reader chooses.

The page holds every number of the network as float32, so its images are those of `predict`. How it works, what it
costs, and why it is not ONNX with a WebAssembly program: docs/browser.md
"""

from pathlib import Path
from typing import Any

from minigan.errors import OptionError, ShapeError
from minigan.gan.latent import Latent, Normal, Uniform
from minigan.hints import PathLike
from minigan.labels import labels_of_grid
from minigan.network import Sequential
from minigan.options import require_built, require_instance, require_range
from minigan.pages.markup import Markup, element
from minigan.pages.network_data import network_data
from minigan.pages.page import write_page
from minigan.pictures import CHANNELS

HERE = Path(__file__).parent
STYLES = [HERE / "generator.css"]
SCRIPTS = [HERE / name for name in ("random.js", "latents.js", "layers.js", "network.js", "generator.js")]
KINDS = {Normal: "normal", Uniform: "uniform"}  # the latents that a page can draw
SHOWN = 64  # images in a grid, as `sample` draws them
LARGEST_SEED = 2**53 - 1  # that a number in JavaScript holds exactly


def write_generator(
    path: PathLike,
    net: Sequential,
    latent: Latent,
    title: str = "A generator",
    lead: Any = None,
    data_range: tuple[float, float] = (-1, 1),
    command: str | None = None,
) -> None:
    """Write a page with a generator that runs in the browser. The page works from disk, and needs no network.

    latent     the distribution of its input: Normal or Uniform
    lead       what stands below the title, for example who trained it on what
    data_range the numbers that the generator gives for black and for white
    command    what draws the same images in Python, without --seed and --labels
    Errors     OptionError for latents or layers that have no JavaScript form, ShapeError for a network that makes no
               images
    """
    data = generator_data(net, latent, data_range, command)
    body = generator_body(data)
    write_page(path, title, body, lead=lead, data={"generator": data}, styles=STYLES, scripts=SCRIPTS)


def generator_data(
    net: Sequential, latent: Latent, data_range: tuple[float, float] = (-1, 1), command: str | None = None
) -> dict[str, Any]:
    """Return what generator.js needs, as JSON values. Arguments: as for `write_generator`"""
    owner = "generator page"
    net = require_built(owner, net=net)
    require_instance(owner, Latent, "latent.Normal(100)", latent=latent)
    low, high = require_range(owner, *data_range)
    shape = net.output_shape
    if len(shape) != 3 or shape[2] not in CHANNELS:
        raise ShapeError(
            f"{owner}: expected a network that makes images (n, h, w, c) with 1, 3 or 4 channels, got one that makes "
            f"(n, {', '.join(map(str, shape))})."
        )
    if type(latent) not in KINDS or net.input_shape != (latent.size,):
        raise OptionError(
            f"{owner}: expected latents that are Normal or Uniform, of shape {net.input_shape}, got {latent}. A page "
            "cannot draw others."
        )
    labels, columns = labels_of_grid(net.classes)
    return {
        "network": network_data(net),
        "shape": list(shape),
        "latent": KINDS[type(latent)],
        "latentRange": [latent.low, latent.high] if isinstance(latent, Uniform) else [],
        "range": [low, high],
        "classes": net.classes,
        "shown": SHOWN,
        "labels": None if labels is None else labels.tolist(),
        "columns": columns,
        "command": command,
    }


def generator_body(data: dict[str, Any], heading: str = "h2") -> list[Markup]:
    """Return the parts of the page that generator.js fills.

    data       what `generator_data` returned; the page has it under the name "generator"
    heading    the element of the headings
    """
    classes, path = data["classes"], "arc (slerp)" if data["latent"] == "normal" else "straight line (lerp)"
    samples = [
        element(
            "div",
            field("Seed", "generator-seed", number(0, LARGEST_SEED, 0)),
            class_field("generator-class", classes, "all, a row each"),
            element("button", "New latents", type="button", id="generator-new"),
            class_="controls",
        ),
        element(
            "figure",
            element("canvas", id="generator-grid", class_="images", role="img", aria_label="generated images"),
            element("figcaption", element("span", id="generator-status", role="status"), " ", GRID_HELP),
        ),
        element("p", "The same images in Python: ", element("code", id="generator-command"), id="generator-python"),
    ]
    places = [
        element(
            "div",
            field("From image", "path-from", number(1, SHOWN, 1)),
            field("to image", "path-to", number(1, SHOWN, 6)),
            class_field("path-class", classes),
            element("button", "Play", type="button", id="path-play"),
            class_="controls",
        ),
        element(
            "figure",
            element("canvas", id="path-start", class_="images end", role="img", aria_label="the start of the path"),
            element("canvas", id="path-image", class_="images", role="img", aria_label="the image on the path"),
            element("canvas", id="path-end", class_="images end", role="img", aria_label="the end of the path"),
            element(
                "input",
                type="range",
                id="path-place",
                min=0,
                max=1,
                step="0.01",
                value=0,
                aria_label="Place on the path",
            ),
            element(
                "figcaption", element("span", id="path-words"), " ", f"The path is the {path} between both latents."
            ),
            class_="path",
        ),
    ]
    off = element("p", "The generator is a program in JavaScript, which is switched off here.", class_="note")
    trouble = element("p", id="generator-trouble", class_="note", role="alert", hidden=True)
    sections = [
        element("section", element(heading, "Samples of a seed", id="generator-samples"), samples),
        element("section", element(heading, "From one to another", id="generator-path"), places),
    ]
    return [element("noscript", off), trouble, element("div", sections, class_="generator")]


GRID_HELP = "Click an image, and the path leads there. The frames show both ends of the path."


def field(words, name, control):
    """Return a control with its words before it; the control gets the name as its id."""
    return element("label", element("span", words), control(name))


def number(low, high, value):
    """Return a function of an id that makes a field for whole numbers."""
    return lambda name: element("input", type="number", id=name, min=low, max=high, step=1, value=value)


def class_field(name, classes, first=None):
    """Return a choice of a class, or None for a generator without classes; first: the words for all classes."""
    if classes is None:
        return None
    options = [element("option", k, value=k) for k in range(classes)]
    if first:
        options.insert(0, element("option", first, value="all"))
    return field("Class", name, lambda name: element("select", options, id=name))
