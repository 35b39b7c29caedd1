"""Weights from Keras and for Keras: files that Keras wrote give the outputs that it gave, and nothing in them runs."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from test_torch_weights import require_equal

from minigan import Sequential, layers
from minigan.errors import CheckpointError, FileError, MiniganError, OptionError
from minigan.interop import from_keras, keras_files, to_keras
from minigan.layers import (
    LSTM,
    BatchNorm,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    ReLU,
    Reshape,
    Tanh,
    UpSampling2D,
)

h5py = pytest.importorskip("h5py")
FILES = Path(__file__).resolve().parent / "files" / "weights"


def images(epsilon=1e-3, strides=2, padding="same", groups=2, norm_groups=2):
    """The network `images` of make_weight_files.py; the options are those that it has to have."""
    norm = dict(momentum=0.99, epsilon=epsilon)
    return Sequential(
        [
            *(Conv2D(4, 3, strides, padding), BatchNorm(**norm), LeakyReLU(0.3)),
            *(
                Conv2D(4, 3, dilation=2, groups=groups, use_bias=False),
                GroupNorm(norm_groups, epsilon=1e-3),
                Dropout(0.3),
            ),
            *(Flatten(), Dense(12), ReLU(), Sequential([Dense(10), LayerNorm(1e-3)]), Dense(12), BatchNorm(**norm)),
            *(Reshape((2, 2, 3)), Conv2DTranspose(2, 5, 2), UpSampling2D(2), Conv2DTranspose(1, 3, padding="valid")),
            Tanh(),
        ],
        (6, 6, 2),
    )


def sequence():
    return Sequential([LSTM(4, True), LSTM(4), Dense(2), BatchNorm(0.99, 1e-3)], (5, 3))


def labels():
    return Sequential([Embedding(5, 4), Dense(3)], (1,))


@pytest.mark.parametrize(
    ("make", "file"),
    [
        (images, "images.keras"),
        (images, "images.weights.h5"),
        (images, "images.h5"),
        (sequence, "sequence.keras"),
        (labels, "labels.keras"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_file_of_keras_gives_the_outputs_of_keras(make, file):
    net = from_keras(make(), FILES / f"keras_{file}")
    require_equal(net, f"keras_{file.partition('.')[0]}")


def from_list():
    with np.load(FILES / "keras_images_list.npz") as saved:
        return [saved[name] for name in sorted(saved)]


def test_lists_as_get_weights_gives_them():
    net = from_keras(images(), from_list())
    require_equal(net, "keras_images")
    assert all(np.array_equal(a, b) for a, b in zip(to_keras(net), from_list(), strict=True))


def test_a_network_on_a_gpu(gpu):
    net = from_keras(images().to("gpu"), FILES / "keras_images.keras")
    require_equal(net.to("cpu"), "keras_images")
    assert all(type(array) is np.ndarray for array in to_keras(net))


# errors: nothing is half filled


def refused(net, weights, kind=CheckpointError, **options):
    before = net.flat_params.copy()
    with pytest.raises(kind) as error:
        from_keras(net, weights, **options)
    assert np.array_equal(net.flat_params, before)
    return str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epsilon": 1e-5}, "1.BatchNorm has epsilon 1e-05, but 'first_norm' of the Keras model has 0.001"),
        ({"padding": 1}, "0.Conv2D has padding ((1, 1), (1, 1)), but 'conv2d' of the Keras model has ((0, 1), (0, 1))"),
        ({"norm_groups": 4}, "4.GroupNorm has groups 4, but 'group_normalization' of the Keras model has 2"),
    ],
    ids=str,
)
def test_other_options_are_told(changes, said):
    for file in ("keras_images.keras", "keras_images.h5"):
        assert said in refused(images(**changes), FILES / file)


def test_the_same_padding_may_be_written_in_another_way():
    from_keras(images(padding=((0, 1), (0, 1))), FILES / "keras_images.keras")


def test_shapes_missing_and_left_over():
    file = FILES / "keras_labels.keras"
    told = refused(Sequential([Embedding(5, 4), Dense(4)], (1,)), file)
    assert "1.Dense needs (4, 4), but last.kernel has the shape (4, 3)" in told and "names=[...]" in told
    told = refused(Sequential([Embedding(5, 4)], (1,)), file)
    assert "'last.kernel', 'last.bias' left over" in told
    told = refused(Sequential([Embedding(5, 4), Dense(3), Dense(3)], (1,)), file)
    assert "nothing there for 2.Dense" in told
    told = refused(Sequential([Embedding(5, 4), Dense(3, use_bias=False)], (1,)), file)
    assert "no place for 'last.bias'" in told
    for weights, said in (
        ([], "0.Embedding needs 1 arrays, but only 0 are left"),
        (to_keras(labels())[:2], "1.Dense needs 2 arrays, but only 1 are left"),
        ([*to_keras(labels()), np.zeros((2, 9))], "1 arrays left over, of the shapes (2, 9)"),
        (to_keras(labels())[::-1], "0.Embedding needs (5, 4), but array 0.embeddings has the shape (3,)"),
        ([np.full((5, 4), np.nan), np.zeros((4, 3)), np.zeros(3)], "holds NaN"),
    ):
        assert said in refused(labels(), weights)


def test_names_are_those_of_the_layers():
    file = FILES / "keras_sequence.keras"
    from_keras(sequence(), file, names=["first", "second", "third", "fourth"])
    told = refused(sequence(), file, OptionError, names=["a", "b", "c", "d"])
    assert "'second'" in told


def test_a_file_without_options_may_leave_the_order_open(tmp_path):
    with h5py.File(tmp_path / "w.weights.h5", "w") as file:
        for name in ("layers/dense", "layers/sequential/layers/dense"):
            file[f"{name}/vars/0"] = np.zeros((3, 3), "float32")
            file[f"{name}/vars/1"] = np.zeros(3, "float32")
    net = Sequential([Dense(3), Sequential([Dense(3)])], (3,))
    told = refused(net, tmp_path / "w.weights.h5", OptionError)
    assert "have the same shapes, and their names do not say" in told
    from_keras(net, tmp_path / "w.weights.h5", names=["layers/dense", "layers/sequential/layers/dense"])


@pytest.mark.parametrize("weights", [None, 3, {"a": 1}, [1, 2], "missing.keras"])
def test_what_are_no_weights(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(labels(), weights, (OptionError, FileError))


def test_layers_without_a_counterpart():
    for layer in (layers.SpectralNorm(layers.Projection(3)), layers.Projection(3)):
        with pytest.raises(OptionError, match="has no counterpart in Keras"):
            to_keras(Sequential([layer], (3,)))
    for net in (None, Dense(3), Sequential([Dense(3)])):
        with pytest.raises(MiniganError):
            from_keras(net, [])


def test_without_h5py(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    assert 'pip install "minigan[keras]"' in refused(labels(), FILES / "keras_labels.keras", OptionError)


# files from strangers


def repacked(path, target, **parts):
    """Write a .keras file again, with some of its parts changed: name without ending -> a function of the content."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            change = parts.get(entry.filename.partition(".")[0], lambda content: content)
            new.writestr(entry.filename, change(old.read(entry)))
    return target


