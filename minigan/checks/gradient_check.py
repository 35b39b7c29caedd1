"""check_gradients: a backward pass against central differences of its forward pass.

Random weights r turn the output y into a loss, L = sum(r y), so dL/dy = r is the upstream gradient. (With all-ones
weights, a BatchNorm without its third term would pass.) Then every derivative of L is measured,

    dL/da ~ (L(a + h) - L(a - h)) / 2h,        error about h^2 + 1e-16 |L| / h, about 1e-10 in float64 for h = 1e-5

and compared with what backward computed: entry by entry in small arrays, and in large arrays along random directions,
each of which moves all entries at once.
"""

import copy
import math
from dataclasses import dataclass, field

import numpy as np

from minigan.backend import to_cpu
from minigan.checks.contract import forward, labels_of
from minigan.checks.diagnosis import likely_cause
from minigan.errors import DtypeError, GradientError, OptionError
from minigan.hints import Array, Labels, Seed, Shape
from minigan.labels import labels_for
from minigan.layers.base import Layer
from minigan.layers.container import built_shape, what_is_wrong
from minigan.memory import require_room
from minigan.options import require_array, require_flag, require_instance, require_positive, require_seed, require_shape

STEP = 1e-5
EXHAUSTIVE = 64  # arrays of up to so many entries are checked entry by entry
DIRECTIONS = 8  # random directions for a larger one
PROBES = 200  # entries looked at in a large array that failed, to find the worst
ATTEMPTS = 5  # points tried where a kink spoils the differences


@dataclass
class ArrayResult:
    """The result of the check of one array: at the worst place, `analytic` from backward and `numeric` measured."""

    name: str
    shape: tuple
    how: str
    error: float
    index: tuple | None
    analytic: float
    numeric: float
    wrong: int
    cause: str = ""


@dataclass
class GradientReport:
    """The results for all arrays; `str` gives a table."""

    title: str
    results: list = field(default_factory=list)
    resampled: int = 0

    @property
    def worst(self) -> float:
        """Return the largest relative error."""
        return max(result.error for result in self.results)

    def __str__(self):
        rows = [("array", "shape", "compared", "worst relative error", "at", "analytic", "numeric")]
        for r in self.results:
            place = "" if r.index is None else str(tuple(int(i) for i in r.index))
            values = (f"{r.analytic:+.6e}", f"{r.numeric:+.6e}") if r.wrong else ("", "")
            rows.append((r.name, str(r.shape), r.how, f"{r.error:.1e}", place if r.wrong else "", *values))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        causes = [f"{r.name}: {how_many_wrong(r.wrong)}. Likely cause: {r.cause}" for r in self.results if r.wrong]
        times = "once" if self.resampled == 1 else f"{self.resampled} times"
        kinks = [f"the input was moved {times}, away from kinks"] if self.resampled else []
        return "\n".join([self.title, *("  " + line for line in [*table, *causes, *kinks])])


def how_many_wrong(values):
    return "1 compared value is wrong" if values == 1 else f"{values} compared values are wrong"


