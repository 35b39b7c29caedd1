"""Add and Concatenate: against loops, by hand, in networks that are saved, shared, fused, penalised; their errors."""

import copy
import json
import pickle

import numpy as np
import pytest

from minigan import GAN, Sequential, backend
from minigan.analysis import hessian_vector_product
from minigan.checks import check_gradients, check_layer, loops
from minigan.errors import CacheError, CheckpointError, OptionError, ShapeError
from minigan.gan import penalties
from minigan.input_gradient import InputGradient
from minigan.layers import (
    Add,
    BatchNorm,
    Concatenate,
    ConcatenateLabel,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)
from minigan.losses import MeanSquaredError
from minigan.optimizers import Adam


def residual(dtype="float64", **options):
    """A small network with everything in its branches: statistics, chance, branches within branches."""
    block = Add([Conv2D(4, 3), BatchNorm(), LeakyReLU(), Dropout(0.3), Conv2D(4, 3)], [])
    deeper = Add([Sequential([Conv2D(4, 1), Tanh()])], [Add([GaussianNoise(0.1), Sigmoid()], []), Conv2D(4, 1)])
    wide = Concatenate([Conv2D(2, 3, 2), LeakyReLU()], [MaxPool2D(2)])
    return Sequential([Conv2D(4, 3), block, deeper, wide, Flatten(), Dense(1)], (6, 4, 2), dtype=dtype, **options)


def passes(net, seed=0, training=True):
    rng, made = np.random.default_rng(seed), []
    for _ in range(2):
        x, dy = rng.standard_normal((6, *net.input_shape)), rng.standard_normal((6, *net.output_shape))
        made += [net.forward(backend.to_device(x.astype(net.dtype), net.xp), training).copy()]
        made += [net.backward(backend.to_device(dy.astype(net.dtype), net.xp))]
    return [backend.to_cpu(array).copy() for array in (*made, net.flat_grads, *net.state.values())]


# what they compute


@pytest.mark.parametrize(("kind", "loop"), [(Add, loops.add), (Concatenate, loops.concatenate)])
@pytest.mark.parametrize("shape", [(3,), (2, 3), (4, 2, 3)])
def test_against_loops(kind, loop, shape, rng):
    net = Sequential([kind([Tanh()], [], [Sigmoid(), Tanh()])], shape, dtype="float64")
    x = rng.standard_normal((5, *shape))
    ys = [loops.tanh(x), x, loops.tanh(loops.sigmoid(x))]
    np.testing.assert_allclose(net.forward(x), loop(ys), rtol=1e-12)


def test_by_hand():
    x, dy = np.array([[-1.0, 2.0]]), np.array([[10.0, 100.0]])
    net = Sequential([Add([ReLU()], [], [])], (2,), dtype="float64")
    assert net.forward(x).tolist() == [[-2, 6]]
    assert net.backward(dy).tolist() == [[20, 300]]
    net = Sequential([Concatenate([], [ReLU()])], (2,), dtype="float64")
    assert net.forward(x).tolist() == [[-1, 2, 0, 2]]
    assert net.backward(np.array([[1.0, 2.0, 10.0, 20.0]])).tolist() == [[1, 22]]


def test_it_is_the_sum_of_separate_networks(rng):
    net = Sequential([Add([Dense(4), Tanh(), Dense(3)], [Dense(3)])], (3,), dtype="float64")
    long, short = Sequential([Dense(4), Tanh(), Dense(3)], (3,), dtype="float64"), Sequential([Dense(3)], (3,))
    short = short.astype("float64")
    size = long.flat_params.size
    long.flat_params, short.flat_params = net.flat_params[:size], net.flat_params[size:]
    x, dy = rng.standard_normal((2, 5, 3))
    np.testing.assert_allclose(net.forward(x), long.forward(x) + short.forward(x), rtol=1e-12)
    np.testing.assert_allclose(net.backward(dy), long.backward(dy) + short.backward(dy), rtol=1e-12)
    np.testing.assert_allclose(net.flat_grads, np.concatenate([long.flat_grads, short.flat_grads]), rtol=1e-12)


# in a network


def small():
    block = Add([Dense(3), BatchNorm(), Tanh(), Dropout(0.3)], [], [GaussianNoise(0.1), Add([Sigmoid()], [Dense(3)])])
    return Sequential([Dense(3), block, Concatenate([Dense(2), Tanh()], []), Dense(1)], (2,), dtype="float64")


@pytest.mark.parametrize("training", [True, False])
def test_gradients_and_gradients_of_gradients(training):
    check_gradients(small(), (2,), training)
    check_gradients(InputGradient(small()), (2,), training)


@pytest.mark.slow
def test_gradients_of_images():
    check_gradients(InputGradient(residual()), (6, 4, 2))


