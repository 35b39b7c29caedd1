"""The page of a run in Chromium: no errors, the slider moves, plots say what history.csv has, --watch follows."""

import csv
import threading

import pytest
from browser_helpers import overflows
from report_helpers import make_run, rows_of_history

from minigan.report import write_comparison, write_report
from minigan.report.serving import make_server
from minigan.training.folder import RunFolder

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("browser") / "run", epochs=5)
    write_report(run)
    return run


def history_of(run):
    with open(run / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def six_digits(text):
    return f"{float(text):.6g}"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False), (390, True)])
def test_the_page_opens_from_disk(run, open_page, width, dark):
    page = open_page(run / "report.html", width=width, dark=dark)
    assert page.title() == "mlp-gan on digits, seed 0" and not overflows(page)
    assert page.locator(".plot svg").count() >= 3 and page.locator("#grid").is_visible()
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(22, 24, 28)" if dark else "rgb(252, 252, 250)")
    page.locator("#theme").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground


def test_the_slider_moves_through_the_grids(run, open_page):
    page = open_page(run / "report.html")
    grid, slider = page.locator("#grid"), page.get_by_role("slider", name="Epoch", exact=True)
    seen = {grid.get_attribute("src")}
    for epoch in (4, 3, 2, 1):
        slider.press("ArrowLeft")
        seen.add(grid.get_attribute("src"))
        assert page.locator("#epoch-shown").inner_text() == str(epoch)
        assert grid.get_attribute("alt") == f"A grid of generated images after epoch {epoch}"
        assert slider.get_attribute("aria-valuetext") == f"epoch {epoch}"
    assert len(seen) == 5 and page.evaluate("document.getElementById('grid').naturalWidth") > 20
    page.locator("#play").click()
    page.locator("#epoch-shown", has_text="5").wait_for()
    page.locator("#play", has_text="Play").wait_for()


def test_hovering_over_a_plot_shows_what_the_history_has(run, open_page):
    page = open_page(run / "report.html")
    plot = page.locator('[data-plot="losses"]')
    plot.scroll_into_view_if_needed()
    for epoch, row in enumerate(history_of(run), start=1):
        x = page.evaluate("e => plotsOfPage[0].xPlace(e) + plotsOfPage[0].drawing.getBoundingClientRect().left", epoch)
        box = plot.bounding_box()
        page.mouse.move(x + 1, box["y"] + box["height"] / 2)
        readout = plot.locator(".readout")
        assert readout.locator("strong").inner_text() == f"epoch {epoch}"
        assert readout.locator("td").all_inner_texts() == [six_digits(row["d_loss"]), six_digits(row["g_loss"])]
        edges = readout.bounding_box()
        assert edges["x"] >= 0 and edges["x"] + edges["width"] <= 1280
    page.mouse.move(2, 2)
    assert plot.locator(".readout").is_hidden()


def test_plots_by_keyboard(run, open_page):
    page = open_page(run / "report.html", width=390)
    plot, rows = page.locator('[data-plot="norms"]'), history_of(run)
    plot.focus()
    said = []
    for key in ("ArrowLeft", "ArrowLeft", "Home", "ArrowLeft", "ArrowRight", "End"):
        page.keyboard.press(key)
        said.append(plot.get_attribute("aria-valuetext"))
    expected = [
        f"epoch {k}, discriminator: {six_digits(rows[k - 1]['d_grad_norm'])}, "
        f"generator: {six_digits(rows[k - 1]['g_grad_norm'])}"
        for k in (5, 4, 1, 1, 2, 5)
    ]
    assert [text.split(", step")[0] for text in said] == expected and "the discriminator wins" in said[2]
    page.keyboard.press("Escape")
    assert plot.locator(".readout").is_hidden()
    # Tab reaches everything that can be moved, and one sees where one is
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.dataset.plot || ''"))
        place, outline = page.evaluate(
            "[document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]"
        )
        assert place == "BODY" or outline != "none", place
    assert {"theme", "epoch", "play", "losses", "norms", "samples"} <= reached


def test_a_hostile_page_runs_nothing(tmp_path, open_page):
    text = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    run = make_run(
        tmp_path / "run", experiment=text, machine={"x": text}, notes=f"2026-03-01 10:00:20  step 20: {text}\n"
    )
    page = open_page(write_report(run))
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog), dialog.dismiss()))
    page.locator('[data-plot="losses"]').hover()
    assert text in page.inner_text("h1") and text in page.locator("#health").inner_text()
    assert page.locator("img[src=x]").count() == 0 and not asked


def test_without_a_script_the_last_grid_and_the_table_are_there(run, open_page):
    page = open_page(run / "report.html", java_script_enabled=False)
    assert page.locator("#grid").is_visible() and page.locator("#epoch").is_hidden()
    page.locator("#numbers summary").click()
    assert page.get_by_role("cell", name=six_digits(history_of(run)[0]["d_loss"])).first.is_visible()


def test_a_comparison(run, tmp_path, open_page):
    other = make_run(tmp_path / "other", epochs=3)
    page = open_page(write_comparison([run, other], tmp_path / "both.html"), width=390)
    assert not overflows(page) and page.locator(".plot svg").count() > 4
    plot = page.locator('[data-plot="d-loss"]')
    plot.focus()
    page.keyboard.press("Home")
    value = six_digits(rows_of_history(1)[0]["d_loss"])
    assert plot.get_attribute("aria-valuetext") == f"epoch 1, run: {value}, other: {value}"
    dashes = plot.locator("path.curve").evaluate_all(
        "paths => paths.map(path => path.getAttribute('stroke-dasharray'))"
    )
    assert len(set(dashes)) == 2, "told apart without colours"


def test_the_watched_page_follows_the_run(tmp_path, open_page):
    run = make_run(tmp_path / "run", epochs=2)
    (run / "samples" / "epoch_003.png").write_bytes((run / "samples" / "epoch_001.png").read_bytes())
    third = (run / "samples" / "epoch_003.png").read_bytes()
    (run / "samples" / "epoch_003.png").unlink()
    with make_server(run, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            page = open_page(f"http://127.0.0.1:{server.server_port}/")
            page.get_by_text("This page follows the run").wait_for()
            page.locator("#numbers summary").click()
            page.locator('[data-plot="losses"]').focus()
            (run / "samples" / "epoch_003.png").write_bytes(third)
            RunFolder(run).write_history(rows_of_history(3))
            page.locator("#epoch-shown", has_text="3").wait_for()
            assert page.locator("#numbers").get_attribute("open") is not None, "what was open stays open"
            assert page.evaluate("document.activeElement.dataset.plot") == "losses"
            page.keyboard.press("End")
            assert page.locator('[data-plot="losses"]').get_attribute("aria-valuetext").startswith("epoch 3, ")
            slider = page.get_by_role("slider", name="Epoch", exact=True)
            slider.press("ArrowLeft")
            (run / "notes.txt").write_text("2026-03-01 10:00:00  a new note\n")
            page.locator("#all-notes", has_text="a new note").wait_for()
            assert page.locator("#epoch-shown").inner_text() == "2", "the slider stays where it was moved to"
        finally:
            server.shutdown()
            thread.join()
