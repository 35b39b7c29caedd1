"""Options in range: the checks that layers, optimizers, latents and networks share, all OptionErrors."""

import math
from numbers import Integral, Real

from minigan.errors import OptionError


def is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def require_share(owner, **options):
    """Each option is a number in [0, 1)."""
    for name, value in options.items():
        if not (is_number(value) and 0 <= value < 1):
            raise OptionError(f"{owner}: expected {name} in [0, 1), got {value!r}.")


def require_positive(owner, **options):
    """Each option is a finite number above 0."""
    for name, value in options.items():
        if not (is_number(value) and value > 0):
            raise OptionError(f"{owner}: expected {name} > 0, got {value!r}.")


def require_count(owner, **options):
    """Each option is an integer of at least 1."""
    for name, value in options.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise OptionError(f"{owner}: expected {name} as an integer of at least 1, got {value!r}.")
