"""Workers that share a batch: their number changes no result, and nothing that goes wrong makes them wait for ever."""

import copy
import itertools
import os
import pickle
import signal
import threading
import time

import numpy as np
import pytest
from layer_cases import LAYERS, labels_for
from run_helpers import in_child

from minigan import GAN, Sequential, machine
from minigan.errors import OptionError
from minigan.experiments import find
from minigan.gan import objectives
from minigan.gan.objectives import NonSaturating
from minigan.gan.state import gan_state
from minigan.layers import BatchNorm, Dense, Dropout, Layer, LeakyReLU, Tanh
from minigan.losses import BinaryCrossEntropy
from minigan.ops import pieces
from minigan.optimizers import SGD, Adam, AdamW, RMSProp
from minigan.parallel import threads
from minigan.parallel.sharing import LEAST_FLOPS

WORKERS = (2, 3)


def close(one, other, tolerance):
    """Compare arrays by the largest number in them: a sum of many terms rounds with the terms, not with its value."""
    size = max(float(np.abs(one).max(initial=0)), 1)
    np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * size)


def network(layers, shape, workers, dtype="float64", seed=0):
    net = Sequential(layers, shape, seed=seed, dtype=dtype)
    net.parallel(workers)
    return net


def passes(net, rng, n=7, training=True):
    """All that two passes forward and backward make and leave behind."""
    made = []
    for _ in range(2):
        x, dy = rng.standard_normal((n, *net.input_shape)), rng.standard_normal((n, *net.output_shape))
        y = net.forward(x.astype(net.dtype), training, **labels_for(net, n))
        made += [y, net.backward(dy.astype(net.dtype))]
    return [*made, net.flat_grads.copy(), *(array.copy() for array in net.state.values())]


# the results do not depend on the number of workers


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-12), ("float32", 1e-5)])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name, training, dtype, tolerance):
    make, shape = LAYERS[name]
    alone, *shared = (
        passes(network([make()], shape, workers, dtype), np.random.default_rng(3), training=training)
        for workers in (1, *WORKERS)
    )
    for results in shared:
        for one, other in zip(alone, results, strict=True):
            close(one, other, tolerance)


EXPERIMENTS = {  # a name of each family, small images and batches where the family allows it
    "A1": (11, (28, 28, 1)),
    "A4": (10, (28, 28, 1)),
    "B0": (9, (28, 28, 1)),
    "C1": (4, (28, 28, 1)),
    "D2": (5, (28, 28, 1)),
    "D4": (5, (28, 28, 1)),
    "E2": (4, (28, 28, 1)),
    "E3": (4, (28, 28, 1)),
    "E8": (3, (32, 32, 3)),
    "wgan": (5, (28, 28, 1)),
    "dcgan": (5, (28, 28, 1)),
    "mlp-gan": (8, (28, 28, 1)),
}


def trained(make_gan, shape, batch, workers, steps=2):
    gan = make_gan()
    gan.parallel(workers)
    rng = np.random.default_rng(0)
    losses = [gan.train_step(rng.uniform(-1, 1, (batch, *shape)).astype(gan.generator.dtype)) for _ in range(steps)]
    return losses, gan_state(gan)


def in_float64(experiment, shape):
    nets = [net.astype("float64") for net in experiment.make_networks(shape)]
    optimizers = {"g_optimizer": experiment.g_optimizer(nets[0]), "d_optimizer": experiment.d_optimizer(nets[1])}
    options = {"d_steps": experiment.d_steps, "max_grad_norm": experiment.max_grad_norm}
    return GAN(*nets, experiment.latent, experiment.objective, **optimizers, **options)


