"""Options in range: the checks that everything public shares. Each returns its options as plain Python values.

    self.rate = require_share("Dropout", rate=rate)
    self.beta1, self.beta2 = require_share("Adam", beta1=beta1, beta2=beta2)

A NumPy number is a number; a boolean, a text, NaN, infinity or an array is none. The plain value is what to keep: a
float64 of NumPy would turn arrays of float32 into float64, and a network's file could not hold it.
"""

import difflib
import inspect
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from minigan import backend
from minigan.errors import DtypeError, NonFiniteError, OptionError, ShapeError

DTYPES = ("float32", "float64")
AXES = 31  # of one sample: with the batch's, as many as every version of NumPy and CuPy can have
LARGEST, SMALLEST = 3.4e38, 1.2e-38  # what float32 can hold without infinity, and without losing digits


def as_constructed(thing):
    """Return how a layer, an objective ... was made, as text: "Wasserstein(clip=None)".

    It shows the arguments of the constructor that are stored under their own names.
    """
    names = [name for name in inspect.signature(type(thing).__init__).parameters if name != "self"]
    arguments = [f"{name}={getattr(thing, name)!r}" for name in names if hasattr(thing, name)]
    return f"{type(thing).__name__}({', '.join(arguments)})"


def require_number(owner, **options):
    """Return the options, each a finite number."""
    return checked(owner, options, is_number, "as a finite number", plain_number)


def require_positive(owner, **options):
    """Return the options, each a finite number above 0."""
    return checked(owner, options, lambda value: is_number(value) and value > 0, "> 0", plain_number)


def require_non_negative(owner, **options):
    """Return the options, each a finite number of at least 0."""
    return checked(owner, options, lambda value: is_number(value) and value >= 0, ">= 0", plain_number)


def require_epsilon(owner, **options):
    """Return the options, each a number above 0 in float32, too: it keeps a division by 0 away."""
    return checked(owner, options, lambda value: is_number(value) and value >= SMALLEST, "> 0", plain_number)


def require_share(owner, **options):
    """Return the options, each a number in [0, 1): from 0 on and below 1."""
    advice = " It is a share: from 0 on, and below 1."
    return checked(owner, options, lambda value: is_number(value) and 0 <= value < 1, "in [0, 1)", plain_number, advice)


def require_share_or_all(owner, **options):
    """Return the options, each a number in [0, 1]: from 0 to 1, and 1 itself is allowed."""
    return checked(owner, options, lambda value: is_number(value) and 0 <= value <= 1, "in [0, 1]", plain_number)


def require_count(owner, **options):
    """Return the options, each an integer of at least 1."""
    return checked(owner, options, is_count, "as an integer of at least 1", int)


def require_flag(owner, **options):
    """Return the options, each True or False; a text such as "False" would count as true."""
    return checked(owner, options, lambda value: isinstance(value, (bool, np.bool_)), "as True or False", bool)


def require_seed(owner, **options):
    """Return the options, each what numpy.random.default_rng takes: integers of at least 0, or None for a new one."""
    wanted = "as an integer of at least 0, a tuple of them, or None (a new seed each time)"
    return checked(owner, options, is_seed, wanted, plain_seed)


def require_range(owner, low, high):
    """Return (low, high), finite numbers with low < high."""
    if not (is_number(low) and is_number(high) and low < high):
        raise OptionError(f"{owner}: expected finite numbers low < high, got low={shown(low)} and high={shown(high)}.")
    return plain_number(low), plain_number(high)


def require_choice(owner, choices, **options):
    """Return the options, each one of the texts `choices`."""
    for name, value in options.items():
        if not isinstance(value, str) or value not in choices:
            raise OptionError(
                f"{owner}: expected {name} as {one_of(choices)}, got {shown(value)}.{hint(value, choices)}"
            )
    return alone(options.values())


def require_shape(owner, **options):
    """Return the options, each a shape: a tuple of integers of at least 1. Lists and arrays of integers will do."""
    for name, value in options.items():
        if not is_shape(value):
            raise ShapeError(
                f"{owner}: expected {name} as a tuple of 1 to {AXES} positive integers such as (784,) or (28, 28, 1), "
                f"got {shown(value)}."
            )
    return alone([tuple(int(size) for size in value) for value in options.values()])


