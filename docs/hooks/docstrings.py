"""Docstrings as they were written: blocks that are aligned by hand are shown as they stand, the rest as sentences."""

import inspect
import re

LABEL = re.compile(r"^[A-Z][A-Za-z]* {2,}\S")  # "Forward    y = ...", "Options    units: ..."
ALIGNED = re.compile(r"\S {2,}\S")
NAME = re.compile(r"`([^`]+)`")


def paragraphs(lines):
    """The lines of a docstring, cut at its empty lines."""
    block = []
    for line in [*lines, ""]:
        if line.strip():
            block.append(line)
        elif block:
            yield block
            block = []


def is_aligned(block):
    """Whether a paragraph is a table or a formula: indented, or with columns."""
    return any(line.startswith("  ") or LABEL.match(line) or ALIGNED.search(line) for line in block)


def as_text(line):
    """A line of a sentence: `name` is code, and nothing else has a meaning of its own in reStructuredText."""
    parts = NAME.split(line)
    plain = [re.sub(r"([*|_\\])", r"\\\1", part) for part in parts[::2]]
    names = [f"``{part}``" for part in parts[1::2]]
    return "".join(text for pair in zip(plain, [*names, ""], strict=True) for text in pair)


def on_docstring(app, what, name, obj, options, lines):
    blocks = list(paragraphs(lines))
    lines.clear()
    for block in blocks:
        if is_aligned(block):
            lines += [".. code-block:: text", "   :class: docstring", "", *(f"   {line}" for line in block), ""]
        else:
            lines += [*map(as_text, block), ""]


def on_signature(app, what, name, obj, options, signature, returns):
    """The arguments of a class are those of its __init__, also where a base class has a __new__."""
    if what != "class":
        return None
    init = getattr(obj, "__init__", None)
    if not inspect.isfunction(init):
        return ("", None)
    arguments = inspect.signature(init)
    own = [argument for argument in arguments.parameters.values() if argument.name != "self"]
    return str(arguments.replace(parameters=own, return_annotation=inspect.Signature.empty)), None


def setup(app):
    app.connect("autodoc-process-docstring", on_docstring)
    app.connect("autodoc-process-signature", on_signature)
    return {"parallel_read_safe": True}
