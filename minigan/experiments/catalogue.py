"""All experiments by name."""

import difflib

from minigan.errors import OptionError
from minigan.experiments import own, report_a, report_b, report_c, report_d, report_e

EXPERIMENTS = {
    experiment.name: experiment
    for module in (report_a, report_b, report_c, report_d, report_e, own)
    for experiment in module.EXPERIMENTS
}


def find(name):
    """The experiment of that name, in upper or lower case; OptionError with the nearest names for another one."""
    by_lower = {known.lower(): experiment for known, experiment in EXPERIMENTS.items()}
    if name.lower() in by_lower:
        return by_lower[name.lower()]
    near = difflib.get_close_matches(name.lower(), by_lower, n=4, cutoff=0.4)
    hint = f" Did you mean {', '.join(by_lower[n].name for n in near)}?" if near else ""
    raise OptionError(f"there is no experiment {name!r}.{hint} All names: python -m minigan list")
