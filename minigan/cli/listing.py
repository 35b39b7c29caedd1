"""The command list: a table of all experiments, or the recipe and the networks of one."""

import textwrap

from minigan.experiments import EXPERIMENTS
from minigan.experiments.from_files import named
from minigan.gan.description import used_options
from minigan.optimizers import Optimizer

WIDTHS = {"name": 24, "report": 6, "networks": 46, "data": 13, "epochs": 6, "claim": 50}


def add_to(commands):
    parser = commands.add_parser(
        "list", help="list all experiments; list NAME shows the recipe and both networks of one"
    )
    parser.add_argument("name", nargs="?", help="the name of an experiment, or your own: my_gan.py:NAME")
    parser.set_defaults(command=show)


def show(args):
    print(details(named(args.name)) if args.name else table())


def table():
    """Return a table with a row for each experiment: aliases under its name, long texts on several lines."""
    lines = [row(WIDTHS), "  ".join("-" * width for width in WIDTHS.values())]
    for experiment in EXPERIMENTS.values():
        texts = (experiment.report, experiment.networks, experiment.dataset, str(experiment.epochs), experiment.claim)
        _, *widths = WIDTHS.values()
        wrapped = [textwrap.wrap(text, width) or [""] for text, width in zip(texts, widths, strict=True)]
        wrapped.insert(0, [experiment.name, *(f"= {alias}" for alias in experiment.aliases)])
        for i in range(max(map(len, wrapped))):
            lines.append(row([parts[i] if i < len(parts) else "" for parts in wrapped]))
    return "\n".join(lines)


def row(cells):
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, WIDTHS.values(), strict=True)).rstrip()


def details(experiment):
    """Return the recipe, the claim, and the summaries of both networks."""
    gan = experiment.make_gan(experiment.image_shape, steps=1)
    low, high = experiment.data_range
    clipped = f"gradient norm at most {experiment.max_grad_norm:g}" if experiment.max_grad_norm else "none is clipped"
    recipe = {
        **({"also called": ", ".join(experiment.aliases)} if experiment.aliases else {}),
        "networks": experiment.networks,
        "claim": experiment.claim,
        "data": f"{experiment.dataset}, images in [{low}, {high}], {experiment.epochs} epochs, "
        f"batch {experiment.batch_size}",
        "latent": str(experiment.latent),
        "objective": f"{call_text(experiment.objective)}, {experiment.d_steps} step(s) of D for one of G",
        **({"penalties": ", ".join(map(str, experiment.penalties))} if experiment.penalties else {}),
        **({"step": f"in {experiment.accumulate} parts of the batch"} if experiment.accumulate > 1 else {}),
        **({"learning rates": experiment.lr_schedule} if experiment.lr_schedule != "constant" else {}),
        **({"warm-up": f"{experiment.warm_up:,} steps"} if experiment.warm_up else {}),
        **({} if experiment.ema is None else {"samples": f"by a moving average of G, decay {experiment.ema:g}"}),
        "optimizers": f"G {call_text(gan.g_optimizer)}; D {call_text(gan.d_optimizer)}",
        "gradients": clipped,
    }
    head = "\n".join(f"{name:16}{text}" for name, text in recipe.items())
    return (
        f"{experiment.name}\n{head}\n\ngenerator\n{gan.generator.summary()}\n\n"
        f"discriminator\n{gan.discriminator.summary()}"
    )


def call_text(part):
    """Return an optimizer or an objective as the call that makes it: Adam(lr=0.0005, beta1=0.5, ...)."""
    options = {**used_options(part), **({"lr": part.lr} if isinstance(part, Optimizer) else {})}
    name = options.pop("class")
    return f"{name}({', '.join(f'{option}={value!r}' for option, value in options.items())})"
