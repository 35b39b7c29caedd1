"""The initializers: the spread that each paper asks for, the dtype, the same numbers from the same seed."""

import numpy as np
import pytest

from minigan import initializers
from minigan.errors import OptionError

SHAPE = (3, 3, 40, 60)
FAN_IN, FAN_OUT = 9 * 40, 9 * 60


@pytest.mark.parametrize(
    ("initializer", "deviation"),
    [
        (initializers.RandomNormal(), 0.02),
        (initializers.RandomNormal(0.5), 0.5),
        (initializers.GlorotUniform(), np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (initializers.GlorotNormal(), np.sqrt(2 / (FAN_IN + FAN_OUT))),
        (initializers.HeNormal(), np.sqrt(2 / FAN_IN)),
        (initializers.HeUniform(), np.sqrt(2 / FAN_IN)),
    ],
)
def test_spread(initializer, deviation):
    w = initializer(SHAPE, np.random.default_rng(0), "float32")
    assert w.shape == SHAPE and w.dtype == np.float32
    assert abs(w.mean()) < 4 * deviation / np.sqrt(w.size)
    assert w.std() == pytest.approx(deviation, rel=0.02)
    if "Uniform" in type(initializer).__name__:
        assert abs(w).max() <= deviation * np.sqrt(3)
    np.testing.assert_array_equal(w, initializer(SHAPE, np.random.default_rng(0), "float32"))


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 4), (2, 2, 3, 5)])
def test_orthogonal(shape):
    w = initializers.Orthogonal(gain=2)(shape, np.random.default_rng(0), "float64").reshape(-1, shape[-1])
    gram = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(gram, 4 * np.eye(len(gram)), atol=1e-12)


def test_orthogonal_prefers_no_direction():
    """QR alone gives diagonals of one sign; drawn uniformly, they average to 0."""
    rng = np.random.default_rng(0)
    diagonals = [np.diag(initializers.Orthogonal()((4, 4), rng, "float64")) for _ in range(400)]
    assert abs(np.mean(diagonals)) < 0.05


def test_constants():
    assert not initializers.Zeros()((2, 3), None, "float32").any()
    assert (initializers.Ones()((2, 3), None, "float32") == 1).all()


def test_errors():
    with pytest.raises(OptionError, match="stddev"):
        initializers.RandomNormal(0)
    with pytest.raises(OptionError, match="gain"):
        initializers.Orthogonal(-1)
    with pytest.raises(OptionError, match="two axes"):
        initializers.HeNormal()((5,), np.random.default_rng(0), "float32")
