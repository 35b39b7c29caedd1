"""A group of workers that share a batch, as one of its workers sees it.

Most layers treat each row of a batch by itself. They need no group: a worker computes its rows, and that is all. Only a
formula that looks at the whole batch asks the group of its worker, `layer.group`:

    group.sum(array)     the sum of the workers' arrays, the same numbers in each worker
    group.total(rows)    how many rows all workers have together
    group.places(n)      where this worker's rows are in the whole batch

With one worker, `Alone`, the sum of the workers' arrays is the array, so the formula stays as it reads.

Processes do not share memory, so a training step of a GAN asks for more (see `mpi.py`):

    group.take(n)            from now on each worker has its share of a batch of n rows
    group.own(whole)         the rows of this worker
    group.gather(rows)       the rows of all workers, from those of each
    group.add_up(array)      the sum of the workers' arrays, in place
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from minigan import backend
from minigan.errors import OptionError


class Group:
    """The base class of all groups.

    rank, size   this worker's number, 0 ... size - 1, and the number of workers
    held         slices of the whole batch: the rows that this worker holds; none while it holds no batch
    whole        the number of rows of the whole batch
    """

    rank, size = 0, 1
    held: tuple[slice, ...] = ()
    whole = 0

    def share(self, n: int) -> slice:
        """Return which of n things are this worker's: the shares are as equal as possible, and in order of rank."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def hold(self, *held: slice, whole: int) -> None:
        """Note that the rows that this worker computes next are these slices of a batch of `whole` rows."""
        self.held, self.whole = held, whole

    def take(self, n: int, batches: int = 1) -> None:
        """Let each worker hold its share of a batch of n rows, or of several such batches, one behind the other.

        Errors     OptionError if there are more workers than rows
        """
        if n < self.size:
            raise OptionError(
                f"a batch of {n} rows cannot be shared by {self.size} workers, since each needs a row. Take larger "
                "batches, or fewer workers."
            )
        rows = self.share(n)
        places = (slice(first + rows.start, first + rows.stop) for first in range(0, batches * n, n))
        self.hold(*places, whole=batches * n)

    def own(self, whole: Any) -> Any:
        """Return the rows that this worker holds, from those of the whole batch."""
        parts = [whole[place] for place in self.held]
        return parts[0] if len(parts) == 1 else backend.array_module(whole).concatenate(parts)

    def gather(self, rows: Any) -> Any:
        """Return the rows of all workers, in their places in the whole batch, where this worker has `rows`."""
        whole, start = backend.array_module(rows).zeros((self.whole, *rows.shape[1:]), rows.dtype), 0
        for place in self.held:
            count = place.stop - place.start
            whole[place] = rows[start : start + count]
            start += count
        self.add_up(whole)  # the others have 0 here
        return whole

    def total(self, rows: int) -> int:
        """Return how many rows the workers have together where this one has `rows`: samples, or several for each."""
        samples = sum(place.stop - place.start for place in self.held)
        return rows // samples * self.whole

    def places(self, n: int) -> tuple[slice, ...]:
        """Return where this worker's n rows are in the whole batch, as slices."""
        return self.held

    def sum(self, array: Any) -> Any:
        """Return the sum of the workers' arrays. Every worker has to call it, and each gets the same numbers."""
        total = backend.array_module(array).array(array)
        self.add_up(total)
        return total

    def add_up(self, array: Any) -> None:
        """Replace the numbers of an array by the sums over all workers. Every worker has to call it."""
        raise NotImplementedError(f"{type(self).__name__} has no add_up(array)")

    def working(self, networks: Iterable[Any]) -> AbstractContextManager[None]:
        """Let the layers of the networks ask this group, in the block."""
        return asking(networks, self)

    # between the steps: what processes agree on

    def on(self, xp: Any) -> "Group":
        """Return the group for networks on the arrays of a module: on GPUs it may be another one."""
        return self

    def wait(self) -> None:
        """Return when all workers are here."""
        raise NotImplementedError(f"{type(self).__name__} has no wait()")

    def broadcast(self, value: Any) -> Any:
        """Return the value that the first worker has."""
        raise NotImplementedError(f"{type(self).__name__} has no broadcast(value)")

    def collect(self, value: Any) -> list[Any]:
        """Return the values of all workers, in order of rank."""
        raise NotImplementedError(f"{type(self).__name__} has no collect(value)")


class Alone(Group):
    """The group of a single worker, which has the whole batch."""

    def take(self, n, batches=1):
        """Do nothing: all rows are this worker's."""

    def own(self, whole):
        return whole

    def gather(self, rows):
        return rows

    def total(self, rows):
        return rows

    def places(self, n):
        return (slice(0, n),)

    def sum(self, array):
        return array

    def add_up(self, array):
        """Do nothing: the array is the sum."""

    def working(self, networks):
        return nullcontext()

    def wait(self):
        """Do nothing: nobody else is to come."""

    def broadcast(self, value):
        return value

    def collect(self, value):
        return [value]


ALONE = Alone()


def set_group(layers, group):
    """Let layers ask a group from now on."""
    for layer in layers:
        layer.group = group


@contextmanager
def asking(networks, group):
    """Let the layers of some networks ask a group in the block, and nobody afterwards."""
    layers = [layer for network in networks for layer in network.inner_layers()]
    set_group(layers, group)
    try:
        yield
    finally:
        set_group(layers, ALONE)
