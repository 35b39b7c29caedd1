"""The sizes that the networks are made of, checked."""

from minigan.errors import OptionError, ShapeError
from minigan.options import alone, is_count, require_shape, shown


def image_sizes(owner, image_shape):
    """Return (height, width, channels) of the images that a network makes or takes."""
    shape = require_shape(owner, image_shape=image_shape)
    if len(shape) != 3:
        raise ShapeError(f"{owner}: expected image_shape as (height, width, channels), got {shape}.")
    return shape


def first_image(owner, image_shape, growth):
    """Return (height, width, channels) of the image that a generator begins with and makes `growth` times as large."""
    height, width, channels = image_sizes(owner, image_shape)
    if min(height, width) < growth:
        raise ShapeError(
            f"{owner}: expected images of at least {growth} x {growth} pixels, got {height} x {width}: they grow from "
            f"a small image that is {growth} times smaller."
        )
    if height % growth or width % growth:
        raise ShapeError(
            f"{owner}: expected images whose height and width are multiples of {growth}, got {height} x {width}: they "
            f"grow from a small image that is {growth} times smaller. Another size of the images: --image-size, or "
            "image_size= of data.load."
        )
    return height // growth, width // growth, channels


def require_counts(owner, **options):
    """Return the options, each a list or tuple of integers of at least 1: the sizes of layers in a row."""
    for name, values in options.items():
        if not isinstance(values, (tuple, list)) or not all(map(is_count, values)):
            raise OptionError(f"{owner}: expected {name} as a tuple of positive integers, got {shown(values)}.")
    return alone(options.values())
