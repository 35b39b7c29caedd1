"""Learning rates that change: their values, in optimizers and GANs, through files, and over a whole run."""

import csv
import io
import math

import numpy as np
import pytest
from run_helpers import SMALL, files, results

from minigan import GAN, Sequential, pictures
from minigan.__main__ import main
from minigan.errors import CheckpointError, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.gan.description import describe_gan
from minigan.layers import Dense
from minigan.optimizers import SGD, Adam, AdamW, RMSProp
from minigan.schedules import OF_A_RUN, Constant, Cosine, Exponential, Joined, Linear, Schedule, Step, WarmUp
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained
from minigan.training.trainer import Training

VALUES = {
    "constant": (Constant(0.5), [0.5] * 6),
    "linear": (Linear(1, 4), [1, 0.75, 0.5, 0.25, 0, 0]),
    "linear, upwards": (Linear(1, 4, end=3), [1, 1.5, 2, 2.5, 3, 3]),
    "exponential": (Exponential(1, 0.25, steps=2), [1, 0.5, 0.25, 0.125, 0.0625, 0.03125]),
    "step": (Step(1, 0.1, steps=2), [1, 1, 0.1, 0.1, 0.01, 0.01]),
    "cosine": (Cosine(1, 4), [1, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2, 0, 0]),
    "cosine with an end": (Cosine(3, 2, end=1), [3, 2, 1, 1, 1, 1]),
    "warm-up": (WarmUp(Linear(1, 2), steps=3), [0.25, 0.5, 0.75, 1, 0.5, 0]),
    "joined": (Joined([Constant(2), Linear(1, 2), Constant(3)], at=[1, 4]), [2, 1, 0.5, 0, 3, 3]),
    "late-linear": (OF_A_RUN["late-linear"](1, 5), [1, 1, 1, 2 / 3, 1 / 3, 0]),
    "a run of one step": (OF_A_RUN["late-linear"](1, 1), [1, 1, 1, 1, 1, 1]),
}


class InverseRoot(Schedule):
    """A schedule of one's own."""

    def __init__(self, lr):
        self.lr = lr

    def value(self, t):
        return self.lr / math.sqrt(t + 1)


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    schedule, expected = VALUES[name]
    np.testing.assert_allclose([schedule(t) for t in range(6)], expected, rtol=0, atol=1e-15)
    assert all(type(schedule(t)) is float for t in (0, 1, np.int64(2), 10**9))


def test_joined_schedules_may_follow_a_warm_up():
    schedule = WarmUp(Joined([Constant(1), Step(0.5, 0.5, 1)], at=[2]), steps=1)
    assert [schedule(t) for t in range(6)] == [0.5, 1, 1, 0.5, 0.25, 0.125]


# in an optimizer


def network():
    return Sequential([Dense(1, use_bias=False)], (1,), dtype="float64")


def test_each_step_takes_the_rate_of_its_number():
    net = network()
    net.flat_params[...], net.flat_grads[...] = 0, 1
    optimizer = SGD(net, lr=Linear(1, 4))
    assert optimizer.lr == 1, "before the first step, that of the first"
    moved = []
    for rate in (1, 0.75, 0.5, 0.25, 0):
        before = net.flat_params[0]
        optimizer.step()
        moved.append(before - net.flat_params[0])
        assert optimizer.lr == rate, "that of the last step"
    assert moved == [1, 0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize("kind", [SGD, RMSProp, Adam, AdamW])
def test_a_schedule_is_a_rate_that_is_set_before_every_step(kind, rng):
    schedule, nets = Cosine(1e-2, 6), [network(), network()]
    scheduled, by_hand = kind(nets[0], lr=schedule), kind(nets[1], lr=0.5)
    for t in range(8):
        for net in nets:
            net.flat_grads[...] = rng.standard_normal() if net is nets[0] else nets[0].flat_grads
        by_hand.lr = schedule(t)
        scheduled.step()
        by_hand.step()
        np.testing.assert_array_equal(*(net.flat_params for net in nets))


class Broken(Schedule):
    def value(self, t):
        if t < 2:
            return 0.1
        raise RuntimeError("no rate from t = 2 on")


def test_a_schedule_that_raises_takes_no_step(rng):
    net = network()
    optimizer = Adam(net, lr=Broken())
    net.flat_grads[...] = rng.normal(size=net.flat_grads.shape)
    optimizer.step()
    optimizer.step()
    before = net.flat_params.copy()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="no rate"):
            optimizer.step()
    assert optimizer.steps == 2
    assert optimizer.lr == 0.1  # of the last step that was taken
    np.testing.assert_array_equal(net.flat_params, before)


