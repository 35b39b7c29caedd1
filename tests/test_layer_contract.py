"""The contract of a layer, clause by clause, for every layer; and that no layer was forgotten anywhere."""

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from broken_layers import BatchNormNoThirdTerm, DenseTransposed
from layer_cases import LAYERS

from minigan import layers
from minigan.checks import check_layer, loops, parametrize_with_checks
from minigan.checks.layer_check import CLAUSES
from minigan.errors import GradientError, OptionError
from minigan.layers import Dense, Layer, Tanh


@parametrize_with_checks(LAYERS.values())
def test_contract(check):
    check()


# nothing is forgotten


def plain(name):
    """A name as it is compared: UpSampling2D is upsampling, Conv2D is conv2d."""
    return name.lower().replace("_", "").replace("2d", "")


@pytest.mark.parametrize("layer", layers.ALL, ids=lambda layer: layer.__name__)
def test_every_layer_has_a_case_and_is_written_as_loops(layer):
    assert layer in {type(make()) for make, _ in LAYERS.values()}, "add a line to tests/layer_cases.py"
    written = {plain(name) for name, _ in inspect.getmembers(loops, inspect.isfunction)}
    assert plain(layer.__name__) in written, "add it to minigan/checks/loops.py"


def test_every_layer_of_the_folder_is_in_all():
    """Classes that others derive from may be missing: they hold what two layers share."""
    folder = Path(layers.__file__).parent
    modules = [import_module(f"minigan.layers.{file.stem}") for file in folder.glob("*.py") if file.stem != "fused"]
    classes = {kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)}
    found = {kind for kind in classes if issubclass(kind, layers.Layer)}
    bases = {base for kind in found for base in kind.__mro__[1:]}
    assert found - bases <= set(layers.ALL) <= found, "add it to minigan/layers/__init__.py"
    assert {layer.__name__ for layer in layers.ALL} <= set(layers.__all__)


# the clauses as tests of pytest


def failing(make_layer, shape):
    """The clauses that a layer breaks, by the ids of their tests."""
    broken = []
    for case in parametrize_with_checks([(make_layer, shape)]).args[1]:
        try:
            case.values[0]()
        except GradientError:
            broken.append(case.id)
    return broken


def test_a_broken_layer_fails_in_its_clause_alone():
    assert failing(DenseTransposed, (3,)) == [
        f"DenseTransposed-3-gradients_in_{mode}" for mode in ("training", "inference")
    ]
    assert failing(BatchNormNoThirdTerm, (3,)) == ["BatchNormNoThirdTerm-3-gradients_in_training"]
    assert failing(lambda: Dense(2), (3,)) == []


def test_check_layer_runs_the_same_clauses():
    report = check_layer(lambda: Dense(2), (3,))
    assert "keeps the contract" in report and report.count("  ok  ") == len(CLAUSES) - 2
    assert report.count("worst relative error") == 2


@pytest.mark.parametrize(
    ("method", "function", "expected"),
    [
        ("forward", lambda layer, x: x, r"forward cannot be called .* Write it as forward\(self, x, training=False\)"),
        ("backward", lambda layer, dy: dy, r"Write it as backward\(self, dy, param_grads=True, input_grad=True\)"),
    ],
)
def test_methods_with_too_few_arguments_are_told_in_words(method, function, expected):
    kind = type("Short", (Tanh,), {method: function})
    with pytest.raises(GradientError, match=expected):
        check_layer(kind, (3,))


USERS_FILE = """
from minigan.checks import parametrize_with_checks
from minigan.layers import Dense, Layer


class Half(Layer):
    def forward(self, x, training=False):
        self.save_for_backward()
        return x / 2

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy if input_grad else None


@parametrize_with_checks([(lambda: Dense(2), (3,)), (Half, (2, 3))])
def test_mine(check):
    check()
"""


def test_in_a_test_file_of_a_user(tmp_path):
    (tmp_path / "test_mine.py").write_text(USERS_FILE)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert f"2 failed, {2 * len(CLAUSES) - 2} passed" in result.stdout
    assert "test_mine[Half-2x3-gradients_in_training]" in result.stdout and "Likely cause" in result.stdout


