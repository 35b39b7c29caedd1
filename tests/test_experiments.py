"""The named experiments: each trains and draws, has the layers of its report, and is found by its name."""

import warnings

import numpy as np
import pytest
from run_helpers import one_of_each_kind

from minigan import data
from minigan.errors import NonFiniteWarning, OptionError, ShapeError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.catalogue import like_the_report
from minigan.gan import latent, objectives
from minigan.gan.description import describe_gan, differences
from minigan.layers import LSTM, BatchNorm, Conv2D, Conv2DTranspose, Dense, Dropout, MaxPool2D, ReLU, UpSampling2D
from minigan.optimizers import SGD, Adam, RMSProp


def networks(name):
    experiment = find(name)
    return experiment.make_networks(experiment.image_shape)


def dense_units(net):
    return [layer.units for layer in net.layers if isinstance(layer, Dense)]


@pytest.mark.parametrize("name", one_of_each_kind())
def test_every_experiment_trains_two_steps_and_draws(name, rng):
    """Of experiments that differ in numbers alone, such as sizes and rates, the first one; with -m slow the others."""
    experiment = find(name)
    shape = experiment.image_shape
    gan = experiment.make_gan(shape, seed=3)
    images = rng.uniform(*experiment.data_range, (2, *shape)).astype("float32")
    labels = [experiment.classes - 1, 0] if experiment.conditional else None
    before = gan.generator.flat_params.copy(), gan.discriminator.flat_params.copy()
    for _ in range(max(2, experiment.d_steps)):
        losses = gan.train_step(images, labels)
    assert np.isfinite(losses).all()
    assert (gan.generator.flat_params != before[0]).any() and (gan.discriminator.flat_params != before[1]).any()
    assert gan.sample(2, seed=0).shape == (2, *shape)
    assert experiment.claim and experiment.networks and experiment.epochs > 0


def test_every_row_of_the_reports_is_there():
    rows = {f"A{i}" for i in range(1, 7)} | {f"B{i}" for i in range(14)} | {f"C{i}" for i in range(1, 5)}
    rows |= {f"D{i}" for i in range(1, 5)} | {f"E{i}" for i in range(1, 9)}
    assert {name.partition("-")[0] for name, experiment in EXPERIMENTS.items() if experiment.report} == rows


MLP_UNITS = {
    "A1": ([256, 784], [256, 1]),
    "A2": ([256, 512, 784], [256, 512, 1]),
    "A3": ([256, 512, 1024, 784], [1024, 512, 1]),
    "A4": ([256, 512, 1024, 784], [1024, 512, 1]),
    "A5": ([256, 512, 1024, 784], [1024, 512, 1]),
    "A6": ([256, 512, 1024, 784], [1024, 512, 256, 1]),
    "B0": ([128, 256, 512, 1024, 784], [1024, 512, 256, 128, 1]),
    "B2": ([128, 128, 128, 128, 784], [128, 128, 128, 128, 1]),
    "B10": ([784], [1024, 512, 256, 128, 1]),
    "D1": ([256, 256, 784], [256, 256, 1]),
    "E1": ([128, 128, 128, 28 * 28 * 64], [1]),
    "C1": ([12544], [1]),
    "E2": ([7 * 7 * 128], [1]),
    "E2-F512": ([7 * 7 * 512], [1]),
    "D4": ([784], [1]),
}


@pytest.mark.parametrize("name", MLP_UNITS)
def test_dense_layers_have_the_units_of_the_report(name):
    assert tuple(map(dense_units, networks(name))) == MLP_UNITS[name]


def convolutions(net):
    kinds = (Conv2D, Conv2DTranspose)
    return [
        (layer.output_shape, layer.kernel_size[0], layer.strides[0]) for layer in net.layers if type(layer) in kinds
    ]


