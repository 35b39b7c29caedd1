"""Processes that share a batch: the same training as in one process. Here threads play the processes."""

import copy

import numpy as np
import pytest
from rank_helpers import as_ranks
from test_parallel import EXPERIMENTS, Centred, close, families, in_float64

from minigan import GAN, Sequential
from minigan.errors import DriftError, OptionError
from minigan.experiments import find
from minigan.gan.objectives import NonSaturating
from minigan.gan.penalties import DRAGAN, R1, WGANGP
from minigan.gan.state import gan_state
from minigan.layers import (
    BatchNorm,
    ConcatenateLabel,
    ConditionalBatchNorm,
    Dense,
    Dropout,
    LeakyReLU,
    Projection,
    SpectralNorm,
    Tanh,
)
from minigan.optimizers import SGD
from minigan.parallel import ALONE
from minigan.parallel.joining import require_together

SIZES = (2, 3)


def trained(make_gan, shape, batch, steps=2, group=ALONE):
    gan = make_gan()
    gan.join(group)
    rng, classes = np.random.default_rng(0), gan.generator.classes
    labels = () if classes is None else (np.arange(batch) % classes,)
    batches = [rng.uniform(-1, 1, (batch, *shape)).astype(gan.generator.dtype) for _ in range(steps)]
    losses = [gan.train_step(images, *labels) for images in batches]
    arrays, values = gan_state(gan)
    return losses, {name: array.copy() for name, array in arrays.items()}, values, (gan.d_grad_norm, gan.g_grad_norm)


def compare(make_gan, shape, batch, steps=2, sizes=SIZES):
    """Train in one process and in several: losses, gradients and states within rounding, the same random numbers."""
    losses, arrays, values, norms = trained(make_gan, shape, batch, steps)
    for size in sizes:
        ranks = as_ranks(size, lambda group: trained(make_gan, shape, batch, steps, group))
        for rank_losses, rank_arrays, rank_values, rank_norms in ranks:
            np.testing.assert_allclose(rank_losses, losses, rtol=1e-11)
            np.testing.assert_allclose(rank_norms, norms, rtol=1e-11)
            for name, array in arrays.items():
                # Adam divides a gradient by its size: where that is rounding alone, so is the first step
                close(array, rank_arrays[name], 1e-12 if "params" not in name and "optimizer" not in name else 1e-9)
            assert rank_values["rng"] == values["rng"]
        for _, rank_arrays, _, _ in ranks[1:]:
            assert all(array.tobytes() == ranks[0][1][name].tobytes() for name, array in rank_arrays.items())


@pytest.mark.parametrize("name", families(but=("A4", "B0", "C1", "D2", "E8", "dcgan")))
def test_every_family_of_experiments(name):
    """MLPs, convolutions, LSTM, weight clipping; with -m slow all families of test_parallel.py."""
    batch, shape = EXPERIMENTS[name]
    compare(lambda: in_float64(find(name), shape), shape, batch, sizes=(3,))


def small(d_layers=None, **options):
    nets = [
        Sequential([Dense(6), BatchNorm(), Dropout(0.2), Tanh()], (4,), dtype="float64"),
        Sequential(d_layers or [Dense(5), LeakyReLU(0.2), Dropout(0.4), Dense(1)], (6,), seed=1, dtype="float64"),
    ]
    return GAN(*nets, g_optimizer=SGD(nets[0], 0.1), d_optimizer=SGD(nets[1], 0.1), **options)


class Relative(NonSaturating):
    """An objective that compares each logit with the mean of all: it needs the whole batch."""

    def generator(self, logits):
        value, dlogits = self.loss(logits - logits.mean(), 1)
        return value, dlogits - dlogits.mean()


GANS = {
    "both batches as one": {},
    "label noise, clipped gradients": {"objective": NonSaturating(label_noise=True), "max_grad_norm": 0.1},
    "an objective of one's own": {"objective": Relative(label_noise=True)},
    "several steps of D": {"d_steps": 2},
    "in parts": {"accumulate": 2, "objective": NonSaturating(label_noise=True), "penalties": [R1(), WGANGP(every=2)]},
    "a moving average": {"ema": 0.9},
    "gradient penalties": {"penalties": [WGANGP(), R1(every=2), DRAGAN()]},
}


@pytest.mark.parametrize("name", GANS)
@pytest.mark.parametrize("mixes", [False, True])
def test_a_gan_in_processes_is_the_gan_in_one(name, mixes):
    """Also where D mixes the samples, so that real and generated images pass it one after the other."""
    layers = [Dense(5), BatchNorm(), LeakyReLU(0.2), Dropout(0.4), Dense(1)] if mixes else None
    compare(lambda: small(copy.deepcopy(layers), **GANS[name]), (6,), 7, steps=4)


def normalized():
    return small([SpectralNorm(Dense(5)), LeakyReLU(0.2), SpectralNorm(Dense(1))])


def asked(**options):
    """A conditional GAN, whose D is spectrally normalized as well."""
    nets = [
        Sequential(
            [ConcatenateLabel(3), Dense(6), ConditionalBatchNorm(3), Dropout(0.2), Tanh()], (4,), dtype="float64"
        ),
        Sequential([SpectralNorm(Dense(5)), LeakyReLU(), SpectralNorm(Projection(3))], (6,), seed=1, dtype="float64"),
    ]
    return GAN(*nets, g_optimizer=SGD(nets[0], 0.1), d_optimizer=SGD(nets[1], 0.1), **options)


