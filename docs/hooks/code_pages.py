"""A page for every file of code: the site shows the code itself, with numbered lines that can be linked to."""

import html
import importlib
import inspect
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("minigan", "examples", "benchmarks")
# what pages link to elsewhere
FILES = [ROOT / "tests/broken_layers.py", *sorted(ROOT.glob("docs/*.py")), *sorted(ROOT.glob("docs/results/**/*.csv"))]
KINDS = {".py", ".js", ".css", ".cu", ".md", ".cfg", ".toml"}


def address_of_object(domain, info):
    """Where the reference's [source] link of an object leads, as seen from a page in docs/api; None if nowhere."""
    if domain != "py" or not info["module"]:
        return None
    found = importlib.import_module(info["module"])
    try:
        for name in info["fullname"].split("."):
            found = inspect.getattr_static(found, name)
        found = inspect.unwrap(getattr(found, "fget", None) or getattr(found, "__func__", None) or found)
        path, (_, line) = Path(inspect.getsourcefile(found)), inspect.getsourcelines(found)
    except (AttributeError, TypeError, OSError):  # a constant, an attribute: it has no lines of its own
        return None
    return f"../code/{path.resolve().relative_to(ROOT).as_posix()}.html#L-{line}"


def collect_pages(app):
    """Yield a page for each file, and one for each folder with what is in it."""
    yield "code/code", *listing(ROOT, [ROOT / name for name in FOLDERS])
    for folder in (ROOT / name for name in FOLDERS):
        for path in [folder, *sorted(folder.rglob("*"))]:
            if "__pycache__" in path.parts:
                continue
            if path.is_dir():
                yield page_name(path), *listing(path, sorted(path.iterdir(), key=lambda p: (p.is_dir(), p.name)))
            elif path.suffix in KINDS:
                yield page_name(path), *page(path, code(path))
    for path in FILES:
        yield page_name(path), *page(path, code(path))


def page_name(path):
    return f"code/{path.relative_to(ROOT).as_posix()}"


def page(path, body):
    name = html.escape(path.relative_to(ROOT).as_posix()) if path != ROOT else "The code"
    return {"title": name, "body": f"<h1>{name}</h1>{body}", "toc": ""}, "page.html"


def code(path):
    """The lines of a file as HTML, coloured and numbered; line 12 has the anchor L-12."""
    try:
        lexer = get_lexer_for_filename(path.name)
    except ClassNotFound:
        lexer = TextLexer()
    formatter = HtmlFormatter(linenos="inline", lineanchors="L", anchorlinenos=True, cssclass="highlight code-page")
    return highlight(path.read_text(encoding="utf-8"), lexer, formatter)


def listing(folder, paths):
    """A page that names the files of a folder, each Python file with the first line of its docstring."""
    rows = []
    for path in paths:
        if path.name == "__pycache__" or not (path.is_dir() or path.suffix in KINDS):
            continue
        address = path.name if folder != ROOT else path.relative_to(ROOT).as_posix()
        address = f"{address}.html" if folder == ROOT else f"{folder.name}/{address}.html"
        rows.append(f'<li><a href="{address}"><code>{path.name}</code></a> {html.escape(first_line(path))}</li>')
    return page(folder, f"<ul>{''.join(rows)}</ul>")


def first_line(path):
    """The first line of a Python file's docstring, of a package that of its __init__.py; else nothing."""
    path = path / "__init__.py" if path.is_dir() else path
    if path.suffix != ".py" or not path.exists():
        return ""
    start = path.read_text(encoding="utf-8").partition("\n")[0]
    return start.strip('"') if start.startswith('"""') else ""


def setup(app):
    app.connect("html-collect-pages", collect_pages)
    return {"parallel_read_safe": True}
