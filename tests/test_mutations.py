"""Every broken layer of the catalogue is rejected by the public checks, with a report that points at the mistake."""

import numpy as np
import pytest
from broken_layers import CATALOGUE, BatchNormNoThirdTerm, BrokenDense, DenseTransposed

from minigan.checks import check_gradients, check_layer
from minigan.errors import GradientError


@pytest.mark.parametrize("name", CATALOGUE)
def test_rejected(name):
    kind, shape = CATALOGUE[name]
    with pytest.raises(GradientError) as caught:
        check_layer(kind, shape)
    assert kind.cause in str(caught.value), str(caught.value)


def test_the_unbroken_base_passes():
    check_layer(BrokenDense, (3,))


def test_report_names_layer_array_index_and_both_values():
    with pytest.raises(GradientError) as caught:
        check_gradients(DenseTransposed(), (3,))
    report = str(caught.value)
    line = next(line for line in report.splitlines() if line.strip().startswith("dW"))
    cells = line.split()
    assert "away from kinks" not in report, "a smooth function has none: nothing was tried again"
    assert "DenseTransposed" in report and "(3, 3)" in line and "all 9 entries" in line
    analytic, numeric = float(cells[-2]), float(cells[-1])
    assert abs(analytic - numeric) > 1e-3


def test_ones_as_upstream_gradient_would_miss_the_third_term(rng):
    """Why the checks draw it at random: with dy = 1 the broken BatchNorm gives the right dx, zero."""
    layer = BatchNormNoThirdTerm()
    layer.build((3,), rng, np.dtype("float64"), np)
    x = rng.standard_normal((5, 3))
    layer.forward(x, training=True)
    assert np.abs(layer.backward(np.ones((5, 3)))).max() < 1e-12
