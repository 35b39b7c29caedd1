"""Reading SVHN's cropped digits, MATLAB 5 files, with SciPy, from a folder or the cache.

A file holds X, the images (32, 32, 3, n) in uint8, and y, the labels (n, 1), where 10 stands for the digit 0.
"""

import io
from pathlib import Path

import numpy as np

from minigan.data import download, matlab, sources
from minigan.data.completeness import partial, unofficial
from minigan.data.reading import ADVICE, find, listing, read_at_most, some
from minigan.errors import DataError
from minigan.files import printable

NAME = "svhn"
IMAGE_SHAPE = (32, 32, 3)
VARIABLES = ("X", "y")
ROOM = 2**24  # bytes that a file may hold besides its images: labels, headers


def load(directory, split):
    """Return (images, labels, warnings) of one split; labels is None where the file has none.

    The warnings say where this is only a part of the official set, or another one.

    directory  the folder that holds the .mat file; None: the cache, or a download
    """
    loadmat = _import_loadmat()  # before a long download
    file = sources.SVHN.files[split]
    if directory is None:
        path = download.cached(NAME, file.name, file.md5, sources.SVHN.mirrors)
    else:
        path = _path_in(Path(directory).expanduser(), file)
    content = _content(path, file)
    images, labels = _read(content, path, file, loadmat)
    notices = partial(NAME, split, path, len(images), file.images, ("labels",) if labels is None else ())
    return images, labels, notices or unofficial(NAME, split, [(path, content, file.md5)])


def _import_loadmat():
    try:
        import scipy.io  # an extra, and slow to import
    except ImportError as error:
        raise DataError(
            f'{NAME}: its .mat files are read by SciPy, which cannot be imported ({error}): pip install "minigan[svhn]"'
        ) from error
    return scipy.io.loadmat


def _path_in(folder, file):
    path = find(folder, file.name)
    if path is None:
        raise DataError(
            f"{NAME}: {file.name} missing in the folder {folder}. It holds {listing(folder, 'official files')}. Put "
            f"the official file there, or leave directory (--data-dir) out to have it downloaded."
        )
    return path


def _content(path, file):
    limit = file.images * int(np.prod(IMAGE_SHAPE)) + ROOM
    content = read_at_most(path, limit + 1)
    if len(content) > limit:
        raise DataError(f"{path}: larger than the {limit:,} bytes that all the official images need. {ADVICE}")
    return content


def _read(content, path, file, loadmat):
    shapes = _call(matlab.shapes, path, content, VARIABLES)
    # Before anything is unpacked: of a decompression bomb only the header ever is.
    _check_shapes(shapes, file, path)
    arrays = _call(loadmat, path, io.BytesIO(content), variable_names=VARIABLES)
    return _images(arrays["X"], path), _labels(arrays["y"], path) if "y" in shapes else None


def _call(function, path, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Exception as error:  # on damaged files SciPy raises errors of nearly every class
        raise DataError(
            f"{path}: not a sound MATLAB 5 file ({type(error).__name__}: {printable(error)[:300]}). Is it truncated, "
            f"or another file? {ADVICE}"
        ) from error


def _check_shapes(shapes, file, path):
    if "X" not in shapes:
        raise DataError(f"{path}: expected the images X, got only {some(shapes)}. {ADVICE}")
    shape = tuple(shapes["X"])
    if len(shape) != 4 or shape[:3] != IMAGE_SHAPE or shape[3] < 1:
        raise DataError(f"{path}: expected images X of shape (32, 32, 3, n), got {shape}. {ADVICE}")
    n = shape[3]
    if n > file.images:
        raise DataError(f"{path}: {n:,} images, more than the {file.images:,} of the official file. {ADVICE}")
    if shapes.get("y", (n, 1)) not in ((n, 1), (1, n)):
        raise DataError(f"{path}: expected labels y of shape ({n}, 1), got {tuple(shapes['y'])}. {ADVICE}")


def _images(stored, path):
    if stored.dtype != np.uint8:
        raise DataError(f"{path}: expected images X in uint8, got {stored.dtype}. {ADVICE}")
    images = np.ascontiguousarray(stored.transpose(3, 0, 1, 2))
    images.flags.writeable = False
    return images


def _labels(stored, path):
    if not np.isin(stored, np.arange(1, 11)).all():
        raise DataError(f"{path}: expected labels y of whole numbers 1 to 10, got others. {ADVICE}")
    labels = (stored.ravel() % 10).astype(np.uint8)
    labels.flags.writeable = False
    return labels
