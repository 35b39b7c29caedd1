"""Warnings about what gives no error but is nearly always a mistake."""

import warnings

from minigan.errors import MisuseWarning


def tell_once(thing, text, stacklevel=3):
    """Give a MisuseWarning once for each object and text; stacklevel 3 is the line that called the caller."""
    told = vars(thing).setdefault("misuses_told", set())
    if text not in told:
        told.add(text)
        warnings.warn(text, MisuseWarning, stacklevel=stacklevel)
