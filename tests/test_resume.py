"""Resuming: to the last bit, with the settings of before or not at all, and never from nothing without a word."""

import copy
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from run_helpers import SMALL, files

from minigan import data, machine, pictures
from minigan.data import dataset
from minigan.errors import CheckpointError, DataError, FileError, MiniganError, MisuseWarning, OptionError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import adam, mlp_discriminator, mlp_generator
from minigan.files import printable
from minigan.gan import latent, objectives
from minigan.gan.state import gan_state, restore_gan
from minigan.layers import LeakyReLU
from minigan.models import mlp
from minigan.optimizers import RMSProp
from minigan.training import checkpoints
from minigan.training.loop import resume_run, start_run
from minigan.training.trained import load_trained
from minigan.training.watchers.health import Health

# 20 steps an epoch, and a generator that is trained in every third of them
WAITING = SMALL.but("Waiting", d_steps=3, batch_size=500, max_grad_norm=None)
CLIPPED = WAITING.but("Clipped", max_grad_norm=0.5)
CRITIC = WAITING.but(
    "Critic",
    objective=objectives.Wasserstein(),
    g_optimizer=lambda net: RMSProp(net, lr=5e-5),
    d_optimizer=lambda net: RMSProp(net, lr=5e-5),
    d_steps=5,
)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    for experiment in (SMALL, WAITING, CLIPPED, CRITIC):
        monkeypatch.setitem(EXPERIMENTS, experiment.name, experiment)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The folder of a run of SMALL with three checkpoints, at its end after 15 steps."""
    folder = tmp_path_factory.mktemp("original")
    start_run(SMALL, folder, seed=5).run(quiet=True)
    return folder


@pytest.fixture
def done(original, tmp_path):
    """A copy of it."""
    shutil.copytree(original, tmp_path / "run")
    return tmp_path / "run"


# to the last bit


def said(folder):
    """What health said, without the time."""
    return [line[21:] for line in (folder / "notes.txt").read_text().splitlines() if line[21:].startswith("step ")]


@pytest.fixture
def no_figures(monkeypatch):
    """The plots take longest; they are drawn from the history and the samples, which are compared."""
    monkeypatch.setattr(pictures, "save_figure", lambda path, figure: None)


@pytest.mark.parametrize(
    ("experiment", "first", "last"),
    [
        *((WAITING, *steps) for steps in ((1, 2), (4, 5), (5, 6), (7, 22), (20, 21))),
        *((experiment, 5, 6) for experiment in (CLIPPED, CRITIC)),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_run_in_two_parts_leaves_the_files_of_one_in_a_single_part(tmp_path, experiment, first, last, no_figures):
    start_run(experiment, tmp_path / "whole", seed=2, steps=last).run(quiet=True)
    start_run(experiment, tmp_path / "parts", seed=2, steps=first).run(quiet=True)
    resume_run(tmp_path / "parts", steps=last).run(quiet=True)
    whole, parts = files(tmp_path / "whole"), files(tmp_path / "parts")
    assert set(parts) - set(whole) <= {f"checkpoints/step_{first:08d}.checkpoint"}
    for name, content in whole.items():
        assert parts[name] == content, name
    assert said(tmp_path / "parts") == said(tmp_path / "whole")


@pytest.mark.filterwarnings("ignore::minigan.errors.MisuseWarning")  # BatchNorm of one row
def test_a_run_on_one_image_in_two_parts(tmp_path, no_figures):
    """Each step is an epoch, and the generator waits in every second one."""
    np.savez(tmp_path / "one.npz", images=np.arange(784, dtype="int16").reshape(1, 28, 28) % 256)
    options = {"dataset": "array", "data_dir": tmp_path / "one.npz", "batch_size": 1}
    start_run(SMALL, tmp_path / "whole", epochs=4, **options).run(quiet=True)
    start_run(SMALL, tmp_path / "parts", epochs=3, **options).run(quiet=True)
    resume_run(tmp_path / "parts", epochs=4).run(quiet=True)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


@pytest.mark.slow
def test_the_wgan_of_the_reports_in_two_parts(tmp_path, no_figures):
    """C3 itself: five steps of the critic for one of the generator, convolutions, BatchNorm."""
    options = {"dataset": "digits", "batch_size": 32}
    start_run(find("C3"), tmp_path / "whole", steps=6, **options).run(quiet=True)
    start_run(find("C3"), tmp_path / "parts", steps=5, **options).run(quiet=True)
    resume_run(tmp_path / "parts", steps=6).run(quiet=True)
    whole, parts = files(tmp_path / "whole"), files(tmp_path / "parts")
    assert all(parts[name] == content for name, content in whole.items())
    assert b",0.0," not in whole["history.csv"] and said(tmp_path / "parts") == said(tmp_path / "whole")


def test_a_picture_of_half_an_epoch_does_not_stay(tmp_path, no_figures):
    """With a picture after every second epoch, the one drawn at the end of the first part belongs to no whole run."""
    start_run(SMALL, tmp_path / "whole", every=2).run(quiet=True)
    start_run(SMALL, tmp_path / "parts", every=2, steps=3).run(quiet=True)
    assert [path.name for path in (tmp_path / "parts" / "samples").glob("epoch_*")] == ["epoch_001.png"]
    resume_run(tmp_path / "parts", steps=15).run(quiet=True)
    whole, parts = files(tmp_path / "whole"), files(tmp_path / "parts")
    del whole["config.json"], parts["config.json"]  # which says steps: 15 in the one
    assert {name for name in parts if "checkpoint" not in name} == {name for name in whole if "checkpoint" not in name}
    assert all(parts[name] == whole[name] for name in whole)


@pytest.mark.parametrize("first", [1, 2, 3])
def test_a_picture_of_the_old_last_epoch_does_not_stay(tmp_path, no_figures, first):
    """With a picture after every second epoch, a run that was lengthened has those of one that was planned so long."""
    start_run(SMALL, tmp_path / "whole", every=2, epochs=4).run(quiet=True)
    start_run(SMALL, tmp_path / "parts", every=2, epochs=first).run(quiet=True)
    assert (tmp_path / "parts" / "samples" / f"epoch_{first:03d}.png").exists()
    resume_run(tmp_path / "parts", epochs=4).run(quiet=True)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    resume_run(tmp_path / "parts").run(quiet=True)  # without a step
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_a_refused_or_unused_resume_changes_nothing(tmp_path, no_figures):
    start_run(SMALL, tmp_path, steps=12).run(quiet=True)
    before = files(tmp_path)
    assert "samples/epoch_003.png" in before, "that of the two steps after the last whole epoch"
    with pytest.raises(OptionError, match="already taken 12 steps"):
        resume_run(tmp_path, steps=8)
    assert files(tmp_path) == before
    resume_run(tmp_path).close()
    assert files(tmp_path) == before


def test_norms_and_health_after_a_stop_are_those_of_before(tmp_path, no_pictures):
    training = start_run(WAITING, tmp_path, seed=2, steps=5)
    training.run(quiet=True)
    again = resume_run(tmp_path, steps=6)
    assert again.gan.g_grad_norm == training.gan.g_grad_norm > 0
    np.testing.assert_array_equal(again.gan.generator.flat_grads, training.gan.generator.flat_grads)
    again.run(quiet=True)
    assert not any("vanishes" in line for line in said(tmp_path))


def test_what_health_said_is_not_said_again_after_a_stop(tmp_path, no_pictures, monkeypatch):
    """Of a discriminator that wins: known before the stop, over after it."""
    from minigan.training.watchers import health

    monkeypatch.setattr(health, "EVERY", 10)
    for limit in ("WON", "NO_LONGER_WON"):
        monkeypatch.setattr(health, limit, math.inf)
    monkeypatch.setitem(EXPERIMENTS, "Waiting", WAITING)
    for folder, steps in (("whole", (60,)), ("parts", (13, 27, 31, 60))):
        start_run(WAITING, tmp_path / folder, steps=steps[0]).run(quiet=True)
        for end in steps[1:]:
            training = resume_run(tmp_path / folder, steps=end)
            training.run(quiet=True)
    assert said(tmp_path / "parts") == said(tmp_path / "whole")
    assert sum("the discriminator wins" in line for line in said(tmp_path / "whole")) == 1


# settings


def edited(**changes):
    return SMALL.but("Small", **changes)


def slope(image_shape):
    return mlp.mlp_generator((8,), image_shape, activation=lambda: LeakyReLU(0.1), batch_norm=True)


@pytest.mark.parametrize(
    ("experiment", "message"),
    [
        (
            edited(discriminator=mlp_discriminator(8, dropout=0.3)),
            r"discriminator, layer 3 Dropout, rate: 0\.4 there, 0\.3",
        ),
        (edited(discriminator=mlp_discriminator(8)), "discriminator: '5 layers' there, '4 layers' here"),
        (edited(generator=slope), r"generator, layer 2 LeakyReLU, negative_slope: 0\.2 there, 0\.1 here"),
        (edited(g_optimizer=adam(1e-3)), r"g_optimizer, lr: 0\.0002 there, 0\.001 here"),
        (edited(d_optimizer=lambda net: RMSProp(net, 1e-4)), r"d_optimizer, class: 'Adam' there, 'RMSProp' here"),
        (edited(objective=objectives.Hinge()), "objective, class: 'NonSaturating' there, 'Hinge' here"),
        (edited(objective=objectives.NonSaturating()), "objective, label_noise: True there, False here"),
        (edited(latent=latent.Uniform(100)), "latent, class: 'Normal' there, 'Uniform' here"),
        (edited(d_steps=1), "d_steps: 2 there, 1 here"),
        (edited(max_grad_norm=1.0), r"max_grad_norm: None there, 1\.0 here"),
        (edited(data_range=(0, 1)), r"data_range: \[-1, 1\] there, \[0, 1\] here"),
    ],
)
def test_an_experiment_that_was_edited_is_refused_in_words(original, monkeypatch, experiment, message):
    before = files(original)
    monkeypatch.setitem(EXPERIMENTS, "Small", experiment)
    with pytest.raises(CheckpointError, match=message) as caught:
        resume_run(original)
    assert "the experiment 'Small'" in str(caught.value) and "Restore the old values" in str(caught.value)
    assert files(original) == before


def test_samples_need_the_settings_of_the_generator_alone(original, monkeypatch):
    samples = load_trained(original).sample(3, seed=1)
    monkeypatch.setitem(EXPERIMENTS, "Small", edited(g_optimizer=adam(1e-3), d_steps=1))
    np.testing.assert_array_equal(load_trained(original).sample(3, seed=1), samples)
    for changes in ({"generator": slope}, {"latent": latent.Uniform(100)}, {"data_range": (0, 1)}):
        monkeypatch.setitem(EXPERIMENTS, "Small", edited(**changes))
        with pytest.raises(CheckpointError, match="other settings"):
            load_trained(original)


def test_settings_that_were_edited_in_the_folder_are_refused(done, monkeypatch):
    edit_config(done, lambda config: config["settings"].update(d_steps=1))
    monkeypatch.setitem(EXPERIMENTS, "Small", edited(d_steps=1))
    with pytest.raises(CheckpointError, match=r"checkpoint of step 15 .* d_steps: 2 there, 1 here"):
        resume_run(done)


def edit_config(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


def test_config_json_holds_all_settings(original):
    settings = json.loads((original / "config.json").read_text())["settings"]
    assert settings["g_optimizer"] == {"class": "Adam", "lr": 2e-4, "beta1": 0.5, "beta2": 0.999, "epsilon": 1e-8}
    assert settings["objective"] == {"class": "NonSaturating", "label_noise": True, "smoothing": 0.0}
    assert settings["latent"] == {"class": "Normal", "size": 100}
    assert (settings["d_steps"], settings["max_grad_norm"], settings["data_range"]) == (2, None, [-1, 1])
    assert [layer["layer"] for layer in settings["discriminator"]["layers"]][:2] == ["Flatten", "Dense"]
    assert settings["generator"]["layers"][0]["use_bias"] is False and settings["generator"]["dtype"] == "float32"


# the machine


def test_the_machine_is_recorded_and_a_difference_is_noted(done, capsys, monkeypatch, no_pictures):
    config = json.loads((done / "config.json").read_text())
    assert set(config["machine"]) == {"processor", "BLAS", "BLAS kernels", "BLAS threads"}
    now = {**config["machine"], "BLAS threads": "64", "BLAS kernels": "Abacus"}
    monkeypatch.setattr(machine, "numerics", lambda: now)
    resume_run(done, epochs=4).run(quiet=True)
    notes = (done / "notes.txt").read_text()
    assert (
        "changed since the last training: BLAS kernels was " in notes
        and "BLAS threads was '" in notes
        and "it is '64'" in notes
    )
    assert "changed since the last training" in "".join(capsys.readouterr())  # a bar writes to the error stream
    assert json.loads((done / "config.json").read_text())["machine"] == now
    resume_run(done, epochs=5).close()
    assert (done / "notes.txt").read_text().count("changed since the last training") == 1


def test_the_same_machine_is_not_worth_a_note(done):
    resume_run(done, epochs=4).close()
    assert "changed since the last training" not in (done / "notes.txt").read_text()


# runs of minigan 0.1


def test_a_run_of_the_first_version_goes_on(done, no_pictures):
    """It kept no settings, no machine, no gradients, nothing of the health, and had no average of the generator."""
    edit_config(done, lambda config: [config.pop(name) for name in ("settings", "machine")])
    step, path = checkpoints.in_folder(done / "checkpoints")[-1]
    arrays, values = checkpoints.read(path)
    arrays = {name: array for name, array in arrays.items() if not name.endswith(".grads") and "average" not in name}
    del values["health"], values["gan"]["norms"], values["gan"]["average_steps"], values["config"]["settings"]
    checkpoints.write(done / "checkpoints", step, arrays, values)
    training = resume_run(done, epochs=4)
    training.run(quiet=True)
    assert training.step == 20
    config = json.loads((done / "config.json").read_text())
    assert config["settings"]["d_steps"] == 2 and config["machine"]
    resume_run(done, epochs=5).close()


# lost, unreadable, foreign


def test_lost_checkpoints_are_told_and_nothing_is_overwritten(done):
    shutil.rmtree(done / "checkpoints")
    before = files(done)
    with pytest.raises(CheckpointError, match=r"history\.csv and generator\.npz and .* the checkpoints are lost"):
        resume_run(done)
    assert files(done) == before
    (done / "history.csv").unlink()
    with pytest.raises(CheckpointError, match="are lost"):
        resume_run(done)
    with pytest.raises(CheckpointError, match="its checkpoints are lost"):
        load_trained(done)


def test_an_end_that_another_end_cuts_off_is_told(tmp_path, no_pictures):
    """SMALL has 5 steps an epoch. Of epochs and steps, what comes first ends a run; nobody should wonder which."""
    with pytest.warns(MisuseWarning, match=r"not take 12 steps. It ends after its 2 epochs, at step 10. .*, too: 3 \("):
        start_run(SMALL, tmp_path / "a", epochs=2, steps=12)
    run = start_run(SMALL, tmp_path / "b", epochs=2, steps=3)  # steps are meant to end within an epoch
    run.run(quiet=True)
    with pytest.warns(MisuseWarning, match=r"not take 4 epochs. It ends at step 3, .* give more steps, too: 20 \("):
        resume_run(tmp_path / "b", epochs=4).folder.release()
    with pytest.warns(MisuseWarning, match=r"does not take 5,000 steps. It ends after its 4 epochs, at step 20"):
        resume_run(tmp_path / "b", steps=5000).folder.release()
    resume_run(tmp_path / "b", epochs=4, steps=17).folder.release()


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path, no_pictures):
    start_run(SMALL, tmp_path, seed=5).close()
    training = resume_run(tmp_path)
    assert training.step == 0


def test_a_checkpoint_that_cannot_be_read_is_not_passed_over(done, monkeypatch):
    newest = done / "checkpoints" / "step_00000015.checkpoint"
    newest.unlink()
    newest.mkdir()
    with pytest.raises(CheckpointError, match=r"a checkpoint cannot be read: .*step_00000015\.checkpoint") as caught:
        resume_run(done)
    assert "damaged" not in str(caught.value)
    newest.rmdir()

    def refuse(path, limit=None):
        raise FileError(f"{path}: cannot be read: Permission denied.")

    monkeypatch.setattr(checkpoints, "read_file", refuse)
    with pytest.raises(
        CheckpointError, match=r"a checkpoint cannot be read: .*step_00000010\.checkpoint: .*Permission"
    ):
        resume_run(done)


def test_a_folder_of_checkpoints_that_cannot_be_read_is_not_an_empty_one(done):
    shutil.rmtree(done / "checkpoints")
    (done / "checkpoints").write_text("a file")
    with pytest.raises(MiniganError, match=r"cannot write to the folder .*checkpoints: File exists"):
        resume_run(done)
    with pytest.raises(CheckpointError, match=r"checkpoints: cannot be read: Not a directory"):
        load_trained(done)


def test_a_checkpoint_that_the_training_removes_meanwhile_is_no_fault(tmp_path, monkeypatch):
    """`sample` reads while the training goes on."""
    for step in (1, 2, 3):
        checkpoints.write(tmp_path, step, {}, content(step))
    listing = checkpoints.in_folder(tmp_path)
    for step in (4, 5, 6):
        checkpoints.write(tmp_path, step, {}, content(step))
    answers, real = [listing], checkpoints.in_folder
    monkeypatch.setattr(checkpoints, "in_folder", lambda folder: answers.pop() if answers else real(folder))
    assert checkpoints.read_newest(tmp_path, pytest.fail)[1]["step"] == 6


def content(step):
    return {"step": step, "losses": [], "history": [], "gan": {}, "config": {}}


def test_steps_of_a_hundred_million_and_beyond(tmp_path):
    for step in (12, 99_999_999, 100_000_000, 2_000_000_000):
        checkpoints.write(tmp_path, step, {}, content(step))
    assert [step for step, _ in checkpoints.in_folder(tmp_path)] == [99_999_999, 100_000_000, 2_000_000_000]
    assert checkpoints.read_newest(tmp_path, pytest.fail)[1]["step"] == 2_000_000_000


def test_no_steps_are_not_the_runs_own_number(done):
    for options in ({"epochs": 0}, {"steps": 0}, {"steps": -3}, {"epochs": "2"}, {"epochs": True}):
        with pytest.raises(OptionError, match=next(iter(options))):
            resume_run(done, **options)


def mutations(value):
    """The value with each part of it left out, or replaced by something else, one at a time."""
    yield from (None, [], {}, "text", -1, 1e308, True, [[[[]]]], 2**70)
    if isinstance(value, dict):
        for key, part in value.items():
            yield {name: other for name, other in value.items() if name != key}
            for other in mutations(part):
                yield {**value, key: other}
    if isinstance(value, list):
        for index, part in enumerate(value[:2]):
            for other in mutations(part):
                yield [*value[:index], other, *value[index + 1 :]]


def test_values_of_a_checkpoint_that_no_run_writes(original):
    """Each plain value left out or replaced: refused, by errors that the callers turn into a sentence, or taken."""
    arrays, values = checkpoints.read(original / "checkpoints" / "step_00000015.checkpoint")
    gan, outcomes = SMALL.make_gan(seed=5), []

    def restore_health(changed):
        Health(gan, print).restore(changed)

    for check, part, errors in (
        (checkpoints.check_values, {**values, "gan": {}, "health": {}, "config": {}}, Exception),
        (lambda changed: restore_gan(gan, arrays, changed), values["gan"], ValueError),
        (restore_health, values["health"], (KeyError, ValueError, TypeError, AttributeError)),
    ):
        for changed in mutations(part):
            try:
                check(json.loads(json.dumps(changed)))
                outcomes.append("taken")
            except errors:
                outcomes.append("refused")
    assert outcomes.count("refused") > 300 and outcomes.count("taken") < 150, "taken: another number, an empty list"


@pytest.mark.parametrize(
    "change",
    [
        lambda values: values.update(step="x"),
        lambda values: values.update(history=[{"step": 1}]),
        lambda values: values.update(losses=[[1]]),
        lambda values: values.pop("gan"),
        lambda values: values["gan"].update(rng={}),
        lambda values: values["gan"].pop("g_steps"),
        lambda values: values.update(health={"known": 3}),
        lambda values: values["config"].update(settings=[[]]),
        lambda values: values["config"].pop("seed"),
    ],
)
def test_a_right_sum_over_anything_else_is_one_sentence(done, change):
    arrays, values = checkpoints.read(done / "checkpoints" / "step_00000015.checkpoint")
    change(values)
    checkpoints.write(done / "checkpoints", 15, arrays, values)
    with pytest.raises(CheckpointError) as caught:
        resume_run(done)
    assert printable(str(caught.value)) == str(caught.value)


@pytest.mark.parametrize("name", ["g.params", "d.optimizer.m", "d.state.3.Dropout.calls", "g.grads"])
def test_arrays_that_are_missing_or_of_another_kind(done, name):
    path = done / "checkpoints" / "step_00000015.checkpoint"
    arrays, values = checkpoints.read(path)
    for changed in (
        {key: array for key, array in arrays.items() if key != name},
        {**arrays, name: arrays[name].astype("float16")},
        {**arrays, name: np.zeros((3, 3))},
        {**arrays, name: np.array("text")},
        {**arrays, "more": np.zeros(3)},
    ):
        if name not in changed and name.endswith(".grads"):
            continue  # as in checkpoints of 0.1
        checkpoints.write(done / "checkpoints", 15, changed, values)
        with pytest.raises(CheckpointError, match="does not fit the networks of"):
            resume_run(done)


def test_a_state_that_is_refused_changes_nothing():

    gan = SMALL.make_gan(seed=1)
    arrays, values = copy.deepcopy(gan_state(gan))
    other_arrays, other = gan_state(SMALL.make_gan(seed=2))
    other["rng"]["state"]["state"] = "text"
    with pytest.raises(ValueError, match="no state of a random generator"):
        restore_gan(gan, other_arrays, other)
    again_arrays, again = gan_state(gan)
    assert str(again) == str(values)
    for name, array in arrays.items():
        np.testing.assert_array_equal(again_arrays[name], array)


# experiments and data of one's own


MINE = SMALL.but("mine", generator=mlp_generator(6), epochs=1)


def test_an_own_experiment_goes_on_where_it_is_given(tmp_path, no_pictures):
    start_run(MINE, tmp_path / "run", steps=2).run(quiet=True)
    with pytest.raises(
        CheckpointError, match=r"'mine', which is not one of minigan's.*resume_run\(path, experiment=\.\.\.\)"
    ):
        resume_run(tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"load_trained\(path, experiment=\.\.\.\)"):
        load_trained(tmp_path / "run")
    with pytest.raises(CheckpointError, match="started with the experiment 'mine', not with 'Small'"):
        resume_run(tmp_path / "run", experiment=SMALL)
    with pytest.raises(CheckpointError, match="other settings"):
        resume_run(tmp_path / "run", experiment=MINE.but("mine", d_steps=7))
    training = resume_run(tmp_path / "run", steps=5, experiment=MINE)
    training.run(quiet=True)
    start_run(MINE, tmp_path / "whole", steps=5).run(quiet=True)
    assert files(tmp_path / "whole").keys() <= files(tmp_path / "run").keys()
    assert files(tmp_path / "whole")["history.csv"] == files(tmp_path / "run")["history.csv"]
    assert load_trained(tmp_path / "run", experiment=MINE).sample(3, seed=0).shape == (3, 28, 28, 1)


def test_an_own_experiment_cannot_pass_for_one_of_the_catalogue(tmp_path, no_pictures):
    start_run(MINE.but("A1"), tmp_path, steps=2).run(quiet=True)
    with pytest.raises(CheckpointError, match="other settings than the experiment 'A1'"):
        resume_run(tmp_path)
    assert find("A1").name == "A1"


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder that holds what MNIST's loader looks for."""
    digits = data.load("digits")

    def load(directory, split):
        if not (Path(directory) / "images").exists():
            raise DataError(f"images missing in the folder {directory}: --data-dir")
        return digits

    monkeypatch.setitem(dataset.LOADERS, "mnist", load)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").touch()
    return tmp_path / "data"


def test_a_relative_folder_of_data_is_found_from_everywhere(tmp_path, mnist, monkeypatch, no_pictures):
    monkeypatch.chdir(tmp_path)
    start_run(SMALL, "run", dataset="mnist", data_dir="data", steps=1).run(quiet=True)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data_dir"] == str(mnist)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resume_run(tmp_path / "run", steps=2).run(quiet=True)
    mnist.rename(tmp_path / "moved")
    with pytest.raises(MiniganError, match="--data-dir"):
        resume_run(tmp_path / "run", steps=3)
    resume_run(tmp_path / "run", steps=3, data_dir="../moved").run(quiet=True)
    resume_run(tmp_path / "run", steps=4).close()
