"""The code in README and docs runs, the links lead somewhere, and what the pages count is so."""

import inspect
import re
from pathlib import Path

import pytest
from broken_layers import CATALOGUE

from minigan import layers

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def page_name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_code_runs(page, tmp_path, monkeypatch, capsys):
    """All Python blocks of a page, one after the other, as a reader would type them."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(), re.S | re.M)
    exec(compile("\n".join(blocks), page_name(page), "exec"), {"__name__": "__page__"})


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page_name(page)}: {target}"


def test_the_number_of_exercises():
    for page in ("README.md", "docs/README.md", "docs/checks.md"):
        assert re.search(rf"\b{len(CATALOGUE)} (broken )?layers", (ROOT / page).read_text()), len(CATALOGUE)


def test_the_line_that_starts_an_exercise():
    command = re.search(r'python -c "(.*)"', (ROOT / "docs/checks.md").read_text()).group(1)
    assert command in (ROOT / "tests/broken_layers.py").read_text()


def test_every_layer_of_the_readme_table_exists_and_the_other_way_round():
    table = set(re.findall(r"^\| `(\w+)\(", (ROOT / "README.md").read_text(), re.M))
    assert table == {layer.__name__ for layer in layers.ALL}


def pages_of_layers():
    """{layer: its page} where the README's table of layers leads to a page, not to the code itself."""
    rows = re.findall(r"^\| `(\w+)\(.*\]\((docs/layers/\w+\.md)\) \|$", (ROOT / "README.md").read_text(), re.M)
    return dict(rows)


@pytest.mark.parametrize("name", pages_of_layers())
def test_terms_are_numbered_in_docstring_code_and_page(name):
    """Every number in a layer's docstring stands again as a comment in its code and in its page."""
    layer, page = getattr(layers, name), (ROOT / pages_of_layers()[name]).read_text()
    # the docstring as Python 3.13 keeps it and older ones do not: without the indentation
    numbers = re.findall(r"^\s*(?:Backward\s+|Inference.*)?(\(\d\))", inspect.cleandoc(layer.__doc__), re.M)
    code = "".join(inspect.getsource(kind).split('"""', 2)[2] for kind in layer.__mro__ if kind in layers.ALL)
    assert numbers, "the docstring has no numbered terms"
    for number in numbers:
        assert f"# {number}" in code and number in page, number
