"""The two convolutions. Both use the same three products; only the roles of image and output are exchanged.

A plan (minigan/ops/convolution/plan.py) encodes an image, a kernel and an output, and computes three products:
    correlate(image, kernel) -> output,   input_gradient(output, kernel) -> image,   weight_gradient(image, output)
"""

from minigan.errors import OptionError, ShapeError
from minigan.hints import Padding, Size
from minigan.initializers import EachBlock, Initializer, Zeros, checked_initializer
from minigan.layers.base import Layer, retains_saved
from minigan.layers.torch_calls import require_filters_first, tell_of_channels_first
from minigan.ops.convolution.choose import ALGORITHMS, make_plan
from minigan.ops.convolution.windows import checked_padding, pair, reach, transposed_size
from minigan.ops.sums import column_sum
from minigan.options import require_choice, require_count, require_flag


class Convolution(Layer):
    """The base class of both: the options, the bias, the check of the input shape."""

    follows_directions = True
    encoded_dy = None  # kept by a backward within `retaining`, for tangent

    def encoded(self, encode, dy):
        """Return dy as the plan encodes it; within `retaining`, keep it, made from the copy that nobody can change."""
        if not retains_saved.get():
            self.encoded_dy = None
            return encode(dy)
        self.encoded_dy = encode(self.upstream)
        return self.encoded_dy

    def clear_cache(self):
        super().clear_cache()
        self.encoded_dy = None

    def __getstate__(self):
        return {name: value for name, value in super().__getstate__().items() if name != "encoded_dy"}

    def __init__(
        self,
        filters: int,
        kernel_size: Size,
        strides: Size = 1,
        padding: Padding = "same",
        use_bias: bool = True,
        initializer: Initializer | None = None,
        algorithm: str = "auto",
        dilation: Size = 1,
        groups: int = 1,
    ):
        owner = type(self).__name__
        self.filters = require_count(owner, filters=filters)
        require_filters_first(owner, kernel_size, strides, padding, use_bias)
        self.kernel_size, self.strides = pair(owner, "kernel_size", kernel_size), pair(owner, "strides", strides)
        self.padding, self.use_bias = checked_padding(owner, padding), require_flag(owner, use_bias=use_bias)
        self.initializer = checked_initializer(owner, initializer)
        self.algorithm = require_choice(owner, ("auto", *ALGORITHMS), algorithm=algorithm)
        self.dilation, self.groups = pair(owner, "dilation", dilation), require_count(owner, groups=groups)
        if self.filters % self.groups:
            raise OptionError(f"{owner}: groups={groups} does not divide the number of filters, {filters}.")

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        if len(input_shape) != 3:
            raise ShapeError(
                f"{self.name}: expected images as input, (n, h, w, c), got (n, {', '.join(map(str, input_shape))}). "
                "Put a Reshape((h, w, c)) before it."
            )
        if input_shape[2] % self.groups:
            raise ShapeError(
                f"{self.name}: groups={self.groups} does not divide the number of channels of the input, "
                f"{input_shape[2]}."
            )
        tell_of_channels_first(self)
        initializer = self.initializer if self.groups == 1 else EachBlock(self.groups, self.initializer)
        self.add_param("W", self.kernel_shape(), initializer, rng, axes=self.kernel_axes)
        if self.use_bias:
            self.add_param("b", (self.filters,), Zeros(), rng)
        self.output_shape = self.set_plan()
        return self.output_shape

    def convert(self, dtype, xp):
        super().convert(dtype, xp)
        self.set_plan()

    def plan_of_images(self, image_shape):
        """Return a plan for images of this shape: they are the inputs of Conv2D, and the outputs of Conv2DTranspose."""
        shapes = (image_shape, self.kernel_shape(), self.strides, self.padding)
        return make_plan(self.name, *shapes, self.dtype, self.xp, self.algorithm, self.dilation, self.groups)

    def forward(self, x, training=False):
        y = self.product(x)
        if self.use_bias:
            y += self.params["b"]
        return y

    def add_bias_gradient(self, dy):
        if self.use_bias:
            self.add_grad("b", column_sum, dy.reshape(-1, self.filters))

    def flops(self):
        self.require_built()
        return self.plan.flops()

    def describe(self):
        self.require_built()
        return f"{self.name} {self.plan.name}"


