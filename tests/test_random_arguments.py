"""Random calls of everything public, each with one odd argument: a clear error, or something sensible.

A call has a fault where
    a bare traceback comes from within minigan, that is an error that is none of minigan.errors;
    the odd value is accepted in the place of one of another kind: a text or a boolean for a number, a number for a
    flag, a class for an instance, a list for an array (ALSO in odd_values.py names what may stand for what);
    an option is kept as NaN, infinity or a number of NumPy;
    what comes of it is no array of numbers, has another dtype than the network, or holds NaN or infinity although
    what went in was finite;
    it takes longer than some seconds.
"""

import os
import types

import numpy as np
import odd_calls
import odd_values
import public_names
import pytest
import valid_arguments

from minigan import memory
from minigan.layers import Layer
from minigan.metrics import classifier


@pytest.fixture
def known(tmp_path, monkeypatch):
    """Valid arguments. Arrays of more than 256 MB count as too large for this machine: huge sizes are refused early."""
    monkeypatch.setattr(memory, "machine_bytes", lambda: 2**28)
    monkeypatch.setattr(classifier, "STEPS", 1)
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files").mkdir()
    return valid_arguments.examples(valid_arguments.Cases(), tmp_path / "files")


def faults(calls, known):
    """The faults of calls, as lines of text."""
    found = []
    for entry, parameter, number in calls:
        label, value = odd_values.odd_values()[number]
        fault = odd_calls.fault_of_call(entry, parameter, value, known)
        if fault:
            found.append(f"{entry.name}({parameter}={label}): {fault}")
    return found


def test_every_parameter_twice(known):
    found = faults(odd_calls.random_calls(2 * len(public_names.places()), seed=0), known)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_five_thousand_calls(known, seed):
    found = faults(odd_calls.random_calls(5000, seed), known)
    assert not found, "\n".join(found)


def test_without_an_odd_argument_every_call_works(known):
    """Otherwise an error could be about another argument than the odd one."""
    for entry in public_names.entries():
        arguments, subject = valid_arguments.base_arguments(entry, known)
        valid_arguments.function_of(entry, subject)(**arguments)


def test_what_is_called():
    """A new layer, loss or function is called without being listed."""
    names = {entry.name for entry in public_names.entries()}
    assert {"Dense", "Conv2D", "GAN", "Adam", "slerp", "grid", "check_layer", "evaluate", "Sequential.predict"} <= names
    assert {"Dense.forward", "LSTM.backward", "GAN.train_step", "Hinge.real", "Normal.sample", "scale"} <= names
    assert len(public_names.places()) > 250


# faults that are planted, to see that they are found


class Careless(Layer):
    """Checks nothing."""

    def __init__(self, units, scale=1.0, bias=True):
        self.units, self.scale, self.bias = units, scale, bias

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.output_shape = (*input_shape[:-1], 2 * self.units)
        return self.output_shape

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward(x)
        return self.xp.repeat(x[..., :1], 2 * self.units, axis=-1) * self.scale

    def backward(self, dy, param_grads=True, input_grad=True):
        x = self.saved(dy)
        return self.xp.zeros_like(x) * self.scale


def halve(number=1.0):
    return number / 2


def planted():
    module = types.ModuleType("planted")
    module.Careless, module.halve = Careless, halve
    module.__all__ = ["Careless", "halve"]
    return [module]


@pytest.mark.parametrize(
    ("name", "parameter", "value", "fault"),
    [
        ("Careless", "units", {"a": 1}, "TypeError"),
        ("Careless", "units", None, "TypeError"),
        ("Careless", "scale", np.float64(0.5), "scale is kept as float64"),
        ("Careless", "scale", float("nan"), "scale is kept as nan"),
        ("Careless", "scale", True, "accepted, where 1.0 is usual"),
        ("Careless", "bias", "False", "accepted, where True is usual"),
        ("Careless", "bias", 0, "accepted, where True is usual"),
        ("halve", "number", None, "TypeError"),
        ("halve", "number", 1j, "result of complex128"),
        ("halve", "number", np.array([1.0]), "accepted, where 1.0 is usual"),
    ],
)
def test_a_planted_fault_is_found(known, monkeypatch, name, parameter, value, fault):
    monkeypatch.setattr(odd_calls, "PACKAGE", os.path.dirname(__file__))  # these count as minigan's own
    entry = next(entry for entry in public_names.entries(planted()) if entry.name == name)
    assert fault in odd_calls.fault_of_call(entry, parameter, value, known)


def test_a_parameter_without_example_is_found_out(known):
    entry = next(entry for entry in public_names.entries(planted()) if entry.name == "Careless")
    arguments, _ = valid_arguments.base_arguments(entry, {})
    assert arguments["units"] == 3 and odd_calls.fault_of_call(entry, "units", 2, known) is None
