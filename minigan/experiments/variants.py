"""Variants: an experiment with some options changed, by its name.

    find("A4+d_dropout=0.3")         A4 with Dropout .3 in D
    find("C1+d_lr=0.001+g_lr=0.001") C1 with other learning rates

The name says all that was changed. So a run of a variant can be resumed and judged like any other: the name is in its
config.json. The options of a variant are, in this order:

    fields      of Experiment: accumulate, batch_size, data_range, dataset, d_steps, ema, epochs, lr_schedule,
                warm_up, max_grad_norm, augment, image_size
    parts       objective, latent, g_optimizer, d_optimizer: other classes, by name
    of parts    the options of the objective (label_noise, clip); with latent_, of the latent (latent_size); with g_ and
                d_, of the optimizers (g_lr)
    networks    with g_ and d_: the options of the functions in minigan.models that make them (d_dropout, g_features)
"""

import inspect
import re
import warnings
from functools import partial

from minigan import data, optimizers
from minigan.errors import MisuseWarning, OptionError, ShapeError
from minigan.experiments.experiment import Experiment
from minigan.experiments.parts import network_and_options
from minigan.gan import latent, objectives
from minigan.gan.description import option_names
from minigan.layers import Dense
from minigan.network import Sequential
from minigan.options import hint, plain_value, require_choice

SEPARATOR = "+"  # between the name of the experiment and each changed option
FIELDS = ("accumulate", "batch_size", "d_steps", "data_range", "dataset", "ema", "epochs", "lr_schedule")
FIELDS = (*FIELDS, "warm_up", "max_grad_norm", "augment", "image_size")
SIDES = {"g": "generator", "d": "discriminator"}
WORDS = {"true": True, "false": False, "none": None}
INTEGER = re.compile(r"-?\d{1,15}", re.ASCII)
NUMBER = re.compile(r"-?(\d{1,16}(\.\d{0,20})?|\.\d{1,20})(e[+-]?\d{1,3})?", re.ASCII)
WORD = re.compile(r"[a-z][a-z0-9-]{0,40}", re.ASCII)


def classes_by_name(module, base):
    """Return the classes of a module that are derived from `base`, by their names: least-squares for LeastSquares."""
    kinds = [kind for kind in vars(module).values() if inspect.isclass(kind) and issubclass(kind, base)]
    return {re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "-", kind.__name__).lower(): kind for kind in kinds if kind is not base}


OPTIMIZERS = classes_by_name(optimizers, optimizers.Optimizer)
OBJECTIVES = classes_by_name(objectives, objectives.Objective)
LATENTS = classes_by_name(latent, latent.Latent)


def variant(experiment: Experiment, changes: dict) -> Experiment:
    """Return the experiment with some options changed, under a name that says which.

    changes    name -> a text such as "0.001", "true", "none", "hinge" or "-1:1", or the value itself
    Errors     OptionError for options that the experiment does not have, and for wrong values
    """
    if not changes:
        return experiment
    changes = {name: value_of(name, text) for name, text in changes.items()}
    known = options_of(experiment, changes)
    for name in changes:
        if name not in known:
            raise OptionError(
                f"{experiment.name} has no option {name!r} that can be set.{hint(name, known)} Its options: "
                f"{', '.join(known)}."
            )
    name = SEPARATOR.join([experiment.name, *(f"{key}={text_of(changes[key])}" for key in sorted(changes))])
    try:
        changed = experiment.but(
            name,
            networks=f"{experiment.networks}; {', '.join(name.split(SEPARATOR)[1:])}",
            claim=f"none: a variant of {experiment.name}",
            **changed_fields(experiment, changes),
            **changed_parts(experiment, changes),
            **changed_networks(experiment, changes),
        )
        try_out(changed)
    except (OptionError, ShapeError) as error:
        raise OptionError(f"{name}: {error}") from error
    return changed


def by_name(find, name):
    """Return the variant that a name such as A4+d_lr=0.001 stands for; `find` finds the experiment before the +."""
    base, *texts = name.split(SEPARATOR)
    changes = {}
    for text in texts:
        option, equals, value = text.partition("=")
        if not equals or option in changes:
            raise OptionError(
                f"{name!r}: expected the name of an experiment and options, each once, as in A4+d_lr=0.001."
            )
        changes[option] = value
    return variant(find(base), changes)


def value_of(name, text):
    """Return the value that a text stands for: a number, true, false, none, a word, or a tuple of numbers (2:3).

    A value that is no text becomes what its own text stands for: 1 for 1.0 and for NumPy's 1. So each variant has one
    name, and the name leads back to it.
    """
    if not isinstance(text, str):
        return value_of(name, text_of(plain_value(text)))
    lower = text.lower()
    if lower in WORDS:
        return WORDS[lower]
    if ":" in lower:
        return tuple(value_of(name, part) for part in lower.split(":"))
    if INTEGER.fullmatch(lower):
        return int(lower)
    if NUMBER.fullmatch(lower):
        number = float(lower)
        return int(number) if number.is_integer() and abs(number) < 1e15 else number
    if WORD.fullmatch(lower):
        return lower
    raise OptionError(
        f"{name}={text[:80]!r}: expected a number, true, false, none, a name, or numbers with colons between (2:3)."
    )