def check_gradients(
    layer: Layer,
    x: Array | Shape,
    training: bool = True,
    tolerance: float = 1e-6,
    seed: Seed = 0,
    labels: Labels | None = None,
) -> GradientReport:
    """Compare every gradient of a layer or network, that of the input and of each parameter, with central differences.

    layer      a built layer or network in float64 (`net.astype("float64")`), or a layer that is not yet built
    x          its input, float64 (n, ...); or a tuple, the shape of one sample: then three random samples
    training   the mode of forward; tolerance: the largest relative error |a - m| / max(|a|, |m|, rms of the array);
               differences below the rounding noise of the measurement do not count
    labels     (n,), the classes of the samples, for a layer that takes them; by default some are chosen
    Returns    a GradientReport; print it. The layer itself does not change: a copy is checked. Its parameters are
               moved a little at random, since special values (a bias of 0, a gamma of 1) hide mistakes.
    Errors     GradientError with the report: layer, array, index, both values, likely cause; DtypeError for float32,
               whose rounding would hide the difference between right and wrong

    If forward has a kink (ReLU at 0) within a step, the two one-sided slopes differ, and the central difference lies
    between them. The check notices this, moves the input, and measures everything again.
    Layers with a random forward (dropout) are copied before every evaluation, so each copy draws the same numbers.
    """
    owner = "check_gradients"
    require_instance(owner, Layer, "Dense(3)", layer=layer)
    training, tolerance = require_flag(owner, training=training), require_positive(owner, tolerance=tolerance)
    rng = np.random.default_rng(require_seed(owner, seed=seed))
    if isinstance(x, tuple):
        shape = (3, *require_shape(owner, x=x))
        require_room(owner, f"three samples, {shape},", 8 * math.prod(shape))
        x = rng.standard_normal(shape)
    x = to_cpu(require_array(owner, dtype="float64", x=x)).copy()
    if x.ndim < 2 or len(x) == 0 or not np.isfinite(x).all():
        raise OptionError("check_gradients: expected x with at least one sample and only finite values.")
    layer = copy.deepcopy(layer)
    layer.trainable = True
    if layer.input_shape is None:
        layer.output_shape = built_shape(layer, layer.build(x.shape[1:], rng, np.dtype("float64"), np))
    for what, dtype in (("x", x.dtype), ("the layer", layer.dtype)):
        if dtype != np.float64:
            raise DtypeError(
                f'check_gradients: {what} is {dtype}; finite differences need float64. Use net.astype("float64") and '
                'x.astype("float64").'
            )
    labels = labels_of(layer, len(x)) if labels is None else labels_for(layer, labels, owner)
    # one training pass moves running statistics off their start, at an x moved in proportion: what is above 0 stays
    # above 0, as a logarithm needs it; noise moves the parameters
    forward(layer, x * (1 + 0.1 * rng.standard_normal(x.shape)), True, labels)
    layer.clear_cache()
    for value in layer.params.values():
        value += 0.1 * rng.standard_normal(value.shape)

    title = f"{layer.name}, gradients in {'training' if training else 'inference'} mode, batch of {len(x)}"
    for attempt in range(ATTEMPTS):
        point = x if attempt == 0 else x + 0.05 * rng.standard_normal(x.shape)
        probe = Probe(layer, point.copy(), labels, training, rng)
        report, kinks = measure(probe, tolerance, rng, GradientReport(title, resampled=attempt))
        if not kinks:
            break
    else:
        report.results[0].cause += f" (a kink at every one of {ATTEMPTS} points: is forward continuous?)"
    if any(result.wrong for result in report.results):
        raise GradientError(str(report))
    return report


def require_right(wrong):
    """Raise GradientError unless nothing is wrong."""
    if wrong:
        raise GradientError(wrong)


class Probe:
    """The loss L = sum(r y) of a layer as a function of its arrays; each evaluation has the same random state."""

    def __init__(self, layer, x, labels, training, rng):
        self.layer, self.x, self.labels, self.training = layer, x, labels, training
        y = self.output()
        require_right(what_is_wrong(layer, "forward", y, (len(x), *layer.output_shape)))
        self.weights = rng.standard_normal(y.shape)
        self.base = self.loss()
        self.size = float(np.abs(self.weights * y).sum())  # of the terms of L

    def output(self):
        return forward(copy.deepcopy(self.layer), self.x, self.training, self.labels)

    def loss(self):
        return float((self.weights * self.output()).sum())

    def gradients(self):
        """Return what backward computes: {"dx": ..., "dW": ..., ...}."""
        twin = copy.deepcopy(self.layer)
        for grad in twin.grads.values():
            grad.fill(0)
        forward(twin, self.x.copy(), self.training, self.labels)
        dx = twin.backward(self.weights.copy())
        require_right(what_is_wrong(twin, "backward", dx, self.x.shape))
        return {"dx": np.array(dx), **{f"d{name}": np.array(grad) for name, grad in twin.grads.items()}}

    def arrays(self):
        """Return the arrays themselves, which `slope` moves in place: {"dx": x, "dW": W, ...}."""
        return {"dx": self.x, **{f"d{name}": value for name, value in self.layer.params.items()}}

    def slope(self, array, direction):
        """Return the central difference, and the gap of the one-sided slopes, along an array or index `direction`."""
        step = STEP * max(1.0, float(np.sqrt(np.mean(array * array))))
        start = array.copy()
        values = []
        for sign in (1, -1):
            if isinstance(direction, tuple):
                array[direction] += sign * step
            else:
                array += sign * step * direction
            values.append(self.loss())
            array[...] = start
        up, down = values
        return (up - down) / (2 * step), abs(up - 2 * self.base + down) / step

    def noise(self):
        """Return the slope that rounding alone can give where the true slope is 0."""
        return 5 * np.finfo(float).eps * max(self.size, 1.0) / STEP