def require_dtype(owner, dtype):
    """Return float32 or float64 as a numpy.dtype, from its name or from NumPy's types."""
    named = named_dtype(dtype)
    if named not in DTYPES:
        raise OptionError(f"{owner}: expected dtype float32 or float64, got {shown(dtype)}.")
    return named


def named_dtype(value):
    """Return the numpy.dtype that a value names, or None if it names none."""
    # other values NumPy takes as well: None is float64, and a network has the dtype of its parameters
    try:
        return np.dtype(value) if isinstance(value, (str, type, np.dtype)) else None
    except Exception:  # NumPy raises TypeError, ValueError or SyntaxError, by what it was given
        return None


def require_instance(owner, kind, example, **options):
    """Return the options, each an instance of the class `kind`; `example` is one, as one writes it."""
    for name, value in options.items():
        if isinstance(value, kind):
            continue
        advice = f"Give one, such as {example}."
        if inspect.isclass(value) and issubclass(value, kind):
            advice = f"Make an instance of it: {value.__name__}(...)."
        wanted = with_article(kind.__name__)
        raise OptionError(f"{owner}: expected {name} as {wanted}, got {shown(value)}. {advice}")
    return alone(options.values())


def require_rng(owner, rng):
    """Return `rng`, a numpy.random.Generator."""
    if not isinstance(rng, np.random.Generator):
        raise OptionError(
            f"{owner}: expected rng to be a numpy Generator, got {shown(rng)}. Make one at the start of the run: "
            "rng = np.random.default_rng(seed)."
        )
    return rng


def require_module(owner, xp):
    """Return `xp`, the array module that computes: numpy or cupy."""
    if not backend.is_module(xp):
        raise OptionError(f"{owner}: expected xp as the module numpy or cupy, got {shown(xp)}.")
    return xp


def require_built(owner, **networks):
    """Return the networks, each with its parameters in place."""
    for name, net in networks.items():
        if getattr(net, "input_shape", None) is None or not backend.is_array(getattr(net, "flat_params", None)):
            raise OptionError(
                f"{owner}: expected {name} as a built network, got {shown(net)}. To build a network: "
                "Sequential(layers, input_shape=...)."
            )
    return alone(networks.values())


def require_array(owner, ndim=None, dtype="float32", **arrays):
    """Return the arrays, each of NumPy or CuPy, with numbers in it, and `ndim` axes where that is given.

    dtype      what to make of a list, says the error; it is not checked
    """
    for name, value in arrays.items():
        if not backend.is_array(value):
            raise DtypeError(
                f"{owner}: expected {name} as an array, got {shown(value)}. Convert a list of numbers by "
                f'numpy.asarray(numbers, "{dtype}").'
            )
        if value.dtype.kind not in "biuf":
            raise DtypeError(f"{owner}: expected {name} as an array of numbers, got {shown(value)}.")
        if ndim is not None and value.ndim != ndim:
            raise ShapeError(f"{owner}: expected {name} with {ndim} axes, got {shown(value)}.")
    return alone(arrays.values())


def require_finite(owner, ndim, **arrays):
    """Return the arrays, each with `ndim` axes and without NaN or infinity, as NumPy arrays of float64."""
    found = []
    for name, value in arrays.items():
        require_array(owner, ndim, **{name: value})
        found.append(backend.to_cpu(value).astype("float64"))
        if not np.isfinite(found[-1]).all():
            raise NonFiniteError(f"{owner}: {name} holds NaN or infinity.")
    return alone(found)


def require_numbers(owner, **options):
    """Return the options, each a list or array of real numbers, as vectors of float64; NaN is a number here."""
    return alone([as_vector(owner, name, values) for name, values in options.items()])


def as_vector(owner, name, values):
    try:
        vector = np.asarray(backend.to_cpu(values))
    except Exception:  # whatever NumPy makes nothing of, such as lists of several lengths
        vector = np.array(None)
    if vector.dtype.kind not in "iuf" or vector.ndim != 1:
        raise OptionError(f"{owner}: expected {name} as a list of numbers, got {shown(values)}.")
    return vector.astype("float64")


