"""The site in Chromium: its text fits windows of all widths, and nothing is loaded from a network."""

import subprocess
import sys
from pathlib import Path

import pytest
from browser_helpers import overflows

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (360, *range(500, 1601, 100))  # pixels
# one with wide tables and formulas, one with links and lists, one of docstrings, one of code
PAGES = ("experiments.html", "index.html", "api/layers.html", "code/minigan/layers/dense.py.html")

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="needs the extra docs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", ROOT / "docs", folder]
    subprocess.run(command, check=True, timeout=400)
    return folder


@pytest.mark.parametrize("name", PAGES)
def test_no_text_is_cut_off(site, open_page, name):
    """Between the menus, in windows of all widths. (Wide tables and lines of code scroll.)"""
    page = open_page(site / name, width=WIDTHS[0])
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert not overflows(page), width
        boxes = page.locator("article h1, article h2, article section > p").evaluate_all(
            "found => found.filter(one => one.offsetParent).map(one => one.getBoundingClientRect())"
            ".map(box => [box.left, box.right])"
        )
        menu = page.locator(".sidebar-drawer").bounding_box()
        left = max(0, menu["x"] + menu["width"]) if menu else 0
        assert boxes
        for start, end in boxes:
            assert left <= start and end <= width, f"text from {start} to {end} in a window of {width}, menu to {left}"
