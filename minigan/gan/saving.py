"""Saving a GAN to one file, so that a script can stop and continue later with exactly the same numbers.

The file is an .npz with a checksum, like the file of a network (npz.py). It holds
    generator, discriminator    the files of the two networks, as `Sequential.save` writes them
    gan                         a text of JSON: latent, objective, optimizers with their options; counters, random state
    g.optimizer.m, ...          the state of the optimizers, and the last gradients
    average.params, ...         the moving average of the generator, if it has one
Nothing in the file is executed: its names can only choose among known classes.
"""

import inspect
import io
import json

import numpy as np

from minigan import npz, schedules, storage
from minigan.errors import CheckpointError, MiniganError, OptionError
from minigan.gan import latent, objectives, penalties
from minigan.gan.description import NOT_OPTIONS, describe_part
from minigan.gan.state import gan_state, restore_gan, state_arrays
from minigan.network import Sequential
from minigan.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp
from minigan.options import shown

FORMAT = "minigan gan 1"
LONGEST_TEXT = 2**20  # characters of the JSON
NETWORKS = ("generator", "discriminator")
PARTS = {  # the parts of a GAN besides its networks: the base class, and the classes that a file can name
    "latent": (latent.Latent, (latent.Normal, latent.Uniform)),
    "objective": (
        objectives.Objective,
        (
            objectives.NonSaturating,
            objectives.Minimax,
            objectives.NaiveNonSaturating,
            objectives.LeastSquares,
            objectives.Hinge,
            objectives.Wasserstein,
        ),
    ),
    "g_optimizer": (Optimizer, (SGD, RMSProp, Adam, AdamW)),
    "d_optimizer": (Optimizer, (SGD, RMSProp, Adam, AdamW)),
}
KINDS = {  # the same, with parts of which there can be several
    **PARTS,
    "penalties": (
        penalties.GradientPenalty,
        (penalties.WGANGP, penalties.ZeroCentered, penalties.R1, penalties.R2, penalties.DRAGAN),
    ),
    "lr": (schedules.Schedule, schedules.ALL),
}


class FileInFile(io.BytesIO):
    """The file of a network within the file of a GAN."""

    def __init__(self, array, name):
        super().__init__(array.tobytes())
        self.name = name

    def __repr__(self):
        return self.name


def save_gan(gan, target):
    """Write a GAN to `target`, a path or a binary file object. The file at a path is complete or not there at all.

    Errors     NonFiniteError if any number is NaN or infinite; OptionError if a part of your own does not store its
               arguments
    """
    advice = f"It has taken {gan.d_updates:,} steps. Load the last file that you saved."
    storage.require_finite("GAN", state_arrays(gan), advice)
    arrays, values = gan_state(gan)
    settings = {
        "format": FORMAT,
        **{name: describe_to_save(getattr(gan, name)) for name in PARTS},
        "d_steps": gan.d_steps,
        "max_grad_norm": gan.max_grad_norm,
        "penalties": [describe_to_save(penalty) for penalty in gan.penalties],
        "ema": gan.ema,
        "accumulate": gan.accumulate,
        "values": values,
    }
    files = {name: network_file(getattr(gan, name)) for name in NETWORKS}
    rest = {name: array for name, array in arrays.items() if not in_networks(name)}
    text = json.dumps(settings, default=storage.plain_number)
    storage.write(target, npz.to_bytes({"gan": text, **files, **rest}))


