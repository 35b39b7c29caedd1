"""Workers that share a batch: each computes a part of its rows, and the results do not depend on their number."""

from minigan.parallel.group import ALONE, Alone, Group

__all__ = ["ALONE", "Alone", "Group"]
