"""Reading CIFAR-10 in its official binary version (never its pickles), from a folder, an archive or the cache.

A record is 3,073 bytes: the label, then the red, the green and the blue plane of 32 x 32 bytes, row by row.
"""

from pathlib import Path

import numpy as np

from minigan.data import archives, download, sources
from minigan.data.completeness import partial, unofficial
from minigan.data.reading import ADVICE, find, listing, read_at_most, some
from minigan.errors import DataError

NAME = "cifar10"
SIDE, CHANNELS = 32, 3
RECORD = 1 + CHANNELS * SIDE * SIDE
ROOM = 2**24  # bytes that an archive may hold besides the records: headers, texts


def load(directory, split):
    """Return (images, labels, warnings) of one split; a warning says if it is not the whole official set.

    directory  the folder cifar-10-batches-bin, the folder that holds it or the archive; None: the cache, or a download
    """
    files = sources.CIFAR10.files[split]
    if directory is None:
        where, found = _in_cache(files)
    else:
        where, found = _in_folder(Path(directory).expanduser(), files)
    images, labels = _join([_records(content, origin, file) for file, origin, content in found])
    there = [file for file, _, _ in found]
    lacking = [file.name for file in files if file not in there]
    official = sum(file.records for file in files)
    # a part of a file has no sum of its own
    complete = [(origin, content, file.md5) for file, origin, content in found if len(content) == file.records * RECORD]
    notices = partial(NAME, split, where, len(images), official, lacking) + unofficial(NAME, split, complete)
    return images, labels, notices


# Each of these three gives the place it read and, for each of the files found there, (file, origin, content).


def _in_cache(files):
    cifar10 = sources.CIFAR10
    return _in_archive(download.cached(NAME, cifar10.archive, cifar10.archive_md5, cifar10.mirrors), files)


def _in_folder(folder, files):
    for place in (folder, folder / sources.CIFAR10.folder):
        paths = {file: find(place, file.name) for file in files}
        if any(paths.values()):
            # One byte more than expected shows that a file is too long.
            return place, [(f, p, read_at_most(p, f.records * RECORD + 1)) for f, p in paths.items() if p]
    archive = find(folder, sources.CIFAR10.archive)
    if archive is None:
        raise DataError(
            f"{NAME}: {_names(files)} missing in the folder {folder}, which may be the folder "
            f"{sources.CIFAR10.folder} of the binary version (not the Python or Matlab one), or hold it or "
            f"{sources.CIFAR10.archive}. It holds {listing(folder, 'official files')}. Put the official files there, "
            f"or leave directory (--data-dir) out to have them downloaded."
        )
    return _in_archive(archive, files)


def _in_archive(path, files):
    every_file = [file for split in sources.CIFAR10.files.values() for file in split]
    contents = archives.read_files(path, sum(file.records for file in every_file) * RECORD + ROOM)
    names = {file: f"{sources.CIFAR10.folder}/{file.name}" for file in files}
    found = [(file, f"{path}: {name}", contents[name]) for file, name in names.items() if name in contents]
    if not found:
        raise DataError(
            f"{path}: {_names(files)} missing in the folder {sources.CIFAR10.folder} of the archive. It holds "
            f"{some(contents)}. {ADVICE}"
        )
    return path, found


def _names(files):
    return files[0].name if len(files) == 1 else f"{files[0].name} ... {files[-1].name}"


def _records(content, origin, file):
    """Return the records (n, 3073) of one .bin file; DataError unless it is at least a part of `file`."""
    whole, over = divmod(len(content), RECORD)
    if len(content) > file.records * RECORD:
        raise DataError(
            f"{origin}: larger than the official file, which has {file.records:,} records of {RECORD:,} bytes. {ADVICE}"
        )
    if over or not whole:
        raise DataError(
            f"{origin}: truncated, or no file of CIFAR-10: expected whole records of {RECORD:,} bytes, got {whole:,} "
            f"and {over:,} bytes over. {ADVICE}"
        )
    records = np.frombuffer(content, np.uint8).reshape(whole, RECORD)
    labels = records[:, 0]
    if labels.max() >= len(sources.CIFAR10.classes):
        first = int(np.argmax(labels >= len(sources.CIFAR10.classes)))
        raise DataError(
            f"{origin}: damaged, or no file of CIFAR-10: expected labels 0 to {len(sources.CIFAR10.classes) - 1}, got "
            f"{labels[first]} in record {first} (counted from 0). {ADVICE}"
        )
    return records


def _join(parts):
    """Return the read-only images (n, h, w, c) and labels of the records, with the colours of a pixel side by side."""
    n = sum(map(len, parts))
    images, labels = np.empty((n, SIDE, SIDE, CHANNELS), np.uint8), np.empty(n, np.uint8)
    start = 0
    for records in parts:
        stop = start + len(records)
        labels[start:stop] = records[:, 0]
        images[start:stop] = records[:, 1:].reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
        start = stop
    images.flags.writeable = labels.flags.writeable = False
    return images, labels