def load_gan(gan_class, source, device, custom_layers, custom_parts):
    """Return the GAN that `save_gan` wrote."""
    require_parts(custom_parts)
    where, content = storage.read(source)
    arrays = npz.from_bytes(content, where)
    if {"architecture", "params"} <= set(arrays):
        raise CheckpointError(
            f"{where}: this file holds one network: Sequential.load(path). A GAN has two: GAN(generator, "
            "discriminator)."
        )
    settings = npz.pop_json(arrays, "gan", where, LONGEST_TEXT)
    if not isinstance(settings, dict) or settings.get("format") != FORMAT or not npz.has_sum(content):
        raise CheckpointError(
            f"{where}: not a GAN that minigan saved, or saved by a newer version (expected {FORMAT!r})."
        )
    if not set(NETWORKS) <= set(arrays):
        raise CheckpointError(f"{where}: not a GAN that minigan saved: a network is missing.")
    nets = [
        Sequential.load(FileInFile(arrays.pop(name), f"{where}, its {name}"), device, custom_layers)
        for name in NETWORKS
    ]
    owners = {"latent": (), "objective": (), "g_optimizer": nets[:1], "d_optimizer": nets[1:]}
    try:
        parts = {name: make_part(settings[name], name, custom_parts, owners[name], where) for name in PARTS}
        described = settings.get("penalties", [])
        if not isinstance(described, list):
            raise CheckpointError(f"{where}: expected penalties as a list.")
        parts["penalties"] = [make_part(one, "penalties", custom_parts, (), where) for one in described]
        options = {name: settings[name] for name in ("d_steps", "max_grad_norm")}
        options |= {"ema": settings.get("ema"), "accumulate": settings.get("accumulate", 1)}
        gan = gan_class(*nets, **parts, **options)
        own = {name: array for name, array in state_arrays(gan).items() if in_networks(name)}
        restore_gan(gan, {**own, **arrays}, settings["values"])
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        reason = str(error) if isinstance(error, MiniganError) else f"{type(error).__name__}: {error}"
        raise CheckpointError(f"{where}: not a GAN that minigan saved ({reason}).") from error
    return gan


def network_file(net):
    """Return the file of a network as an array of bytes."""
    file = io.BytesIO()
    net.save(file)
    return np.frombuffer(file.getbuffer(), np.uint8)


def in_networks(name):
    """Return whether an array of a GAN's state is also in the file of its network."""
    return name in ("g.params", "d.params") or name[1:].startswith(".state.")


def describe_to_save(part):
    """Return the class and the options of a part; OptionError if it did not store an option."""
    description = describe_part(part)
    for name, parameter in inspect.signature(type(part).__init__).parameters.items():
        wanted = name not in NOT_OPTIONS and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if wanted and name not in description:
            kind = type(part).__name__
            raise OptionError(
                f"GAN.save: {kind} cannot be saved, because it does not store its argument {name!r} as self.{name}."
            )
    return description


def require_parts(custom):
    """Raise OptionError unless all of them are classes of parts of a GAN."""
    bases = tuple({base for base, _ in KINDS.values()})
    kinds = custom if isinstance(custom, (tuple, list)) else [custom]
    wrong = [kind for kind in kinds if not inspect.isclass(kind) or not issubclass(kind, bases)]
    if wrong:
        raise OptionError(
            "GAN.load: expected custom_parts as a list of classes of objectives, latents, optimizers, penalties or "
            f"schedules, got {shown(wrong[0])}."
        )


def make_part(description, name, custom, arguments, where):
    """Return the latent, objective or optimizer that a file describes; it must belong to a known class."""
    if not isinstance(description, dict) or not isinstance(description.get("class"), str):
        raise CheckpointError(f"{where}: expected {name} as a class with its options.")
    base, kinds = KINDS[name]
    known = {kind.__name__: kind for kind in (*kinds, *(kind for kind in custom if issubclass(kind, base)))}
    options = dict(description)
    kind = options.pop("class")
    if kind not in known:
        raise CheckpointError(
            f"{where}: {name} is {shown(kind)}, which is not one of minigan's. If it is your own: GAN.load(path, "
            f"custom_parts=[{storage.as_code(kind)}])."
        )
    unknown = set(options) - set(inspect.signature(known[kind].__init__).parameters) | set(options) & set(NOT_OPTIONS)
    if unknown:
        raise CheckpointError(f"{where}: {kind} has no option {', '.join(map(repr, sorted(unknown)))}.")
    return known[kind](*arguments, **{name: with_schedules(value, custom, where) for name, value in options.items()})


def with_schedules(value, custom, where):
    """Return the schedule that an option describes, or several of them; other values as they are."""
    if isinstance(value, dict) and "class" in value:
        return make_part(value, "lr", custom, (), where)
    return [with_schedules(part, custom, where) for part in value] if isinstance(value, list) else value
