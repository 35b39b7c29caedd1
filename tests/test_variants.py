"""Variants of experiments: names that say what was changed, and runs of them that can be resumed and judged."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from minigan.errors import OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.variants import LATENTS, OBJECTIVES, OPTIMIZERS, options_of, text_of, value_of, variant
from minigan.gan.description import describe_gan, differences
from minigan.gan.latent import Normal, Uniform
from minigan.gan.objectives import Hinge, NonSaturating
from minigan.optimizers import SGD, Adam
from minigan.schedules import Cosine
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained


def changes_of(name, base):
    """What is different in the GANs of two experiments: {where: new value}."""
    one, other = find(base), find(name)
    found = differences(describe_gan(one.make_gan(one.image_shape)), describe_gan(other.make_gan(other.image_shape)))
    return {where: new for where, _, new in found}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A4+d_lr=1e-3", {"d_optimizer, lr": 0.001}),
        ("A4+g_beta1=.9", {"g_optimizer, beta1": 0.9}),
        ("wgan+clip=.02", {"objective, clip": 0.02}),
        ("A4+label_noise=true", {"objective, label_noise": True}),
        ("A5+smoothing=0.1+label_noise=false", {"objective, label_noise": False, "objective, smoothing": 0.1}),
        ("C1+d_steps=3+max_grad_norm=5", {"d_steps": 3, "max_grad_norm": 5}),
        ("D2+max_grad_norm=none", {"max_grad_norm": None}),
        (
            "A4+d_dropout=0.3",
            {"discriminator, layer 3 Dropout, rate": 0.3, "discriminator, layer 6 Dropout, rate": 0.3},
        ),
        ("A1+latent=normal", {"latent, class": "Normal"}),
        ("A1+latent_low=0", {"latent, low": 0}),
        ("A1+latent_low=-1+latent_high=1", {}),
        ("A4+latent=uniform+latent_high=2+latent_size=100", {"latent, class": "Uniform", "latent, high": 2}),
        ("D4+g_units=7", {"generator, layer 1 LSTM, units": 7, "generator, layer 2 LSTM, units": 7}),
        ("E3+d_deeper=true", {"discriminator, layers": "9 layers"}),
        ("A4+g_lr=0.0002", {}),
    ],
)
def test_a_variant_differs_in_what_its_name_says(name, expected):
    found = changes_of(name, name.split("+")[0])
    if name.startswith("D4"):  # whatever place they have
        assert [new for where, new in found.items() if where.endswith("units")] == [7, 7]
    elif "deeper" in name:
        assert len(find(name).discriminator((28, 28, 1))) == len(find("E3").discriminator((28, 28, 1))) + 2
    else:
        assert found == expected


def test_the_dropout_of_every_network_that_has_it_can_be_set():
    for name, experiment in EXPERIMENTS.items():
        for side, network in (("g", "generator"), ("d", "discriminator")):
            rates = [
                layer.rate for layer in experiment.layers_of(network, experiment.image_shape) if hasattr(layer, "rate")
            ]
            if rates:
                changed = find(f"{name}+{side}_dropout=0.25").layers_of(network, experiment.image_shape)
                assert [layer.rate for layer in changed if hasattr(layer, "rate")] == [0.25] * len(rates), name


def test_another_class_keeps_the_learning_rate_and_has_its_own_options():
    changed = find("C1+d_optimizer=sgd+d_momentum=.5+objective=wasserstein+clip=.5")
    gan = changed.make_gan()
    assert type(gan.d_optimizer).__name__ == "SGD" and gan.d_optimizer.lr == 1e-4 and gan.d_optimizer.momentum == 0.5
    assert type(gan.g_optimizer).__name__ == "Adam" and gan.objective.clip == 0.5


def test_another_class_keeps_a_learning_rate_that_is_a_default():
    own = find("A4").but("own", g_optimizer=partial(Adam, beta1=0.5), d_optimizer=partial(SGD))
    assert variant(own, {"g_optimizer": "sgd", "d_lr": 0.1}).g_optimizer.keywords == {"lr": 2e-4}
    with pytest.raises(OptionError, match=r"d_optimizer: there is no learning rate .*: d_lr=0\.001"):
        variant(own, {"d_optimizer": "adam"})
    assert variant(own, {"d_optimizer": "adam", "d_lr": 0.1}).d_optimizer.keywords == {"lr": 0.1}


def test_weight_decay_of_a_variant():
    gan = find("mlp-gan+d_optimizer=adamw+d_weight_decay=.02+d_no_decay=b:gamma:beta+g_no_decay=b").make_gan()
    optimizer = gan.d_optimizer
    assert (type(optimizer).__name__, optimizer.lr, optimizer.weight_decay) == ("AdamW", 5e-4, 0.02)
    assert (optimizer.no_decay, gan.g_optimizer.no_decay) == (("b", "gamma", "beta"), ("b",))


class Stronger(NonSaturating):
    """An objective of one's own that keeps an argument under another name."""

    def __init__(self, strength=1.0, label_noise=False, smoothing=0.0):
        super().__init__(label_noise, smoothing)
        self.k = strength