def measure(probe, tolerance, rng, report):
    """Check all arrays at one point; return the report, and whether the errors look like kinks."""
    gradients = probe.gradients()
    kinks = False
    for name, array in probe.arrays().items():
        analytic = gradients[name]
        if analytic.shape != array.shape:
            raise GradientError(f"{report.title}: {name} has shape {analytic.shape}, expected {array.shape}.")
        if not np.isfinite(analytic).all():
            raise GradientError(f"{report.title}: {name} holds NaN or infinity.")
        result, kink = check_array(probe, name, array, analytic, tolerance, rng)
        report.results.append(result)
        kinks = kinks or kink
    return report, kinks


def check_array(probe, name, array, analytic, tolerance, rng):
    """Check one array's gradient; return its ArrayResult, and whether a kink explains every error."""
    floor = probe.noise() / tolerance
    if array.size <= EXHAUSTIVE:
        indices = list(np.ndindex(array.shape))
        how = "the only entry" if array.size == 1 else f"all {array.size} entries"
    else:
        directions = [d / np.linalg.norm(d) for d in rng.standard_normal((DIRECTIONS, *array.shape))]
        a = np.array([float((analytic * d).sum()) for d in directions])
        m, gaps = np.array([probe.slope(array, d) for d in directions]).T
        typical = np.linalg.norm(analytic) / math.sqrt(array.size)  # of a slope along a random unit direction
        errors = abs(a - m) / np.maximum.reduce([abs(a), abs(m), np.full_like(a, max(typical, floor))])
        how = f"{DIRECTIONS} random directions"
        if (errors <= tolerance).all():
            return ArrayResult(name, array.shape, how, float(errors.max()), None, 0, 0, 0), False
        flat = np.sort(rng.choice(array.size, min(PROBES, array.size), replace=False))
        indices = list(zip(*(axis.tolist() for axis in np.unravel_index(flat, array.shape)), strict=True))
        how += f", then {len(indices)} entries"

    slopes = np.array([probe.slope(array, index) for index in indices])
    a, m, gaps = np.array([analytic[index] for index in indices]), slopes[:, 0], slopes[:, 1]
    scale = np.maximum.reduce([abs(a), abs(m), np.full_like(a, max(math.sqrt(np.mean(m * m)), floor))])
    if np.abs(m).max() < 10 * probe.noise():
        how += ", all zero"  # right for a bias before a BatchNorm, say; elsewhere it means that little was tested
    errors = abs(a - m) / scale
    bad = errors > tolerance
    worst = int(errors.argmax())
    result = ArrayResult(
        name, array.shape, how, float(errors[worst]), indices[worst], a[worst], m[worst], int(bad.sum())
    )
    if not bad.any():
        if array.size > EXHAUSTIVE:  # a direction failed, yet no probed entry did: still wrong, somewhere
            result.wrong, result.cause = 1, "a few entries among many are wrong: check indices and borders."
        return result, False
    kink = bool((abs(a - m)[bad] <= 0.55 * gaps[bad]).all())  # a kink makes a difference err by half the gap
    if len(indices) == array.size:
        a, m = a.reshape(array.shape), m.reshape(array.shape)
    result.cause = likely_cause(name, a, m, probe)
    return result, kink
