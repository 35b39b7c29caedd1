"""The checks of options: what counts as a number, a flag, a seed, and what each says of everything else."""

import numpy as np
import pytest

from minigan import memory, options
from minigan.errors import DtypeError, MiniganError, OptionError, ShapeError, TooLargeError
from minigan.gan import objectives, penalties
from minigan.initializers import EachBlock, HeNormal, Initializer
from minigan.layers import Conv2D, Layer
from minigan.schedules import Linear


class Silent:
    """A value that cannot even be printed."""

    def __repr__(self):
        raise RuntimeError("no text")


NO_NUMBERS = ["1", None, True, np.True_, float("nan"), float("inf"), -np.inf, 1j, [1], (1,), np.ones(1), float]
NO_NUMBERS += [10**400, 10**5000, np.timedelta64(1), object(), Silent()]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize(
    "check", [options.require_number, options.require_positive, options.require_share, options.require_count]
)
def test_what_is_no_number(check, value):
    if check is options.require_count and isinstance(value, int) and not isinstance(value, bool):
        return  # a huge count is a count; whether it fits is asked where memory is taken
    with pytest.raises(OptionError, match="Here: expected rate"):
        check("Here", rate=value)


@pytest.mark.parametrize(
    ("value", "plain"), [(0.5, 0.5), (np.float32(0.5), 0.5), (np.float64(0.25), 0.25), (np.int64(0), 0), (0, 0)]
)
def test_a_number_of_numpy_is_kept_as_pythons(value, plain):
    result = options.require_share("Here", rate=value)
    assert result == plain and type(result) in (int, float)
    assert (result * np.ones(1, "float32")).dtype == np.float32


@pytest.mark.parametrize("value", [3, np.int32(3), np.uint8(3)])
def test_an_integer_of_numpy_is_an_integer(value):
    assert options.require_count("Here", units=value) == 3 and type(options.require_count("Here", units=value)) is int


@pytest.mark.parametrize("value", [0, -1, 2.0, np.float32(2), "2", True, None])
def test_what_is_no_count(value):
    with pytest.raises(OptionError, match="Here: expected units as an integer of at least 1"):
        options.require_count("Here", units=value)


def test_what_float32_cannot_hold_is_refused():
    with pytest.raises(OptionError, match=r"expected lr > 0, got 1e\+308\. Numbers of float32 lie between"):
        options.require_positive("SGD", lr=1e308)
    with pytest.raises(OptionError, match=r"expected epsilon > 0, got 1e-320\. Numbers of float32 lie between"):
        options.require_epsilon("Adam", epsilon=1e-320)


def test_several_options_come_back_in_their_order():
    assert options.require_share("Adam", beta1=0.5, beta2=np.float64(0.999)) == [0.5, 0.999]


@pytest.mark.parametrize("value", ["False", 0, 1, None, [], np.ones(1), bool])
def test_a_flag_is_true_or_false_and_nothing_else(value):
    assert options.require_flag("Here", use_bias=np.False_) is False
    with pytest.raises(OptionError, match="expected use_bias as True or False, got"):
        options.require_flag("Here", use_bias=value)


@pytest.mark.parametrize("value", [0, 7, np.int64(7), None, (1, 2), [np.uint8(3), 0], 2**200])
def test_seeds(value):
    np.random.default_rng(options.require_seed("Here", seed=value))


@pytest.mark.parametrize("value", ["0", -1, 1.0, True, (1, -2), (1, "2"), np.arange(2), float("nan"), np.random])
def test_no_seeds(value):
    with pytest.raises(OptionError, match="Here: expected seed as an integer of at least 0"):
        options.require_seed("Here", seed=value)


def test_choices_say_which_one_was_meant():
    assert options.require_choice("Here", ("im2col", "fourier"), algorithm="fourier") == "fourier"
    with pytest.raises(OptionError, match=r"as \"im2col\" or \"fourier\", got 'furier'\. Did you mean 'fourier'"):
        options.require_choice("Here", ("im2col", "fourier"), algorithm="furier")
    for value in (None, 1, np.ones(2), ["im2col"], {}):
        with pytest.raises(OptionError, match="expected algorithm"):
            options.require_choice("Here", ("im2col", "fourier"), algorithm=value)


@pytest.mark.parametrize("dtype", ["float32", np.float64, np.dtype("float32"), float])
def test_dtypes(dtype):
    assert options.require_dtype("Here", dtype) in ("float32", "float64")