class Wide(Normal):
    """A latent of one's own that keeps an argument under another name."""

    def __init__(self, size=100, width=1.0):
        super().__init__(size)
        self.w = width


def test_a_variant_keeps_an_objective_and_a_latent_of_ones_own():
    own = find("A4").but("own", objective=Stronger(5.0), latent=Wide(7, 3.0))
    changed = variant(own, {"g_lr": 0.001})
    assert changed.objective is own.objective and changed.latent is own.latent
    changed = variant(own, {"objective": "hinge", "latent": "uniform"})
    assert type(changed.objective) is Hinge and type(changed.latent) is Uniform and changed.latent.size == 7
    # to be made again, they would need an argument that they do not have any more
    with pytest.raises(
        OptionError, match=r"Stronger cannot be made again .* 'strength'\. .* self\.strength = strength"
    ):
        variant(own, {"smoothing": 0.1})
    with pytest.raises(OptionError, match=r"Wide cannot be made again .* its argument 'width'"):
        variant(own, {"latent_size": 8})


def test_fields_of_the_recipe():
    changed = find("B0+epochs=3+batch_size=64+data_range=0:1+dataset=digits+g_widths=8")
    assert (changed.epochs, changed.batch_size, changed.data_range, changed.dataset) == (3, 64, (0, 1), "digits")
    assert changed.make_gan().generator.layers[0].units == 8


def test_names_are_the_same_for_the_same_variant_and_lead_back_to_it():
    for name in ("a4+g_lr=1E-3+d_lr=.5", "A4+d_lr=0.5+g_lr=0.001", "mlp-gan-mnist+d_lr=5e-1+g_lr=0.0010"):
        assert find(name).name == "A4+d_lr=0.5+g_lr=0.001"
        again = find(find(name).name)
        assert again.name == "A4+d_lr=0.5+g_lr=0.001"
        assert describe_gan(again.make_gan()) == describe_gan(find(name).make_gan())
    assert variant(find("A4"), {}) is find("A4")


def test_every_value_has_a_text_that_leads_back_to_it():
    for value in (3, -1, 0.1, 1e-7, 1e20, 123456.75, True, False, None, "hinge", (0, 1), (-1.5, 2)):
        assert value_of("x", text_of(value)) == value and "+" not in text_of(value)
        assert type(value_of("x", text_of(value))) is type(value)
    assert text_of(value_of("x", "1.0")) == "1" == text_of(value_of("x", "1e0"))
    assert value_of("x", 1e15) == 1e15


def test_values_of_numpy_and_whole_floats_make_the_same_name():
    names = {variant(find("A1"), {"d_lr": rate}).name for rate in (1, 1.0, np.int64(1), np.float32(1))}
    assert names == {"A1+d_lr=1"} and find("A1+d_lr=1").name == "A1+d_lr=1"
    for changes, name in (
        ({"d_lr": np.float64(1e-3)}, "A1+d_lr=0.001"),
        ({"label_noise": np.True_}, "A1+label_noise=true"),
        ({"data_range": (0.0, np.float64(1))}, "A1+data_range=0:1"),
        ({"g_no_decay": ("b", "beta")}, "A1+g_no_decay=b:beta"),
    ):
        changed = variant(find("A1"), changes)
        assert changed.name == name and find(name).name == name
        assert describe_gan(find(name).make_gan()) == describe_gan(changed.make_gan())