def families(but):
    """All families; slow: those in `but`, whose kinds of layers others have, too."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in but else name for name in EXPERIMENTS]


@pytest.mark.parametrize("name", families(but=("C1", "E8")))
def test_every_family_of_experiments(name):
    """The losses, parameters, moments and states after two steps; dropout, latents and label noise by the way."""
    batch, shape = EXPERIMENTS[name]

    def make():
        return in_float64(find(name), shape)

    alone = trained(make, shape, batch, 1)
    for workers in WORKERS:
        losses, (arrays, values) = trained(make, shape, batch, workers)
        np.testing.assert_allclose(losses, alone[0], rtol=1e-11)
        for array, one in alone[1][0].items():
            # Adam divides a gradient by its size: where that is rounding alone, so is the first step
            close(one, arrays[array], 1e-12 if "params" not in array and "optimizer" not in array else 1e-9)
        assert values["rng"] == alone[1][1]["rng"], "the same random numbers are drawn, whatever the number of workers"


@pytest.mark.parametrize("workers", (1, *WORKERS))
def test_one_number_of_workers_gives_the_same_bits(workers):
    one, other = (trained(find("mlp-gan").make_gan, (28, 28, 1), 13, workers, steps=4) for _ in range(2))
    assert str(one[0]) == str(other[0])
    assert all(array.tobytes() == other[1][0][name].tobytes() for name, array in one[1][0].items())


@pytest.mark.parametrize("workers", WORKERS)
def test_the_same_units_are_dropped(workers, rng):
    x = rng.standard_normal((10, 7)).astype("float32")
    for _ in range(2):
        alone, shared = (network([Dropout(0.4)], (7,), count, "float32") for count in (1, workers))
        for _ in range(3):
            np.testing.assert_array_equal(alone.forward(x, True), shared.forward(x, True))


def test_label_noise_and_own_objectives_see_the_whole_batch():
    class Relative(NonSaturating):
        """An objective that compares each logit with the mean of all: it needs the whole batch."""

        def generator(self, logits):
            value, dlogits = self.loss(logits - logits.mean(), 1)
            return value, dlogits - dlogits.mean()

    def make():
        nets = [
            Sequential([Dense(6), BatchNorm(), Tanh()], (4,), dtype="float64"),
            Sequential([Dense(5), LeakyReLU(0.2), Dense(1)], (6,), seed=1, dtype="float64"),
        ]
        return GAN(*nets, objective=Relative(label_noise=True), g_optimizer=SGD(nets[0], 0.1), max_grad_norm=0.1)

    alone, *shared = (trained(make, (6,), 9, workers, steps=3) for workers in (1, *WORKERS))
    for losses, (arrays, _) in shared:
        np.testing.assert_allclose(losses, alone[0], rtol=1e-12)
        for name, array in arrays.items():
            close(alone[1][0][name], array, 1e-9)


@pytest.mark.parametrize(
    "kind", ["NonSaturating", "Minimax", "NaiveNonSaturating", "LeastSquares", "Hinge", "Wasserstein"]
)
def test_every_objective(kind):
    def make():
        nets = [
            Sequential([Dense(6), BatchNorm(), Tanh()], (4,), dtype="float64"),
            Sequential([Dense(5), BatchNorm(), LeakyReLU(0.2), Dense(1)], (6,), seed=1, dtype="float64"),
        ]
        # RMSProp and Adam would divide gradients that are 0 but for rounding, as those of a bias before BatchNorm
        optimizers = {"g_optimizer": SGD(nets[0], 0.1), "d_optimizer": SGD(nets[1], 0.1)}
        return GAN(*nets, objective=getattr(objectives, kind)(), d_steps=2, **optimizers)

    alone, *shared = (trained(make, (6,), 9, workers, steps=4) for workers in (1, *WORKERS))
    for losses, (arrays, _) in shared:
        np.testing.assert_allclose(losses, alone[0], rtol=1e-10, atol=1e-13)
        for name, array in arrays.items():
            close(alone[1][0][name], array, 1e-9)


@pytest.mark.parametrize("make", [lambda n: SGD(n, 0.1, 0.9), lambda n: RMSProp(n, 0.01), Adam, AdamW])
def test_optimizers_in_parts(make, rng, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE", 10)  # several pieces for each worker
    gradient, results = rng.standard_normal(2 * (30 * 40 + 40)), []
    for workers in (1, *WORKERS):
        net = network([Dense(40)], (30,), workers)
        optimizer = make(net)
        for part in np.split(gradient, 2):
            net.flat_grads = part
            optimizer.step()
        results.append([net.flat_params.copy(), *optimizer.state.values()])
    for other in results[1:]:
        for one, array in zip(results[0], other, strict=True):
            np.testing.assert_allclose(array, one, rtol=1e-12, atol=1e-14)


def test_an_optimizer_that_looks_at_the_whole_vector_gets_it_whole(rng):
    class Normed(SGD):
        def update(self, params, grads, numbers):
            params -= numbers[0] * grads / np.linalg.norm(grads)

    net = network([Dense(4)], (3,), 2)
    before = net.flat_params.copy()
    net.flat_grads = rng.standard_normal(16)
    Normed(net, 1.0).step()
    assert np.linalg.norm(net.flat_params - before) == pytest.approx(1)


def test_gradients_of_several_batches_add_up(rng):
    results = []
    for workers in (1, 2):
        net = network([Dense(3), BatchNorm(), Dense(2)], (4,), workers)
        made = passes(net, np.random.default_rng(0))
        net.layers[0].grads["W"] *= 2  # somebody reads and changes one
        results.append((made, net.flat_grads.copy(), net.layers[2].grads["b"].copy()))
        net.zero_grads()
        assert not net.flat_grads.any()
    close(results[0][1], results[1][1], 1e-12)
    close(results[0][2], results[1][2], 1e-12)


def test_a_loop_of_ones_own_needs_one_more_line(rng):
    """What the examples do: forward, loss, backward, step, by hand."""

    def train(workers):
        # no bias before BatchNorm: its gradient is rounding alone, which Adam would divide by itself
        first = Dense(8, use_bias=False)
        net = network([first, BatchNorm(), LeakyReLU(0.2), Dropout(0.3), Dense(1)], (5,), workers)
        optimizer, loss, draw = Adam(net, lr=1e-2), BinaryCrossEntropy(), np.random.default_rng(4)
        for _ in range(5):
            x = draw.standard_normal((12, 5))
            value, dlogits = loss(net.forward(x, training=True), (x[:, :1] > 0).astype("float64"))
            net.zero_grads()
            net.backward(dlogits, input_grad=False)
            optimizer.step()
        return [value, net.predict(x)]

    alone = train(1)
    for workers in WORKERS:
        for one, other in zip(alone, train(workers), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-9)


def test_networks_within_networks(rng):
    def net(workers):
        inner = Sequential([Dense(5), BatchNorm(), Sequential([Dropout(0.5), Dense(4)])])
        return network([inner, BatchNorm(), Dense(2)], (3,), workers)

    alone, *shared = (passes(net(workers), np.random.default_rng(1)) for workers in (1, *WORKERS))
    for results in shared:
        for one, other in zip(alone, results, strict=True):
            close(one, other, 1e-12)


def test_a_network_that_is_a_layer_of_another_one():
    inner = Sequential([Dense(5)])
    network([inner, Dense(2)], (3,), 2)
    with pytest.raises(OptionError, match=r"0\.Sequential is a layer of another network"):
        inner.parallel(2)


def test_predict_in_another_thread_does_not_disturb_a_batch_in_training(rng):
    """The prediction brings the states of the twins up to date, and has to wait until the training pass is over."""
    go_on = threading.Event()

    class Waits(Layer):
        def forward(self, x, training=False):
            self.check_input(x)
            if training and self.group.rank == 1:
                go_on.wait(10)
            self.save_for_backward(None)
            return x

    alone, net = (network([Waits(), Dropout(0.5)], (40,), workers) for workers in (1, 2))
    x, results = rng.standard_normal((6, 40)), {}
    training = threading.Thread(target=lambda: results.update(y=net.forward(x, True)))
    training.start()
    while not net.state["1.Dropout.calls"]:  # until the first worker has drawn its mask
        time.sleep(0.01)
    predicting = threading.Thread(target=lambda: results.update(predicted=net.predict(x)))
    predicting.start()
    predicting.join(0.2)
    go_on.set()
    training.join(10)
    predicting.join(10)
    np.testing.assert_array_equal(results["y"], alone.forward(x, True))
    np.testing.assert_array_equal(results["predicted"], x)


# which batches are shared


def test_a_batch_smaller_than_the_number_of_workers_is_not_shared(rng):
    x = rng.standard_normal((2, 3))
    alone, shared = (network([Dense(4), BatchNorm()], (3,), workers) for workers in (1, 3))
    np.testing.assert_array_equal(alone.forward(x, True), shared.forward(x, True))
    np.testing.assert_array_equal(alone.backward(np.ones((2, 4))), shared.backward(np.ones((2, 4))))


def test_auto_shares_only_batches_that_are_worth_it(monkeypatch):
    monkeypatch.setattr(machine, "blas_threads", lambda: 2)
    net = Sequential([Dense(100)], (100,))
    assert net.parallel() == 2 and net.workers == 2
    few = LEAST_FLOPS // net.flops() - 1
    assert not net.shared.shares(few) and net.shared.shares(few + 2)


def test_auto_keeps_to_the_number_of_blas_threads(monkeypatch):
    for threads_of_blas, workers in ((1, 1), (4, 4), (None, 1)):
        monkeypatch.setattr(machine, "blas_threads", lambda count=threads_of_blas: count)
        assert Sequential([Dense(3)], (2,)).parallel("auto") == workers


def test_parallel_of_one_ends_it_and_copies_start_alone():
    net = network([Dense(3)], (2,), 2)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), net.astype("float32"), net.to("cpu")):
        assert twin.workers == 1
    assert net.parallel(1) == 1 and net.shared is None


def test_a_gan_says_how_many_workers_it_has():
    gan = find("mlp-gan").make_gan()
    assert gan.workers == 1
    assert gan.parallel(3) == 3 and gan.workers == 3
    assert copy.deepcopy(gan).workers == 1


@pytest.mark.parametrize("workers", [0, -1, 1.5, "two", None, True, [2]])
def test_wrong_numbers_of_workers(workers):
    net = Sequential([Dense(3)], (2,))
    with pytest.raises(OptionError, match="workers as a number of threads"):
        net.parallel(workers)
    assert net.workers == 1


def test_on_a_gpu_there_is_nothing_to_share(gpu):
    net = Sequential([Dense(3)], (2,), device="gpu")
    with pytest.raises(OptionError, match="is on a GPU"):
        net.parallel(2)
    assert net.parallel("auto") == 1


class Centred(Layer):
    """A layer of one's own that mixes samples and has never heard of workers."""

    mixes_samples = True

    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward(None)
        return x - x.mean(axis=0)

    def backward(self, dy, param_grads=True, input_grad=True):
        self.saved(dy)
        return dy - dy.mean(axis=0) if input_grad else None


