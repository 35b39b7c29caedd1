"""Sequential: flat views, saving and loading (and what a damaged or hostile file does), copies, summary, errors."""

import copy
import io
import json
import os
import pickle
import re
import zipfile

import numpy as np
import pytest

from minigan import Sequential, data, npz
from minigan.checks import check_gradients, check_layer
from minigan.errors import CacheError, CheckpointError, DeviceError, DtypeError, FileError, OptionError, ShapeError
from minigan.initializers import Orthogonal, RandomNormal
from minigan.layers import LSTM, BatchNorm, Dense, Dropout, Flatten, Layer, LeakyReLU, Reshape, Tanh
from minigan.optimizers import SGD


def small(dtype="float32", seed=0):
    layers = [Flatten(), Dense(5), BatchNorm(), LeakyReLU(0.1), Dropout(0.3), Dense(6, initializer=RandomNormal(0.1))]
    return Sequential([*layers, Tanh(), Reshape((2, 3))], input_shape=(2, 2, 1), seed=seed, dtype=dtype)


def test_gradients_of_a_whole_network_in_both_modes():
    for training in (True, False):
        check_gradients(small("float64"), (2, 2, 1), training)


def test_a_network_is_a_layer():
    check_layer(lambda: Sequential([Dense(4), Tanh(), Sequential([Dense(3), BatchNorm()]), Dense(2)]), (3,))


def test_parameters_and_gradients_are_views_of_two_vectors(rng):
    net = small()
    sizes = [value.size for layer in net.layers for value in layer.params.values()]
    assert net.flat_params.size == net.flat_grads.size == sum(sizes) == 4 * 5 + 5 + 5 + 5 + 5 * 6 + 6
    net.flat_params.fill(3)
    net.flat_grads.fill(4)
    for layer in net.layers:
        assert all((value == 3).all() for value in layer.params.values())
        assert all((value == 4).all() for value in layer.grads.values())
    assert net.params["1.Dense.W"] is net.layers[1].params["W"]


def test_forward_and_backward_by_hand():
    net = Sequential([Dense(1), Dense(1)], (1,), dtype="float64")
    net.flat_params[...] = [2, 1, 3, -1]  # y = 3 (2 x + 1) - 1
    assert net.forward(np.array([[1.0], [2.0]])).tolist() == [[8], [14]]
    assert net.backward(np.array([[1.0], [1.0]])).tolist() == [[6], [6]]
    assert net.flat_grads.tolist() == [3 * 3, 6, 3 + 5, 2]
    net.zero_grads()
    assert not net.flat_grads.any()


def test_gradients_add_up(rng):
    net = Sequential([Dense(3), Tanh(), Dense(2)], (4,), dtype="float64")
    x, dy = rng.standard_normal((5, 4)), rng.standard_normal((5, 2))

    def run():
        net.forward(x)
        net.backward(dy)

    net.zero_grads()
    run()
    once = net.flat_grads.copy()
    run()
    np.testing.assert_allclose(net.flat_grads, 2 * once)
    net.zero_grads()
    net.flat_grads[...] = 7  # a term of the user's own, weight decay say
    run()
    np.testing.assert_allclose(net.flat_grads, once + 7)


def test_forgotten_gradients_count_as_zero(rng):
    net = Sequential([Sequential([Dense(3)]), BatchNorm(), Dense(2)], (4,), dtype="float64")
    x, dy = rng.standard_normal((5, 4)), rng.standard_normal((5, 2))

    def run():
        net.forward(x, training=True)
        net.backward(dy)

    net.zero_grads()
    run()
    once = net.flat_grads.copy()
    for look in (
        lambda: None,
        lambda: net.flat_grads,
        lambda: net.layers[2].grads,
        lambda: net.layers[0].layers[0].grads,
    ):
        net.forget_grads()
        look()
        run()
        np.testing.assert_allclose(net.flat_grads, once)
        run()
        np.testing.assert_allclose(net.flat_grads, 2 * once)
    net.forget_grads()
    assert not net.flat_grads.any()
    net.forget_grads()
    assert not any(value.any() for value in net.grads.values())
    net.forget_grads()
    net.layers[2].grads["W"] += 7
    run()
    np.testing.assert_allclose(net.flat_grads, once + 7 * np.repeat([0, 1, 0], [15 + 6, 6, 2]))


