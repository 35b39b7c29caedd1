"""The pictures of a run as a page can hold them: small enough together, and safe to open.

A grid is stored with each pixel two wide and two high. The page needs it once: the browser enlarges it. If the grids
are still too large, some epochs are left out; and only if fewer than ENOUGH would stay, they become JPEG.
"""

import hashlib
import io

import numpy as np
from PIL import Image

from minigan.errors import FileError
from minigan.files import read_file
from minigan.pages.markup import data_uri_length
from minigan.pictures import EMPTY, GAP
from minigan.training.gallery import EPOCH, ZOOM
from minigan.training.watchers.health import roughness, spread

MOST_PIXELS, MOST_BYTES = 2**24, 2**25  # of one picture
MOST = 200  # epochs whose grids are read
ENOUGH = 16  # epochs that a page should show
WIDEST = 900  # pixels of a grid that had to become JPEG
SAMPLES_FOLDER = "samples"
KEPT = {}  # bytes of files by what they hold


class Picture:
    """A picture in a page: the bytes of its file, PNG or JPEG, and its size there."""

    def __init__(self, content, width, height, epoch=None):
        self.content, self.width, self.height, self.epoch = content, width, height, epoch

    @property
    def kind(self):
        return "image/png" if self.content.startswith(b"\x89PNG") else "image/jpeg"

    @property
    def characters(self):
        """Return how many characters of a page the picture takes."""
        return data_uri_length(self.content, self.kind)


def open_picture(path):
    """Return a picture of a run as Pillow has it, unpacked: grey, RGB or RGBA.

    Errors     FileError if it is missing, damaged, no such PNG, or too large
    """
    content = read_file(path, MOST_BYTES)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width * image.height <= MOST_PIXELS and image.mode in ("L", "RGB", "RGBA"):
                image.load()
                return image
            what = f"{image.width} x {image.height} pixels in the mode {image.mode}"
    except Exception as error:  # on damaged files Pillow raises errors of many classes
        raise FileError(f"{path.name}: damaged, or not a PNG file.") from error
    raise FileError(f"{path.name}: {what} is no picture of a run.")


def read_picture(path, say, zoomed=True):
    """Return the Picture in a file, or None if there is none; of a damaged one `say` is told."""
    if not path.exists():
        return None
    try:
        return as_png(without_zoom(open_picture(path)) if zoomed else smaller_figure(open_picture(path)))
    except FileError as error:
        say(f"A picture is left out: {error}")
        return None


def without_zoom(image):
    """Return a picture with one pixel where it has ZOOM x ZOOM equal ones; others as they are."""
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    if height % ZOOM or width % ZOOM:
        return image
    small = np.ascontiguousarray(pixels[::ZOOM, ::ZOOM])
    same = (np.repeat(np.repeat(small, ZOOM, 0), ZOOM, 1) == pixels).all()
    return Image.fromarray(small) if same else image


def smaller_figure(image):
    """Return a figure of matplotlib in fewer bytes: with 64 colours at most."""
    return image.convert("RGB").quantize(64, dither=Image.Dither.NONE)


def as_png(image, epoch=None):
    """Return a picture as PNG."""
    return Picture(kept(image, "PNG", image.size), *image.size, epoch)


def as_jpeg(image, epoch=None):
    """Return a picture as JPEG, at most WIDEST pixels wide."""
    width = min(image.width, WIDEST)
    size = width, max(1, image.height * width // image.width)
    return Picture(kept(image, "JPEG", size), *size, epoch)


def kept(image, kind, size):
    """Return the bytes of a file; a run that is watched has the same pictures each time, so they are kept."""
    key = kind, size, hashlib.blake2b(image.tobytes()).digest()
    if key not in KEPT:
        if len(KEPT) >= 2 * MOST:
            KEPT.clear()
        file = io.BytesIO()
        if kind == "JPEG":
            image = image.convert("RGB")
            image = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
        image.save(file, kind, **({"quality": 80} if kind == "JPEG" else {}))
        KEPT[key] = file.getvalue()
    return KEPT[key]


def epochs_with_grids(record):
    """Return the epochs whose grids are in the folder of a run."""
    folder = record.path / SAMPLES_FOLDER
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(match[1]) for match in map(EPOCH.fullmatch, names) if match)


def newest_grid(record, say):
    """Return (epoch, image) of the newest grid of a run that is not damaged, or None."""
    for epoch in reversed(epochs_with_grids(record)[-9:]):
        try:
            return epoch, without_zoom(open_picture(record.path / SAMPLES_FOLDER / f"epoch_{epoch:03d}.png"))
        except FileError as error:
            say(f"A picture is left out: {error}")
    return None