@pytest.mark.parametrize("value", [Cosine(0.1, steps=10), np.array([0.1, 0.2]), {}, "", ()])
def test_a_value_that_has_no_text_makes_no_variant(value):
    """Its run could not be found again."""
    with pytest.raises(OptionError, match=r"d_lr=.*: expected a number, true, false, none, a name, or numbers"):
        variant(find("A1"), {"d_lr": value})


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_option_of_every_experiment_takes_the_value_that_it_has(name):
    """Those that the experiment has as text: setting them changes nothing but the name."""
    experiment = find(name)
    settings = describe_gan(experiment.make_gan(experiment.image_shape))
    options = {"batch_size": experiment.batch_size, "d_steps": experiment.d_steps, "data_range": experiment.data_range}
    options |= {"latent_size": experiment.latent.size, "max_grad_norm": experiment.max_grad_norm}
    for side in "gd":
        own = settings[f"{side}_optimizer"]
        options |= {f"{side}_{key}": value for key, value in own.items() if key != "class"}
    assert set(options) <= set(options_of(experiment))
    same = find("+".join([name, *(f"{key}={text_of(value)}" for key, value in options.items())]))
    assert describe_gan(same.make_gan(same.image_shape)) == settings
    assert same.data_range == experiment.data_range and same.batch_size == experiment.batch_size


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("A4+", "each once"),
        ("A4+d_lr", "each once"),
        ("A4+d_lr=1+d_lr=2", "each once"),
        ("A4+dlr=1", "Did you mean 'd_lr'"),
        ("A4+clip=1", "has no option 'clip'"),
        ("A4+latent_low=0", "has no option 'latent_low'"),
        ("A1+latent_low=1", "expected finite numbers low < high, got low=1 and high=1"),
        ("A4+first=1", "has no option 'first'"),
        ("E3+d_dropout=.5", "has no option 'd_dropout'"),
        ("C1+d_dropout=1", "expected rate in [0, 1)"),
        ("A4+d_lr=-1", "expected lr > 0, got -1"),
        ("A4+d_lr=nan", "expected lr > 0, or a schedule"),
        ("A4+d_lr=1e999", "expected lr"),
        ("A4+d_lr=" + "9" * 30, "expected a number"),
        ("A4+d_lr=1:2", "expected lr"),
        ("A4+d_lr=$(x)", "expected a number"),
        ("A4+objective=foo", "A4: expected objective as"),
        ("A4+objective=1:2", "A4: expected objective as"),
        ("A4+d_dropout=1", "in [0, 1)"),
        ("A4+dataset=elephants", "expected dataset"),
        ("D2+g_strides=0", "expected strides"),
        ("A4+g_widths=a:b", "expected widths"),
        ("A5+smoothing=.1", "label_noise and smoothing"),
        ("A4+d_lr=1\n", "expected a number"),
        ("A77+d_lr=1", "there is no experiment 'A77'"),
    ],
)
def test_wrong_names(name, expected):
    with pytest.raises(OptionError) as caught:
        find(name)
    assert expected in str(caught.value)


@pytest.mark.filterwarnings("error")
def test_a_run_of_a_variant_is_resumed_and_sampled_by_its_name(tmp_path, no_pictures):
    experiment = find("A4+d_dropout=.2+d_widths=4+dataset=digits+g_widths=4:6")
    start_run(experiment, tmp_path / "run", steps=2).run(quiet=True)
    training = resume_run(tmp_path / "run", steps=3)
    assert training.experiment.name == experiment.name and training.run(quiet=True) is None
    run = load_trained(tmp_path / "run")
    assert run.step == 3 and run.gan.discriminator.layers[3].rate == 0.2 and run.sample(2, 0).shape == (2, 28, 28, 1)


def test_the_page_names_all_objectives_latents_and_optimizers():
    page = (Path(__file__).resolve().parents[1] / "docs/commands.md").read_text()
    for name in (*OBJECTIVES, *LATENTS, *OPTIMIZERS):
        assert f"`{name}`" in page.partition("## Variants")[2].partition("## train")[0], name
