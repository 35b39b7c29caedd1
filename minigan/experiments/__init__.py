"""The experiments of five reports, and our own, by name: networks, data, recipe, and the claim to test."""

from minigan.experiments.catalogue import EXPERIMENTS, find
from minigan.experiments.experiment import Experiment
from minigan.experiments.from_files import from_file

__all__ = ["EXPERIMENTS", "Experiment", "find", "from_file"]
