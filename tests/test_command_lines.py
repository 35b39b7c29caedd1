"""Odd command lines, made at random from the parsers themselves: each ends in an exit code, never in a traceback.

A hundred of them run by default, a thousand with -m slow. Training stops after its first step.
"""

import argparse
import random
import reprlib
import shutil

import pytest
from study_helpers import Here

from minigan.__main__ import main, make_parser
from minigan.data import dataset
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.metrics import classifier
from minigan.report import serving
from minigan.study import cluster
from minigan.training import trainer

NUMBERS = ["0", "-1", "1.5", "1e3", "nan", "inf", "", " 3", "٣", "²", "1_000", "0x10", "True", "9" * 30, "9" * 5000]
HUGE = ["1000000000", "999999999999", str(2**63)]
NAMES = ["", "a1", "A1 ", "A77", "-", "--", "../A1", "é", "数字", "\udcff", "a\nb", "\x1b[31m", "x" * 300, "*", "None"]
PATHS = [
    *("", ".", "..", "/", "~", "-", "/dev/null", "/dev/full", "/proc/self/mem", "missing", "missing/deep/er"),
    *("file", "file/inside", "folder", "x.png", "x.gif", "x" * 256, "x/" * 3000),
    *("é ü", "数字", "\udcff\udc80", "a\nb", "a\x00b"),
]
RIGHT = {
    "--batch-size": "50",
    "--epochs": "1",
    "--every": "2",
    "--image-size": "8",
    "--n": "4",
    "--rows": "2",
    "--samples": "40",
    "--retries": "1",
    "--seed": "7",
    "--seeds": "7",
    "--set": "d_lr=0.1,0.2",
    "--steps": "2",
    "--workers": "1",
}
SETTINGS = [
    "",
    "=",
    "a=1",
    "d_lr=",
    "d_lr=1,1",
    "d_lr=nan",
    "steps=1,2",
    "batch_size=é",
    "d_widths=1:2,3",
    "epochs=\x00",
]


TINY = find("A1").but("Tiny", generator=mlp_generator(3), discriminator=mlp_discriminator(2), dataset="digits")


class OneStep:
    """A request to stop that comes after the first step."""

    def __init__(self, group):
        self.signal, self.before = None, True

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def agree(self):
        self.signal, self.before = None if self.before else 15, False


def press_ctrl_c(server, poll_interval):
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A folder to work in with a trained run, a file and an empty folder; 300 digits and no other data; no pictures."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch:
        load_digits = dataset._load_digits

        def few_digits(directory, split):
            digits = load_digits(directory, split)
            return dataset.Dataset("digits", split, digits.images[:300], digits.labels[:300], digits.classes)

        patch.chdir(folder)
        patch.setenv("MINIGAN_CACHE", str(folder / "cache"))
        patch.setitem(dataset.LOADERS, "digits", few_digits)
        for name in {*dataset.LOADERS} - {"digits"}:  # nothing is downloaded
            patch.setitem(dataset.LOADERS, name, lambda directory, split, **options: few_digits(None, split))
        patch.setattr(classifier, "STEPS", 5)
        patch.setitem(EXPERIMENTS, "Tiny", TINY)
        patch.setattr(trainer, "StopRequest", OneStep)
        patch.setattr(cluster, "local_cluster", lambda workers, say: Here().open(workers, say))
        patch.setattr(cluster, "TIMEOUT", 0.1)
        patch.setattr(serving.ThreadingHTTPServer, "serve_forever", press_ctrl_c)  # report --watch serves until then
        for method in ("draw", "finish"):
            patch.setattr(trainer.Gallery, method, lambda *arguments: [])
        (folder / "file").write_bytes(b"\x00not a run")
        (folder / "folder").mkdir()
        first = ["train", "Tiny", "--quiet", "--out", "run", "--batch-size", "50"]
        assert end_of(first) == (143, None)
        yield folder


def end_of(arguments):
    """(exit code, what went wrong) of a command line; the second is None where it ended as a program should."""
    try:
        main(arguments)
    except SystemExit as end:
        return end.code, None if isinstance(end.code, int | None) else f"exit code {end.code!r}"
    except BaseException as error:
        return None, f"{type(error).__name__}: {error}"
    return None, "no exit"


def value_for(action, rng):
    """A value for an option or an argument: right more often than not, so that many lines come past the parser."""
    name = action.option_strings[0] if action.option_strings else action.dest
    if action.choices:
        right, odd = [*map(str, action.choices)], NAMES
    elif action.dest in ("run", "runs"):
        right, odd = ["run"], PATHS
    elif action.dest in ("name", "names"):
        right, odd = ["tiny", "tiny+d_lr=0.5"], [*NAMES, "tiny+", "tiny+x=1", "tiny+d_lr=" + "9" * 300]
    elif name == "--set":
        right, odd = [RIGHT[name]], SETTINGS
    elif name in RIGHT:
        right, odd = [RIGHT[name]], [*NUMBERS, *HUGE, *HUGE]
    else:
        right, odd = PATHS, PATHS
    return rng.choice(right if rng.random() < 0.7 else odd)


def odd_command_line(number):
    """A command line, always the same for the same number."""
    rng = random.Random(number)
    commands = next(a for a in make_parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
    command = rng.choice([*commands])
    line = [command] if rng.random() < 0.97 else [rng.choice(NAMES)]
    for action in commands[command]._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        if not action.option_strings:
            count = rng.choice([1] * 8 + [0, 2])
            line += [value_for(action, rng) for _ in range(count)]
        elif rng.random() < 0.3:
            option = rng.choice(action.option_strings)
            if rng.random() < 0.05:
                option = option[: rng.randrange(len(option))] + rng.choice(["", "x", "é"])
            line += [option] if action.nargs == 0 else [option, value_for(action, rng)]
    return line


def check_command_lines(numbers, world, capfd):
    for number in numbers:
        line = odd_command_line(number)
        code, wrong = end_of(line)
        out, err = capfd.readouterr()
        told = [text for text in err.splitlines() if text.startswith(("error: ", "usage: "))]
        if wrong is None and code == 2 and not told:
            wrong = f"code 2 without a word: {err!r}"
        if wrong is None and "Traceback" in out + err:
            wrong = "a traceback is printed"
        assert wrong is None, f"command line {number}: {reprlib.repr(line)}\n{wrong[:400]}"
        for left in world.iterdir():
            if left.name not in ("run", "file", "folder", "cache"):
                shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()


@pytest.mark.parametrize("part", range(4))
def test_odd_command_lines(part, world, capfd):
    check_command_lines(range(25 * part, 25 * (part + 1)), world, capfd)


@pytest.mark.slow
def test_a_thousand_odd_command_lines(world, capfd):
    check_command_lines(range(100, 1100), world, capfd)
