"""The graph of an ONNX model under way: nodes, constants, and how the newest tensor is laid out.

The operators of ONNX for images know one layout only: channels first, (n, c, h, w). minigan's images have the channels
last. So a Transpose stands where the layout has to change, and nowhere else: `channels_first()` and `channels_last()`
add one only if it is needed.
"""

import numpy as np

from minigan import backend
from minigan.errors import NonFiniteError

INPUT, LABELS, OUTPUT = "x", "labels", "y"  # the names of the tensors that go in and out
ALIKE = 0  # in the shape of a Reshape: as many as before, here samples


class Graph:
    """A growing graph. Every `add` reads the newest tensor `x`, and its output is the new `x`.

    x          the name of the newest tensor
    axes       how many axes it has, without the batch
    first      whether its channels stand first; of vectors, which have one axis, never
    scope      the name of the layer that is being written: nodes and constants begin with it
    """

    def __init__(self, onnx, axes):
        self.helper, self.numpy_helper = onnx.helper, onnx.numpy_helper
        self.nodes, self.constants, self.names = [], [], {INPUT, LABELS, OUTPUT}
        self.x, self.axes, self.first, self.scope = INPUT, axes, False, ""
        self.twins = {}  # (tensor, whether its channels stand first) -> the same tensor in the other layout

    def add(self, operator, *inputs, **attributes):
        """Append an operator that reads x, then `inputs`, and return the name of its output, the new x."""
        self.x = self.node(operator, self.x, *inputs, **attributes)
        return self.x

    def node(self, operator, *inputs, outputs=None, **attributes):
        """Append an operator and return the name of its output; x stays.

        outputs    the names of the outputs, if it has several; then the last one counts
        """
        name = self.new_name(operator)
        outputs = outputs or [name]
        self.nodes.append(self.helper.make_node(operator, list(inputs), outputs, name=name, **attributes))
        return outputs[-1]

    def constant(self, name, values):
        """Keep numbers in the model, and return their name: integers as int64, all others as float32."""
        values = np.asarray(backend.to_cpu(values))
        whole = values.dtype.kind in "iu"
        with np.errstate(over="ignore"):
            array = np.array(values, "int64" if whole else "float32", order="C")
        if not np.isfinite(array).all():
            raise NonFiniteError(
                f"{self.scope}: this network is not exported: {name} holds NaN, infinity, or numbers beyond float32. "
                "Usually the steps of its training were too large: load the last file that you saved."
            )
        name = self.new_name(name)
        self.constants.append(self.numpy_helper.from_array(array, name))
        return name

    def new_name(self, name):
        """Return a name within the scope that is not taken yet."""
        full = plain = f"{self.scope}/{name}" if self.scope else name
        count = 1
        while full in self.names:
            count += 1
            full = f"{plain}_{count}"
        self.names.add(full)
        return full

    def channels_first(self):
        """Let the channels stand first: (n, c, h, w), or (n, c, t) for sequences. Vectors stay as they are."""
        self._lay_out(True)

    def channels_last(self):
        """Let the channels stand last, as in minigan."""
        self._lay_out(False)

    def _lay_out(self, first):
        if self.axes < 2 or self.first == first:
            return
        key = (self.x, self.first)
        if key not in self.twins:
            middle = range(2, self.axes + 1) if self.first else range(1, self.axes)
            perm = (0, *middle, 1) if self.first else (0, self.axes, *middle)
            self.twins[key] = self.node("Transpose", self.x, perm=perm)
        self.x, self.first = self.twins[key], first

    @property
    def channel_axis(self):
        """Return the number of the axis of the channels."""
        return 1 if self.first else self.axes

    def for_channels(self, array):
        """Return numbers (c,), or (rows, c), in the shape that multiplies every place of x."""
        return array.reshape(*array.shape, *(1,) * (self.axes - 1)) if self.first else array

    def reshape(self, shape):
        """Give each sample another shape, whatever its layout means: `channels_last()` comes before, or after."""
        return self.add("Reshape", self.constant("shape", [ALIKE, *shape]))
