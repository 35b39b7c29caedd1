"""The settings of a run, and how two sets of settings differ. A run can only resume with the settings of its start."""

import reprlib

from minigan.errors import CheckpointError
from minigan.gan.description import describe_gan, differences

SHOWN = 5  # differences in one message
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 100
FOR_SAMPLES = ("generator", "latent", "data_range")  # what the samples of a trained generator depend on


def settings_of(experiment, gan):
    """Return all settings of an experiment as JSON values, for config.json."""
    return {**describe_gan(gan), "data_range": list(experiment.data_range)}


def require_same(before, now, where, who, names=None):
    """Raise CheckpointError if the settings differ.

    before     the settings that the run was started with; None for a run of minigan 0.1, which did not store them
    where      the file with these settings; who: what has the other ones
    names      the settings to compare; None for all
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
        f"{where} says that the run was started with other settings than {who} has now: {'; '.join(texts)}{more}. A "
        "run can only resume with the settings that it was started with. Restore the old values, or train again "
        "into another folder."
    )


def quoted(value):
    """Return a value from a file as text for a message: one line, short, without control characters."""
    return SHORT.repr(value)
