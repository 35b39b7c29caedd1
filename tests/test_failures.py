"""The failures of docs/failures.md fail as the page says, and each command of the page is one of docs/failures.py."""

import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from minigan.errors import NonFiniteError
from minigan.experiments import find
from minigan.training.loop import start_run

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS))
import failures  # noqa: E402

PAGE = (DOCS / "failures.md").read_text(encoding="utf-8")
NOTES = re.findall(r"\*What the run says:\* (?:step \d+: )?([^.:]+)", PAGE)


def test_the_page_shows_every_pair():
    assert re.findall(r"python -m minigan train (\S+)", PAGE) == [failure for failure, _ in failures.PAIRS.values()]
    assert re.findall(r"images/failures/(\w+).png", PAGE) == [*failures.PAIRS]
    assert len(NOTES) == len(failures.PAIRS)
    for failure, cure in failures.PAIRS.values():
        assert find(failure).name != find(cure).name and f"`{cure}`" in PAGE


def fails(name, note, folder):
    """Train for as long as the page says, and return whether the run says what the page says."""
    with suppress(NonFiniteError):
        start_run(find(name), folder, seed=0, workers=1).run(quiet=True)
    return note in (folder / "notes.txt").read_text(encoding="utf-8")


def test_large_steps_of_sgd_give_nan(tmp_path, no_pictures):
    (name, _), note = failures.PAIRS["not_a_number"], NOTES[[*failures.PAIRS].index("not_a_number")]
    assert fails(name, note, tmp_path / "run")


@pytest.mark.slow
@pytest.mark.parametrize("failure", failures.PAIRS)
def test_a_failure_is_noticed_and_its_cure_helps(failure, tmp_path, no_pictures):
    (name, cure), note = failures.PAIRS[failure], NOTES[[*failures.PAIRS].index(failure)].split(", in")[0]
    assert fails(name, note, tmp_path / "failure")
    assert not fails(cure, note, tmp_path / "cure")
