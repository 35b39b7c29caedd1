"""The code in README and docs runs, the links lead somewhere, and what the pages count is so."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest
from broken_layers import CATALOGUE

from minigan import layers, losses, optimizers
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.catalogue import AS_REPORTED

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))
import verdicts  # noqa: E402

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
    rows = re.findall(r"^\| `(\w+)\(.*\]\((docs/(?:layers/)?\w+\.md)\) \|$", (ROOT / "README.md").read_text(), re.M)
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


def test_the_page_of_experiments_leaves_none_out():
    """Each experiment of the reports has a verdict in a heading, and figures, or is named as not run yet."""
    page = (ROOT / "docs/experiments.md").read_text()
    told = [name for names, _, _ in verdicts.headings(page) for name in names]
    of_reports = {name for name, entry in EXPERIMENTS.items() if entry.report}
    reported = {name for name in of_reports if name.endswith(AS_REPORTED)}  # on a page of their own
    assert sorted(told) == sorted(of_reports - reported)
    assert set(re.findall(rf"`([A-E]\d+[\w-]*{AS_REPORTED})`", (ROOT / "docs/as_reported.md").read_text())) == reported
    rows = set(re.findall(r"^\| ([A-E]\d[\w-]*)(?:, \S+)* \| .*?\| -?\d", page, re.M))
    missing = set(re.findall(r"[A-E]\d+[\w-]*", "".join(re.findall(r"^Not run yet: .*", page, re.M))))
    other_names = dict(re.findall(r"([A-E]\d[\w-]*) is ([A-E]\d[\w-]*) under another name", page))
    assert rows | missing | set(other_names) == set(told)
    assert not missing & rows and set(other_names.values()) <= rows
    for name in rows & set(re.findall(r"^\| ([A-E]\d[\w-]*) \|", page, re.M)):
        assert f"(images/experiments/{name}.png)" in page and (ROOT / f"docs/images/experiments/{name}.png").exists()
    for name, other in other_names.items():
        one, two = find(name), find(other)
        for network in ("generator", "discriminator"):
            assert str(getattr(one.make_gan(seed=0), network)) == str(getattr(two.make_gan(seed=0), network))
        assert (one.dataset, one.batch_size, one.data_range) == (two.dataset, two.batch_size, two.data_range)


def imported_parts(path):
    """Return which files and folders at the top of minigan a file imports: {"layers", "errors"}."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            parts |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("minigan.")}
        elif isinstance(node, ast.ImportFrom) and node.module == "minigan":
            parts |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("minigan."):
            parts.add(node.module.split(".")[1])
    return parts


def test_imports_lead_where_the_page_on_architecture_says():
    """A file of minigan imports only what stands above it in the list of folders, or in its own folder."""
    tree = (ROOT / "docs/architecture.md").read_text().partition("    minigan/\n")[2].partition("\n\n")[0]
    floors = {}
    for height, line in enumerate(tree.splitlines()):
        for name in re.match(r" *((?:\w+(?:/|\.py) ?)+)", line)[1].split():
            floors.setdefault(name.rstrip("/").removesuffix(".py"), height)
    old_names = {"architectures.py", "metrics.py"}  # of gan/, for one release
    wrong, unlisted = [], set()
    for path in sorted((ROOT / "minigan").rglob("*.py")):
        own = path.relative_to(ROOT / "minigan")
        here = own.parts[0].removesuffix(".py")
        if here in ("__init__", "__main__") or (here == "gan" and own.name in old_names):
            continue
        if here not in floors:
            unlisted.add(here)
            continue
        wrong += [(own.as_posix(), part) for part in imported_parts(path) if floors.get(part, 0) > floors[here]]
    assert not unlisted, f"docs/architecture.md does not list {unlisted}"
    assert not wrong
