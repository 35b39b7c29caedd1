"""The official files of the data sets as tables: names, shapes, MD5 sums, mirrors and classes.

Mirrors are tried in their order: those with https first. What comes by plain http is held to the same sums.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class IdxFile:
    """One official idx file; its name is without the ending .gz."""

    name: str
    shape: tuple
    md5: str  # of the uncompressed content, which is the same however it was packed
    gz_md5: str  # of the compressed file that the mirrors hand out


@dataclass(frozen=True)
class IdxSet:
    """One data set of idx files: `files` gives for each split its (images, labels)."""

    mirrors: tuple
    classes: tuple
    files: dict


@dataclass(frozen=True)
class RecordFile:
    """One official file of CIFAR-10's binary version: `records` images with their labels."""

    name: str
    records: int
    md5: str


@dataclass(frozen=True)
class RecordSet:
    """CIFAR-10: one archive with one folder that holds all files; `files` gives for each split its RecordFiles."""

    mirrors: tuple
    classes: tuple
    archive: str
    archive_md5: str
    folder: str
    files: dict


@dataclass(frozen=True)
class MatFile:
    """One official MATLAB file with the images and labels of one split."""

    name: str
    images: int
    md5: str


@dataclass(frozen=True)
class MatSet:
    """One data set of MATLAB files: `files` gives for each split its MatFile."""

    mirrors: tuple
    classes: tuple
    files: dict


DIGIT_CLASSES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")

# minigan/data/digits.npz as make_digits.py wrote it.
DIGITS_MD5 = "8ef11aa099f71ba2832c082e611e062b"

IDX_SETS = {
    # Y. LeCun, C. Cortes and C. Burges, "The MNIST database of handwritten digits". CC BY-SA 3.0.
    "mnist": IdxSet(
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        classes=DIGIT_CLASSES,
        files={
            "train": (
                IdxFile(
                    name="train-images-idx3-ubyte",
                    shape=(60000, 28, 28),
                    md5="6bbc9ace898e44ae57da46a324031adb",
                    gz_md5="f68b3c2dcbeaaa9fbdd348bbdeb94873",
                ),
                IdxFile(
                    name="train-labels-idx1-ubyte",
                    shape=(60000,),
                    md5="a25bea736e30d166cdddb491f175f624",
                    gz_md5="d53e105ee54ea40749a09fcbcd1e9432",
                ),
            ),
            "test": (
                IdxFile(
                    name="t10k-images-idx3-ubyte",
                    shape=(10000, 28, 28),
                    md5="2646ac647ad5339dbf082846283269ea",
                    gz_md5="9fb629c4189551a2d022fa330f9573f3",
                ),
                IdxFile(
                    name="t10k-labels-idx1-ubyte",
                    shape=(10000,),
                    md5="27ae3e4e09519cfbb04c329615203637",
                    gz_md5="ec29112dd5afa0611ce80d1b7f02629c",
                ),
            ),
        },
    ),
    # Xiao, Rasul & Vollgraf 2017, "Fashion-MNIST", arXiv:1708.07747. MIT, Zalando SE.
    "fashion-mnist": IdxSet(
        mirrors=(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        classes=(
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ),
        files={
            "train": (
                IdxFile(
                    name="train-images-idx3-ubyte",
                    shape=(60000, 28, 28),
                    md5="f4a8712d7a061bf5bd6d2ca38dc4d50a",
                    gz_md5="8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                ),
                IdxFile(
                    name="train-labels-idx1-ubyte",
                    shape=(60000,),
                    md5="9018921c3c673c538a1fc5bad174d6f9",
                    gz_md5="25c81989df183df01b3e8a0aad5dffbe",
                ),
            ),
            "test": (
                IdxFile(
                    name="t10k-images-idx3-ubyte",
                    shape=(10000, 28, 28),
                    md5="8181f5470baa50b63fa0f6fddb340f0a",
                    gz_md5="bef4ecab320f06d8554ea6380940ec79",
                ),
                IdxFile(
                    name="t10k-labels-idx1-ubyte",
                    shape=(10000,),
                    md5="15d484375f8d13e6eb1aabb0c3f46965",
                    gz_md5="bb300cfdad3c16e7a12a480ee83cd310",
                ),
            ),
        },
    ),
}

# A. Krizhevsky 2009, "Learning Multiple Layers of Features from Tiny Images". No licence is stated.
CIFAR10 = RecordSet(
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    archive="cifar-10-binary.tar.gz",
    archive_md5="c32a1d4ab5d03f1284b67883e8d87530",
    folder="cifar-10-batches-bin",
    files={
        "train": (
            RecordFile("data_batch_1.bin", 10_000, "5dd7e06a14cb22eb9f671a540d1b7c25"),
            RecordFile("data_batch_2.bin", 10_000, "5ea93a67294ea407fff1d09f752e9692"),
            RecordFile("data_batch_3.bin", 10_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
            RecordFile("data_batch_4.bin", 10_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
            RecordFile("data_batch_5.bin", 10_000, "53f37980c15c3d472c316c40844f3f0d"),
        ),
        "test": (RecordFile("test_batch.bin", 10_000, "803d5f7f4d78ea53de84dbe85f74fb6d"),),
    },
)

# Netzer et al. 2011, "Reading Digits in Natural Images with Unsupervised Feature Learning". Non-commercial use only.
SVHN = MatSet(
    mirrors=("https://ufldl.stanford.edu/housenumbers/", "http://ufldl.stanford.edu/housenumbers/"),
    classes=DIGIT_CLASSES,
    files={
        "train": MatFile("train_32x32.mat", 73_257, "e26dedcc434d2e4c54c9b2d4a06d8373"),
        "test": MatFile("test_32x32.mat", 26_032, "eb5a983be6a315427106f1b164d9cef3"),
    },
)


def identify(md5):
    """Return which official file has this uncompressed content ("the mnist train images file"); None where none has."""
    for name, idx_set in IDX_SETS.items():
        for split, files in idx_set.files.items():
            for kind, file in zip(("images", "labels"), files, strict=True):
                if file.md5 == md5:
                    return f"the {name} {split} {kind} file"
    return None