def test_without_input_grad_it_stops_at_the_first_parameters(rng):
    class Counting(Tanh):
        calls = 0

        def backward(self, dy, param_grads=True, input_grad=True):
            Counting.calls += 1
            return super().backward(dy, param_grads, input_grad)

    net = Sequential([Counting(), Dense(2)], (3,), dtype="float64")
    x, dy = rng.standard_normal((2, 3)), rng.standard_normal((2, 2))
    net.forward(x)
    assert net.backward(dy, input_grad=False) is None and Counting.calls == 0
    with pytest.raises(CacheError):
        net.layers[0].backward(x)  # its cache is gone all the same
    Counting.calls = 0
    net.forward(x)
    assert net.backward(dy, param_grads=False).shape == x.shape and Counting.calls == 1
    net.forward(x)
    assert net.backward(dy, param_grads=False, input_grad=False) is None


def test_predict_copies_and_saves_nothing(rng):
    net = small()
    x = rng.standard_normal((7, 2, 2, 1)).astype("float32")
    y = net.predict(x, batch_size=3)
    assert all(layer.cache is None and layer.current_x is None for layer in (net, *net.layers))
    with pytest.raises(CacheError):
        net.backward(y)
    np.testing.assert_allclose(y, net.forward(x), rtol=1e-6)


def test_same_seed_same_network():
    assert np.array_equal(small(seed=5).flat_params, small(seed=5).flat_params)
    assert not np.array_equal(small(seed=5).flat_params, small(seed=6).flat_params)


def test_copies_are_independent(rng):
    net = small()
    for twin in (copy.deepcopy(net), net.to("cpu"), net.astype("float64")):
        twin.flat_params.fill(9)
        assert (twin.layers[1].params["W"] == 9).all() and not (net.flat_params == 9).any()
    assert net.astype("float64").flat_params.dtype == np.float64 and net.dtype == np.float32
    np.testing.assert_allclose(net.astype("float64").flat_params, net.flat_params)


def test_summary_has_shapes_parameters_flops_and_measured_bytes():
    net = Sequential([Flatten(), Dense(10), LeakyReLU(), Dropout(0.5), Dense(2)], (4, 4, 1))
    lines = {line.split()[0]: line.split() for line in net.summary().splitlines() if line[:1].isalnum()}
    assert lines["1.Dense"][1:] == ["(n,", "10)", "170", "320", "64"]  # x: 16 floats
    assert lines["2.LeakyReLU"][3:] == ["0", "20", "40"]  # y: 10 floats
    assert lines["3.Dropout"][3:] == ["0", "20", "10"]  # one byte each
    assert lines["total"][1:] == ["192", "400", "154"]
    assert net.layers[1].cache is None, "the network itself is not run"


