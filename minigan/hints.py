"""The types that stand in public signatures."""

import os
from collections.abc import Sequence

import numpy as np

Array = np.ndarray  # or cupy.ndarray, which has the same methods
Labels = np.ndarray | Sequence[int]  # the class of each sample, from 0
DType = str | np.dtype  # "float32" or "float64"
Rng = np.random.Generator
PathLike = str | os.PathLike[str]
Seed = int | Sequence[int] | None  # None: another one each time

Shape = Sequence[int]  # of one sample, without the batch axis, where nothing else is said
Size = int | Sequence[int]  # one number for height and width, or both
Padding = str | int | Sequence[Sequence[int]]  # "same", "valid", pixels on each side, or ((top, bottom), (left, right))
