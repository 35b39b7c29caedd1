"""Networks as ONNX models: onnxruntime gives what `predict` gives, for every layer and every experiment."""

import itertools
import json
import sys

import numpy as np
import onnx
import pytest
from layer_cases import LAYERS
from onnx_helpers import exported, inputs_of, operators, require_equal_to_onnxruntime, session, shaken
from test_commands import run, small_digits

from minigan import Sequential, backend, layers
from minigan.data import dataset
from minigan.data.dataset import NAMES
from minigan.data.licences import LICENCES, UNKNOWN, licence_of
from minigan.errors import FileError, NonFiniteError, OptionError, ShapeError
from minigan.experiments import EXPERIMENTS, find
from minigan.experiments.parts import mlp_discriminator, mlp_generator
from minigan.interop import onnx_layers
from minigan.layers import (
    GELU,
    LSTM,
    Add,
    AveragePool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GroupNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    SiLU,
    Softmax,
    SpectralNorm,
    Tanh,
    UpSampling2D,
)
from minigan.training.gallery import Gallery
from minigan.training.trained import load_trained

# every layer


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer(name):
    make, shape = LAYERS[name]
    require_equal_to_onnxruntime(shaken(Sequential([make()], shape, seed=3)), tolerance=5e-6)


def test_no_layer_is_forgotten():
    assert set(onnx_layers.WRITERS) == set(layers.ALL)


@pytest.mark.parametrize(("k", "s"), [(1, 3), (2, (3, 2)), (5, 1)])
def test_strides_and_kernels_of_all_sizes(k, s):
    for kind in (Conv2DTranspose, Conv2D):
        require_equal_to_onnxruntime(shaken(Sequential([kind(2, k, s)], (4, 5, 2))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Conv2D, Conv2DTranspose])
def test_every_geometry_of_a_convolution(kind):
    count = 0
    paddings = ("same", "valid", 1, ((1, 2), (0, 1)))
    for k, s, pad, d in itertools.product((1, 2, 3, 4, 5, (3, 2)), (1, 2, 3, (2, 1)), paddings, (1, 2, (1, 3))):
        try:
            net = Sequential([kind(4, k, s, pad, dilation=d)], (7, 8, 3))
        except ValueError:
            continue  # no window fits
        require_equal_to_onnxruntime(shaken(net), counts=(2,))
        count += 1
    assert count > 250


@pytest.mark.slow
@pytest.mark.parametrize("kind", [MaxPool2D, AveragePool2D])
def test_every_geometry_of_a_pooling(kind):
    for k, s, pad in itertools.product((2, 3, (3, 2)), (None, 1, 2, 3), ("same", "valid", 1)):
        require_equal_to_onnxruntime(Sequential([kind(k, s, pad)], (7, 8, 3)), counts=(2,))


@pytest.mark.parametrize(
    "make",
    [
        lambda: [GroupNorm(2), Softmax(), LayerNorm(), GELU("tanh")],
        lambda: [SiLU(), BatchNorm(), LSTM(4, return_sequences=True), BatchNorm(), LSTM(3)],
    ],
)
def test_sequences(make):
    require_equal_to_onnxruntime(shaken(Sequential(make(), (5, 4))))


# several layers


def test_images_turn_only_where_they_have_to():
    """Once after a Reshape and once at the end, however many layers of images are between."""
    net = Sequential(
        [Dense(64), Reshape((4, 4, 4)), BatchNorm(), ReLU(), Conv2DTranspose(3, 5, 2), UpSampling2D(), Conv2D(1, 3)],
        (5,),
    )
    require_equal_to_onnxruntime(shaken(net))
    kinds = operators(exported(net))
    assert kinds.count("Transpose") == 2 and kinds.index("Transpose") == kinds.index("Reshape") + 1


def test_a_discriminator_turns_its_images_twice():
    net = Sequential([Conv2D(4, 3, 2), LeakyReLU(), Dropout(0.3), MaxPool2D(), Flatten(), Dense(1)], (8, 8, 2))
    require_equal_to_onnxruntime(shaken(net))
    assert operators(exported(net)).count("Transpose") == 2


def test_branches_share_the_turned_image():
    block = [Add([Conv2D(2, 3), BatchNorm(), LayerNorm()], [Conv2D(2, 1)], []), Concatenate([Tanh()], [MaxPool2D(1)])]
    net = Sequential([*block, SpectralNorm(Conv2D(3, 3))], (4, 5, 2))
    require_equal_to_onnxruntime(shaken(net))
    assert operators(exported(net)).count("Transpose") == 4  # in, LayerNorm's two, out: none twice


