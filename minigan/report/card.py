"""A model card: what a network is, what it learned from, how good it is, and how to use it, in a file of Markdown.

It lies beside an exported network, for whoever gets the network without the run. The texts in it come from the run's
folder, so they may be anything. `escaped` and `block` keep them what they are, texts.
"""

import re
from dataclasses import replace
from pathlib import Path

import minigan
from minigan.files import atomic_write, printable
from minigan.gan.latent import Uniform
from minigan.report import words
from minigan.report.reading import Record, read_part, read_scores
from minigan.training.facts import description_of, facts_of, is_average
from minigan.training.trained import TrainedRun

ONNX = """\
import numpy as np, onnxruntime  # pip install onnxruntime

session = onnxruntime.InferenceSession({file})
x = np.random.default_rng(0).{draw}
(y,) = session.run(None, {inputs})
print(y.shape)  # (5, {shape})"""

SAFETENSORS = """\
import numpy as np
from minigan import Sequential

net = Sequential.from_safetensors({file})
x = np.random.default_rng(0).{draw}
y = net.predict({arguments})
print(y.shape)  # (5, {shape})"""

EXAMPLES = {".onnx": ONNX, ".safetensors": SAFETENSORS}

LIMITS = {
    "generator": (
        "It makes images that look like those it learned from, and no others: of the same size, the same kind, with "
        "the same gaps and the same bias.",
        "Single images can be malformed. Nobody has looked at all that it can make.",
        "It may repeat images of its training data. The metrics of memorisation say how likely that is, if they are "
        "above.",
        "Its images are not evidence of anything. Do not use them as if they were real.",
    ),
    "discriminator": (
        "It tells the images of this one generator, as it was then, from those it learned from. It is no detector of "
        "generated images.",
        "Its output is a logit, or a score without a unit (of a Wasserstein critic). Compare it only with other "
        "outputs of the same network.",
        "It has seen no other kind of images, and says nothing about them.",
    ),
}


def write_card(run: TrainedRun, network: str, file: Path) -> Path:
    """Write the card of the generator or the discriminator of a run beside the file of it; return its path."""
    path = file.with_name(f"{file.name}.md")
    with atomic_write(path) as target:
        target.write(card(run, network, file.name).encode())
    return path


def card(run: TrainedRun, network: str, name: str) -> str:
    """Return the text of a card. name: of the network's file"""
    net = run.gan.sampler(run.averaged) if network == "generator" else run.gan.discriminator
    facts = facts_of(run, network)
    parts = [
        f"# {escaped(facts['name'])}",
        escaped(description_of(run, network)),
        "## What it is",
        *what_it_is(run, network, net),
        "## Data and licence",
        f"It learned from {run.config.images:,} images of the data set {escaped(run.config.dataset)}. Their licence: "
        f"{escaped(facts['data_licence'])}. A network that makes images after others may have to be handed on under "
        "their licence: ask somebody who knows.",
        "## Recipe",
        *how_it_was_made(run),
        "## Evaluation",
        *evaluation(run, network),
        "## How to use it",
        *how_to_use_it(run, net, name),
        "## Limits",
        "\n".join(f"* {text}" for text in LIMITS[network]),
        f"This card was written by minigan {minigan.__version__} when the network was exported.",
    ]
    return "\n\n".join(parts) + "\n"


def what_it_is(run, network, net):
    """Return the table of inputs, outputs and size, and the layers."""
    low, high = run.experiment.data_range
    image = f"an image in [{low:g}, {high:g}], (n, h, w, c)"
    latent = f"latents, {run.gan.latent}"
    rows = [
        ("input x", f"{sizes(net.input_shape)}: {latent if network == 'generator' else image}"),
        ("labels", None if net.classes is None else f"(n,), integers from 0 to {net.classes - 1}"),
        ("output y", f"{sizes(net.output_shape)}: {image if network == 'generator' else 'a logit: above 0 for real'}"),
        ("parameters", f"{net.flat_params.size:,}, {net.dtype}"),
        ("average", "a moving average of the generator's last steps" if is_average(run, network) else None),
        ("trained for", f"{run.step:,} steps, {run.epoch:.4g} epochs"),
    ]
    return [table(rows), block(net.summary())]


def sizes(shape):
    return f"(n, {', '.join(map(str, shape))})"


def how_it_was_made(run):
    """Return the settings and the command that repeats the run. Nothing about the machine: not where its data were."""
    config = replace(run.config, data_dir=None)
    command, note = words.command_of(config)
    rows = [("seed", str(config.seed)), *words.recipe(Record(run.folder, config))]
    rows.append(("versions", ", ".join(f"{name} {version}" for name, version in config.versions.items())))
    parts = [table(rows)]
    if command:
        parts += ["This command repeats the run:", block(printable(command))]
    return [*parts, *([escaped(note)] if note else [])]


def evaluation(run, network):
    """Return the metrics that `evaluate` has written for these samples, or that there are none."""
    if network != "generator":
        return ["The metrics judge the samples of a generator. There are none of a discriminator."]
    name = "evaluation.json" if run.averaged else "evaluation_raw.json"
    record = Record(run.folder, run.config)
    scores = read_part(record, name, read_scores)
    if scores is None:
        option = "" if run.averaged else " --raw"
        trouble = f" {escaped(record.troubles[0])}" if record.troubles else ""
        return [f"Not judged yet: `python -m minigan evaluate RUN{option}`.{trouble}"]
    rows = words.metric_rows(scores)
    step, samples = scores.get("step"), scores.get("samples")
    about = f"Of {samples:,} samples" if type(samples) is int else "Of samples"
    other = "" if step == run.step else " That is another step than that of this network: judge it again."
    after = f" after {step:,} steps" if type(step) is int else ""
    lines = ["| metric | value | what it means |", "|---|---|---|"]
    lines += [f"| {escaped(heading)} | {escaped(value)} | {escaped(meaning)} |" for heading, value, meaning in rows]
    return [f"{about}{after}.{other}", "\n".join(lines)]


def how_to_use_it(run, net, name):
    """Return five lines of Python that use the network's file."""
    example = EXAMPLES.get(Path(name).suffix.lower())
    if example is None:
        return ["See docs/interop.md of minigan."]
    shape = ", ".join(map(str, net.input_shape))
    labelled = net.classes is not None
    draw, latent = f'standard_normal((5, {shape}), "float32")', run.gan.latent
    if isinstance(latent, Uniform) and net is not run.gan.discriminator:
        draw = f'uniform({latent.low:g}, {latent.high:g}, (5, {shape})).astype("float32")'
    labels = "np.arange(5)" if net.classes and net.classes >= 5 else "np.zeros(5, int)"
    text = example.format(
        file=ascii(name),
        draw=draw,
        inputs=f'{{"x": x, "labels": {labels}}}' if labelled else '{"x": x}',
        arguments=f"x, labels={labels}" if labelled else "x",
        shape=", ".join(map(str, net.output_shape)),
    )
    return [block(text, "python")]


def table(rows):
    """Return a table of names and texts; those without a text are left out."""
    lines = [f"| {escaped(name)} | {escaped(text)} |" for name, text in rows if text is not None]
    return "\n".join(["| | |", "|---|---|", *lines])


def escaped(text):
    """Return a text so that Markdown shows it as it is, on one line: no link, no picture, no HTML, no formula."""
    text = re.sub(r"([\\`*_\[\]<>#|~&$])", r"\\\1", printable(text))
    return re.sub(r"(?i)(?<=:)//|(?<=www)\.", lambda match: "".join(f"\\{c}" for c in match[0]), text)


def block(text, language=""):
    """Return a block of code with a fence that the text cannot close."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
