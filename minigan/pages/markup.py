"""HTML from Python: elements with their children. What is not made here is text, and is escaped.

A name or a note can come from a stranger. So nothing is HTML unless `element` made it: there is no template in which
somebody could forget to escape.
"""

import base64
import html
import math
import re
from collections.abc import Sequence
from typing import Any

from minigan.errors import OptionError
from minigan.options import shown

VOID = ("br", "col", "hr", "img", "input", "link", "meta")  # elements without an end tag
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
NUMBER = re.compile(r"[-+]?[\d.,]+(e[-+]?\d+)?( ± [\d.,]+(e[-+]?\d+)?)?( ?%)?|NaN|-?Infinity|[-–]?")
PNG = b"\x89PNG\r\n\x1a\n"


class Markup(str):
    """Text that is HTML already. Only the functions of this file make it."""


def escaped(value: Any) -> Markup:
    """Return a value as HTML: Markup as it is, the parts of a list one after the other, None as nothing, else text."""
    if value is None:
        return Markup("")
    if isinstance(value, Markup):
        return value
    if isinstance(value, (list, tuple)):
        return Markup("".join(map(escaped, value)))
    return Markup(as_text(value))


def as_text(value):
    """Return a value as text in HTML. What UTF-8 cannot write, half a pair of surrogates, becomes visible."""
    return html.escape(str(value).encode("utf-8", "backslashreplace").decode())


def element(tag: str, *children: Any, **attributes: Any) -> Markup:
    """Return an element of HTML: element("p", "a < b", class_="note") is <p class="note">a &lt; b</p>.

    children     texts, which are escaped; Markup; lists of both; None for nothing
    attributes   `class_` is class and `aria_label` is aria-label. True gives the bare name; None and False give nothing
    Errors       OptionError for attributes that the page's own policy forbids: style and on...
    """
    if not NAME.fullmatch(tag):
        raise OptionError(f'element: expected the name of an element such as "p", got {shown(tag)}.')
    parts = [tag]
    for key, value in attributes.items():
        name = key.rstrip("_").replace("_", "-")
        if not NAME.fullmatch(name) or name == "style" or name.startswith("on"):
            raise OptionError(
                f"element: a page takes no attribute {shown(name)}. Use a class and a style sheet, or a script."
            )
        if value is True:
            parts.append(name)
        elif value is not None and value is not False:
            parts.append(f'{name}="{as_text(value)}"')
    start = Markup(f"<{' '.join(parts)}>")
    return start if tag in VOID else Markup(f"{start}{escaped(children)}</{tag}>")


def section(heading: str, *children: Any, name: str | None = None) -> Markup:
    """Return a part of a page below its heading; `name` is where links lead (#name), by default from the heading."""
    name = name or re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
    title = element("h2", heading, id=f"{name}-heading")
    return element("section", title, children, id=name, aria_labelledby=f"{name}-heading")


def table(caption: Any, headings: Sequence[Any], rows: Sequence[Sequence[Any]], class_: str | None = None) -> Markup:
    """Return a table whose first column names the rows. Columns of numbers, also as texts, stand right."""
    right = [all(map(is_number, column)) for column in zip(*rows, strict=True)] or [False] * len(headings)
    top = [
        element("th", heading, scope="col", class_="number" if wide else None)
        for heading, wide in zip(headings, right, strict=True)
    ]
    lines = []
    for row in rows:
        cells = [element("th", row[0], scope="row", class_="number" if right[0] else None)]
        for value, wide in zip(row[1:], right[1:], strict=True):
            cells.append(element("td", value, class_="number" if wide else None))
        lines.append(element("tr", cells))
    parts = [element("caption", caption), element("thead", element("tr", top)), element("tbody", lines)]
    # wide tables scroll by themselves, also by keyboard
    return element(
        "div", element("table", parts, class_=class_), class_="scroll", tabindex="0", role="group", aria_label=caption
    )


def is_number(value):
    """Return whether a cell stands right: a number, a text of one such as 1,024 or 0.5 ± 0.1, or the sign for none."""
    return isinstance(value, (int, float)) or (isinstance(value, str) and NUMBER.fullmatch(value) is not None)


def picture(content: bytes, alt: str, **attributes: Any) -> Markup:
    """Return a picture from the bytes of a PNG file. It stands in the page itself.

    alt        what the picture shows, in words, for readers who do not see it
    """
    if not content.startswith(PNG):
        raise OptionError("picture: expected the bytes of a PNG file.")
    return element("img", src=data_uri(content), alt=alt, **attributes)


def data_uri(content: bytes, kind: str = "image/png") -> str:
    """Return bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def data_uri_length(content: bytes, kind: str = "image/png") -> int:
    """Return how many characters `data_uri` makes of bytes, without making them."""
    return len(data_uri(b"", kind)) + 4 * math.ceil(len(content) / 3)
