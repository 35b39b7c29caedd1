"""Experiments from files of one's own: found, recorded, resumed; and nothing in a run folder runs by itself."""

import json
import os
import shutil
import sys
from argparse import Namespace
from pathlib import Path

import pytest
from run_helpers import results

from minigan.__main__ import main, make_parser
from minigan.cli.opening import open_all
from minigan.cli.training import default_folder
from minigan.errors import CheckpointError, FileError, MiniganError, OptionError
from minigan.experiments import Experiment, find, from_file
from minigan.experiments.from_files import named, names_a_file
from minigan.training.folder import RunFolder
from minigan.training.gallery import Gallery
from minigan.training.loop import resume_run, start_run
from minigan.training.sources import source_of_run
from minigan.training.trained import load_trained

TEXT = """
from minigan.experiments import Experiment
from minigan.experiments.parts import mlp_discriminator, mlp_generator

EXPERIMENT = Experiment(
    "mine", "small", claim="-", generator=mlp_generator(8), discriminator=mlp_discriminator(8), dataset="digits",
    batch_size=2000, epochs=1,
)
OTHER = EXPERIMENT.but("other", d_steps=2)
NUMBER = 3
"""


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch, no_pictures):
    """Each test is in an empty folder, and leaves no path and no module behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith("own_")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with my_gan.py and a run of it, stopped after three steps."""
    folder = tmp_path_factory.mktemp("original")
    (folder / "my_gan.py").write_text(TEXT)
    own = from_file(folder / "my_gan.py:EXPERIMENT")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gallery, "finish", lambda *arguments: [])
        start_run(own.experiment, folder / "run", seed=5, steps=3, source=own).run(quiet=True)
    return folder