def test_a_notebook_shows_the_summary_as_a_table():
    class Odd(Flatten):
        def describe(self):
            return "<odd> & even"

    net = Sequential([Odd(), Dense(10), Dense(2)], (4, 4, 1))
    table = net._repr_html_()
    rows = re.findall(r"<tr>(.*?)</tr>", table)
    cells = [[re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]
    assert cells[0] == ["layer", "output shape", "parameters", "flops", "bytes kept"] and len(cells) == 2 + 3 + 1
    assert cells[2][0] == "&lt;odd&gt; &amp; even" and cells[3] == ["1.Dense", "(n, 10)", "170", "320", "64"]
    for word in cells[3]:
        assert word in net.summary()
    assert Sequential([Dense(2)])._repr_html_() is None, "not built: the notebook shows its repr"


# save and load


def test_a_loaded_network_goes_on_exactly(tmp_path, rng):
    net, path = small(), tmp_path / "net.npz"
    x = rng.standard_normal((6, 2, 2, 1)).astype("float32")
    dy = rng.standard_normal((6, 2, 3)).astype("float32")
    net.forward(x, training=True)
    net.save(path)
    loaded = Sequential.load(path)
    for part in (net, loaded):
        optimizer = SGD(part, 0.1)
        for _ in range(3):
            part.zero_grads()
            part.forward(x, training=True)  # dropout: the same masks from here on
            part.backward(dy)
            optimizer.step()
    np.testing.assert_array_equal(net.flat_params, loaded.flat_params)
    np.testing.assert_array_equal(net.predict(x), loaded.predict(x))
    assert loaded.layers[5].initializer.stddev == 0.1


def test_the_same_network_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        small().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nested_networks_and_all_initializers_survive(tmp_path, rng):
    net = Sequential([Sequential([Dense(3, initializer=Orthogonal(0.5)), BatchNorm()]), Dense(2)], (4,))
    net.save(tmp_path / "net.npz")
    x = rng.standard_normal((3, 4)).astype("float32")
    np.testing.assert_array_equal(Sequential.load(tmp_path / "net.npz").predict(x), net.predict(x))


class Square(Layer):
    def forward(self, x, training=False):
        self.save_for_backward(x)
        return x * x

    def backward(self, dy, param_grads=True, input_grad=True):
        return 2 * self.saved(dy) * dy if input_grad else None


def test_layers_of_the_users_own(tmp_path):
    Sequential([Square()], (3,)).save(tmp_path / "net.npz")
    with pytest.raises(CheckpointError, match=r"custom_layers=\[Square\]"):
        Sequential.load(tmp_path / "net.npz")
    net = Sequential.load(tmp_path / "net.npz", custom_layers=[Square])
    assert net.predict(np.full((1, 3), 3, np.float32)).tolist() == [[9, 9, 9]]


def test_an_argument_that_is_not_kept_is_said(tmp_path):
    class Forgetful(Square):
        def __init__(self, power):
            self.p = power

    with pytest.raises(OptionError, match=r"self\.power"):
        Sequential([Forgetful(2)], (3,)).save(tmp_path / "net.npz")
    assert not list(tmp_path.iterdir())


def test_options_that_are_numpy_numbers_or_no_json(tmp_path):
    class Scale(Square):
        def __init__(self, factor):
            self.factor = factor

    Sequential([Dense(np.int64(3)), Dropout(np.float32(0.5))], (2,)).save(tmp_path / "net.npz")
    assert Sequential.load(tmp_path / "net.npz").layers[0].units == 3
    with pytest.raises(OptionError, match="JSON"):
        Sequential([Scale(1j)], (3,)).save(tmp_path / "net.npz")
    assert Sequential.load(tmp_path / "net.npz").layers[0].units == 3, "the old file is still there"


def arrays_of(path):
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize("cut", [0, 1, 10, 100, 0.3, 0.7, 0.99])
def test_truncated_files(tmp_path, cut):
    path = tmp_path / "net.npz"
    small().save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content)) if cut < 1 else cut])
    with pytest.raises(CheckpointError, match=r"net\.npz"):
        Sequential.load(path)


def hostile(path, change):
    """A saved network whose arrays and architecture were changed."""
    small().save(path)
    arrays = arrays_of(path)
    architecture = json.loads(str(arrays["architecture"]))
    change(arrays, architecture)
    arrays["architecture"] = json.dumps(architecture)
    path.write_bytes(npz.to_bytes(arrays))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda arrays, net: net["layers"][1].update(layer="os.system"), "os.system"),
        (lambda arrays, net: net["layers"][1].update(units=10**9), "stored"),
        (lambda arrays, net: net["layers"][1].update(units="many"), "units"),
        (lambda arrays, net: net["layers"][1].update(evil=1), "evil"),
        (lambda arrays, net: net["layers"][1].update(initializer={"initializer": "eval"}), "eval"),
        (lambda arrays, net: net.update(input_shape=[10**12]), "too many numbers"),
        (lambda arrays, net: net.update(input_shape="abc"), "positive integers"),
        (lambda arrays, net: net.update(dtype="object"), "dtype"),
        (lambda arrays, net: net.update(format="something else"), "format"),
        (lambda arrays, net: net.pop("layers"), "layers"),
        (lambda arrays, net: net.update(layers=[]), "at least one"),
        (lambda arrays, net: net.update(layers=7), "not a network"),
        (lambda arrays, net: arrays.pop("params"), "params"),
        (lambda arrays, net: arrays.update(params=arrays["params"][:-1]), "params"),
        (lambda arrays, net: arrays.update(params=arrays["params"].astype("float64")), "float64"),
        (lambda arrays, net: arrays.pop("state.2.BatchNorm.mean"), "state"),
        (lambda arrays, net: arrays.update({"state.2.BatchNorm.mean": np.zeros(4, "float32")}), r"\(4,\)"),
    ],
)
def test_hostile_files(tmp_path, change, match):
    hostile(tmp_path / "net.npz", change)
    with pytest.raises(CheckpointError, match=match):
        Sequential.load(tmp_path / "net.npz")


