"""A folder of pictures as a data set: its files, their labels from the names of subfolders, and their bytes."""

import os
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from minigan.data import decoding, reading
from minigan.data.completeness import PartialDataWarning
from minigan.errors import DataError, MisuseWarning, OptionError
from minigan.files import printable
from minigan.memory import require_room
from minigan.options import require_choice, require_flag

NAME = "folder"
OPTIONS = ("background", "skip_broken")
LEFT_OUT = ("__MACOSX",)  # what an archive from a Mac leaves; hidden files and folders are left out, too
SHOWN = 5  # files in one message


def load(directory, split, image_size=None, channels=None, background="white", skip_broken=False):
    """Return (images, labels, classes, warnings) of the pictures in a folder and its subfolders, sorted by their names.

    split      if the folder has subfolders train and test, these are the splits; if not, all is "train"
    image_size (h, w), or None: as they are, if all have the same size
    channels   1, 3, or None: grey if most of them are
    """
    require_choice(NAME, tuple(decoding.BACKGROUNDS), background=background)
    skip_broken = require_flag(NAME, skip_broken=skip_broken)
    folder, other = folders_of_splits(directory, split)
    paths, problems = find_pictures(folder)
    if not paths and not problems:
        raise DataError(
            f"folder {printable(folder)}: no pictures in it or in its subfolders (PNG, JPEG, BMP, GIF, WebP, TIFF). "
            f"It holds {reading.listing(folder, 'pictures')}. Give the folder with your pictures: --data-dir."
        )
    looks = {}
    for path in paths:
        try:
            looks[path] = decoding.look(path)
        except decoding.UnreadableError as error:
            problems[path] = str(error)
    require_sound(folder, problems, len(looks), skip_broken)
    if image_size is None:
        image_size = common_size(folder, looks)
    if channels is None:
        channels = 1 if 2 * sum(seen.grey for seen in looks.values()) > len(looks) else 3
    images = decode_all(folder, looks, problems, (*image_size, channels), background)
    require_sound(folder, problems, len(images), skip_broken)
    labels, classes, notices = labels_of(folder, list(looks), other)
    return images, labels, classes, [*notices, *notices_of(folder, problems, looks, image_size)]


def decode_all(folder, looks, problems, image_shape, background):
    """Return the images of all pictures; those that cannot be read move from `looks` to `problems`."""
    height, width, channels = image_shape
    what = f"{len(looks):,} images of {height} x {width} pixels with {channels} bytes each"
    require_room(f"folder {printable(folder)}", what, len(looks) * height * width * channels)
    images, count = np.empty((len(looks), *image_shape), np.uint8), 0
    for path in tqdm(list(looks), desc="pictures", unit="", leave=False, disable=None):  # None: only in a terminal
        try:
            images[count] = decoding.decode(path, (height, width), channels, background)
            count += 1
        except decoding.UnreadableError as error:
            problems[path] = str(error)
            del looks[path]
    return images[:count]


def folders_of_splits(directory, split):
    """Return the folders of a split and of the other: DIR/train and DIR/test, if both are there; else DIR and None."""
    if directory is None:
        raise OptionError(
            'data set "folder": give the folder of your pictures: directory="my_photos" (--data-dir my_photos).'
        )
    folder = Path(directory).expanduser()
    if os.path.isfile(folder):
        raise DataError(
            f"folder {printable(folder)}: this is a file. Unpack an archive first, and give the folder; for .npz and "
            '.npy files, load "array".'
        )
    if all(os.path.isdir(folder / name) for name in ("train", "test")):
        return folder / split, folder / reading.OTHER[split]
    if split != "train":
        raise DataError(
            f'folder {printable(folder)}: it has only the split "train". For both splits, give it two subfolders, '
            "train and test."
        )
    return folder, None