@pytest.fixture
def begun(original, in_a_folder, tmp_path):
    shutil.copytree(original, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return end.value.code


def write(name="my_gan.py", text=TEXT):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return name


# names


def test_which_texts_name_a_file():
    assert all(map(names_a_file, ("a.py", "a.py:B", "a/b c.py:D+e=1", "a.py+g_lr=1", "C:\\x\\a.py:B")))
    assert not any(map(names_a_file, ("A4", "A4+g_lr=1", "a:B", "a.pyc", "apy")))


def test_an_experiment_is_found_by_the_file_and_its_name():
    write()
    assert from_file("my_gan.py").name == "EXPERIMENT" and named("my_gan.py").name == "mine"
    assert named("my_gan.py:OTHER").d_steps == 2 and named("a4") is find("A4")
    own = from_file("my_gan.py:OTHER+g_lr=0.001+ema=none")
    assert own.experiment.name == "other+ema=none+g_lr=0.001"
    assert (own.record["file"], own.record["changes"]) == ("my_gan.py", "g_lr=0.001+ema=none")
    write("one.py", TEXT.replace("EXPERIMENT", "ANY").replace("OTHER = ", "OTHER = 4 #"))
    assert from_file("one.py").name == "ANY"


def test_its_imports_are_looked_for_beside_it():
    os.mkdir("sub")
    write("sub/my_helper_of_tests.py", "WIDTH = 8")
    write("sub/my_gan.py", "from my_helper_of_tests import WIDTH\n" + TEXT)
    try:
        assert isinstance(named("sub/my_gan.py"), Experiment)
    finally:
        sys.modules.pop("my_helper_of_tests", None)


def test_the_main_part_does_not_run_and_nothing_is_written_beside_it():
    write(text=TEXT + "\nif __name__ == '__main__':\n    raise SystemExit(1)\n")
    named("my_gan.py")
    assert os.listdir() == ["my_gan.py"]


WRONG = {
    "no file": ("gone.py:X", None, ["gone.py: no such file"]),
    "a folder": ("folder.py", None, ["folder.py: is a folder"]),
    "syntax": ("a.py", "x = 1\ny = (2\n", ["a.py, line 2: '(' was never closed: 'y = (2'."]),
    "an error": ("a.py", "x = 1\ny = z\n", ["a.py, line 2: NameError: name 'z' is not defined"]),
    "minigan's": ("a.py", TEXT.replace('"digits"', "4"), ["a.py, line 5: Experiment: expected dataset as a text"]),
    "an end": ("a.py", "import sys\nsys.exit(3)\n", ["a.py, line 2: it ends the program", "__main__"]),
    "an import": ("a.py", "import not_there_at_all\n", ["a.py, line 1: ModuleNotFoundError"]),
    "bytes": ("a.py", "x = 1\0\n", ["a.py"]),
    "no name": ("a.py:NONE", TEXT, ["a.py has no NONE", "EXPERIMENT, OTHER"]),
    "none": ("a.py", "x = 1", ["a.py has no EXPERIMENT. There is no Experiment in it", "a.py:NAME"]),
    "several": ("a.py", TEXT.replace("EXPERIMENT", "ANY"), ["ANY, OTHER. Say which one"]),
    "another thing": ("a.py:NUMBER", TEXT, ["NUMBER is 3, expected an Experiment"]),
    "no variable": ("a.py:my-gan", TEXT, ["the name of a variable behind the colon"]),
    "no option": ("a.py+nonsense=1", TEXT, ["no option 'nonsense'"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_error_says_what_is_wrong_with_the_file(case, capsys):
    name, text, said = WRONG[case]
    os.mkdir("folder.py")
    if text is not None:
        write("a.py", text)
    with pytest.raises((OptionError, FileError)) as error:
        from_file(name)
    assert all(part in str(error.value) for part in said), str(error.value)
    assert command("train", name) == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1 and not os.path.exists("out")


def test_a_name_that_nearly_is_a_file_gives_a_hint(capsys):
    write()
    for name, hint in (("my_gan:OTHER", "my_gan.py:OTHER"), ("my_gan", "my_gan.py:EXPERIMENT")):
        assert command("train", name) == 2 and f"name it as {hint}." in capsys.readouterr().err


# runs


def test_train_records_the_text_and_resume_goes_on_bit_for_bit(begun, capsys):
    assert (begun / "experiment.py").read_text() == TEXT
    config = json.loads((begun / "config.json").read_text())
    assert config["source"] == from_file("my_gan.py").record and config["experiment"] == "mine"
    assert command("train", "my_gan.py:EXPERIMENT", "--seed", 5, "--quiet", "--out", "whole") == 0
    shutil.copytree(begun, "other")
    assert command("resume", begun, "--source", "my_gan.py", "--steps", 5, "--quiet") == 0
    assert command("resume", "other", "--trust-source", "--steps", 5, "--quiet") == 0
    whole = results(begun.parent / "whole")
    checkpoint = next(name for name in whole if name.startswith("checkpoints"))
    for folder in (begun, begun.parent / "other"):
        found = results(folder)
        assert all(found[name] == whole[name] for name in (checkpoint, "history.csv", "experiment.py"))


def test_a_run_that_is_killed_while_its_folder_is_made_begins_again_with_its_text(tmp_path, monkeypatch):
    """Either the folder has config.json and experiment.py, or it is not the folder of a run."""
    (tmp_path / "my_gan.py").write_text(TEXT)
    own = from_file("my_gan.py:EXPERIMENT")
    for method in ("write_source", "write_config", "make_folders"):
        with monkeypatch.context() as patch:
            patch.setattr(RunFolder, method, lambda *arguments: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                start_run(own.experiment, tmp_path / method, source=own)
        if method == "make_folders":
            resume_run(tmp_path / method, experiment=own.experiment).close()
        else:
            start_run(own.experiment, tmp_path / method, source=own).close()
        assert (tmp_path / method / "experiment.py").read_text() == TEXT
    with pytest.raises(OptionError, match="is not empty"):
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "experiment.py").write_text("# somebody's own")
        start_run(own.experiment, tmp_path / "other", source=own)


def test_the_folder_of_a_run_follows_the_name_of_the_experiment(capsys):
    experiment = find("A4")
    for name, folder in (
        ("../x", "_x"),
        ("ä b", "ä_b"),
        ("...", "own"),
        ("A4+augment=color:cutout", "A4+augment=color_cutout"),
    ):
        assert default_folder(experiment.but(name), 3) == Path("out", f"{folder}-seed3")
    write(text=TEXT.replace('"mine"', repr("a/../b")))
    assert command("train", "my_gan.py", "--steps", 1, "--quiet") == 0
    assert os.path.isfile("out/a_.._b-seed0/config.json")
    write("odd 'na\tme+=1.py")
    assert command("train", "odd 'na\tme+=1.py:OTHER+g_lr=0.001", "--steps", 1, "--quiet", "--out", "odd") == 0
    assert json.loads(Path("odd/config.json").read_text())["source"]["file"] == "odd 'na\\tme+=1.py"
    assert not command("sample", "odd", "--source", "odd 'na\tme+=1.py")
    write(text=TEXT.replace('"mine"', repr("a\x1b[2J")))
    assert command("train", "my_gan.py") == 2
    assert "\x1b" not in capsys.readouterr().err


def test_a_run_of_a_variant_is_found_again():
    write()
    assert command("train", "my_gan.py:OTHER", "--d-lr", "0.001", "--steps", 1, "--quiet", "--out", "run") == 0
    assert load_trained("run", experiment=from_file("my_gan.py:OTHER+d_lr=0.001").experiment).step == 1
    assert source_of_run("run", "my_gan.py").experiment.name == "other+d_lr=0.001"
    assert source_of_run("run", trusted=True).experiment.name == "other+d_lr=0.001"
    with pytest.raises(CheckpointError, match="was started with the experiment 'other"):
        load_trained("run", experiment=source_of_run("run", "my_gan.py:EXPERIMENT").experiment)


@pytest.mark.parametrize("name", ["resume", "sample", "interpolate", "evaluate", "sharpness", "microscope", "export"])
def test_a_run_folder_runs_nothing_by_itself(begun, name, capsys):
    trap = TEXT + "\nopen('trapped', 'w')\n"
    (begun / "experiment.py").write_text(trap)
    config = json.loads((begun / "config.json").read_text())
    for experiment in ("mine", "A4", "experiment.py", str(begun / "experiment.py:EXPERIMENT"), "my_gan.py"):
        (begun / "config.json").write_text(json.dumps({**config, "experiment": experiment}))
        assert command(name, begun) == 2
        assert "--trust-source" in capsys.readouterr().err
        (begun / "config.json").write_text(json.dumps({**config, "experiment": experiment, "source": None}))
        assert command(name, begun) == 2
    assert not os.path.exists("trapped")


def test_every_command_on_a_run_takes_the_file_again(begun):
    (commands,) = (action for action in make_parser()._actions if isinstance(action.choices, dict))
    of_runs = {
        name: {action.dest for action in parser._actions}
        for name, parser in commands.choices.items()
        if any(action.dest in ("run", "runs") for action in parser._actions)
    }
    assert {"resume", "sample", "export", "report"} <= set(of_runs)
    assert [name for name, options in of_runs.items() if not {"source", "trust_source"} <= options] == []


def test_another_text_is_not_run(begun):
    with open("my_gan.py", "a") as file:
        file.write("# a remark\nopen('trapped', 'w')\n")
    with pytest.raises(CheckpointError, match=r"has changed since.*compare the two.*--trust-source"):
        source_of_run(begun, "my_gan.py")
    shutil.copy("my_gan.py", begun / "experiment.py")
    with pytest.raises(CheckpointError, match=r"has changed since the run was started.*It is not run"):
        source_of_run(begun, trusted=True)
    (begun / "experiment.py").unlink()
    with pytest.raises(CheckpointError, match=r"no such file.*--source"):
        source_of_run(begun, trusted=True)
    (begun / "experiment.py").symlink_to(begun.parent / "my_gan.py")
    with pytest.raises(CheckpointError, match="symbolic link"):
        source_of_run(begun, trusted=True)
    assert not os.path.exists("trapped")


@pytest.mark.parametrize(
    "change",
    [{"sha256": "0" * 63}, {"sha256": 3}, {"file": ""}, {"name": None}, {"changes": "\x1b"}, {"changes": "x" * 5000}],
    ids=str,
)
def test_the_entry_in_config_json_is_checked(begun, change):
    config = json.loads((begun / "config.json").read_text())
    config["source"] = {**config["source"], **change}
    (begun / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match="expected source as null, or file, name, changes and sha256"):
        source_of_run(begun, trusted=True)


def test_names_in_the_record_are_only_looked_up(begun):
    config = json.loads((begun / "config.json").read_text())
    for name, changes in (("__import__('os')", ""), ("os.system", ""), ("EXPERIMENT", "d_lr=__import__")):
        config["source"] |= {"name": name, "changes": changes}
        (begun / "config.json").write_text(json.dumps(config))
        with pytest.raises(MiniganError):
            source_of_run(begun, trusted=True)


def test_runs_that_python_started_can_be_given_their_file(begun):
    own = from_file("my_gan.py")
    start_run(own.experiment, "plain", steps=2).run(quiet=True)
    assert not os.path.exists("plain/experiment.py")
    assert source_of_run("plain", trusted=True) is None
    with pytest.raises(CheckpointError, match="--source"):
        load_trained("plain")
    assert load_trained("plain", experiment=source_of_run("plain", "my_gan.py").experiment).step == 2
    resume_run(begun, steps=4, experiment=own.experiment).run(quiet=True)
    start_run(find("A1"), "a1", dataset="digits", batch_size=2000, steps=1).run(quiet=True)
    assert source_of_run("a1", "my_gan.py") is None, "evaluate takes runs of both kinds at once"


def test_a_file_that_no_run_was_started_with_is_an_error(begun, capsys):
    """It was run, and its experiment forgotten."""
    start_run(find("A1"), "a1", dataset="digits", batch_size=2000, steps=1).run(quiet=True)
    for name in ("resume", "sample", "evaluate"):
        capsys.readouterr()
        assert command(name, "a1", "--source", "my_gan.py") == 2
        assert "my_gan.py does not hold the experiment of a1: expected 'A1'. Leave out" in capsys.readouterr().err
    both = open_all(["a1", str(begun)], Namespace(source="my_gan.py", trust_source=False))
    assert [run.experiment.name for run in both] == ["A1", "mine"], "one file is enough for runs of both kinds"


def test_a_report_without_a_generator_takes_no_file(begun, capsys):
    for options in (("--source", "nix.py"), ("--trust-source",)):
        assert command("report", begun, *options) == 2
        assert "belong to --generator" in capsys.readouterr().err


def test_the_folder_is_not_looked_at_without_the_options():
    assert source_of_run("seen by the first process only") is None


def test_list_and_check_take_files(capsys):
    write()
    assert not command("list", "my_gan.py:OTHER") and command("check", "my_gan.py") == 0
    said = capsys.readouterr().out
    assert "small" in said and "mine: all gradients are right" in said
