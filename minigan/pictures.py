"""The pictures of a training run: sample grids, the curves of both losses, real beside generated, the learning as GIF.

Images are arrays (n, h, w, c) in the range [low, high]; files appear only when they are complete.
"""

import io
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image  # comes with matplotlib

from minigan.backend import to_cpu
from minigan.errors import DtypeError, FileError, NonFiniteError, OptionError, ShapeError
from minigan.files import as_path, atomic_write, make_folder, read_file
from minigan.hints import Array, PathLike
from minigan.memory import require_room
from minigan.options import require_array, require_count, require_numbers, require_range, require_text, shown

GAP = 2  # pixels between the images of a grid
EMPTY = 128  # the grey between them, and of places without an image
CHANNELS = (1, 3, 4)
LONGEST, WIDEST = 655_350, 65_535  # milliseconds of a frame and pixels of a side that a GIF can hold
MOST_PIXELS = 2**25  # of a picture that is read, unless the reader knows better: 100 MB unpacked


def folder_for_epochs(path: PathLike) -> Path:
    """Create the folder for a picture of each epoch, epoch_001.png and so on, and return it as a Path.

    Pictures of an earlier run in it would be taken for this run's: they are removed, and a line says so.
    """
    folder = make_folder(path)
    earlier = [file for file in folder.glob("epoch_*.png") if re.fullmatch(r"epoch_\d+\.png", file.name)]
    for file in earlier:
        file.unlink()
    if earlier:
        sys.stderr.write(
            f"note: {folder}: {len(earlier)} pictures of an earlier run removed; its other files will be overwritten\n"
        )
    return folder


def to_uint8(images: Array, low: float = -1, high: float = 1) -> Array:
    """Return images of the range [low, high] as bytes 0 ... 255, rounded and clipped. Bytes stay bytes.

    Errors     DtypeError for other whole numbers, NonFiniteError where there is NaN
    """
    low, high = require_range("to_uint8", low, high)
    images = to_cpu(require_array("to_uint8", images=images))
    if images.dtype == np.uint8:
        return images
    if images.dtype.kind != "f":
        raise DtypeError(f"to_uint8: expected bytes (uint8) or floating-point numbers, got {shown(images)}.")
    if np.isnan(images).any():
        raise NonFiniteError("to_uint8: the images hold NaN: the generator's training has diverged.")
    return np.rint((np.clip(images, low, high) - low) * (255 / (high - low))).astype(np.uint8)


