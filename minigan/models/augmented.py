"""DiffAugment in front of a discriminator: which changes, by their names in the paper's code."""

from collections.abc import Sequence

from minigan.errors import OptionError
from minigan.layers import Cutout, RandomColor, RandomTranslation
from minigan.layers.base import Layer
from minigan.options import hint, require_range, shown

AUGMENTATIONS = ("color", "translation", "cutout")


def diff_augment(
    policy: str | Sequence[str] = "color,translation,cutout", low: float = -1, high: float = 1
) -> list[Layer]:
    """Return the layers that change images at random, to be put in front of a discriminator.

    policy     names with commas between, or a list of names: color, translation, cutout
    low, high  the numbers that are black and white
    Source     Zhao et al. 2020, arXiv:2006.10738; docs/layers/augmentation.md
    """
    low, high = require_range("diff_augment", low, high)
    layers = {
        "color": lambda: RandomColor(brightness=0.25 * (high - low)),
        "translation": RandomTranslation,
        "cutout": Cutout,
    }
    return [layers[name]() for name in checked_policy("diff_augment", policy)]


def checked_policy(owner, policy):
    """Return the names of the changes as a tuple; OptionError for others, and for a name given twice."""
    if policy is None:
        return ()
    names = policy.split(",") if isinstance(policy, str) else policy
    if not isinstance(names, (tuple, list)) or not all(isinstance(name, str) for name in names):
        raise OptionError(f"{owner}: expected names such as {','.join(AUGMENTATIONS)}, got {shown(policy)}.")
    names = tuple(name.strip() for name in names)
    for name in names:
        if name not in AUGMENTATIONS or names.count(name) > 1:
            problem = "twice" if name in AUGMENTATIONS else "which is unknown"
            raise OptionError(
                f"{owner}: expected some of {', '.join(AUGMENTATIONS)}, got {shown(name)}, {problem}."
                f"{hint(name, AUGMENTATIONS) if name not in AUGMENTATIONS else ''}"
            )
    return names
