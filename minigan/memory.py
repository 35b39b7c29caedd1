"""Checks that arrays fit into the memory, before they are allocated."""

import os
from functools import cache
from pathlib import Path

import numpy as np

from minigan.backend import device_name
from minigan.errors import TooLargeError

# where Linux says how much memory a container may use, in its version 2 and its version 1
CONTAINER_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def require_room(owner, what, size, xp=np):
    """Raise TooLargeError if `size` bytes are more than the whole memory of the device, used or free.

    Errors     TooLargeError, which says how many bytes `what` would take
    """
    limit = device_bytes(xp)
    if limit is not None and size > limit:
        where = {"cpu": "this machine", "gpu": "the GPU"}[device_name(xp)]
        raise TooLargeError(
            f"{owner}: {what} would need {bytes_text(size)}, but {where} has {bytes_text(limit)}. Use smaller numbers."
        )


def device_bytes(xp):
    """Return how many bytes of memory a device has, or None if that is unknown."""
    return machine_bytes() if device_name(xp) == "cpu" else xp.cuda.runtime.memGetInfo()[1]


@cache
def machine_bytes():
    """Return the memory that this process can have at most: the machine's, or what its container allows."""
    limits = []
    if hasattr(os, "sysconf"):  # not on Windows
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for path in map(Path, CONTAINER_LIMITS):
        try:
            limits.append(int(path.read_text()))
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return min((limit for limit in limits if limit > 0), default=None)


def bytes_text(size):
    """Return bytes in words: 1.5 GB."""
    if size < 1000:
        return f"{size} bytes"
    if size > 10**18:
        return "more than a million TB"
    units = ("kB", "MB", "GB", "TB")
    power = min((len(str(size)) - 1) // 3, len(units))
    return f"{size / 1000**power:,.1f} {units[power - 1]}"
