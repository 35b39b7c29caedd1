"""Networks and arrays in files of the format safetensors, whose numbers the library of that name reads and writes."""

import io
import json
import struct
import sys

import numpy as np
import pytest
import safetensors.numpy
from run_helpers import SMALL

from minigan import Sequential, layers
from minigan.__main__ import main
from minigan.errors import CheckpointError, NonFiniteError, OptionError
from minigan.experiments import EXPERIMENTS
from minigan.interop import safetensors_file
from minigan.layers import BatchNorm, Concatenate, Conv2D, Dense, Flatten, ReLU, Reshape, SpectralNorm
from minigan.training.loop import start_run
from minigan.training.trained import load_trained


class Doubled(layers.Layer):
    def forward(self, x, training=False):
        return 2 * x


def small(*more, dtype="float32"):
    return Sequential(
        [Conv2D(2, 3), BatchNorm(), ReLU(), Concatenate([SpectralNorm(Conv2D(2, 3))], []), Flatten(), Dense(3), *more],
        (4, 4, 1),
        dtype=dtype,
    )


def written(net, **options):
    file = io.BytesIO()
    net.to_safetensors(file, **options)
    return file.getvalue()


def read(content, **options):
    return Sequential.from_safetensors(io.BytesIO(content), **options)


def equal(a, b):
    same = all(np.array_equal(value, b.params[name]) for name, value in a.params.items())
    return same and all(np.array_equal(value, b.state[name]) for name, value in a.state.items())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_network_comes_back(dtype, tmp_path):
    net = small(dtype=dtype)
    net.forward(np.random.default_rng(0).standard_normal((5, 4, 4, 1)).astype(dtype), training=True)
    net.to_safetensors(tmp_path / "net.safetensors", {"licence": "CC BY 4.0 \u2603"})
    twin = Sequential.from_safetensors(tmp_path / "net.safetensors")
    assert equal(net, twin) and twin.dtype == net.dtype and repr(twin) == repr(net)
    arrays, metadata = safetensors_file.from_bytes((tmp_path / "net.safetensors").read_bytes(), "net")
    assert set(arrays) == {*net.params, *net.state} and metadata["licence"] == "CC BY 4.0 \u2603"
    assert written(net) == written(twin)


def test_own_layers():
    content = written(small(Doubled()))
    assert isinstance(read(content, custom_layers=[Doubled]).layers[-1], Doubled)
    with pytest.raises(CheckpointError, match="Doubled"):
        read(content)
    with pytest.raises(OptionError, match="from_safetensors: expected custom_layers"):
        read(content, custom_layers=Doubled)


def test_a_network_on_a_gpu(gpu):
    assert written(small().to("gpu")) == written(small())
    assert read(written(small()), device="gpu").xp is gpu


def test_the_library_reads_what_minigan_writes_and_the_other_way_round(tmp_path):
    library = safetensors.numpy
    net, path = small(), tmp_path / "net.safetensors"
    net.to_safetensors(path)
    theirs = library.load_file(path)
    assert all(np.array_equal(theirs.pop(name), value) for name, value in {**net.params, **net.state}.items())
    assert not theirs
    rng = np.random.default_rng(0)
    kinds = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "uint16", "uint32", "bool"]
    shapes = [(), (3,), (2, 0, 3), (2, 3)]
    arrays = {f"{kind} {shape}": np.asarray(9 * rng.random(shape)).astype(kind) for kind in kinds for shape in shapes}
    found, _ = safetensors_file.from_bytes(library.save(arrays), "x")
    back = library.load(safetensors_file.to_bytes(arrays, {"a": "b"}))
    for name, array in arrays.items():
        for other in (found[name], back[name]):
            assert other.shape == array.shape and other.dtype == array.dtype and np.array_equal(other, array), name


def test_transposed_and_reversed_views_are_written_row_by_row():
    a = np.arange(6.0).reshape(2, 3)
    arrays = {"t": a.T, "r": a[::-1, ::-1], "big": a.astype(">f8"), "s": np.asarray(a, order="F")}
    found, _ = safetensors_file.from_bytes(safetensors_file.to_bytes(arrays, {}), "x")
    assert all(np.array_equal(found[name], arrays[name]) for name in arrays)


def test_without_the_library_the_error_has_the_line_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for act in (lambda: small().to_safetensors(tmp_path / "x"), lambda: read(b"x")):
        with pytest.raises(OptionError, match=r'pip install "minigan\[safetensors\]"'):
            act()
    assert not (tmp_path / "x").exists()