def test_a_lambda_is_not_run_and_unknown_layers_do_not_matter(tmp_path):
    def with_lambda(content):
        config = json.loads(content)
        trap = {
            "class_name": "Lambda",
            "config": {"name": "x", "function": {"code": "4wAAAAAAAAAA", "class_name": "__lambda__"}},
        }
        config["config"]["layers"] += [trap, {"class_name": 3}, {"class_name": "Dense", "config": []}]
        return json.dumps(config)

    path = repacked(FILES / "keras_labels.keras", tmp_path / "x.keras", config=with_lambda)
    require_equal(from_keras(labels(), path), "keras_labels")


@pytest.mark.parametrize(
    "config", [b"", b"[]", b"3", b"{", b"[" * 100_000, b'{"config": 3}', b'{"config": {"layers": {}}}']
)
def test_damaged_descriptions(tmp_path, config):
    path = repacked(FILES / "keras_labels.keras", tmp_path / "x.keras", config=lambda content: config)
    try:
        from_keras(labels(), path)
    except MiniganError as error:
        assert str(error)


def test_damaged_files_give_an_error_in_words(tmp_path):
    rng = np.random.default_rng(0)
    for file in ("keras_labels.keras", "keras_images.weights.h5", "keras_images.h5"):
        content, net = (FILES / file).read_bytes(), labels() if "labels" in file else images()
        for number in range(20):
            changed = bytearray(content)
            for place in rng.integers(0, len(content), 20):
                changed[place] ^= int(rng.integers(1, 256))
            path = tmp_path / f"{number}.h5"
            path.write_bytes(changed[: len(content) // 2] if number % 10 == 0 else changed)
            try:
                from_keras(net, path)
            except MiniganError as error:
                assert str(error)
    (tmp_path / "text.h5").write_text("no HDF5")
    assert "not a file of Keras" in refused(labels(), tmp_path / "text.h5")
    with zipfile.ZipFile(tmp_path / "empty.keras", "w"):
        pass
    assert "damaged, or not a file of Keras" in refused(labels(), tmp_path / "empty.keras")


def test_arrays_are_not_read_before_their_shape_is_known(tmp_path):
    """A dataset of a terabyte takes a kilobyte in a file: its chunks need not be there."""
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file.create_dataset("layers/embedding/vars/0", (2**20, 2**20), "float32", chunks=(1024, 1024))
        file["layers/dense/vars/0"], file["layers/dense/vars/1"] = np.zeros((4, 3)), np.zeros(3)
    told = refused(labels(), tmp_path / "x.weights.h5")
    assert "0.Embedding needs (5, 4), but layers/embedding.embeddings has" in told


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_files, "ROOM", 2**16)
    path = repacked(FILES / "keras_labels.keras", tmp_path / "x.keras", model=lambda content: bytes(2**20))
    assert path.stat().st_size < 2**15
    assert "much more than the network can need" in refused(labels(), path)


def test_links_out_of_the_file_are_not_followed(tmp_path):
    shutil.copy(FILES / "keras_images.weights.h5", tmp_path / "other.h5")
    with h5py.File(tmp_path / "x.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, 3), "float32")
        file["layers/dense/vars/1"] = np.zeros(3, "float32")
        file["layers/embedding/vars/0"] = h5py.ExternalLink("other.h5", "layers/dense/vars/0")
    assert "nothing there for 0.Embedding" in refused(labels(), tmp_path / "x.weights.h5")
    layout = h5py.VirtualLayout((5, 4), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "layers/dense/vars/0", (5, 4))
    with h5py.File(tmp_path / "y.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, 3), "float32")
        file["layers/dense/vars/1"] = np.zeros(3, "float32")
        file.create_virtual_dataset("layers/embedding/vars/0", layout)
    assert "nothing there for 0.Embedding" in refused(labels(), tmp_path / "y.weights.h5")
    raw = tmp_path / "raw"
    raw.write_bytes(bytes(80))
    with h5py.File(tmp_path / "z.weights.h5", "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, 3), "float32")
        file["layers/dense/vars/1"] = np.zeros(3, "float32")
        file.create_dataset("layers/embedding/vars/0", (5, 4), "float32", external=[(str(raw), 0, 80)])
    assert "nothing there for 0.Embedding" in refused(labels(), tmp_path / "z.weights.h5")