def test_everything_is_saved_and_copied(tmp_path):
    net = residual("float32")
    net.forward(np.ones((3, 6, 4, 2), "float32"), training=True)  # state worth saving
    net.clear_cache()
    net.save(tmp_path / "net.npz")
    expected = passes(copy.deepcopy(net))
    assert json.loads(json.dumps(net.config())) == Sequential.load(tmp_path / "net.npz").config()
    for twin in (Sequential.load(tmp_path / "net.npz"), pickle.loads(pickle.dumps(net))):
        assert all(np.shares_memory(value, twin.flat_params) for value in twin.params.values())
        for one, other in zip(expected, passes(twin), strict=True):
            np.testing.assert_array_equal(one, other)


class Block(Add):
    """A class of one's own that makes its branches from its options."""

    def __init__(self, filters):
        self.filters = filters
        super().__init__([Conv2D(filters, 3), ReLU()], [Conv2D(filters, 1)])


def test_a_block_of_ones_own(tmp_path):
    net = Sequential([Block(3), Block(2)], (4, 4, 2))
    net.save(tmp_path / "net.npz")
    loaded = Sequential.load(tmp_path / "net.npz", custom_layers=[Block])
    assert loaded.layers[0].filters == 3 and "Block(filters=3)" in repr(loaded)
    np.testing.assert_array_equal(net.flat_params, loaded.flat_params)
    check_layer(lambda: Block(2), (3, 3, 2))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("workers", [2, 3])
def test_workers_share_the_batches(workers, training):
    one, shared = residual(), residual()
    shared.parallel(workers)
    for ours, theirs in zip(passes(shared, 0, training), passes(one, 0, training), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("training", [True, False])
def test_on_a_gpu_with_fused_layers_in_a_branch(gpu, training):
    layers = [Add([Dense(4), LeakyReLU(), Dropout(0.3), Dense(3), ReLU()], []), Concatenate([Dense(2), ReLU()], [])]
    net = Sequential(layers, (3,), dtype="float64")
    on_gpu = net.to("gpu")
    assert [type(part).__name__ for part in on_gpu.layers[0].parts[0]] == ["FusedLayers", "FusedLayers"]
    assert net.layers[0].parts[0] == net.layers[0].branches[0]
    for one, twin in ((net, on_gpu), (residual(), residual().to("gpu"))):
        for ours, theirs in zip(passes(twin, 1, training), passes(one, 1, training), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-10)


def test_a_gan_with_branches_and_a_penalty(gpu):
    """On the CPU, on the stand-in, and captured: the same steps."""

    def make(device):
        G = Sequential([Dense(8), Add([BatchNorm(), ReLU(), Dense(8)], []), Dense(16), Reshape((4, 4, 1))], (3,))
        D = Sequential([Conv2D(3, 3), Concatenate([LeakyReLU(), Conv2D(2, 3)], []), Flatten(), Dense(1)], (4, 4, 1))
        nets = [net.astype("float64").to(device) for net in (G, D)]
        return GAN(*nets, g_optimizer=Adam(nets[0]), d_optimizer=Adam(nets[1]), penalties=[penalties.R1()])

    cpu, eager, captured = make("cpu"), make("gpu"), make("gpu")
    captured.capture()
    for step in range(6):
        batch = np.random.default_rng(step).standard_normal((5, 4, 4, 1))
        losses = [float(loss) for loss in cpu.train_step(batch)]
        for gan in (eager, captured):
            np.testing.assert_allclose([float(x) for x in gan.train_step(gpu.asarray(batch))], losses, rtol=1e-8)


def test_hessian_vector_products(rng):
    net = Sequential([Add([Dense(3), Tanh()], []), Concatenate([Dense(2), Sigmoid()], [Tanh()])], (3,), dtype="float64")
    x, targets = rng.standard_normal((4, 3)), rng.standard_normal((4, 5))

    def gradient(y):
        return MeanSquaredError()(y, targets)[1]

    H = np.array([hessian_vector_product(net, x, gradient, v) for v in np.eye(net.flat_params.size)])
    np.testing.assert_allclose(H, H.T, atol=1e-10)
    net.zero_grads()
    v, grads, size = rng.standard_normal(net.flat_params.size), [], 1e-5
    for step in (size, -2 * size):
        net.flat_params += step * v
        net.zero_grads()
        net.backward(gradient(net.forward(x)))
        grads.append(net.flat_grads.copy())
    net.flat_params += size * v
    np.testing.assert_allclose(H @ v, (grads[0] - grads[1]) / (2 * size), rtol=1e-5, atol=1e-8)


def test_frozen_layers_and_labels_in_branches(rng):
    frozen = Dense(3)
    frozen.trainable = False
    net = Sequential([Add([frozen], [Dense(3)])], (3,), dtype="float64")
    x = rng.standard_normal((4, 3))
    net.forward(x)
    net.backward(x)
    assert not net.layers[0].branches[0][0].grads["W"].any() and net.layers[0].branches[1][0].grads["W"].any()
    labelled = Sequential([Concatenate([ConcatenateLabel(3), Dense(2)], [])], (3,), dtype="float64")
    one, other = (labelled.forward(x, labels=[k] * 4) for k in (0, 1))
    assert labelled.takes_labels and not np.array_equal(one[:, :2], other[:, :2])
    np.testing.assert_array_equal(one[:, 2:], x)
    with pytest.raises(OptionError, match="needs the labels"):
        labelled.forward(x)
    for layer in (net.layers[0], net):
        with pytest.raises(OptionError, match="labels were given, but no layer takes them"):
            layer.forward(x, labels=[0] * 4)


def test_options_of_backward(rng):
    net = Sequential([Add([Dense(3)], []), Add([Tanh()], [])], (3,), dtype="float64")
    x, dy = rng.standard_normal((2, 4, 3))
    net.forward(x)
    expected = net.backward(dy)
    grads = net.flat_grads.copy()
    net.zero_grads()
    net.forward(x)
    np.testing.assert_array_equal(net.backward(dy, param_grads=False), expected)
    assert not net.flat_grads.any()
    net.forward(x)
    assert net.backward(dy, input_grad=False) is None
    np.testing.assert_array_equal(net.flat_grads, grads)
    with pytest.raises(CacheError):
        net.layers[0].backward(dy)


def test_the_summary_shows_the_branches():
    lines = residual().summary().splitlines()
    assert any("1.Add of 2 branches" in line for line in lines)
    assert any("  branch0.1.BatchNorm" in line for line in lines)
    assert sum("branch1: the input itself" in line for line in lines) == 2
    flops = Sequential([Dense(3), Add([Tanh()], [], [])], (3,)).flops()
    assert flops == Sequential([Dense(3), Tanh()], (3,)).flops() + 2 * 3
    assert "<td" in residual()._repr_html_() and "branch1: the input itself" in residual()._repr_html_()


# errors


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Add(), "Add: expected at least two branches, got 0"),
        (lambda: Concatenate([Tanh()]), "Concatenate: expected at least two branches, got 1"),
        (lambda: Add(Dense(3), []), "expected branch 0 as a list of layers, got Dense"),
        (lambda: Add([], None), "expected branch 1 as a list of layers, got None"),
        (lambda: Add([], [Tanh(), 3]), "expected layers in branch 1, got 3"),
        (lambda: Add([Tanh], []), "in branch 0, got the class Tanh. Use an instance"),
    ],
)
def test_branches_that_are_none(make, match):
    with pytest.raises(OptionError, match=match):
        make()


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (
            Add([Conv2D(4, 3)], []),
            r"0\.Add: expected branches that give the same shape, got branch 0: \(n, 4, 4, 4\); branch 1: \(n, 4, 4, 3",
        ),
        (Concatenate([Conv2D(4, 3, 2)], []), r"differ in the last axis alone, got branch 0: \(n, 2, 2, 4\); branch 1"),
        (Add([Flatten(), Conv2D(4, 3)], []), r"0\.Add, branch0\.1\.Conv2D: expected images as input"),
        (Add([], [Add([], [Dense(3)])]), r"0\.Add, branch1\.0\.Add, branch1\.0\.Dense: "),
    ],
)
def test_shapes_that_do_not_fit_name_the_branch(layer, match):
    with pytest.raises(ShapeError, match=match):
        Sequential([layer], (4, 4, 3))
    with pytest.raises(ShapeError, match=match):
        Sequential([layer], (4, 4, 3))  # the layers stayed as they were, so the error is the same


