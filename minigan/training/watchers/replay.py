"""Finding the layer in which NaN or infinity first appears: the step is repeated on copies that check every layer."""

import copy
import warnings

from minigan import backend
from minigan.errors import MisuseWarning
from minigan.gan import GAN
from minigan.gan.objectives import Objective
from minigan.optimizers import SGD


class Fault(Exception):
    """The first NaN or infinity of a replayed step; its text is a sentence."""


class Watched:
    """A copy of a network whose layers raise Fault at the first NaN or infinity.

    net       the copy; its forward and backward work like those of any network
    """

    def __init__(self, gan, network, net):
        self.network, self.clipping = network, gan.max_grad_norm is not None
        self.net = copy.deepcopy(net)
        self.net.parts = self.net.layers  # each layer separately, on a GPU too
        self.spoiled = [layer.name for layer in reversed(net.layers) if not all(map(all_finite, layer.grads.values()))]
        self.net.zero_grads()
        self.watch_network()
        for layer in self.net.layers:
            self.watch_layer(layer)

    def watch_network(self):
        """Check all parameters before each forward pass."""
        forward = self.net.forward

        def checked_forward(x, training=False, labels=None):
            self.check_parameters()
            return forward(x, training, labels)

        self.net.forward = checked_forward

    def watch_layer(self, layer):
        """Check the results of a layer's forward and backward pass."""
        forward, backward = layer.forward, layer.backward

        def checked_forward(x, training=False, *labels):
            y = forward(x, training, *labels)
            self.require_finite(y, f"{layer.name} is the first layer whose forward pass gives {{}} from finite input.")
            return y

        def checked_backward(dy, param_grads=True, input_grad=True):
            dx = backward(dy, param_grads, input_grad)
            results = {f"d{name}": grad for name, grad in layer.grads.items()} | {"dx": dx}
            for name, array in results.items():
                self.require_finite(
                    array, f"{layer.name} is the first layer whose backward pass gives {{}} from finite dy, in {name}."
                )
            return dx

        layer.forward, layer.backward = checked_forward, checked_backward

    def check_parameters(self):
        """Raise Fault for the first layer with NaN or infinity in its parameters or its state."""
        for layer in self.net.layers:
            for name, array in layer.params.items():
                self.require_finite(array, f"{layer.name} has {{}} in its parameter {name}. {self.last_backward()}")
            for name, array in layer.state.items():
                self.require_finite(array, f"{layer.name} has {{}} in its running {name}.")

    def last_backward(self):
        """Return what the last gradients say about the update that spoiled the parameters."""
        if not self.spoiled:
            return "Its last gradients are finite, so the step was too large."
        if self.clipping:  # one NaN makes the norm NaN, and so every number that is divided by it
            return "Its last backward pass gave NaN or infinity, and clipping spread it over all layers."
        first, last = self.spoiled[0], self.spoiled[-1]
        return f"Its last backward pass gave NaN or infinity in the gradients from {first} to {last}."

    def require_finite(self, array, text):
        if array is not None and not all_finite(array):
            numbers = f"NaN or infinity ({count_bad(array):,} of {array.size:,} numbers)"
            raise Fault(f"in the {self.network}, {text.format(numbers)}")


class WatchedObjective(Objective):
    """An objective that computes the losses of another one, and raises Fault if they overflow."""

    def __init__(self, objective):
        self.objective = objective

    def real(self, logits, rng):
        return self.checked(*self.objective.real(logits, rng))

    def fake(self, logits, rng):
        return self.checked(*self.objective.fake(logits, rng))

    def generator(self, logits):
        return self.checked(*self.objective.generator(logits))

    def after_discriminator_step(self, discriminator):
        self.objective.after_discriminator_step(discriminator)

    @staticmethod
    def checked(value, dlogits):
        if not (all_finite(value) and all_finite(dlogits)):
            raise Fault("the logits are finite, but so large that the loss overflows.")
        return value, dlogits


def replay_step(gan, generator, discriminator, images, labels=None):
    """Repeat the training step of a GAN on copies of its networks; raise Fault at the first NaN or infinity.

    The step is GAN.train_step, with learning rates so small that the updates change nothing.
    """
    if not all_finite(images):
        raise Fault(f"the batch of images holds NaN or infinity ({count_bad(images):,} of {images.size:,} numbers).")
    g, d = Watched(gan, "generator", generator).net, Watched(gan, "discriminator", discriminator).net
    optimizers = {"g_optimizer": SGD(g, lr=1e-30), "d_optimizer": SGD(d, lr=1e-30)}
    parts = {"latent": gan.latent, "objective": WatchedObjective(gan.objective), "penalties": gan.penalties}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MisuseWarning)  # the GAN itself has said them
        GAN(g, d, **parts, **optimizers).train_step(images, labels)


def all_finite(x):
    return bool(backend.array_module(x).isfinite(x).all())


def count_bad(x):
    return int((~backend.array_module(x).isfinite(x)).sum())
