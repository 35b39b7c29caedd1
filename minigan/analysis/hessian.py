"""The Hessian of a loss, the matrix of its second derivatives, without the matrix: products with vectors.

H has as many rows as there are parameters, so nobody can store it. But H v is how the gradient changes if the
parameters move along v. A tangent pass gives that exactly, for the price of about two gradients: docs/second_order.md
"""

import copy
from collections.abc import Callable, Sequence

import numpy as np

from minigan.errors import OptionError, ShapeError
from minigan.hints import Array, Labels
from minigan.labels import labels_for
from minigan.layers.base import retaining
from minigan.network import Sequential, require_tangents
from minigan.options import require_array, require_built, require_flag, require_function, shown

STEP = 1e-5  # of the central difference of the loss's own gradient


def hessian_vector_product(
    net: Sequential,
    x: Array,
    dloss: Callable[[Array], Array],
    v: Array,
    after: Sequence[Sequential] = (),
    training: bool = False,
    labels: Labels | None = None,
) -> Array:
    """Return H v for the Hessian H of loss(net(x)) with respect to `net.flat_params`: an array like v.

    dloss      a function that returns dloss/dy for an output y
    v          a direction, an array like net.flat_params
    after      networks that follow net, with parameters that stay: loss(after(net(x)))
    training   the mode of forward; labels: the classes of the samples, for those networks that take labels
    Errors     OptionError for a layer whose tangent does not follow parameters that move; ShapeError for a wrong v
    The networks do not change: copies compute. In float32 the result has about three digits, in float64 ten: only dloss
    itself is differentiated by a central difference along the change of y.
    """
    owner = "hessian_vector_product"
    if not isinstance(after, (tuple, list)):
        raise OptionError(f"{owner}: expected after as a list of networks, got {shown(after)}.")
    require_built(owner, **{f"network {i}": one for i, one in enumerate((net, *after))})
    training, dloss = require_flag(owner, training=training), require_function(owner, dloss=dloss)
    v = require_array(owner, 1, net.dtype, v=v)
    if v.shape != net.flat_params.shape:
        raise ShapeError(f"{owner}: expected v of shape {net.flat_params.shape}, like net.flat_params, got {v.shape}.")
    for one in (net, *after):
        require_tangents(one)
    require_moving(net)
    if not any(one.takes_labels for one in (net, *after)):
        labels_for(net, labels, owner)
    net, *rest = nets = [copy.deepcopy(one) for one in (net, *after)]

    y = x
    for one in nets:
        y = one.forward(y, training, labels if one.takes_labels else None)
    dy = dloss(y)
    with retaining():
        for one in reversed(nets):
            dy = one.backward(dy, param_grads=False)
    net.zero_grads()
    let_move(net, v)
    ydot = net.tangent(net.xp.zeros_like(x))
    for one in rest:
        ydot = one.tangent(ydot)
    dydot = derivative(dloss, y, ydot)
    for one in reversed(rest):
        dydot = one.tangent_backward(dydot, param_grads=False)
    net.tangent_backward(dydot, input_grad=False)
    return net.flat_grads.copy()


def require_moving(net):
    """Raise OptionError unless the tangents of all layers with parameters follow these, too."""
    for layer in net.inner_layers():
        if layer.params and not layer.follows_directions:
            kind = type(layer).__name__
            raise OptionError(
                f"{layer.name}: a product with the Hessian of the parameters needs a tangent that follows them. In "
                f"{kind}.tangent, add to ydot and to the bend what self.directions[name], the change of each "
                "parameter, contributes, then set follows_directions = True in the class. Example: Dense."
            )


def let_move(net, v):
    """Let the parameters of a network move along v in the next tangent pass."""
    start = 0
    for layer in net.inner_layers():
        layer.directions = {}
        for name, value in layer.params.items():
            layer.directions[name] = v[start : start + value.size].reshape(value.shape)
            start += value.size


def derivative(function, y, ydot):
    """Return how a function of y changes along ydot, by a central difference; it is exact for straight lines."""
    size = float(abs(ydot).max())
    if size == 0:
        return y * 0
    step = STEP * max(1.0, float(abs(y).max())) / size
    if y.dtype == np.float32:
        step *= 1000
    return ((function(y + step * ydot) - function(y - step * ydot)) / (2 * step)).astype(y.dtype)
