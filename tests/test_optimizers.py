"""The optimizers: first steps by hand, against the papers' formulas, on a parabola; clipping; errors."""

import numpy as np
import pytest

from minigan import Sequential
from minigan.errors import OptionError
from minigan.layers import BatchNorm, Dense
from minigan.ops import adam_update
from minigan.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp, clip_grad_norm, clip_weights, parameters_of


class Whole(Optimizer):
    """An optimizer of one's own that does not say that it treats each number by itself."""


def network(params, grads, dtype="float64"):
    """A network whose parameters and gradients are these numbers."""
    net = Sequential([Dense(1, use_bias=False)], (len(params),), dtype=dtype)
    net.flat_params[...], net.flat_grads[...] = params, grads
    return net


def test_sgd_by_hand():
    net = network([1.0, 2.0], [0.5, -1.0])
    SGD(net, lr=0.1).step()
    np.testing.assert_allclose(net.flat_params, [0.95, 2.1])


def test_momentum_by_hand():
    net = network([1.0], [1.0])
    optimizer = SGD(net, lr=0.1, momentum=0.5)
    optimizer.step()  # v = 1
    optimizer.step()  # v = 1.5
    np.testing.assert_allclose(net.flat_params, [1 - 0.1 - 0.15])


def test_nesterov_by_hand():
    net = network([1.0], [1.0])
    optimizer = SGD(net, lr=0.1, momentum=0.5, nesterov=True)
    optimizer.step()  # v = 1,   g + 0.5 v = 1.5
    optimizer.step()  # v = 1.5, g + 0.5 v = 1.75
    np.testing.assert_allclose(net.flat_params, [1 - 0.15 - 0.175])


def test_rmsprop_by_hand():
    net = network([1.0], [2.0])
    optimizer = RMSProp(net, lr=0.1, rho=0.75, epsilon=1.0)
    optimizer.step()  # s = 0.25 * 4 = 1, step 0.1 * 2 / (1 + 1)
    np.testing.assert_allclose(net.flat_params, [0.9])
    optimizer.step()  # s = 0.75 + 1 = 1.75
    np.testing.assert_allclose(net.flat_params, [0.9 - 0.2 / (np.sqrt(1.75) + 1)])


def test_adam_by_hand():
    net = network([1.0, 1.0], [2.0, -1e-3])
    optimizer = Adam(net, lr=0.1, beta1=0.5, beta2=0.75, epsilon=1e-12)
    optimizer.step()  # corrected, the first step is lr in the direction of the sign, whatever the size
    np.testing.assert_allclose(net.flat_params, [0.9, 1.1], rtol=1e-9)
    net.flat_grads[...] = [0, 0]
    optimizer.step()  # m_hat = 0.5 / (1 - 0.25), v_hat = 0.75 * 0.25 * 4 / (1 - 0.5625) for g = 2
    np.testing.assert_allclose(net.flat_params[0], 0.9 - 0.1 * (0.5 * 0.5 * 2 / 0.75) / np.sqrt(0.1875 * 4 / 0.4375))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])
def test_adam_is_the_papers_algorithm_1(rng, dtype, tolerance):
    """m and v with their factors, both corrected, epsilon outside of the root; more numbers than one piece holds."""
    size, lr, b1, b2, eps = 70_000, 1e-3, 0.5, 0.999, 1e-8
    start = rng.standard_normal(size)
    net = network(start, np.zeros(size), dtype)
    optimizer = Adam(net, lr, b1, b2, eps)
    p, m, v = start.copy(), 0.0, 0.0
    for t in range(1, 8):
        g = rng.standard_normal(size)
        net.flat_grads[...] = g
        optimizer.step()
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        p -= lr * (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + eps)
    np.testing.assert_allclose(net.flat_params, p, rtol=tolerance, atol=tolerance)
    assert net.flat_params.dtype == dtype


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
def test_adams_fast_form_agrees_with_its_formula(rng, monkeypatch, dtype, tolerance):
    """minigan/ops/adam_update.py against the lines of the class: the moments to the last bit, the steps to rounding."""
    size = 70_000  # more numbers than one piece of the fast form holds
    start, nets = rng.standard_normal(size), []
    for pays in (False, True):
        monkeypatch.setattr(adam_update, "pays", lambda params, answer=pays: answer)
        net = network(start, np.zeros(size), dtype)
        optimizer, gradients = Adam(net, lr=1e-2), np.random.default_rng(0)
        for _ in range(20):
            net.flat_grads[...] = gradients.standard_normal(size)
            optimizer.step()
        nets.append((net.flat_params - start, optimizer.state))
    (formula, formula_state), (fast, fast_state) = nets
    np.testing.assert_allclose(fast, formula, rtol=0, atol=tolerance)
    for name in ("m", "v"):
        np.testing.assert_array_equal(fast_state[name], formula_state[name])


