"""What every algorithm for convolution knows about its shape, and how its cost is counted."""

import numpy as np

from minigan.backend import device_name, module_of

BLOCK = 2**19  # numbers of the large matrix that are made at a time: 2 MB in float32
FLOPS_A_NUMBER = 60  # what writing and reading one of them costs, in flops of a matrix product; measured


class Plan:
    """A convolution of one shape: three methods that encode an operand, three that multiply two encoded operands.

    encode_image(x), encode_kernel(w), encode_output(y)
    correlate(image, kernel)                         y[n,i,j,o] = sum_{u,v,c} x[n, i s + u, j s + v, c] w[u,v,c,o]
    input_gradient(output, kernel)                   its adjoint with respect to x
    weight_gradient(image, output)                   its adjoint with respect to w
    flops()                                          of one correlate of one image; the two gradients cost the same
    matrix_size()                                    numbers in the large matrix in between, for one image
    constants()                                      numbers in the matrices that the plan itself holds

    A new plan knows its shapes and can count; what it holds is made when a product first needs it.

    image_shape (h, w, c), kernel_shape (kh, kw, c, o), pads ((top, bottom), (left, right)), outputs (p, q)
    With a dilation (d, e), read i s + u d and j s + v e.
    """

    block = BLOCK
    can_dilate = True

    def __init__(self, image_shape, kernel_shape, strides, pads, outputs, dtype, xp, dilation=(1, 1)):
        self.image_shape, self.kernel_shape = tuple(image_shape), tuple(kernel_shape)
        self.strides, self.pads, self.outputs, self.dtype, self.xp = strides, pads, outputs, dtype, xp
        self.dilation = dilation

    def __deepcopy__(self, memo):
        return self  # a plan never changes: copies of a layer share it

    def __reduce__(self):
        """Return what a pickle holds: the shapes; the plan is made again."""
        shapes = (self.image_shape, self.kernel_shape, self.strides, self.pads, self.outputs)
        return plan_again, (type(self), *shapes, self.dtype, device_name(self.xp), self.dilation)

    def pad(self, x):
        """(n, h, w, c) with zeros around"""
        return self.xp.pad(x, ((0, 0), *self.pads, (0, 0))) if any(map(any, self.pads)) else x

    def unpad(self, x):
        """Return the inner part of padded images"""
        (h, w, _), ((top, _), (left, _)) = self.image_shape, self.pads
        return x[:, top : top + h, left : left + w]

    @property
    def padded(self):
        """Return height and width with the zeros around"""
        (h, w, _), ((top, bottom), (left, right)) = self.image_shape, self.pads
        return h + top + bottom, w + left + right

    def places(self):
        """Yield (u, v, down, across) for each place of the kernel.

        down, across   the rows and the columns of the padded image where all windows have it: slices
        """
        (p, q), (sh, sw), (dh, dw) = self.outputs, self.strides, self.dilation
        for u, v in np.ndindex(self.kernel_shape[:2]):
            yield u, v, slice(u * dh, u * dh + sh * p, sh), slice(v * dw, v * dw + sw * q, sw)

    def blocks(self, n):
        """Return slices of the batch whose large matrix holds about `block` numbers."""
        step = max(1, self.block // self.matrix_size())
        return [slice(start, min(start + step, n)) for start in range(0, n, step)]

    def constants(self):
        """Return how many numbers the algorithm's own matrices hold: 0 unless it has some"""
        return 0

    def cost(self):
        """Return the cost of one image in flops: arithmetic and traffic."""
        return self.flops() + FLOPS_A_NUMBER * self.matrix_size()


def plan_again(kind, image_shape, kernel_shape, strides, pads, outputs, dtype, device, dilation=(1, 1)):
    """Return the plan that a pickle describes."""
    return kind(image_shape, kernel_shape, strides, pads, outputs, dtype, module_of(device), dilation)
