"""Chromium for the tests of pages, driven by Playwright: it opens a page and listens to what goes wrong in it.

The fixtures `chromium` and `open_page` (conftest.py) are what a test uses:

    @pytest.mark.browser
    def test_the_page(open_page, tmp_path):
        page = open_page(tmp_path / "report.html", width=390, dark=True)
        page.get_by_role("slider").press("ArrowRight")

`page` is Playwright's own (https://playwright.dev/python/docs/api/class-page). At the end of the test every page that
it opened is closed, and the test fails if a page wrote an error to the console, threw one, or asked for anything on a
network: pages have to work from a file, so they may load nothing. The pages forbid `eval`, which Playwright's
wait_for_function needs: wait for a text or an element instead, `page.get_by_text("64 images").wait_for()`, or use
`expect` (https://playwright.dev/python/docs/test-assertions).
"""

import os
import shutil
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")


class NoBrowserError(Exception):
    """What is missing, and the line that installs it."""


def find_chromium():
    """Return the path of Chromium: CHROMIUM if the variable is set, else the first program found on PATH."""
    given = os.environ.get("CHROMIUM")
    found = shutil.which(given) if given else next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found:
        return found
    if given:
        raise NoBrowserError(f"CHROMIUM={given} is no program here; give the path of Chromium or Chrome.")
    raise NoBrowserError(
        "no Chromium here: install it with the system's packages (apt-get install chromium), or set CHROMIUM to the "
        "path of Chromium or Chrome."
    )


@contextmanager
def running_chromium():
    """Start Chromium without a window; end it when the block ends. Raises NoBrowserError if it cannot."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise NoBrowserError('no Playwright here: pip install -e ".[browser]"') from None
    program = find_chromium()
    # as root Chromium runs only without its sandbox; the pages are our own
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Pages:
    """The pages that one test opens, and what went wrong in them."""

    def __init__(self, browser):
        self.browser, self.contexts, self.faults = browser, [], []

    def open(self, address, width=1280, height=900, dark=False, **options):
        """Open a file or an address in a window of its own, and return Playwright's page.

        options    further ones of Playwright's new_context, as reduced_motion="reduce"
        """
        scheme = "dark" if dark else "light"
        context = self.browser.new_context(viewport=dict(width=width, height=height), color_scheme=scheme, **options)
        context.set_default_timeout(20_000)
        self.contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: self.note(message.type == "error", f"console: {message.text}"))
        page.on("pageerror", lambda error: self.note(True, f"error: {error}"))
        page.on("request", lambda request: self.note(not request.url.startswith(LOCAL), f"asked for {request.url}"))
        page.goto(address if "://" in str(address) else Path(address).resolve().as_uri())
        return page

    def note(self, is_fault, text):
        if is_fault:
            self.faults.append(text)

    def close(self):
        """Close all pages, and return what went wrong in them."""
        for context in self.contexts:
            context.close()
        return self.faults


def overflows(page):
    """Return whether the page is wider than the window, so that a reader has to scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