def test_few_numbers_take_adams_formula_and_many_the_fast_form(monkeypatch):
    taken = []
    monkeypatch.setattr(adam_update, "adam_update", lambda params, *rest: taken.append(params.size))
    for size in (1, 4096, 4097):
        Adam(network(np.zeros(size), np.zeros(size))).step()
    assert taken == [4097]


@pytest.mark.parametrize(
    "make",
    [
        lambda net: SGD(net, 0.1),
        lambda net: SGD(net, 0.05, momentum=0.9),
        lambda net: SGD(net, 0.05, momentum=0.9, nesterov=True),
        lambda net: RMSProp(net, 0.01),
        lambda net: Adam(net, 0.05),
        lambda net: AdamW(net, 0.05, weight_decay=1e-4),
    ],
)
def test_all_reach_the_bottom_of_a_parabola(make):
    net = network([3.0, -2.0], [0, 0])
    optimizer = make(net)
    for _ in range(1000):
        net.flat_grads[...] = net.flat_params - [1, 2]
        optimizer.step()
    np.testing.assert_allclose(net.flat_params, [1, 2], atol=0.02)


# weight decay


def test_weight_decay_by_hand():
    net = network([2.0], [0.5])
    SGD(net, lr=0.1, weight_decay=0.25).step()  # g = 0.5 + 0.25 * 2
    np.testing.assert_allclose(net.flat_params, [1.9])
    net = network([2.0], [0.5])
    optimizer = SGD(net, lr=0.1, momentum=0.5, weight_decay=0.25)
    optimizer.step()  # v = 1
    optimizer.step()  # v = 0.5 + 0.5 + 0.25 * 1.9
    np.testing.assert_allclose(net.flat_params, [1.9 - 0.1475])


def test_adamw_decays_all_alike_and_adam_those_with_small_gradients_more():
    shrunk = {}
    for kind in (Adam, AdamW):
        for decay in (0, 0.1):
            net = network([1.0, 1.0], [0, 0])
            optimizer = kind(net, lr=1e-3, weight_decay=decay)
            for step in range(200):
                net.flat_grads[...] = [1000 * (-1) ** step, (-1) ** step]
                optimizer.step()
            shrunk[kind, decay] = net.flat_params.copy()
    large, small = shrunk[AdamW, 0] - shrunk[AdamW, 0.1]
    assert large == pytest.approx(small, rel=0.02) == pytest.approx(1 - (1 - 1e-4) ** 200, rel=0.02)
    large, small = shrunk[Adam, 0] - shrunk[Adam, 0.1]
    assert small > 100 * large


@pytest.mark.parametrize("decoupled", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 2e-6)])
def test_weight_decay_in_adams_fast_form_and_in_the_papers_algorithm(rng, monkeypatch, dtype, tolerance, decoupled):
    """Algorithm 2 of Loshchilov & Hutter, where it is Adam's line 6 (L2) or line 12 (decoupled)."""
    size, lr, decay, b1, b2 = 70_000, 1e-2, 0.3, 0.5, 0.999
    start, kind = rng.standard_normal(size), AdamW if decoupled else Adam
    p, m, v = start.copy(), 0.0, 0.0
    nets = {pays: network(start, np.zeros(size), dtype) for pays in (False, True)}
    made = {pays: kind(net, lr, b1, b2, weight_decay=decay) for pays, net in nets.items()}
    for t in range(1, 21):
        g = rng.standard_normal(size)
        for pays, net in nets.items():
            monkeypatch.setattr(adam_update, "pays", lambda params, answer=pays: answer)
            net.flat_grads[...] = g
            made[pays].step()
        g = g if decoupled else g + decay * p
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        step = (m / (1 - b1**t)) / (np.sqrt(v / (1 - b2**t)) + 1e-8)
        p = p - lr * (step + decay * p if decoupled else step)
    for net in nets.values():
        np.testing.assert_allclose(net.flat_params, p, rtol=0, atol=10 * tolerance)
        assert net.flat_params.dtype == dtype