def require_function(owner, **options):
    """Return the options, each a function that can be called with one argument."""
    return checked(owner, options, takes_one_argument, "as a function of one argument", lambda function: function)


def require_text(owner, **options):
    """Return the options, each a text."""
    return checked(owner, options, lambda value: isinstance(value, str), "as a text", str)


def checked(owner, options, fits, wanted, plain, advice=""):
    """Return all options made plain, one alone and several as a list, or say which does not fit."""
    for name, value in options.items():
        if not fits(value):
            raise OptionError(f"{owner}: expected {name} {wanted}, got {shown(value)}.{size_hint(value) or advice}")
    return alone([plain(value) for value in options.values()])


def size_hint(value):
    """Return a sentence about a number that would be in range if float32 could hold it, or nothing."""
    if is_real(value) and (abs(value) > LARGEST or 0 < abs(value) < SMALLEST):
        return " Numbers of float32 lie between 1.2e-38 and 3.4e38."
    return ""


class CheckedOption:
    """An attribute that is checked whenever it is set, by __init__ or later: `beta1 = CheckedOption(require_share)`."""

    def __init__(self, check: Callable[..., Any]):
        self.check = check

    def __set_name__(self, kind, name):
        self.name = name

    def __get__(self, thing: Any, kind: Any = None) -> Any:
        return self if thing is None else vars(thing).get(self.name)

    def __set__(self, thing, value):
        vars(thing)[self.name] = self.check(type(thing).__name__, **{self.name: value})


def alone(values):
    values = list(values)
    return values[0] if len(values) == 1 else values


def is_real(value):
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_, np.timedelta64))


def is_number(value):
    """Return True for a real number, Python's or NumPy's, that float32 can hold and that is no boolean."""
    return is_real(value) and -LARGEST <= value <= LARGEST


def is_integer(value):
    """Return True for an integer, Python's or NumPy's, that is no boolean."""
    return isinstance(value, Integral) and is_real(value)


def is_count(value):
    return is_integer(value) and value >= 1


def is_shape(value):
    vector = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu"
    return (vector or isinstance(value, (tuple, list))) and 1 <= len(value) <= AXES and all(map(is_count, value))


def takes_one_argument(value):
    """Return whether a value is a function of one argument; True also for those that do not say what they take."""
    if not callable(value):
        return False
    try:
        inspect.signature(value).bind(None)
    except TypeError:
        return False
    except ValueError:  # of some functions in C
        return True
    return True


def is_seed(value):
    values = value if isinstance(value, (tuple, list)) else [value]
    return value is None or all(is_integer(part) and part >= 0 for part in values)


def plain_number(value):
    return int(value) if isinstance(value, Integral) else float(value)


def plain_value(value):
    """Return an option with Python's own numbers and flags in the place of NumPy's, which JSON could not hold."""
    if isinstance(value, (tuple, list)):
        return tuple(map(plain_value, value))
    if is_number(value):
        return plain_number(value)
    return bool(value) if isinstance(value, np.bool_) else value


def plain_seed(value):
    if isinstance(value, (tuple, list)):
        return tuple(int(part) for part in value)
    return None if value is None else int(value)


def shown(value):
    """Return a value as it stands in an error: short, also for arrays, classes, and what has no text of its own."""
    if backend.is_array(value):
        return f"an array of {value.dtype} of shape {value.shape}"
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    try:
        text = repr(value)
    except Exception:  # of somebody else's class; or an integer of more digits than Python prints
        text = ""
    return (
        text if 0 < len(text) <= 80 else f"{'an' if type(value).__name__[0] in 'aeio' else 'a'} {type(value).__name__}"
    )


def with_article(name):
    return f"{'an' if name[0] in 'AEIOaeio' else 'a'} {name}"


def one_of(choices):
    """Return texts as a sentence has them: "a", "b" or "c"."""
    *first, last = (f'"{choice}"' for choice in choices)
    return f"{', '.join(first)} or {last}" if first else last


def hint(value, choices):
    """Return a sentence with the choices that a text comes near to, or nothing."""
    near = difflib.get_close_matches(str(value).lower(), choices, cutoff=0.4) if isinstance(value, str) else []
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
