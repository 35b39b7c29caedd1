"""Reading and writing files: regular ones alone, whole or not at all, never through a link, never without end."""

import io
import os
import sys

import numpy as np
import pytest
from PIL import Image

from minigan import Sequential, pictures
from minigan.errors import CheckpointError, FileError, OptionError
from minigan.files import atomic_write, make_folder, read_file
from minigan.layers import Dense

NET = Sequential([Dense(2)], (3,))


@pytest.fixture
def fifo(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def write(path):
    with atomic_write(path) as file:
        file.write(b"content")


# what every function says of a path that is no file: none of them hangs, destroys anything, or fails in Python's words

NO_FILES = ["folder", "pipe", "/dev/zero", "no folder/file", "a\0b", "x" * 256, "\udcff" * 300, "", 3, None, 1.5, []]


@pytest.mark.parametrize("name", NO_FILES, ids=[repr(name)[:12] for name in NO_FILES])
@pytest.mark.parametrize(
    "use", [read_file, write, NET.save, Sequential.load, pictures.open_png], ids=lambda use: use.__name__
)
def test_paths_that_are_no_files(tmp_path, fifo, monkeypatch, name, use):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises((FileError, CheckpointError, OptionError)) as caught:
        use(name)
    assert "Traceback" not in str(caught.value) and type(caught.value).__module__ == "minigan.errors"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
    assert fifo.is_fifo()


def test_a_place_that_is_no_file_is_said_in_words(tmp_path, fifo):
    for use in (write, read_file):
        with pytest.raises(FileError, match=r"is a folder\. Give the name of a file in it"):
            use(tmp_path)
        with pytest.raises(FileError, match="named pipe"):
            use(fifo)
    with pytest.raises(FileError, match=r"no folder .*/a/b\. Make it first: .*mkdir"):
        write(tmp_path / "a" / "b" / "net.npz")
    with pytest.raises(FileError, match="File name too long"):
        write(tmp_path / ("x" * 256))


def test_a_name_as_long_as_the_system_allows(tmp_path):
    for name in ("x" * 255, "ß" * 127):
        write(tmp_path / name)
        assert read_file(tmp_path / name) == b"content"


def test_a_limit_on_what_is_read(tmp_path):
    write(tmp_path / "a")
    assert read_file(tmp_path / "a", limit=7) == b"content"
    with pytest.raises(FileError, match="7 bytes, more than the 6"):
        read_file(tmp_path / "a", limit=6)


def test_nothing_is_written_through_a_link(tmp_path, monkeypatch):
    monkeypatch.setattr("minigan.files.secrets.token_hex", lambda size: "7")  # a name that somebody has guessed
    outside, run = tmp_path / "outside", tmp_path / "run"
    outside.write_text("mine")
    run.mkdir()
    for temporary in (".notes.7.part", ".write-probe-7", "net"):
        (run / temporary).symlink_to(outside)
    (run / ".missing.7.part").symlink_to(tmp_path / "not there")
    make_folder(run)
    for name in ("notes", "missing"):
        with pytest.raises(FileError, match="File exists"):
            write(run / name)
    write(run / "net")
    assert read_file(run / "net") == b"content" and not (run / "net").is_symlink()
    assert outside.read_text() == "mine" and not (tmp_path / "not there").exists()


# binary file objects


class Slow(io.RawIOBase):
    """An unbuffered file that takes seven bytes at a time"""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, data):
        self.content += bytes(data[:7])
        return len(data[:7])


def test_networks_in_file_objects(tmp_path):
    file, slow = io.BytesIO(), Slow()
    NET.save(tmp_path / "net.npz")
    NET.save(file)
    NET.save(slow)
    content = (tmp_path / "net.npz").read_bytes()
    assert file.getvalue() == slow.content == content
    with pytest.raises(CheckpointError, match=r"nothing to read.*file\.seek\(0\)"):
        Sequential.load(file)
    file.seek(0)
    with open(tmp_path / "net.npz", "rb") as opened, open(tmp_path / "net.npz", "rb", buffering=0) as unbuffered:
        for source in (file, opened, unbuffered, str(tmp_path / "net.npz"), os.fsencode(tmp_path / "net.npz")):
            np.testing.assert_array_equal(Sequential.load(source).flat_params, NET.flat_params)


