"""The settings of a GAN as JSON values: its networks, optimizers, latent and objective with all their options."""

import inspect
import json

import numpy as np

from minigan.optimizers import Optimizer
from minigan.schedules import Constant, Schedule

NOT_OPTIONS = ("self", "net", "args", "kwargs")
UNUSED = {"weight_decay": 0.0, "no_decay": (), "low": -1, "high": 1}  # not listed then, as before there were any


def describe_gan(gan):
    """Return all settings of a GAN by name; two GANs with equal descriptions can differ only in their state."""
    settings = {
        "generator": describe_network(gan.generator),
        "discriminator": describe_network(gan.discriminator),
        "latent": used_options(gan.latent),
        "objective": describe_part(gan.objective),
        "g_optimizer": used_options(gan.g_optimizer),
        "d_optimizer": used_options(gan.d_optimizer),
        "d_steps": gan.d_steps,
        "max_grad_norm": gan.max_grad_norm,
        **({"accumulate": gan.accumulate} if gan.accumulate > 1 else {}),
        **({"penalties": [describe_part(penalty) for penalty in gan.penalties]} if gan.penalties else {}),
        **({} if gan.ema is None else {"ema": gan.ema}),
    }
    return json.loads(
        json.dumps(settings, default=plain)
    )  # tuples become lists, as they are when they come from a file


def describe_network(net):
    return {"input_shape": net.input_shape, "dtype": str(net.dtype), **net.config()}


def describe_part(part):
    """Return the class and the options of an optimizer, a latent, an objective or a schedule."""
    options = {name: getattr(part, name) for name in option_names(part)}
    if isinstance(part, Optimizer) and (not isinstance(part.schedule, Constant) or part.lr == 0):
        options["lr"] = part.schedule  # a rate of 0 is one, too: as a number, no optimizer takes it
    return {"class": type(part).__name__, **{name: describe_schedules(value) for name, value in options.items()}}


def describe_schedules(value):
    """Return a value with schedules, also within a list, as their classes with their options; others as they are."""
    if isinstance(value, Schedule):
        return describe_part(value)
    return type(value)(map(describe_schedules, value)) if isinstance(value, (tuple, list)) else value


def used_options(part):
    """Return the class and the options of an optimizer or a latent, without those of UNUSED: older runs have none."""
    return {name: value for name, value in describe_part(part).items() if name not in UNUSED or value != UNUSED[name]}


def option_names(part):
    """Return the names of the constructor's arguments that the part stores in attributes of the same names."""
    names = inspect.signature(type(part).__init__).parameters
    return [name for name in names if name not in NOT_OPTIONS and hasattr(part, name)]


def plain(value):
    """Return a JSON value for a value that JSON does not have: a plain number, or else the name of the class."""
    return value.item() if isinstance(value, np.generic) else f"a {type(value).__name__}"


def differences(one, other):
    """Yield (where, value in one, value in the other) for each setting in which two descriptions differ.

    where      a text such as "discriminator, layer 3 Dropout, rate"
    """
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys([*one, *other]):
            for where, *values in differences(one.get(name), other.get(name)):
                place = [text for text in (name if name != "layers" else "", where) if text]
                yield (", ".join(place), *values)
    elif has_layers(one) and has_layers(other) and len(one) == len(other):
        for index, (layer, twin) in enumerate(zip(one, other, strict=True)):
            for where, *values in differences(layer, twin):
                yield (f"layer {index}" if where == "layer" else f"layer {index} {twin['layer']}, {where}", *values)
    elif one != other:
        yield "", summary(one), summary(other)


def has_layers(value):
    return isinstance(value, list) and bool(value) and all(isinstance(x, dict) and "layer" in x for x in value)


def summary(value):
    """Return a value, or only the number of layers of a list of layers."""
    return f"{len(value)} layers" if has_layers(value) else value
