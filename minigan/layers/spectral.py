"""Spectral normalization: a layer around another one, which divides its weights by their largest singular value."""

import copy

from minigan import backend
from minigan.errors import OptionError
from minigan.labels import labels_for
from minigan.layers.arrays import Gradients, NamedArrays
from minigan.layers.base import Layer, retaining
from minigan.layers.conditional import Embedding, Projection
from minigan.layers.convolution import Convolution
from minigan.layers.dense import Dense
from minigan.layers.recurrent import LSTM
from minigan.ops.matmul import matmul
from minigan.ops.squares import norm
from minigan.ops.sums import column_dot
from minigan.options import require_instance, shown

FIRST_STEPS = 15  # of power iteration, while the layer is built
SMALLEST = 1e-12  # that sigma counts as, since weights that are all 0 have no direction
MATRICES = {Dense: ("W",), Convolution: ("W",), Embedding: ("E",), Projection: ("w", "E"), LSTM: ("W", "U")}


class SpectralNorm(Layer):
    """A layer whose weights W are divided by their spectral norm, the most that W can stretch.

    Forward    M = W as a matrix with a column for each output, (k, f);   v = M u / |M u|,   sigma = |M u| = v^T M u
               Wbar = W / sigma;   y = the inner layer with Wbar in place of W
               In training, u <- M^T v / |M^T v| for the next pass: one step of power iteration
    Backward   (1) dWbar, db, dx = those of the inner layer
               (2) dW = (dWbar - sum(dWbar Wbar) v u^T) / sigma,   since dsigma/dM = v u^T, whatever the fixed u is
    Tangent    ydot and bend are those of the inner layer;   (3) dS/dW = (2) with dS/dWbar in place of dWbar
    Several    matrices, each with a u, v and sigma of its own: E of Embedding; w and E of Projection; W and U of LSTM,
               with all gates in one matrix
    Shapes     those of the inner layer; its parameters are the parameters of this one
    Cost       that of the inner layer, and about ten passes over W; saves Wbar
    Options    inner: a Dense, Conv2D, Conv2DTranspose, Embedding, Projection or LSTM
    State      u (f,): it turns towards the first singular vector, and sigma grows to the largest singular value; u_E,
               u_w, u_U: likewise for matrices of other names
    Source     Miyato et al. 2018, arXiv:1802.05957; Embedding and Projection: Miyato & Koyama 2018, arXiv:1802.05637;
               docs/layers/spectral_norm.md
    """

    follows_directions = True
    latest_state = ("u", "u_E", "u_w", "u_U")  # a mean of unit vectors is shorter than 1, and so would sigma be

    def __init__(self, inner: Layer):
        require_instance("SpectralNorm", Layer, "Dense(64)", inner=inner)
        if not isinstance(inner, tuple(MATRICES)):
            raise OptionError(
                "SpectralNorm: expected inner as a Dense, Conv2D, Conv2DTranspose, Embedding, Projection or LSTM, got "
                f"{shown(inner)}. These are the layers with matrices of weights."
            )
        self.inner, self.trainable = inner, inner.trainable
        self.takes_labels, self.classes = inner.takes_labels, inner.classes

    @property
    def matrices(self):
        """Return the names of the parameters that are divided, each with the name of its u in the state."""
        names = next(names for kind, names in MATRICES.items() if isinstance(self.inner, kind))
        return {name: "u" if name == "W" else f"u_{name}" for name in names}

    def build(self, input_shape, rng, dtype, xp):
        super().build(input_shape, rng, dtype, xp)
        layer = copy.deepcopy(self.inner)
        layer.name, layer.trainable = self.name, True  # its gradients become those of this layer
        self.output_shape = layer.build(input_shape, rng, dtype, xp)
        for name, value in layer.params.items():
            self.params.place(name, value)
            self.grads.place(name, layer.grads[name])
        self.built = with_params(layer, {})  # each pass gives it parameters of its own
        for name, of_u in self.matrices.items():
            M = self.as_matrix(backend.to_cpu(self.params[name]))  # so that all devices start with the same u
            u = rng.standard_normal(M.shape[1]).astype(dtype)
            for _ in range(FIRST_STEPS):
                v, _ = stretched(M, u)
                u = next_u(M, v, u)
            self.add_state(of_u, backend.to_device(u, xp))
        return self.output_shape

    def forward(self, x, training=False, labels=None):
        labels = labels_for(self, labels, f"{self.name} forward")
        layer = self.normalized(x, training)
        return layer.forward(x, training, labels) if self.takes_labels else layer.forward(x, training)

    def product(self, x, training=False):
        """Return forward of a Dense or convolution without the bias."""
        return self.normalized(x, training).product(x)

    def normalized(self, x, training):
        """Check x, then return the inner layer with Wbar, and save it for backward."""
        self.check_input(x)
        measured = self.measured()
        if training and self.trainable:
            for name, (v, _, u) in measured.items():
                self.state[self.matrices[name]][...] = next_u(self.as_matrix(self.params[name]), v, u)
        layer = self.divided(measured)
        self.save_for_backward(layer, measured)
        return layer

    def measured(self):
        """Return {name: (v, sigma, u)} of each matrix."""
        found = {}
        for name, of_u in self.matrices.items():
            u = self.state[of_u].copy()
            found[name] = (*stretched(self.as_matrix(self.params[name]), u), u)
        return found

    def divided(self, measured):
        """Return the inner layer with Wbar = W / sigma for each matrix W."""
        bars = {name: self.params[name] / sigma for name, (_, sigma, _) in measured.items()}
        return with_params(self.built, {**self.params, **bars})

    def backward(self, dy, param_grads=True, input_grad=True):
        layer, measured = self.saved(dy)
        layer.forget_grads()
        dx = layer.backward(dy, param_grads, input_grad)  # (1)
        if param_grads:
            self.add_grads_of(layer, measured)  # (2)
        return dx

    def add_grads_of(self, layer, measured):
        """Add the gradients of the inner layer, that of each Wbar turned into that of W."""
        for name, grad in layer.grads.items():
            if name in measured:
                v, sigma, u = measured[name]
                grad -= self.as_weights(v[:, None] * (sum_of_products(grad, layer.params[name]) * u), grad)
                grad /= sigma
            self.add_grad(name, grad)

    def tangent(self, xdot):
        dy, layer, measured = self.retained(xdot)
        if self.directions:  # the parameters move, too
            self.follow_directions(dy, layer, measured)
        layer.forget_grads()
        ydot, self.bend = layer.tangent(xdot), layer.bend
        self.add_grads_of(layer, measured)  # (3)
        return ydot

    def follow_directions(self, dy, layer, measured):
        """Let each Wbar move as W does, and add how (2) moves while dWbar stays: v, sigma and Wbar move."""
        layer.forget_grads()
        with retaining():
            layer.backward(dy, input_grad=False)
        layer.directions = dict(self.directions)
        for name, (v, sigma, u) in measured.items():
            Wbar, Wdot = layer.params[name], self.directions[name]
            Mdot_u = matmul(self.as_matrix(Wdot), u[:, None])[:, 0]
            sigma_dot = (v * Mdot_u).sum()
            v_dot = (Mdot_u - sigma_dot * v) / sigma
            Wbar_dot = (Wdot - sigma_dot * Wbar) / sigma
            layer.directions[name] = Wbar_dot

            dWbar = layer.grads[name]
            share, share_dot = sum_of_products(dWbar, Wbar), sum_of_products(dWbar, Wbar_dot)
            dW = (dWbar - self.as_weights(v[:, None] * (share * u), Wbar)) / sigma
            turn = self.as_weights((share_dot * v + share * v_dot)[:, None] * u, Wbar)
            self.add_grad(name, -(turn + sigma_dot * dW) / sigma)

    @property
    def output_axis(self):
        """Return the axis of the outputs in W's shape: the last one, but for Conv2DTranspose."""
        return getattr(self.inner, "kernel_axes", (-2, -1))[1]

    def as_matrix(self, W):
        """Return weights as a matrix with a column for each output: (k, f)"""
        xp, axis = backend.array_module(W), self.output_axis
        return xp.moveaxis(W, axis, -1).reshape(-1, W.shape[axis])

    def as_weights(self, M, W):
        """Return a matrix (k, f) in the shape of W."""
        xp, axis = backend.array_module(M), self.output_axis
        return xp.moveaxis(M.reshape(xp.moveaxis(W, axis, -1).shape), -1, axis)

    def convert(self, dtype, xp):
        super().convert(dtype, xp)
        self.built.convert(dtype, xp)

    def flops(self):
        self.require_built()
        return self.built.flops()

    def describe(self):
        self.require_built()
        chosen = self.built.describe().removeprefix(self.name)
        return f"{self.name} {type(self.inner).__name__}{chosen}"

    def config(self):
        return {"inner": {"layer": type(self.inner).__name__, **self.inner.config()}}


