"""Checks of the gradients of a GAN: each layer at its own shapes, then a whole training step."""

import copy

import numpy as np

from minigan.checks.contract import labels_of
from minigan.checks.gradient_check import DIRECTIONS, check_gradients
from minigan.errors import GradientError
from minigan.gan import GAN
from minigan.input_gradient import InputGradient
from minigan.optimizers import SGD

TOLERANCE = 1e-6
POINTS = 3  # a gradient counts as wrong only if it is wrong at so many points
BATCH = 3

# For the whole step: the length of a step of all parameters, short because it may cross the kink of any of 100,000
# units, and how many directions are drawn to find DIRECTIONS of them without a kink.
STEP, DRAWS = 1e-7, 10 * DIRECTIONS


def check_layer_of_network(layer, seed, with_tangent=False):
    """Return the worst relative error of dx and all parameter gradients; GradientError if it is not rounding.

    with_tangent    check the gradients of its input gradient, too, which a gradient penalty needs

    A kink of an activation within the step of a difference can look like a wrong gradient, but only at this point. So a
    gradient that seems wrong is measured at other points too: a wrong gradient is wrong at all of them.
    """
    layer = copy.deepcopy(layer)
    layer.trainable = True
    for point in range(POINTS):
        try:
            return max(
                check_gradients(one, layer.input_shape, tolerance=TOLERANCE, seed=seed + point).worst
                for one in ([layer, tangent_of(layer, seed)] if with_tangent else [layer])
            )
        except GradientError:
            if point == POINTS - 1:
                raise
    return None


def tangent_of(layer, seed):
    """Return the input gradient of a layer as a layer, with a random dy."""
    return InputGradient(layer, np.random.default_rng((seed, 3)).standard_normal((BATCH, *layer.output_shape)))


def check_step(networks, name, latent, objective, data_range, seed, penalties=()):
    """Return the worst relative error of a network's gradient in GAN.train_step, through both networks.

    networks   {"generator": ..., "discriminator": ...} in float64; name: the one whose loss is differentiated, as a
               function of all of its parameters

    Its gradient g, which train_step leaves in the network, gives the slope along a direction d as g d; so the slope is
    measured along random directions that each move all parameters at once. Half of each is the direction of g itself:
    a random one alone is nearly at right angles to g, and its slope is lost in rounding.
    """
    rng = np.random.default_rng((seed, 1))
    images = rng.uniform(*data_range, (BATCH, *networks["discriminator"].input_shape))
    labels = labels_of(networks["discriminator"], BATCH)

    def step():
        """(loss, gradient) of one training step, from the same random numbers each time; it changes no parameter."""
        nets = copy.deepcopy(networks)
        for net in nets.values():
            net.trainable = True
        gan = GAN(
            **nets,
            latent=latent,
            objective=objective,
            g_optimizer=SGD(nets["generator"], lr=1e-300),
            d_optimizer=SGD(nets["discriminator"], lr=1e-300),
            seed=(seed, 2),
            penalties=penalties,
        )
        d_loss, g_loss = gan.train_step(images, labels)
        return float(g_loss if name == "generator" else d_loss), nets[name].flat_grads

    params = networks[name].flat_params
    start, (loss, gradient) = params.copy(), step()
    noise = 5 * np.finfo(float).eps * max(1, abs(loss)) / STEP  # what rounding alone makes of a slope of 0
    errors = []
    for _ in range(DRAWS):
        direction = sum(vector / np.linalg.norm(vector) for vector in (gradient, rng.standard_normal(params.size)))
        direction /= np.linalg.norm(direction)
        values = []
        for sign in (1, -1):
            params += sign * STEP * direction
            values.append(step()[0])
            params[...] = start
        up, down = values
        analytic, numeric = float(gradient @ direction), (up - down) / (2 * STEP)
        error = abs(analytic - numeric) / max(abs(analytic), abs(numeric), noise / TOLERANCE)
        kink = abs(analytic - numeric) <= 0.55 * abs(up - 2 * loss + down) / STEP  # see check_gradients
        if error > TOLERANCE and not kink:
            raise GradientError(
                f"the {name}'s loss in a training step: along a direction in which all its parameters change, the "
                f"measured slope is {numeric:+.6e}, but its gradient gives {analytic:+.6e}."
            )
        if error <= TOLERANCE:
            errors.append(error)
        if len(errors) == DIRECTIONS:
            return max(errors)
    raise GradientError(
        f"the {name}'s loss in a training step: {DRAWS - len(errors)} of {DRAWS} directions meet a kink. Try another "
        "seed (--seed)."
    )
