"""GAN.save and GAN.load: a script that stops and goes on has the very numbers of one that did not."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minigan import GAN, Sequential, npz
from minigan.errors import CheckpointError, FileError, MiniganError, NonFiniteError, NonFiniteWarning, OptionError
from minigan.gan import latent, objectives
from minigan.gan.state import gan_state, state_arrays
from minigan.initializers import Initializer, RandomNormal
from minigan.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    LeakyReLU,
    Reshape,
    Tanh,
)
from minigan.models import mlp_discriminator, mlp_generator
from minigan.optimizers import SGD, Adam, AdamW, RMSProp

SHAPE = (4, 4, 1)
OPTIMIZERS = {
    "SGD": lambda net: SGD(net, 0.01),
    "momentum": lambda net: SGD(net, 0.01, momentum=0.9),
    "Nesterov": lambda net: SGD(net, 0.01, momentum=0.9, nesterov=True),
    "RMSProp": lambda net: RMSProp(net, 1e-3, rho=0.9, epsilon=1e-7),
    "AdamW": lambda net: AdamW(net, 1e-3, weight_decay=0.1, no_decay=["b", "gamma"]),
    "Adam": lambda net: Adam(net, 1e-3, beta1=0.8, beta2=0.99, epsilon=1e-7),
}
OBJECTIVES = {
    "NonSaturating": objectives.NonSaturating,
    "label noise": lambda: objectives.NonSaturating(label_noise=True),
    "smoothing": lambda: objectives.NonSaturating(smoothing=0.1),
    "Minimax": lambda: objectives.Minimax(label_noise=True),
    "NaiveNonSaturating": objectives.NaiveNonSaturating,
    "LeastSquares": objectives.LeastSquares,
    "Hinge": objectives.Hinge,
    "Wasserstein": lambda: objectives.Wasserstein(clip=0.02),
}


def dense():
    generator = mlp_generator((6,), SHAPE, batch_norm=True, dropout=0.2, first=RandomNormal(0.1))
    return generator, mlp_discriminator((5,), dropout=0.4)


def convolutional():
    """With a BatchNorm in the discriminator, which then sees real and generated images apart."""
    generator = [Dense(8), Reshape((2, 2, 2)), BatchNorm(), LeakyReLU(), Conv2DTranspose(1, 3, strides=2), Tanh()]
    return generator, [Conv2D(3, 3), BatchNorm(), LeakyReLU(0.1), Dropout(0.3), Flatten(), Dense(1)]


def recurrent():
    generator = [Reshape((2, 4)), LSTM(5), Dense(16), Tanh(), Reshape(SHAPE)]
    return generator, [Reshape((4, 4)), LSTM(5), Sequential([Dense(3), LeakyReLU()]), Dropout(0.5), Dense(1)]


def make(networks=dense, optimizer="Adam", dtype="float32", **options):
    g_layers, d_layers = networks()
    generator = Sequential(g_layers, (8,), seed=1, dtype=dtype)
    discriminator = Sequential(d_layers, SHAPE, seed=2, dtype=dtype)
    optimizers = {
        "g_optimizer": OPTIMIZERS[optimizer](generator),
        "d_optimizer": OPTIMIZERS[optimizer](discriminator),
    }
    return GAN(generator, discriminator, **{**optimizers, "seed": 3, **options})


def images(step, gan):
    return np.random.default_rng(step).uniform(-1, 1, (6, *SHAPE)).astype(gan.generator.dtype)


def train(gan, first, last):
    return [tuple(map(float, gan.train_step(images(step, gan)))) for step in range(first, last)]


def everything(gan):
    """All that is bits in a GAN, and what is read off it."""
    arrays, values = gan_state(gan)
    looks = float(gan.d_grad_norm), float(gan.g_grad_norm), gan.sample(3, seed=1).tobytes()
    return {name: array.tobytes() for name, array in arrays.items()}, json.dumps(values), looks


def through_a_file(gan, **options):
    file = io.BytesIO()
    gan.save(file)
    return GAN.load(io.BytesIO(file.getvalue()), **options)


CASES = [
    *({"optimizer": name} for name in OPTIMIZERS),
    *({"objective": OBJECTIVES[name]()} for name in OBJECTIVES),
    *({"networks": networks, "objective": OBJECTIVES["label noise"]()} for networks in (convolutional, recurrent)),
    {"latent": latent.Uniform(8)},
    {"d_steps": 3},
    {"d_steps": 3, "max_grad_norm": 0.05},
    {"ema": 0.9, "networks": convolutional},
    {"max_grad_norm": 0.05, "dtype": "float64"},
    {"optimizer": "RMSProp", "objective": objectives.Wasserstein(), "d_steps": 5, "networks": convolutional},
]


@pytest.mark.parametrize(
    "options", CASES, ids=lambda options: " ".join(f"{k}={getattr(v, '__name__', v)}" for k, v in options.items())
)
@pytest.mark.parametrize("stop", [0, 1, 4])
def test_a_gan_through_a_file_goes_on_bit_for_bit(options, stop):
    whole = make(**options)
    losses = train(whole, 0, stop)
    again = through_a_file(whole)
    assert everything(again) == everything(whole)
    assert str(train(whole, stop, 8)) == str(train(again, stop, 8)), losses
    assert everything(again) == everything(whole)


def test_all_settings_come_back():
    gan = make(
        d_steps=2,
        max_grad_norm=0.3,
        latent=latent.Uniform(8, low=-0.5),
        objective=objectives.NonSaturating(smoothing=0.2),
    )
    gan.g_optimizer.lr = 5e-4  # changed on the way
    again = through_a_file(gan)
    assert (again.d_steps, again.max_grad_norm, str(again.latent)) == (2, 0.3, "Uniform(8, low=-0.5, high=1)")
    assert again.objective.smoothing == 0.2 and again.g_optimizer.lr == 5e-4 and again.d_optimizer.lr == 1e-3
    assert again.g_optimizer.net is again.generator and again.d_optimizer.net is again.discriminator
    assert repr(again.generator) == repr(gan.generator)


@pytest.mark.parametrize(
    "kind", [np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64, np.random.MT19937]
)
def test_random_generators_of_all_kinds(kind):
    gan = make(objective=objectives.NonSaturating(label_noise=True))
    gan.rng = np.random.Generator(kind(4))
    train(gan, 0, 2)
    again = through_a_file(gan)
    assert type(again.rng.bit_generator) is kind
    assert train(gan, 2, 5) == train(again, 2, 5)


SCRIPT = """
import sys
import numpy as np
from minigan import GAN
from test_gan_saving import everything, make, train
first, last, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
gan = GAN.load(path) if first else make(d_steps=2, max_grad_norm=0.1)
train(gan, first, last)
gan.save(path)
"""


def test_scripts_that_stop_and_go_on(tmp_path):
    """In processes of their own: the file is the same to the last bit, whichever way."""
    path = os.pathsep.join([*sys.path, str(Path(__file__).parent)])
    for arguments in (("0", "7", "whole"), ("0", "3", "parts"), ("3", "7", "parts")):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, check=True
        )
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "parts").read_bytes()


# parts of one's own


class Scaled(objectives.Hinge):
    """An objective with an option of its own."""

    def __init__(self, factor):
        self.factor = factor

    def generator(self, logits):
        value, dlogits = super().generator(logits)
        return self.factor * value, self.factor * dlogits


class Forgetful(objectives.Hinge):
    def __init__(self, factor):
        pass


class Doubled(Dense):
    pass


def own():
    generator, _ = dense()
    return generator, [Flatten(), Doubled(5), LeakyReLU(), Dense(1)]


def test_parts_of_ones_own():
    gan = make(own, objective=Scaled(0.5))
    train(gan, 0, 2)
    again = through_a_file(gan, custom_layers=[Doubled], custom_parts=[Scaled])
    assert type(again.objective) is Scaled and again.objective.factor == 0.5
    assert train(gan, 2, 5) == train(again, 2, 5)
    with pytest.raises(CheckpointError, match=r"its discriminator: holds a layer 'Doubled'.*custom_layers=\[Doubled\]"):
        through_a_file(gan, custom_parts=[Scaled])
    with pytest.raises(CheckpointError, match=r"objective is 'Scaled', .* GAN\.load\(path, custom_parts=\[Scaled\]\)"):
        through_a_file(gan, custom_layers=[Doubled])
    for wrong in ([Doubled], [3], [Scaled(1)]):
        with pytest.raises(OptionError, match="expected custom_parts"):
            through_a_file(gan, custom_parts=wrong)
    with pytest.raises(
        OptionError, match=r"Forgetful cannot be saved, because it does not store its argument 'factor' as self\.factor"
    ):
        make(objective=Forgetful(2)).save(io.BytesIO())


class Constant(Initializer):
    def __init__(self, value):
        self.value = value

    def __call__(self, shape, rng, dtype):
        return np.full(shape, self.value, dtype)


def test_an_initializer_of_ones_own():
    gan = make(lambda: ([Dense(16, initializer=Constant(0.1)), Tanh(), Reshape(SHAPE)], dense()[1]))
    again = through_a_file(gan, custom_layers=[Constant])
    assert again.generator.layers[0].initializer.value == 0.1 and everything(again) == everything(gan)
    with pytest.raises(CheckpointError, match=r"its generator: .*Constant"):
        through_a_file(gan)


def test_a_subclass_of_gan_loads_itself():
    class MyGAN(GAN):
        pass

    file = io.BytesIO()
    make().save(file)
    file.seek(0)
    assert type(MyGAN.load(file)) is MyGAN


# files


def test_a_file_is_whole_or_not_there(tmp_path, monkeypatch):
    gan = make()
    gan.save(tmp_path / "gan.npz")
    before = (tmp_path / "gan.npz").read_bytes()
    train(gan, 0, 1)

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(FileError, match="No space left"):
        gan.save(tmp_path / "gan.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["gan.npz"]
    assert (tmp_path / "gan.npz").read_bytes() == before


def test_no_changed_byte_goes_unnoticed(tmp_path, rng):
    file = io.BytesIO()
    make().save(file)
    whole = file.getvalue()
    for _ in range(200):
        damaged = bytearray(whole)
        if rng.random() < 0.8:
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        else:
            del damaged[rng.integers(len(whole)) :]
        with pytest.raises(CheckpointError):
            GAN.load(io.BytesIO(bytes(damaged)))


def test_the_file_of_a_gan_and_that_of_one_network_are_told_apart(tmp_path):
    gan = make()
    gan.save(tmp_path / "gan.npz")
    gan.generator.save(tmp_path / "net.npz")
    with pytest.raises(CheckpointError, match=r"gan\.npz: this file holds a whole GAN: GAN\.load\(path\)"):
        Sequential.load(tmp_path / "gan.npz")
    with pytest.raises(CheckpointError, match=r"net\.npz: this file holds one network: Sequential\.load\(path\)"):
        GAN.load(tmp_path / "net.npz")


def edited(change, **options):
    """A file with a right sum whose text or arrays were changed by somebody."""
    file = io.BytesIO()
    make(objective=objectives.Wasserstein(), **options).save(file)
    arrays = npz.from_bytes(file.getvalue(), "file")
    settings = npz.pop_json(arrays, "gan", "file")
    arrays = dict(arrays)
    change(settings, arrays)
    return io.BytesIO(npz.to_bytes({"gan": json.dumps(settings), **arrays}))


@pytest.mark.parametrize(
    "change",
    [
        lambda settings, arrays: settings.update(format="minigan gan 9"),
        lambda settings, arrays: settings.pop("latent"),
        lambda settings, arrays: settings.update(latent=3),
        lambda settings, arrays: settings.update(latent={"class": ["Normal"], "size": 8}),
        lambda settings, arrays: settings.update(latent={"class": "Normal", "size": 9}),
        lambda settings, arrays: settings.update(latent={"class": "Normal", "size": 10**12}),
        lambda settings, arrays: settings.update(latent={"class": "Adam", "lr": 1}),
        lambda settings, arrays: settings.update(objective={"class": "Wasserstein", "clip": "x"}),
        lambda settings, arrays: settings.update(objective={"class": "Wasserstein", "self": 1}),
        lambda settings, arrays: settings.update(objective={"class": "Hinge", "more": 1}),
        lambda settings, arrays: settings.update(objective={"class": "__init__"}),
        lambda settings, arrays: settings["g_optimizer"].update(net=3),
        lambda settings, arrays: settings["g_optimizer"].update(lr=-1),
        lambda settings, arrays: settings["d_optimizer"].update({"class": "SGD"}),
        lambda settings, arrays: settings.update(d_steps=0),
        lambda settings, arrays: settings.update(max_grad_norm="x"),
        lambda settings, arrays: settings.update(values=[]),
        lambda settings, arrays: settings["values"].update(rng={"bit_generator": "os"}),
        lambda settings, arrays: settings["values"].pop("d_updates"),
        lambda settings, arrays: settings["values"].update(norms={"g": "x"}),
        lambda settings, arrays: arrays.pop("generator"),
        lambda settings, arrays: arrays.update(generator=np.zeros(3)),
        lambda settings, arrays: arrays.update(generator=arrays["discriminator"]),
        lambda settings, arrays: arrays.pop("d.optimizer.m"),
        lambda settings, arrays: arrays.update({"d.optimizer.m": np.zeros(3, np.float32)}),
        lambda settings, arrays: arrays.update(more=np.zeros(3, np.float32)),
    ],
)
def test_a_right_sum_over_anything_else_is_refused(change):
    with pytest.raises(MiniganError) as caught:
        GAN.load(edited(change))
    assert isinstance(caught.value, CheckpointError) and "\n" not in str(caught.value)


def test_what_is_no_file_of_a_gan(tmp_path):
    gan = make()
    gan.generator.save(tmp_path / "network.npz")
    (tmp_path / "empty").touch()
    for path in ("none", "empty", "network.npz", "."):
        with pytest.raises(CheckpointError):
            GAN.load(tmp_path / path)
    with pytest.raises(FileError):
        gan.save(tmp_path)
    assert GAN.load(edited(lambda settings, arrays: None)).d_steps == 1, "unchanged, it loads"


# NaN


@pytest.mark.parametrize(
    "name", ["g.params", "d.optimizer.v", "g.state.1.BatchNorm.variance", "d.params", "average.params"]
)
def test_spoiled_weights_are_not_saved(tmp_path, name):
    gan = make(ema=0.9)
    train(gan, 0, 2)
    gan.save(tmp_path / "gan.npz")
    before = (tmp_path / "gan.npz").read_bytes()
    state_arrays(gan)[name].flat[0] = np.nan
    with pytest.raises(NonFiniteError, match=f"this GAN is not saved: NaN or infinity in {name}.* has taken 2 steps"):
        gan.save(tmp_path / "gan.npz")
    assert (tmp_path / "gan.npz").read_bytes() == before


def test_a_spoiled_network_is_not_saved(tmp_path):
    net = make().generator
    net.layers[0].params["W"][0, 0] = np.inf
    with pytest.raises(NonFiniteError, match=r"this network is not saved: NaN or infinity in 0\.Dense\.W"):
        net.save(tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_losses_that_are_not_finite_are_told_once():
    gan = make(objective=objectives.LeastSquares())
    train(gan, 0, 2)
    gan.discriminator.flat_params[:] = 1e30
    with pytest.warns(
        NonFiniteWarning, match=r"in step 3 the losses \(D, G\) are (inf|nan), .*lower learning rates"
    ) as told:
        train(gan, 2, 5)
    told = [warning for warning in told if warning.category is NonFiniteWarning]
    assert len(told) == 1 and told[0].filename == __file__


def test_a_generator_that_waits_is_not_told_of(recwarn):
    train(make(d_steps=3), 0, 2)
    assert not [warning for warning in recwarn if warning.category is NonFiniteWarning]
