"""minigan.data: what is loaded is right, what is damaged or wrong is refused in words that help, epochs are fair.

The files are tiny fakes whose sums stand in the tables for the time of a test; the mirrors are a server on 127.0.0.1.
"""

import gzip
import logging
import struct
import time
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pooch
import pytest
from data_helpers import broken_off, local_mirror, md5, names_in, whole
from hypothesis import given
from hypothesis import strategies as st

from minigan import backend, data
from minigan.data import dataset, download, make_digits, reading, sources
from minigan.errors import DataError, DtypeError, FileError, MiniganError, OptionError, ShapeError

SPLIT_SIZES = {"train": 30, "test": 12}
FILE_NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


def idx_bytes(array):
    header = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    return header + array.tobytes()


class FakeSet:
    """A tiny data set in the official form: the arrays, the file contents and the table entry that describes them."""

    def __init__(self, seed, mirrors=()):
        rng = np.random.default_rng(seed)
        self.arrays, self.raw, self.gz, files = {}, {}, {}, {}
        for split, n in SPLIT_SIZES.items():
            images = rng.integers(0, 256, (n, 5, 4), dtype=np.uint8)
            labels = rng.integers(0, 10, n, dtype=np.uint8)
            self.arrays[split] = images, labels
            files[split] = tuple(map(self._add, FILE_NAMES[split], (images, labels)))
        self.entry = sources.IdxSet(mirrors, tuple(f"{seed}.{number}" for number in range(10)), files)

    def _add(self, name, array):
        self.raw[name] = idx_bytes(array)
        self.gz[name] = gzip.compress(self.raw[name], mtime=0)
        return sources.IdxFile(name, array.shape, md5(self.raw[name]), md5(self.gz[name]))

    def write(self, folder):
        folder.mkdir(exist_ok=True)
        for name, content in self.gz.items():
            (folder / f"{name}.gz").write_bytes(content)
        return folder


@pytest.fixture
def mnist(monkeypatch):
    fake = FakeSet(1)
    monkeypatch.setitem(sources.IDX_SETS, "mnist", fake.entry)
    return fake


@pytest.fixture
def fashion(monkeypatch):
    fake = FakeSet(2)
    monkeypatch.setitem(sources.IDX_SETS, "fashion-mnist", fake.entry)
    return fake


@pytest.fixture
def folder(mnist, tmp_path):
    return mnist.write(tmp_path / "mnist")


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache folder for the data set "mnist"; it is only made by a download."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "mnist"


# --- the built-in digits -----------------------------------------------------------------------------------------


def test_digits_are_ten_thousand_balanced_images():
    digits = data.load("digits")
    assert (digits.name, digits.split, len(digits)) == ("digits", "train", 10_000)
    assert digits.images.shape == (10_000, 28, 28, 1) and digits.images.dtype == np.uint8
    assert digits.labels.dtype == np.uint8 and np.bincount(digits.labels).tolist() == [1000] * 10
    assert digits.classes == tuple("0123456789")
    assert digits.images.min() == 0 and digits.images.max() == 255
    assert len(np.unique(digits.images, axis=0)) > 9_990  # real, different digits


def test_digits_file_is_small_and_its_papers_agree():
    content = dataset.DIGITS_PATH.read_bytes()
    assert len(content) < 2e6
    papers = dataset.DIGITS_PATH.with_name("DIGITS_LICENSE.md").read_text(encoding="utf-8")
    train_images, train_labels = sources.IDX_SETS["mnist"].files["train"]
    for fact in (md5(content), f"{len(content):,} bytes", train_images.md5, train_labels.md5, "CC BY-SA 3.0"):
        assert fact in papers


