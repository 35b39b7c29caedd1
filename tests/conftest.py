"""What all tests share: pictures without a display, and markers that skip what this machine cannot run."""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


def pytest_collection_modifyitems(items):
    from minigan.backend import gpu_available

    for item in items:
        if "gpu" in item.keywords and not gpu_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(7)
