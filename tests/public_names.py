"""Everything public of minigan that takes arguments, read from its modules: constructors, functions, methods."""

import inspect
import types
from dataclasses import dataclass

import minigan
from minigan import (
    checks,
    data,
    experiments,
    gan,
    initializers,
    layers,
    losses,
    metrics,
    models,
    network,
    optimizers,
    pictures,
    schedules,
)
from minigan.gan import latent, objectives
from minigan.layers.base import Layer
from minigan.metrics import frechet, manifold

EMPTY = inspect.Parameter.empty
MODULES = (
    minigan,
    layers,
    network,
    initializers,
    losses,
    optimizers,
    schedules,
    gan,
    latent,
    objectives,
    data,
    pictures,
    checks,
    metrics,
    frechet,
    manifold,
    experiments,
    models,
)

# Helpers that have no underscore in their names and are called by minigan itself, after its own checks.
INTERNAL = {
    *("fans", "one_hot", "noisy_targets", "loss_and_gradient", "minus_mean", "enlarge", "show_grid", "save_figure"),
    *("shape_text", "array_bytes", "check_logits", "checked_targets", "checked_frames", "checked_initializer"),
    *("checked_probabilities", "require_sums_of_1"),
    *(
        "checked_axes",
        "first_values",
        "tell_of_far_targets",
        "EachBlock",
        "as_schedule",
        "rounded_sigmoid",
        "minus_log",
    ),
    *(
        "checked_layers",
        "is_own_class",
        "require_own_classes",
        "parameters_of",
        "with_inner_layers",
        "check_points",
        "require_tangents",
    ),
}
# Methods for authors of layers, optimizers and objectives: they are called by minigan, after its own checks.
INTERNAL_METHODS = {
    *("add_param", "add_state", "add_grad", "save_for_backward", "saved", "keep", "take_cache", "check_input", "bind"),
    *("convert", "forget_grads", "draw", "compute_step", "check", "half_square"),
    *("update", "update_part", "update_whole", "with_decay", "checked_names", "numbers", "next_numbers", "value"),
    *("plan_of_images", "product", "switched", "padded", "shifted_images", "spread", "checked_state"),
    *("add_bias_gradient", "after_discriminator_step", "owns"),
    *("normalized", "divided", "add_grads_of", "follow_directions", "as_matrix", "as_weights"),
    *("check_labels", "given_labels", "appended", "weighted", "of_class", "by_sample", "sums_of_classes"),
    *("centred", "add_scale_and_shift", "checked_labels", "layers_of"),
    *("places_shape", "mean", "for_each_number"),
    *("tangent", "tangent_backward", "retained", "encoded", "times_slope", "averaged", "repeated"),
    *("choose", "chosen", "mixed", "moved", "cut"),
    *("joined", "joined_shape", "shares", "shapes_text", "make_parts"),
    *("slope", "minus_slope", "gate", "gate_slope", "gate_curve", "times_slopes"),
}
# Their methods only say that a subclass has to write them.
ABSTRACT = (Layer, objectives.Objective, optimizers.Optimizer, initializers.Initializer, latent.Latent)
ABSTRACT = (*ABSTRACT, schedules.Schedule)


@dataclass
class Entry:
    """Something to call: a constructor, a function, or a method of an object that `owner` makes."""

    name: str
    parameters: dict
    owner: type | None = None
    function: object = None


def entries(modules=MODULES):
    """Return all public constructors, functions and methods that take arguments."""
    found = {}
    for module in modules:
        for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
            value = getattr(module, name)
            if name in INTERNAL or not callable(value):
                continue
            if not hasattr(module, "__all__") and value.__module__ != module.__name__:
                continue  # imported from elsewhere
            found[name] = Entry(name, parameters_of(value), function=value)
            if inspect.isclass(value):
                found.update({entry.name: entry for entry in methods(value)})
    return [entry for entry in found.values() if entry.parameters]


def methods(kind):
    if kind in ABSTRACT:
        return
    for name in dir(kind):
        if name in INTERNAL_METHODS or (name.startswith("_") and name != "__call__"):
            continue
        function = inspect.getattr_static(kind, name)
        if isinstance(function, (staticmethod, classmethod)):
            bound = getattr(kind, name)
            yield Entry(f"{kind.__name__}.{name}", parameters_of(bound), function=bound)
        elif isinstance(function, types.FunctionType):
            parameters = parameters_of(function)
            parameters.pop("self", None)
            yield Entry(f"{kind.__name__}.{name}", parameters, owner=kind)


def parameters_of(function):
    """Return {name: default} of all parameters, `EMPTY` where there is none."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return {}
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: p.default for name, p in signature.parameters.items() if p.kind not in kinds}


def places(modules=MODULES):
    """Return (entry, parameter) of every parameter of everything public."""
    return [(entry, name) for entry in entries(modules) for name in entry.parameters if is_checked(entry, name)]


def is_checked(entry, name):
    """Return False for what is not checked on purpose."""
    kind = entry.owner
    if kind is None or kind is network.Sequential:
        return True
    if issubclass(
        kind, Layer
    ):  # the network hands its flags on checked; a check in every layer would hide the formulas
        return name not in ("training", "param_grads", "input_grad")
    return not (issubclass(kind, objectives.Objective) and name == "rng")  # used for noisy labels alone