KINDS = {
    "sgd": lambda net, **options: SGD(net, 0.1, **options),
    "momentum": lambda net, **options: SGD(net, 0.1, 0.9, **options),
    "rmsprop": lambda net, **options: RMSProp(net, 0.01, **options),
    "adam": lambda net, **options: Adam(net, 0.01, **options),
    "adamw": lambda net, **options: AdamW(net, 0.01, **({"weight_decay": 0.0} | options)),
}


def deep_network(workers=1):
    """Networks within networks, too: the places of the parameters must be those of the flat vector."""
    inner = Sequential([Dense(5), BatchNorm()])
    net = Sequential([Dense(4), BatchNorm(), inner, Dense(3)], (6,), dtype="float64")
    net.flat_params = np.random.default_rng(1).standard_normal(net.flat_params.size)
    net.parallel(workers)
    return net


def test_the_places_of_the_parameters():
    net = deep_network()
    for layer, name, place in parameters_of(net):
        assert np.shares_memory(layer.params[name], net.flat_params[place])
        np.testing.assert_array_equal(layer.params[name].ravel(), net.flat_params[place])
    assert place.stop == net.flat_params.size


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_parameters_without_decay_move_as_if_there_were_none(kind, workers):
    """To the last bit; and the others as if all decayed."""
    spared, results = ("b", "gamma", "beta"), {}
    for name, options in {
        "none": {},
        "all": {"weight_decay": 0.1},
        "some": {"weight_decay": 0.1, "no_decay": spared},
    }.items():
        net, draw = deep_network(workers if name == "some" else 1), np.random.default_rng(2)
        optimizer = KINDS[kind](net, **options)
        for _ in range(5):
            net.flat_grads = draw.standard_normal(net.flat_params.size)
            optimizer.step()
        results[name] = net
    for (name, some), none, full in zip(
        results["some"].params.items(), *(results[way].params.values() for way in ("none", "all")), strict=True
    ):
        np.testing.assert_array_equal(some, none if name.rpartition(".")[2] in spared else full)
        assert (none != full).all()


def test_a_numpy_learning_rate_does_not_upcast():
    net = network([1.0], [1.0], "float32")
    SGD(net, np.float64(0.1)).step()
    assert net.flat_params.dtype == np.float32


def test_clip_grad_norm():
    net = network([0, 0], [3.0, 4.0])
    assert clip_grad_norm(net, 10) == 5 and net.flat_grads.tolist() == [3, 4]
    assert clip_grad_norm(net, 1) == 5
    np.testing.assert_allclose(net.flat_grads, [0.6, 0.8])
    net.flat_grads.fill(0)
    assert clip_grad_norm(net, 1) == 0 and not net.flat_grads.any()