OTHERS = {
    "spectral norm": normalized,
    "labels": asked,
    "labels, in parts, with a penalty": lambda: asked(accumulate=2, penalties=[R1()]),
}


@pytest.mark.parametrize("name", OTHERS)
def test_every_process_gets_its_own_labels_and_moves_u_alike(name):
    compare(OTHERS[name], (6,), 8, steps=4)


def test_what_goes_from_process_to_process():
    """The gradients of both networks, the logits, and the sums of BatchNorm: never images."""

    def work(group):
        gan = small()
        gan.join(group)
        group.sums.clear()
        gan.train_step(np.random.default_rng(0).uniform(-1, 1, (8, 6)))
        return [shape for shape, _ in group.sums], gan

    ((sums, gan), _) = as_ranks(2, work)
    d, g = (gan.discriminator.flat_grads.shape, gan.generator.flat_grads.shape)
    assert sums == [(6,), (6,), (16, 1), d, (8, 1), (6,), (6,), g]


def test_after_a_step_the_networks_are_alone_again():
    """So rank 0 can draw samples by itself, and a loop of one's own is not shared by accident."""

    def work(group):
        gan = small()
        gan.join(group)
        gan.train_step(np.random.default_rng(0).uniform(-1, 1, (8, 6)))
        assert all(layer.group is ALONE for layer in (*gan.generator.layers, *gan.discriminator.layers))
        if group.rank == 0:
            gan.sample(3)
            gan.generator.forward(np.ones((2, 4)), training=True)
        return True

    assert as_ranks(2, work) == [True, True]


@pytest.mark.parametrize("rank", [0, 1])
def test_after_an_error_within_a_step_the_networks_are_alone_again(rank):
    class Fails(Dense):
        def forward(self, x, training=False):
            if self.group.rank == rank and self.group is not ALONE:
                raise RuntimeError("broken")
            return super().forward(x, training)

    gans = [small([Fails(1)]) for _ in range(2)]

    def work(group):
        gans[group.rank].join(group)
        gans[group.rank].train_step(np.zeros((4, 6)))

    with pytest.raises(RuntimeError, match="broken"):
        as_ranks(2, work)
    assert all(layer.group is ALONE for gan in gans for layer in (*gan.generator.layers, *gan.discriminator.layers))


def test_copies_and_saved_gans_belong_to_no_group(tmp_path):
    def work(group):
        gan = small()
        gan.join(group)
        if group.rank == 0:
            gan.save(tmp_path / "gan.npz")
            return [copy.deepcopy(gan).group, GAN.load(tmp_path / "gan.npz").group]
        return [ALONE]

    assert all(group is ALONE for groups in as_ranks(2, work) for group in groups)


# errors


def refused(make, message):
    def work(group):
        with pytest.raises(OptionError, match=message):
            gan = make(group)
            gan.join(group)
        assert gan.group is ALONE

    as_ranks(2, work)


def test_a_layer_that_mixes_samples_and_does_not_sum():
    refused(lambda group: small([Centred(), Dense(1)]), r"GAN\.join: 0\.Centred mixes the samples .*asks_group = True")


def test_threads_and_processes_do_not_share_one_batch():
    def make(group):
        gan = small()
        gan.parallel(2)
        return gan

    refused(make, "2 threads share the batches of this GAN")
    gan = small()

    def work(group):
        gan = small()
        gan.join(group)
        with pytest.raises(OptionError, match="processes share the batches of this GAN"):
            gan.parallel(2)
        assert gan.parallel("auto") == 1 and gan.parallel(1) == 1

    as_ranks(2, work)
    assert gan.parallel(2) == 2


def test_gans_that_are_not_alike():
    def other_weights(group):
        gan = small()
        gan.generator.flat_params += group.rank
        return gan

    refused(other_weights, "not alike.*with the same seeds")
    refused(lambda group: small(seed=group.rank), "not alike")
    refused(lambda group: small(seed=None), "not alike")


def test_a_group_that_is_none():
    for group in (None, 2, "auto"):
        with pytest.raises(OptionError, match=r"GAN\.join"):
            small().join(group)


def test_a_batch_with_fewer_rows_than_processes():
    def work(group):
        gan = small()
        gan.join(group)
        before = gan.rng.bit_generator.state
        with pytest.raises(OptionError, match="a batch of 2 rows cannot be shared by 3 workers"):
            gan.train_step(np.zeros((2, 6)))
        assert gan.rng.bit_generator.state == before
        assert np.isfinite(gan.train_step(np.zeros((3, 6)))).all()

    as_ranks(3, work)


def test_wrong_gradients_of_an_objective_are_errors_in_words():
    """As in one process: see test_gan.py."""

    class Flat(NonSaturating):
        def generator(self, logits):
            value, dlogits = super().generator(logits)
            return value, dlogits[:, 0]

    def work(group):
        gan = small(objective=Flat())
        gan.join(group)
        gan.train_step(np.zeros((4, 6)))

    with pytest.raises(ValueError, match=r"Flat\.generator: expected the pair .*shape \(4,\)"):
        as_ranks(2, work)


def test_processes_that_drift_apart():
    def work(group):
        gan = small()
        gan.join(group)
        require_together(gan, group, 7)
        if group.rank == 1:
            gan.discriminator.flat_params[3] = np.nextafter(gan.discriminator.flat_params[3], 2)
        with pytest.raises(DriftError, match="step 7: the processes have drifted apart: in rank 1 "):
            require_together(gan, group, 7)

    as_ranks(2, work)
