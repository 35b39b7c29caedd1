"""The tests' own browser: it finds Chromium or says what to install, and errors in a page make a test fail."""

import sys

import pytest
from browser_helpers import NoBrowserError, Pages, find_chromium, overflows, running_chromium


def test_chromium_is_looked_for_where_the_variable_says(tmp_path, monkeypatch):
    program = tmp_path / "chrome"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(program))
    assert find_chromium() == str(program)
    monkeypatch.setenv("CHROMIUM", str(tmp_path / "none"))
    with pytest.raises(NoBrowserError, match="none is no program here"):
        find_chromium()


def test_without_chromium_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoBrowserError, match="apt-get install chromium"):
        find_chromium()


def test_without_playwright_one_sentence_says_what_to_do(monkeypatch):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(NoBrowserError, match=r"pip install -e \"\.\[browser\]\""), running_chromium():
        pass


FAULTY = {
    "console": "<script>console.error('Ouch')</script>",
    "error": "<script>null.x</script>",
    "missing": "<script>document.getElementById('none').textContent = 1</script>",
    "network": "<img src='http://minigan.invalid/x.png' alt=''>",
}


@pytest.mark.browser
@pytest.mark.parametrize("kind", FAULTY)
def test_a_fault_in_a_page_is_seen(kind, chromium, tmp_path):
    pages = Pages(chromium)
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>x</title>{FAULTY[kind]}", encoding="utf-8")
    pages.open(path)
    assert pages.close()


@pytest.mark.browser
def test_a_page_is_opened_in_a_window_of_the_size_and_colours_asked_for(open_page, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><title>x</title><div style='width: 500px'>x</div>", encoding="utf-8")
    page = open_page(path, width=390, dark=True)
    assert page.evaluate("innerWidth") == 390
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert overflows(page) and not overflows(open_page(path))
