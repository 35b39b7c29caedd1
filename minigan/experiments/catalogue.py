"""All experiments by name."""

import difflib

from minigan.errors import OptionError
from minigan.experiments import conditional, own, report_a, report_b, report_c, report_d, report_e
from minigan.experiments.experiment import Experiment
from minigan.experiments.variants import SEPARATOR, by_name
from minigan.options import shown

AS_REPORTED = "-as-reported"  # how the names end of the experiments that give what a report saw

EXPERIMENTS = {
    experiment.name: experiment
    for module in (own, conditional, report_a, report_b, report_c, report_d, report_e)
    for experiment in module.EXPERIMENTS
}


def find(name: str) -> Experiment:
    """Return the experiment of that name or alias, in upper or lower case, or a variant of it: A4+d_lr=0.001.

    Errors     OptionError with the nearest names for another one
    """
    if not isinstance(name, str):
        raise OptionError(f"expected the name of an experiment, got {shown(name)}.")
    if SEPARATOR in name:
        return by_name(find, name)
    by_lower = {
        known.lower(): (known, experiment)
        for experiment in EXPERIMENTS.values()
        for known in (experiment.name, *experiment.aliases)
    }
    if name.lower() in by_lower:
        return by_lower[name.lower()][1]
    near = difflib.get_close_matches(name.lower(), by_lower, n=4, cutoff=0.4)
    hint = f" Did you mean {', '.join(by_lower[n][0] for n in near)}?" if near else ""
    raise OptionError(f"there is no experiment {name!r}.{hint} All names: python -m minigan list")


def like_the_report(name: str) -> str:
    """Return the name of the experiment that gives what the report saw: A1-as-reported for A1. Options stay.

    Errors     OptionError if there is none, with the names of those that have one
    """
    base, *options = name.split(SEPARATOR)
    reported = {known.lower(): known + AS_REPORTED for known in EXPERIMENTS if known + AS_REPORTED in EXPERIMENTS}
    if base.lower() not in reported:
        raise OptionError(
            f"{base} has no setting that gives what its report saw. These have one: "
            f"{', '.join(known for known in EXPERIMENTS if known.lower() in reported)}. See docs/as_reported.md"
        )
    return SEPARATOR.join([reported[base.lower()], *options])
