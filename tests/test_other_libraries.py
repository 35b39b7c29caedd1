"""Names and calls of PyTorch and Keras: the errors say what to write here, and nothing else changes."""

import copy
import pickle

import numpy as np
import pytest

from minigan import GAN, Sequential, other_libraries
from minigan.layers import Add, Dense, ReLU
from minigan.optimizers import SGD, Adam


def network():
    return Sequential([Dense(3), ReLU(), Dense(2)], (4,))


def gan():
    return GAN(Sequential([Dense(2)], (3,)), Sequential([Dense(1)], (2,)))


@pytest.mark.parametrize(
    ("make", "name", "match"),
    [
        (network, "fit", r"Sequential has no 'fit' in minigan\. Write the loop"),
        (network, "train", r"net\.forward\(x, training=True\)"),
        (network, "eval", r"net\.predict\(x\)"),
        (network, "zero_grad", r"net\.zero_grads\(\)"),
        (network, "parameters", r"net\.flat_params"),
        (network, "state_dict", r"net\.save\(path\)"),
        (lambda: Add([Dense(2)], []), "parameters", r"Add has no 'parameters'.*net\.flat_params"),
        (lambda: Adam(network()), "zero_grad", r"Adam has no 'zero_grad' in minigan\. .*net\.zero_grads\(\)"),
        (lambda: SGD(network(), 0.1), "param_groups", r"optimizer\.lr"),
        (gan, "fit", r"GAN has no 'fit' in minigan\. .*gan\.train_step\(images\)"),
    ],
)
def test_a_name_of_another_library_says_what_to_write(make, name, match):
    with pytest.raises(AttributeError, match=match):
        getattr(make(), name)


@pytest.mark.parametrize(
    ("make", "table"),
    [
        (network, other_libraries.OF_NETWORKS),
        (lambda: Adam(network()), other_libraries.OF_OPTIMIZERS),
        (gan, other_libraries.OF_GANS),
    ],
)
def test_only_names_that_are_not_there(make, table):
    """Other names give Python's own error, and copies and pickles work."""
    thing = make()
    for one in (thing, copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert not any(hasattr(one, name) for name in (*table, "nonsense", "__array__", "__length_hint__"))
        with pytest.raises(AttributeError, match="object has no attribute 'nonsense'"):
            one.nonsense  # noqa: B018


def test_a_property_that_fails_keeps_its_own_error():
    class Own(Sequential):
        @property
        def size(self):
            return self.lost

    with pytest.raises(AttributeError, match="'Own' object has no attribute 'lost'"):
        Own([Dense(1)]).size  # noqa: B018


def test_calls_and_items():
    net, x = network(), np.ones((2, 4), "float32")
    with pytest.raises(TypeError, match=r"Sequential cannot be called.* net\.forward\(x, training=True\).*predict"):
        net(x)
    with pytest.raises(TypeError, match=r"Dense cannot be called"):
        Dense(3)(x)
    with pytest.raises(TypeError, match=r"Write len\(net\.layers\)"):
        len(net)
    for use in (lambda: net[0], lambda: list(net), lambda: net["0.Dense.W"]):
        with pytest.raises(TypeError, match=r"net\.layers\[0\].*net\.params\["):
            use()
    assert net and bool(Sequential([Dense(1)])), "no length is asked for"
    assert np.asarray(net, object).shape == ()
