"""The experiments of five reports, and our own, by name: networks, data, recipe, and the claim to test."""

from minigan.experiments.catalogue import EXPERIMENTS, find
from minigan.experiments.experiment import Experiment

__all__ = ["EXPERIMENTS", "Experiment", "find"]
