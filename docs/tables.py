"""Write the tables and numbers of the pages again, from the results of studies in docs/results/*.csv.

    python docs/tables.py                     all pages
    python docs/tables.py docs/experiments.md one page; it can be any Markdown file

No number of a study is written by hand. A page says where a table comes from, and this program writes what is between
the two comments:

    <!-- table: results/mlp_gan.csv; columns: nfd:.1f score; rows: A4 A4,d_lr=0.001 -->
    <!-- end -->

Several files make one table. Without `columns`, these are all metrics; without `rows`, all experiments. A format is
optional: nfd:.1f. One number in a sentence, with its standard deviation if there are several seeds:

    <!-- number: results/mlp_gan.csv; row: A4; column: nfd -->17.0 ± 2.3<!-- end -->

One number of the losses over the epochs of the runs, for example how far they spread; all words are in docs/losses.py:

    <!-- loss: results/losses/report_a.csv; row: A5; column: d_loss; of: deviation -->0.07<!-- end -->

The steps in which the seeds of an experiment failed, in the order of the seeds:

    <!-- failed: results/as_reported.csv; row: D1-as-reported -->1, 1 and 8<!-- end -->

The list of the verdicts that the headings of the page give; how they must look is in docs/verdicts.py:

    <!-- verdicts: this page -->
    <!-- end -->

tests/test_tables.py compares: it fails if a page does not hold what its results say.
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from losses import loss, read_losses  # noqa: E402
from verdicts import verdicts  # noqa: E402

from minigan.errors import MiniganError  # noqa: E402
from minigan.study.results import read_csv  # noqa: E402
from minigan.study.table import number, table  # noqa: E402

MARKED = re.compile(
    r"(?P<start><!-- (?P<kind>table|number|loss|failed|verdicts): (?P<sources>[^;]*?)(?P<options>;.*?)? -->).*?"
    r"(?P<end><!-- end -->)",
    re.S,
)
STRAY = re.compile(r"<!-- (table|number|loss|failed|verdicts|end)\b")
OPTIONS = {
    "table": {"columns", "rows"},
    "number": {"row", "column"},
    "loss": {"row", "column", "of"},
    "failed": {"row"},
    "verdicts": set(),
}


class PageError(MiniganError):
    """A page whose marks cannot be understood, or ask for what the results do not have."""


def filled(text, folder):
    """Return the text of a page with all its tables and numbers as the results say; `folder` is the page's."""
    if STRAY.search(MARKED.sub("", text)):
        raise PageError("a mark without its end, or an end without its mark: <!-- table: FILE --> ... <!-- end -->")
    return MARKED.sub(lambda mark: f"{mark['start']}{content(mark, folder, text)}{mark['end']}", text)


def content(mark, folder, text):
    """Return what belongs between two marks of a page with this text."""
    kind, options = mark["kind"], {}
    for part in filter(str.strip, (mark["options"] or "").split(";")):
        name, _, words = part.partition(":")
        options[name.strip()] = words.split()
    unknown = set(options) - OPTIONS[kind]
    if unknown or not mark["sources"].split() or not all(options.values()):
        raise PageError(f"{mark['start']}: expected a file, and of the options {', '.join(OPTIONS[kind])} those needed")
    try:
        if kind == "verdicts":
            return f"\n{verdicts(text)}\n"
        read = read_losses if kind == "loss" else read_csv
        rows = [row for source in mark["sources"].split() for row in read(folder / source)]
        if kind == "table":
            return f"\n{table(rows, options.get('columns'), options.get('rows'))}\n"
        (row,) = options["row"]
        if kind == "failed":
            return failed_steps(rows, row)
        (column,) = options["column"]
        if kind == "loss":
            return loss(rows, row, column, *options["of"])
        return number(rows, row, column)
    except KeyError as error:
        raise PageError(f"{mark['start']}: the option {error} is missing") from error
    except (MiniganError, OSError, TypeError, ValueError) as error:
        raise PageError(f"{mark['start']}: {error}") from error


def failed_steps(rows, label):
    """Return the steps in which the runs of an experiment failed, as a text: "1, 1 and 8"."""
    runs = sorted((row["seed"], row["error"]) for row in rows if row["error"] and row["experiment"] == label)
    *first, last = [re.search(r"step (\d[\d,]*):", error)[1] for _, error in runs]
    return f"{', '.join(first)} and {last}" if first else last


def marked_pages():
    """Return all pages of docs/ with a mark."""
    return [
        page
        for page in sorted(DOCS.rglob("*.md"))
        if re.search(r"^<!-- table: |<!-- (number|loss|failed): ", page.read_text(encoding="utf-8"), re.M)
    ]


def main(pages):
    for page in pages:
        text = page.read_text(encoding="utf-8")
        try:
            new = filled(text, page.parent)
        except MiniganError as error:
            raise SystemExit(f"error: {page}: {error}") from error
        if new != text:
            page.write_text(new, encoding="utf-8")
        print(f"{page.name}: {'written again' if new != text else 'as it was'}")


if __name__ == "__main__":
    main([Path(name).resolve() for name in sys.argv[1:]] or marked_pages())
