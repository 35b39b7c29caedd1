"""data.load("idx") and ("array"), data.from_arrays: files of others and arrays as people have them."""

import gzip
import io
import struct
import zipfile

import numpy as np
import pytest

from minigan import data
from minigan.errors import DataError, DtypeError, MiniganError, OptionError, ShapeError, TooLargeError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 6, 5), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 3 + 1


def idx_bytes(array, kind=8):
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype({8: "uint8", 12: ">i4"}[kind]).tobytes()


def write(folder, name, array, kind=8):
    folder.mkdir(exist_ok=True)
    content = idx_bytes(array, kind)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name


def refused(error, match, name, directory, **options):
    with pytest.raises(error, match=match) as caught:
        data.load(name, directory, **options)
    assert "\n" not in str(caught.value)


# --- idx files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("images", "labels", "kind"),
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 8),  # KMNIST
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", 8),
        ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz", 8),
        ("qmnist-train-images-idx3-ubyte.gz", "qmnist-train-labels-idx2-int.gz", 12),
        ("mine-images-idx3-ubyte", "mine-labels-idx1-ubyte.gz", 8),
    ],
)
def test_pairs_under_their_own_names(images, labels, kind, tmp_path):
    write(tmp_path, images, IMAGES)
    write(tmp_path, labels, LABELS if kind == 8 else np.stack([LABELS, LABELS * 7], axis=1), kind)
    loaded = data.load("idx", tmp_path)
    expected = IMAGES.swapaxes(1, 2) if images.startswith("emnist") else IMAGES
    np.testing.assert_array_equal(loaded.images[..., 0], expected)
    assert loaded.labels.tolist() == (LABELS - 1).tolist() and loaded.classes == ("1", "2", "3")
    assert not loaded.images.flags.writeable
    np.testing.assert_array_equal(data.load("idx", tmp_path / images).images, loaded.images)


def test_emnist_is_turned_and_has_the_names_of_its_letters(tmp_path):
    write(tmp_path, "emnist-letters-train-images-idx3-ubyte.gz", IMAGES)
    write(tmp_path, "emnist-letters-train-labels-idx1-ubyte.gz", LABELS)
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97\n2 66 98\n3 67 99\n")
    assert data.load("idx", tmp_path).classes == ("A", "B", "C")
    assert data.load("idx", tmp_path, transpose=False).images.shape == (12, 6, 5, 1)
    assert data.load("idx", tmp_path, transpose=True).images.shape == (12, 5, 6, 1)
    refused(OptionError, "transpose as True or False", "idx", tmp_path, transpose="no")
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 A\n")
    refused(DataError, "expected lines of a label and the code", "idx", tmp_path)


def test_both_splits_and_several_sets_in_a_folder(tmp_path):
    for name in ("letters", "digits"):
        write(tmp_path, f"emnist-{name}-train-images-idx3-ubyte.gz", IMAGES)
        write(tmp_path, f"emnist-{name}-train-labels-idx1-ubyte.gz", LABELS)
        write(tmp_path, f"emnist-{name}-test-images-idx3-ubyte.gz", IMAGES[:5])
        write(tmp_path, f"emnist-{name}-test-labels-idx1-ubyte.gz", LABELS[:5])
    refused(
        DataError,
        "several files of images.*emnist-digits-train.*Give the one that you want: --data-dir",
        "idx",
        tmp_path,
    )
    one = tmp_path / "emnist-letters-train-images-idx3-ubyte.gz"
    assert len(data.load("idx", one)) == 12 and len(data.load("idx", one, "test")) == 5
    write(tmp_path / "mnist", "train-images-idx3-ubyte", IMAGES)
    refused(
        DataError, "beside .* there is no file", "idx", tmp_path / "mnist" / "train-images-idx3-ubyte", split="test"
    )
    refused(DataError, "no images of the split 'test'.*It holds train-images", "idx", tmp_path / "mnist", split="test")
    write(tmp_path / "mnist", "t10k-images-idx3-ubyte", IMAGES[:5])
    with pytest.warns(
        data.PartialDataWarning, match="used without labels, since t10k-labels-idx1-ubyte is not beside it"
    ):
        assert len(data.load("idx", tmp_path / "mnist" / "train-images-idx3-ubyte", "test")) == 5


