"""Every kind of file that minigan reads, changed at random: the very same content, or an error in words; no other end.

What has a sum of its own (networks, GANs, checkpoints, MNIST) is refused whenever a single bit differs.
"""

import copy
import gzip
import hashlib
import io
import json
import struct
import sys
import tarfile
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from data_helpers import md5
from hostile import run_limited
from run_helpers import SMALL

from minigan import GAN, Sequential, npz, pictures
from minigan.data import archives, idx, sources, svhn
from minigan.errors import CheckpointError, MiniganError
from minigan.experiments import EXPERIMENTS
from minigan.layers import BatchNorm, Dense, Dropout, Reshape, Tanh
from minigan.training import checkpoints
from minigan.training.folder import RunFolder
from minigan.training.loop import start_run
from minigan.training.trained import load_trained

OLD = Path(__file__).with_name("files") / "network_1.npz"


def small_gan():
    generator = Sequential([Dense(4), BatchNorm(), Tanh(), Reshape((2, 2, 1))], (3,))
    discriminator = Sequential([Reshape((4,)), Dropout(0.1), Dense(1)], (2, 2, 1))
    gan = GAN(generator, discriminator)
    gan.train_step(np.zeros((4, 2, 2, 1), "float32"))
    return gan


def saved(thing):
    file = io.BytesIO()
    thing.save(file)
    return file.getvalue()


def network_state(network):
    return {"params": network.flat_params, **network.state}


def read_network(path):
    return network_state(Sequential.load(path))


def read_gan(path):
    gan = GAN.load(path)
    return {**network_state(gan.generator), "noise": gan.rng.random(3)}


@cache
def run_folder():
    """A small run, as bytes by name: its config and its newest checkpoint"""
    with tempfile.TemporaryDirectory() as folder:
        start_run(SMALL, folder, seed=5, steps=1).run(quiet=True)
        (_, checkpoint), *_ = checkpoints.in_folder(Path(folder) / "checkpoints")
        return {"config.json": (Path(folder) / "config.json").read_bytes(), "checkpoint": checkpoint.read_bytes()}


def read_config(path):
    return vars(RunFolder.open(path.parent)[1])


def read_checkpoint(path):
    arrays, values = checkpoints.read(path)
    return {**arrays, "values": json.dumps(values)}


def picture():
    with tempfile.TemporaryDirectory() as folder:
        pictures.save_png(Path(folder) / "a.png", np.random.default_rng(1).integers(0, 256, (9, 8, 3), dtype=np.uint8))
        return (Path(folder) / "a.png").read_bytes()


IMAGES = np.random.default_rng(2).integers(0, 256, (5, 3, 4), dtype=np.uint8)
IDX = struct.pack(">4I", 0x0803, *IMAGES.shape) + IMAGES.tobytes()
IDX_FILE = sources.IdxFile("some-idx3-ubyte", IMAGES.shape, md5(IDX), "")


def archive():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name in ("a/b.bin", "a/c.bin"):
            member = tarfile.TarInfo(name)
            member.size = 600
            tar.addfile(member, io.BytesIO(np.random.default_rng(3).bytes(600)))
    return file.getvalue()


def mat(compress):
    scipy_io = pytest.importorskip("scipy.io")
    file, rng = io.BytesIO(), np.random.default_rng(4)
    x, y = rng.integers(0, 256, (32, 32, 3, 2), dtype=np.uint8), np.array([[1], [10]], np.uint8)
    scipy_io.savemat(file, {"X": x, "y": y}, do_compression=compress)
    return file.getvalue()


def read_mat(path):
    images, labels, _ = svhn.load(path.parent, "train")
    return {"images": images, "labels": labels}


@dataclass
class Kind:
    """A kind of file: its name, what makes the content of one, what reads it, and whether it has a sum of its own."""

    name: str
    make: object
    read: object
    has_sum: bool


KINDS = {
    "network": Kind("net.npz", lambda: saved(small_gan().generator), read_network, True),
    "network of 0.1": Kind("net.npz", OLD.read_bytes, read_network, False),
    "GAN": Kind("gan.npz", lambda: saved(small_gan()), read_gan, True),
    "checkpoint": Kind("step_00000001.checkpoint", lambda: run_folder()["checkpoint"], read_checkpoint, True),
    "config": Kind("config.json", lambda: run_folder()["config.json"], read_config, False),
    "picture": Kind("a.png", picture, lambda path: {"pixels": pictures.open_png(path)}, False),
    "idx": Kind("some-idx3-ubyte", lambda: IDX, lambda path: {"": idx.read(path, IDX_FILE)}, True),
    "idx.gz": Kind("some.gz", lambda: gzip.compress(IDX), lambda path: {"": idx.read(path, IDX_FILE)}, False),
    "archive": Kind("a.tar.gz", archive, lambda path: archives.read_files(path, 2**16), False),
    "mat": Kind("train_32x32.mat", partial(mat, False), read_mat, False),
    "compressed mat": Kind("train_32x32.mat", partial(mat, True), read_mat, False),
}
# these can be changed where nothing holds a sum: in names, dates, pixels
CAN_DIFFER = {"config", "picture", "archive", "mat", "compressed mat"}


