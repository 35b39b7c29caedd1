"""CIFAR-10 and SVHN: the official layouts are read right, a part of a set is announced, what is damaged is refused.

The files are tiny fakes in the official layouts; the tables are shortened for the time of a test to the same sizes.
"""

import gzip
import io
import struct
import sys
import tarfile
import warnings
import zlib
from dataclasses import replace

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from data_helpers import broken_off, local_mirror, md5, names_in, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from minigan import data
from minigan.data import archives, cifar, matlab, reading, sources, svhn
from minigan.errors import DataError

FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"
TRAIN = [f"data_batch_{i}.bin" for i in range(1, 6)]
TEST = "test_batch.bin"
PER_FILE = 3  # records


class FakeCifar:
    """Six files of CIFAR-10 with PER_FILE records each: their images and labels, and their contents by name."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.images = {name: rng.integers(0, 256, (PER_FILE, 32, 32, 3), dtype=np.uint8) for name in [*TRAIN, TEST]}
        self.labels = {name: rng.integers(0, 10, PER_FILE, dtype=np.uint8) for name in self.images}
        self.contents = {name: self._content(name) for name in self.images}

    def _content(self, name):
        records = zip(self.labels[name], self.images[name], strict=True)
        return b"".join(
            bytes([label]) + b"".join(image[:, :, c].tobytes() for c in range(3)) for label, image in records
        )

    def write(self, folder, names=(*TRAIN, TEST)):
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (folder / name).write_bytes(self.contents[name])
        return folder

    def archive(self):
        return tar_gz({f"{FOLDER}/{name}": content for name, content in self.contents.items()})

    def check(self, loaded, names=TRAIN):
        np.testing.assert_array_equal(loaded.images, np.concatenate([self.images[name] for name in names]))
        np.testing.assert_array_equal(loaded.labels, np.concatenate([self.labels[name] for name in names]))


def tar_gz(contents, *members):
    """A .tar.gz of a folder, the files in `contents` and the TarInfos in `members`."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(tar_member(FOLDER, tarfile.DIRTYPE))
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        for member in members:
            tar.addfile(member)
    return gzip.compress(stream.getvalue(), mtime=0)


def tar_member(name, kind, link=""):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.fixture
def cifar10(monkeypatch):
    fake = FakeCifar()
    files = {
        split: tuple(replace(file, records=PER_FILE, md5=md5(fake.contents[file.name])) for file in files)
        for split, files in sources.CIFAR10.files.items()
    }
    table = replace(sources.CIFAR10, files=files, archive_md5=md5(fake.archive()))
    monkeypatch.setattr(sources, "CIFAR10", table)
    return fake


@pytest.fixture
def folder(cifar10, tmp_path):
    return cifar10.write(tmp_path / FOLDER)


def mat_bytes(compress=True, **variables):
    stream = io.BytesIO()
    scipy.io.savemat(stream, variables, do_compression=compress)
    return stream.getvalue()


class FakeSvhn:
    """Both files of SVHN with 12 training and 5 test images; every label is there in the training file."""

    def __init__(self):
        rng = np.random.default_rng(2)
        self.x = {
            split: rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8) for split, n in (("train", 12), ("test", 5))
        }
        self.y = {split: (np.arange(x.shape[3], dtype=np.uint8) % 10 + 1)[:, None] for split, x in self.x.items()}
        self.contents = {f"{split}_32x32.mat": mat_bytes(X=self.x[split], y=self.y[split]) for split in self.x}


@pytest.fixture
def fake_svhn(monkeypatch):
    fake = FakeSvhn()
    files = {
        split: replace(file, images=fake.x[split].shape[3], md5=md5(fake.contents[file.name]))
        for split, file in sources.SVHN.files.items()
    }
    monkeypatch.setattr(sources, "SVHN", replace(sources.SVHN, files=files))
    return fake