@pytest.mark.parametrize("given", ["the folder", "the file"])
def test_a_class_has_one_number_in_both_splits(given, tmp_path):
    images = write(tmp_path, "train-images-idx3-ubyte.gz", IMAGES[:3])
    write(tmp_path, "train-labels-idx1-ubyte", np.array([2, 4, 7]))
    write(tmp_path, "t10k-images-idx3-ubyte.gz", IMAGES[:2])
    test = write(tmp_path, "t10k-labels-idx1-ubyte.gz", np.array([7, 4]))
    place = tmp_path if given == "the folder" else images
    assert data.load("idx", place).classes == data.load("idx", place, "test").classes == ("2", "4", "7")
    assert data.load("idx", place, "test").labels.tolist() == [2, 1]
    test.write_bytes(gzip.compress(idx_bytes(np.array([3, 4]))))
    assert data.load("idx", place).classes == data.load("idx", place, "test").classes == ("2", "3", "4", "7")
    assert data.load("idx", place).labels.tolist() == [0, 2, 3]
    for odd in (b"", b"<html>", gzip.compress(b"\0\0\x08\x01" + b"\xff" * 4), gzip.compress(idx_bytes(IMAGES))):
        test.write_bytes(odd)
        assert data.load("idx", place).classes == ("2", "4", "7")
    test.unlink()
    assert data.load("idx", place).labels.tolist() == [0, 1, 2]


def test_labels_of_no_columns(tmp_path):
    write(tmp_path, "train-images-idx3-ubyte", IMAGES)
    write(tmp_path, "train-labels-idx2-int", np.zeros((12, 0), int), 12)
    refused(DataError, "expected a label for each image, got none", "idx", tmp_path)


def test_colour_in_four_axes(tmp_path):
    colours = RNG.integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    path = write(tmp_path, "train-images-idx4-ubyte", colours)
    write(tmp_path, "train-labels-idx1-ubyte", LABELS[:3])
    np.testing.assert_array_equal(data.load("idx", path).images, colours)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: b"", "got an empty file"),
        (lambda c: c[:3], "expected an idx file of images, which begins with 0 0 8 3, got 0 0 8"),
        (lambda c: b"<html>" + c, "begins with 0 0 8 3, got 60 104"),
        (lambda c: c[:10], "expected 16 bytes"),
        (lambda c: c[:-1], "expected 376 bytes, as its header says, got 375"),
        (lambda c: c + b"x", "expected 376 bytes, as its header says, got more"),
        (lambda c: c[:3] + b"\1" + c[4:], "expected an idx file of images"),
        (lambda c: c[:2] + b"\x0d" + c[3:], "expected an idx file of images"),
        (lambda c: c[:4] + b"\0\0\0\0" + c[8:16], "expected images of bytes"),
    ],
)
def test_damaged_idx_files(change, match, tmp_path):
    path = write(tmp_path, "train-images-idx3-ubyte", IMAGES)
    path.write_bytes(change(path.read_bytes()))
    refused(DataError, match, "idx", tmp_path)


def test_idx_files_that_promise_more_than_the_memory_holds(tmp_path):
    path = write(tmp_path, "train-images-idx3-ubyte", IMAGES)
    path.write_bytes(b"\0\0\x08\x03" + b"\xff" * 12)
    refused(TooLargeError, "the images that its header promises", "idx", path)


