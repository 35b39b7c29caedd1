"""Finding where a number went bad: a training step replayed on copies of the networks, layer by layer."""

import copy

import numpy as np

from minigan import backend


class Fault(Exception):
    """The first NaN or infinity of a replayed step; its text is a sentence."""


class Replayed:
    """A copy of a network that runs layer by layer in training mode, and raises Fault at the first bad number."""

    def __init__(self, gan, network, net):
        net = copy.deepcopy(net)
        self.network, self.layers = network, net.layers
        self.spoiled = [layer.name for layer in reversed(net.layers) if not all(map(all_finite, layer.grads.values()))]
        self.clipping = gan.max_grad_norm is not None
        net.zero_grads()

    def check_parameters(self):
        for layer in self.layers:
            for name, array in layer.params.items():
                self.require_finite(array, f"{layer.name} has {{}} in its parameter {name}. {self.last_backward()}")
            for name, array in layer.state.items():
                self.require_finite(array, f"{layer.name} has {{}} in its running {name}.")

    def last_backward(self):
        """What the gradients that are still there say about the update that spoiled the parameters."""
        if not self.spoiled:
            return "Its last gradients are finite, so it was the size of the step."
        if self.clipping:  # one NaN makes the norm NaN, and with it every number that is divided by it
            return "Its last backward pass gave non-finite gradients, which clipping spread over all layers."
        return f"Its last backward pass gave non-finite gradients from {self.spoiled[0]} to {self.spoiled[-1]}."

    def forward(self, x):
        self.check_parameters()
        for layer in self.layers:
            x = layer.forward(x, training=True)
            self.require_finite(x, f"{layer.name} is the first layer whose forward pass gives {{}}, from finite input.")
        return x

    def backward(self, dy):
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
            for name, array in {**{f"d{name}": grad for name, grad in layer.grads.items()}, "dx": dy}.items():
                self.require_finite(
                    array, f"{layer.name} is the first layer whose backward pass gives {{}}, in {name}, from finite dy."
                )
        return dy

    def require_finite(self, array, text):
        if not all_finite(array):
            numbers = f"NaN or infinity ({count_bad(array):,} of {array.size:,} numbers)"
            raise Fault(f"in the {self.network}, {text.format(numbers)}")


def replay_step(gan, generator, discriminator, images):
    """The passes of one training step, on copies, in their order; updates are left out. Raises Fault."""
    generator = Replayed(gan, "generator", generator)
    discriminator = Replayed(gan, "discriminator", discriminator)
    if not all_finite(images):
        raise Fault(f"the batch of images holds NaN or infinity ({count_bad(images):,} of {images.size:,} numbers).")
    rng = np.random.default_rng(0)
    z = gan.latent.sample(len(images), rng, gan.generator.dtype, gan.generator.xp)
    generated = generator.forward(z)
    for loss, x in ((gan.objective.real, images), (gan.objective.fake, generated)):
        discriminator.backward(finite_gradient(*loss(discriminator.forward(x), rng)))
    dlogits = finite_gradient(*gan.objective.generator(discriminator.forward(generated)))
    generator.backward(discriminator.backward(dlogits))


def finite_gradient(value, dlogits):
    if not (all_finite(value) and all_finite(dlogits)):
        raise Fault("the logits are finite, but so large that the loss overflows.")
    return dlogits


def all_finite(x):
    return bool(backend.array_module(x).isfinite(x).all())


def count_bad(x):
    return int((~backend.array_module(x).isfinite(x)).sum())
