"""The metrics over the epochs in the pages of runs and studies: plots, captions, tables, and damaged files."""

import json
import statistics

import pytest
from browser_helpers import overflows
from report_helpers import make_run, rows_of_metrics
from test_report import read_page, text_of
from test_report_comparing import make_study

from minigan.report import write_comparison, write_report
from minigan.report.reading import read_record
from minigan.study.page import write_study_page
from minigan.training.folder import RunFolder

JUDGED = ("nfd", "score", "coverage")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("metrics") / "run", metrics=rows_of_metrics(), scores=None)


def plots_of(page):
    return json.loads(page.data["data-plots"])


def test_nfd_score_and_coverage_over_the_epochs(run):
    page = read_page(write_report(run))
    data, rows, text = plots_of(page), rows_of_metrics(), text_of(page)
    for name in JUDGED:
        (curve,) = data[name]["curves"]
        assert curve["x"] == [1, 2, 3] and curve["y"] == [row[name] for row in rows]
        assert len(data[name]["marks"]) == 2, "the notes of health, as in the other plots"
    assert "The nFD of 2,000 samples. How far the features of the samples" in text
    assert "nFD of 2,000 samples12.50 %" in text, "at the top"
    assert "The curves above show metrics of 2,000 samples." in text and "train --judge-every N" not in text
    assert "The metrics as a table" in text and "metrics.csv: 3 of 3 rows" in text
    assert {"50.00 %", "25.00 %", "12.50 %", "7.33", "0.750"} <= set(page.texts)


def test_what_evaluate_wrote_stands_at_the_top_if_it_is_there(tmp_path):
    text = text_of(read_page(write_report(make_run(tmp_path / "run", metrics=rows_of_metrics()))))
    assert "nFD1.62 %" in text and "samples12.50 %" not in text


def test_a_run_without_a_judge_has_one_sentence_with_the_option(tmp_path):
    page = read_page(write_report(make_run(tmp_path / "run", scores=None)))
    assert not set(JUDGED) & set(plots_of(page)) and "The metrics as a table" not in text_of(page)
    assert text_of(page).count("--judge-every") == 1
    assert "--judge-every" not in text_of(read_page(write_report(make_run(tmp_path / "judged"))))


def test_a_row_without_numbers_is_a_gap(tmp_path):
    rows = rows_of_metrics()
    rows[1] |= dict.fromkeys(JUDGED)
    page = read_page(write_report(make_run(tmp_path / "run", metrics=rows)))
    assert plots_of(page)["nfd"]["curves"][0]["y"] == [50, "NaN", 12.5] and "-" in page.texts


@pytest.mark.parametrize(
    ("scores", "names"),
    [
        ({"modes": 900, "mode_kl": 0.5}, ["modes", "mode_kl"]),
        ({"diversity_ratio": 0.9, "memorisation_ratio": 1.1, "copied_share": 0.01},
         ["diversity_ratio", "memorisation_ratio"]),
    ],
)  # fmt: skip
def test_other_metrics_of_other_data(tmp_path, scores, names):
    rows = rows_of_metrics(**dict.fromkeys(JUDGED), **scores)
    page = read_page(write_report(make_run(tmp_path / "run", metrics=rows, scores=None)))
    assert [name for name in plots_of(page) if name not in ("losses", "norms", "samples")] == names
    assert "900" in page.texts or "modes" not in scores


HEAD = b"step,epoch,samples,nfd\n"


