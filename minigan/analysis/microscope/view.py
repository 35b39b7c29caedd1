"""What the microscope shows of one layer: its arrays as plain NumPy arrays, and figures made of them."""

from dataclasses import dataclass, field

import numpy as np

from minigan.layers.activations import LeakyReLU
from minigan.layers.base import Layer
from minigan.layers.smooth_activations import ELU
from minigan.options import require_count

BINS = 40
CUT_OFF = (LeakyReLU, ELU)  # and ReLU, which is a LeakyReLU: what is below 0 is cut off or nearly so


@dataclass
class Histogram:
    """How often numbers fall into bins of equal width: counts (bins,), edges (bins + 1,).

    odd        how many numbers are NaN or infinite, and in no bin
    """

    counts: np.ndarray
    edges: np.ndarray
    odd: int


@dataclass
class LayerView:
    """One layer in one pass forward and back.

    name           of the layer, with the names of the containers around it: 3.Add/branch0.0.Dense
    formula        [(section, lines)] of the layer's docstring: see formula_of
    x, y, dy, dx   what went in and out, (n, ...); None if the pass did not get there
    params, grads, updates    by name; updates: what the optimizer would add to each parameter, {} without an optimizer
    state          what the layer remembers besides, as it was before the pass (running statistics)
    saved          the arrays kept for backward, and kept_bytes, their size together
    """

    name: str
    kind: str
    layer: Layer  # before the pass
    formula: list
    training: bool
    labels: np.ndarray | None = None
    x: np.ndarray | None = None
    y: np.ndarray | None = None
    dy: np.ndarray | None = None
    dx: np.ndarray | None = None
    params: dict[str, np.ndarray] = field(default_factory=dict)
    grads: dict[str, np.ndarray] = field(default_factory=dict)
    updates: dict[str, np.ndarray] = field(default_factory=dict)
    state: dict[str, np.ndarray] = field(default_factory=dict)
    saved: tuple = ()
    kept_bytes: int = 0

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name: x, y, dy, dx, W, dW, "update of W" ..."""
        arrays = {"x": self.x, "y": self.y, "dy": self.dy, "dx": self.dx}
        for name, value in self.params.items():
            arrays |= {name: value, f"d{name}": self.grads[name]}
            if self.updates:
                arrays[f"update of {name}"] = self.updates[name]
        return {name: value for name, value in arrays.items() if value is not None}

    def histogram(self, what: str, bins: int = BINS) -> Histogram:
        """Return the Histogram of one of the arrays."""
        return histogram(self.arrays[what], require_count("histogram", bins=bins))

    @property
    def update_ratios(self) -> dict[str, float]:
        """Return |update| / |parameter| (Euclidean norms) by name; about 1e-3 is usual, infinite for a bias of zeros.

        Source: Karpathy, "A recipe for training neural networks"
        """
        return {name: ratio(update, self.params[name]) for name, update in self.updates.items()}

    @property
    def dead_share(self) -> float | None:
        """Return the share of units that no sample of the batch lets through: x <= 0 everywhere. None for other layers.

        A unit is a number of a vector, or a channel of an image or sequence. The units of a ReLU that are dead for all
        samples of the data set learn no more. Those of a LeakyReLU do, with a small slope.
        """
        if not isinstance(self.layer, CUT_OFF) or self.x is None:
            return None
        rows = self.x.reshape(-1, self.x.shape[-1])
        return float((rows <= 0).all(axis=0).mean())


def histogram(array, bins=BINS):
    """Return the Histogram of the finite numbers of an array."""
    numbers = array.astype("float64").ravel()
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if not high - low > 0:  # all numbers are equal, or there are none
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    counts, edges = np.histogram(finite, bins, (low, high))
    return Histogram(counts, edges, numbers.size - finite.size)


def ratio(update, value):
    """Return the ratio of the Euclidean norms of two arrays."""
    with np.errstate(all="ignore"):
        return float(np.linalg.norm(update.astype("float64")) / np.linalg.norm(value.astype("float64")))