@pytest.mark.parametrize("name", ["digits", "mnist"])
def test_loaded_arrays_cannot_be_changed_by_accident(name, folder):
    loaded = data.load(name, directory=None if name == "digits" else folder)
    for array in (loaded.images, loaded.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_digits_have_no_test_split_and_need_no_directory(tmp_path):
    with pytest.raises(DataError, match=r'only the split "train", not .test.\. Load "mnist"'):
        data.load("digits", split="test")
    with pytest.raises(OptionError, match="built in and read from no directory"):
        data.load("digits", directory=tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-1], lambda c: b"", lambda c: c[:99] + b"?" + c[100:], lambda c: b"no"]
)
def test_damaged_digits_file_is_refused(damage, tmp_path, monkeypatch):
    content = dataset.DIGITS_PATH.read_bytes()
    monkeypatch.setattr(dataset, "DIGITS_PATH", tmp_path / "digits.npz")
    dataset.DIGITS_PATH.write_bytes(damage(content))
    with pytest.raises(DataError, match=r"digits\.npz: the built-in digits are damaged.*Install minigan again"):
        data.load("digits")


def test_missing_digits_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "DIGITS_PATH", tmp_path / "digits.npz")
    with pytest.raises(DataError, match=r"digits\.npz: cannot be read.*part of minigan: install minigan again"):
        data.load("digits")


