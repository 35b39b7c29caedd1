"""Another size, or grey instead of colour, for the images of a data set that is in memory."""

from dataclasses import replace

import numpy as np
from tqdm.auto import tqdm

from minigan.data.decoding import fit_array
from minigan.memory import require_room


def resized(dataset, image_size=None, channels=None):
    """Return the data set with images of another size (h, w) and number of channels, or itself if nothing changes."""
    n, *before = dataset.images.shape
    after = [*(image_size or before[:2]), channels or before[2]]
    if after == before:
        return dataset
    what = f"{n:,} images of {after[0]} x {after[1]} pixels with {after[2]} bytes each"
    require_room(dataset.name, what, n * after[0] * after[1] * after[2])
    images = np.empty((n, *after), np.uint8)
    for i, image in enumerate(tqdm(dataset.images, desc="pictures", unit="", leave=False, disable=None)):
        images[i] = fit_array(image, tuple(after[:2]), after[2])
    images.flags.writeable = False
    return replace(dataset, images=images)