def test_a_rate_can_be_replaced_by_a_schedule_and_back():
    optimizer = Adam(network(), lr=0.1)
    optimizer.lr = Linear(1, 10)
    optimizer.steps = 6
    assert optimizer.lr == 0.5
    optimizer.lr /= 2
    assert optimizer.lr == 0.25 and isinstance(optimizer.schedule, Constant)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda net: Adam(net, lr=lambda t: 0.1), "expected lr > 0"),
        (lambda net: Adam(net, lr=Cosine), "expected lr > 0"),
        (lambda net: Adam(net, lr="cosine"), r"expected lr > 0, or a schedule such as .* got 'cosine'"),
        (lambda net: Adam(net, lr=0), "expected lr > 0, got 0"),
        (lambda net: setattr(Adam(net), "lr", "fast"), r"or a schedule such as minigan.schedules.Cosine"),
        (lambda net: setattr(Adam(net), "lr", -1), "expected lr > 0"),
        (lambda net: Linear(0.1, 0), "steps as an integer"),
        (lambda net: Cosine(-0.1, 10), "lr >= 0"),
        (lambda net: Step(0.1, "half", 10), "Step: expected factor"),
        (lambda net: WarmUp(0.1, 10), "expected schedule as a Schedule"),
        (lambda net: WarmUp(Constant, 10), "Make an instance of it"),
        (lambda net: Joined([], []), "at least one"),
        (lambda net: Joined([Constant(1), Constant(2)], []), "1 increasing numbers"),
        (lambda net: Joined([Constant(1), Constant(2)], [0]), "1 increasing numbers"),
        (lambda net: Joined([Constant(1)] * 3, [5, 5]), "2 increasing numbers"),
        (lambda net: Joined([Constant(1), 0.5], [5]), "expected schedules as a Schedule"),
        (lambda net: Linear(0.1, 10)(-1), "t as an integer of at least 0"),
        (lambda net: Linear(0.1, 10)(1.5), "t as an integer of at least 0"),
        (lambda net: Exponential(1, 10)(10**6), "got inf"),
        (lambda net: SGD(net, InverseRoot(-1.0)), "InverseRoot: expected from value"),
        (lambda net: SGD(net, InverseRoot(math.nan)), "InverseRoot: expected from value"),
    ],
)
def test_errors(make, match):
    with pytest.raises(OptionError, match=match):
        make(network())


# in a GAN


def make_gan(schedule, kind=Adam, **options):
    nets = [Sequential([Dense(4), Dense(1)], (3 if i == 0 else 1,), seed=i) for i in range(2)]
    optimizers = {f"{letter}_optimizer": kind(net, lr=schedule) for letter, net in zip("gd", nets, strict=True)}
    return GAN(*nets, **optimizers, **options)


def train(gan, first, last):
    return [
        gan.train_step(np.random.default_rng(t).standard_normal((4, 1)).astype("float32")) for t in range(first, last)
    ]


def test_with_several_steps_of_d_each_optimizer_counts_its_own_updates():
    gan = make_gan(Linear(1e-2, 100), d_steps=5)
    train(gan, 0, 15)
    assert gan.d_optimizer.lr == Linear(1e-2, 100)(14) and gan.g_optimizer.lr == Linear(1e-2, 100)(2)


