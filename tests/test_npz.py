"""Arrays in .npz files: whatever is changed in a file, reading it gives the arrays that were written, or an error."""

import io
import struct
import zipfile

import numpy as np
import pytest

from minigan import npz
from minigan.errors import CheckpointError, OptionError

ARRAYS = {
    "numbers": np.arange(6, dtype="float32").reshape(2, 3),
    "counter": np.array(7),
    "text": np.array("größe"),
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "none": np.zeros((0, 3), "uint8"),
    "ß": np.array([True, False]),
}


def assert_same(found, expected=ARRAYS):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array, strict=True)


def savez(arrays=ARRAYS, **options):
    file = io.BytesIO()
    np.savez(file, **arrays, **options)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def zipped(entries, **options):
    """A zip archive of (name, content)"""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", **options) as archive:
        for name, content in entries:
            archive.writestr(zipfile.ZipInfo(name), content, options.get("compression"))
    return file.getvalue()


def test_arrays_come_back():
    content = npz.to_bytes(ARRAYS)
    assert npz.has_sum(content)
    assert_same(npz.from_bytes(content, "x"))


def test_numpy_reads_what_is_written_and_minigan_what_numpy_writes():
    with np.load(io.BytesIO(npz.to_bytes(ARRAYS))) as archive:
        assert_same(dict(archive))
    assert not npz.has_sum(savez())
    assert_same(npz.from_bytes(savez(), "x"))


def test_the_arrays_are_views_of_the_bytes():
    content = npz.to_bytes({"a": np.zeros(1000)})
    array = npz.from_bytes(content, "x")["a"]
    assert np.shares_memory(array, np.frombuffer(content, np.uint8)) and not array.flags.writeable


def test_large_archives(monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 3)  # beyond it, and beyond 2 GB, the last records differ
    content = npz.to_bytes(ARRAYS)
    assert b"PK\6\6" in content and b"PK\6\7" in content
    assert_same(npz.from_bytes(content, "x"))


@pytest.mark.parametrize("value", [object(), b"bytes", np.zeros(2, [("a", "f4")]), np.datetime64("2020-01-01")])
def test_what_could_not_be_read_again_is_not_written(value):
    with pytest.raises(OptionError, match=r"evil: arrays of .* cannot be saved"):
        npz.to_bytes({"evil": value})


def with_header(text, data=bytes(24)):
    """A .npz file of one array with a header of one's own"""
    header = text.encode() + b" " * (118 - len(text) - 1) + b"\n"
    return zipped([("a.npy", npz.NPY_MAGIC + struct.pack("<H", len(header)) + header + data)])