def test_networks_in_networks():
    inner = Sequential([Conv2D(2, 3), Sequential([LeakyReLU(), BatchNorm()])])
    net = Sequential([inner, Sequential([Conv2D(2, 3)]), Flatten()], (4, 3, 2))
    require_equal_to_onnxruntime(shaken(net))
    names = [node.name for node in onnx.load_from_string(exported(net)).graph.node]
    assert len(set(names)) == len(names) and "0.Sequential/1.Sequential/0.LeakyReLU/LeakyRelu" in names


def test_a_batch_of_a_thousand_and_none():
    net = shaken(Sequential([Conv2D(2, 3), GroupNorm(1), Flatten(), Dense(3)], (4, 4, 1)))
    require_equal_to_onnxruntime(net, counts=(1000,))
    assert session(exported(net)).run(None, {"x": np.zeros((0, 4, 4, 1), "float32")})[0].shape == (0, 3)


def test_opset_and_names():
    model = onnx.load_from_string(exported(Sequential([layers.ConcatenateLabel(3), Dense(1)], (4,))))
    assert (model.ir_version, [opset.version for opset in model.opset_import]) == (8, [17])
    assert [value.name for value in (*model.graph.input, *model.graph.output)] == ["x", "labels", "y"]
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert shape[0].dim_param == "n" and shape[1].dim_value == 4


def test_float64_becomes_float32():
    net = shaken(Sequential([Conv2D(2, 3), BatchNorm()], (4, 4, 1), dtype="float64"))
    (y,) = session(exported(net)).run(None, {"x": inputs_of(net, 2)[0].astype("float32")})
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, net.predict(inputs_of(net, 2)[0]), atol=1e-5)


def test_a_network_on_a_gpu(gpu):
    net = shaken(Sequential([Conv2D(2, 3), BatchNorm(), SpectralNorm(Conv2D(2, 1)), GroupNorm(2)], (4, 3, 1)))
    twin = net.to("gpu")
    assert backend.array_module(twin.flat_params) is gpu and exported(twin) == exported(net)


# layers of one's own


class Half(layers.Layer):
    def forward(self, x, training=False):
        self.check_input(x)
        self.save_for_backward()
        return x / 2


class ExportedHalf(Half):
    def onnx_nodes(self, graph):
        graph.add("Mul", graph.constant("half", 0.5))


class LoudDense(Dense):
    def forward(self, x, training=False):
        return 2 * super().forward(x, training)


class Block(Add):
    def __init__(self, units):
        super().__init__([Dense(units), Tanh()], [])
        self.units = units


class Mean(Add):
    def joined(self, ys):
        return super().joined(ys) / len(ys)


class Twice(Sequential):
    def forward(self, x, training=False, labels=None):
        return super().forward(super().forward(x))


def test_a_layer_of_ones_own_with_a_hook():
    require_equal_to_onnxruntime(shaken(Sequential([Conv2D(2, 3), ExportedHalf(), Conv2D(1, 3)], (4, 4, 1))))
    require_equal_to_onnxruntime(shaken(Sequential([Block(3), Sequential([Dense(2)])], (3,))))


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (Half(), "Half"),
        (LoudDense(3), "LoudDense"),
        (Mean([Dense(3)], []), "Mean"),
        (Twice([Dense(3)]), "Twice"),
        (SpectralNorm(LoudDense(3)), "SpectralNorm: LoudDense"),
    ],
)
def test_a_layer_of_ones_own_without_one(layer, name, tmp_path):
    """What is derived from a layer of minigan may compute something else: it is not taken for that layer."""
    net = Sequential([Tanh(), layer], (3,))
    with pytest.raises(
        OptionError, match=rf"1\.{name}.* is a layer of your own, .*Write a method onnx_nodes\(self, graph\)"
    ):
        net.to_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_hook_that_adds_nonsense():
    class Nonsense(Half):
        def onnx_nodes(self, graph):
            graph.add("NoSuchOperator", graph.constant("half", 0.5))

    with pytest.raises(OptionError, match=r"not a valid ONNX model.*NoSuchOperator"):
        exported(Sequential([Nonsense()], (3,)))


# files, texts, bad input


def test_description_and_metadata():
    net = Sequential([Dense(2)], (3,))
    model = onnx.load_from_string(exported(net, description="two numbers", metadata={"licence": "é"}))
    assert model.doc_string == "two numbers"
    assert {entry.key: entry.value for entry in model.metadata_props} == {"licence": "é"}
    assert (model.producer_name, model.producer_version) == ("minigan", "0.2.0")