def stretched(M, u):
    """Return v = M u / |M u| and sigma = |M u|."""
    return direction_and_length(matmul(M, u[:, None])[:, 0])


def next_u(M, v, u):
    """Return M^T v / |M^T v|, a step of power iteration; u itself if M is 0."""
    direction, length = direction_and_length(matmul(v[None], M)[0])
    return backend.array_module(M).where(length > SMALLEST, direction, u)


def direction_and_length(vector):
    """Return vector / |vector| and |vector|, which counts as SMALLEST if it is less."""
    length = backend.array_module(vector).maximum(norm(vector), SMALLEST).astype(vector.dtype)
    return vector / length, length


def sum_of_products(x, y):
    """Return the sum of x y, two arrays like W."""
    columns = x.shape[-1]
    return column_dot(x.reshape(-1, columns), y.reshape(-1, columns)).sum()


def with_params(layer, params):
    """Return a layer that computes as this one does with other parameters, and has gradients of its own.

    So what one pass saves does not depend on another pass, even in another thread.
    """
    twin = copy.copy(layer)
    twin._params, twin._grads = NamedArrays("params"), Gradients("grads")
    for name, array in params.items():
        twin.params.place(name, array)
        twin.grads.place(name, backend.array_module(array).empty_like(array))
    return twin
