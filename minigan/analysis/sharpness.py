"""How sharply the losses of a GAN curve: the largest eigenvalues of their Hessians, at one point of training.

A step of gradient descent against a loss with an eigenvalue a overshoots if the learning rate is more than 2 / a.
"""

import numpy as np

from minigan.analysis.eigenvalues import largest_eigenvalues
from minigan.analysis.hessian import hessian_vector_product
from minigan.backend import to_cpu, to_device
from minigan.errors import OptionError
from minigan.gan import GAN
from minigan.hints import Array, Labels, Seed
from minigan.options import require_count, require_instance, require_seed


def gan_sharpness(
    gan: GAN, images: Array, count: int = 1, seed: Seed = 0, labels: Labels | None = None
) -> dict[str, list[float]]:
    """Return the `count` largest eigenvalues of both losses: {"discriminator": [...], "generator": [...]}.

    images     real images, on which and on as many generated ones the losses are measured
    labels     the classes of the images, if the networks take labels
    Each loss is a function of its own network's parameters, while the other network stays as it is. Both networks are
    in inference mode, so no number is random, and in float64. Penalties are left out: they need third derivatives.
    """
    return watched_sharpness(gan, images, count, seed, labels, lambda name: None)


def watched_sharpness(gan, images, count, seed, labels, after_product):
    """Do the work of `gan_sharpness`, and call after_product(name of the network) after each product."""
    owner = "gan_sharpness"
    require_instance(owner, GAN, "the GAN that was trained", gan=gan)
    count, seed = require_count(owner, count=count), require_seed(owner, seed=seed)
    gan._check_images(images)
    labels = gan.checked_labels(owner, labels, len(images))
    generator, discriminator = (net.astype("float64") for net in (gan.generator, gan.discriminator))
    n, xp, objective = len(images), generator.xp, gan.objective
    z = gan.latent.sample(n, np.random.default_rng(seed), "float64", xp)
    both = xp.concatenate([images.astype("float64"), generator.predict(z, labels=labels)])
    twice = None if labels is None else xp.concatenate([labels, labels])

    def d_gradient(logits):
        rng = np.random.default_rng(seed)  # the same label noise in each call
        return xp.concatenate([objective.real(logits[:n], rng)[1], objective.fake(logits[n:], rng)[1]])

    def g_gradient(logits):
        return objective.generator(logits)[1]

    problems = {
        "discriminator": (discriminator, both, d_gradient, (), twice),
        "generator": (generator, z, g_gradient, (discriminator,), labels),
    }
    eigenvalues = {}
    for name, (net, x, gradient, after, classes) in problems.items():

        def product(v, name=name, net=net, x=x, gradient=gradient, after=after, classes=classes):
            turned = to_cpu(hessian_vector_product(net, x, gradient, to_device(v, xp), after, labels=classes))
            after_product(name)
            return turned

        values = largest_eigenvalues(product, net.flat_params.size, count, seed=seed)
        if not np.isfinite(values).all():
            raise OptionError(f"{owner}: the second derivatives of the {name}'s loss are not finite.")
        eigenvalues[name] = values
    return eigenvalues
