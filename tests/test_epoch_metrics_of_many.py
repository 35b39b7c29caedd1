"""The metrics over the epochs of runs that several processes train, and of the runs of a study."""

import json
import threading

import pytest
from rank_helpers import as_ranks
from run_helpers import outcome
from study_helpers import Here, make_small_world
from test_epoch_metrics import FEW, JUDGED, command, rows_of

from minigan.errors import OptionError
from minigan.experiments import EXPERIMENTS
from minigan.parallel import ALONE
from minigan.study import studying
from minigan.study.page import write_study_page
from minigan.study.plan import Study
from minigan.study.studying import run_study
from minigan.training import loop
from minigan.training.loop import resume_run, start_run


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        make_small_world(patch, tmp_path_factory.mktemp("cache"))
        patch.setitem(EXPERIMENTS, "Few", FEW)
        yield


# several processes


@pytest.fixture
def ranks(monkeypatch):
    """A function like as_ranks, whose threads get their group as processes do."""
    here = threading.local()
    monkeypatch.setattr(loop, "processes", lambda: getattr(here, "group", ALONE))

    def run(work):
        def work_as_rank(group):
            here.group = group
            return work(group)

        return as_ranks(2, work_as_rank)

    return run


def trained(training):
    training.run(quiet=True)
    return training


def test_the_first_of_several_processes_judges_and_the_others_wait(ranks, tmp_path):
    def begin(group):
        return trained(start_run(FEW, tmp_path / f"rank {group.rank}", seed=5, steps=12, **JUDGED))

    first, other = ranks(begin)
    assert [path.name for path in tmp_path.iterdir()] == ["rank 0"] and other.epoch_metrics is None
    assert [row["step"] for row in rows_of(tmp_path / "rank 0")] == ["10", "12"]
    without = ranks(lambda group: trained(start_run(FEW, tmp_path / f"without {group.rank}", seed=5, steps=12)))
    assert outcome(first) == outcome(without[0])
    ranks(lambda group: trained(resume_run(tmp_path / "rank 0" if group.rank == 0 else tmp_path / "none", steps=15)))
    assert [row["step"] for row in rows_of(tmp_path / "rank 0")] == ["10", "15"]


# studies


def small_study(**changes):
    return Study(
        ("Few",), **{"seeds": (0, 1), "epochs": 2, "samples": 60, "judge_every": 1, "judge_samples": 60} | changes
    )


def test_the_runs_of_a_study_have_their_metrics_over_the_epochs(tmp_path):
    here = Here()
    report = run_study(small_study(), tmp_path, here.open, quiet=True)
    assert len(report.rows) == 2 and not report.failed
    for seed, row in enumerate(report.rows):
        rows = rows_of(tmp_path / f"Few-seed{seed}")
        assert [judged["step"] for judged in rows] == ["5", "10"]
        assert float(rows[-1]["nfd"]) == pytest.approx(row["nfd"], rel=1e-6), (
            "of as many samples; results have 7 digits"
        )
    data = write_study_page(tmp_path).read_text("utf-8")
    assert "nFD of 60 samples that were judged during the training" in data


def test_a_study_remembers_its_judge(tmp_path):
    small_study().open(tmp_path)
    settings = json.loads((tmp_path / "study.json").read_text())["settings"]
    assert settings["judge_every"] == 1 and settings["judge_samples"] == 60
    small_study(seeds=(0, 1, 2)).open(tmp_path)
    for changes in ({"judge_every": 2}, {"judge_every": None, "judge_samples": None}):
        with pytest.raises(OptionError, match="holds another study: there judge_"):
            small_study(**changes).open(tmp_path)


def test_a_study_of_before_had_no_judge(tmp_path):
    study = small_study(judge_every=None, judge_samples=None)
    study.open(tmp_path)
    stored = json.loads((tmp_path / "study.json").read_text())
    del stored["settings"]["judge_every"], stored["settings"]["judge_samples"]
    (tmp_path / "study.json").write_text(json.dumps(stored))
    assert len(study.open(tmp_path)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judge_every": None}, "judge_samples is given, but judge_every is not"),
        ({"judge_every": 0}, "judge_every"),
        ({"judge_samples": 1.5}, "judge_samples"),
    ],
)
def test_odd_options_of_a_study(changes, message):
    with pytest.raises(OptionError, match=message):
        small_study(**changes)


def test_too_few_images_are_told_before_the_first_run(tmp_path):
    with pytest.raises(OptionError, match=r"judge_samples is 2,000, .* Choose at most 1,200"):
        studying.prepare(small_study(judge_samples=None).jobs(tmp_path), quiet=True)


def test_the_command_study_takes_the_options(tmp_path, monkeypatch):
    studies = []

    def run(study, *arguments):
        studies.append(study)
        raise OptionError("enough")

    monkeypatch.setattr(studying, "run_study", run)
    options = "--judge-every", 3, "--judge-samples", 100, "--out", tmp_path
    assert command("study", "Few", *options) == 2
    assert (studies[0].judge_every, studies[0].judge_samples) == (3, 100)
