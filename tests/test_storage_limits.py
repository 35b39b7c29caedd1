"""What is saved can be loaded again: a network that `load` would refuse is not written, and its class is kept."""

import io

import pytest

from minigan import GAN, Sequential
from minigan.errors import CheckpointError, TooLargeError
from minigan.layers import Conv2D, Dense, Flatten, LeakyReLU, MaxPool2D
from minigan.optimizers import Adam


def file_of(thing):
    file = io.BytesIO()
    thing.save(file)
    file.seek(0)
    return file


def nested(depth):
    net = Sequential([Dense(2)])
    for _ in range(depth):
        net = Sequential([net])
    return Sequential([net], (2,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequential([Conv2D(64, 1), LeakyReLU()] * 1 + [Conv2D(512, 1)], (1024, 1024, 1)), "one sample"),
        (lambda: Sequential([MaxPool2D(600), Flatten(), Dense(1)], (600, 600, 1)), "windows of poolings"),
        (lambda: nested(16), "17 networks in one another"),
    ],
)
def test_a_network_that_could_not_be_loaded_is_not_written(make, message, tmp_path):
    net = make()
    with pytest.raises(TooLargeError, match=f"not saved, because it could not be loaded again.*{message}"):
        net.save(tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def test_the_largest_that_is_written_can_be_loaded():
    assert Sequential.load(file_of(nested(15))).output_shape == (2,)
    pools = Sequential([MaxPool2D(512), Flatten(), Dense(1)], (512, 512, 1))
    assert Sequential.load(file_of(pools)).output_shape == (1,)


class Doubled(Sequential):
    def forward(self, x, training=False, labels=None):
        return 2 * super().forward(x, training, labels)


def test_a_network_of_a_class_of_ones_own_needs_this_class_again(rng):
    net, x = Doubled([Dense(2)], (3,)), rng.standard_normal((4, 3), "float32")
    for load in (lambda file: Sequential.load(file, custom_layers=[Doubled]), Doubled.load):
        again = load(file_of(net))
        assert type(again) is Doubled and (again.predict(x) == net.predict(x)).all()
    with pytest.raises(CheckpointError, match=r"the class 'Doubled'.*custom_layers=\[Doubled\]"):
        Sequential.load(file_of(net))
    assert type(Doubled.load(file_of(Sequential([Dense(2)], (3,))))) is Doubled


def test_a_gan_keeps_the_classes_of_its_networks():
    gan = GAN(Doubled([Dense(2)], (5,)), Sequential([Dense(1)], (2,)))
    assert type(GAN.load(file_of(gan), custom_layers=[Doubled]).generator) is Doubled
    with pytest.raises(CheckpointError, match="generator: holds a network of the class 'Doubled'"):
        GAN.load(file_of(gan))


def test_a_gan_whose_learning_rate_is_0_can_be_loaded():
    G, D = Sequential([Dense(2)], (100,)), Sequential([Dense(1)], (2,))
    gan = GAN(G, D, d_optimizer=Adam(D))
    gan.d_optimizer.lr = 0
    assert GAN.load(file_of(gan)).d_optimizer.lr == 0
