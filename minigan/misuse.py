"""Telling of what runs without an error and is a mistake nearly always: one MisuseWarning, in words."""

import warnings

from minigan.errors import MisuseWarning


def tell_once(thing, text, stacklevel=3):
    """Warn of how `thing` is used, once for each object and text; stacklevel 3 is the line that called the caller."""
    told = vars(thing).setdefault("misuses_told", set())
    if text not in told:
        told.add(text)
        warnings.warn(text, MisuseWarning, stacklevel=stacklevel)