def test_a_layer_that_mixes_samples_and_does_not_sum_is_not_shared(monkeypatch):
    monkeypatch.setattr(machine, "blas_threads", lambda: 2)
    net = Sequential([Dense(3), Centred()], (2,))
    with pytest.raises(OptionError, match=r"1\.Centred mixes the samples.*asks_group = True"):
        net.parallel(2)
    assert net.parallel("auto") == 1
    gan = GAN(net, Sequential([Dense(1)], (3,)))
    with pytest.raises(OptionError, match="Centred"):
        gan.parallel(2)
    assert gan.workers == 1


# nothing waits for ever, and nothing is lost


class Fails(Layer):
    """A layer that fails in one of the workers."""

    def __init__(self, rank=1, when="forward"):
        self.rank, self.when, self.fails = rank, when, True

    def forward(self, x, training=False):
        self.check_input(x)
        self.check("forward")
        self.save_for_backward(None)
        return x

    def backward(self, dy, param_grads=True, input_grad=True):
        self.check("backward")
        self.saved(dy)
        return dy

    def check(self, now):
        if self.fails and now == self.when and self.group.rank == self.rank:
            raise RuntimeError(f"worker {self.rank} failed")


@pytest.mark.parametrize("rank", [0, 1, 2])
@pytest.mark.parametrize("when", ["forward", "backward"])
def test_an_error_in_one_worker_ends_all_of_them(rank, when, rng):
    """The others wait in BatchNorm for a sum that will not come."""
    layers = [Dense(4), Fails(rank, when), BatchNorm()] if when == "forward" else [BatchNorm(), Fails(rank, when)]
    net = network([Dense(4), *layers, Dense(2)], (3,), 3)
    x, before = rng.standard_normal((6, 3)), net.flat_params.copy()
    for _ in range(2):
        with pytest.raises(RuntimeError, match=f"worker {rank} failed"):
            net.backward(net.forward(x, True))
        net.clear_cache()
    np.testing.assert_array_equal(net.flat_params, before)
    for twin in net.shared.networks:
        for layer in twin.layers:
            layer.fails = False
    y = net.forward(x, True)  # the team works again
    assert np.isfinite(net.backward(np.ones_like(y))).all()
    assert machine.blas_threads() == 1 or not machine.OneThread.users


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_ctrl_c_in_the_midst_of_a_batch(error, rng, monkeypatch):
    net = network([Dense(4), BatchNorm()], (3,), 2)
    x = rng.standard_normal((6, 3))
    forward = Dense.forward

    def interrupted(layer, x, training=False):
        if layer.group.rank == 0:
            raise error
        time.sleep(0.05)
        return forward(layer, x, training)

    with monkeypatch.context() as patch:
        patch.setattr(Dense, "forward", interrupted)
        with pytest.raises(error):
            net.forward(x, True)
    assert net.forward(x, True).shape == (6, 4)