@pytest.fixture
def mat_folder(fake_svhn, tmp_path):
    for name, content in fake_svhn.contents.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def load_whole(name, directory=None, split="train"):
    """Load what must be complete: a notice would be an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return data.load(name, directory, split)


def load_part(match, name, directory, split="train"):
    with pytest.warns(data.PartialDataWarning, match=match) as caught:
        loaded = data.load(name, directory, split)
    assert len(caught) == 1 and "load_part" not in str(caught[0].message)
    assert caught[0].filename == __file__  # the notice points to the caller
    return loaded


def load_other(name, directory, split="train", match="not the official file"):
    """Load files that are complete, but not the official ones: that is said once."""
    with pytest.warns(data.UnofficialDataWarning, match=match) as caught:
        loaded = data.load(name, directory, split)
    assert len(caught) == 1 and caught[0].filename == __file__
    return loaded


def refused(name, directory, match, split="train"):
    with pytest.raises(DataError, match=match) as caught:
        data.load(name, directory, split)
    return caught.value


# files that are not the official ones


def noise(size):
    return np.random.default_rng(3).integers(0, 256, size, dtype=np.uint8)


def test_cifar_files_of_noise_are_announced(folder):
    content = bytearray(noise(PER_FILE * cifar.RECORD))
    content[:: cifar.RECORD] = bytes(PER_FILE)  # sound labels
    (folder / TEST).write_bytes(content)
    loaded = load_other("cifar10", folder, "test", rf"{TEST} has the MD5 {md5(content)}")
    assert loaded.images.shape == (PER_FILE, 32, 32, 3)
    load_whole("cifar10", folder, "train")
    for name in TRAIN[:3]:
        (folder / name).write_bytes(content)
    load_other("cifar10", folder, "train", r"data_batch_1\.bin has the MD5 .*; 2 more files are not official")


def test_one_changed_bit_of_a_cifar_image_is_announced(cifar10, folder):
    content = bytearray(cifar10.contents[TEST])
    content[1000] ^= 1
    (folder / TEST).write_bytes(content)
    load_other("cifar10", folder, "test")


def test_a_part_and_another_file_are_both_announced(cifar10, folder):
    (folder / TRAIN[0]).write_bytes(cifar10.contents[TRAIN[0]][: cifar.RECORD])
    (folder / TRAIN[1]).write_bytes(cifar10.contents[TEST])
    with pytest.warns() as caught:
        data.load("cifar10", folder)
    kinds = [data.PartialDataWarning, data.UnofficialDataWarning]
    assert [warning.category for warning in caught] == kinds
    assert TRAIN[1] in str(caught[1].message) and TRAIN[0] not in str(caught[1].message)


def test_an_archive_packed_anew_is_official_by_what_is_in_it(cifar10, tmp_path):
    contents = {f"{FOLDER}/{name}": content for name, content in reversed(cifar10.contents.items())}
    repacked = tar_gz(contents)
    assert md5(repacked) != sources.CIFAR10.archive_md5
    (tmp_path / ARCHIVE).write_bytes(repacked)
    cifar10.check(load_whole("cifar10", tmp_path))


def test_a_mat_file_of_noise_is_announced(mat_folder, fake_svhn):
    content = mat_bytes(X=noise((32, 32, 3, 12)), y=fake_svhn.y["train"])
    (mat_folder / "train_32x32.mat").write_bytes(content)
    load_other("svhn", mat_folder, "train", rf"train_32x32\.mat has the MD5 {md5(content)}")
    load_whole("svhn", mat_folder, "test")


def test_mirrors_with_https_come_first():
    for table in (*sources.IDX_SETS.values(), sources.CIFAR10, sources.SVHN):
        schemes = [mirror.split(":")[0] for mirror in table.mirrors]
        assert schemes[0] == "https" and schemes == sorted(schemes, reverse=True)


def test_the_tables_are_well_formed():
    cifar_files = [file for files in sources.CIFAR10.files.values() for file in files]
    sums = [sources.CIFAR10.archive_md5, *(file.md5 for file in [*cifar_files, *sources.SVHN.files.values()])]
    assert all(len(md5) == 32 and set(md5) <= set("0123456789abcdef") for md5 in sums) and len(set(sums)) == 9
    assert all(mirror.endswith("/") for table in (sources.CIFAR10, sources.SVHN) for mirror in table.mirrors)
    records = {split: sum(file.records for file in files) for split, files in sources.CIFAR10.files.items()}
    assert records == {"train": 50_000, "test": 10_000}
    assert {split: file.images for split, file in sources.SVHN.files.items()} == {"train": 73_257, "test": 26_032}
    assert sources.CIFAR10.classes[0] == "airplane" and sources.CIFAR10.classes[9] == "truck"
    assert cifar.RECORD == 3073


# --- CIFAR-10 in a folder ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".", ".."])
@pytest.mark.parametrize(("split", "names"), [("train", TRAIN), ("test", [TEST])])
def test_the_folder_or_its_parent_is_read(place, split, names, cifar10, folder):
    loaded = load_whole("cifar10", str(folder / place), split)
    cifar10.check(loaded, names)
    assert (loaded.name, loaded.split, len(loaded)) == ("cifar10", split, PER_FILE * len(names))
    assert loaded.images.dtype == loaded.labels.dtype == np.uint8 and loaded.images.flags.c_contiguous
    assert loaded.classes == sources.CIFAR10.classes
    for array in (loaded.images, loaded.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_record_by_hand(cifar10, tmp_path):
    pixels = bytearray(3072)
    pixels[0], pixels[1024 + 1], pixels[2048 + 32] = 10, 20, 30
    (tmp_path / TEST).write_bytes(bytes([7]) + pixels)
    loaded = load_part("1 of the 3 images", "cifar10", tmp_path, "test")
    image = loaded.images[0]
    assert loaded.classes[loaded.labels[0]] == "horse"
    # red in the corner, green one to the right, blue one below
    assert image[0, 0].tolist() == [10, 0, 0] and image[0, 1].tolist() == [0, 20, 0]
    assert image[1, 0].tolist() == [0, 0, 30] and image.sum() == 60


def test_files_with_fewer_records_and_missing_files_are_announced(cifar10, folder):
    (folder / TRAIN[0]).write_bytes(cifar10.contents[TRAIN[0]][:3073])
    (folder / TRAIN[2]).unlink()
    (folder / TRAIN[4]).unlink()
    loaded = load_part(
        r'cifar10, split "train": .*cifar-10-batches-bin holds 7 of the 15 images, without data_batch_3\.bin and '
        r"data_batch_5\.bin\. .*--data-dir",
        "cifar10",
        folder,
    )
    images = [cifar10.images[TRAIN[0]][:1], cifar10.images[TRAIN[1]], cifar10.images[TRAIN[3]]]
    np.testing.assert_array_equal(loaded.images, np.concatenate(images))
    cifar10.check(load_whole("cifar10", folder, "test"), [TEST])


@pytest.mark.parametrize(("length", "whole_records", "over"), [(3072, 0, 3072), (3074, 1, 1), (2 * 3073 - 1, 1, 3072)])
def test_truncated_bin(length, whole_records, over, cifar10, folder):
    (folder / TRAIN[3]).write_bytes(cifar10.contents[TRAIN[3]][:length])
    refused(
        "cifar10",
        folder,
        rf"data_batch_4\.bin: truncated.* of 3,073 bytes, got {whole_records} and {over:,} bytes over.*official file",
    )


def test_empty_bin(folder):
    (folder / TRAIN[1]).write_bytes(b"")
    refused("cifar10", folder, r"data_batch_2\.bin: truncated.*got 0 and 0 bytes over")


@pytest.mark.parametrize("extra", [1, 3073])
def test_bin_larger_than_the_official_one(extra, cifar10, folder):
    (folder / TEST).write_bytes(cifar10.contents[TEST] + bytes(extra))
    refused("cifar10", folder, r"test_batch\.bin: larger than the official file, which has 3 records", "test")


def test_label_out_of_range(cifar10, folder):
    content = bytearray(cifar10.contents[TEST])
    content[2 * 3073] = 10
    (folder / TEST).write_bytes(content)
    refused("cifar10", folder, r"test_batch\.bin: damaged.*labels 0 to 9, got 10 in record 2", "test")


def test_unreadable_bin(folder, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(reading, "open", refuse, raising=False)
    error = refused("cifar10", folder, r"data_batch_1\.bin: cannot be read: Permission denied. Check its permissions")
    assert isinstance(error.__cause__, PermissionError)


def test_missing_files_are_named_with_what_is_there(cifar10, tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    refused("cifar10", tmp_path, r"data_batch_1\.bin \.\.\. data_batch_5\.bin missing.*It holds cifar-10-batches-py/\.")
    refused(
        "cifar10", tmp_path, r"cifar10: test_batch\.bin missing.*binary version \(not the Python.*--data-dir", "test"
    )
    refused("cifar10", tmp_path / "nowhere", "cannot read the folder .*nowhere.*Give an existing folder")


# --- CIFAR-10 in its archive -------------------------------------------------------------------------------------


def archive_in(folder, content):
    (folder / ARCHIVE).write_bytes(content)
    return folder


def archive_refused(folder, content, match):
    """A folder with this archive is refused, and nothing is written."""
    error = refused("cifar10", archive_in(folder, content), match)
    assert names_in(folder) == [ARCHIVE] and ARCHIVE in str(error)


@pytest.mark.parametrize(("split", "names"), [("train", TRAIN), ("test", [TEST])])
def test_the_archive_is_read_and_nothing_is_written(split, names, cifar10, tmp_path):
    cifar10.check(load_whole("cifar10", archive_in(tmp_path, cifar10.archive()), split), names)
    assert names_in(tmp_path) == [ARCHIVE]


def test_order_and_form_of_the_names_in_the_archive_do_not_matter(cifar10, tmp_path):
    contents = {f"./{FOLDER}/{name}": content for name, content in reversed(cifar10.contents.items())}
    contents["notes.txt"] = b"repacked"
    cifar10.check(load_whole("cifar10", archive_in(tmp_path, tar_gz(contents))))


def test_part_of_an_archive_is_announced(cifar10, tmp_path):
    archive_in(tmp_path, tar_gz({f"{FOLDER}/{TRAIN[4]}": cifar10.contents[TRAIN[4]]}))
    loaded = load_part(r"binary\.tar\.gz holds 3 of the 15 images, without data_batch_1\.bin and", "cifar10", tmp_path)
    cifar10.check(loaded, TRAIN[4:])
    refused("cifar10", tmp_path, r"test_batch\.bin missing in the folder .* of the archive. It holds .*batch_5", "test")


def test_unpacked_files_go_before_the_archive(cifar10, folder):
    archive_in(folder.parent, b"no archive")
    cifar10.check(load_whole("cifar10", folder.parent))


@pytest.mark.parametrize(
    "member",
    [
        tar_member("../evil.bin", tarfile.REGTYPE),
        tar_member(f"{FOLDER}/../../evil.bin", tarfile.REGTYPE),
        tar_member("..\\evil.bin", tarfile.REGTYPE),
        tar_member("/absolute/evil.bin", tarfile.REGTYPE),
        tar_member("C:\\evil.bin", tarfile.REGTYPE),
        tar_member("../folder", tarfile.DIRTYPE),
        tar_member(f"{FOLDER}/{TEST}", tarfile.SYMTYPE, "/etc/passwd"),
        tar_member(f"{FOLDER}/{TEST}", tarfile.LNKTYPE, f"{FOLDER}/{TRAIN[0]}"),
        tar_member(f"{FOLDER}/{TEST}", tarfile.CHRTYPE),
        tar_member(f"{FOLDER}/{TEST}", tarfile.BLKTYPE),
        tar_member(f"{FOLDER}/{TEST}", tarfile.FIFOTYPE),
    ],
    ids=lambda member: f"{member.type.decode()} {member.name}",
)
def test_unsafe_archives_are_refused(member, cifar10, tmp_path):
    contents = {f"{FOLDER}/{name}": cifar10.contents[name] for name in TRAIN}
    problem = "a link, a device or" if member.name.startswith(FOLDER + "/t") else "leads out of the folder"
    inner = tmp_path / "inner"
    inner.mkdir()
    archive_refused(inner, tar_gz(contents, member), f"holds .*{problem}.*refused")
    assert names_in(tmp_path) == ["inner"]


def test_archive_with_a_file_twice(cifar10, tmp_path):
    contents = {f"{prefix}{FOLDER}/{TRAIN[0]}": cifar10.contents[TRAIN[0]] for prefix in ("", "./")}
    archive_refused(tmp_path, tar_gz(contents), r"holds cifar-10-batches-bin/data_batch_1\.bin twice")


@pytest.mark.parametrize("kept", [5, 200, -1, -9])
def test_truncated_archive(kept, cifar10, tmp_path):
    archive_refused(tmp_path, cifar10.archive()[:kept], "the gzip file is truncated")


def test_archive_that_is_none(cifar10, tmp_path):
    archive_refused(tmp_path, b"<html>404</html>", "not a sound gzip file")
    archive_refused(tmp_path, gzip.compress(b"<html>404</html>" * 99), "not a sound tar archive")
    archive_refused(tmp_path, gzip.compress(b""), "not a sound tar archive")


def test_archive_with_a_changed_byte(cifar10, tmp_path):
    content = bytearray(cifar10.archive())
    content[len(content) // 2] ^= 1
    archive_refused(tmp_path, content, "not a sound gzip file")


def test_tar_cut_off_before_it_was_compressed(cifar10, tmp_path):
    tar = gzip.decompress(cifar10.archive())
    archive_refused(tmp_path, gzip.compress(tar[: 512 * 20 + 7]), "not a sound tar archive")


def test_damaged_header_in_the_middle_is_not_taken_for_the_end(cifar10, tmp_path):
    tar = bytearray(gzip.decompress(cifar10.archive()))
    tar[tar.index(TRAIN[2].encode())] ^= 1
    archive_refused(tmp_path, gzip.compress(tar), "not a sound tar archive .*damaged header at byte")


def test_negative_size_in_a_header(cifar10, tmp_path):
    member = tarfile.TarInfo(f"{FOLDER}/{TRAIN[0]}")
    header = bytearray(member.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"  # -256 in the base-256 form
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * 32)
    archive_refused(tmp_path, gzip.compress(bytes(header) + bytes(1024)), "not a sound tar archive.*negative size")


def test_damaged_record_in_the_archive_is_named(cifar10, tmp_path):
    archive = tar_gz({f"{FOLDER}/{TRAIN[1]}": cifar10.contents[TRAIN[1]][:-1]})
    archive_refused(tmp_path, archive, r"tar\.gz: cifar-10-batches-bin/data_batch_2\.bin: truncated")


def test_decompression_bomb_is_not_unpacked(cifar10, tmp_path, monkeypatch):
    monkeypatch.setattr(cifar, "ROOM", 1000)
    limit = 6 * PER_FILE * 3073 + 1000
    archive_refused(tmp_path, gzip.compress(bytes(10 * limit)), f"unpacks to more than the {limit:,} bytes")


TAR = gzip.decompress(tar_gz({f"{FOLDER}/{name}": bytes(600) for name in TRAIN}))


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, len(TAR) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.booleans())
def test_a_damaged_tar_is_read_or_refused_and_never_crashes(tmp_path_factory, changes, cut):
    tar = bytearray(TAR)
    for at, byte in changes:
        tar[at] = byte
    path = tmp_path_factory.getbasetemp() / "damaged.tar"
    path.write_bytes(tar[: changes[0][0]] if cut else tar)
    try:
        files = archives.read_files(path, len(TAR))
    except DataError as error:
        assert str(path) in str(error)
    else:
        assert all(len(content) <= len(TAR) for content in files.values())


# --- SVHN --------------------------------------------------------------------------------------------------------


def svhn_refused(folder, match, content=None, **variables):
    """The training file with this content, or made of these variables, is refused."""
    (folder / "train_32x32.mat").write_bytes(mat_bytes(**variables) if content is None else content)
    return refused("svhn", folder, rf"train_32x32\.mat: {match}")


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_mat_file_is_read(split, fake_svhn, mat_folder):
    loaded = load_whole("svhn", str(mat_folder), split)
    np.testing.assert_array_equal(loaded.images, np.transpose(fake_svhn.x[split], (3, 0, 1, 2)))
    np.testing.assert_array_equal(loaded.labels, [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2][: len(loaded)])
    assert (loaded.name, loaded.split, loaded.classes) == ("svhn", split, tuple("0123456789"))
    assert loaded.images.dtype == loaded.labels.dtype == np.uint8 and loaded.images.flags.c_contiguous
    for array in (loaded.images, loaded.labels):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_fewer_images_and_no_labels_are_announced(fake_svhn, mat_folder):
    path = mat_folder / "train_32x32.mat"
    path.write_bytes(mat_bytes(X=fake_svhn.x["train"][..., :7]))
    loaded = load_part(
        r'svhn, split "train": .*train_32x32\.mat holds 7 of the 12 images, without labels\.', "svhn", mat_folder
    )
    assert loaded.labels is None and len(loaded) == 7
    path.write_bytes(mat_bytes(X=fake_svhn.x["train"]))
    assert load_part("holds 12 of the 12 images, without labels", "svhn", mat_folder).labels is None
    path.write_bytes(mat_bytes(X=fake_svhn.x["train"][..., 9:10], y=[[10]]))
    assert load_part(r"holds 1 of the 12 images\.", "svhn", mat_folder).labels.tolist() == [0]


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "float64"])
def test_labels_in_other_forms(compress, dtype, fake_svhn, mat_folder):
    y = fake_svhn.y["train"].T.astype(dtype)
    content = mat_bytes(compress, notes="a text", X=fake_svhn.x["train"], y=y, cell=np.zeros((0, 0), object))
    (mat_folder / "train_32x32.mat").write_bytes(content)
    assert load_other("svhn", mat_folder).labels.tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]


X = np.zeros((32, 32, 3, 4), np.uint8)


@pytest.mark.parametrize(
    ("match", "variables"),
    [
        ("expected the images X, got only images, y", {"images": X, "y": np.ones((4, 1))}),
        ("expected the images X, got only nothing", {}),
        (r"expected images X of shape \(32, 32, 3, n\), got \(4, 32, 32, 3\)", {"X": X.transpose(3, 0, 1, 2)}),
        (r"expected images X of shape .* got \(32, 32\)", {"X": X[..., 0, 0]}),
        (r"expected images X of shape .* got \(32, 32, 3, 0\)", {"X": X[..., :0]}),
        ("13 images, more than the 12 of the official file", {"X": np.repeat(X[..., :1], 13, axis=3)}),
        ("expected images X in uint8, got int8", {"X": X.astype(np.int8)}),
        ("expected images X in uint8, got float64", {"X": X.astype(np.float64) / 255}),
        (r"expected labels y of shape \(4, 1\), got \(3, 1\)", {"X": X, "y": np.ones((3, 1))}),
        (r"expected labels y of shape \(4, 1\), got \(2, 2\)", {"X": X, "y": np.ones((2, 2))}),
        ("expected labels y of whole numbers 1 to 10", {"X": X, "y": np.array([[1], [2], [3], [0]])}),
        ("expected labels y of whole numbers 1 to 10", {"X": X, "y": np.array([[1], [2], [3], [11]])}),
        ("expected labels y of whole numbers 1 to 10", {"X": X, "y": np.array([[1], [2], [3], [1.5]])}),
        ("expected labels y of whole numbers 1 to 10", {"X": X, "y": np.array([[1], [2], [3], [np.nan]])}),
        ("not a sound MATLAB 5 file .*y is no array of real", {"X": X, "y": np.full((4, 1), 1 + 2j)}),
        ("not a sound MATLAB 5 file .*y is no array of real", {"X": X, "y": scipy.sparse.csc_matrix(np.ones((4, 1)))}),
        ("not a sound MATLAB 5 file .*y is no array of real", {"X": X, "y": "1234"}),
    ],
)
def test_wrong_variables(match, variables, mat_folder):
    svhn_refused(mat_folder, match, **variables)


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("kept", [0, 100, 130, 180, 5000, -1, -30])
def test_truncated_mat(kept, compress, fake_svhn, mat_folder):
    content = mat_bytes(compress, X=fake_svhn.x["train"], y=fake_svhn.y["train"])
    error = svhn_refused(mat_folder, "not a sound MATLAB 5 file.*Is it truncated.*official file", content[:kept])
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    "content",
    [b"<html>404</html>" * 99, mat_bytes(X=X)[:124] + b"\0\2IM" + bytes(999), b"\0" + mat_bytes(X=X)[1:]],
    ids=["HTML", "MATLAB 7.3", "MATLAB 4"],
)
def test_file_of_another_kind(content, mat_folder):
    svhn_refused(mat_folder, "not a sound MATLAB 5 file .*does not start like one", content)


def test_compressed_mat_with_a_changed_byte(fake_svhn, mat_folder):
    content = bytearray(fake_svhn.contents["train_32x32.mat"])
    content[len(content) // 2] ^= 1
    svhn_refused(mat_folder, r"not a sound MATLAB 5 file \(error: .*incorrect", content)


@pytest.mark.parametrize(
    ("at", "byte"), [(0, 0), (145, 0x48), (184, 183), (185, 75), (187, 1), (176, 200), (152, 99), (144, 1)]
)
def test_damaged_headers_that_may_crash_scipy(at, byte, fake_svhn, mat_folder):
    content = bytearray(mat_bytes(False, X=fake_svhn.x["train"], y=fake_svhn.y["train"]))
    content[at] = byte
    svhn_refused(mat_folder, "not a sound MATLAB 5 file|expected the images X", content)


def test_compressed_element_that_is_no_variable(mat_folder):
    packed = zlib.compress(struct.pack("<II", 13, 8) + bytes(99))
    content = mat_bytes(X=X)[:128] + struct.pack("<II", 15, len(packed)) + packed
    svhn_refused(mat_folder, "not a sound MATLAB 5 file .*unknown compressed element", content)


def test_mat_with_a_variable_twice(mat_folder):
    content = mat_bytes(X=X)
    svhn_refused(mat_folder, "not a sound MATLAB 5 file .*two variables X", content + content[128:])


def element(order, kind, content):
    """An element of a MATLAB 5 file."""
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def test_images_without_axes(mat_folder):
    parts = ((6, struct.pack("<II", 9, 0)), (5, b""), (1, b"X"), (2, b"\1"))
    matrix = element("<", 14, b"".join(element("<", *part) for part in parts))
    svhn_refused(mat_folder, r"expected images X of shape .* got \(\)", mat_bytes(X=X)[:128] + matrix)


def test_big_endian_mat():
    parts = ((6, struct.pack(">II", 9, 0)), (5, struct.pack(">ii", 2, 1)), (1, b"y"), (2, b"\1\2"))
    matrix = element(">", 14, b"".join(element(">", *part) for part in parts))
    content = b"MATLAB 5.0".ljust(124) + b"\1\0MI" + matrix
    assert matlab.shapes(content, ("y",)) == {"y": (2, 1)}
    assert scipy.io.loadmat(io.BytesIO(content))["y"].tolist() == [[1], [2]]
    packed = zlib.compress(matrix)
    assert matlab.shapes(content[:128] + struct.pack(">II", 15, len(packed)) + packed, ("y",)) == {"y": (2, 1)}


def test_mat_bomb_is_not_unpacked(mat_folder, monkeypatch):
    monkeypatch.setattr(scipy.io, "loadmat", lambda *arguments, **options: pytest.fail("unpacked"))
    svhn_refused(mat_folder, "500 images, more than the 12", X=np.zeros((32, 32, 3, 500), np.uint8))


def test_mat_larger_than_any_official_one(mat_folder, monkeypatch):
    monkeypatch.setattr(svhn, "ROOM", 10)
    svhn_refused(mat_folder, "larger than the 36,874 bytes", bytes(40_000))


SMALL_MAT = {compress: mat_bytes(compress, X=X[..., :1], y=[[3]]) for compress in (False, True)}


@settings(max_examples=100)
@given(
    st.booleans(),
    st.lists(st.tuples(st.integers(0, 200) | st.integers(-60, -1), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_a_damaged_mat_is_read_or_refused_and_never_crashes(tmp_path_factory, compress, changes):
    content = bytearray(SMALL_MAT[compress])
    for at, byte in changes:
        content[at % len(content)] = byte
    (tmp_path_factory.getbasetemp() / "train_32x32.mat").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.PartialDataWarning)
        try:
            loaded = data.load("svhn", tmp_path_factory.getbasetemp())
        except DataError as error:
            assert "train_32x32.mat: " in str(error)
        else:
            assert loaded.images.shape == (1, 32, 32, 3)


def test_missing_mat_file_is_named_with_what_is_there(mat_folder):
    (mat_folder / "test_32x32.mat").unlink()
    refused("svhn", mat_folder, r"svhn: test_32x32\.mat missing.*It holds train_32x32\.mat\..*--data-dir", "test")
    refused("svhn", mat_folder / "nowhere", "cannot read the folder .*nowhere.*Give an existing folder")


def test_without_scipy_the_extra_is_named_before_anything_is_downloaded(fake_svhn, mat_folder, mirror, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    for directory in (mat_folder, None):
        error = refused("svhn", directory, r'pip install "minigan\[svhn\]"')
        assert isinstance(error.__cause__, ImportError)
    assert mirror.asked == []


# --- the cache and the download ----------------------------------------------------------------------------------


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A mirror that offers nothing as yet, the only one of both data sets; the cache is empty."""
    monkeypatch.setenv("MINIGAN_CACHE", str(tmp_path / "cache"))
    for server in local_mirror(monkeypatch):
        monkeypatch.setattr(sources, "CIFAR10", replace(sources.CIFAR10, mirrors=(f"{server.url}/a/",)))
        monkeypatch.setattr(sources, "SVHN", replace(sources.SVHN, mirrors=(f"{server.url}/a/",)))
        yield server


