"""Studies of experiments from files of one's own: what a worker gets, what study.json keeps, what is refused."""

import json
import os
import pickle
import shutil
import sys
from pathlib import Path

import pytest
from run_helpers import files
from study_helpers import Here, make_small_world

from minigan.__main__ import main
from minigan.errors import CheckpointError, OptionError
from minigan.experiments import Experiment, from_file
from minigan.study import cluster
from minigan.study.job import FINISHED, RunError, work
from minigan.study.page import write_study_page
from minigan.study.plan import Study
from minigan.study.results import read_csv
from minigan.study.studying import run_study
from minigan.training.loop import start_run
from minigan.training.sources import source_of_run
from minigan.training.trained import load_trained

TEXT = """
from minigan.experiments import Experiment
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.training.watchers import Watcher

with open(__file__ + ".log", "a") as log:
    log.write("run\\n")

EXPERIMENT = Experiment(
    "mine", "small", claim="-", generator=mlp_generator(4), discriminator=mlp_discriminator(4), dataset="digits",
    batch_size=100, epochs=1,
)
OTHER = EXPERIMENT.but("other", d_steps=2)
SAME = EXPERIMENT.but("mine", d_steps=3)

class Count(Watcher):
    steps = 0
    def after_step(self, *more):
        self.steps += 1
    def close(self):
        with open(__file__ + ".log", "a") as log:
            log.write(f"watched {self.steps} steps\\n")

WATCHERS = [Count()]
"""


