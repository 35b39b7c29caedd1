"""The course: each chapter runs and prints what it shows, its exercises fail, its solutions pass; the site builds."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigan import checks
from minigan.errors import GradientError
from minigan.layers import Layer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))
import chapters  # noqa: E402

PAGES = chapters.chapter_pages()
NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})+|[-+]?\d*\.?\d+(?:e[-+]?\d+)?")
TITLES = [
    "What is a gradient?",
    "One neuron by hand",
    "Dense and the chain rule in matrices",
    "Activations and losses",
    "A classifier",
    "Convolution as three adjoint maps",
    "BatchNorm",
    "A GAN",
    "A DCGAN",
    "When it fails",
]


def stem(page):
    """The name of a page in the names of tests."""
    return page.stem


def numbers_of(text):
    """Return the text with # in place of each number, and the numbers."""
    found = [float(number.replace(",", "")) for number in NUMBER.findall(text)]
    return re.sub(r"[ -]+", " ", NUMBER.sub("#", text)).strip(), found


def agrees(printed, shown, about):
    """Return whether a page shows what a cell prints: the same words, and numbers but for rounding (about: any)."""
    (words, numbers), (shown_words, shown_numbers) = numbers_of(printed), numbers_of(shown)
    if words != shown_words:
        return False
    return about or np.allclose(numbers, shown_numbers, rtol=2e-3, atol=1e-8)


def test_the_reading_path_is_whole():
    titles = [page.read_text().partition("\n")[0] for page in PAGES]
    assert titles == [f"# {number}. {title}" for number, title in enumerate(TITLES)]
    index = (ROOT / "docs/index.md").read_text()
    for page, following in zip(PAGES, [*PAGES[1:], None], strict=True):
        assert f"course/{page.stem}\n" in index and f"(course/{page.name})" in (ROOT / "docs/README.md").read_text()
        assert following is None or f"]({following.name})" in page.read_text().splitlines()[-1]


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_a_chapter_prints_and_shows_what_its_page_says(page, tmp_path, monkeypatch):
    """And its exercises: check_layer rejects what is Unfinished or Broken, and passes what is Finished or Repaired."""
    verdicts, namespace = {}, {}

    def watched_check(make_layer, input_shape, **options):
        name = type(make_layer()).__name__
        try:
            report = checks.layer_check.check_layer(make_layer, input_shape, **options)
        except GradientError:
            verdicts[name] = "rejected"
            raise
        verdicts[name] = "passed"
        return report

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checks, "check_layer", watched_check)
    for match, printed, pictures, namespace in chapters.run_chapter(page):  # noqa: B007
        shown = match["output"] or ""
        assert agrees(printed, shown, match["about"]), f"the page shows\n{shown}\nthe cell prints\n{printed}"
        assert len(pictures) == bool(match["picture"]), match["code"]
        assert all(picture.startswith(b"\x89PNG") for picture in pictures)

    own = {n for n, kind in namespace.items() if isinstance(kind, type) and issubclass(kind, Layer)}
    exercises = {name for name in own if name.startswith(("Unfinished", "Broken"))}
    solutions = {name.replace("Unfinished", "Finished").replace("Broken", "Repaired") for name in exercises}
    assert sorted(name[:6] for name in exercises) == ["Broken", "Unfini"] and solutions <= own
    assert {name: verdicts.get(name) for name in exercises} == dict.fromkeys(exercises, "rejected")
    assert {name: verdicts.get(name) for name in solutions} == dict.fromkeys(solutions, "passed")


def test_what_counts_as_the_same_output():
    assert agrees("loss 0.691, 12 right", "loss 0.6911, 12 right", about=False)
    assert not agrees("loss 0.70", "loss 0.75", about=False) and agrees("loss 0.70", "loss 0.75", about=True)
    assert not agrees("loss 0.70", "error 0.70", about=True) and not agrees("dx -1.0", "dx 1.0", about=False)
    assert agrees("worst 3.1e-12", "worst 9.0e-11", about=False), "rounding noise differs between machines"


@pytest.mark.parametrize("page", PAGES, ids=stem)
def test_the_notebook_is_made_of_the_page(page):
    """After changing a chapter: python docs/chapters.py"""
    assert chapters.notebook_path(page).read_text(encoding="utf-8") == chapters.notebook(page)
    assert len(list(chapters.NOTEBOOKS.iterdir())) == len(PAGES)


def test_pictures_are_small():
    for picture in (ROOT / "docs/images/course").iterdir():
        assert picture.stat().st_size < 200_000, picture
        assert any(f"course/{picture.name})" in page.read_text() for page in PAGES), f"{picture}: nobody shows it"