def test_bfloat16_is_read():
    header = json.dumps({"a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    content = struct.pack("<Q", len(header)) + header + struct.pack("<3H", 0x3F80, 0xC000, 0x3E80)
    np.testing.assert_array_equal(safetensors_file.from_bytes(content, "x")[0]["a"], [1, -2, 0.25])


def test_wrong_metadata():
    for metadata in ({"a": 1}, {1: "a"}, [("a", "b")], {"a": "\ud800"}):
        with pytest.raises(OptionError, match="expected metadata as a dict of texts"):
            written(small(), metadata=metadata)
    with pytest.raises(OptionError, match="minigan writes sha256 into"):
        written(small(), metadata={"sha256": "0"})


def test_nan_is_not_written(tmp_path):
    net = small()
    net.flat_params[3] = np.nan
    with pytest.raises(NonFiniteError, match="is not saved"):
        net.to_safetensors(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def file_of(entries, data=b""):
    header = entries if isinstance(entries, bytes) else json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + data


def entry(shape, first, last, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}


DAMAGED = {
    "empty header": b"\0" * 8,
    "short": b"abc",
    "a long header": struct.pack("<Q", 2**60) + b"{}",
    "no JSON": file_of(b"{"),
    "a list": file_of([1, 2]),
    "deep": file_of(b"[" * 100_000),
    "twice": file_of(b'{"a": {}, "a": {}}'),
    "a hole": file_of({"a": entry([1], 4, 8)}, bytes(8)),
    "an overlap": file_of({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, bytes(12)),
    "backwards": file_of({"a": entry([1], 0, 4), "b": entry([0], 4, 0), "c": entry([1], 0, 4)}, bytes(4)),
    "beyond the end": file_of({"a": entry([2], 0, 8)}, bytes(4)),
    "bytes left over": file_of({"a": entry([1], 0, 4)}, bytes(8)),
    "another size": file_of({"a": entry([2, 2], 0, 4)}, bytes(4)),
    "a huge shape": file_of({"a": entry([2**62, 2**62], 0, 4)}, bytes(4)),
    "a negative shape": file_of({"a": entry([-1, -1], 0, 4)}, bytes(4)),
    "a text as shape": file_of({"a": entry("11", 0, 4)}, bytes(4)),
    "objects": file_of({"a": entry([1], 0, 8, "O")}, bytes(8)),
    "a list as dtype": file_of({"a": entry([1], 0, 4, ["F32"])}, bytes(4)),
    "offsets as texts": file_of({"a": entry([1], "0", "4")}, bytes(4)),
    "no entry": file_of({"a": 3}),
    "metadata": file_of({"__metadata__": {"a": 3}}),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_files_are_refused(case):
    with pytest.raises(CheckpointError, match=r"<_io.BytesIO.*(damaged|nothing to read)"):
        read(DAMAGED[case])


def test_each_changed_byte_of_the_numbers_is_noticed_and_no_change_gives_another_error():
    content = written(Sequential([Dense(2)], (2,)))
    (length,) = struct.unpack_from("<Q", content)
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1 << (place % 8)
        try:
            read(bytes(changed))
            assert place < 8 + length, place
        except CheckpointError:
            pass
    for size in range(0, len(content), 7):
        with pytest.raises(CheckpointError):
            read(content[:size])


def test_a_file_of_another_program_says_what_to_do():
    content = safetensors_file.to_bytes({"0.weight": np.zeros((2, 3), "float32")}, {})
    with pytest.raises(CheckpointError, match=r"not the architecture.*minigan.interop.from_torch"):
        read(content)


def test_an_architecture_larger_than_the_file_is_not_built():
    net = Sequential([Dense(2)], (2,))
    arrays, metadata = safetensors_file.from_bytes(written(net), "x")
    del metadata["sha256"]
    for old, new in (('"units": 2', '"units": 100000000'), ('"Dense"', '"os.system"'), ('"minigan network 2"', "3")):
        wrong = {**metadata, "minigan": metadata["minigan"].replace(old, new)}
        with pytest.raises(CheckpointError):
            read(safetensors_file.to_bytes(arrays, wrong))
    with pytest.raises(CheckpointError, match="expected the arrays"):
        read(safetensors_file.to_bytes({**arrays, "more": np.zeros(1, "float32")}, metadata))
    with pytest.raises(CheckpointError, match=r"expected 0.Dense.W of shape \(2, 2\) and float32"):
        read(safetensors_file.to_bytes({**arrays, "0.Dense.W": np.zeros((2, 2))}, metadata))


def test_reshaped_networks_keep_their_options():
    net = Sequential([Dense(8), Reshape((2, 2, 2)), layers.LeakyReLU(0.3)], (3,))
    assert repr(read(written(net))) == repr(net)


def test_export_writes_the_network_of_a_run(tmp_path, monkeypatch, no_pictures, capsys):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)
    start_run(SMALL, tmp_path / "run", steps=1).run(quiet=True)
    for network in ("generator", "discriminator"):
        with pytest.raises(SystemExit) as end:
            main(["export", str(tmp_path / "run"), "--format", "safetensors", "--network", network])
        assert not end.value.code
        path = tmp_path / "run" / f"{network}.safetensors"
        assert str(path) in capsys.readouterr().out
        gan = load_trained(tmp_path / "run").gan
        assert equal(Sequential.from_safetensors(path), getattr(gan, network) if network[0] == "d" else gan.average)
        _, metadata = safetensors_file.from_bytes(path.read_bytes(), path)
        assert metadata["experiment"] == "Small" and "CC BY-SA" in metadata["data_licence"]