class Interrupted:
    """The box of a worker. The first time that a job is put into it, Ctrl-C comes, just before or just after."""

    def __init__(self, box, before):
        self.box, self.before, self.pressed = box, before, False

    def put(self, job):
        now, self.pressed = not self.pressed, True
        if now and self.before:
            raise KeyboardInterrupt
        self.box.put(job)
        if now:
            raise KeyboardInterrupt


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_ctrl_c_while_the_workers_are_asked():
    def work():
        signal.alarm(60)  # ends this child process, should it wait for ever
        team, meeting, did = threads.Team(3), threads.Meeting(3), []

        def part(rank):
            meeting.wait()
            did.append(rank)

        for rank, before in itertools.product((0, 1), (True, False)):
            team.boxes[rank] = Interrupted(team.boxes[rank], before)
            with pytest.raises(KeyboardInterrupt):
                team.run(part, meeting)
            did.clear()
            team.run(part, meeting)
            assert sorted(did) == [0, 1, 2]

    assert in_child(work) == 0


def test_workers_see_what_the_caller_has_set_by_with(rng):
    net = network([Dense(4, use_bias=False)], (3,), 2, "float32")
    x = np.full((4, 3), 1e30, np.float32)
    net.flat_params[...] = 1e30
    with np.errstate(over="raise", invalid="raise"), pytest.raises(FloatingPointError):
        net.forward(x)
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isinf(net.forward(x)).all()