def text_of(value):
    """Return the text that `value_of` reads as this value."""
    if isinstance(value, (tuple, list)):
        return ":".join(map(text_of, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value).replace("e+", "e") if isinstance(value, float) else str(value)


def options_of(experiment, changes=()):
    """Return the names of all options that a variant of the experiment can set, sorted.

    changes    the changes of the variant: another objective or optimizer has other options
    """
    names = {*FIELDS, "objective", *objective_options(experiment, changes)}
    names |= {"latent", *(f"latent_{name}" for name in latent_options(experiment, changes))}
    for side, network in SIDES.items():
        names |= {f"{side}_optimizer", *(f"{side}_{name}" for name in optimizer_options(experiment, side, changes))}
        names |= {f"{side}_{name}" for name in network_options(getattr(experiment, network))}
    return sorted(names)


def chosen_class(experiment, name, changes, classes):
    """Return the class that one of the changes names, or None if the part stays what it is."""
    if name not in changes:
        return None
    return classes[require_choice(experiment.name, sorted(classes), **{name: changes[name]})]


def objective_options(experiment, changes):
    kind = chosen_class(experiment, "objective", changes, OBJECTIVES)
    return option_names(kind() if kind else experiment.objective)


def latent_options(experiment, changes):
    kind = chosen_class(experiment, "latent", changes, LATENTS)
    return option_names(kind() if kind else experiment.latent)


def optimizer_class(experiment, side, changes):
    """Return the class of an optimizer, and the options that the experiment gives it."""
    given = getattr(experiment, f"{side}_optimizer")
    if not isinstance(given, partial):
        raise OptionError(f"{side}_optimizer: expected functools.partial(Adam, lr=...), to see its options.")
    kind = chosen_class(experiment, f"{side}_optimizer", changes, OPTIMIZERS)
    if not kind:
        return given.func, given.keywords
    rate = inspect.signature(given).parameters.get("lr")
    if rate is not None and rate.default is not rate.empty:
        return kind, {"lr": rate.default}
    if f"{side}_lr" not in changes:
        raise OptionError(f"{side}_optimizer: there is no learning rate that it could keep. Give one: {side}_lr=0.001.")
    return kind, {}


def optimizer_options(experiment, side, changes):
    kind, _ = optimizer_class(experiment, side, changes)
    return [name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "net")]


def network_options(layers):
    """Return the options of a network that are numbers, flags or several numbers, with their values.

    Others, such as activations and initializers, have no text that stands for them.
    """
    function, given = network_and_options(layers)
    found = {}
    for name, parameter in inspect.signature(function).parameters.items():
        value = given.get(name, parameter.default)
        if name != "image_shape" and isinstance(value, (int, float, tuple, list)):
            found[name] = value
    return found


def changed_fields(experiment, changes):
    if "dataset" in changes:
        require_choice(experiment.name, data.NAMES, dataset=changes["dataset"])
    return {name: changes[name] for name in FIELDS if name in changes}


def changed_parts(experiment, changes):
    """Return the latent, the objective and the optimizers of the variant."""
    kind = chosen_class(experiment, "latent", changes, LATENTS)
    names = latent_options(experiment, changes)
    given = {name: changes[f"latent_{name}"] for name in names if f"latent_{name}" in changes}
    size = {"size": experiment.latent.size}
    parts = {"latent": kind(**{**size, **given}) if kind else with_options(experiment.latent, given)}
    kind = chosen_class(experiment, "objective", changes, OBJECTIVES)
    given = {name: changes[name] for name in objective_options(experiment, changes) if name in changes}
    parts["objective"] = kind(**given) if kind else with_options(experiment.objective, given)
    for side in SIDES:
        kind, kept = optimizer_class(experiment, side, changes)
        names = optimizer_options(experiment, side, changes)
        given = {name: changes[f"{side}_{name}"] for name in names if f"{side}_{name}" in changes}
        parts[f"{side}_optimizer"] = partial(kind, **{**kept, **given})
    return parts


def with_options(part, changes):
    """Return a latent or an objective made again with some options changed, or itself if there are none."""
    if not changes:
        return part
    kind, names = type(part), option_names(part)
    lost = [name for name in inspect.signature(kind).parameters if name not in names]
    if lost:
        raise OptionError(
            f"{kind.__name__} cannot be made again with other options, because it does not keep its argument "
            f"{lost[0]!r}. Store it under this name in {kind.__name__}.__init__: self.{lost[0]} = {lost[0]}."
        )
    return kind(**{**{name: getattr(part, name) for name in names}, **changes})


def changed_networks(experiment, changes):
    """Return those networks of the variant that have changed options."""
    networks = {}
    for side, network in SIDES.items():
        layers = getattr(experiment, network)
        given = {
            name: as_tuple(changes[f"{side}_{name}"], value)
            for name, value in network_options(layers).items()
            if f"{side}_{name}" in changes
        }
        if given:
            networks[network] = partial(layers, **given)
    return networks


def as_tuple(value, before):
    """Return a single number as a tuple, where the option holds several: g_widths=64"""
    return (value,) if isinstance(before, (tuple, list)) and not isinstance(value, (tuple, list)) else value


def try_out(experiment):
    """Raise OptionError for options that the experiment would refuse only in its first run. No network is built."""
    for network in SIDES.values():
        experiment.layers_of(network, experiment.image_shape)
    tiny = Sequential([Dense(1)], input_shape=(1,))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MisuseWarning)  # the run itself gives them
        for side in SIDES:
            getattr(experiment, f"{side}_optimizer")(tiny)