def grid(images: Array, columns: int | None = None, low: float = -1, high: float = 1) -> Array:
    """Return many images as one picture of bytes, row by row; as square as possible unless `columns` is given.

    Shapes     images (n, h, w, c), bytes or floats in [low, high] -> (rows, columns, c); c 1 (grey), 3 (colour) or 4
    """
    require_array("grid", images=images)
    if images.ndim != 4 or images.size == 0 or images.shape[3] not in CHANNELS:
        raise ShapeError(
            f"grid: expected images of shape (n, h, w, c) with 1 channel (grey), 3 (colour) or 4 (with alpha), got "
            f"{images.shape}."
        )
    n, height, width, channels = images.shape
    columns = math.ceil(math.sqrt(n)) if columns is None else require_count("grid", columns=columns)
    rows = -(-n // columns)
    shape = (rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, channels)
    require_room("grid", f"a picture of {shape[0]} x {shape[1]} pixels", math.prod(shape))
    picture = np.full(shape, EMPTY, np.uint8)
    for i, image in enumerate(to_uint8(images, low, high)):
        top, left = GAP + i // columns * (height + GAP), GAP + i % columns * (width + GAP)
        picture[top : top + height, left : left + width] = image
    return picture


def show(images: Array, columns: int | None = None, low: float = -1, high: float = 1, zoom: int = 2) -> Image.Image:
    """Return many images as one picture for a notebook, which shows it where it is the last line of a cell.

    images     (n, h, w, c) in the range [low, high]; each pixel becomes `zoom` pixels wide and high
    Returns    a picture of Pillow; in the middle of a cell: `display(pictures.show(images))`
    """
    return enlarge(grid(images, columns, low, high), zoom)


def _named(path, suffix):
    """Return the path of a picture; OptionError if its name promises another format than the one that is written."""
    path = as_path(path)
    if path.suffix.lower() not in ("", suffix):
        raise OptionError(
            f"pictures: expected a file name that ends in {suffix}, got {shown(path.name)}. The picture is written as "
            f"{suffix[1:].upper()}. Name it {shown(path.with_suffix(suffix).name)}; other programs can convert it."
        )
    return path


def save_png(path: PathLike, picture: Array, zoom: int = 2) -> None:
    """Write a picture of bytes (h, w, c) as PNG, each pixel `zoom` pixels wide and high."""
    with atomic_write(_named(path, ".png")) as file:
        enlarge(picture, zoom).save(file, format="PNG")


def open_png(path: PathLike, most_pixels: int = MOST_PIXELS) -> Array:
    """Read a PNG file of grey or colour bytes: a new array (h, w, c) with c = 1 or 3.

    Only PNG is tried, whatever the name says: other formats can start other programs (EPS starts Ghostscript). The size
    is looked at before anything is unpacked.
    Errors     FileError where the file is missing, damaged, no such PNG, or has more than `most_pixels`
    """
    most_pixels = require_count("open_png", most_pixels=most_pixels)
    content = read_file(path)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            size, mode = image.size, image.mode
            if image.width * image.height <= most_pixels and mode in ("L", "RGB"):
                pixels = np.array(image)
                return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    except Exception as error:  # on damaged files Pillow raises errors of many classes
        raise FileError(f"{path}: damaged, or not a PNG file ({type(error).__name__}: {error}).") from error
    raise FileError(
        f"{path}: a picture of {size[0]} x {size[1]} pixels in the mode {mode}; expected grey (L) or colour (RGB) "
        f"bytes and at most {most_pixels:,} pixels."
    )


def save_gif(path: PathLike, frames: Sequence[Array], zoom: int = 1, milliseconds: int = 120, hold: int = 2000) -> None:
    """Write pictures of bytes as one animated GIF that repeats; the last frame is held."""
    milliseconds, hold = require_count("save_gif", milliseconds=milliseconds, hold=hold)
    if max(milliseconds, hold) > LONGEST:
        raise OptionError(f"save_gif: a frame of a GIF can be shown for {LONGEST:,} milliseconds at most.")
    frames = checked_frames(frames)
    size = max(getattr(frames[0], "shape", ())[:2], default=0) * require_count("picture", zoom=zoom)
    if size > WIDEST:
        raise ShapeError(f"save_gif: a GIF has {WIDEST:,} pixels a side at most, not {size:,}. Take less zoom.")
    images = [enlarge(frame, zoom).convert("L" if frame.shape[2] == 1 else "P") for frame in frames]
    durations = [milliseconds] * (len(images) - 1) + [hold]
    with atomic_write(_named(path, ".gif")) as file:
        images[0].save(file, format="GIF", save_all=True, append_images=images[1:], duration=durations, loop=0)


def checked_frames(frames):
    """Return the pictures of an animation as a list: at least one, all of one shape."""
    try:
        frames = list(frames)
    except TypeError:
        raise OptionError(f"save_gif: expected frames as a list of pictures, got {shown(frames)}.") from None
    if not frames:
        raise OptionError("save_gif: expected at least one frame, got none.")
    shapes = {getattr(frame, "shape", None) for frame in frames}
    if len(shapes) > 1:
        raise ShapeError(f"save_gif: expected frames of one shape, got {', '.join(sorted(map(str, shapes)))}.")
    return frames


def enlarge(picture, zoom):
    """Return a picture of bytes (h, w, c) as Pillow has it, each pixel `zoom` pixels wide and high."""
    zoom = require_count("picture", zoom=zoom)
    require_array("picture", dtype="uint8", picture=picture)
    if picture.ndim != 3 or picture.size == 0 or picture.shape[2] not in CHANNELS or picture.dtype != np.uint8:
        raise ShapeError(
            f"picture: expected bytes (uint8) of shape (h, w, c) with c = 1, 3 or 4, got {shown(picture)}. "
            "pictures.grid(images) makes such a picture of images."
        )
    height, width, channels = picture.shape
    require_room("picture", f"{height * zoom} x {width * zoom} pixels", height * width * zoom**2 * channels)
    image = Image.fromarray(picture[:, :, 0] if channels == 1 else picture)
    return image.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)


