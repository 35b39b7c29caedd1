"""How a program starts and ends: safe output streams, correct exit codes, errors as sentences.

    with program():
        sys.exit(train(args))

Results go to the standard output. Progress bars, notes and errors go to the standard error stream. What cannot be
written there is dropped: a training run must not depend on whether somebody reads it.
"""

import os
import signal
import sys
import warnings
from contextlib import contextmanager, suppress

from minigan.cli.several import Failed, nowhere, one_of_several, refuse_several
from minigan.errors import FileError, MiniganError
from minigan.machine import keep_to_limit, known
from minigan.ops.allocator import keep_freed_memory

FAILED, INTERRUPTED = 2, 128 + signal.SIGINT
NOBODY_READS = 141  # what a shell gives for a program that wrote to a closed pipe: 128 + the number of SIGPIPE


@contextmanager
def program():
    """Run the body as a program: whatever stops it gives an exit code and at most one line of text."""
    keep_freed_memory()
    known(keep_to_limit)
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = open_streams()
    try:
        with one_of_several(), words_for_warnings(), words_for_errors():
            yield
    finally:
        sys.stdout, sys.stderr = streams
        drop_unwritten(sys.stderr)


@contextmanager
def words_for_warnings():
    """Show the warnings that are for a user as a sentence. The line of code that gives one tells nothing to them."""
    usual = warnings.formatwarning

    def in_words(message, category, *where, **line):
        return (
            f"warning: {message}\n" if issubclass(category, UserWarning) else usual(message, category, *where, **line)
        )

    warnings.formatwarning = in_words
    try:
        yield
    finally:
        warnings.formatwarning = usual


@contextmanager
def words_for_errors():
    """Turn what stops the body into an exit code and at most one line of text."""
    try:
        try:
            yield
        finally:
            flush_output()
    except BrokenPipeError:  # `... | head`: the reader has seen enough
        raise Failed(NOBODY_READS) from None
    except MiniganError as error:
        fail(error)
    except MemoryError as error:  # CuPy's for the memory of the GPU is one, too
        fail(
            f"out of memory ({error}). Use a smaller --batch-size, a smaller experiment, or --device cpu. On a GPU, "
            "nvidia-smi shows which other programs use its memory. A run can continue from its last checkpoint: "
            "python -m minigan resume RUN."
        )
    except OSError as error:  # of a path that the system would not take
        fail(": ".join(str(part) for part in (error.filename, error.strerror or error) if part))
    except KeyboardInterrupt:
        sys.stderr.write("stopped; all written files are complete\n")
        raise Failed(INTERRUPTED) from None


def fail(message):
    sys.stderr.write(f"error: {message}\n")
    raise Failed(FAILED)


def run_program(main, args):
    """Exit with main(args)'s code."""
    with program():
        refuse_several()
        sys.exit(main(args))


def open_streams():
    """Return a standard output that can write any letter, and an error stream that never fails.

    A letter that the terminal's encoding lacks (in the name of a folder, say) is written as its number. If the shell
    has closed a stream (`>&-`), its number is reserved: otherwise the next file that is opened would get this number,
    and with it whatever libraries write to the stream.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
    output = sys.stdout or nowhere()
    if hasattr(output, "reconfigure"):
        output.reconfigure(errors="backslashreplace")
    return output, Messages(sys.stderr or nowhere())


def flush_output():
    """Write out what was printed. If that fails, raise an error and drop the text: Python would try it again."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise
        raise FileError(f"cannot write to the standard output: {error.strerror or error}.") from error


def drop_unwritten(stream):
    """Let the messages that could not be written go nowhere: Python would try again when it ends, and fail."""
    try:
        if stream is not None:
            stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Messages:
    """A text stream for messages that drops what it cannot write."""

    def __init__(self, stream):
        self.stream = stream

    def write(self, text):
        with suppress(OSError):
            self.stream.write(text)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        with suppress(OSError):
            self.stream.flush()

    def __getattr__(self, name):
        return getattr(self.stream, name)