def test_other_files(tmp_path):
    path = tmp_path / "net.npz"
    with pytest.raises(CheckpointError, match="no such file"):
        Sequential.load(path)
    with pytest.raises(CheckpointError, match="is a folder"):
        Sequential.load(tmp_path)
    path.write_text("not a zip file")
    with pytest.raises(CheckpointError, match="damaged"):
        Sequential.load(path)
    np.savez(path, other=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a network"):
        Sequential.load(path)
    np.savez_compressed(path, architecture="{}", params=np.zeros(10**6))
    with pytest.raises(CheckpointError, match="compressed"):
        Sequential.load(path)


def test_a_pickle_in_the_file_is_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (exec, ("raise SystemExit('the pickle was run')",))

    path = tmp_path / "net.npz"
    small().save(path)
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    buffer.write(pickle.dumps(Bomb()))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("state.evil.npy", buffer.getvalue())
    with pytest.raises(CheckpointError, match="damaged"):
        Sequential.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    small(seed=1).save(path)
    before = path.read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FileError, match="No space left"):
        small(seed=2).save(path)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_an_unwritable_place(tmp_path):
    with pytest.raises(FileError, match=r"cannot write .*there is no folder .*mkdir"):
        small().save(tmp_path / "no such folder" / "net.npz")


# errors


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: Sequential([], (3,)), OptionError, "at least one layer"),
        (lambda: Sequential([Tanh], (3,)), OptionError, "instance"),
        (lambda: Sequential([Tanh()], 784), ShapeError, r"\(784,\)"),
        (lambda: Sequential([Tanh()], (0,)), ShapeError, "positive"),
        (lambda: Sequential([Tanh()], (2.5,)), ShapeError, "positive"),
        (lambda: Sequential([Tanh()], (3,), dtype="float16"), OptionError, "float32 or float64"),
        (lambda: Sequential([Tanh()], (3,), device="tpu"), OptionError, "cpu, gpu, auto"),
        (lambda: Sequential([Dense(3), Dense(2)], (2, 2)), ShapeError, r"0\.Dense: expected vectors"),
        (
            lambda: Sequential([LSTM(4, return_sequences=True), Dense(7)], input_shape=(5, 3)),
            ShapeError,
            r"1\.Dense.* \(n, 5, 4\).*Flatten\(\).* Reshape\(\(5, 1, 4\)\), Conv2D\(7, 1\)",
        ),
        (lambda: small().astype("int32"), OptionError, "float32 or float64"),
        (lambda: small().predict(np.zeros((0, 2, 2, 1), np.float32)), ShapeError, "at least one sample"),
        (lambda: small().forward(np.zeros((0, 2, 2, 1), np.float32), True), ShapeError, "at least one sample"),
        (lambda: small().forward(data.load("digits").images[:2]), DtypeError, "scale"),
    ],
)
def test_errors(make, error, match):
    with pytest.raises(error, match=match):
        make()


def test_predict_of_one_sample_says_how_to_make_it_a_batch():
    net, x = small(), np.ones((2, 2, 1), "float32")
    with pytest.raises(ShapeError, match=r"Sequential predict: .*, got \(2, 2, 1\)\. .* For one sample: x\[None\]\."):
        net.predict(x)
    assert net.predict(x[None]).shape == (1, 2, 3)
    with pytest.raises(ShapeError, match=r"Sequential forward: .* For one sample: x\[None\]\."):
        net.forward(x)
    with pytest.raises(ShapeError, match="the ones that the layer was built for"):
        net.predict(x[0])


def test_one_layer_in_two_places():
    layer = Dense(3)
    with pytest.raises(OptionError, match="was already built"):
        Sequential([layer, layer], (3,))


def test_gpu_without_one(monkeypatch):
    from minigan import backend

    monkeypatch.setattr(backend, "cupy", None)
    assert backend.device_module("auto") is np
    with pytest.raises(DeviceError, match="cuda12x"):
        Sequential([Tanh()], (3,), device="gpu")
