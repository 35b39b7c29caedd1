"""The machine that computes: its processor, and the BLAS behind NumPy's matrix products.

Sums of floating-point numbers depend on their order, and that depends on the processor, on the kernel that BLAS chose
for it, and on the number of its threads. So two machines, or one with another number of threads, differ in last bits.
"""

import ctypes
import math
import os
import platform
import re
import threading
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

OPENBLAS_FOLDERS = ("../numpy.libs", ".dylibs")  # where NumPy's wheels put it, from the folder of numpy
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")  # that OpenBLAS reads at its start

CGROUP = Path("/sys/fs/cgroup")
CGROUP_FILES = (("cpu.max", None), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))  # versions 2 and 1


def known(function, *arguments):
    """Return what the function finds out; "unknown" and why where it cannot: on some system any of them may fail."""
    try:
        return function(*arguments) or "unknown"
    except Exception as error:  # a library or a file of another system; nothing depends on the answer
        return f"unknown ({type(error).__name__}: {error})"


def cpu_info():
    """Return the first processor of /proc/cpuinfo by name; empty where there is no such file."""
    try:
        text = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    except OSError:
        return {}
    return dict(re.findall(r"^([^:\n]*?)\s*:[ \t]*(.*)$", text, re.M))


def cpu_model():
    return cpu_info().get("model name") or platform.processor() or platform.machine()


def usable_cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def blas_library():
    entry = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{entry['name']} {entry['version']}"


@cache
def openblas():
    """Return the OpenBLAS in NumPy's wheel, as a library to call; None where NumPy has another BLAS."""
    folder = Path(np.__file__).parent
    paths = [path for place in OPENBLAS_FOLDERS for path in (folder / place).glob("*openblas*")]
    return ctypes.CDLL(str(paths[0])) if paths else None


def openblas_text(function):
    """Return what OpenBLAS says of itself: "corename" or "config", or None."""
    library = openblas()
    if library is None:
        return None
    call = getattr(library, f"scipy_openblas_get_{function}64_")
    call.restype = ctypes.c_char_p
    return call().decode()


def blas_threads():
    """Return how many threads OpenBLAS uses; None where NumPy has another BLAS."""
    library = openblas()
    return None if library is None else library.scipy_openblas_get_num_threads64_()


def set_blas_threads(count):
    """Let OpenBLAS use `count` threads from now on; False where NumPy has another BLAS, and nothing happens."""
    try:
        openblas().scipy_openblas_set_num_threads64_(int(count))
    except (AttributeError, OSError):
        return False
    return True


class OneThread:
    """How many workers of this process want BLAS to use one thread now, and how many it used before."""

    lock, users, before = threading.Lock(), 0, None


@contextmanager
def one_blas_thread():
    """Let BLAS use one thread in the block: in each of several workers, BLAS has one core."""
    with OneThread.lock:
        if not OneThread.users:
            OneThread.before = known(blas_threads)
            set_blas_threads(1)
        OneThread.users += 1
    try:
        yield
    finally:
        with OneThread.lock:
            OneThread.users -= 1
            if not OneThread.users and isinstance(OneThread.before, int):
                set_blas_threads(OneThread.before)


def chosen_threads():
    """Return the environment variable that the user set for the number of BLAS threads, NAME=VALUE, or None."""
    return next((f"{name}={os.environ[name]}" for name in THREAD_VARIABLES if os.environ.get(name)), None)


def cpu_limit():
    """Return how many processors' time a container's limit grants this program; None without a limit.

    Such a limit takes time away, not processors: BLAS sees all of them, and starts a thread for each.
    """
    for quota, period in CGROUP_FILES:
        try:
            texts = (CGROUP / quota).read_text().split() + ((CGROUP / period).read_text().split() if period else [])
            if texts[0] not in ("max", "-1"):
                return int(texts[0]) / int(texts[1])
        except (OSError, ValueError, IndexError):
            continue
    return None


def load():
    """Return how many programs wanted to compute in the last minute, on average; None if the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def load_advice(threads, cores, busy, chosen):
    """Return what to set where other programs compute beside BLAS's threads; None where there is nothing to do."""
    if (
        not (isinstance(threads, int) and isinstance(cores, int) and busy)
        or threads == 1
        or busy + threads <= cores + 0.5
    ):
        return None
    free = max(1, cores - math.ceil(busy - 0.5))
    if free >= threads:
        return None
    return (
        f"other programs kept {busy:.1f} of {cores} cores busy in the last minute. BLAS has {threads} threads here, "
        "and those that wait for each other keep spinning: beside other programs a step can take many times as long. "
        f"Set OPENBLAS_NUM_THREADS={free} before Python starts{f' (now {chosen})' if chosen else ''}."
    )


def keep_to_limit():
    """Give BLAS no more threads than the limit of the container grants time for, where the user has chosen none."""
    limit, threads = cpu_limit(), known(blas_threads)
    if limit is not None and isinstance(threads, int) and threads > limit and not chosen_threads():
        set_blas_threads(max(1, int(limit)))


def take_threads_of(machine):
    """Give BLAS the number of threads that a run was trained with, for the same last bits; the user's choice wins."""
    wanted = machine.get("BLAS threads", "")
    if wanted.isdecimal() and 1 <= int(wanted) <= (usable_cores() or 1) and not chosen_threads():
        set_blas_threads(int(wanted))


def numerics():
    """Return what the last bits of results depend on, besides versions: name -> text, "unknown" where it is."""
    found = {
        "processor": known(cpu_model),
        "BLAS": known(blas_library),
        "BLAS kernels": known(openblas_text, "corename"),
        "BLAS threads": str(known(blas_threads)),
    }
    return {name: "unknown" if text.startswith("unknown") else text for name, text in found.items()}
