"""Types on everything public: complete, and usable in a program."""

import inspect

import typed_use
from public_names import entries

from minigan.experiments import Experiment, find
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained


def function_of(entry):
    """The function whose signature stands in the code; of an overridden method that of the class where it began."""
    if entry.owner is None:
        return entry.function.__init__ if inspect.isclass(entry.function) else entry.function
    name = entry.name.partition(".")[2]
    first = [base for base in entry.owner.__mro__ if name in vars(base) and base.__module__.startswith("minigan")][-1]
    return vars(first)[name]


def has_types(function):
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name not in ("self", "cls")]
    typed = all(p.annotation is not p.empty for p in parameters)
    return typed and (function.__name__ == "__init__" or "return" in function.__annotations__)


def test_every_public_function_has_types():
    functions = {entry.name: function_of(entry) for entry in entries()}
    functions |= {function.__name__: function for function in (find, resume_run, start_run, load_trained)}
    functions |= {f"Experiment.{name}": getattr(Experiment, name) for name in ("but", "make_gan", "make_networks")}
    assert len(functions) > 100
    assert [name for name, function in functions.items() if not has_types(function)] == []


def test_a_program_with_types_runs(tmp_path):
    assert typed_use.use(tmp_path) < 1e-6