def described(descr="'<f4'", order="False", shape="(2, 3)"):
    return with_header(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


def test_the_helper_writes_a_sound_array():
    assert npz.from_bytes(described(), "x")["a"].shape == (2, 3)


def changed(content, position, new):
    return content[:position] + new + content[position + len(new) :]


def overlapping():
    """Two entries of the directory that share one piece of the file"""
    content = bytearray(zipped([("a.npy", npy(np.zeros(9))), ("b.npy", npy(np.zeros(9)))]))
    second = content.rindex(b"PK\1\2")
    content[second + 42 : second + 46] = bytes(4)
    return bytes(content)


def resized(size):
    """An entry that claims to hold more or less than there is"""
    content = bytearray(zipped([("a.npy", npy(np.zeros(9)))]))
    at = content.rindex(b"PK\1\2")
    content[at + 20 : at + 28] = struct.pack("<II", size, size)
    return bytes(content)


PLAIN = [("a.npy", npy(np.zeros(9)))]
SOUND = npz.to_bytes(ARRAYS)
CRAFTED = {
    "empty": b"",
    "no zip": b"text " * 100,
    "cut": SOUND[:-1],
    "cut to the directory": SOUND[: SOUND.rindex(b"PK\5\6")],
    "more behind": SOUND + b"x",
    "more before": b"x" + SOUND,
    "more behind, no sum": savez() + b"x",
    "more before, no sum": b"x" + savez(),
    "the wrong sum": SOUND[:-1] + (b"0" if SOUND[-1:] != b"0" else b"1"),
    "another comment": savez()[:-2] + b"\2\0hi",
    "no sum in the comment": savez()[:-2] + b"\x40\0" + b"g" * 64,
    "compressed": zipped(PLAIN, compression=zipfile.ZIP_DEFLATED),
    "compressed by bzip2": zipped(PLAIN, compression=zipfile.ZIP_BZIP2),
    "an unknown compression": changed(zipped(PLAIN), zipped(PLAIN).rindex(b"PK\1\2") + 10, b"\x63\0"),
    "a newer zip version": changed(zipped(PLAIN), zipped(PLAIN).rindex(b"PK\1\2") + 6, b"\xff\xff"),
    "overlapping entries": overlapping(),
    "an entry of 4 GB": resized(2**32 - 2),
    "an entry too short": resized(10),
    "a gap": changed(zipped(PLAIN * 1 + [("b.npy", npy(np.zeros(1)))]), 26, b"\0\0"),
    "two of one name": changed(zipped([*PLAIN, ("b.npy", npy(np.zeros(9)))]), 0, b"").replace(b"b.npy", b"a.npy"),
    "no array": zipped([("a.txt", b"hello")]),
    "an empty array": zipped([("a.npy", b"")]),
    "a later version of npy": zipped([("a.npy", b"\x93NUMPY\2\0" + npy(np.zeros(2))[8:])]),
    "a pickle": zipped([("a.npy", npy(np.array([None])))]),
    "a structure": zipped([("a.npy", npy(np.zeros(2, [("a", "f4")])))]),
    "1 TB by its header": described(shape="(250000000000,)"),
    "more than there can be": described(shape="(9223372036854775807, 9223372036854775807)"),
    "a long number": described(shape=f"({'9' * 40},)"),
    "a negative size": described(shape="(-6, -1)"),
    "a size that is no number": described(shape="(2, x)"),
    "a shape that is code": described(shape="(print(1),)"),
    "numbers without commas": described(shape="(2 3)"),
    "too few bytes": described(shape="(2, 4)"),
    "too many bytes": described(shape="(2, 2)"),
    "many axes": described(shape=f"({'1,' * 30}1)", descr="'<f8'"),
    "an unknown dtype": described("'<f7'"),
    "a dtype of 40 GB": described("'<U9999999999'"),
    "an empty text": described("'<U0'"),
    "a dtype that is a list": described("[('a', '<f4')]"),
    "an unfinished header": with_header("{'descr': '<f4', 'fortran_order': (("),
    "order that is no truth": described(order="None"),
    "a header past the end": changed(zipped(PLAIN), zipped(PLAIN).index(b"NUMPY") + 7, b"\xff\xff"),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_files(name):
    with pytest.raises(CheckpointError, match=r"^x\.npz: damaged, or not an \.npz file"):
        npz.from_bytes(CRAFTED[name], "x.npz")


def test_crafted_files_that_differ_in_one_thing_alone():
    # so that each is refused for that thing, not for a mistake of the test
    assert npz.from_bytes(zipped(PLAIN), "x")["a"].shape == (9,)
    for name, reason in (
        ("compressed", "compressed"),
        ("overlapping entries", "begins at byte 0"),
        ("two of one name", "two of this name"),
        ("1 TB by its header", "1000000000000"),
        ("more behind", "no zip|not a zip|cover"),
        ("another comment", "comment"),
        ("the wrong sum", "SHA-256"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            npz.from_bytes(CRAFTED[name], "x")


@pytest.mark.parametrize("make", [savez, lambda: npz.to_bytes(ARRAYS)])
def test_every_flipped_bit_is_noticed_or_changes_nothing(make, rng):
    content = make()
    sealed = npz.has_sum(content)
    for position in rng.choice(8 * len(content), 400, replace=False):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        try:
            found = npz.from_bytes(flipped, "x")
        except CheckpointError:
            continue
        assert not sealed, f"bit {position} of a file with a sum"
        assert_same(found)


@pytest.mark.slow
@pytest.mark.parametrize("make", [savez, lambda: npz.to_bytes(ARRAYS)])
def test_every_bit(make):
    content = make()
    sealed = npz.has_sum(content)
    for position in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        try:
            found = npz.from_bytes(flipped, "x")
        except CheckpointError:
            continue
        assert not sealed, f"bit {position} of a file with a sum"
        assert_same(found)


def texts(text):
    return {"settings": np.array(text)}


def test_json_in_an_array():
    arrays = {**texts('{"a": [1, null, "ß"]}'), "b": np.zeros(2)}
    assert npz.pop_json(arrays, "settings", "x") == {"a": [1, None, "ß"]}
    assert set(arrays) == {"b"}


@pytest.mark.parametrize(
    ("arrays", "match"),
    [
        ({}, "found none"),
        ({"settings": np.zeros(3)}, "found none"),
        (texts(["{}", "{}"]), "found none"),
        (texts("no json"), "no JSON"),
        (texts("[" * 100_000), "no JSON"),
        (texts("1" * 5_000), "no JSON"),
        (texts("[" + "1," * 1_000 + "1]"), "longer than 1,000 characters"),
        ({"settings": np.frombuffer(b"\xff\xff\xff\xff", "<U1").reshape(())}, "no JSON"),
    ],
)
def test_json_that_is_none(arrays, match):
    limit = 1_000 if "longer" in match else 2**20
    with pytest.raises(CheckpointError, match=rf"x: .*{match}"):
        npz.pop_json(arrays, "settings", "x", limit)