def test_a_formula_that_a_chapter_numbers_is_marked_in_its_code():
    """Every number (1), (2) ... at the start of a formula line stands again as a comment on a line of code."""
    missing = []
    for page in PAGES:
        text = page.read_text()
        code = "".join(re.findall(r"^```python\n(.*?)^```", text, re.S | re.M))
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
        marked = set(re.findall(r"\(\d\)", "".join(re.findall(r"#( \(.*)$", code, re.M))))
        for number in re.findall(r"^    (?:.*?  )?\((\d)\)  \S", prose, re.M):
            if f"({number})" not in marked:
                missing.append((page.name, number))
    assert not missing


needs_jupyter = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("nbclient", "nbformat", "ipykernel"))), reason="needs the extra docs"
)
needs_sphinx = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("sphinx", "furo", "myst_parser"))), reason="needs the extra docs"
)


# one with a figure, one with pictures of digits; all of them: -m slow
IN_JUPYTER = [page if page.name[0] in "04" else pytest.param(page, marks=pytest.mark.slow) for page in PAGES]


@needs_jupyter
@pytest.mark.parametrize("page", IN_JUPYTER, ids=stem)
def test_the_notebook_runs_in_jupyter(page, tmp_path, monkeypatch):
    monkeypatch.delenv("MPLBACKEND", raising=False)  # let matplotlib draw into the notebook
    import nbclient
    import nbformat

    notebook = nbformat.read(chapters.notebook_path(page), as_version=4)
    nbformat.validate(notebook)
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = sum("image/png" in output.get("data", {}) for output in outputs)
    assert shown == sum(bool(match["picture"]) for match in chapters.CELL.finditer(page.read_text()))


@needs_sphinx
def test_the_site_builds_without_a_warning(tmp_path):
    """Without a network too: nothing in it asks for one."""
    options = ["-j", "auto", "-q", "-W", "--keep-going", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, ROOT / "docs", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stdout + result.stderr
    home = (tmp_path / "index.html").read_text()
    assert all(f'href="course/{page.stem}.html"' in home for page in PAGES)
    assert not re.search(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css|woff2?)"', home)

    reference = (tmp_path / "api/layers.html").read_text()
    text = re.sub(r"<[^>]+>", "", reference)
    signature = "Dense(units: int, use_bias: bool = True, initializer: Initializer | None = None)"
    assert signature in text, "the true signature"
    assert "Backward   (1) dW[i,o] = sum_n x[n,i] dy[n,o]" in text, "aligned blocks as they were written"
    assert 'href="../code/minigan/layers/dense.py.html#L-' in reference
    assert (tmp_path / "code/minigan/layers/dense.py.html").exists()
    links_to_code = {
        (page.parent / link).resolve()
        for page in tmp_path.rglob("*.html")
        for link in re.findall(r'class="code-link" href="([^"]+)"', page.read_text())
    }
    assert len(links_to_code) > 20 and all(path.exists() for path in links_to_code)
    assert (tmp_path / "searchindex.js").stat().st_size > 10_000


def test_the_reference_names_everything_that_is_public():
    import minigan
    from minigan import checks, data, initializers, layers, losses, metrics, optimizers, pictures
    from minigan.gan import latent, objectives

    pages = "\n".join(page.read_text() for page in (ROOT / "docs/api").glob("*.md"))
    named = set(re.findall(r"^\.\. auto(?:class|exception|function):: ([\w.]+)$", pages, re.M))
    wanted = {f"{m.__name__}.{name}" for m in (layers, checks, data, metrics) for name in m.__all__}
    for module in (initializers, losses, optimizers, pictures, objectives, latent):
        classes = {n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__}
        wanted |= {f"{module.__name__}.{name}" for name in classes}
    wanted -= {"minigan.layers.ALL", "minigan.data.NAMES", "minigan.initializers.EachBlock"}  # the last: LSTM's own
    assert wanted <= named, wanted - named
    assert {"minigan.GAN", "minigan.Sequential"} <= named and minigan.errors.__name__ in pages


def test_progress_bars_are_those_of_notebooks_there():
    """tqdm.auto draws a bar of the notebook in a notebook, and one of characters on a terminal."""
    for path in [*(ROOT / "minigan").rglob("*.py"), *(ROOT / "examples").glob("*.py")]:
        assert not re.search(r"^from tqdm import|^import tqdm$", path.read_text(), re.M), path