@pytest.mark.parametrize("schedule", [*(schedule for schedule, _ in VALUES.values()), InverseRoot(1e-2)], ids=repr)
def test_a_gan_through_a_file_goes_on_with_the_right_rate(schedule):
    whole, file = make_gan(schedule, kind=SGD, d_steps=2), io.BytesIO()
    train(whole, 0, 3)
    whole.save(file)
    again = GAN.load(io.BytesIO(file.getvalue()), custom_parts=[InverseRoot])
    assert type(again.g_optimizer.schedule) is type(schedule)
    assert [again.g_optimizer.schedule(t) for t in range(9)] == [schedule(t) for t in range(9)]
    assert str(train(again, 3, 9)) == str(train(whole, 3, 9))
    assert again.d_optimizer.lr == whole.d_optimizer.lr


def test_a_schedule_of_ones_own_in_a_file_is_named():
    file = io.BytesIO()
    make_gan(InverseRoot(0.1)).save(file)
    with pytest.raises(CheckpointError, match=r"lr is 'InverseRoot', .* custom_parts=\[InverseRoot\]"):
        GAN.load(io.BytesIO(file.getvalue()))


# over a whole run

FALLING = SMALL.but("Falling", lr_schedule="linear")


def run(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code or 0


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    monkeypatch.setitem(EXPERIMENTS, "Falling", FALLING)
    monkeypatch.setattr(pictures, "save_figure", lambda path, figure: None)  # they take longest


def test_an_experiment_knows_the_steps_of_its_run():
    gan = find("mlp-gan+lr_schedule=cosine+d_steps=3").make_gan(steps=30)
    for optimizer, steps in ((gan.d_optimizer, 30), (gan.g_optimizer, 10)):
        assert (type(optimizer.schedule), optimizer.lr, optimizer.schedule.steps) == (Cosine, 5e-4, steps)
    assert describe_gan(find("mlp-gan").make_gan(steps=30)) == describe_gan(find("mlp-gan").make_gan())


def test_without_the_number_of_steps_there_is_no_schedule():
    with pytest.raises(OptionError, match=r"lr_schedule='linear' .* make_gan\(..., steps=10_000\)"):
        FALLING.make_gan()
    with pytest.raises(OptionError, match=r'"constant", "linear", .* Did you mean .linear'):
        SMALL.but("x", lr_schedule="linaer")
    with pytest.raises(OptionError, match="numbers, but an optimizer has Cosine"):
        FALLING.but("x", g_optimizer=lambda net: Adam(net, Cosine(0.1, 5))).make_gan(steps=10)


def test_a_run_in_two_parts_has_the_rates_of_one(tmp_path, known):
    start_run(FALLING, tmp_path / "whole", seed=2).run(quiet=True)
    stopped = start_run(FALLING, tmp_path / "parts", seed=2)
    stopped.config.steps = 7  # as after Ctrl-C in step 7
    stopped.run(quiet=True)
    edited = (tmp_path / "parts" / "config.json").read_text()
    assert '"lr_steps": 15' in edited and stopped.gan.d_optimizer.lr == Linear(2e-4, 15)(6)
    training = resume_run(tmp_path / "parts")
    training.run(quiet=True)
    assert training.gan.d_optimizer.lr == Linear(2e-4, 15)(14) and training.gan.g_optimizer.schedule.steps == 7
    assert results(tmp_path / "whole") == results(tmp_path / "parts")
    assert load_trained(tmp_path / "parts").step == 15


def test_a_run_ends_where_its_schedule_ends(tmp_path, known):
    start_run(FALLING, tmp_path, epochs=1).run(quiet=True)
    before = files(tmp_path)
    with pytest.raises(OptionError, match=r"fall until step 5, .* cannot go on to step 10. .* into another folder"):
        resume_run(tmp_path, epochs=2)
    assert files(tmp_path) == before
    resume_run(tmp_path, epochs=1).close()


def test_a_warm_up_before_any_schedule():
    gan = find("mlp-gan+warm_up=6+d_steps=3").make_gan()
    for optimizer, steps in ((gan.d_optimizer, 6), (gan.g_optimizer, 2)):
        assert repr(optimizer.schedule) == f"WarmUp(schedule=Constant(lr=0.0005), steps={steps})"
    gan = find("mlp-gan+warm_up=6+lr_schedule=linear").make_gan(steps=30)
    assert repr(gan.g_optimizer.schedule) == "WarmUp(schedule=Linear(lr=0.0005, steps=24, end=0.0), steps=6)"
    assert gan.g_optimizer.schedule(5) < 5e-4 == gan.g_optimizer.schedule(6) and gan.g_optimizer.schedule(30) == 0
    with pytest.raises(OptionError, match=r"warm-up of 30 steps leaves nothing of the run, which has 30, .*'cosine'"):
        find("mlp-gan+warm_up=30+lr_schedule=cosine").make_gan(steps=30)
    with pytest.raises(OptionError, match="warm_up=4 needs learning rates that are numbers, but an optimizer has Cosi"):
        SMALL.but("x", warm_up=4, g_optimizer=lambda net: Adam(net, Cosine(0.1, 5))).make_gan()
    for wrong in (0, -1, 2.5, "5", True):
        with pytest.raises(OptionError, match="expected warm_up"):
            SMALL.but("x", warm_up=wrong)


def test_a_warm_up_goes_on_after_a_stop_and_the_history_shows_the_rates(tmp_path, known):
    options = ["--warm-up", "8", "--seed", "2", "--quiet"]
    assert run("train", "Falling", "--out", str(tmp_path / "whole"), *options) == 0
    training = start_run(find("Falling+warm_up=8"), tmp_path / "parts", seed=2)
    training.config.steps = 7
    training.run(quiet=True)
    resume_run(tmp_path / "parts").run(quiet=True)
    assert results(tmp_path / "whole") == results(tmp_path / "parts")
    rows = list(csv.DictReader((tmp_path / "whole" / "history.csv").open()))
    schedule = WarmUp(Linear(2e-4, 7), 8)
    assert [float(row["d_lr"]) for row in rows] == [schedule(int(row["step"]) - 1) for row in rows]
    assert all(float(row["g_lr"]) > 0 for row in rows[:-1])
    start_run(SMALL, tmp_path / "constant", steps=2).run(quiet=True)
    assert (tmp_path / "constant" / "history.csv").read_text().splitlines()[0].endswith("g_grad_norm")


def test_a_run_whose_first_rows_have_no_rates_goes_on(tmp_path, known, monkeypatch):
    """As in a version of minigan before they were noted."""
    monkeypatch.setattr(Training, "changing_rates", lambda self: {})
    training = start_run(FALLING, tmp_path, seed=2)
    training.config.steps = 7
    training.run(quiet=True)
    monkeypatch.undo()
    monkeypatch.setitem(EXPERIMENTS, "Falling", FALLING)
    resume_run(tmp_path).run(quiet=True)
    rates = [row["d_lr"] for row in csv.DictReader((tmp_path / "history.csv").open())]
    assert rates[0] == "" and float(rates[-1]) == Linear(2e-4, 15)(14)


def test_options_of_the_command_line_are_those_of_a_variant(tmp_path, known):
    options = ["--steps", "2", "--quiet", "--g-lr", "0.001", "--d-lr", "3e-4"]
    options += ["--lr-schedule", "late-linear", "--weight-decay", "0.01"]
    assert run("train", "Small", "--out", str(tmp_path / "run"), *options) == 0
    trained = load_trained(tmp_path / "run")
    by_name = "Small+d_lr=0.0003+d_weight_decay=0.01+g_lr=0.001+g_weight_decay=0.01+lr_schedule=late-linear"
    assert trained.experiment.name == by_name
    assert describe_gan(trained.gan) == describe_gan(find(by_name).make_gan(steps=2))
    assert trained.gan.d_optimizer.weight_decay == 0.01 and trained.gan.g_optimizer.lr == 1e-3


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--lr", "fast"], "expected lr > 0"),
        (["--lr", ""], "expected a number"),
        (["--weight-decay", "-1"], "weight_decay >= 0"),
        (["--lr", "1e-3", "--g-lr", "1e-3"], "give both --g-lr and --d-lr"),
    ],
)
def test_wrong_options_of_the_command_line(tmp_path, options, match, capsys):
    assert run("train", "mlp-gan", "--out", str(tmp_path / "run"), *options) != 0
    assert match in capsys.readouterr().err and not (tmp_path / "run").exists()