def test_pytest_is_not_needed_to_import_the_checks():
    script = "import sys; import minigan.checks; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == 0


@pytest.mark.parametrize("wrong", [Dense(2), Dense, (Dense, (2,), 3), "Dense", (Dense(2), (3,)), (7, (3,))])
def test_wrong_arguments(wrong):
    with pytest.raises(OptionError, match="parametrize_with_checks: "):
        parametrize_with_checks([wrong])
    with pytest.raises(OptionError, match="parametrize_with_checks: expected pairs"):
        parametrize_with_checks(7)


# what clauses say about common mistakes


class Double(Layer):
    """y = 2 x, without a mistake; each class below makes one."""

    def forward(self, x, training=False):
        self.save_for_backward()
        return 2 * x

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return 2 * dy if input_grad else None


class SavesNothing(Double):
    message = "what forward saves in training mode. forward saved nothing. Call self.save_for_backward"

    def forward(self, x, training=False):
        return 2 * x


class SavesOnlyInTraining(Double):
    message = "what forward saves in inference mode. forward saved nothing. Call self.save_for_backward"

    def forward(self, x, training=False):
        return super().forward(x) if training else 2 * x


class AsksTwice(Double):
    message = "what forward saves in training mode. backward asked for it twice. Call self.saved"

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return super().backward(dy, param_grads, input_grad)


class ReturnsNoOutput(Double):
    message = "what forward returns in training mode. 0.ReturnsNoOutput forward: expected it to return y, .*got None"

    def forward(self, x, training=False):
        super().forward(x)


class ReturnsNoOutputInInference(Double):
    message = "what forward returns in inference mode. .*got None"

    def forward(self, x, training=False):
        y = super().forward(x)
        return y if training else None


class ReturnsTwoOutputs(Double):
    message = "what forward returns in training mode. .*got a tuple"

    def forward(self, x, training=False):
        return super().forward(x), x


class ReturnsNoGradient(Double):
    message = (
        "what backward returns in training mode. 0.ReturnsNoGradient backward: expected it to return dx, .*got None"
    )

    def backward(self, dy, param_grads=True, input_grad=True):
        super().backward(dy)


class ReturnsAListOfGradients(Double):
    message = "what backward returns in training mode. .*got a list"

    def backward(self, dy, param_grads=True, input_grad=True):
        return [super().backward(dy)]


class KeepsItInAnAttribute(Layer):
    """Square, as in micrograd."""

    message = "cache used up. backward before any forward raised .*AttributeError: .* by self.save_for_backward.x. in"

    def forward(self, x, training=False):
        self.x = x
        return x * x

    def backward(self, dy, param_grads=True, input_grad=True):
        return 2 * self.x * dy if input_grad else None


class StartsWithAnAttribute(KeepsItInAnAttribute):
    message = "cache used up. backward before any forward raised .*TypeError: .* not keep it in attributes"
    x = None


class DrawsWeightsOfItsOwn(Double):
    message = r"save and load. the loaded network gives another output. .* self.add_param\(...\) makes weights"

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        self.W = rng.standard_normal(input_shape).astype(dtype)
        return input_shape

    def forward(self, x, training=False):
        self.save_for_backward()
        return x * self.W

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy * self.W if input_grad else None


class DrawsFromNumpy(Layer):
    message = "same seed, same result. in training mode, .* as Dropout does"
    draws = {True}

    def forward(self, x, training=False):
        kept = np.random.default_rng().random(x.shape) if training in self.draws else np.ones_like(x)
        self.save_for_backward(kept)
        return x * kept

    def backward(self, dy, param_grads=True, input_grad=True):
        kept = self.saved(dy)
        return dy * kept if input_grad else None


class DrawsFromNumpyInInference(DrawsFromNumpy):
    message = "same seed, same result. in inference mode, .* as Dropout does"
    draws = {False}


MISTAKES = [kind for kind in list(globals().values()) if isinstance(kind, type) and hasattr(kind, "message")]


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_clause_says_what_is_wrong_in_words(kind):
    with pytest.raises(GradientError, match=rf"check_layer, {kind.__name__}, input \(2, 3\): {kind.message}"):
        check_layer(kind, (2, 3))
