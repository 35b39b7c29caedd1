"""The code in README and docs runs, the links lead somewhere, and what the pages count is so."""

import inspect
import re
from pathlib import Path

import pytest
from broken_layers import CATALOGUE

from minigan import layers, losses, optimizers

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def page_name(page):
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name != "course"], ids=page_name)
def test_code_runs(page, tmp_path, monkeypatch, capsys):
    """All Python blocks of a page, one after the other, as a reader would type them.

    The chapters of the course, which show their outputs, too, are in test_course.py.
    """
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


def numbered_classes():
    """(class, its page): layers whose row in the README leads to a page, not to the code; losses; optimizers."""
    rows = re.findall(r"^\| `(\w+)\(.*\]\((docs/layers/\w+\.md)\) \|$", (ROOT / "README.md").read_text(), re.M)
    classes = [(getattr(layers, name), page) for name, page in rows]
    classes += [(kind, "docs/layers/losses.md") for kind in classes_of(losses)]
    classes += [(kind, "docs/layers/optimizers.md") for kind in classes_of(optimizers)]
    return classes


def classes_of(module):
    """The public classes that a module defines, without those that others are derived from."""
    kinds = [kind for kind in vars(module).values() if inspect.isclass(kind) and kind.__module__ == module.__name__]
    return [kind for kind in kinds if not any(kind in other.__mro__[1:] for other in kinds)]


@pytest.mark.parametrize(("kind", "page"), numbered_classes(), ids=lambda value: getattr(value, "__name__", ""))
def test_terms_are_numbered_in_docstring_code_and_page(kind, page):
    """Every number in a docstring stands again as a comment in the code of its class and in its page."""
    page = (ROOT / page).read_text()
    # where a line begins with a number, or with a word such as Backward before it; the docstring as Python 3.13 keeps
    # it and older ones do not: without the indentation
    numbers = re.findall(r"^\s*(?:[A-Z][a-z]+\s+|Inference.*)?(\(\d\))", inspect.cleandoc(kind.__doc__), re.M)
    family = [other for other in kind.__mro__ if other.__module__ == kind.__module__]
    code = "".join(inspect.getsource(other).split('"""', 2)[2] for other in family)
    assert numbers, "the docstring has no numbered terms"
    for number in numbers:
        assert f"# {number}" in code and number in page, number