def mutated(content, rng):
    """`content` with one to four changes: bits, bytes, pieces that are missing, doubled or moved."""
    mutant = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at, size = rng.integers(len(mutant) + 1), rng.integers(1, 20)
        match rng.integers(6):
            case 0:
                mutant[at : at + 1] = bytes(byte ^ 1 << rng.integers(8) for byte in mutant[at : at + 1])
            case 1:
                mutant[at : at + size] = rng.bytes(len(mutant[at : at + size]))
            case 2:
                mutant[at : at + size] = b""
            case 3:
                mutant[at:at] = rng.bytes(size)
            case 4:
                mutant[at:at] = mutant[at : at + size]
            case 5:
                mutant[at : at + 4] = rng.choice([0, 1, 2**31 - 1, 2**32 - 1]).astype("<u4").tobytes()
    return bytes(mutant)


def flipped(content, position):
    mutant = bytearray(content)
    mutant[position // 8] ^= 1 << position % 8
    return bytes(mutant)


def check(name, mutants):
    """Read each mutant of a kind of file and hold it to what the kind promises."""
    kind = KINDS[name]
    content = kind.make()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / kind.name
        path.write_bytes(content)
        original = kind.read(path)
        for mutant in mutants(content):
            path.write_bytes(mutant)
            try:
                found = kind.read(path)
            except MiniganError as error:
                assert len(str(error)) < 3000 and str(error).replace("\n", "").isprintable()
                continue
            assert mutant == content or not kind.has_sum, "a changed file was accepted, although it holds a sum"
            if name not in CAN_DIFFER:
                assert set(found) == set(original)
                for key, value in original.items():
                    np.testing.assert_array_equal(found[key], value)


def mutants(count, seed):
    rng = np.random.default_rng(seed)
    return lambda content: (mutated(content, rng) for _ in range(count))


def flips(count, seed):
    rng = np.random.default_rng(seed)
    return lambda content: (flipped(content, position) for position in rng.integers(8 * len(content), size=count))


def all_flips(content, most=20_000):
    """Every bit flipped, one at a time; of a large file as many as `most`, evenly spread"""
    step = -(-8 * len(content) // most)
    return (flipped(content, position) for position in range(0, 8 * len(content), step))


@pytest.fixture(autouse=True)
def known(monkeypatch):
    monkeypatch.setitem(EXPERIMENTS, "Small", SMALL)


@pytest.mark.parametrize("name", KINDS)
def test_some_changed_files(name):
    check(name, mutants(60, seed=1))
    check(name, flips(60, seed=2))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
@pytest.mark.parametrize("name", KINDS)
def test_5000_changed_files_and_every_bit_in_little_memory(name, tmp_path):
    code = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    import test_hostile_files as files
    files.EXPERIMENTS["Small"] = files.SMALL
    files.check({name!r}, files.mutants(10, seed=0))
    start()
    files.check({name!r}, files.mutants(5_000, seed=3))
    files.check({name!r}, files.all_flips)
    """
    run_limited(code, tmp_path, megabytes=300, seconds=900)


# behind a right sum there can be anything: descriptions and arrays with odd values, packed as minigan packs them


ODD = [
    None,
    True,
    0,
    -1,
    1.5,
    10**4,
    2**31,
    2**63,
    10**30,
    float("nan"),
    float("inf"),
    "",
    "x",
    "\x1b[2J",
    "Dense",
    "9",
]
ODD += [[], [0], [1, 2, 3], [[1]], {}, {"layer": "Dense", "units": 3}, {"initializer": "Zeros"}, {"class": "Adam"}]


def places(node):
    """All (container, key) within a JSON value"""
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in list(keys):
        yield node, key
        yield from places(node[key])


def odd_json(text, rng):
    """A JSON text with one to three values replaced, removed, doubled or renamed"""
    value = json.loads(text)
    for _ in range(rng.integers(1, 4)):
        found = list(places(value))
        if not found:
            break
        container, key = found[rng.integers(len(found))]
        match rng.integers(4):
            case 0 | 1:
                container[key] = copy.deepcopy(ODD[rng.integers(len(ODD))])
            case 2:
                del container[key]
            case 3:
                other, place = found[rng.integers(len(found))]
                container[key] = json.loads(json.dumps(other.get(place) if isinstance(other, dict) else None))
    return json.dumps(value)


def odd_arrays(arrays, text_name, rng):
    """The arrays of a file with an odd description, or with one array cut, missing, of another dtype or spoiled"""
    arrays = dict(arrays)
    if rng.random() < 0.7:
        return {**arrays, text_name: odd_json(str(arrays[text_name]), rng)}
    name = sorted(arrays)[rng.integers(len(arrays))]
    array = np.array(arrays[name])
    match rng.integers(5):
        case 0:
            del arrays[name]
        case 1:
            arrays[name] = array.reshape(-1)[: array.size // 2]
        case 2:
            arrays[name] = np.zeros(array.shape, rng.choice(["float64", "int8", "bool", "<U3"]))
        case 3:
            arrays[name] = (
                array[np.newaxis] if array.dtype.kind == "U" else np.full(array.shape, 1e4).astype(array.dtype)
            )
        case 4:
            arrays[f"{name}x"] = array
    return arrays


def signed(arrays):
    content = npz.to_bytes(arrays)
    return hashlib.sha256(content).digest() + content


def open_run(path):
    """Open the run whose newest checkpoint is at `path`."""
    folder = path.parent / "run"
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_bytes(run_folder()["config.json"])
    (folder / "checkpoints" / "step_00000001.checkpoint").write_bytes(path.read_bytes())
    load_trained(folder)


PACKED = {  # kind -> (the text in it, how the sum is made right, what reads it)
    "network": ("architecture", npz.to_bytes, read_network),
    "GAN": ("gan", npz.to_bytes, read_gan),
    "checkpoint": ("values", signed, open_run),
}


def check_packed(name, count, seed):
    text_name, pack, read = PACKED[name]
    content, rng = KINDS[name].make(), np.random.default_rng(seed)
    arrays = npz.from_bytes(content[checkpoints.DIGEST_BYTES :] if name == "checkpoint" else content, "x")
    loaded = 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / KINDS[name].name
        for _ in range(count):
            path.write_bytes(pack(odd_arrays(arrays, text_name, rng)))
            try:
                read(path)
                loaded += 1
            except MiniganError as error:
                assert len(str(error)) < 3000 and str(error).replace("\n", "").isprintable()
    assert loaded < count / 2, "most changes should be noticed"


@pytest.mark.parametrize("name", PACKED)
def test_odd_values_behind_a_right_sum(name):
    check_packed(name, 80, seed=5)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
@pytest.mark.parametrize("name", PACKED)
def test_5000_odd_values_behind_a_right_sum(name, tmp_path):
    code = f"""
    import sys
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    import test_hostile_files as files
    files.EXPERIMENTS["Small"] = files.SMALL
    files.check_packed({name!r}, 10, seed=0)
    start()
    files.check_packed({name!r}, 5_000, seed=6)
    """
    run_limited(code, tmp_path, megabytes=300, seconds=900)


# a run folder and a GAN that ask for more than they hold


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
def test_a_run_folder_that_asks_for_large_images(tmp_path):
    folder = tmp_path / "run"
    start_run(EXPERIMENTS["mlp-gan"], folder, steps=1).run(quiet=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "image_shape": [1024, 1024, 1]}))
    code = """
    from minigan.errors import CheckpointError
    from minigan.training.trained import load_trained
    start()
    try:
        load_trained("run")
    except CheckpointError as error:
        print(error)
    """
    message = run_limited(code, tmp_path, megabytes=100)
    assert "as config.json says, do not fit the checkpoint" in message and "parameters" in message


def test_a_run_that_was_changed_by_nobody_opens(tmp_path):
    start_run(SMALL, tmp_path / "run", seed=5, steps=1).run(quiet=True)
    assert load_trained(tmp_path / "run").step == 1


def test_a_network_in_a_gan_that_asks_for_more_than_it_holds():
    arrays = dict(npz.from_bytes(saved(small_gan()), "x"))
    network = dict(npz.from_bytes(arrays["generator"].tobytes(), "x"))
    network["architecture"] = np.array(str(network["architecture"]).replace('"units": 4', '"units": 400000000'))
    arrays["generator"] = np.frombuffer(npz.to_bytes(network), np.uint8)
    with pytest.raises(CheckpointError, match=r"its generator: .* stored"):
        GAN.load(io.BytesIO(npz.to_bytes(arrays)))
