"""A group of workers that share a batch, as one of its workers sees it.

Most layers treat each row of a batch by itself. They need no group: a worker computes its rows, and that is all. Only a
formula that looks at the whole batch asks the group of its worker, `layer.group`:

    group.sum(array)     the sum of the workers' arrays, the same numbers in each worker
    group.total(rows)    how many rows all workers have together
    group.places(n)      where this worker's rows are in the whole batch

With one worker, `Alone`, the sum of the workers' arrays is the array, so the formula stays as it reads.
"""

from typing import Any


class Group:
    """The base class of all groups.

    rank, size   this worker's number, 0 ... size - 1, and the number of workers
    held         slices of the whole batch: the rows that this worker holds; None while it holds no batch
    whole        the number of rows of the whole batch
    """

    rank, size = 0, 1
    held, whole = None, 0

    def share(self, n: int) -> slice:
        """Return which of n things are this worker's: the shares are as equal as possible, and in order of rank."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def hold(self, *held: slice, whole: int) -> None:
        """Note that the rows that this worker computes next are these slices of a batch of `whole` rows."""
        self.held, self.whole = held, whole

    def total(self, rows: int) -> int:
        """Return how many rows the workers have together where this one has `rows`: samples, or several for each."""
        samples = sum(place.stop - place.start for place in self.held)
        return rows // samples * self.whole

    def places(self, n: int) -> tuple[slice, ...]:
        """Return where this worker's n rows are in the whole batch, as slices."""
        return self.held

    def sum(self, array: Any) -> Any:
        """Return the sum of the workers' arrays. Every worker has to call it, and each gets the same numbers."""
        raise NotImplementedError(f"{type(self).__name__} has no sum(array)")


class Alone(Group):
    """The group of a single worker, which has the whole batch."""

    def total(self, rows):
        return rows

    def places(self, n):
        return (slice(0, n),)

    def sum(self, array):
        return array


ALONE = Alone()
