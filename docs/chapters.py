"""Run the chapters of docs/course as notebooks, and write their outputs and pictures into the pages.

    python docs/chapters.py                                          all chapters
    python docs/chapters.py docs/course/1_neuron.md                  one

A chapter is a Markdown page, and the page is the notebook. Each block of Python is a cell. A block of text directly
below it (```text) is what the cell prints. A picture below that is what it shows. This program runs the cells and
writes both again. It also turns the pages into docs/course/notebooks/*.ipynb, without outputs, for Jupyter.
tests/test_course.py runs the cells too, and compares. If the numbers depend on the machine, the block starts with
```text about: then only the words are compared.
"""

import ast
import io
import json
import re
import sys
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

DOCS = Path(__file__).resolve().parent
COURSE, NOTEBOOKS = DOCS / "course", DOCS / "course" / "notebooks"
CELL = re.compile(
    r"^```python\n(?P<code>.*?)^```\n"
    r"(?:\n```text(?P<about> about)?\n(?P<output>.*?)^```\n)?"
    r"(?:\n!\[[^\]]*\]\((?P<picture>[^)]+)\)\n)?",
    re.S | re.M,
)


def chapter_pages():
    """Return the pages of all chapters, in their order."""
    return sorted(COURSE.glob("[0-9]*.md"))


def run_cell(code, namespace, name):
    """Run one cell as a notebook does. Return what it printed and the pictures that it showed.

    The value of its last line is shown, too: a picture as a picture, anything else as text.
    """
    import matplotlib.pyplot as plt

    tree = ast.parse(code, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    printed, pictures = io.StringIO(), []
    with redirect_stdout(printed), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")
        exec(compile(tree, name, "exec"), namespace)
        value = None
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
        if hasattr(value, "_repr_png_"):
            pictures.append(value._repr_png_())
        elif value is not None:
            print(repr(value))
    for number in plt.get_fignums():
        file = io.BytesIO()
        plt.figure(number).savefig(file, format="png", dpi=90, bbox_inches="tight", metadata={"Software": None})
        pictures.append(file.getvalue())
        plt.close(number)
    return printed.getvalue(), pictures


def run_chapter(page):
    """Run all cells of a page in one namespace; yield for each (match of CELL, printed text, pictures, namespace)."""
    namespace = {"__name__": "__main__"}
    for match in CELL.finditer(page.read_text(encoding="utf-8")):
        yield match, *run_cell(match["code"], namespace, page.name), namespace


def update_chapter(page):
    """Run a page, write its outputs and pictures again, and return the seconds that this took."""
    start = time.perf_counter()
    text, parts, end = page.read_text(encoding="utf-8"), [], 0
    for match, printed, pictures, _ in run_chapter(page):
        parts += [text[end : match.start()], f"```python\n{match['code']}```\n"]
        if printed:
            parts.append(f"\n```text{match['about'] or ''}\n{printed.rstrip()}\n```\n")
        if len(pictures) != bool(match["picture"]):
            line = text[: match.start()].count("\n") + 1
            raise SystemExit(
                f"{page}, line {line}: {len(pictures)} pictures; write one ![...](...) below each that shows one"
            )
        if pictures:
            parts.append("\n" + text[match.start() : match.end()].rstrip().rpartition("\n")[2] + "\n")
            path = page.parent / match["picture"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(pictures[0])
        end = match.end()
    page.write_text("".join([*parts, text[end:]]), encoding="utf-8")
    return time.perf_counter() - start


def notebook(page):
    """Return the page as a Jupyter notebook without outputs: the text of an .ipynb file."""
    text, cells, end = page.read_text(encoding="utf-8"), [], 0
    in_solution = False
    for match in CELL.finditer(text):
        before = text[end : match.start()]
        add_markdown(cells, before)
        in_solution = (in_solution or "<details>" in before) and "</details>" not in before.rpartition("<details>")[2]
        metadata = {"jupyter": {"source_hidden": True}} if in_solution else {}
        cells.append({"cell_type": "code", "metadata": metadata, "source": match["code"].rstrip(), "outputs": []})
        cells[-1]["execution_count"] = None
        end = match.end()
    add_markdown(cells, text[end:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
        cell["source"] = cell["source"].splitlines(keepends=True)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def add_markdown(cells, text):
    """Add a cell of text. Links lead one folder further up. What a page folds away gets a heading instead."""
    text = re.sub(r"<details><summary>(.*?)</summary>", r"**\1**", text).replace("</details>", "")
    text = re.sub(r"\]\((?!https?:|#)([^)]+)\)", r"](../\1)", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    if text:
        cells.append({"cell_type": "markdown", "metadata": {}, "source": text})


def notebook_path(page):
    return NOTEBOOKS / f"{page.stem}.ipynb"


def main(pages):
    sys.path.insert(0, str(DOCS.parent))
    import matplotlib

    matplotlib.use("Agg")
    NOTEBOOKS.mkdir(exist_ok=True)
    for page in pages:
        seconds = update_chapter(page)
        notebook_path(page).write_text(notebook(page), encoding="utf-8")
        print(f"{page.name}: {seconds:.1f} s")


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]] or chapter_pages())
