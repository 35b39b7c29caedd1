"""check: every backward pass of an experiment against central differences, layer by layer, then the whole step."""

import copy
import sys

import numpy as np

from minigan.checks import check_gradients
from minigan.checks.gradient_check import DIRECTIONS
from minigan.errors import GradientError
from minigan.experiments import find
from minigan.gan import GAN
from minigan.optimizers import SGD

TOLERANCE = 1e-6
POINTS = 3  # at which a layer is measured before its gradient counts as wrong
BATCH = 3

# For the whole step: the length of a step of all parameters, short because it may cross the kink of any of 100,000
# units, and how many directions are drawn to find DIRECTIONS of them without a kink.
STEP, DRAWS = 1e-7, 10 * DIRECTIONS


def add_to(commands):
    parser = commands.add_parser(
        "check",
        help="check the gradients of an experiment's networks, layer by layer and as a whole",
        description="Check the gradients of an experiment's networks against central differences, in float64: each "
        "layer by itself, on random inputs of the shape that it has in the network, then both losses of a training "
        "step. The exit code is 0 if all are right, 1 if not.",
    )
    parser.add_argument("name", help="an experiment, see list")
    parser.add_argument("--seed", type=int, default=0, help="of weights, inputs and directions; default 0")
    parser.set_defaults(command=check_experiment)


def check_experiment(args):
    """Print a line for each part as soon as it is measured, the reports of what is wrong at the end."""
    experiment = find(args.name)
    gan = experiment.make_gan(experiment.image_shape, args.seed)
    networks = {name: getattr(gan, name).astype("float64") for name in ("generator", "discriminator")}
    width = max(len(layer.name) for net in networks.values() for layer in net.layers)
    width = max(width, len("the whole step"))
    print(row("network", "layer", "parameters", "worst relative error", "verdict", width))
    reports = []
    for name, net in networks.items():
        for layer in net.layers:
            parameters = sum(value.size for value in layer.params.values())
            reports.append(print_verdict(width, name, layer.name, parameters, check_one_layer, layer, args.seed))
    for name, net in networks.items():
        parameters = net.flat_params.size
        check = (check_step, experiment, networks, name, args.seed)
        reports.append(print_verdict(width, name, "the whole step", parameters, *check))
    wrong = [report for report in reports if report]
    for report in wrong:
        print(f"\n{report}")
    print(f"\n{experiment.name}: {f'{len(wrong)} of {len(reports)} are wrong' if wrong else 'all gradients are right'}")
    return 1 if wrong else 0


def print_verdict(width, network, layer, parameters, check, *arguments):
    """Run a check that returns its worst error, and print its line; the report where it fails, else None."""
    try:
        error, report = f"{check(*arguments):.1e}", None
    except GradientError as failure:
        error, report = "see below", str(failure)
    print(row(network, layer, f"{parameters:,}", error, "WRONG" if report else "ok", width))
    sys.stdout.flush()
    return report


def row(network, layer, parameters, error, verdict, width):
    return f"{network:13}  {layer:{width}}  {parameters:>10}  {error:>20}  {verdict}"


def check_one_layer(layer, seed):
    """The worst relative error of dx and all parameter gradients; GradientError where it is not rounding.

    A kink of an activation within the step of a difference can look like a wrong gradient, but only at this very
    point: what is wrong at one point is measured at others, and a wrong gradient is wrong at all of them.
    """
    for point in range(POINTS):
        try:
            return check_gradients(layer, layer.input_shape, tolerance=TOLERANCE, seed=seed + point).worst
        except GradientError:
            if point == POINTS - 1:
                raise
    return None


def check_step(experiment, networks, name, seed):
    """The loss of one network in GAN.train_step, through both, as a function of all of that network's parameters.

    Its gradient g, which train_step leaves in the network, gives the slope along a direction d as g d; so the slope is
    measured along random directions that each move all parameters at once. Half of each is the direction of g itself:
    a random one alone is nearly at right angles to g, and its slope is lost in rounding.
    """
    rng = np.random.default_rng((seed, 1))
    images = rng.uniform(*experiment.data_range, (BATCH, *networks["discriminator"].input_shape))

    def step():
        """(loss, gradient) of one training step, from the same random numbers each time; it changes no parameter."""
        nets = copy.deepcopy(networks)
        gan = GAN(
            **nets,
            latent=experiment.latent,
            objective=experiment.objective,
            g_optimizer=SGD(nets["generator"], lr=1e-300),
            d_optimizer=SGD(nets["discriminator"], lr=1e-300),
            seed=(seed, 2),
        )
        d_loss, g_loss = gan.train_step(images)
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
                f"the {name}'s loss in a training step: along a direction of all its parameters the slope is "
                f"{numeric:+.6e}, by its gradient {analytic:+.6e}."
            )
        if error <= TOLERANCE:
            errors.append(error)
        if len(errors) == DIRECTIONS:
            return max(errors)
    raise GradientError(
        f"the {name}'s loss in a training step: a kink in {DRAWS - len(errors)} of {DRAWS} directions. Try another "
        "seed (--seed)."
    )
