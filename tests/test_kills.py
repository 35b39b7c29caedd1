"""Runs killed by SIGKILL at any moment: resumed, they leave the very files of a run that nobody killed.

Two kinds of moments: those of the clock, anywhere in a run; and the n-th time that the process touches a file of the
run's folder, just before it does: opens, renames, deletes one, makes a folder, begins to write, or has a file written
to the disk. The default tests try some of each; `-m slow` tries 100.
"""

import os
import random
import signal
import sys
import time

import pytest
from run_helpers import SMALL, files, in_child

import minigan.files
from minigan import machine, pictures
from minigan.errors import CheckpointError
from minigan.experiments import EXPERIMENTS
from minigan.files import is_leftover
from minigan.training.loop import resume_run, start_run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
TOUCHES = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.truncate"}  # events that Python reports
SOME, MANY = 3, 50  # kills of each kind


@pytest.fixture(scope="module", autouse=True)
def quick_world():
    """The small experiment by its name, and no plots: they are drawn from the history, which is compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS, "Small", SMALL)
        patch.setattr(pictures, "save_figure", lambda path, figure: None)
        yield


@pytest.fixture(scope="module")
def whole(tmp_path_factory, quick_world):
    """The files of a run that nobody kills."""
    folder = tmp_path_factory.mktemp("whole")
    start_run(SMALL, folder, seed=5).run(quiet=True)
    return files(folder)


def train(folder):
    """Go on with the run in a folder, or begin it where it was killed before it was one."""
    try:
        training = resume_run(folder)
    except CheckpointError as error:
        assert "config.json cannot be read" in str(error) or "no such folder" in str(error), error
        training = start_run(SMALL, folder, seed=5)
    return training.run(quiet=True)


def require_equal(folder, whole):
    assert train(folder) is None
    found = files(folder)
    assert set(found) == set(whole)
    for name, content in whole.items():
        assert found[name] == content, name
    assert not any(is_leftover(path) for path in folder.rglob("*"))


def count_touches(folder, do):
    """Call `do(n)` before the n-th touch of a file in the folder, in this process and from now on."""
    count, fsync, try_lock = [0], os.fsync, minigan.files.try_lock

    def touch():
        count[0] += 1
        do(count[0])

    def audit(event, arguments):
        if event in TOUCHES and str(arguments[0]).startswith(str(folder)):
            touch()

    def touch_and_sync(descriptor):
        touch()
        fsync(descriptor)

    def touch_and_lock(descriptor):  # of a file that was opened a moment ago, and is empty yet
        touch()
        return try_lock(descriptor)

    os.fsync, minigan.files.try_lock = touch_and_sync, touch_and_lock
    sys.addaudithook(audit)  # for ever: only in a child


def touches(folder):
    """How many touches a run has, found in a child, which ends with the number's last write to a file beside it."""
    note = folder.with_name("touches")

    def work():
        last = [0]
        count_touches(folder, lambda n: last.__setitem__(0, n))
        train(folder)
        note.write_text(str(last[0]))

    assert in_child(work) == 0
    return int(note.read_text())


def killed_at(folder, number):
    """Train in a child that dies before its n-th touch; returns whether it did."""

    def work():
        count_touches(folder, lambda n: n == number and os.kill(os.getpid(), signal.SIGKILL))
        train(folder)

    return in_child(work) == -signal.SIGKILL


def try_touches(tmp_path, whole, kills, seed):
    folder = tmp_path / "trial"
    total = touches(folder)
    assert total > MANY
    for trial, number in enumerate(random.Random(seed).sample(range(1, total), kills)):
        folder = tmp_path / f"run{trial}"
        assert killed_at(folder, number)
        if trial % 2:  # and once more, in the first touches of the resumed run, when it clears and restores
            killed_at(folder, 1 + trial)
        require_equal(folder, whole)


def try_moments(tmp_path, whole, kills, seed):
    start = time.monotonic()
    assert in_child(lambda: train(tmp_path / "trial")) == 0
    duration, killed, chance = time.monotonic() - start, 0, random.Random(seed)
    for trial in range(kills):
        folder = tmp_path / f"run{trial}"
        for _ in range(1 + trial % 2):
            child = os.fork()
            if child == 0:
                try:
                    train(folder)
                finally:
                    os._exit(0)
            time.sleep(chance.uniform(0, duration))
            os.kill(child, signal.SIGKILL)
            killed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        require_equal(folder, whole)
    assert killed > kills // 3, "most came in time"


def test_some_touches(tmp_path, whole):
    try_touches(tmp_path, whole, SOME, seed=1)


def test_some_moments(tmp_path, whole):
    try_moments(tmp_path, whole, SOME, seed=1)


@pytest.mark.slow
def test_many_touches(tmp_path, whole):
    try_touches(tmp_path, whole, MANY, seed=2)


@pytest.mark.slow
def test_moments_with_two_threads(tmp_path):
    """They add up in another order than one thread, but the same one each time."""
    before = machine.known(machine.blas_threads)
    if not machine.set_blas_threads(2):
        pytest.skip("NumPy has another BLAS here")
    try:
        train(tmp_path / "whole")
        try_moments(tmp_path, files(tmp_path / "whole"), 5 * SOME, seed=3)
    finally:
        machine.set_blas_threads(before)


@pytest.mark.slow
def test_many_moments(tmp_path, whole):
    try_moments(tmp_path, whole, MANY, seed=2)


@pytest.mark.parametrize(("owner", "function"), [(minigan.files, "try_lock"), (os, "fsync"), (os, "replace")])
@pytest.mark.parametrize("number", [1, 4])
def test_between_opening_and_renaming(tmp_path, whole, owner, function, number):
    """Of a checkpoint, a picture, the history: empty, written but not on the disk, on the disk under another name."""

    def work():
        original, calls = getattr(owner, function), iter(range(1, 10**6))

        def lethal(*arguments):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments)

        setattr(owner, function, lethal)
        train(tmp_path / "run")

    assert in_child(work) == -signal.SIGKILL
    require_equal(tmp_path / "run", whole)


def test_a_run_is_killed_many_times_and_still_ends(tmp_path, whole):
    """Each time a few touches later than it could restore: it goes on from checkpoint to checkpoint."""
    folder, kills = tmp_path / "run", 0
    while kills < 8 and killed_at(folder, 35):
        kills += 1
    assert kills > 1
    require_equal(folder, whole)