def read_grids(record, say):
    """Return (epoch, image) for the grids of samples of a run, oldest first; `say` is told of what is left out."""
    folder, found = record.path / SAMPLES_FOLDER, epochs_with_grids(record)
    chosen = evenly(found, MOST)
    if len(chosen) < len(found):
        say(f"Of {len(found):,} grids of samples, {len(chosen):,} are read, evenly over the epochs.")
    grids, damaged, size = [], [], None
    for epoch in chosen:
        try:
            image = without_zoom(open_picture(folder / f"epoch_{epoch:03d}.png"))
        except FileError:
            damaged.append(epoch)
            continue
        if size not in (None, (image.size, image.mode)):  # not a grid of this run
            damaged.append(epoch)
            continue
        size = image.size, image.mode
        grids.append((epoch, image))
    if damaged:
        shown = ", ".join(map(str, damaged[:9])) + (" and more" if len(damaged) > 9 else "")
        say(f"The grids of samples of these epochs are damaged, or not of this run, and left out: {shown}.")
    return grids


def pack_grids(grids, room):
    """Return (pictures, sentence): grids in at most `room` characters, and what was done to them for it, or None."""
    if not grids:
        return [], None
    some = [as_png(image).characters for _, image in evenly(grids, 3)]
    if room // max(some) >= min(ENOUGH, len(grids)):
        return thinned(grids, room, sum(some) / len(some), as_png)
    some = [as_jpeg(image).characters for _, image in evenly(grids, 3)]
    packed, sentence = thinned(grids, room, sum(some) / len(some), as_jpeg)
    if not packed:
        return [], sentence
    note = "The grids are stored as JPEG here, with small losses, so that this page stays small."
    return packed, f"{note} {sentence}" if sentence else note


def thinned(grids, room, usual, pack):
    """Return (pictures, sentence): as many grids as fit, evenly over the epochs, the last one if any.

    usual      the characters of a grid; so not many more than those that fit need to be packed
    pack       as_png or as_jpeg
    """
    count = max(1, min(len(grids), int(1.2 * room / usual)))
    packed = [pack(image, epoch) for epoch, image in evenly(grids, count)]
    while len(packed) > 1 and total(packed) > room:
        count -= 1
        packed = [pack(image, epoch) for epoch, image in evenly(grids, count)]
    if total(packed) > room:
        return [], "This page has no room for a grid of samples. All are in the folder samples."
    if len(packed) == len(grids):
        return packed, None
    return packed, (
        f"The page shows the grids of {len(packed):,} of {len(grids):,} epochs, so that it stays small. All are in the "
        "folder samples."
    )


def total(packed):
    return sum(picture.characters for picture in packed)


def evenly(values, count):
    """Return at most `count` of the values, evenly over all, the last one always and, if there are more, the first."""
    if len(values) <= count:
        return list(values)
    if count == 1:
        return [values[-1]]
    return [values[i * (len(values) - 1) // (count - 1)] for i in range(count)]


def images_of(grid, image_shape):
    """Return what is in the places of a grid (n, h, w, c), also in empty ones, or None if it is no such grid."""
    height, width, channels = image_shape
    pixels = np.asarray(grid)
    pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    rows, row_rest = divmod(pixels.shape[0] - GAP, height + GAP)
    columns, column_rest = divmod(pixels.shape[1] - GAP, width + GAP)
    if row_rest or column_rest or rows < 1 or columns < 1 or pixels.shape[2] != channels:
        return None
    inside = pixels[GAP:, GAP:].reshape(rows, height + GAP, columns, width + GAP, channels)
    return inside[:, :height, :, :width].swapaxes(1, 2).reshape(-1, height, width, channels)


def without_empty_places(images):
    """Return the images of a grid without its last ones that are mere grey: few real images do not fill a row.

    A grid of samples is always full, and its grey images are samples.
    """
    filled = np.flatnonzero((images != EMPTY).any(axis=(1, 2, 3)))
    return images[: filled[-1] + 1] if filled.size else images[:0]


def measured(grids, real, image_shape):
    """Return rows of what the grids themselves tell: a dict for each epoch, in shares.

    difference   of two samples, as a share of that of two real images; of the whole range if there are no real ones
    noise        the difference of neighbouring pixels, as a share of that of independent pixels
    change       the difference to the same samples in the grid before
    """
    found = None if real is None else images_of(real, image_shape)
    real_images = [] if found is None else without_empty_places(found)
    unit = spread(real_images) if len(real_images) > 1 else 0.0
    rows, before = [], None
    for epoch, grid in grids:
        images = images_of(grid, image_shape)
        if images is None or len(images) < 2:
            return [], False
        row = {"epoch": epoch, "difference": spread(images) / (unit or 255 / 2**0.5), "noise": roughness(images)}
        if before is not None and before.shape == images.shape:
            row["change"] = float(np.sqrt(np.mean((images / 255.0 - before / 255.0) ** 2)))
        rows.append(row)
        before = images
    return rows, bool(unit)