def test_truncated_gzip_and_wrong_labels(tmp_path):
    path = write(tmp_path, "train-images-idx3-ubyte.gz", IMAGES)
    labels = write(tmp_path, "train-labels-idx1-ubyte.gz", LABELS[:5])
    refused(DataError, "5 labels, but .* has 12 images", "idx", tmp_path)
    labels.write_bytes(gzip.compress(idx_bytes(IMAGES)))
    refused(DataError, "expected an idx file of labels", "idx", tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    refused(DataError, "the gzip file is truncated.*Get the file again", "idx", tmp_path)
    refused(OptionError, "give the folder of the idx files", "idx", None)
    refused(DataError, "cannot read the folder", "idx", tmp_path / "nowhere")


# --- files of NumPy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "names", [("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels"), ("X", "y")]
)
def test_npz_files(save, names, tmp_path):
    path = tmp_path / "mine.npz"
    save(path, **dict(zip(names, (IMAGES, LABELS), strict=True)), other=np.zeros(3))
    loaded = data.load("array", path)
    np.testing.assert_array_equal(loaded.images[..., 0], IMAGES)
    assert loaded.labels.tolist() == (LABELS - 1).tolist() and loaded.classes == ("1", "2", "3")
    assert (loaded.name, loaded.split, loaded.images.flags.writeable) == ("array", "train", False)
    refused(DataError, "no images of the split 'test'.*x_test.*It holds", "array", path, split="test")


def test_both_splits_in_a_file_and_names_of_classes(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=IMAGES, y_train=LABELS[:, None] - 1, x_test=IMAGES[:4], y_test=LABELS[:4] - 1,
             classes=("a", "b", "c"))  # fmt: skip
    assert data.load("array", path).classes == ("a", "b", "c")
    test = data.load("array", path, "test", image_size=3, channels=3)
    assert test.images.shape == (4, 3, 3, 3) and test.split == "test"


def test_a_class_has_one_number_in_both_splits_of_a_file(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:5], y_test=np.full(5, 3))
    assert data.load("array", path).classes == data.load("array", path, "test").classes == ("1", "2", "3")
    assert data.load("array", path, "test").labels.tolist() == [2] * 5
    np.savez(path, x_train=IMAGES, y_train=LABELS.astype("uint64"), x_test=IMAGES[:2], y_test=np.array([[-1], [2]]))
    assert data.load("array", path).classes == data.load("array", path, "test").classes == ("-1", "1", "2", "3")
    assert data.load("array", path).labels.tolist() == LABELS.tolist()
    assert data.load("array", path, "test").labels.tolist() == [0, 2]
    names = np.array(["ape", "cat", "dog"])
    np.savez(path, x_train=IMAGES, y_train=names[LABELS - 1], x_test=IMAGES[:2], y_test=np.array(["cat", "bee"]))
    assert data.load("array", path, "test").classes == ("ape", "bee", "cat", "dog")
    assert data.load("array", path, "test").labels.tolist() == [2, 1]