@pytest.fixture(params=["cifar10", "svhn"])
def official(request, cifar10, fake_svhn):
    """(name of the data set, name of its training file, content)"""
    if request.param == "cifar10":
        return "cifar10", ARCHIVE, cifar10.archive()
    return "svhn", "train_32x32.mat", fake_svhn.contents["train_32x32.mat"]


def test_download_into_the_cache_and_no_second_download(official, mirror, tmp_path):
    name, file, content = official
    mirror.offer("a", {file: content}, ending="")
    first, second = load_whole(name), load_whole(name)
    np.testing.assert_array_equal(first.images, second.images)
    assert mirror.asked == [f"/a/{file}"] and names_in(tmp_path / "cache" / name) == [file]
    assert (tmp_path / "cache" / name / file).read_bytes() == content


@pytest.mark.parametrize("answer", [broken_off, lambda content: whole(content[:-1] + b"?")])
def test_damaged_download_leaves_nothing(answer, official, mirror, tmp_path):
    name, file, content = official
    mirror.offer("a", {file: content}, answer, ending="")
    refused(name, None, rf"cannot download {file}:\n.*(was interrupted|does not match)")
    assert names_in(tmp_path / "cache" / name) == []


def test_part_of_a_set_is_no_download(cifar10, mirror, tmp_path):
    part = tar_gz({f"{FOLDER}/{TRAIN[0]}": cifar10.contents[TRAIN[0]]})
    mirror.offer("a", {ARCHIVE: part}, ending="")
    refused("cifar10", None, "does not match the known hash")
    assert names_in(tmp_path / "cache" / "cifar10") == []


def test_damaged_file_in_the_cache_is_refused_and_kept(official, mirror, tmp_path):
    name, file, content = official
    path = tmp_path / "cache" / name / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content + b"?")
    refused(name, None, rf"{file}: damaged.*MD5 {md5(content + b'?')}, expected {md5(content)}\. Replace it")
    assert mirror.asked == [] and path.read_bytes() == content + b"?"


def test_unreadable_file_in_the_cache(official, mirror, tmp_path, monkeypatch):
    def refuse(path, alg):
        raise PermissionError(13, "Permission denied", str(path))

    name, file, content = official
    path = tmp_path / "cache" / name / file
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    monkeypatch.setattr("pooch.file_hash", refuse)
    refused(name, None, "cannot be read: Permission denied")
