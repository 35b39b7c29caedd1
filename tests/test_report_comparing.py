"""Pages that compare runs, and the page of a study."""

import json
import shutil
import statistics

import pytest
from report_helpers import SCORES, config_of, make_run, rows_of_history
from test_report import read_page, report, text_of

from minigan.errors import CheckpointError, OptionError
from minigan.report import write_comparison, write_report
from minigan.study.page import write_study_page
from minigan.study.plan import FORMAT
from minigan.training.folder import RunFolder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("report") / "run")


def test_several_runs_are_compared(run, tmp_path, capsys):
    other = make_run(tmp_path / "run", epochs=2, batch_size=64, scores=None, notes="")
    out = tmp_path / "both.html"
    assert report(run, other, "--out", out) == 0 and str(out.resolve()) in capsys.readouterr().out
    page = read_page(out)
    text, data = text_of(page), json.loads(page.data["data-plots"])
    names = [curve["name"] for curve in data["d-loss"]["curves"]]
    assert len(set(names)) == 2 and all(str(path) in names for path in (run, other)), "both folders are called run"
    assert data["d-loss"]["curves"][1]["y"] == [row["d_loss"] for row in rows_of_history(2)]
    assert "batch_size" in text and "128" in page.texts and "64" in page.texts and "1.62 %" in page.texts
    assert text.count("epoch 3") and text.count("epoch 2")


def test_runs_with_equal_settings_and_networks_of_other_kinds(run, tmp_path):
    write_comparison([run, make_run(tmp_path / "other", seed=0)], tmp_path / "a.html")
    assert "There are no settings that differ" in text_of(read_page(tmp_path / "a.html"))
    settings = config_of().settings
    settings["generator"]["layers"] = settings["generator"]["layers"][2:]
    write_comparison([run, make_run(tmp_path / "third", settings=settings)], tmp_path / "b.html")
    text = text_of(read_page(tmp_path / "b.html"))
    assert "Dense - BatchNorm - LeakyReLU" in text and "units" not in text


def test_twenty_runs_are_compared_with_fewer_curves_which_is_told(run, tmp_path):
    write_comparison([run] * 20, tmp_path / "a.html")
    assert "The curves show 18 of 20" in text_of(read_page(tmp_path / "a.html"))
    with pytest.raises(OptionError, match="expected 1 to 100 runs to compare, got 101"):
        write_comparison([run] * 101, tmp_path / "a.html")


# studies


def make_study(folder, labels=("small-seed0", "small-seed1", "small+d_lr=0.1-seed0")):
    """Write the folder of a study; the losses of seed 1 are larger by .1, its nFD by 2."""
    folder.mkdir()
    (folder / "study.json").write_text(json.dumps({"format": FORMAT, "settings": {}, "runs": list(labels)}))
    for label in labels:
        seed = int(label[-1])
        path = make_run(folder / label, seed=seed, scores=SCORES | {"nfd": 1.0 + 2 * seed})
        if seed:
            rows = [row | {"d_loss": row["d_loss"] + 0.1} for row in rows_of_history(3)]
            RunFolder(path).write_history(rows)
    return folder


def test_a_study_shows_mean_and_spread_of_each_arm(tmp_path, capsys):
    folder = make_study(tmp_path / "my study")
    write_report(folder / "small-seed1")
    assert report(folder) == 0 and str(folder / "report.html") in capsys.readouterr().out
    page = read_page(folder / "report.html")
    arms = json.loads(page.data["data-plots"])["d-loss"]["curves"]
    assert [arm["name"] for arm in arms] == ["small", "small+d_lr=0.1"]
    for k, row in enumerate(rows_of_history(3)):
        values = [row["d_loss"], row["d_loss"] + 0.1]
        middle, spread = statistics.mean(values), statistics.stdev(values)
        assert arms[0]["y"][k] == pytest.approx(middle, rel=1e-12)
        assert [arms[0]["low"][k], arms[0]["high"][k]] == pytest.approx([middle - spread, middle + spread], rel=1e-12)
    assert "low" not in arms[1]
    text = text_of(page)
    assert "3 runs of 2 kinds" in text and "2.00 ± 1.41 %" in page.texts and "standard deviation" in text
    assert "small-seed1/report.html" in page.values and "small-seed0/report.html" not in page.values


def test_a_study_that_is_not_whole(tmp_path):
    folder = make_study(tmp_path / "study")
    shutil.rmtree(folder / "small-seed1")
    RunFolder(folder / "small-seed0").write_history(rows_of_history(1))
    text = text_of(read_page(write_study_page(folder, tmp_path / "a.html")))
    assert "Not begun, or not readable: small-seed1" in text and "2 runs of 2 kinds" in text
    for path in folder.glob("small*"):
        shutil.rmtree(path)
    with pytest.raises(CheckpointError, match="none of the 3 runs of this study has begun"):
        write_study_page(folder)


@pytest.mark.parametrize("runs", [["../run"], ["/etc"], [".."], [""], [3], [], "abc", ["a/b"], None], ids=str)
def test_a_study_reads_only_its_own_folder(runs, tmp_path):
    make_run(tmp_path / "run")
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "study.json").write_text(json.dumps({"format": FORMAT, "settings": {}, "runs": runs}))
    with pytest.raises(CheckpointError):
        write_study_page(folder)
    assert not (folder / "report.html").exists()


def test_a_link_in_a_study_is_refused(tmp_path):
    folder = make_study(tmp_path / "study")
    (folder / "link-seed0").symlink_to(make_run(tmp_path / "run"))
    with pytest.raises(CheckpointError, match="is a symbolic link"):
        write_study_page(folder)


def test_a_study_beside_runs_is_refused(run, tmp_path, capsys):
    assert report(make_study(tmp_path / "study"), run) == 2
    assert "is the folder of a study. Give it alone" in capsys.readouterr().err
