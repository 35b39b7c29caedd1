"""A generator in the report of its run: in the page itself if there is room, else beside it."""

import re
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from test_commands import run
from test_generator_page import data_of, run_folder  # noqa: F401, a fixture

from minigan.cli import evaluating
from minigan.errors import OptionError
from minigan.pages.network_data import FORMS
from minigan.report import generator as report_generator
from minigan.report import write_report
from minigan.report.writing import has_generator
from minigan.training.trained import load_trained


@pytest.fixture
def trained(run_folder):  # noqa: F811
    return load_trained(run_folder, "cpu")


def test_the_page_holds_a_generator_that_fits(run_folder, capsys):  # noqa: F811
    assert run("report", run_folder, "--generator", "--quiet") == 0
    text = (run_folder / "report.html").read_text(encoding="utf-8")
    assert data_of(text)["shape"] == [28, 28, 1] and 'id="generator-seed"' in text and len(text) < 5_000_000
    assert not (run_folder / "generator.html").exists()
    assert run("report", run_folder, "--quiet") == 0
    assert "generator-seed" not in (run_folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "beside", "link"),
    [
        ("report.html", "generator.html", "generator.html"),
        ("50 % #1.html", "50 % #1_generator.html", "50%20%25%20%231_generator.html"),
    ],
)
def test_a_large_generator_has_a_page_beside(name, beside, link, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(report_generator, "MOST", 1000)
    write_report(trained.folder.path, tmp_path / name, trained)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert f'<a href="{link}">a page of its own</a>' in text and "data-generator" not in text
    assert data_of((tmp_path / beside).read_text(encoding="utf-8"))["command"] == "python -m minigan sample RUN"


def test_pictures_make_room_for_the_generator(trained, tmp_path, monkeypatch):
    """Together they stay below 5 MB: what the generator takes is not there for pictures."""
    rooms = []
    monkeypatch.setattr("minigan.report.run_page.Room", lambda characters: rooms.append(characters) or Room(characters))
    from minigan.report.run_pictures import ROOM, Room

    write_report(trained.folder.path, tmp_path / "with.html", trained)
    write_report(trained.folder.path, tmp_path / "without.html")
    assert rooms[1] == ROOM and ROOM - rooms[0] > 4 / 3 * trained.gan.generator.flat_params.nbytes


def part_of(path):
    """The part "Generator" of a page, or None."""
    found = re.search(r'<section id="generator".*?</section>', path.read_text(encoding="utf-8"), re.S)
    return found and found[0]


@pytest.mark.parametrize("most", [3_000_000, 1000])  # characters: in the page, and beside it
def test_a_page_keeps_its_generator_when_it_is_written_again(most, run_folder, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(report_generator, "MOST", most)
    monkeypatch.setattr(evaluating, "judge_for", lambda *arguments: SimpleNamespace(judge=lambda *more: {}))
    shutil.copytree(run_folder, tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    page.unlink(missing_ok=True)
    assert run("evaluate", tmp_path / "run") == 0 and not page.exists()
    for generator in (False, True):
        assert run("report", tmp_path / "run", "--quiet", *(["--generator"] if generator else [])) == 0
        whole = part_of(page)
        assert bool(whole) == generator
        for command in (["evaluate"], ["evaluate", "--raw"], ["resume", "--quiet"]):
            assert run(command[0], tmp_path / "run", *command[1:]) == 0
            assert part_of(page) == whole, command


def test_a_page_that_cannot_be_read_has_no_generator(tmp_path):
    assert not has_generator(tmp_path / "report.html") and not has_generator(tmp_path)


def test_a_generator_without_a_form_leaves_no_page(trained, tmp_path, monkeypatch):
    monkeypatch.delitem(FORMS, type(trained.gan.generator.layers[0]))
    with pytest.raises(OptionError, match="has no form in JavaScript"):
        write_report(trained.folder.path, tmp_path / "r.html", trained)
    assert not list(tmp_path.iterdir())


def test_it_belongs_to_one_run(run_folder, tmp_path, capsys):  # noqa: F811
    for arguments in ([run_folder, tmp_path], [run_folder, "--watch"]):
        assert run("report", *arguments, "--generator") == 2
        assert "--generator belongs to the page of one run" in capsys.readouterr().err
    with pytest.raises(OptionError, match="write_report: expected trained"):
        write_report(run_folder, tmp_path / "r.html", trained=True)


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_generator_runs_in_the_report(width, trained, open_page, tmp_path):
    from browser_helpers import overflows
    from test_generator_browser import predicted, wait_for_grid

    page = open_page(write_report(trained.folder.path, tmp_path / "r.html", trained), width=width)
    wait_for_grid(page)
    z = trained.latents(3, 0)
    expected = trained.gan.sampler().predict(z)
    np.testing.assert_allclose(predicted(page, z).reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)
    names = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert len(names) == len(set(names)) and not overflows(page)


@pytest.mark.browser
def test_the_link_leads_to_the_page_beside(trained, open_page, tmp_path, monkeypatch):
    from test_generator_browser import wait_for_grid

    monkeypatch.setattr(report_generator, "MOST", 1000)
    page = open_page(write_report(trained.folder.path, tmp_path / "50 % #1.html", trained))
    page.get_by_role("link", name="a page of its own").click()
    wait_for_grid(page)
    assert page.title() == "The generator of tiny-page"
