"""Weights from PyTorch and for PyTorch: files that PyTorch wrote give the outputs that it gave."""

from pathlib import Path

import numpy as np
import pytest

from minigan import Sequential, layers
from minigan.errors import CheckpointError, DtypeError, FileError, MiniganError, OptionError
from minigan.interop import from_torch, safetensors_file, to_torch
from minigan.interop.places import image_order, places_of
from minigan.layers import (
    LSTM,
    Add,
    BatchNorm,
    Concatenate,
    ConcatenateLabel,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAveragePool2D,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    MaxPool2D,
    ReLU,
    Reshape,
    Tanh,
)

FILES = Path(__file__).resolve().parent / "files" / "weights"

# the networks of make_weight_files.py, as they are written here
NETWORKS = {
    "generator": lambda: Sequential(
        [
            *(Dense(36, use_bias=False), BatchNorm(), ReLU(), Reshape((3, 3, 4))),
            *(Conv2DTranspose(4, 5, 2, padding=((2, 1), (2, 1))), BatchNorm(), ReLU()),
            *(Conv2DTranspose(2, 3, padding=1, groups=2, use_bias=False), Tanh()),
        ],
        (6,),
    ),
    "discriminator": lambda: Sequential(
        [
            *(Conv2D(4, 4, 2, padding=1), LeakyReLU(0.2)),
            *(Conv2D(6, 3, padding=2, dilation=2, groups=2, use_bias=False), BatchNorm(), LeakyReLU(0.2)),
            *(GroupNorm(3), InstanceNorm(), Flatten(), Dropout(0.3)),
            *(Dense(5), LeakyReLU(0.2), Dense(5), BatchNorm(), Dense(1)),
        ],
        (6, 6, 2),
    ),
    "mlp": lambda: Sequential([Dense(12), Tanh(), Reshape((2, 2, 3))], (4,)),
    "sequence": lambda: Sequential([LSTM(4, True), LSTM(4, True), LayerNorm(), Flatten(), Dense(2)], (5, 3)),
    "labels": lambda: Sequential([Embedding(5, 4), Dense(3)], (1,)),
}


def file_of(name):
    return FILES / f"torch_{name}.safetensors"


def state_of(name):
    return dict(safetensors_file.from_bytes(file_of(name).read_bytes(), name)[0])


def outputs(net, x):
    """The outputs of a network; integers are labels."""
    return net.predict(x) if x.dtype == "float32" else net.predict(np.zeros((len(x), 1), "float32"), labels=x)


