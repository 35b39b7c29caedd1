"""Decoding one picture with Pillow, without trusting it: a PNG, JPEG or such becomes bytes (h, w, c) of a wanted size.

The steps, in this order: turn it upright (EXIF), 16 bits to 8, lay what is transparent on a background, grey or colour,
then shrink it until it just covers the wanted size, and cut what sticks out, the same on both sides.
"""

import warnings
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from minigan.files import printable

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
# photos that Pillow does not read, or not everywhere: they are named, not silently left out
FOREIGN = (".heic", ".heif", ".avif", ".jxl", ".dng", ".cr2", ".nef", ".arw")
MOST_PIXELS = 10**8  # of one picture: a small file can claim to be a picture that fills the memory
BACKGROUNDS = {"white": 255, "black": 0}
MODES = {1: "L", 3: "RGB"}  # Pillow's names for pictures of so many channels
GREY_MODES = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "F")
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF's tag, and its values that swap width and height


class UnreadableError(Exception):
    """One picture cannot be read; the text says why, in a few words. The callers collect these."""


@dataclass(frozen=True)
class Look:
    """What the header of a picture says: its size, upright, and whether it is grey."""

    height: int
    width: int
    grey: bool


def look(path):
    """Return what the header of the picture `path` says, without decoding it."""
    with opened(path) as picture:
        width, height = picture.size
        # Pillow would decode a whole PNG to look for EXIF at its end
        looked_for = picture.format != "PNG" or "exif" in picture.info
        if looked_for and picture.getexif().get(ORIENTATION) in SIDEWAYS:
            width, height = height, width
        return Look(height, width, picture.mode in GREY_MODES)


def decode(path, size, channels, background="white"):
    """Return the picture in the file `path` as bytes (h, w, c).

    size       (h, w): the picture is shrunk or enlarged until it covers this, and its middle is cut out
    channels   1 for grey, 3 for red, green, blue
    background "white" or "black": the colour behind what is transparent
    """
    with opened(path) as picture:
        longest = 2 * max(size)
        picture.draft(MODES[channels], (longest, longest))  # a JPEG is decoded at a half, a quarter ... if that will do
        picture = ImageOps.exif_transpose(picture)
        return fitted(flat(picture, channels, background), size)


def fitted(picture, size):
    """Return a picture of Pillow as bytes (h, w, c) of the wanted size (h, w)."""
    height, width = size
    if picture.size != (width, height):
        # Lanczos' filter is stretched over all pixels that become one, so that fine patterns do not turn into coarse
        picture = ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.uint8).reshape(height, width, -1)


def fit_array(image, size, channels):
    """Return bytes (h, w, c) as bytes of another size and number of channels, as `decode` does."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return fitted(picture.convert(MODES[channels]), size)


def flat(picture, channels, background):
    """Return a picture without transparency, in 8 bits, grey or in colour."""
    if picture.mode.startswith(("I", "F")):
        picture = from_16_bits(picture)
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        behind = Image.new("RGBA", picture.size, (BACKGROUNDS[background],) * 3 + (255,))
        picture = Image.alpha_composite(behind, picture)
    return picture.convert(MODES[channels])


def from_16_bits(picture):
    """Return a picture of numbers 0 ... 65,535 as one of 0 ... 255."""
    numbers = np.asarray(picture)
    if picture.mode == "F" or numbers.min() < 0 or numbers.max() > 65535:
        raise UnreadableError("its numbers are no bytes, and their range is unknown: make an array of it")
    return Image.fromarray(((numbers.astype(np.int64) + 128) // 257).astype(np.uint8))


@contextmanager
def opened(path):
    """Open a picture in the block; whatever is wrong with it becomes an UnreadableError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, which are refused below, and of odd metadata
            with Image.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise Image.DecompressionBombError
                yield picture
    except (UnreadableError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise UnreadableError(f"it has more than {MOST_PIXELS:,} pixels") from None
    except UnidentifiedImageError:
        raise UnreadableError("not a picture, or damaged at its start") from None
    except OSError as error:
        raise UnreadableError(printable(error.strerror or error)[:100]) from error
    except Exception as error:  # on damaged files Pillow raises errors of nearly every class
        raise UnreadableError(f"{type(error).__name__}: {printable(error)[:100]}") from error