def test_predict_saves_nothing_in_any_worker(rng):
    net = network([Dense(4), BatchNorm(), Dropout(0.5)], (3,), 2)
    x = rng.standard_normal((6, 3))
    y = net.forward(x, True)
    caches = [[layer.cache for layer in twin.layers] for twin in net.shared.networks]
    net.predict(x)
    after = [[layer.cache for layer in twin.layers] for twin in net.shared.networks]
    assert all(a is b for one, other in zip(caches, after, strict=True) for a, b in zip(one, other, strict=True))
    net.backward(np.ones_like(y))


def test_parameters_and_state_that_are_set_reach_all_workers(rng):
    x = rng.standard_normal((6, 3))
    alone, shared = (network([Dense(4), BatchNorm()], (3,), workers) for workers in (1, 2))
    for net in (alone, shared):
        net.layers[0].params["W"] = np.full((3, 4), 0.5)
        net.flat_params[-1] = 3
        net.state["1.BatchNorm.mean"] = np.arange(4.0)
    close(alone.forward(x), shared.forward(x), 1e-15)


def test_two_threads_that_train_two_networks_at_once(rng):
    x, results = rng.standard_normal((8, 3)), {}

    def train(name):
        net = network([Dense(4), BatchNorm(), Dense(1)], (3,), 2)
        for _ in range(20):
            net.zero_grads()
            net.backward(net.forward(x, True) - 1)
            net.flat_params -= 0.1 * net.flat_grads
        results[name] = net.flat_params.copy()

    both = [threading.Thread(target=train, args=(name,)) for name in "ab"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join(60)
    np.testing.assert_array_equal(results["a"], results["b"])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_has_workers_of_its_own(rng):
    net = network([Dense(4), BatchNorm()], (3,), 2)
    x = rng.standard_normal((6, 3))
    y = net.forward(x, True)

    def work():
        np.testing.assert_array_equal(net.forward(x, True), y)

    assert in_child(work) == 0


def test_threads_are_made_once(rng):
    network([Dense(4)], (3,), 3).forward(rng.standard_normal((6, 3)))
    before = threading.active_count()
    for _ in range(20):
        network([Dense(4)], (3,), 3).forward(rng.standard_normal((6, 3)))
    assert threading.active_count() == before


def test_a_worker_gets_as_many_rows_as_the_others():
    group = threads.Threads(0, threads.Meeting(3))
    for n in range(3, 20):
        shares = []
        for group.rank in range(3):
            shares.append(group.share(n))
        rows = [row for share in shares for row in range(n)[share]]
        assert rows == list(range(n))
        sizes = [share.stop - share.start for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_blas_has_one_thread_while_workers_work_and_all_of_them_afterwards(rng):
    seen = []

    class Looks(Layer):
        def forward(self, x, training=False):
            self.check_input(x)
            seen.append(machine.blas_threads())
            self.save_for_backward(None)
            return x

    before = machine.blas_threads()
    if before is None or not machine.set_blas_threads(2):
        pytest.skip("NumPy has another BLAS than OpenBLAS here")
    try:
        network([Looks()], (3,), 2).forward(rng.standard_normal((4, 3)))
        assert seen == [1, 1] and machine.blas_threads() == 2
    finally:
        machine.set_blas_threads(before)
