"""Locks on files that end with the process that holds them, however it ends: a kill, a crash, a power cut."""

import os

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None
    import msvcrt

FAR = 2**30  # Windows locks bytes; one far behind the text leaves the text readable


def try_lock(descriptor):
    """Lock an open file without waiting: True if this succeeded, False if somebody else holds it.

    None where the file system knows no locks (some network drives), so that nobody can tell.
    """
    if fcntl is None:
        os.lseek(descriptor, FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