def test_a_network_through_a_pipe():
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        NET.save(file)
    with open(reading, "rb") as file:
        np.testing.assert_array_equal(Sequential.load(file).flat_params, NET.flat_params)


def test_file_objects_that_do_not_serve(tmp_path):
    path = tmp_path / "net.npz"
    NET.save(path)
    with pytest.raises(OptionError, match=r"text file: open it for bytes, open\(path, 'wb'\)"):
        NET.save(io.StringIO())
    with pytest.raises(OptionError, match=r"text file: open it for bytes, open\(path, 'rb'\)"):
        Sequential.load(io.StringIO("text"))
    with open(path, encoding="utf-8") as text, pytest.raises((OptionError, CheckpointError)):
        Sequential.load(text)
    with open(path, "rb") as reading, pytest.raises(FileError, match="cannot write"):
        NET.save(reading)
    with open(tmp_path / "new", "wb") as writing, pytest.raises(CheckpointError, match="cannot be read"):
        Sequential.load(writing)
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(FileError, match="closed"):
        NET.save(closed)
    with pytest.raises(CheckpointError, match="closed"):
        Sequential.load(closed)


def test_the_name_is_taken_as_it_is(tmp_path):
    NET.save(tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    Sequential.load(tmp_path / "net")
    NET.save(tmp_path / "other.npz")
    with pytest.raises(CheckpointError, match=r"other: no such file\. There is .*other\.npz"):
        Sequential.load(tmp_path / "other")


# pictures


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_come_back(tmp_path, rng, channels):
    picture = rng.integers(0, 256, (5, 7, channels), dtype=np.uint8)
    pictures.save_png(tmp_path / "a.png", picture, zoom=1)
    np.testing.assert_array_equal(pictures.open_png(tmp_path / "a.png"), picture)


@pytest.mark.parametrize("kind", ["EPS", "GIF", "JPEG", "TIFF", "BMP"])
def test_no_other_format_is_opened_whatever_its_name(tmp_path, kind):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png", format=kind)
    with pytest.raises(FileError, match=r"a\.png: damaged, or not a PNG"):
        pictures.open_png(tmp_path / "a.png")


def test_large_pictures_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    Image.new("L", (60, 50)).save(tmp_path / "a.png")
    pictures.open_png(tmp_path / "a.png", most_pixels=3000)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("unpacked"))
    with pytest.raises(FileError, match="60 x 50 pixels"):
        pictures.open_png(tmp_path / "a.png", most_pixels=2999)


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "I;16", "LA"])
def test_other_modes(tmp_path, mode):
    Image.new(mode, (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(FileError, match=f"mode {mode.partition(';')[0]}"):  # old Pillow says I for I;16
        pictures.open_png(tmp_path / "a.png")


def test_damaged_pictures(tmp_path, rng):
    path = tmp_path / "a.png"
    pictures.save_png(path, rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    content = path.read_bytes()
    for size in (0, 1, 8, 20, 50, 200, len(content) // 2, len(content) - 40):
        path.write_bytes(content[:size])
        with pytest.raises(FileError, match=r"a\.png: damaged"):
            pictures.open_png(path)
    for position in rng.choice(8 * len(content), 200):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            pictures.open_png(path)
        except FileError as error:
            assert str(path) in str(error)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory as Linux has them")
def test_a_picture_of_gigabytes_takes_no_memory(tmp_path):
    from hostile import run_limited

    # 12,000 x 12,000 pixels by its header: less than Pillow itself refuses, and 432 MB where they are unpacked
    code = """
    import struct, zlib
    from minigan import pictures
    from minigan.errors import FileError
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(100_000))
    png = b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    open("a.png", "wb").write(png)
    pictures.save_png("b.png", pictures.np.zeros((4, 4, 1), "uint8"))  # all that Pillow imports
    pictures.open_png("b.png")
    start()
    try:
        pictures.open_png("a.png")
    except FileError as error:
        print(error)
    """
    assert "12000 x 12000 pixels" in run_limited(code, tmp_path, megabytes=50)
