"""The machine: threads of BLAS, limits of containers, other programs beside it; what is set, and what is only said."""

import subprocess
import sys

import numpy as np
import pytest

from minigan import machine
from minigan.cli import information, training
from minigan.machine import THREAD_VARIABLES, known


@pytest.fixture
def threads(monkeypatch):
    """BLAS with four threads that nobody has chosen: a list of one number that is set."""
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    count = [4]

    def set_threads(number):
        count[0] = number

    monkeypatch.setattr(machine, "blas_threads", lambda: count[0])
    monkeypatch.setattr(machine, "set_blas_threads", set_threads)
    monkeypatch.setattr(machine, "usable_cores", lambda: 4)
    return count


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense\n"}, None),
        ({"cpu.max": ""}, None),
        ({}, None),
    ],
)
def test_the_limit_of_a_container(tmp_path, monkeypatch, files, limit):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    assert machine.cpu_limit() == limit
    assert information.limit_text(limit) == ("none" if limit is None else f"the time of {limit:g} processors")


@pytest.mark.parametrize(("limit", "expected"), [(None, 4), (8.0, 4), (2.5, 2), (0.5, 1)])
def test_programs_keep_to_the_limit(threads, monkeypatch, limit, expected):
    monkeypatch.setattr(machine, "cpu_limit", lambda: limit)
    machine.keep_to_limit()
    assert threads == [expected]


def test_the_users_choice_wins(threads, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    monkeypatch.setattr(machine, "cpu_limit", lambda: 1.0)
    machine.keep_to_limit()
    machine.take_threads_of({"BLAS threads": "1"})
    assert threads == [4] and machine.chosen_threads() == "OPENBLAS_NUM_THREADS=4"


@pytest.mark.parametrize(
    ("before", "expected"), [("2", 2), ("4", 4), ("64", 4), ("0", 4), ("unknown", 4), ("-1", 4), ("1e9", 4)]
)
def test_a_resumed_run_takes_the_threads_that_it_had(threads, before, expected):
    machine.take_threads_of({"BLAS threads": before})
    assert threads == [expected]
    machine.take_threads_of({})
    assert threads == [expected]


@pytest.mark.parametrize(
    ("count", "cores", "busy", "advised"),
    [
        (2, 2, 0.1, None),
        (2, 2, 0.4, None),
        (2, 2, 1.2, 1),
        (2, 2, 9.0, 1),
        (8, 8, 3.0, 5),
        (4, 8, 3.0, None),
        (1, 2, 9.0, None),
        ("unknown", 2, 9.0, None),
        (2, "unknown", 9.0, None),
        (2, 2, None, None),
    ],
)
def test_advice_beside_other_programs(count, cores, busy, advised):
    text = machine.load_advice(count, cores, busy, None)
    assert (text is None) == (advised is None)
    assert text is None or f"OPENBLAS_NUM_THREADS={advised} before Python starts" in text


def test_training_and_info_say_so(threads, monkeypatch, capsys):
    monkeypatch.setattr(machine, "load", lambda: 6.5)
    training.tell_of_load()
    assert "note: other programs kept 6.5 of 4 cores busy" in capsys.readouterr().err
    lines = information.blas()
    assert "other programs kept 6.5" in " ".join(lines.values())
    assert lines["threads"] == "4 (as many as OpenBLAS chose)"
    monkeypatch.setattr(machine, "load", lambda: 0.0)
    monkeypatch.setattr(machine, "cpu_info", dict)  # advice on the processor is another subject
    training.tell_of_load()
    assert capsys.readouterr().err == "" and not any("advice" in name for name in information.blas())


def test_what_cannot_be_known_is_unknown(monkeypatch):
    monkeypatch.delattr(machine.os, "getloadavg", raising=False)
    assert machine.load() is None and information.load_text(None) == "unknown"
    monkeypatch.setattr(machine, "openblas", lambda: None)
    assert machine.set_blas_threads(2) is False and known(machine.blas_threads) == "unknown"
    assert machine.numerics()["BLAS kernels"] == machine.numerics()["BLAS threads"] == "unknown"


THREADS = """
from minigan import machine
before = machine.blas_threads()
assert machine.set_blas_threads(1) and machine.blas_threads() == 1
assert machine.set_blas_threads(before) and machine.blas_threads() == before
print(machine.numerics())
"""


def test_the_threads_of_this_blas(monkeypatch):
    if machine.openblas() is None:
        pytest.skip(f"NumPy {np.__version__} has another BLAS here")
    process = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, text=True, timeout=60)
    assert process.returncode == 0, process.stderr
    assert "BLAS threads" in process.stdout and "unknown" not in process.stdout