def require_equal(net, name):
    with np.load(FILES / f"{name}_outputs.npz") as saved:
        np.testing.assert_allclose(outputs(net, saved["x"]), saved["y"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_of_pytorch_gives_the_outputs_of_pytorch(name):
    require_equal(from_torch(NETWORKS[name](), file_of(name)), f"torch_{name}")


def test_npz_and_dicts_in_any_order(tmp_path):
    require_equal(from_torch(NETWORKS["mlp"](), FILES / "torch_mlp.npz"), "torch_mlp")
    state = state_of("discriminator")
    for names in (sorted(state), sorted(state, reverse=True)):
        found = {f"module.{name}": state[name].astype("float64") for name in names}
        require_equal(from_torch(NETWORKS["discriminator"](), found), "torch_discriminator")


def test_a_network_on_a_gpu(gpu):
    net = from_torch(NETWORKS["generator"]().to("gpu"), file_of("generator"))
    require_equal(net.to("cpu"), "torch_generator")
    assert all(type(array) is np.ndarray for array in to_torch(net).values())


@pytest.mark.parametrize("name", NETWORKS)
def test_there_and_back(name):
    net = from_torch(NETWORKS[name](), file_of(name))
    state = to_torch(net)
    twin = from_torch(NETWORKS[name](), state)
    assert np.array_equal(twin.flat_params, net.flat_params)
    assert all(np.array_equal(twin.state[key], net.state[key]) for key in net.state)
    assert all(array.flags.c_contiguous for array in state.values())


def test_what_goes_out_is_what_came_in():
    """A state_dict of a torch.nn.Sequential has the numbers of its modules as names."""
    state, back = state_of("mlp"), to_torch(from_torch(NETWORKS["mlp"](), file_of("mlp")))
    assert set(state) == set(back) and all(np.array_equal(state[name], back[name]) for name in state)
    state = state_of("generator")
    net = from_torch(NETWORKS["generator"](), state)
    back = to_torch(net, names=["fc", "bn1", "up1", "bn2", "up2"])
    assert set(back) == set(state)
    assert all(np.array_equal(state[name], back[name]) for name in state if "num_batches" not in name)
    assert back["bn1.num_batches_tracked"].shape == () and back["bn1.num_batches_tracked"].dtype == "int64"
    state = to_torch(NETWORKS["sequence"]())
    assert state["1.weight_hh_l0"].shape == (16, 4) and not state["0.bias_hh_l0"].any()


# the order of the units


def test_every_permutation_by_hand():
    """Each number says where it was: unit k of channel c at row i and column j is 100 c + 10 i + j there."""
    theirs = np.array([[100 * c + 10 * i + j for j in range(2)] for c in range(3) for i in range(2)]).ravel()
    ours = np.array([100 * c + 10 * i + j for i in range(2) for j in range(2) for c in range(3)])
    np.testing.assert_array_equal(theirs[image_order((2, 2, 3))], ours)
    assert image_order((4, 5, 1)) is None and image_order((1, 1, 7)) is None
    net = Sequential(
        [Conv2D(3, 1), Flatten(), BatchNorm(), LeakyReLU(), Dense(12), LayerNorm(), Reshape((2, 2, 3))], (2, 2, 1)
    )
    _, norm, dense, layer_norm = places_of(net, reordered=True)
    for place in (norm, dense, layer_norm):
        assert np.array_equal(place.before, image_order((2, 2, 3))) and np.array_equal(place.after, place.before)
    assert all(place.before is None and place.after is None for place in places_of(net, reordered=False))


def test_the_order_behind_other_layers():
    image = image_order((2, 2, 3))
    cases = [
        ([Conv2D(3, 1), GlobalAveragePool2D(), Dense(2)], None),
        ([Conv2D(3, 1), MaxPool2D(2), Flatten(), Dense(2)], None),  # 1 x 1
        ([Conv2D(3, 1), Sequential([Flatten(), Tanh()]), Dropout(0.2), Dense(2)], image),
        ([Conv2D(3, 1), Flatten(), ConcatenateLabel(4), Dense(2)], [*image, 12, 13, 14, 15]),
        ([Conv2D(3, 1), Concatenate([Flatten()], [GlobalAveragePool2D()]), Dense(2)], [*image, 12, 13, 14]),
        ([Conv2D(3, 1), Flatten(), Add([], [Tanh()]), Dense(2)], image),
        ([Conv2D(3, 1), Flatten(), Concatenate([], []), Dense(2)], [*image, *(12 + image)]),
    ]
    for parts, order in cases:
        found = places_of(Sequential(parts, (2, 2, 1)), reordered=True)[-1].before
        assert (found is None and order is None) or list(found) == list(order), parts


@pytest.mark.parametrize(
    "parts",
    [
        [Conv2D(3, 1), Reshape((4, 3)), LSTM(2)],
        [Conv2D(3, 1), Flatten(), Reshape((3, 4)), LSTM(2)],
        [Conv2D(4, 1), Flatten(), Reshape((4, 2, 2)), Conv2D(1, 1)],
        [Conv2D(4, 1), Reshape((4, 4, 1)), Conv2D(1, 1)],
        [Conv2D(3, 1), Flatten(), Add([], [Dense(12)]), Dense(2)],
    ],
    ids=lambda parts: "-".join(type(layer).__name__ for layer in parts),
)
def test_orders_that_pytorch_cannot_have_are_refused(parts):
    net = Sequential(parts, (2, 2, 1))
    for convert in (to_torch, lambda net: from_torch(net, {})):
        with pytest.raises(OptionError, match=r"different (places|orders)"):
            convert(net)


def test_images_of_one_channel_may_become_sequences():
    to_torch(Sequential([Conv2D(1, 3), Reshape((4, 4)), LSTM(3, True), Flatten(), Dense(2)], (4, 4, 1)))


# errors: nothing is half filled


def refused(net, state, kind=CheckpointError, **options):
    before = net.flat_params.copy()
    with pytest.raises(kind) as error:
        from_torch(net, state, **options)
    assert np.array_equal(net.flat_params, before)
    return str(error.value)


def small():
    return Sequential([Conv2D(2, 3), BatchNorm(), Flatten(), Dense(3)], (4, 4, 1))


def test_shapes_missing_and_left_over():
    state = to_torch(small())
    wrong = {**state, "0.weight": np.zeros((2, 1, 5, 5), "float32")}
    assert "0.Conv2D needs (2, 1, 3, 3), but 0.weight has the shape (2, 1, 5, 5)" in refused(small(), wrong)
    without = {name: array for name, array in state.items() if not name.startswith("3.")}
    assert "nothing there for 3.Dense, which needs weight (3, 32), bias (3,)" in refused(small(), without)
    more = {**state, "9.weight": np.zeros((7, 7), "float32")}
    assert "'9.weight' left over" in refused(small(), more)
    del state["0.bias"]
    assert "0.Conv2D needs 0.bias of shape (2,), which is missing. Or make the layer with use_bias=False" in refused(
        small(), state
    )
    net = Sequential([Conv2D(2, 3, use_bias=False), BatchNorm(), Flatten(), Dense(3)], (4, 4, 1))
    assert "0.Conv2D has no place for '0.bias'" in refused(net, to_torch(small()))
    assert "nothing there for 0.Conv2D" in refused(small(), {})


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_none(value):
    state = to_torch(small())
    state["3.weight"] = state["3.weight"].astype("float64")
    state["3.weight"][0, 0] = value
    assert "'3.weight' holds NaN, infinity, or numbers that float32 cannot hold" in refused(small(), state)


def test_wrong_kinds_of_numbers():
    state = to_torch(small())
    assert "holds int64, expected floating-point" in refused(small(), {**state, "3.bias": np.zeros(3, "int64")})
    assert "expected 3.bias as an array" in refused(small(), {**state, "3.bias": [1.0, 2.0, 3.0]}, OptionError)
    assert "as the names" in refused(small(), {**state, 4: state["3.bias"]}, OptionError)

    class OnGpu:
        shape = (3,)

        def __array__(self, *arguments, **options):
            raise TypeError("can't convert cuda:0 device type tensor to numpy")

    assert "value.float().cpu().numpy()" in refused(small(), {**state, "3.bias": OnGpu()}, DtypeError)


def test_names_decide_only_where_they_can():
    net = Sequential([Dense(3), Tanh(), Dense(3)], (3,))
    state = to_torch(net)
    for names in (["fc1", "fc2"], ["main.2", "main.10"], ["block1.fc", "block2.fc"], ["0.1", "2"]):
        renamed = {
            name.replace("0.", f"{names[0]}.", 1) if name[0] == "0" else f"{names[1]}{name[1:]}": a
            for name, a in state.items()
        }
        twin = from_torch(Sequential([Dense(3), Tanh(), Dense(3)], (3,), seed=9), dict(reversed(renamed.items())))
        assert np.array_equal(twin.flat_params, net.flat_params), names
    renamed = {name.replace("0.", "up.").replace("2.", "down."): a for name, a in state.items()}
    told = refused(net, renamed, OptionError)
    assert "'down', 'up' have the same shapes" in told and "'0.Dense', '2.Dense'" in told and "names=[...]" in told
    twin = from_torch(Sequential([Dense(3), Tanh(), Dense(3)], (3,), seed=9), renamed, names=["up", "down"])
    assert np.array_equal(twin.flat_params, net.flat_params)


@pytest.mark.parametrize("names", ["ab", 3, ["a"], ["0", "1", "2"], ["0", "1", "1"], ["0", "1", "none"], [0, 1, 3]])
def test_wrong_names(names):
    assert refused(small(), to_torch(small()), OptionError, names=names).startswith("names: ")
    if names not in (["0", "1", "1"], ["0", "1", "none"], ["0", "1", "2"]):
        with pytest.raises(OptionError):
            to_torch(small(), names=names)


def test_wrong_files(tmp_path):
    for name in ("g.pt", "g.pth", "g.BIN", "pytorch_model.ckpt"):
        told = refused(small(), tmp_path / name, OptionError)
        assert "are pickles" in told and "torch.load('FILE', weights_only=True" in told
    (tmp_path / "pickle").write_bytes(b"\x80\x02}q\x00." + bytes(50))
    (tmp_path / "zip").write_bytes(b"PK\x03\x04" + bytes(20) + b"archive/data.pkl" + bytes(50))
    for name in ("pickle", "zip"):
        assert "are pickles" in refused(small(), tmp_path / name, OptionError)
    (tmp_path / "damaged").write_bytes(file_of("mlp").read_bytes()[:-1])
    assert "damaged" in refused(small(), tmp_path / "damaged")
    assert "no such file" in refused(small(), tmp_path / "none", FileError)
    for source in (3, None, [1, 2]):
        assert "expected a dict of arrays" in refused(small(), source, OptionError)


def test_layers_without_a_counterpart():
    for layer in (layers.SpectralNorm(layers.Projection(3)), layers.Projection(3)):
        with pytest.raises(OptionError, match="has no counterpart in PyTorch"):
            to_torch(Sequential([layer], (3,)))
    with pytest.raises(OptionError, match="GroupNorm has other units in its groups"):
        to_torch(Sequential([Conv2D(2, 1), Flatten(), GroupNorm(2)], (2, 2, 1)))
    assert "Make it a plain weight there first" in refused(small(), {"0.weight_g": np.zeros(3, "float32")})
    told = refused(small(), {"lstm.weight_ih_l0_reverse": np.zeros(3, "float32")})
    assert "bidirectional" in told
    for net in (None, Dense(3), Sequential([Dense(3)])):
        with pytest.raises(MiniganError):
            from_torch(net, {})


def test_an_lstm_without_bias_and_a_cell():
    net = Sequential([LSTM(4)], (5, 3))
    state = {name.removesuffix("_l0"): array for name, array in to_torch(net).items() if "bias" not in name}
    twin = from_torch(Sequential([LSTM(4)], (5, 3), seed=1), state)
    assert np.array_equal(twin.layers[0].params["W"], net.layers[0].params["W"])
    assert not twin.layers[0].params["b"].any()


@pytest.mark.torch
@pytest.mark.parametrize("name", ["discriminator", "mlp"])
def test_pytorch_loads_what_goes_out(name):
    torch = pytest.importorskip("torch")
    from make_weight_files import torch_modules

    module, _ = torch_modules()[name]
    module(torch.zeros(2, *((2, 6, 6) if name == "discriminator" else (4,))))
    net = NETWORKS[name]()
    net.forward(np.random.default_rng(0).normal(1, 1, (20, *net.input_shape)).astype("float32"), training=True)
    state = {key: torch.from_numpy(array) for key, array in to_torch(net, names_of(name)).items()}
    own = {key: value for key, value in module.state_dict().items() if key not in state}
    module.load_state_dict({**own, **{key: state[key] for key in module.state_dict() if key in state}})
    x = np.random.default_rng(1).normal(0, 1, (3, *net.input_shape)).astype("float32")
    theirs = torch.from_numpy(x.transpose(0, 3, 1, 2).copy() if x.ndim == 4 else x)
    y = module.eval()(theirs).detach().numpy()
    y = y.transpose(0, 2, 3, 1) if y.ndim == 4 else y
    np.testing.assert_allclose(net.predict(x), y, atol=2e-6)


def names_of(name):
    return {"discriminator": ["0", "2", "3", "5", "6", "8", "10", "11", "12"], "mlp": ["0"]}[name]