@pytest.mark.parametrize("others", [np.eye(3, dtype=int), np.array(["a", "b"]), np.array([0.5]), np.array(None)])
def test_labels_of_the_other_split_that_are_none_change_nothing(others, tmp_path):
    np.savez(tmp_path / "mine.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:3], y_test=others)
    assert data.load("array", tmp_path / "mine.npz").classes == ("1", "2", "3")


@pytest.mark.parametrize("classes", ["abc", 3, [1, 2, 3], [["a", "b", "c"]], [b"a", b"b", b"c"]])
def test_names_of_classes_are_a_list_of_texts(classes, tmp_path):
    np.savez(tmp_path / "mine.npz", images=IMAGES, labels=LABELS - 1, classes=classes)
    refused(DataError, "classes as a list of texts|holds objects", "array", tmp_path / "mine.npz")
    np.savez(tmp_path / "mine.npz", images=IMAGES, classes=())
    assert data.load("array", tmp_path / "mine.npz").classes == ()


def test_npy_files_and_single_arrays(tmp_path):
    np.save(tmp_path / "mine.npy", np.asfortranarray(IMAGES))
    loaded = data.load("array", tmp_path / "mine.npy")
    np.testing.assert_array_equal(loaded.images[..., 0], IMAGES)
    assert loaded.labels is None and loaded.classes == ()
    refused(DataError, 'only the split "train"', "array", tmp_path / "mine.npy", split="test")
    np.savez(tmp_path / "mine.npz", anything=IMAGES)
    assert len(data.load("array", tmp_path / "mine.npz")) == 12


def test_what_load_gave_can_be_saved_and_loaded_again(tmp_path):
    digits = data.load("digits")
    np.savez(tmp_path / "d.npz", images=digits.images[:50], labels=digits.labels[:50], classes=digits.classes)
    again = data.load("array", tmp_path / "d.npz")
    assert again.classes == digits.classes and again.labels.tolist() == digits.labels[:50].tolist()


def test_pickles_are_never_read(tmp_path):
    class Bad:
        def __reduce__(self):
            return (open, (str(tmp_path / "never"), "w"))

    objects = np.array([Bad()], object)
    np.save(tmp_path / "bad.npy", objects, allow_pickle=True)
    refused(DataError, "holds objects or records", "array", tmp_path / "bad.npy")
    np.savez(tmp_path / "bad.npz", images=objects)
    refused(DataError, "holds objects or records", "array", tmp_path / "bad.npz")
    np.savez(tmp_path / "bad.npz", images=IMAGES, labels=None)
    refused(DataError, "labels: holds objects", "array", tmp_path / "bad.npz")
    assert not (tmp_path / "never").exists()
    np.load(tmp_path / "bad.npy", allow_pickle=True).item().close()  # NumPy itself would have run it
    assert (tmp_path / "never").exists()


def npy_of(shape, content=b""):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "damaged, or no file of NumPy"), (b"\x93NUMPY", "damaged"), (b"<html>", "damaged"),
        (npy_of((2, 3, 4), bytes(23)), "expected 152 bytes, as its header says, got 151"),
        (npy_of((10**15, 28, 28)), "as its header says"), (npy_of((-1, 3, 4)), "damaged|as its header says"),
        (npy_of((2, 3, 4), bytes(25)), "got 153"),
    ],
)  # fmt: skip
def test_damaged_npy_files(content, match, tmp_path):
    (tmp_path / "a.npy").write_bytes(content)
    refused(DataError, match, "array", tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("images.npy", content)
    refused(DataError, match, "array", tmp_path / "a.npz")


def test_npz_files_that_unpack_to_more_than_the_memory_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("minigan.memory.machine_bytes", lambda: 10**6)
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", npy_of((2000, 1000, 1), bytes(2_000_000)))
    refused(TooLargeError, "would need 2.0 MB", "array", tmp_path / "a.npz")


@pytest.mark.parametrize(
    "change", [lambda c: c[:100], lambda c: c[:-30], lambda c: c[:80] + b"????" + c[84:], lambda c: b""]
)
def test_damaged_npz_files(change, tmp_path):
    np.savez_compressed(tmp_path / "a.npz", images=IMAGES)
    (tmp_path / "a.npz").write_bytes(change((tmp_path / "a.npz").read_bytes()))
    refused(DataError, "damaged, or no file of NumPy", "array", tmp_path / "a.npz")


def test_no_file(tmp_path):
    refused(OptionError, "give the .npz or .npy file", "array", None)
    refused(DataError, "is no file. Give a .npz or .npy file", "array", tmp_path)
    np.savez(tmp_path / "a.npz", names=IMAGES, others=IMAGES)
    refused(DataError, "expected an array of the name images or .*It holds names, others", "array", tmp_path / "a.npz")


# --- arrays in a program ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "value_range"),
    [
        (IMAGES.astype("int64"), None), (IMAGES / 255, (0, 1)), (IMAGES / np.float32(127.5) - 1, (-1, 1)),
        (IMAGES.astype("uint16") * 257, (0, 65535)), (IMAGES.astype("float64"), [0, 255]), (IMAGES, (0, 255)),
    ],
)  # fmt: skip
def test_numbers_of_every_kind_become_bytes(numbers, value_range):
    made = data.from_arrays(numbers, value_range=value_range)
    np.testing.assert_array_equal(made.images[..., 0], IMAGES)
    assert made.images.dtype == np.uint8 and made.labels is None


