"""Convolution in groups: channels and filters are cut into g equal parts, and a filter sees only its own channels.

So it is g smaller convolutions side by side. One plan of such a part serves all of them.
"""

from minigan.ops.convolution.plan import Plan


class Grouped(Plan):
    """A plan that lets the plan of one group work on each group in turn.

    W is (kh, kw, c / g, o). An encoded operand is a stack of the groups' operands: (g, ...).
    """

    def __init__(self, plan, groups):
        (h, w, c), (kh, kw, _, o) = plan.image_shape, plan.kernel_shape
        shapes = ((h, w, c * groups), (kh, kw, c, o * groups), plan.strides, plan.pads, plan.outputs)
        super().__init__(*shapes, plan.dtype, plan.xp, plan.dilation)
        self.plan, self.groups, self.name = plan, groups, f"{plan.name} in {groups} groups"

    def __reduce__(self):
        return Grouped, (self.plan, self.groups)

    def encode_image(self, x):
        """(n, h, w, c) -> (g, ...)"""
        return self.stacked(self.plan.encode_image, x)

    def encode_kernel(self, w):
        """(kh, kw, c / g, o) -> (g, ...)"""
        return self.stacked(self.plan.encode_kernel, w)

    def encode_output(self, y):
        """(n, p, q, o) -> (g, ...)"""
        return self.stacked(self.plan.encode_output, y)

    def stacked(self, encode, array):
        """Return the g parts along the last axis, each of them encoded."""
        return self.xp.stack([encode(part) for part in self.xp.split(array, self.groups, axis=-1)])

    def correlate(self, image, kernel):
        """(n, p, q, o)"""
        return self.joined(self.plan.correlate, image, kernel)

    def input_gradient(self, output, kernel):
        """(n, h, w, c)"""
        return self.joined(self.plan.input_gradient, output, kernel)

    def weight_gradient(self, image, output):
        """(kh, kw, c / g, o)"""
        return self.joined(self.plan.weight_gradient, image, output)

    def joined(self, product, one, other):
        """Return the products of each group, side by side along the last axis."""
        return self.xp.concatenate([product(one[k], other[k]) for k in range(self.groups)], axis=-1)

    def flops(self):
        return self.groups * self.plan.flops()

    def matrix_size(self):
        return self.plan.matrix_size()

    def constants(self):
        return self.plan.constants()
