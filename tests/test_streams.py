"""Commands whose output nobody reads, closed streams, terminals that lack letters, Ctrl-C at the start."""

import io
import json
import os
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from minigan.__main__ import main
from minigan.cli.program import words_for_warnings
from minigan.errors import MisuseWarning
from minigan.training.trained import load_trained

# the folder of the package may be another than that of a test
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
ENVIRONMENT.pop("PYTHONUNBUFFERED", None)  # with it, nothing is left in the streams when a program ends
TRAIN = ("train", "A1", "--dataset", "digits", "--steps", "2", "--batch-size", "500")


def minigan(*arguments, redirect=""):
    """Run a command by the shell, its streams redirected."""
    command = f"exec {shlex.join([sys.executable, '-m', 'minigan', *map(str, arguments)])} {redirect}"
    return subprocess.run(["bash", "-c", command], capture_output=True, env=ENVIRONMENT, timeout=100, check=False)


def without_a_reader(stream, *arguments):
    """Run a command one of whose streams ends in a pipe that nobody reads; returns (exit code, the other stream)."""
    read, write = os.pipe()
    os.close(read)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: write}
    process = subprocess.Popen([sys.executable, "-m", "minigan", *map(str, arguments)], env=ENVIRONMENT, **streams)
    os.close(write)
    texts = process.communicate(timeout=100)
    return process.returncode, (texts[0] or texts[1] or b"").decode()


@pytest.mark.parametrize("arguments", [("list",), ("check", "A1")], ids=lambda a: a[0])
def test_a_reader_that_goes_away_ends_a_command_quietly(arguments):
    """`list | head -1`; and the exit code of `check` is not that of a wrong gradient."""
    assert without_a_reader("stdout", *arguments) == (141, "")


def test_a_disk_without_room_for_the_output_is_told():
    result = minigan("list", redirect="> /dev/full")
    assert result.returncode == 2 and result.stderr.startswith(b"error: ")
    assert b"No space left on device" in result.stderr and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("redirect", [">&-", "<&- >&- 2>&-", "2> /dev/full"])
def test_training_does_not_depend_on_its_streams(tmp_path, redirect):
    result = minigan(*TRAIN, "--out", tmp_path / "run", redirect=redirect)
    assert result.returncode == 0 and b"Traceback" not in result.stderr
    assert load_trained(tmp_path / "run").step == 2
    assert json.loads((tmp_path / "run/config.json").read_text())["steps"] == 2


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    """What a library writes to the error stream, number 2, would else end up in a checkpoint."""
    script = (
        "import os, sys; from minigan.cli.program import program\n"
        "with program(), open(sys.argv[1], 'wb') as file: os.write(1, b'out'); os.write(2, b'err'); file.write(b'in')"
    )
    command = f"exec {shlex.join([sys.executable, '-c', script, str(tmp_path / 'file')])} <&- >&- 2>&-"
    subprocess.run(["bash", "-c", command], env=ENVIRONMENT, timeout=60, check=True)
    assert (tmp_path / "file").read_bytes() == b"in"


def test_training_goes_on_when_nobody_reads_its_bar(tmp_path):
    code, out = without_a_reader("stderr", *TRAIN, "--out", tmp_path / "run")
    assert code == 0 and "2 steps" in out
    assert load_trained(tmp_path / "run").step == 2


def test_what_is_said_during_training_is_no_output(tmp_path):
    """The warnings of a run stand beside the bar: a closed stdout (`train ... | head`) cannot end the training."""
    from minigan.training.watchers.progress import ProgressBar

    class Config:
        total_steps, steps_per_epoch, batch_size = 2, 1, 1

    class Broken:
        def write(self, text):
            raise BrokenPipeError

        flush = write

    bar = ProgressBar(Config, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Broken())
        bar.say("the discriminator wins")
    bar.close()


@pytest.mark.parametrize("name", ["é ü", "数字", "\udcff"], ids=["accents", "digits", "no letter at all"])
@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_path_with_any_letters_is_printed_on_any_terminal(tmp_path, monkeypatch, no_pictures, name, encoding):
    out, terminal = tmp_path / name, io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(SystemExit) as end:
        main([*TRAIN, "--quiet", "--out", str(out)])
    assert not end.value.code and load_trained(out).step == 2
    shown = terminal.buffer.getvalue().decode(encoding)
    assert f"finished after 2 steps; pictures, history and both networks are in {tmp_path}" in shown
    if encoding == "utf-8" and name.isprintable():
        assert name in shown
    else:
        assert "\\u" in shown or "\\x" in shown


INTERRUPTED = """
import builtins, runpy, sys

def interrupted(name, *arguments, **options):
    if name == {module!r}:
        raise KeyboardInterrupt
    return original(name, *arguments, **options)

original, builtins.__import__ = builtins.__import__, interrupted
sys.argv = [{program!r}, "list"]
{start}
"""
STARTS = {
    "-m": 'runpy.run_module("minigan", run_name="__main__")',
    "bin/minigan": "from minigan.__main__ import main; main()",
}


@pytest.mark.parametrize("program", STARTS)
@pytest.mark.parametrize("module", ["numpy", "minigan.network", "minigan.cli"])
def test_ctrl_c_while_a_command_starts(program, module):
    script = INTERRUPTED.format(module=module, program=program, start=STARTS[program])
    result = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 130 and "Traceback" not in result.stderr, result.stderr
    assert result.stdout == ""


def test_ctrl_c_while_a_script_imports_minigan_is_the_scripts_own():
    script = INTERRUPTED.format(module="minigan.network", program="my_script.py", start="import minigan")
    result = subprocess.run([sys.executable, "-c", script], env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in result.stderr


def test_a_warning_of_a_command_is_a_sentence_without_a_line_of_code():
    usual = warnings.formatwarning
    with words_for_warnings():
        assert warnings.formatwarning("few images", MisuseWarning, "file.py", 7) == "warning: few images\n"
        assert "file.py:7: DeprecationWarning: old" in warnings.formatwarning("old", DeprecationWarning, "file.py", 7)
    assert warnings.formatwarning is usual