def test_make_digits_takes_the_first_of_each_class_and_is_reproducible(folder, mnist, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(make_digits, "PER_CLASS", 2)
    files = [tmp_path / "one.npz", tmp_path / "two.npz"]
    for file in files:
        make_digits.main(["--mnist-dir", str(folder), "--out", str(file)])
    assert files[0].read_bytes() == files[1].read_bytes()
    assert f"MD5 {md5(files[0].read_bytes())}" in capsys.readouterr().out
    images, labels = mnist.arrays["train"]
    kept = [i for i, label in enumerate(labels) if np.count_nonzero(labels[:i] == label) < 2]
    with np.load(files[0], allow_pickle=False) as made:
        np.testing.assert_array_equal(made["images"], images[kept, :, :, None])
        np.testing.assert_array_equal(made["labels"], labels[kept])


def test_make_digits_reports_missing_files_without_a_traceback(mnist, tmp_path):
    with pytest.raises(SystemExit, match=r"make_digits: mnist: train-images.*missing"):
        make_digits.main(["--mnist-dir", str(tmp_path), "--out", str(tmp_path / "digits.npz")])
    assert not list(tmp_path.iterdir())


# --- names, and reading a folder ---------------------------------------------------------------------------------


def test_names():
    stacked = ("stacked-digits", "stacked-mnist")
    grey, colour, own = ("digits", "mnist", "fashion-mnist"), ("cifar10", "svhn"), ("folder", "idx", "array")
    assert (*grey, *colour, *stacked, *own) == data.NAMES


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mnst", r"Did you mean 'mnist'"),
        ("MNIST", r"Did you mean 'mnist'"),
        ("fashion_mnist", r"Did you mean 'fashion-mnist'"),
        ("CIFAR-10", r"Did you mean 'cifar10'"),
        ("digit", r"Did you mean 'digits'"),
        ("zzz", r"expected one of 'digits', .* 'svhn', .* 'folder', 'idx', 'array'\.$"),
        (None, r"unknown data set None"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(name, hint):
    with pytest.raises(OptionError, match=hint):
        data.load(name)


def test_unknown_split():
    with pytest.raises(
        OptionError, match=r"unknown split 'training': expected .*'train', 'test'\. Did you mean 'train'"
    ):
        data.load("digits", split="training")


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_a_folder_is_read(name, split, mnist, fashion, tmp_path):
    fake = {"mnist": mnist, "fashion-mnist": fashion}[name]
    loaded = data.load(name, directory=str(fake.write(tmp_path / "files")), split=split)
    images, labels = fake.arrays[split]
    np.testing.assert_array_equal(loaded.images, images[..., None])
    np.testing.assert_array_equal(loaded.labels, labels)
    assert (loaded.name, loaded.split, len(loaded)) == (name, split, SPLIT_SIZES[split])
    assert loaded.classes == fake.entry.classes


@pytest.mark.parametrize("form", ["{0}", "{0}.gz", "dotted", "dotted.gz"])
def test_every_name_in_use_is_found(form, mnist, tmp_path):
    for name in FILE_NAMES["train"]:
        content = mnist.gz[name] if form.endswith(".gz") else mnist.raw[name]
        written = form.format(name).replace("dotted", name.replace("-idx", ".idx"))
        (tmp_path / written).write_bytes(content)
    np.testing.assert_array_equal(data.load("mnist", tmp_path).labels, mnist.arrays["train"][1])


def test_content_counts_and_not_how_it_was_packed(folder, mnist):
    name = "train-images-idx3-ubyte"
    repacked = gzip.compress(mnist.raw[name], compresslevel=0, mtime=7)
    assert md5(repacked) != mnist.entry.files["train"][0].gz_md5
    (folder / f"{name}.gz").write_bytes(repacked)
    assert len(data.load("mnist", folder)) == 30


def test_dataset_is_frozen_compares_by_identity_and_has_a_short_repr(folder):
    one, other = data.load("mnist", folder), data.load("mnist", folder)
    assert one == one and one != other
    assert repr(one) == "Dataset('mnist', split='train', images uint8 (30, 5, 4, 1))"
    with pytest.raises(FrozenInstanceError):
        one.name = "other"


def test_the_tables_are_well_formed():
    files = [file for s in sources.IDX_SETS.values() for pair in s.files.values() for file in pair]
    sums = [md5 for file in files for md5 in (file.md5, file.gz_md5)]
    assert len(set(sums)) == len(sums) == 16
    assert all(len(md5) == 32 and set(md5) <= set("0123456789abcdef") for md5 in sums)
    assert all(mirror.endswith("/") for s in sources.IDX_SETS.values() for mirror in s.mirrors)
    assert sources.identify("f4a8712d7a061bf5bd6d2ca38dc4d50a") == "the fashion-mnist train images file"


# --- files that are missing or wrong -----------------------------------------------------------------------------


def refused(folder, match, split="train"):
    with pytest.raises(DataError, match=match) as caught:
        data.load("mnist", folder, split=split)
    return caught.value


def test_missing_files_are_named_with_what_is_there(mnist, tmp_path):
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "notes.txt").touch()
    message = str(refused(tmp_path, "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz missing in the folder"))
    assert str(tmp_path) in message and "It holds MNIST/, notes.txt." in message and "--data-dir" in message


def test_one_missing_file_among_many(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    for i in range(20):
        (folder / f"a{i:02}").touch()
    refused(folder, r"mnist: t10k-labels-idx1-ubyte.gz missing.*It holds a00,.*a09, and 13 more\.", split="test")
    assert len(data.load("mnist", folder, split="train")) == 30


def test_empty_folder(mnist, tmp_path):
    refused(tmp_path, "It holds nothing")


def test_folder_that_does_not_exist_or_is_a_file(mnist, tmp_path):
    refused(tmp_path / "nowhere", "cannot read the folder .*nowhere.*Give an existing folder")
    (tmp_path / "file").touch()
    refused(tmp_path / "file", "cannot read the folder .*file.*Give an existing folder")


def test_folder_in_place_of_a_file_counts_as_missing(folder):
    (folder / "train-images-idx3-ubyte.gz").unlink()
    (folder / "train-images-idx3-ubyte").mkdir()
    refused(folder, "train-images-idx3-ubyte.gz missing.*train-images-idx3-ubyte/")


def test_unreadable_file(folder, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(reading, "open", refuse, raising=False)
    error = refused(folder, r"train-images-idx3-ubyte\.gz: cannot be read: Permission denied. Check its permissions")
    assert isinstance(error.__cause__, PermissionError)


def damage_gz(folder, change, name="train-images-idx3-ubyte"):
    path = folder / f"{name}.gz"
    path.write_bytes(change(path.read_bytes()))


def damage_raw(folder, mnist, change, name="train-images-idx3-ubyte"):
    (folder / f"{name}.gz").write_bytes(gzip.compress(change(mnist.raw[name])))


@pytest.mark.parametrize("length", [3, 11, 100, -1, -8])
def test_truncated_gzip(folder, length):
    damage_gz(folder, lambda content: content[:length])
    refused(folder, r"train-images-idx3-ubyte\.gz: the gzip file is truncated.*Replace it by the official file")


def test_gzip_with_a_wrong_crc(folder):
    damage_gz(folder, lambda content: content[:-8] + b"0000" + content[-4:])
    refused(folder, "not a sound gzip file.*CRC")


def test_gzip_with_a_damaged_stream(folder):
    damage_gz(folder, lambda content: content[:10] + b"\xff" * 40 + content[50:])
    refused(folder, "not a sound gzip file.*Replace it by the official file")


def test_gzip_followed_by_rubbish(folder):
    damage_gz(folder, lambda content: content + b"rubbish")
    refused(folder, "not a sound gzip file")


def test_html_page_in_place_of_a_gzip_file(folder):
    damage_gz(folder, lambda content: b"<html>404</html>")
    refused(folder, "not a sound gzip file.*Not a gzipped file")


def test_empty_file(folder):
    damage_gz(folder, lambda content: b"")
    refused(folder, "truncated: 0 bytes, expected 616")


@pytest.mark.parametrize("length", [3, 15])
def test_idx_truncated_in_its_header(folder, mnist, length):
    damage_raw(folder, mnist, lambda content: content[:length])
    refused(folder, f"expected the mnist train images file, but it is truncated: {length} bytes, expected 616")


def test_idx_truncated_in_its_content(folder, mnist):
    damage_raw(folder, mnist, lambda content: content[:-1])
    refused(folder, "truncated: 615 bytes, where its header promises 616")


def test_idx_longer_than_its_header_says(folder, mnist):
    damage_raw(folder, mnist, lambda content: content + b"0")
    refused(folder, "longer than the 616 bytes that its header promises")


def test_wrong_magic_number(folder, mnist):
    damage_raw(folder, mnist, lambda content: b"\x00\x00\x0d\x03" + content[4:])
    refused(folder, r"no idx file of unsigned bytes: magic number 3331, expected 2051 \(images\)")


@pytest.mark.parametrize("shape", [(29, 5, 4), (30, 4, 5), (2**32 - 1,) * 3])
def test_header_of_another_shape(folder, mnist, shape):
    damage_raw(folder, mnist, lambda content: content[:4] + struct.pack(">3I", *shape) + content[16:])
    refused(folder, r"its header says shape \(\d+, \d+, \d+\), expected \(30, 5, 4\)")


def test_one_changed_pixel(folder, mnist):
    damage_raw(folder, mnist, lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    refused(folder, f"its content was changed: MD5 [0-9a-f]+, expected {mnist.entry.files['train'][0].md5}")


def test_images_as_labels(folder, mnist):
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(mnist.gz["train-images-idx3-ubyte"])
    refused(folder, r"expected the mnist train labels file, but it is an idx file of images: magic number 2051")


def test_labels_as_images(folder, mnist):
    labels = idx_bytes(np.arange(50, dtype=np.uint8))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(labels))
    refused(folder, r"it is an idx file of labels: magic number 2049, expected 2051 \(images\)")


def test_test_images_as_training_images(folder, mnist):
    (folder / "train-images-idx3-ubyte.gz").write_bytes(mnist.gz["t10k-images-idx3-ubyte"])
    refused(folder, "expected the mnist train images file, but this is the mnist test images file")


def test_fashion_mnist_in_the_mnist_folder(mnist, fashion, tmp_path):
    refused(fashion.write(tmp_path / "files"), "expected the mnist train images file, but this is the fashion-mnist tr")


def test_decompression_bomb_is_not_unpacked(folder, monkeypatch):
    asked = []

    class Counting(gzip.GzipFile):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(reading.gzip, "GzipFile", Counting)
    bomb = gzip.compress(bytes(10_000_000))
    (folder / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    refused(folder, "no idx file of unsigned bytes: magic number 0")
    assert asked == [617]


# --- the cache and the download ----------------------------------------------------------------------------------


@pytest.fixture
def mirror(monkeypatch):
    yield from local_mirror(monkeypatch)


@pytest.fixture
def mirrored(mnist, mirror, monkeypatch, cache):
    """The fake mnist with two mirrors, /a/ and /b/, that offer nothing as yet."""
    entry = replace(mnist.entry, mirrors=(f"{mirror.url}/a/", f"{mirror.url}/b/"))
    monkeypatch.setitem(sources.IDX_SETS, "mnist", entry)
    return mnist


def download_refused(match, split="train"):
    with pytest.raises(DataError, match=match) as caught:
        data.load("mnist", split=split)
    message = str(caught.value)
    assert "directory=" in message and "--data-dir" in message and '"digits"' in message
    assert caught.value.__cause__ is not None
    return message


def test_download_into_the_cache_and_no_second_download(mirrored, mirror, cache, capfd):
    mirror.offer("a", mirrored.gz)
    loaded = data.load("mnist")
    np.testing.assert_array_equal(loaded.images, mirrored.arrays["train"][0][..., None])
    assert names_in(cache) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert len(mirror.asked) == 2
    data.load("mnist")
    assert len(mirror.asked) == 2
    assert len(data.load("mnist", split="test")) == 12
    assert mirror.asked[2:] == ["/a/t10k-images-idx3-ubyte.gz", "/a/t10k-labels-idx1-ubyte.gz"]
    out, err = capfd.readouterr()
    assert out == "" and "t10k-images-idx3-ubyte.gz: " in err  # the progress bar


def test_second_mirror_where_the_first_lacks_the_file(mirrored, mirror, cache):
    mirror.offer("b", mirrored.gz)
    assert len(data.load("mnist")) == 30
    assert [path[:2] for path in mirror.asked] == ["/a", "/b", "/a", "/b"]
    assert len(names_in(cache)) == 2


@pytest.mark.parametrize("answer", [broken_off, lambda content: whole(content[:-1] + b"?")])
def test_second_mirror_where_the_first_sends_a_damaged_file(mirrored, mirror, cache, answer):
    mirror.offer("a", mirrored.gz, answer)
    mirror.offer("b", mirrored.gz)
    assert len(data.load("mnist")) == 30
    assert names_in(cache) == ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]


def test_no_mirror_has_the_file(mirrored, mirror, cache):
    message = download_refused("cannot download train-images-idx3-ubyte.gz")
    for folder in "ab":
        assert f"{mirror.url}/{folder}/train-images-idx3-ubyte.gz: HTTP status 404 Not Found" in message
    assert names_in(cache) == []


def test_wrong_sum(mirrored, mirror, cache):
    for folder in "ab":
        mirror.offer(folder, mirrored.gz, lambda content: whole(b"<html>log in first</html>"))
    download_refused(r"(?s)/a/train.*does not match.*/b/train.*does not match the known hash")
    assert names_in(cache) == []


def test_truncated_body(mirrored, mirror, cache):
    for folder in "ab":
        mirror.offer(folder, mirrored.gz, broken_off)
    interrupted = "connection failed or was interrupted"
    download_refused(rf"(?s)/a/train.*{interrupted}.*/b/train.*{interrupted}")
    assert names_in(cache) == []


def test_connection_refused(mirrored, mirror, cache):
    mirror.close()
    download_refused("the connection failed or was interrupted")
    assert names_in(cache) == []


def test_no_answer_in_time(mirrored, mirror, cache, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.1)
    for folder in "ab":
        mirror.offer(folder, mirrored.gz, lambda content: lambda handler: time.sleep(0.4))
    download_refused("no answer within 0.1 s")
    assert names_in(cache) == []


def test_interrupted_download_leaves_nothing(mirrored, mirror, cache, monkeypatch):
    def interrupt(*arguments, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.core.hash_matches", interrupt)
    mirror.offer("a", mirrored.gz)
    with pytest.raises(KeyboardInterrupt):
        data.load("mnist")
    assert names_in(cache) == []


def test_failed_download_leaves_the_other_files_of_the_cache_alone(mirrored, mirror, cache):
    cache.mkdir(parents=True)
    images = cache / "train-images-idx3-ubyte.gz"
    images.write_bytes(mirrored.gz["train-images-idx3-ubyte"])
    download_refused("cannot download train-labels-idx1-ubyte.gz")
    assert names_in(cache) == [images.name]
    assert images.read_bytes() == mirrored.gz["train-images-idx3-ubyte"]


def test_failed_download_does_not_destroy_an_older_file(mirror, tmp_path):
    (tmp_path / "file.gz").write_bytes(b"older")
    mirror.offer("a", {"file": b"something else"})
    with pytest.raises(DataError, match=r"cannot download file\.gz"):
        download.fetch("file.gz", md5(b"right"), (f"{mirror.url}/a/",), tmp_path)
    assert names_in(tmp_path) == ["file.gz"] and (tmp_path / "file.gz").read_bytes() == b"older"
    mirror.offer("a", {"file": b"right"})
    assert download.fetch("file.gz", md5(b"right"), (f"{mirror.url}/a/",), tmp_path).read_bytes() == b"right"


def test_damaged_file_in_the_cache_is_refused_and_kept(mirrored, mirror, cache):
    cache.parent.mkdir()
    mirrored.write(cache)
    damage_gz(cache, lambda content: content[:-1])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: the gzip file is truncated.*Replace it by"):
        data.load("mnist")
    assert mirror.asked == [] and len(names_in(cache)) == 4


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path))
    assert download.cache_folder("mnist") == tmp_path / "mnist"
    monkeypatch.delenv("MINIGAN_CACHE")
    assert download.cache_folder("mnist").parts[-2:] == ("minigan", "mnist")


def test_cache_that_cannot_be_written_to(mirrored, cache):
    cache.parent.write_text("a file where the folder should be")
    with pytest.raises(FileError, match=r"cannot write to the cache folder .*MINIGAN_CACHE"):
        data.load("mnist")


def test_pooch_is_silent_and_may_log_again_afterwards(mirrored, mirror):
    records, handler = [], logging.Handler()
    handler.emit = records.append
    logger = pooch.get_logger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        mirror.offer("b", mirrored.gz)
        data.load("mnist")
        assert records == [] and logger.level == logging.DEBUG
        mirror.pages.clear()
        download_refused("cannot download", split="test")
        assert records == [] and logger.level == logging.DEBUG
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_progress_bar_counts_the_bytes(mirrored, mirror, monkeypatch):
    bars = []

    class Bar(download.tqdm):
        def close(self):
            bars.append((self.desc, self.n, self.total))
            super().close()

    monkeypatch.setattr(download, "tqdm", Bar)
    mirror.offer("a", mirrored.gz)
    data.load("mnist")
    for name in FILE_NAMES["train"]:
        size = len(mirrored.gz[name])
        assert (f"{name}.gz", size, size) in bars


# --- scale -------------------------------------------------------------------------------------------------------

DTYPES = ["float16", "float32", "float64"]
BYTES = np.arange(256, dtype=np.uint8)


def test_scale_by_hand():
    np.testing.assert_array_equal(data.scale(np.array([0, 51, 255], np.uint8), 0, 1, "float64"), [0, 0.2, 1])
    np.testing.assert_allclose(
        data.scale(np.array([0, 127, 128, 255], np.uint8)), [-1, -1 / 255, 1 / 255, 1], atol=1e-7
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("range_", [(-1, 1), (0, 1), (np.float64(-1), np.float64(1))])
def test_scale_keeps_the_dtype_and_reaches_both_ends(range_, dtype):
    scaled = data.scale(BYTES, *range_, dtype=dtype)
    assert scaled.dtype == dtype
    assert (scaled[0], scaled[-1]) == range_
    assert BYTES.tolist() == list(range(256))


@given(
    st.lists(st.integers(0, 255), min_size=1, max_size=50),
    st.floats(-100, 100),
    st.floats(0.01, 100),
    st.sampled_from(["float32", "float64"]),
)
def test_scale_can_be_undone(values, low, width, dtype):
    images, high = np.array(values, np.uint8), low + width
    scaled = data.scale(images, low, high, dtype)
    slack = 4 * np.finfo(dtype).eps * max(abs(low), abs(high))
    assert scaled.min() >= low - slack and scaled.max() <= high + slack
    back = (scaled.astype(np.float64) - low) * 255 / width
    np.testing.assert_allclose(back, values, atol=0.49 if slack * 255 / width < 0.4 else 255 * slack / width)


@pytest.mark.parametrize("images", [np.zeros(3, np.float32), np.zeros(3, np.int64), np.zeros(3, bool), [0, 255]])
def test_scale_refuses_what_is_not_bytes(images):
    with pytest.raises(DtypeError, match=r"scale: expected a uint8 array.*got (float32|int64|bool|list).*round"):
        data.scale(images)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool", "complex64", "float33", None, object])
def test_scale_and_batches_refuse_other_dtypes(dtype):
    with pytest.raises(DtypeError, match="expected a floating-point dtype"):
        data.scale(BYTES, dtype=dtype)
    with pytest.raises(DtypeError, match="expected a floating-point dtype"):
        data.batches(numbered(4), 2, np.random.default_rng(0), dtype=dtype)


@pytest.mark.parametrize(("low", "high"), [(1, -1), (0, 0), (np.nan, 1), (0, np.inf)])
def test_scale_and_batches_refuse_empty_ranges(low, high):
    with pytest.raises(OptionError, match="expected finite numbers low < high"):
        data.scale(BYTES, low, high)
    with pytest.raises(OptionError, match="expected finite numbers low < high"):
        data.batches(numbered(4), 2, np.random.default_rng(0), low, high)


# --- batches -----------------------------------------------------------------------------------------------------


def numbered(n, dtype=np.uint8):
    """n images of 2 x 1 pixels and one channel, all of them different for n <= 256**2."""
    numbers = np.arange(n)
    return np.stack([numbers // 256, numbers % 256], axis=1).reshape(n, 2, 1, 1).astype(dtype)


def numbers_of(batch):
    pixels = np.rint((batch.reshape(-1, 2).astype(np.float64) + 1) * 127.5).astype(int)
    return (pixels @ [256, 1]).tolist()


@given(st.integers(1, 400), st.data(), st.integers(0, 2**32), st.sampled_from(["float32", "float64"]))
def test_an_epoch_shows_no_image_twice_and_only_full_batches(n, draw, seed, dtype):
    batch_size = draw.draw(st.integers(1, n))
    epoch = list(data.batches(numbered(n), batch_size, np.random.default_rng(seed), dtype=dtype))
    assert len(epoch) == n // batch_size
    assert all(batch.shape == (batch_size, 2, 1, 1) and batch.dtype == dtype for batch in epoch)
    seen = [number for batch in epoch for number in numbers_of(batch)]
    assert len(seen) == len(set(seen)) and set(seen) <= set(range(n))


def test_batches_are_shuffled_and_reproducible():
    images = numbered(100)

    def epochs(seed, count=2):
        rng = np.random.default_rng(seed)
        return [np.concatenate(list(data.batches(images, 10, rng))) for _ in range(count)]

    np.testing.assert_array_equal(epochs(0), epochs(0))
    first, second = map(numbers_of, epochs(0))
    assert first != second and sorted(first) == sorted(second) == list(range(100))
    assert first != sorted(first) and first != numbers_of(epochs(1)[0])


def test_other_images_are_left_out_in_each_epoch():
    rng = np.random.default_rng(0)
    left_out = set()
    for _ in range(20):
        seen = {number for batch in data.batches(numbered(10), 4, rng) for number in numbers_of(batch)}
        assert len(seen) == 8
        left_out |= set(range(10)) - seen
    assert left_out == set(range(10))


def test_batches_scale_like_scale_and_leave_the_images_alone():
    images = numbered(64)
    kept = images.copy()
    order = np.random.default_rng(3).permutation(64)
    for i, batch in enumerate(data.batches(images, 16, np.random.default_rng(3), 0, 1, "float64")):
        np.testing.assert_array_equal(batch, data.scale(images[order[16 * i : 16 * i + 16]], 0, 1, "float64"))
        batch[...] = 7
    np.testing.assert_array_equal(images, kept)


def test_the_order_is_drawn_at_the_call():
    rng = np.random.default_rng(0)
    first = data.batches(numbered(50), 50, rng)
    rng.random()
    expected = next(data.batches(numbered(50), 50, np.random.default_rng(0)))
    np.testing.assert_array_equal(next(first), expected)


@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_float_images_are_handed_out_unscaled(stored, dtype):
    images = np.linspace(-3, 5, 24).astype(stored).reshape(12, 2, 1, 1)
    epoch = list(data.batches(images, 4, np.random.default_rng(0), dtype=dtype))
    assert all(batch.dtype == dtype for batch in epoch)
    np.testing.assert_array_equal(np.sort(np.concatenate(epoch), axis=0), images.astype(dtype))
    epoch[0][...] = 9
    assert images.max() == 5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_float_images_must_be_finite(bad):
    images = np.zeros((6, 2, 3, 1), np.float32)
    images[4, 1, 2, 0] = images[5, 0, 0, 0] = bad
    with pytest.raises(DataError, match=r"hold 2 values that are NaN or infinite, the first at index \(4, 1, 2, 0\)"):
        data.batches(images, 2, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("images", "batch_size", "error", "match"),
    [
        (numbered(0), 1, DataError, "there are no images: got uint8 of shape"),
        (np.zeros((3, 0, 4, 1), np.uint8), 1, DataError, "there are no images"),
        (numbered(5), 0, OptionError, "batch_size to be a whole number of at least 1, got 0"),
        (numbered(5), -1, OptionError, "at least 1, got -1"),
        (numbered(5), 2.0, OptionError, "whole number of at least 1, got 2.0"),
        (numbered(5), "2", OptionError, "whole number of at least 1, got '2'"),
        (numbered(5), True, OptionError, "whole number of at least 1, got True"),
        (numbered(5), 6, OptionError, "batch_size is 6, but there are only 5 images.*at most 5"),
        (np.zeros((5, 28, 28), np.uint8), 1, ShapeError, r"\(n, h, w, c\), got uint8 of shape \(5, 28, 28\).*newaxis"),
        ([[1, 2]], 1, ShapeError, "got list"),
        (numbered(5, np.int64), 1, DtypeError, r"uint8 \(0..255\) or floating point, got int64"),
    ],
)
def test_wrong_calls_are_refused_at_the_call(images, batch_size, error, match):
    with pytest.raises(error, match=match) as caught:
        data.batches(images, batch_size, np.random.default_rng(0))
    assert isinstance(caught.value, MiniganError)


@pytest.mark.parametrize("rng", [0, None, np.random])
def test_rng_must_be_a_generator(rng):
    with pytest.raises(OptionError, match=r"expected rng to be a numpy Generator.*default_rng\(seed\)"):
        data.batches(numbered(5), 2, rng)


def test_a_dataset_in_place_of_its_images(folder):
    with pytest.raises(ShapeError, match=r"got Dataset\. Pass the \.images of a Dataset"):
        data.batches(data.load("mnist", folder), 2, np.random.default_rng(0))


def test_numpy_integers_are_batch_sizes():
    assert len(list(data.batches(numbered(5), np.int64(2), np.random.default_rng(0)))) == 2


def test_the_order_is_moved_to_the_device_of_the_images(monkeypatch):
    moved = []
    monkeypatch.setattr(backend, "to_device", lambda x, xp: moved.append((type(x), xp)) or x)
    list(data.batches(numbered(6), 2, np.random.default_rng(0)))
    assert moved == [(np.ndarray, np)]


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_batches_on_the_gpu_are_those_on_the_cpu(dtype):
    cupy = pytest.importorskip("cupy")
    if not backend.gpu_available():
        pytest.skip("no CUDA device")
    images = numbered(50, dtype)
    on_cpu = data.batches(images, 8, np.random.default_rng(0))
    on_gpu = data.batches(cupy.asarray(images), 8, np.random.default_rng(0))
    for expected, batch in zip(on_cpu, on_gpu, strict=True):
        assert isinstance(batch, cupy.ndarray)
        np.testing.assert_allclose(batch.get(), expected, rtol=1e-6, atol=1e-6)
