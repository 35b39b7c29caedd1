"""The pages hold exactly the tables and numbers that docs/tables.py makes of the results of studies."""

import sys
from pathlib import Path

import pytest
from test_study import row

from minigan.study.results import csv_text, read_csv
from minigan.study.table import table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))
import tables  # noqa: E402

RESULTS = sorted((ROOT / "docs/results").glob("*.csv"))


@pytest.fixture
def results(tmp_path):
    rows = [row(seed=seed, nfd=nfd) for seed, nfd in enumerate((1.0, 3.0))]
    (tmp_path / "a.csv").write_text(csv_text(rows))
    (tmp_path / "b.csv").write_text(csv_text([row("B0", options="d_lr=1", nfd=7.5)]))
    return tmp_path


def test_the_pages_hold_what_the_results_say():
    pages = tables.marked_pages()
    assert ROOT / "docs/experiments.md" in pages
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert tables.filled(text, page.parent) == text, f"python docs/tables.py {page.relative_to(ROOT)}"


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.name)
def test_the_results_are_whole_and_are_used(path):
    rows = read_csv(path)
    assert csv_text(rows) == path.read_text(encoding="utf-8")
    finished = [row for row in rows if not row["error"]]
    assert all(row["processor"] and row["minigan"] and row["numpy"] for row in finished)
    assert all(row["seconds"] or "epoch=" in row["options"] for row in finished), "moments of a run have no time"
    assert any(f"results/{path.name}" in page.read_text(encoding="utf-8") for page in tables.marked_pages())


def test_tables_and_numbers_are_written_between_their_marks(results, capsys):
    page = results / "page.md"
    start = "# Page\n\n<!-- table: a.csv b.csv; columns: nfd:.1f; rows: B0 A1 -->"
    end = "<!-- end -->\n\nIt is <!-- number: a.csv; row: A1; column: nfd -->99<!-- end --> percent, and\n"
    end += "<!-- number: b.csv; row: B0,d_lr=1; column: nfd:.1f --><!-- end -->.\n"
    page.write_text(f"{start}\nold numbers\n{end}")
    tables.main([page])
    expected = table([*read_csv(results / "a.csv"), *read_csv(results / "b.csv")], ["nfd:.1f"], ["B0", "A1"])
    assert "| A1 | 2 epochs, seeds 0, 1 | 2.0 ± 1.4 |" in expected
    numbers = end.replace(">99<", ">2.00 ± 1.41<").replace("--><!-- end -->.", "-->7.5<!-- end -->.")
    assert page.read_text() == f"{start}\n{expected}\n{numbers}"
    tables.main([page])
    assert capsys.readouterr().out == "page.md: written again\npage.md: as it was\n"


def test_a_number_that_is_changed_by_hand_is_noticed(results):
    text = tables.filled("<!-- table: a.csv -->\n<!-- end -->", results)
    assert tables.filled(text, results) == text
    changed = text.replace("2.00", "1.00")
    assert changed != text and tables.filled(changed, results) == text


def test_a_page_can_say_in_which_steps_runs_failed(results):
    names = dict.fromkeys(row())
    failed = [names | {"experiment": "A2", "options": "", "seed": seed} for seed in (2, 0, 1)]
    errors = ("step 1,200: x", "step 3: x", "step 8: step 9: x")
    rows = [one | {"error": f"NonFiniteError: {error}"} for one, error in zip(failed, errors, strict=True)]
    (results / "c.csv").write_text(csv_text([*rows, row()]))
    start = "<!-- failed: c.csv; row: A2 -->"
    assert tables.filled(f"{start}old<!-- end -->", results) == f"{start}3, 8 and 1,200<!-- end -->"


@pytest.mark.parametrize(
    "text",
    [
        "<!-- failed: a.csv; row: A1 --><!-- end -->",
        "<!-- table: a.csv -->",
        "<!-- end -->",
        "<!-- table: --><!-- end -->",
        "<!-- table: missing.csv --><!-- end -->",
        "<!-- table: a.csv; colums: nfd --><!-- end -->",
        "<!-- table: a.csv; columns: nonsense --><!-- end -->",
        "<!-- table: a.csv; rows: A2 --><!-- end -->",
        "<!-- table: a.csv a.csv --><!-- end -->",
        "<!-- number: a.csv; row: A1 --><!-- end -->",
        "<!-- number: a.csv; row: A1 A2; column: nfd --><!-- end -->",
        "<!-- table: page.md --><!-- end -->",
        "### A1: random? Perhaps\n<!-- verdicts: this page --><!-- end -->",
        "<!-- verdicts: this page -->",
    ],
)
def test_wrong_marks(results, text):
    page = results / "page.md"
    page.write_text(f"text\n\n{text}\n")
    with pytest.raises(SystemExit) as end:
        tables.main([page])
    assert str(end.value).startswith(f"error: {page}: ") and page.read_text() == f"text\n\n{text}\n"


def test_the_verdicts_are_those_of_the_headings(results):
    headings = (
        "### A1: random images? Refuted\n### A2, A3: in [0, 1], better? Confirmed. Faster? Partly\n### B0: the base\n"
    )
    page = tables.filled(f"# P\n<!-- verdicts: this page --><!-- end -->\n{headings}### An older run\n", results)
    assert "3 claims: 1 confirmed, 1 refuted, 1 partly.\n" in page
    assert (
        "| [A2, A3](#a2-a3-in-0-1-better-confirmed-faster-partly) | in [0, 1], better? Confirmed. Faster? Partly |"
        in page
    )
    assert "| [B0](#b0-the-base) | the base |" in page and "older run]" not in page
    assert tables.filled(page, results) == page
