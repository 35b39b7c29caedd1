"""What a network may take while it is read from a file: a few characters in a file must not become gigabytes.

A file describes its network by layers, shapes and options, and numbers in a description cost nothing. So the reader
opens a budget, and what builds a network asks it first:

    with budget(parameters=1_000, state=20):
        spend("parameters", 200, "0.Dense", "W of shape (10, 20)")

Outside of a budget, where the description comes from the user's own program, `spend` lets everything pass.
"""

from contextlib import contextmanager
from contextvars import ContextVar

from minigan.errors import TooLargeError

LIMITS = {  # what a budget has of each kind unless the reader knows better
    "parameters": 0,  # numbers; the file holds as many
    "state": 0,  # numbers; the file holds as many
    "layers": 10_000,
    "sample": 2**28,  # numbers that one sample takes in all layers, with the zeros around images: 1 GB in float32
    "matrices": 2**30,  # numbers in the large matrices of convolutions, for one image
    "windows": 2**18,  # places in the windows of poolings, each of them a turn of a loop
}
SLACK = 2**14  # numbers more than are stored, so that a small difference is found, and told, by the names of the arrays
IN_WORDS = {
    "parameters": "numbers as parameters, more than the {limit:,} that are stored",
    "state": "numbers as state, more than the {limit:,} that are stored",
    "layers": "layers, more than the {limit:,} that a file may describe",
    "sample": "numbers for one sample, more than the {limit:,} that a network from a file may take",
    "matrices": "numbers in the matrices of convolutions, more than the {limit:,} that a network from a file may take",
    "windows": "places in the windows of poolings, more than the {limit:,} that a network from a file may have",
}

current = ContextVar("budget", default=None)


class Budget:
    """How much of each kind there is (limits; None: no limit), and how much of it is spent."""

    def __init__(self, limits):
        self.limits = limits
        self.spent = dict.fromkeys(LIMITS, 0)


@contextmanager
def budget(**limits):
    """Let this thread spend no more than `limits` in the block, by kind; kinds left out have the limits of LIMITS."""
    token = current.set(Budget({**LIMITS, **limits}))
    try:
        yield
    finally:
        current.reset(token)


@contextmanager
def counting():
    """Count what is spent in the block, without limits, where there is no budget. Yields the amounts by kind.

    `save` needs them: it writes no network that `load` would refuse as too large.
    """
    if current.get() is not None:
        yield {}
        return
    account = Budget(limits=None)
    token = current.set(account)
    try:
        yield account.spent
    finally:
        current.reset(token)


def limited():
    """Return whether there is a budget: a network is read from a file, and its numbers come from there."""
    account = current.get()
    return account is not None and account.limits is not None


def spend(kind, amount, owner, what):
    """Ask for `amount` of a kind, before it is allocated.

    owner, what    for the message: which layer wants it, and for what
    Errors         TooLargeError where there is a budget and the amount is not left in it
    """
    account = current.get()
    if account is None:
        return
    account.spent[kind] += amount
    if account.limits is not None and account.spent[kind] > account.limits[kind]:
        words = IN_WORDS[kind].format(limit=account.limits[kind])
        raise TooLargeError(f"{owner}: with {what} the network would have too many {words}.")