@pytest.mark.parametrize("dtype", [None, "bfloat16", "float16", "int", 3, "x" * 300, [], {}, ("f", 1), np.ones(2)])
def test_no_dtypes(dtype):
    with pytest.raises(OptionError, match="Here: expected dtype float32 or float64, got"):
        options.require_dtype("Here", dtype)


class Scaled(Layer):
    def __init__(self, factor, *more, forgotten=1, **others):
        self.factor = factor


@pytest.mark.parametrize(
    ("thing", "text"),
    [
        (objectives.Wasserstein(clip=None), "Wasserstein(clip=None)"),
        (objectives.NaiveNonSaturating(), "NaiveNonSaturating()"),
        (objectives.Hinge(), "Hinge()"),
        (penalties.R1(weight=3), "R1(weight=3, every=1)"),
        (Conv2D(8, (3, 5)), "Conv2D(filters=8, kernel_size=(3, 5), strides=(1, 1), padding='same'"),
        (Scaled(2, 3, other=4), "Scaled(factor=2)"),  # what is not stored is not known
        (Linear(1e-3, 10), "Linear(lr=0.001, steps=10, end=0.0)"),
        (EachBlock(4, HeNormal()), "EachBlock(blocks=4, initializer=HeNormal())"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_part_shows_how_it_was_made(thing, text):
    assert repr(thing).startswith(text)


@pytest.mark.parametrize("kind", [objectives.Wasserstein, objectives.NaiveNonSaturating, penalties.WGANGP, Linear])
def test_what_a_part_shows_makes_it_again(kind):
    known = {**vars(objectives), **vars(penalties), "Linear": Linear}
    part = kind(*[0.1, 7][: 2 if kind is Linear else 0])
    assert repr(eval(repr(part), known)) == repr(part)


def test_a_class_in_place_of_an_instance():
    given = HeNormal()
    assert options.require_instance("Dense", Initializer, "HeNormal()", initializer=given) is given
    with pytest.raises(OptionError, match=r"got the class HeNormal\. Make an instance of it: HeNormal\("):
        options.require_instance("Dense", Initializer, "HeNormal()", initializer=HeNormal)
    with pytest.raises(OptionError, match=r"got 'he_normal'\. Give one, such as HeNormal\(\)"):
        options.require_instance("Dense", Initializer, "HeNormal()", initializer="he_normal")


def test_arrays():
    images = np.zeros((2, 3))
    assert options.require_array("Here", images=images) is images
    with pytest.raises(DtypeError, match=r"expected images as an array, got \[1, 2\]\. Convert a list of numbers by"):
        options.require_array("Here", images=[1, 2])
    with pytest.raises(DtypeError, match="images as an array of numbers, got an array of object of shape"):
        options.require_array("Here", images=np.array([None]))
    with pytest.raises(ShapeError, match="images with 4 axes, got an array of float64 of shape"):
        options.require_array("Here", 4, images=images)


def test_errors_stay_short():
    for value in ("x" * 10_000, list(range(1000)), np.ones((50, 50)), 10**5000):
        with pytest.raises(MiniganError) as caught:
            options.require_number("Here", rate=value)
        assert len(str(caught.value)) < 200


def test_what_cannot_fit_is_told_in_words(monkeypatch):
    monkeypatch.setattr(memory, "machine_bytes", lambda: 16 * 10**9)
    memory.require_room("Dense", "W", 15 * 10**9)
    with pytest.raises(TooLargeError, match=r"Dense: W would need 3\.1 TB, but this machine has 16\.0 GB"):
        memory.require_room("Dense", "W", 3_136 * 10**9)
    assert issubclass(TooLargeError, MemoryError)


def test_the_memory_of_this_machine_is_known():
    assert 10**8 < memory.machine_bytes() < 10**15


def test_the_memory_of_a_gpu(standin):
    with pytest.raises(TooLargeError, match=r"the GPU has 85\.9 GB"):
        memory.require_room("Dense", "W", 10**12, standin)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1500, "1.5 kB"),
        (10**9, "1.0 GB"),
        (2 * 10**15, "2,000.0 TB"),
        (10**400, "more than a million TB"),
    ],
)
def test_bytes_in_words(size, text):
    assert memory.bytes_text(size) == text
