"""A small experiment for tests of runs, and processes that die on the way."""

import os

import pytest

from minigan.experiments import EXPERIMENTS
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.gan.objectives import NonSaturating
from minigan.gan.state import gan_state

# everything that has a state: batch statistics, dropout, label noise, moments, a generator that waits, its average
SMALL = Experiment(
    "Small",
    "for these tests",
    claim="-",
    generator=mlp_generator(8, batch_norm=True),
    discriminator=mlp_discriminator(8, dropout=0.4),
    objective=NonSaturating(label_noise=True),
    dataset="digits",
    d_steps=2,
    ema=0.9,
    epochs=3,
    batch_size=2000,  # 5 steps an epoch
)


def one_of_each_kind():
    """All experiments; slow: those whose kinds of layers, objective, optimizers and penalties another one has, too."""
    seen, names = set(), []
    for name, experiment in EXPERIMENTS.items():
        networks = (experiment.layers_of(network, experiment.image_shape) for network in ("generator", "discriminator"))
        kinds = tuple(frozenset(map(type, layers)) for layers in networks)
        optimizers = experiment.g_optimizer.func, experiment.d_optimizer.func
        kind = (kinds, type(experiment.objective), optimizers, experiment.d_steps, repr(experiment.penalties))
        names.append(pytest.param(name, marks=pytest.mark.slow) if kind in seen else name)
        seen.add(kind)
    return names


def outcome(training):
    """All that two equal runs have in common: history, parameters, states, random numbers."""
    arrays, values = gan_state(training.gan)
    history = (training.folder.path / "history.csv").read_bytes()
    return history, {name: array.tobytes() for name, array in arrays.items()}, values


def files(folder):
    """All that a run wrote, but for the notes and the page, which hold times, and the lock."""
    left_out = ("notes.txt", "report.html", ".lock")
    names = {path for path in folder.rglob("*") if path.is_file() and path.name not in left_out}
    return {str(path.relative_to(folder)): path.read_bytes() for path in names}


def results(folder):
    """The files of a run without its older checkpoints: a run that was stopped has one of that step."""
    found = files(folder)
    older = sorted(name for name in found if name.startswith("checkpoints"))[:-1]
    return {name: content for name, content in found.items() if name not in older}


def in_child(work):
    """Do `work` in a forked process; returns its exit code, negative for the signal that it died of."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