def test_flags_become_black_and_white():
    assert np.unique(data.from_arrays(IMAGES > 100).images).tolist() == [0, 255]


def test_large_arrays_are_converted_in_parts(monkeypatch):
    monkeypatch.setattr("minigan.data.arrays.AT_ONCE", 50)
    np.testing.assert_array_equal(data.from_arrays(IMAGES / 255, value_range=(0, 1)).images[..., 0], IMAGES)


def test_labels_of_every_kind():
    made = data.from_arrays(IMAGES, np.array(["cat", "dog", "ape"] * 4), name="pets")
    assert made.classes == ("ape", "cat", "dog") and made.labels[:3].tolist() == [1, 2, 0] and made.name == "pets"
    made = data.from_arrays(IMAGES, np.arange(12) * 1000 - 5)
    assert made.labels.tolist() == list(range(12)) and made.classes[0] == "-5"
    made = data.from_arrays(IMAGES, LABELS, classes=["a", "b", "c", "d"])
    assert made.labels.tolist() == LABELS.tolist() and len(made.classes) == 4


@pytest.mark.parametrize(
    ("changes", "error", "match"),
    [
        ({"images": IMAGES / 255}, DataError, r"float64 from 0.* to 1\. Say which .*\(-1, 1\) \(--value-range"),
        ({"images": IMAGES / 255, "value_range": (-2, 0.5)}, DataError, "go from .* Give the range that they"),
        ({"images": IMAGES.astype(int) + 9}, DataError, "int64 from .* Say which"),
        ({"images": IMAGES * np.nan}, DataError, "NaN or infinity"),
        ({"images": IMAGES, "value_range": (1, 0)}, OptionError, "low < high"),
        ({"images": IMAGES, "value_range": 3}, OptionError, "value_range as two numbers"),
        ({"images": IMAGES.reshape(12, 30)}, ShapeError, "seem to be flat.*reshape"),
        ({"images": IMAGES[:, None]}, ShapeError, "come first.*transpose"),
        ({"images": np.zeros((2, 3, 8, 8), "uint8")}, ShapeError, r"come first.*transpose\(0, 2, 3, 1\)"),
        ({"images": np.zeros((2, 8, 8, 4), "uint8")}, ShapeError, r"transparency.*\.\.\., :3"),
        ({"images": np.zeros((8, 8, 3), "uint8")}, ShapeError, "a single image"),
        ({"images": np.zeros((0, 8, 8), "uint8")}, DataError, "there are no images"),
        ({"images": [[1]]}, DtypeError, "images as a NumPy array"),
        ({"images": IMAGES.astype(complex)}, DtypeError, "images as a NumPy array of numbers"),
        ({"labels": LABELS[:5]}, DataError, "5 labels for 12 images"),
        ({"labels": np.eye(12, dtype=int)}, ShapeError, r"labels\.argmax"),
        ({"labels": LABELS / 2}, DtypeError, "whole numbers or texts"),
        ({"labels": list(LABELS)}, DtypeError, "whole numbers or texts"),
        ({"labels": LABELS, "classes": ["a"]}, DataError, "labels from 0 to 0"),
        ({"name": 3}, OptionError, "name as a text"),
    ],
)  # fmt: skip
def test_arrays_that_need_a_word(changes, error, match):
    with pytest.raises(error, match=match):
        data.from_arrays(**{"images": IMAGES, **changes})


@pytest.mark.parametrize("classes", [3, "ab", [1, 2], None, [], np.array(["a", "b", "c", "d"]), ["a", None]])
def test_odd_classes(classes):
    try:
        assert data.from_arrays(IMAGES, LABELS, classes).classes in (("1", "2", "3"), ("a", "b", "c", "d"))
    except MiniganError as error:
        assert "classes" in str(error)
