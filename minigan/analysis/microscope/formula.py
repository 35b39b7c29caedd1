"""The formula of a layer, with its numbered terms: it stands in the docstring of the layer's class."""

import inspect
import re

SECTIONS = ("Forward", "Backward", "Inference", "Frozen")  # of a docstring that say what a layer computes
SECTION = re.compile(r"([A-Z][a-z]+)(?: {2,}(.*))?$")


def formula_of(layer):
    """Return [(section, lines)] of the docstring of a layer: Forward, Backward ...; [] if it has none of them.

    A class without these that inherits both passes, such as Flatten, has those of its base class.
    """
    for kind in type(layer).__mro__:
        found = sections_of(inspect.cleandoc(kind.__doc__ or ""))
        if found or "forward" in vars(kind) or "backward" in vars(kind):
            return found
    return []


def sections_of(text):
    """Return [(section, lines)] of a docstring: a section starts with its name at the left margin."""
    found, lines = [], []
    for line in text.splitlines():
        start = SECTION.match(line)
        if start:
            lines = [start[2] or ""]
            if start[1] in SECTIONS:
                found.append((start[1], lines))
        elif line.startswith(" "):
            lines.append(line)
        else:
            lines = []
    return [(name, dedented(lines)) for name, lines in found]


def dedented(lines):
    """Return the lines of a section without the margin of the lines below the first, and without empty ends."""
    first, *rest = lines
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    lines = [first, *(line[margin:] for line in rest)]
    return [line.rstrip() for line in lines if line.strip()]


def line_of(formula, term):
    """Return the line of a formula that holds a term: "(2)", or "Forward" for the first line of this section."""
    for name, lines in formula:
        if name == term:
            return lines[0]
        for line in lines:
            if term in line:
                return line.strip()
    return ""
