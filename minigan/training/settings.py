"""All settings of a run, and how two of them differ: a run goes on only with those that it was begun with."""

import reprlib

from minigan.errors import CheckpointError
from minigan.gan.description import describe_gan, differences

SHOWN = 5  # differences in one message
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 100
FOR_SAMPLES = ("generator", "latent", "data_range")  # what decides over the samples of a trained generator


def settings_of(experiment, gan):
    """Return everything that the code says of an experiment, as JSON values, for config.json."""
    return {**describe_gan(gan), "data_range": list(experiment.data_range)}


def require_same(before, now, where, who, names=None):
    """Refuse settings that differ.

    before     those that the run was begun with; None for a run of minigan 0.1, which did not keep them
    where      the file that says so; who: what says otherwise
    names      the settings that count; None for all
    """
    if before is None:
        return
    kept = {name: value for name, value in before.items() if names is None or name in names}
    found = list(differences(kept, {name: now[name] for name in now if names is None or name in names}))
    if not found:
        return
    texts = [f"{place}: {quoted(old)} there, {quoted(new)} here" for place, old, new in found[:SHOWN]]
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    raise CheckpointError(
        f"{where} says that the run was begun with other settings than {who} has now: {'; '.join(texts)}{more}. A run "
        "goes on only as it began: put the old values back, or train anew into another folder."
    )


def quoted(value):
    """Return a value from a file for an error message: on one line, no control characters, of a bounded length."""
    return SHORT.repr(value)
