"""Running code under limits of memory and time, in a process of its own: what crafted files must not exceed."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent

# `start()` marks the place from which on memory counts: what Python and its libraries take before is not the file's.
PRELUDE = """
import resource
import signal

def start(megabytes={megabytes}, seconds={seconds}):
    pages = int(open("/proc/self/statm").read().split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.alarm(seconds)

"""


def run_limited(code, folder, megabytes=100, seconds=20):
    """What `code` prints, run in `folder`; an AssertionError with its messages where it fails.

    From the call of start() in it on, it can take so many megabytes more, and seconds.
    """
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    program = PRELUDE.format(megabytes=megabytes, seconds=seconds) + textwrap.dedent(code)
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=seconds + 100,
    )
    assert run.returncode == 0, f"exit code {run.returncode}: {run.stderr[-2000:]}"
    return run.stdout