def _figure(width, height):
    """Return an empty figure, in inches. matplotlib takes a second to import: who draws no curves need not wait."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def save_loss_curves(
    path: PathLike,
    d_losses: Sequence[float],
    g_losses: Sequence[float],
    xlabel: str = "epoch",
    lines: dict[str, float] | None = None,
) -> None:
    """Plot the losses of both networks, one value each per epoch.

    lines      {name: loss} of dotted lines to compare with, for example {"2 log 2: D cannot tell": 1.386}; the first
               one has the colour of D, the second one that of G
    """
    d_losses, g_losses = require_numbers("save_loss_curves", d_losses=d_losses, g_losses=g_losses)
    if len(d_losses) != len(g_losses):
        raise ShapeError(
            f"save_loss_curves: expected as many losses of one network as of the other, got {len(d_losses)} and "
            f"{len(g_losses)}."
        )
    xlabel = require_text("save_loss_curves", xlabel=xlabel)
    lines = {} if lines is None else lines
    if not isinstance(lines, dict) or not all(isinstance(name, str) for name in lines):
        raise OptionError(f"save_loss_curves: expected lines as a dict of names and losses, got {shown(lines)}.")
    heights = require_numbers("save_loss_curves", lines=list(lines.values())) if lines else []
    figure = _figure(7, 4)
    axes = figure.add_subplot()
    epochs = range(1, len(d_losses) + 1)
    axes.plot(epochs, d_losses, label="discriminator (real + generated)")
    axes.plot(epochs, g_losses, label="generator")
    for number, (name, height) in enumerate(zip(lines, heights, strict=True)):
        axes.axhline(height, color=f"C{number}", linestyle=":", linewidth=1, label=name)
    axes.set(xlabel=xlabel, ylabel="loss")
    axes.legend()
    save_figure(path, figure)


def save_curves(
    path: PathLike, curves: dict[str, tuple[Sequence[float], Sequence[float]]], xlabel: str, ylabel: str
) -> None:
    """Plot some curves in one picture: {name: (x, y)}."""
    if not isinstance(curves, dict) or not curves:
        raise OptionError(f"save_curves: expected curves as a dict of at least one curve, got {shown(curves)}.")
    xlabel, ylabel = require_text("save_curves", xlabel=xlabel), require_text("save_curves", ylabel=ylabel)
    figure = _figure(7, 4)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        if not isinstance(curve, (tuple, list)) or len(curve) != 2:
            raise ShapeError(f"save_curves: expected {name!r} as a pair (x, y), got {shown(curve)}.")
        x, y = require_numbers("save_curves", x=curve[0], y=curve[1])
        if len(x) != len(y):
            raise ShapeError(f"save_curves: {name!r} has {len(x)} numbers x, but {len(y)} numbers y.")
        axes.plot(x, y, marker=".", label=name)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend()
    save_figure(path, figure)


def save_real_beside_generated(path: PathLike, real: Array, generated: Array, low: float = -1, high: float = 1) -> None:
    """Plot two grids of the same size side by side, real images left, generated ones right."""
    save_side_by_side(path, {"real": real, "generated": generated}, low, high)


def save_side_by_side(
    path: PathLike, images: dict[str, Array], low: float = -1, high: float = 1, columns: int | None = None
) -> None:
    """Plot grids of images side by side, each below its title: {title: images}."""
    titled = isinstance(images, dict) and all(isinstance(title, str) for title in images)
    if not titled or not images:
        raise OptionError(f"save_side_by_side: expected images as a dict of titles and images, got {shown(images)}.")
    figure = _figure(4.5 * len(images), 4.8)
    for place, (title, grid_images) in enumerate(images.items(), start=1):
        show_grid(figure.add_subplot(1, len(images), place, title=title), grid(grid_images, columns, low, high))
    save_figure(path, figure)


def save_evaluation(
    path: PathLike,
    samples: Array,
    class_shares: Sequence[float] | None,
    classes: Sequence[str],
    searched: Array,
    nearest: Array,
) -> None:
    """Plot samples, the histogram of their classes, and samples above the training images nearest to them.

    samples, searched, nearest   images in [-1, 1]; of the last two as many, paired
    class_shares                 the share of each class, in the order of their names `classes`; None: no histogram
    """
    if class_shares is not None:
        class_shares = require_numbers("save_evaluation", class_shares=class_shares)
        if len(class_shares) == 0:
            raise ShapeError(
                "save_evaluation: expected class_shares of at least one class, got none. Use None for no histogram."
            )
        named = isinstance(classes, (tuple, list)) and all(isinstance(name, str) for name in classes)
        if not named or len(classes) != len(class_shares):
            raise ShapeError(
                f"save_evaluation: expected the names of as many classes as there are shares, {len(class_shares)}, got "
                f"{shown(classes)}."
            )
    searched, nearest = require_array("save_evaluation", 4, searched=searched, nearest=nearest)
    if searched.shape != nearest.shape:
        raise ShapeError(
            f"save_evaluation: expected searched and nearest in one shape, got {searched.shape} and {nearest.shape}."
        )
    figure = _figure(11, 5.8)
    left, right = figure.add_gridspec(1, 2)
    show_grid(figure.add_subplot(left, title="samples"), grid(samples))
    top, bottom = right.subgridspec(2, 1, height_ratios=(5, 3))
    if class_shares is not None:
        axes = figure.add_subplot(top, title="classes of the samples, by the classifier")
        axes.bar(range(len(classes)), class_shares)
        rotation = 0 if max(map(len, classes)) < 3 else 45
        axes.set_xticks(range(len(classes)), classes, rotation=rotation, parse_math=False)
        axes.axhline(1 / len(classes), color="black", linestyle=":", linewidth=1, label="all classes alike")
        axes.set(ylabel="share")
        axes.legend()
    place = right if class_shares is None else bottom
    axes = figure.add_subplot(place, title="samples, and below each the nearest training image")
    show_grid(axes, grid(np.concatenate([to_uint8(searched), to_uint8(nearest)]), columns=len(searched)))
    save_figure(path, figure)


def show_grid(axes, picture):
    """Put a picture of bytes into a plot, without axes around it."""
    axes.imshow(picture[:, :, 0] if picture.shape[2] == 1 else picture, cmap="gray", vmin=0, vmax=255)
    axes.axis("off")


def save_figure(path, figure):
    """Write a figure as PNG; a "$" in it is a character of somebody's name, and not the beginning of a formula."""
    for axes in figure.axes:
        names = [axes.title, axes.xaxis.label, axes.yaxis.label]
        names += axes.get_legend().get_texts() if axes.get_legend() else []
        for text in names:  # not the ticks: on a logarithmic axis, matplotlib writes its numbers as formulas
            text.set_parse_math(False)
    with atomic_write(_named(path, ".png")) as file:
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})  # the same bytes from every run
