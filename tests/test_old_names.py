"""Names that moved: the old ones still work for one release, and say where the new ones are."""

import importlib
import sys

import pytest


def import_anew(name):
    """Import a module as if for the first time, since a warning comes with the first import only."""
    sys.modules.pop(name, None)
    return importlib.import_module(name)


def test_metrics():
    from minigan import metrics

    with pytest.warns(DeprecationWarning, match=r"minigan\.metrics"):
        import_anew("minigan.gan.metrics")
    from minigan.gan.metrics import evaluate

    assert evaluate is metrics.evaluate


def test_architectures():
    from minigan import models

    with pytest.warns(DeprecationWarning, match=r"minigan\.models"):
        old = import_anew("minigan.gan.architectures")
    assert old.c1_generator is models.dcgan_generator and old.mlp_generator is models.mlp_generator
    assert len(old.small_generator(upsampling=True)) == len(models.small_upsampling_generator())
    for name in old.NEW_NAMES:
        assert callable(getattr(old, name))
    with pytest.raises(AttributeError):
        _ = old.never_there


def test_starting_and_resuming_a_run():
    from minigan.training import loop

    for old, new in (("begin", "start_run"), ("reopen", "resume_run")):
        with pytest.warns(DeprecationWarning, match=rf"minigan\.training\.loop\.{old} is now {new}"):
            assert getattr(loop, old) is getattr(loop, new)
    with pytest.raises(AttributeError):
        _ = loop.never_there
