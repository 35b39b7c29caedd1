"""The command check: compare the gradients of an experiment with central differences, layer by layer and as a whole."""

import sys

from minigan.checks.step_check import check_layer_of_network, check_step
from minigan.cli.arguments import add_option
from minigan.errors import GradientError
from minigan.experiments.from_files import named


def add_to(commands):
    parser = commands.add_parser(
        "check",
        help="check the gradients of an experiment's networks, layer by layer and as a whole",
        description="Compare the gradients of an experiment's networks with central differences, in float64. First "
        "each layer by itself, on random inputs of its shape in the network; then both losses of a training step. "
        "If the experiment has a gradient penalty, the second derivatives of D are checked as well. "
        "The exit code is 0 if all gradients are right, 1 if not.",
    )
    parser.add_argument("name", help="the name of an experiment: python -m minigan list; or your own: my_gan.py:NAME")
    add_option(parser, "--seed", help="the seed of weights, inputs and directions; default: 0")
    parser.set_defaults(command=check_experiment)


def check_experiment(args):
    """Print a line for each part as soon as it is checked, then the reports of all errors."""
    experiment = named(args.name)
    gan = experiment.make_gan(experiment.image_shape, args.seed, steps=1)
    networks = {name: getattr(gan, name).astype("float64") for name in ("generator", "discriminator")}
    width = max(len(layer.name) for net in networks.values() for layer in net.layers)
    width = max(width, len("the whole step"))
    print(row("network", "layer", "parameters", "worst relative error", "verdict", width))
    reports = []
    for name, net in networks.items():
        for layer in net.layers:
            parameters = sum(value.size for value in layer.params.values())
            second = bool(experiment.penalties) and name == "discriminator"
            check = (check_layer_of_network, layer, args.seed, second)
            reports.append(print_verdict(width, name, layer.name, parameters, *check))
    for name, net in networks.items():
        parameters = net.flat_params.size
        parts = experiment.latent, experiment.objective, experiment.data_range
        check = (check_step, networks, name, *parts, args.seed, experiment.penalties)
        reports.append(print_verdict(width, name, "the whole step", parameters, *check))
    wrong = [report for report in reports if report]
    for report in wrong:
        print(f"\n{report}")
    print(f"\n{experiment.name}: {f'{len(wrong)} of {len(reports)} are wrong' if wrong else 'all gradients are right'}")
    return 1 if wrong else 0


def print_verdict(width, network, layer, parameters, check, *arguments):
    """Run a check that returns its worst error, print its line, and return the report if it fails, else None."""
    try:
        error, report = f"{check(*arguments):.1e}", None
    except GradientError as failure:
        error, report = "see below", str(failure)
    print(row(network, layer, f"{parameters:,}", error, "WRONG" if report else "ok", width))
    sys.stdout.flush()
    return report


def row(network, layer, parameters, error, verdict, width):
    return f"{network:13}  {layer:{width}}  {parameters:>10}  {error:>20}  {verdict}"
