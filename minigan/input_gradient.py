"""The gradient of a network with respect to its input, as a function that has gradients of its own.

This is what a gradient penalty is made of: how steep the output is where the input lies. Two passes give its value,
two more its gradients, and there is no graph of operations: docs/second_order.md
"""

from minigan.hints import Array
from minigan.labels import labels_for
from minigan.layers.base import Layer, retaining
from minigan.options import require_instance


class InputGradient(Layer):
    """A layer that computes the input gradient of another layer or network, g = dL/dx with L = sum(dy y).

    Forward    g = backward(dy) after y = net.forward(x)
    Backward   for v = dloss/dg, with S = sum(g v) = sum(dy ydot), where ydot is how y changes if x moves along v
               (1) dS/dparams: added to the gradients of net          by tangent(v), then
               (2) dS/dx                                              by tangent_backward, which adds up the bends
    Options    net: a layer or network that is built; dy: a fixed array, by default ones, for L = sum(y)
    Source     Pearlmutter 1994, "Fast exact multiplication by the Hessian"; docs/second_order.md
    """

    def __init__(self, net: Layer, dy: Array | None = None):
        require_instance("InputGradient", Layer, "the discriminator of a GAN", net=net)
        net.require_built()
        self.net, self.dy = net, dy
        self.name = f"the input gradient of {net.name}"
        self.input_shape = self.output_shape = net.input_shape
        self.dtype, self.xp = net.dtype, net.xp

    # the arrays are those of the network

    @property
    def params(self):
        return self.net.params

    @property
    def grads(self):
        return self.net.grads

    @property
    def state(self):
        return self.net.state

    @property
    def mixes_samples(self):
        return self.net.mixes_samples

    @property
    def takes_labels(self):
        return self.net.takes_labels

    @property
    def classes(self):
        return self.net.classes

    def forward(self, x, training=False, labels=None):
        labels = labels_for(self, labels, self.name)
        y = self.net.forward(x, training) if labels is None else self.net.forward(x, training, labels)
        self.cache = len(x), ()
        with retaining():
            return self.net.backward(self.xp.ones_like(y) if self.dy is None else self.dy, param_grads=False)

    def backward(self, v, param_grads=True, input_grad=True):
        """Add the gradients of sum(g v) to the network's, and return that with respect to x."""
        self.saved(v)
        before = None if param_grads else {name: gradient.copy() for name, gradient in self.grads.items()}
        self.net.tangent(v)  # (1), always added
        dx = self.net.tangent_backward(param_grads=param_grads, input_grad=input_grad)  # (2)
        if before is not None:
            for name, gradient in before.items():
                self.grads[name][...] = gradient
        if not input_grad:
            return None
        return self.xp.zeros_like(v) if dx is None else dx

    def clear_cache(self):
        super().clear_cache()
        self.net.clear_cache()
