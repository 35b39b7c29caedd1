"""A program that mpirun has started several times: it speaks once, and an error in one process ends all of them."""

import io
import os
import sys
import time
import traceback
from contextlib import contextmanager

from minigan.errors import OptionError
from minigan.parallel.mpi import ONE, abort, started

GRACE = 2.0  # seconds that the others wait for rank 0 to fail, too: then it speaks for all of them


class Failed(SystemExit):
    """The end of a program by an error, or by a second Ctrl-C: one process ends while others may still work."""


@contextmanager
def one_of_several():
    """Run the body as one process of several, if mpirun has started this program; otherwise just run it.

    Rank 0 writes as always. What the others write is held back. It is shown only if one of them fails and rank 0 does
    not: an error that all have in common (a wrong option, a folder that is not empty) is shown once.
    """
    if started() == ONE:
        yield
        return
    rank, _ = started()
    streams = sys.stdout, sys.stderr
    if rank:
        sys.stdout, sys.stderr = nowhere(), io.StringIO()
    try:
        yield
    except BaseException as error:
        if isinstance(error, SystemExit) and not isinstance(error, Failed) and error.code != 2:
            raise  # all processes have agreed on this end
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        if rank:
            time.sleep(GRACE)
            streams[1].write("".join(f"rank {rank}: {line}" for line in sys.stderr.getvalue().splitlines(True)))
        sys.stdout, sys.stderr = streams
        abort(error.code if isinstance(error, SystemExit) else 1)
    finally:
        sys.stdout, sys.stderr = streams


def nowhere():
    """Return a stream that drops what is written to it."""
    return open(os.devnull, "w", encoding="utf-8")


def refuse_several():
    """Raise OptionError for a program whose processes would not share their work."""
    if started() != ONE:
        raise OptionError(
            f"mpirun has started this program {started()[1]} times, but only python -m minigan train and resume share "
            "their work. Start it without mpirun."
        )
