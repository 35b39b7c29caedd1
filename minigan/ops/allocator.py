"""Keeping freed memory, so that the large arrays of a training step need no fresh pages in every step."""

import ctypes
import sys

# from glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4


def keep_freed_memory():
    """Let this process keep the memory that it frees, for its next arrays. True where that could be arranged.

    The C library takes arrays of more than 32 MB from the system and gives them back when they are freed. The next
    array of that size gets new pages, which the system fills with zeros one by one, at each first touch: a step of a
    DCGAN touches hundreds of megabytes so. Kept memory is reused as it is. The process stays at its peak size.

    This is for programs that train; a library should not do it to the programs that import it. Works with glibc, that
    is on most Linux systems; elsewhere nothing happens.
    Source: mallopt(3)
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