CONVOLUTIONS = {
    "C1": (
        [((7, 7, 128), 5, 1), ((14, 14, 64), 5, 2), ((28, 28, 1), 5, 2)],
        [((14, 14, 64), 5, 2), ((7, 7, 128), 5, 2), ((4, 4, 256), 5, 2)],
    ),
    "C2": (
        [((8, 8, 128), 5, 1), ((16, 16, 64), 5, 2), ((32, 32, 3), 5, 2)],
        [((16, 16, 64), 5, 2), ((8, 8, 128), 5, 2), ((4, 4, 256), 5, 2)],
    ),
    "E2": ([((14, 14, 64), 5, 2), ((28, 28, 1), 5, 2)], [((14, 14, 32), 5, 2), ((7, 7, 64), 5, 2)]),
    "E3": ([((14, 14, 64), 5, 1), ((28, 28, 1), 5, 1)], [((14, 14, 32), 5, 2), ((7, 7, 64), 5, 2)]),
    "E8": (
        [((8, 8, 128), 5, 2), ((16, 16, 64), 5, 2), ((32, 32, 3), 5, 2)],
        [((16, 16, 32), 5, 2), ((8, 8, 64), 5, 2), ((4, 4, 128), 5, 2)],
    ),
    "B10": ([((28, 28, 8), 3, 1), ((28, 28, 16), 3, 1), ((28, 28, 32), 3, 1), ((28, 28, 1), 3, 1)], []),
    "B12": ([((28, 28, 16), 3, 1), ((28, 28, 32), 3, 1), ((28, 28, 64), 3, 1), ((28, 28, 1), 3, 1)], []),
    "D2": ([((14, 14, 5), 5, 2), ((28, 28, 5), 5, 2)], [((14, 14, 5), 5, 2), ((7, 7, 5), 5, 2)]),
    "D2-stride1": ([((28, 28, 5), 5, 1), ((28, 28, 5), 5, 1)], [((28, 28, 5), 5, 1), ((28, 28, 5), 5, 1)]),
    "E1": ([((28, 28, 1), 5, 1)], [((14, 14, 32), 5, 2), ((7, 7, 64), 5, 2)]),
}


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_convolutions_have_the_shapes_of_the_report(name):
    assert tuple(map(convolutions, networks(name))) == CONVOLUTIONS[name]


def rates(net):
    return {layer.rate for layer in net.layers if isinstance(layer, Dropout)}


def has(net, kind):
    return any(isinstance(layer, kind) for layer in net.layers)


def test_what_the_variants_change():
    a1, a4, a5 = find("A1"), find("A4"), find("A5")
    assert isinstance(a1.latent, latent.Uniform) and isinstance(a4.latent, latent.Normal)
    assert has(networks("A1")[0], ReLU) and not has(networks("A2")[0], ReLU)
    assert rates(networks("A4")[1]) == {0.4} and not rates(networks("A3")[1])
    assert 0.015 < networks("A4")[0].layers[0].params["W"].std() < 0.025
    assert a5.objective.label_noise and not a4.objective.label_noise
    assert find("A6").epochs == 100 and find("B1-300").epochs == 300 and find("B11").epochs == 100
    assert rates(networks("B3")[0]) == {0.4} and rates(networks("B4")[1]) == {0.4} and not rates(networks("B4")[0])
    assert [rates(networks(f"B5-dropout{rate}")[1]) for rate in (30, 40, 50)] == [{0.3}, {0.4}, {0.5}]
    assert find("B7").data_range == (0, 1) and find("B0").data_range == (-1, 1)
    assert has(networks("B8")[0], BatchNorm) and isinstance(find("B9").latent, latent.Uniform)
    assert has(networks("D3")[0], MaxPool2D) and has(networks("D3")[1], MaxPool2D)
    assert [layer.units for layer in networks("D4-units64")[1].layers if isinstance(layer, LSTM)] == [64, 64]
    assert all(rates(net) == {0.5} for name in ("D1", "D2", "D3", "D4") for net in networks(name))
    assert has(networks("E3")[0], UpSampling2D) and has(networks("C1")[0], BatchNorm)
    assert [find(f"E4-batch{size}").batch_size for size in (32, 1024)] == [32, 1024]
    assert find("E6-upsampling01").data_range == find("E6-transpose01").data_range == (0, 1)
    assert len(convolutions(networks("E5-deep")[1])) == 3 and find("E5-noise").objective.label_noise
    assert find("E7").dataset == "fashion-mnist" and find("C4").dataset == "svhn" and find("E8").dataset == "cifar10"


def changes_to_report(name):
    """What differs between an experiment and the one that gives what its report saw."""
    one, other = (describe_gan(find(known).make_gan()) for known in (name, f"{name}-as-reported"))
    return {where: (before, after) for where, before, after in differences(one, other)}


@pytest.mark.parametrize("name", ["A1", "A2", "A3"])
def test_random_images_come_from_latents_with_a_mean(name):
    assert changes_to_report(name) == {"latent, low": (None, 0)}, "high stays 1"


