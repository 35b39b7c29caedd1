"""A whole page: title, body, style, scripts and data in one file, under a policy that lets nothing else in.

The policy (Content-Security-Policy) names the SHA-256 of every script and style sheet of the page. So even a text that
slipped through as HTML could not run, and could not load anything: the browser refuses.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minigan.errors import OptionError
from minigan.files import atomic_write
from minigan.hints import PathLike
from minigan.options import require_flag, require_text, shown
from minigan.pages.markup import Markup, element

STYLE, SCRIPT = Path(__file__).with_name("page.css"), Path(__file__).with_name("page.js")
NAME = re.compile(r"[a-z][a-z0-9-]{0,40}")


def write_page(path: PathLike, title: str, body: Any, **options: Any) -> None:
    """Write a page of HTML as one file, complete or not at all. Arguments: as for `page_text`"""
    content = page_text(title, body, **options).encode("utf-8")
    with atomic_write(path) as file:
        file.write(content)


def page_text(
    title: str,
    body: Any,
    *,
    lead: Any = None,
    data: Mapping[str, Any] | None = None,
    styles: Sequence[Path] = (),
    scripts: Sequence[Path] = (),
    wasm: bool = False,
    refresh: bool = False,
    footer: Any = "Written by minigan. This page needs no network and loads nothing.",
) -> str:
    """Return a page of HTML as text.

    title      the heading at the top, and the name of the browser's tab
    body       the parts of the page, one below the other: Markup from `element`, `section` and so on, or text
    lead       what stands below the title
    data       {name: JSON value}; a script reads it by `pageData("name")`. NaN and infinity become the texts "NaN",
               "Infinity", "-Infinity", which JavaScript's Number(...) reads
    styles, scripts   files of CSS and JavaScript, added after page.css and page.js in this order
    wasm       the page may compile WebAssembly that it holds
    refresh    the page may ask the server that it came from (fetch), which only `report --watch` needs
    Errors     OptionError for a script that would end early (</script) or a name of data that is none
    """
    title = require_text("page", title=title)
    wasm, refresh = require_flag("page", wasm=wasm), require_flag("page", refresh=refresh)
    sheets = [raw(file, "style") for file in (STYLE, *styles)]
    programs = [raw(file, "script") for file in (SCRIPT, *scripts)]
    head = [
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy(sheets, programs, wasm, refresh)),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        [element("style", sheet) for sheet in sheets],
    ]
    button = element("button", "Dark or light", type="button", id="theme", class_="quiet", hidden=True)
    parts = [
        element("a", "Skip to the contents", href="#contents", class_="skip"),
        element("header", element("div", element("h1", element("bdi", title)), button, class_="top"), lead),
        element("main", body, id="contents", tabindex="-1"),
        element("footer", footer),
        [json_block(name, value) for name, value in (data or {}).items()],
        [element("script", program) for program in programs],
    ]
    page = element("html", element("head", head), element("body", parts), lang="en")
    return f"<!doctype html>\n{page}\n"


def raw(file, tag):
    """Return the text of a style sheet or a script as it stands in a page."""
    text = file.read_text(encoding="utf-8")
    if re.search(rf"</{tag}|<!--", text, re.I):
        raise OptionError(
            f"{file.name}: a {tag} in a page cannot hold </{tag} or <!--: the browser would end it there."
        )
    return Markup(text)


def policy(sheets, programs, wasm, refresh):
    """Return the Content-Security-Policy: these styles and scripts, pictures in the page, and nothing else."""
    scripts = [*map(fingerprint, programs), *(["'wasm-unsafe-eval'"] if wasm else [])]
    rules = {
        "default-src": ["'none'"],
        "img-src": ["data:"],
        "style-src": map(fingerprint, sheets),
        "script-src": scripts,
        "connect-src": ["'self'"] if refresh else ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def fingerprint(text):
    """Return the SHA-256 of a script or style sheet as the policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}'"


def json_block(name, value):
    """Return a block of data in a page. No text in it can end the block: < > & are written as their numbers."""
    if not NAME.fullmatch(name):
        raise OptionError(f'page: expected the name of data such as "losses", got {shown(name)}.')
    return element("script", Markup(json_text(value)), type="application/json", id=f"data-{name}")


def json_text(value):
    """Return a value as JSON that can stand in HTML."""
    try:
        text = json.dumps(with_texts_for_nan(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise OptionError(f"page: data that JSON cannot hold: {error}.") from error
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8", "backslashreplace").decode()  # half a surrogate pair: as JSON writes it, \ud800


def with_texts_for_nan(value):
    """Return a JSON value with texts in place of NaN and infinity, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key: with_texts_for_nan(inner) for key, inner in value.items()}
    return [with_texts_for_nan(inner) for inner in value] if isinstance(value, (list, tuple)) else value