@pytest.mark.parametrize(
    "options", [{"metadata": {"a": 1}}, {"metadata": ["a"]}, {"description": 7}, {"description": "\udcff"}]
)
def test_wrong_texts(options):
    with pytest.raises(OptionError, match=r"to_onnx: expected (description|metadata)"):
        exported(Sequential([Dense(2)], (3,)), **options)


def test_the_file_is_complete_or_stays_as_it_was(tmp_path):
    net, path = Sequential([Dense(2)], (3,)), tmp_path / "net.onnx"
    net.to_onnx(path)
    before = path.read_bytes()
    net.layers[0].params["W"][0, 0] = np.nan
    with pytest.raises(NonFiniteError, match=r"0\.Dense: .*W holds NaN"):
        net.to_onnx(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(FileError, match="no folder"):
        Sequential([Dense(2)], (3,)).to_onnx(tmp_path / "missing" / "net.onnx")
    with pytest.raises(ShapeError, match="not built yet"):
        Sequential([Dense(2)]).to_onnx(path)


def test_numbers_beyond_float32():
    net = Sequential([Dense(1)], (2,), dtype="float64")
    net.layers[0].params["W"][0] = 1e300
    with pytest.raises(NonFiniteError, match="beyond float32"):
        exported(net)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(OptionError, match=r'pip install "minigan\[onnx\]"'):
        exported(Sequential([Dense(2)], (3,)))


# experiments, and the command


def check_experiment(name):
    experiment = find(name)
    for net in experiment.make_networks(experiment.image_shape):
        require_equal_to_onnxruntime(shaken(net), counts=(2,))


def test_an_experiment():
    check_experiment("conditional-mlp")


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment(name):
    check_experiment(name)


TINY = find("mlp-gan").but(
    "tiny-export", generator=mlp_generator(6, batch_norm=True), discriminator=mlp_discriminator(5, dropout=0.4)
)


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """A run of two steps, with an average of the generator."""
    folder = tmp_path_factory.mktemp("export") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXPERIMENTS, TINY.name, TINY)
        patch.setitem(dataset.LOADERS, "digits", small_digits)
        for method in ("draw", "finish"):
            patch.setattr(Gallery, method, lambda *arguments: [])
        assert run("train", TINY.name, "--steps", 2, "--batch-size", 32, "--quiet", "--out", folder) == 0
        yield folder


@pytest.mark.parametrize(
    ("options", "name", "network_of"),
    [
        ((), "generator.onnx", lambda gan: gan.sampler()),
        (("--raw",), "generator_raw.onnx", lambda gan: gan.generator),
        (("--network", "discriminator", "--format", "onnx"), "discriminator.onnx", lambda gan: gan.discriminator),
    ],
)
def test_export_writes_the_network_of_a_run(run_folder, capsys, options, name, network_of):
    assert run("export", run_folder, *options) == 0
    assert name in capsys.readouterr().out
    net, path = network_of(load_trained(run_folder).gan), run_folder / name
    x, _ = inputs_of(net, 3)
    np.testing.assert_allclose(session(path.read_bytes()).run(None, {"x": x})[0], net.predict(x), atol=1e-5)


def test_the_model_says_where_it_comes_from(run_folder, tmp_path):
    assert run("export", run_folder, "--out", tmp_path / "g.onnx") == 0
    model = onnx.load(tmp_path / "g.onnx")
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts["name"] == "tiny-export generator" and facts["averaged"] == "true"
    assert facts["data_licence"].startswith("CC BY-SA 3.0") and facts["latent"] == "Normal(100)"
    recipe = json.loads(facts["recipe"])
    assert recipe["experiment"] == "tiny-export" and recipe["settings"]["generator"]
    assert "data_dir" not in recipe and "machine" not in recipe, "nothing about the machine"
    assert "minigan" in json.loads(facts["versions"])
    assert "a moving average" in model.doc_string and "2 steps" in model.doc_string


def test_wrong_exports(run_folder, tmp_path, capsys):
    assert run("export", tmp_path / "missing") == 2
    assert run("export", run_folder, "--raw", "--network", "discriminator") == 2
    (tmp_path / "file").touch()
    assert run("export", run_folder, "--out", tmp_path / "file" / "g.onnx") == 2
    errors = capsys.readouterr().err
    assert "not the folder of a run" in errors and "only generators" in errors and "cannot write to the" in errors
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_every_data_set_has_a_licence():
    assert set(LICENCES) == set(NAMES) - {"folder", "idx", "array"}
    assert licence_of("folder") == licence_of("what a stranger wrote") == UNKNOWN