def test_a_layer_in_two_branches():
    twice = Dense(3)
    with pytest.raises(OptionError, match="was already built"):
        Sequential([Add([twice], [twice])], (3,))


@pytest.mark.parametrize("branches", [None, 3, "x", [], [[]], [3, 4], [[{"layer": "Nonsense"}], []], [[[]], []]])
def test_files_with_odd_branches(branches, tmp_path, monkeypatch):
    net = Sequential([Add([Tanh()], [])], (3,))
    monkeypatch.setattr(Add, "config", lambda self: {"branches": branches})
    net.save(tmp_path / "net.npz")
    with pytest.raises(CheckpointError):
        Sequential.load(tmp_path / "net.npz")


@pytest.mark.torch
def test_a_residual_network_against_torch(rng):
    torch = pytest.importorskip("torch")
    net = Sequential(
        [Add([Dense(4), Tanh(), Dense(3)], []), Concatenate([Dense(2), Tanh()], [])], (3,), dtype="float64"
    )
    names = ["0.Add.branch0.0.Dense", "0.Add.branch0.2.Dense", "1.Concatenate.branch0.0.Dense"]
    own = [torch.tensor(net.params[f"{name}.{kind}"].copy(), requires_grad=True) for name in names for kind in "Wb"]
    x, dy = rng.standard_normal((6, 3)), rng.standard_normal((6, 5))
    tx = torch.tensor(x, requires_grad=True)
    h = tx + torch.tanh(tx @ own[0] + own[1]) @ own[2] + own[3]
    ty = torch.cat([torch.tanh(h @ own[4] + own[5]), h], dim=1)
    ty.backward(torch.tensor(dy))
    np.testing.assert_allclose(net.forward(x), ty.detach().numpy(), rtol=1e-10)
    np.testing.assert_allclose(net.backward(dy), tx.grad.numpy(), rtol=1e-10)
    expected = np.concatenate([array.grad.numpy().ravel() for array in own])
    np.testing.assert_allclose(net.flat_grads, expected, rtol=1e-10)