@pytest.mark.parametrize("name", ["D1", "D1-units128", "D1-units512"])
def test_explosions_come_from_large_weights_and_a_naive_loss(name):
    changes = changes_to_report(name)
    assert changes.pop("objective, class") == ("NonSaturating", "NaiveNonSaturating")
    weights = {where: after for where, (_, after) in changes.items() if "initializer" in where}
    assert len([where for where, after in weights.items() if after == "RandomNormal"]) == 6, "three in each network"
    assert all("initializer" in where or "objective" in where for where in changes)
    for net in networks(f"{name}-as-reported"):
        for layer in net.layers:
            if isinstance(layer, Dense):
                assert 0.08 < layer.params["W"].std() < 0.12


def test_all_but_one_of_the_sizes_of_d1_explode():
    """In the first step; and none with the loss on the logits, or with smaller weights."""
    images = data.scale(data.load("digits").images[:256])

    def explodes(name):
        gan = find(name).make_gan()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonFiniteWarning)
            losses = [gan.train_step(images) for _ in range(2)]
        return not np.isfinite(losses).all()

    names = ["D1-units128", "D1", "D1-units512"]
    assert [explodes(f"{name}-as-reported") for name in names] == [False, True, True]
    assert not any(explodes(f"{name}-as-reported+objective=non-saturating") for name in names)
    assert not any(explodes(f"{name}+objective=naive-non-saturating") for name in names)


def test_the_experiment_that_gives_what_a_report_saw():
    assert like_the_report("A1") == "A1-as-reported" and like_the_report("d1-UNITS128") == "D1-units128-as-reported"
    assert like_the_report("A3+g_lr=0.001+d_lr=0.001") == "A3-as-reported+g_lr=0.001+d_lr=0.001"
    for name in ("A4", "mlp-gan", "A1-as-reported", "A77", "my_gan.py:A1"):
        with pytest.raises(OptionError, match=f"{name} has no .*: A1, A2, A3, D1, D1-units128, D1-units512"):
            like_the_report(name)


def test_recipes_of_the_reports():
    def optimizers(name):
        gan = find(name).make_gan(find(name).image_shape)
        return [(type(optimizer), optimizer.lr) for optimizer in (gan.g_optimizer, gan.d_optimizer)]

    assert optimizers("B0") == [(Adam, 2e-4)] * 2 and optimizers("C1") == [(Adam, 1e-3), (Adam, 1e-4)]
    assert optimizers("C3") == [(RMSProp, 5e-5)] * 2 and optimizers("D1") == [(Adam, 1e-4)] * 2
    assert [kind for kind, _ in optimizers("B6")] == [Adam, SGD]
    c3 = find("C3")
    assert isinstance(c3.objective, objectives.Wasserstein) and (c3.objective.clip, c3.d_steps) == (0.01, 5)
    assert find("D1").max_grad_norm is None and all(find(name).max_grad_norm == 5 for name in ("D2", "D3", "D4"))
    assert find("C1").batch_size == find("D1").batch_size == 256 and find("E2").batch_size == 128


def test_seeds_decide():
    gans = [find("A4").make_gan(seed=seed) for seed in (1, 1, 2)]
    params = [gan.generator.flat_params for gan in gans]
    assert (params[0] == params[1]).all() and (params[0] != params[2]).any()


def test_every_name_and_alias_is_one_experiments_own():
    names = [name.lower() for e in EXPERIMENTS.values() for name in (e.name, *e.aliases)]
    assert len(set(names)) == len(names)
    for experiment in EXPERIMENTS.values():
        for name in (experiment.name, *experiment.aliases):
            assert find(name) is experiment and find(name.upper()) is experiment
        assert experiment.but("another").aliases == ()


@pytest.mark.parametrize(
    ("guess", "name"),
    [
        ("mlp-gan", "mlp-gan"),
        ("dcgan", "dcgan"),
        ("wgan", "C3"),
        ("lstm-gan", "D4"),
        ("upsampling-gan", "upsampling-gan"),
        ("fast", "mlp-gan"),
        ("fast-dcgan", "dcgan"),
        ("fast-upsampling", "upsampling-gan"),
        ("WGAN", "C3"),
    ],
)
def test_names_that_one_guesses(guess, name):
    assert find(guess) is EXPERIMENTS[name]


def test_bad_names_seeds_and_images():
    with pytest.raises(OptionError, match=r"Did you mean .*B5-dropout40"):
        find("B5-dropout41")
    with pytest.raises(OptionError, match=r"Did you mean .*wgan-svhn"):
        find("wgan-shvn")
    assert find("b0") is EXPERIMENTS["B0"]
    with pytest.raises(OptionError, match="seed"):
        find("A1").make_gan(seed=-1)
    with pytest.raises(ShapeError, match=r"height and width are multiples of 8, got 28 x 28"):
        find("E8").make_gan((28, 28, 1))