def find_pictures(folder):
    """Return (paths of the pictures, {path: what is wrong with it}); links are followed, but never in a circle."""
    paths, problems, waiting = [], {}, [(folder, ())]
    while waiting:
        place, above = waiting.pop()
        real = os.path.realpath(place)
        if real in above:
            problems[place] = "a link to a folder that it lies in"
            continue
        try:
            names = sorted(os.listdir(place))
        except OSError as error:
            if place == folder:
                reading.listing(folder, "pictures")  # raises the error for the whole folder
            problems[place] = error.strerror or str(error)
            continue
        for path in (place / name for name in names if not name.startswith(".") and name not in LEFT_OUT):
            suffix = path.suffix.lower()
            if os.path.isdir(path):
                waiting.append((path, (*above, real)))
            elif suffix in decoding.FOREIGN:
                problems[path] = f"{suffix[1:].upper()} is not read: make a JPEG or PNG of it"
            elif suffix in decoding.SUFFIXES and os.path.isfile(path):
                paths.append(path)
            elif suffix in decoding.SUFFIXES:
                problems[path] = "a link that leads nowhere, or no regular file"
    return sorted(paths, key=lambda path: path.relative_to(folder).parts), problems


def require_sound(folder, problems, sound, skip_broken):
    """Raise DataError if some pictures cannot be read, unless these are to be skipped and others are left."""
    if sound and (skip_broken or not problems):
        return
    advice = "Repair or delete them, or leave them out: skip_broken=True (--skip-broken)."
    if not sound:
        advice = "No picture is left."
    raise DataError(
        f"folder {printable(folder)}: {len(problems):,} of {sound + len(problems):,} pictures cannot be read: "
        f"{named(folder, problems)}. {advice}"
    )


def named(folder, problems):
    """Return the first few files, each with what is said of it, and how many more there are."""
    paths = sorted(problems, key=str)
    texts = [f"{printable(path.relative_to(folder))} ({problems[path]})" for path in paths[:SHOWN]]
    return ", ".join(texts) + (f", and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else "")


def common_size(folder, looks):
    """Return the size (h, w) that all pictures have; DataError if they have several."""
    by_size = {}
    for path, seen in looks.items():
        by_size.setdefault((seen.height, seen.width), path)
    if len(by_size) > 1:
        examples = {path: f"{height} x {width}" for (height, width), path in by_size.items()}
        raise DataError(
            f"folder {printable(folder)}: the pictures have {len(by_size):,} different sizes: "
            f"{named(folder, examples)}. Say how large they shall be: image_size=64 (--image-size 64)."
        )
    return next(iter(by_size))


def labels_of(folder, paths, other=None):
    """Return (labels, classes, warnings): the subfolders are the classes, if all pictures lie in two or more.

    other      the folder of the other split, or None: its classes count, too, so that each has one number in both
    """
    inner = [path.relative_to(folder).parts[:-1] for path in paths]
    classes = {parts[0] for parts in inner if parts}
    outside = [path for path, parts in zip(paths, inner, strict=True) if not parts]
    if outside and classes:
        text = (
            f"folder {printable(folder)}: the images get no labels, because {len(outside):,} of them lie in no "
            f"subfolder: {named(folder, dict.fromkeys(outside, 'beside the subfolders'))}."
        )
        return None, (), [PartialDataWarning(text)]
    others = set() if outside or other is None else classes_in(other)
    if len(classes) < 2 and len(others) < 2:
        return None, (), []
    classes = sorted(classes | others)
    numbers = {name: number for number, name in enumerate(classes)}
    labels = np.array([numbers[parts[0]] for parts in inner], np.min_scalar_type(len(classes) - 1))
    return labels, tuple(map(printable, classes)), []


def classes_in(folder):
    """Return the names of the subfolders that hold pictures; none if pictures lie beside them. No picture is opened."""
    try:
        paths, _ = find_pictures(folder)
    except DataError:
        return set()
    inner = [path.relative_to(folder).parts[:-1] for path in paths]
    return {parts[0] for parts in inner} if all(inner) else set()


def notices_of(folder, problems, looks, size):
    """Return the warnings: pictures that were left out, and pictures that were enlarged."""
    notices = []
    if problems:
        text = (
            f"folder {printable(folder)}: {len(problems):,} pictures were left out: {named(folder, problems)}. "
            f"{len(looks):,} are used."
        )
        notices.append(PartialDataWarning(text))
    small = {
        path: f"{seen.height} x {seen.width}"
        for path, seen in looks.items()
        if seen.height < size[0] or seen.width < size[1]
    }
    if small:
        text = (
            f"folder {printable(folder)}: {len(small):,} of {len(looks):,} pictures are smaller than {size[0]} x "
            f"{size[1]} and were enlarged, so they are blurred: {named(folder, small)}. Take them out, or choose a "
            "smaller image_size (--image-size)."
        )
        notices.append(MisuseWarning(text))
    return notices