@pytest.mark.parametrize(
    ("content", "said", "left"),
    [
        (b"", "metrics.csv is damaged", 0),
        (b"step,epoch\n20,1\n", "metrics.csv is damaged", 0),
        (b"step,epoch,samples,score,nfd\n20,1,2,3,4\n", "metrics.csv is damaged", 0),
        (b"step,epoch,samples,price\n20,1,2000,3\n", "metrics.csv is damaged", 0),
        (HEAD + b"20,1.0,2000,5\n20,1.0,2000,4\n", "damaged in line 3; only the 1 rows before it", 1),
        (HEAD + b"20,1.0,2000,inf\n", "damaged in line 2", 0),
        (HEAD + b"20,1.0,,5\n", "damaged in line 2", 0),
        (HEAD + b"20,1.0,2000\n", "damaged in line 2", 0),
        (HEAD + b"20,nan,2000,5\n", "damaged in line 2", 0),
        (HEAD, None, 0),
        (HEAD + b"20,1.0,2000,\n", None, 1),
    ],
)
def test_damaged_files_are_left_out_and_named(tmp_path, content, said, left):
    run = make_run(tmp_path / "run")
    (run / "metrics.csv").write_bytes(content)
    assert len(read_record(run).metrics) == left
    text = text_of(read_page(write_report(run)))
    assert said in text if said else "damaged" not in text


# comparisons and studies


def test_a_comparison_draws_nfd_of_the_runs_that_have_it(run, tmp_path):
    other = make_run(tmp_path / "other", metrics=rows_of_metrics(2, nfd=3.0))
    page = read_page(write_comparison([run, make_run(tmp_path / "none"), other], tmp_path / "a.html"))
    curves = plots_of(page)["nfd"]["curves"]
    assert [(curve["name"], curve["x"], curve["y"]) for curve in curves] == [
        ("run", [1, 2, 3], [50, 25, 12.5]),
        ("other", [1, 2], [3, 3]),
    ]
    assert "nFD of 2,000 samples that were judged during the training" in text_of(page)
    none = read_page(write_comparison([make_run(tmp_path / "a"), make_run(tmp_path / "b")], tmp_path / "b.html"))
    assert "that were judged during" not in text_of(none)


def test_runs_that_were_judged_by_other_numbers_of_samples(run, tmp_path):
    other = make_run(tmp_path / "other", metrics=rows_of_metrics(samples=500))
    text = text_of(read_page(write_comparison([run, other], tmp_path / "a.html")))
    assert "The curves of nFD are of 500 to 2,000 samples" in text


def test_a_study_draws_mean_and_spread_of_nfd(tmp_path):
    folder = make_study(tmp_path / "study")
    for seed, nfd in ((0, 10.0), (1, 14.0)):
        RunFolder(folder / f"small-seed{seed}").write_metrics(rows_of_metrics(2 + seed, nfd=nfd))
    (curve,) = plots_of(read_page(write_study_page(folder)))["nfd"]["curves"]
    spread = statistics.stdev([10, 14])
    assert curve["name"] == "small" and curve["x"] == [1, 2], "as far as both have come"
    assert curve["y"] == [12, 12] and curve["low"] == [12 - spread] * 2 and curve["high"] == [12 + spread] * 2


@pytest.mark.browser
@pytest.mark.parametrize("width", [1280, 390])
def test_the_plots_in_a_browser(run, open_page, width):
    page = open_page(write_report(run), width=width)
    plot = page.locator('[data-plot="nfd"]')
    assert not overflows(page) and all(page.locator(f'[data-plot="{name}"] svg').last.is_visible() for name in JUDGED)
    plot.focus()
    page.keyboard.press("Home")
    assert plot.get_attribute("aria-valuetext").startswith("epoch 1, nFD: 50")
    assert "nFD of 2,000 samples" in plot.get_attribute("aria-label")
    losses = page.locator('[data-plot="losses"]')
    losses.scroll_into_view_if_needed()
    box = losses.bounding_box()
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + box["height"] / 2)
    edges = losses.locator(".readout").bounding_box()
    assert edges["x"] + edges["width"] <= width
    heights = losses.locator(".readout td").evaluate_all("cells => cells.map(cell => cell.offsetHeight)")
    assert len(heights) == 2 and max(heights) < 30, "each number on one line"
    page.locator("#epoch-metrics summary").click()
    assert page.get_by_role("cell", name="50.00 %").is_visible()