@pytest.fixture(scope="module", autouse=True)
def small_world(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        make_small_world(patch, tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    """Each test is in a folder with my_gan.py, and leaves no path and no module behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    Path("my_gan.py").write_text(TEXT)
    yield
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


def own_study(*experiments, **changes):
    experiments = experiments or (from_file("my_gan.py:EXPERIMENT"),)
    return Study(experiments, **{"seeds": (0,), "steps": 2, "samples": 60} | changes)


def run(study, folder="study"):
    here = Here()
    return run_study(study, folder, here.open, quiet=True), here.jobs


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main(["study", *map(str, arguments)])
    return end.value.code or 0


def test_a_study_of_own_experiments_beside_ones_of_minigan():
    study = own_study(
        from_file("my_gan.py:OTHER+d_lr=1e-3"), "mlp-gan", from_file("my_gan.py"), options={"g_lr": ["1e-3"]}
    )
    report, begun = run(study)
    assert begun == ["other+d_lr=0.001+g_lr=0.001-seed0", "mlp-gan+g_lr=0.001-seed0", "mine+g_lr=0.001-seed0"]
    assert not report.failed and len(report.rows) == 3
    rows = read_csv("study/results.csv")
    assert [(row["experiment"], row["options"]) for row in rows] == [
        ("other", "d_lr=0.001 g_lr=0.001"), ("mlp-gan", "g_lr=0.001"), ("mine", "g_lr=0.001")
    ]  # fmt: skip
    for label, name in (("other+d_lr=0.001+g_lr=0.001-seed0", "OTHER"), ("mine+g_lr=0.001-seed0", "EXPERIMENT")):
        folder = Path("study", label)
        assert (folder / "experiment.py").read_text() == TEXT
        source = source_of_run(folder, "my_gan.py")
        assert source.name == name and load_trained(folder, experiment=source.experiment).step == 2
    assert not Path("study/mlp-gan+g_lr=0.001-seed0/experiment.py").exists()
    assert write_study_page("study").is_file()
    plan = json.loads(Path("study/study.json").read_text())
    assert plan["sources"]["mine"] == {key: from_file("my_gan.py").record[key] for key in ("file", "name", "sha256")}
    assert set(plan["sources"]) == {"mine", "other"}


def test_a_run_is_the_one_that_train_makes_and_a_stopped_one_continues():
    (one, *_) = own_study(epochs=1, steps=None).jobs(Path("study"))
    assert work(one)[0] == FINISHED
    own = from_file("my_gan.py")
    start_run(own.experiment, "alone", source=own, workers=1).run(quiet=True)
    mine, alone = files(Path(one.path)), files(Path("alone"))
    assert all(mine[name] == alone[name] for name in alone)
    shutil.rmtree("study")
    start_run(own.experiment, one.path, steps=3, source=own, workers=1).run(quiet=True)
    config = json.loads(Path(one.path, "config.json").read_text())
    Path(one.path, "config.json").write_text(json.dumps({**config, "steps": None}))
    assert work(one)[0] == FINISHED
    again = files(Path(one.path))
    newest = max(name for name in mine if name.startswith("checkpoints"))
    assert all(again[name] == mine[name] for name in ("history.csv", newest))


def test_a_worker_needs_no_file_and_its_watchers_watch(tmp_path, monkeypatch):
    jobs = own_study(seeds=(0, 1)).jobs(Path("study"))
    os.unlink("my_gan.py.log")
    os.unlink("my_gan.py")
    os.mkdir("elsewhere")
    monkeypatch.chdir("elsewhere")
    for module in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[module]
    for job in jobs:
        assert work(pickle.loads(pickle.dumps(job)))[0] == FINISHED
        assert (Path(job.path) / "experiment.py").read_text() == TEXT
    log = (tmp_path / "my_gan.py.log").read_text().splitlines()
    assert log == ["run", "watched 2 steps"] * 2, "each run has watchers of its own"


def test_the_file_runs_once_in_the_process_of_the_study():
    jobs = own_study(seeds=(0, 1), options={"g_lr": ["1e-3", "1e-4"], "d_steps": [1, 2]}).jobs(Path("study"))
    assert len(jobs) == 8 and Path("my_gan.py.log").read_text() == "run\n"


def test_a_changed_file_is_refused_and_nothing_is_changed():
    study = own_study()
    study.open(Path("study"))
    before = files(Path("study"))
    Path("my_gan.py").write_text(TEXT + "# a remark\n")
    with pytest.raises(OptionError, match=r"has changed since.*experiment\.py: compare.*--out DIR.*another file"):
        own_study(seeds=(0, 1)).open(Path("study"))
    assert files(Path("study")) == before
    Path("other.py").write_text(TEXT)
    with pytest.raises(OptionError, match="has changed since"):
        own_study(from_file("my_gan.py"), from_file("other.py:OTHER")).open(Path("study"))
    moved = from_file("other.py")
    assert len(own_study(moved, from_file("my_gan.py:OTHER"), "A1", seeds=(0, 1)).open(Path("study"))) == 6
    assert len(study.open(Path("study2"))) == 1


def test_another_variable_of_the_same_name_is_refused():
    own_study().open(Path("study"))
    with pytest.raises(OptionError, match="is not the file that the study"):
        own_study(from_file("my_gan.py:SAME")).open(Path("study"))


@pytest.mark.parametrize("sources", [3, [], {"mine": 3}, {"mine": {"file": "my_gan.py"}}], ids=str)
def test_a_damaged_entry_in_study_json(sources):
    own_study().open(Path("study"))
    plan = json.loads(Path("study/study.json").read_text())
    Path("study/study.json").write_text(json.dumps({**plan, "sources": sources}))
    with pytest.raises(CheckpointError, match="not the file of a study"):
        own_study().open(Path("study"))


def test_study_json_and_the_folders_of_runs_run_nothing(tmp_path):
    """A study from somebody else: only what the user names is run, not what the folder says."""
    study = own_study()
    report, _ = run(study)
    assert not report.failed
    trap = tmp_path / "trap.py"
    trap.write_text(TEXT + f"\nopen({str(tmp_path / 'trapped')!r}, 'w')\n")
    folder = Path("study/mine-seed0")
    shutil.copy(trap, folder / "experiment.py")
    for place in (Path("study/study.json"), folder / "config.json"):
        place.write_text(place.read_text().replace('"my_gan.py"', json.dumps(str(trap))))
    (folder / "result.json").unlink()
    report, _ = run(study)
    assert "was made with source = " in str(*report.failed.values()) and write_study_page("study")
    (job,) = own_study("A1").jobs(Path("other"))
    shutil.copytree(folder, job.path)
    with pytest.raises(RunError, match=r"holds another run than the study: experiment is .mine."):
        work(job)
    assert not Path("trapped").exists()


def test_a_run_in_the_folder_with_another_text():
    (job,) = own_study().jobs(Path("study"))
    Path("my_gan.py").write_text(TEXT + "# a remark\n")
    other = from_file("my_gan.py")
    start_run(other.experiment, job.path, steps=2, source=other).close()
    with pytest.raises(RunError, match=r"was started with another text of .*my_gan\.py"):
        work(job)


def test_a_file_that_gives_another_experiment_to_a_worker():
    text = TEXT.replace("EXPERIMENT = Exp", "import os\nEXPERIMENT = Exp").replace('"mine", "s', 'os.getcwd()[-3:], "s')
    Path("my_gan.py").write_text(text)
    os.mkdir("abc")
    os.chdir("abc")
    (job,) = own_study(from_file("../my_gan.py")).jobs(Path("study"))
    os.chdir("..")
    os.mkdir("xyz")
    os.chdir("xyz")
    with pytest.raises(RunError, match="gives the experiment 'xyz' to this worker, but gave 'abc' to the study"):
        work(job)


@pytest.mark.parametrize("name", ["a/../b", "..", ".a", "a b", "a+d_lr=1", "a=b", "a:b", "-a", "a\n", "x" * 101, "a|b"])
def test_names_that_cannot_stand_in_folders_and_tables(name):
    Path("my_gan.py").write_text(TEXT.replace('"mine", "s', f'{name!r}, "s'))
    with pytest.raises(OptionError, match="expected at most 100 letters, digits"):
        own_study()
    assert not Path("study").exists()


def test_names_must_be_unique():
    for name in ("A4", "a4", "fast-dcgan"):
        Path("my_gan.py").write_text(TEXT.replace('"mine", "s', f'{name!r}, "s'))
        with pytest.raises(OptionError, match="as one of minigan's own"):
            own_study()
    Path("my_gan.py").write_text(TEXT)
    Path("other.py").write_text(TEXT.replace('"mine"', '"Mine"'))
    for others in (("my_gan.py:SAME",), ("other.py:EXPERIMENT",), ("A1", "my_gan.py:SAME+d_lr=0.1")):
        others = [from_file(other) if ".py" in other else other for other in others]
        with pytest.raises(OptionError, match="two experiments are named"):
            own_study(from_file("my_gan.py"), *others)
    with pytest.raises(OptionError, match="the experiment 'mine' is given twice"):
        own_study(from_file("my_gan.py"), from_file("my_gan.py:EXPERIMENT"))
    two = own_study(from_file("my_gan.py"), from_file("my_gan.py:EXPERIMENT+d_lr=0.1"))
    assert [job.label for job in two.jobs(Path("study"))] == ["mine-seed0", "mine+d_lr=0.1-seed0"]


def test_wrong_options_of_own_experiments():
    with pytest.raises(OptionError, match="mine has no option 'd_units'"):
        own_study(options={"d_units": [3]})
    with pytest.raises(OptionError, match="each once"):
        own_study(from_file("my_gan.py+d_lr=1"), options={"d_lr": [2]})
    with pytest.raises(OptionError, match="batch_size=50, which is set for all runs"):
        own_study(from_file("my_gan.py+batch_size=50"), batch_size=60)
    with pytest.raises(OptionError, match=r"Study runs no files.*from_file\('my_gan.py'\)"):
        own_study("my_gan.py")
    assert Path("my_gan.py.log").read_text() == "run\n" * 3, "a name alone runs nothing"


def test_the_command_takes_files(monkeypatch, capsys):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "local_cluster", lambda workers, say: Here().open(workers, say))
    arguments = ("--seeds", 0, "--steps", 2, "--samples", 60, "--set", "g_lr=0.001", "--quiet")
    assert command("my_gan.py:OTHER", "my_gan.py", *arguments) == 0
    assert "| mine, g_lr=0.001 | 2 steps, seed 0 |" in capsys.readouterr().out
    assert isinstance(source_of_run("out/study/mine+g_lr=0.001-seed0", trusted=True).experiment, Experiment)
    Path("my_gan.py").write_text(TEXT + "# a remark\n")
    assert command("my_gan.py:OTHER", "my_gan.py", *arguments) == 2
    assert "has changed since" in capsys.readouterr().err
    assert command("my_gan", *arguments) == 2 and "name it as my_gan.py:EXPERIMENT" in capsys.readouterr().err
    assert command("gone.py", *arguments) == 2 and "gone.py: no such file" in capsys.readouterr().err