class Conv2D(Convolution):
    """2-D cross-correlation with bias ("convolution" in deep learning).

    Forward    y[n,i,j,f] = b[f] + sum_{u,v,c} x_pad[n, i s + u, j s + v, c] W[u,v,c,f]     (x_pad: x zero-padded)
    Backward   (1) db[f]       = sum_{n,i,j} dy[n,i,j,f]
               (2) dW[u,v,c,f] = sum_{n,i,j} x_pad[n, i s + u, j s + v, c] dy[n,i,j,f]
               (3) dx          = the adjoint: dy[n,i,j,f] W[u,v,c,f] added to dx[n, i s + u - top, j s + v - left, c]
    Tangent    ydot = forward of xdot without b;   (4) dS/dW = (2) with xdot in place of x;   no bend
    Shapes     x (n, h, w, c) -> y (n, p, q, filters); W (kh, kw, c, filters), b (filters,)
    Cost       2 n p q kh kw c filters flops forward by im2col, twice that backward; saves the encoded image
    Options    kernel_size, strides: an integer or (rows, columns); padding: "same" (out = ceil(in / stride); an odd
               zero goes to the end), "valid", an integer, or ((top, bottom), (left, right)); algorithm: "im2col",
               "kn2row", "fourier", or "auto", the cheapest of them; dilation d: the window takes every d-th pixel of
               the image, so u d and v d stand for u and v in all formulas (not with "fourier"); groups g: channels and
               filters are cut into g equal parts, and a filter sees only the channels of its part, W (kh, kw, c / g,
               filters); with g = c, "auto" has an algorithm of its own, "depthwise"
    Source     Dumoulin & Visin 2016, arXiv:1603.07285, section 2
    """

    kernel_axes = (-2, -1)  # of the inputs and the outputs in W's shape

    def kernel_shape(self):
        return (*self.kernel_size, self.input_shape[2] // self.groups, self.filters)

    def set_plan(self):
        """Make the plan, and return the output shape."""
        self.plan = self.plan_of_images(self.input_shape)
        return (*self.plan.outputs, self.filters)

    def product(self, x, training=False):
        """Return y without the bias."""
        self.check_input(x)
        image, kernel = self.plan.encode_image(x), self.plan.encode_kernel(self.params["W"])
        self.save_for_backward(image, kernel)
        return self.plan.correlate(image, kernel)

    def backward(self, dy, param_grads=True, input_grad=True):
        image, kernel = self.saved(dy)
        output = self.encoded(self.plan.encode_output, dy)
        if param_grads:
            self.add_bias_gradient(dy)  # (1)
            self.add_grad("W", self.plan.weight_gradient(image, output))  # (2)
        return self.plan.input_gradient(output, kernel) if input_grad else None  # (3)

    def tangent(self, xdot):
        _, image, kernel = self.retained(xdot)
        image_dot, output = self.plan.encode_image(xdot), self.encoded_dy
        self.add_grad("W", self.plan.weight_gradient(image_dot, output))  # (4)
        ydot = self.plan.correlate(image_dot, kernel)
        if self.directions:  # W and b move, too
            kernel_dot = self.plan.encode_kernel(self.directions["W"])
            ydot += self.plan.correlate(image, kernel_dot)
            self.bend = self.plan.input_gradient(output, kernel_dot)
            if self.use_bias:
                ydot += self.directions["b"]
        return ydot


class Conv2DTranspose(Convolution):
    """The transposed convolution: every input number adds its kernel to a window of the larger output.

    Forward    y[n, i s + u - top, j s + v - left, f] += x[n,i,j,c] W[u,v,f,c] for all i, j, u, v, c;   then y += b
    Backward   (1) db[f]       = sum_{n,i,j} dy[n,i,j,f]
               (2) dW[u,v,f,c] = sum_{n,i,j} dy_pad[n, i s + u, j s + v, f] x[n,i,j,c]      (dy_pad: dy zero-padded)
               (3) dx[n,i,j,c] = sum_{u,v,f} dy_pad[n, i s + u, j s + v, f] W[u,v,f,c]      Conv2D's forward
    Tangent    ydot = forward of xdot without b;   (4) dS/dW = (2) with xdot in place of x;   no bend
    Shapes     x (n, h, w, c) -> y (n, h s, w s, filters) for "same"; W (kh, kw, filters, c), b (filters,)
    Cost       2 n h w kh kw c filters flops forward by im2col, twice that backward; saves the encoded input
    Options    as for Conv2D; numbers as padding crop the full output (h - 1) s + (kh - 1) d + 1, as in PyTorch; with
               groups g, W is (kh, kw, filters / g, c)
    Source     Dumoulin & Visin 2016, arXiv:1603.07285, section 4
    """

    kernel_axes = (-1, -2)  # of the inputs and the outputs in W's shape

    def kernel_shape(self):
        return (*self.kernel_size, self.filters // self.groups, self.input_shape[2])

    def set_plan(self):
        """Make the plan, and return the output shape."""
        window = reach(self.kernel_size, self.dilation)
        size = transposed_size(self.name, self.input_shape, window, self.strides, self.padding)
        self.plan = self.plan_of_images((*size, self.filters))
        return (*size, self.filters)

    def product(self, x, training=False):
        """Return y without the bias."""
        self.check_input(x)
        output, kernel = self.plan.encode_output(x), self.plan.encode_kernel(self.params["W"])
        self.save_for_backward(output, kernel)
        return self.plan.input_gradient(output, kernel)

    def backward(self, dy, param_grads=True, input_grad=True):
        output, kernel = self.saved(dy)
        image = self.encoded(self.plan.encode_image, dy)
        if param_grads:
            self.add_bias_gradient(dy)  # (1)
            self.add_grad("W", self.plan.weight_gradient(image, output))  # (2)
        return self.plan.correlate(image, kernel) if input_grad else None  # (3)

    def tangent(self, xdot):
        _, output, kernel = self.retained(xdot)
        output_dot, image = self.plan.encode_output(xdot), self.encoded_dy
        self.add_grad("W", self.plan.weight_gradient(image, output_dot))  # (4)
        ydot = self.plan.input_gradient(output_dot, kernel)
        if self.directions:  # W and b move, too
            kernel_dot = self.plan.encode_kernel(self.directions["W"])
            ydot += self.plan.input_gradient(output, kernel_dot)
            self.bend = self.plan.correlate(image, kernel_dot)
            if self.use_bias:
                ydot += self.directions["b"]
        return ydot
