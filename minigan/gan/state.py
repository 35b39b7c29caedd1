"""All that the next step of a GAN depends on, taken out and put back: for checkpoints."""

import copy

from minigan import backend


def gan_state(gan):
    """(arrays by name, plain values by name): parameters, running statistics, optimizers, random numbers, counters."""
    arrays = {name: backend.to_cpu(array) for name, array in state_arrays(gan).items()}
    values = {
        "g_steps": gan.g_optimizer.steps,
        "d_steps": gan.d_optimizer.steps,
        "d_updates": gan.d_updates,
        "g_loss": float(gan.g_loss),
        "rng": copy.deepcopy(gan.rng.bit_generator.state),
    }
    return arrays, values


def restore_gan(gan, arrays, values):
    """Put a state back, bit for bit, into a GAN of the same networks and optimizers; arrays may come from any device.

    Errors     KeyError, ValueError where the state is that of another GAN
    """
    targets = state_arrays(gan)
    if set(targets) != set(arrays):
        raise ValueError(f"other arrays: {', '.join(sorted(set(targets) ^ set(arrays)))}")
    for name, target in targets.items():
        if (target.shape, target.dtype) != (arrays[name].shape, arrays[name].dtype):
            raise ValueError(f"{name} of {arrays[name].shape} {arrays[name].dtype}, not {target.shape} {target.dtype}")
    for name, target in targets.items():
        target[...] = backend.to_device(arrays[name], backend.array_module(target))
    gan.g_optimizer.steps, gan.d_optimizer.steps = values["g_steps"], values["d_steps"]
    gan.d_updates, gan.g_loss = values["d_updates"], values["g_loss"]
    gan.rng.bit_generator.state = values["rng"]


def state_arrays(gan):
    """Name -> the very array of the GAN, not a copy"""
    arrays = {}
    for letter, net, optimizer in (
        ("g", gan.generator, gan.g_optimizer),
        ("d", gan.discriminator, gan.d_optimizer),
    ):
        arrays[f"{letter}.params"] = net.flat_params
        arrays.update({f"{letter}.state.{name}": array for name, array in net.state.items()})
        arrays.update({f"{letter}.optimizer.{name}": array for name, array in optimizer.state.items()})
    return arrays
