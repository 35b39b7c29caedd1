"""Threads that share a batch: NumPy's loops and BLAS run outside of Python's lock, so two threads use two cores.

A Team is a number of threads that wait for work. A Meeting is where they add up arrays while they work. What one worker
does wrong ends the work of all, with one error: no thread waits for another one that will not come.
"""

import os
import threading
from contextlib import suppress
from contextvars import copy_context
from functools import cache
from queue import Empty, SimpleQueue

import numpy as np

from minigan.errors import OptionError
from minigan.machine import one_blas_thread
from minigan.parallel.group import Group

END = "the end of the batch"


class Meeting:
    """Where the threads of a group meet to add up their arrays."""

    def __init__(self, size):
        self.size, self.barrier = size, threading.Barrier(size)
        self.reset()

    def reset(self):
        """Forget a meeting that an error has ended."""
        self.barrier.reset()
        self.meetings = [0] * self.size
        self.slots = ([None] * self.size, [None] * self.size)

    def wait(self):
        """Return when all workers are here."""
        self.barrier.wait()

    def gather(self, rank, array):
        """Return the arrays of all workers in order of rank.

        Odd and even meetings have their own slots. So nobody can overwrite what others still read: whoever writes the
        slots of the meeting after the next one has met all others at the next one, and they came after reading.
        """
        slots = self.slots[self.meetings[rank] % 2]
        self.meetings[rank] += 1
        slots[rank] = array
        self.barrier.wait()
        return slots

    def sum(self, rank, array):
        """Return the sum of the workers' arrays, always added in order of rank: the same bits in every run."""
        parts = self.gather(rank, np.array(array))
        require_alike(parts)
        total = parts[0] + parts[1]
        for part in parts[2:]:
            total += part
        return total

    def end(self, rank):
        """Meet for the last time in this work; OptionError if another worker still wants to sum."""
        require_alike(self.gather(rank, END))


def require_alike(parts):
    """Raise OptionError unless all workers came to add up arrays of one shape, or all came to the end."""
    seen = {part if isinstance(part, str) else f"a sum of {part.dtype} of shape {part.shape}" for part in parts}
    if len(seen) > 1:
        raise OptionError(
            "the workers that share a batch do not call group.sum alike: one is at "
            f"{', another at '.join(sorted(seen))}. "
            "A layer has to call it equally often, with arrays of the same shape, whatever rows it gets."
        )


class Threads(Group):
    """The group of the threads of a Team."""

    def __init__(self, rank, meeting):
        self.rank, self.size, self.meeting = rank, meeting.size, meeting

    def sum(self, array):
        return self.meeting.sum(self.rank, array)


class Job:
    """One piece of work for all threads of a team, and what became of it."""

    def __init__(self, work, meeting):
        self.work, self.meeting = work, meeting
        self.begun, self.finished, self.errors = set(), set(), []
        self.news = SimpleQueue()  # wakes the thread that waits until all have finished

    def do(self, rank):
        """Let one worker do its part: once, however often it is asked, and not if the work has failed already."""
        if rank in self.begun or self.errors:
            return
        self.begun.add(rank)
        try:
            self.work(rank)
        except BaseException as error:  # KeyboardInterrupt, too, must end the work of the others
            self.fail(error)

    def fail(self, error):
        """Note an error and wake all workers that wait for each other."""
        if not isinstance(error, threading.BrokenBarrierError):
            self.errors.append(error)
        self.meeting.barrier.abort()


class Team:
    """A number of workers: the thread that calls `run`, and others that wait for it."""

    def __init__(self, size):
        self.free = threading.Lock()
        self.boxes = [SimpleQueue() for _ in range(size - 1)]
        for rank, box in enumerate(self.boxes, start=1):
            threading.Thread(target=self.serve, args=(rank, box), name=f"minigan worker {rank}", daemon=True).start()

    def serve(self, rank, box):
        """Do the parts of one worker for ever."""
        while True:
            job, context = box.get()
            context.run(job.do, rank)
            job.finished.add(rank)
            job.news.put(rank)
            job = context = None  # so that nothing keeps the arrays

    def run(self, work, meeting, prepare=None):
        """Let every worker call work(rank), with one BLAS thread each, and return when all are done.

        prepare    a function that is called before, when no other work of this team is under way
        The other threads see what this one has set by `with`: NumPy's errstate, `saving_nothing`.
        Errors     the first error of any worker; then all have stopped, and the team can be used again
        """
        with self.free, one_blas_thread():
            if prepare:
                prepare()
            job, unasked = Job(work, meeting), [(box, copy_context()) for box in self.boxes]
            while True:
                try:
                    while unasked:
                        box, context = unasked[0]
                        box.put((job, context))
                        unasked.pop(0)
                    job.do(0)
                    while len(job.finished) < len(self.boxes):
                        with suppress(Empty):
                            job.news.get(timeout=1)
                    break
                except BaseException as error:  # Ctrl-C, at any line: all are asked, so that all can be waited for
                    job.fail(error)
            if meeting.barrier.broken:
                meeting.reset()
            if job.errors:
                raise job.errors[0]


@cache
def team(size):
    """Return the team of this process with `size` workers; all networks use the same one, in turns."""
    return Team(size)


if hasattr(os, "register_at_fork"):  # a forked process has none of the threads
    os.register_at_fork(after_in_child=team.cache_clear)
