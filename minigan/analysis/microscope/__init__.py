"""The microscope: what happens in backpropagation, in numbers. docs/microscope.md"""

from minigan.analysis.microscope.explanation import Explanation
from minigan.analysis.microscope.scope import Microscope, microscope
from minigan.analysis.microscope.view import LayerView

__all__ = ["Explanation", "LayerView", "Microscope", "microscope"]
