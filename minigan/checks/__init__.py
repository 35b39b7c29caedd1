"""Checks that a layer is right, for minigan's own layers and for layers that users write."""

from minigan.checks.gradient_check import check_gradients
from minigan.checks.layer_check import check_layer, parametrize_with_checks

__all__ = ["check_gradients", "check_layer", "parametrize_with_checks"]