def test_clip_weights():
    net = network([-3.0, 0.005, 2.0], [0, 0, 0])
    clip_weights(net, 0.01)
    assert net.flat_params.tolist() == [-0.01, 0.005, 0.01]
    assert net.layers[0].params["W"].ravel().tolist() == [-0.01, 0.005, 0.01], "views of the same vector"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda net: SGD(net, 0), "lr > 0"),
        (lambda net: SGD(net, 0.1, momentum=1), "momentum"),
        (lambda net: SGD(net, 0.1, nesterov=True), "nesterov"),
        (lambda net: RMSProp(net, 0.1, rho=-0.1), "rho"),
        (lambda net: Adam(net, beta1=1.0), "beta1"),
        (lambda net: Adam(net, epsilon=0), "epsilon"),
        (lambda net: Adam(Dense(3)), "built network"),
        (lambda net: Adam(net, weight_decay=-0.1), "weight_decay >= 0"),
        (lambda net: AdamW(net, weight_decay=None), "AdamW: expected weight_decay"),
        (lambda net: AdamW(net, no_decay=1), "no_decay as a tuple"),
        (lambda net: SGD(net, 0.1, no_decay="bias"), "'bias'. The parameters of this network are called W"),
        (lambda net: Whole(net, 0.1, no_decay=["W"]), "elementwise = True"),
        (lambda net: clip_grad_norm(net, 0), "max_norm"),
        (lambda net: clip_weights(net, -1), "limit"),
    ],
)
def test_impossible_options(make, match):
    with pytest.raises(OptionError, match=match):
        make(network([1.0], [1.0]))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda net: Adam(net, lr="0.01"), "lr"),
        (lambda net: Adam(net, beta1=np.ones(2)), "beta1"),
        (lambda net: Adam(net, epsilon=1e-320), "epsilon"),
        (lambda net: RMSProp(net, 0.01, rho=None), "rho"),
        (lambda net: SGD(net, 1e308), "lr"),
        (lambda net: SGD(net, 0.1, momentum=0.9, nesterov="False"), "nesterov"),
        (lambda net: SGD("net", 0.1), "net"),
        (lambda net: SGD(Sequential([Dense(2)]), 0.1), "net"),
        (lambda net: clip_grad_norm(net, True), "max_norm"),
        (lambda net: clip_weights(net, float("nan")), "limit"),
        (lambda net: clip_weights([1, 2], 0.1), "net"),
    ],
)
def test_odd_options_are_told_by_name(make, name):
    with pytest.raises(OptionError, match=f"expected {name} "):
        make(Sequential([Dense(2)], (3,)))


@pytest.mark.parametrize(
    ("kind", "name", "value", "match"),
    [
        (Adam, "beta1", 5, r"Adam: expected beta1 in \[0, 1\), got 5"),
        (AdamW, "beta2", 1, r"AdamW: expected beta2 in \[0, 1\)"),
        (Adam, "epsilon", 0, "Adam: expected epsilon > 0"),
        (Adam, "weight_decay", -1, "expected weight_decay >= 0"),
        (Adam, "no_decay", ["bias"], "The parameters of this network are called W"),
        (Adam, "lr", -1, "expected lr > 0"),
        (RMSProp, "rho", "0.9", "expected rho in"),
        (RMSProp, "epsilon", None, "expected epsilon > 0"),
        (SGD, "momentum", 1, r"SGD: expected momentum in \[0, 1\)"),
        (SGD, "momentum", 0.9, r"cannot change from 0 or to 0.* Make a new optimizer: SGD\(net, lr, momentum=0\.9\)"),
        (SGD, "nesterov", True, "nesterov=True needs a momentum above 0"),
        (SGD, "nesterov", 1, "expected nesterov as True or False"),
    ],
)
def test_options_are_checked_when_they_change(kind, name, value, match):
    optimizer = kind(network([1.0], [1.0]), 0.01)
    before = getattr(optimizer, name)
    with pytest.raises(OptionError, match=match):
        setattr(optimizer, name, value)
    assert getattr(optimizer, name) == before
    setattr(optimizer, name, before)
    optimizer.step()


def test_a_momentum_that_changes():
    optimizer = SGD(network([1.0], [1.0]), lr=0.1, momentum=0.9)
    optimizer.momentum, optimizer.nesterov = np.float64(0.5), True
    optimizer.step()  # v = 1, g + 0.5 v = 1.5
    np.testing.assert_allclose(optimizer.net.flat_params, [1 - 0.15])
    with pytest.raises(OptionError, match="cannot change from 0 or to 0"):
        optimizer.momentum = 0


def test_numbers_of_numpy_are_options_and_keep_float32():
    net = Sequential([Dense(2)], (3,))
    optimizer = Adam(net, lr=np.float64(0.01), beta1=np.float32(0.5), epsilon=np.float64(1e-8))
    assert all(type(value) is float for value in (optimizer.lr, optimizer.beta1, optimizer.epsilon))
    net.flat_grads[...] = 1
    optimizer.step()
    assert net.flat_params.dtype == np.float32
