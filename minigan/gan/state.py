"""The state of a GAN: everything that its next step depends on, for checkpoints and for GAN.save."""

import copy

import numpy as np

from minigan import backend

# of the last step; what is read off them afterwards, as the norm of a generator that is not trained in each step, is
# the same after a restart. Checkpoints of minigan 0.1 have none.
GRADIENTS = {"g.grads", "d.grads"}
AVERAGE = "average."  # how the names of the arrays of the generator's moving average begin


def gan_state(gan):
    """Return arrays and plain values by name: parameters, running statistics, optimizers, random state, counters."""
    arrays = {name: backend.to_cpu(array) for name, array in state_arrays(gan).items()}
    values = {
        "g_steps": gan.g_optimizer.steps,  # of the optimizers, by the names that minigan 0.1 gave them in its files
        "d_steps": gan.d_optimizer.steps,
        "d_updates": gan.d_updates,
        "g_loss": float(gan.g_loss),
        "norms": {
            letter: float(gan.norms_before_clipping[optimizer])
            for letter, optimizer in (("g", gan.g_optimizer), ("d", gan.d_optimizer))
            if optimizer in gan.norms_before_clipping
        },
        "rng": plain_random_state(gan.rng),
    }
    if gan.moving_average:
        values["average_steps"] = gan.moving_average.steps
    return arrays, values


def plain_random_state(rng):
    """Return the state of a NumPy generator as JSON values: its arrays, where it has any, become lists."""
    return copy.deepcopy(without_arrays(rng.bit_generator.state))


def without_arrays(value):
    if isinstance(value, dict):
        return {name: without_arrays(part) for name, part in value.items()}
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def restore_gan(gan, arrays, values):
    """Restore a state, bit for bit, in a GAN with the same networks and optimizers. Its arrays may be on any device.

    Errors     ValueError if it is the state of another GAN, or not a state; the GAN is then unchanged
    """
    targets = state_arrays(gan)
    require_same_average(targets, arrays)
    wrong = set(targets) ^ set(arrays)
    if wrong - (GRADIENTS - set(arrays)):
        raise ValueError(f"other arrays: {', '.join(sorted(wrong))}")
    for name in arrays:
        target, array = targets[name], arrays[name]
        if (target.shape, target.dtype) != (array.shape, array.dtype):
            raise ValueError(f"{name} of {array.shape} {array.dtype}, not {target.shape} {target.dtype}")
    check_values(values, averages=gan.moving_average is not None)
    rng = random_generator(values.get("rng"))
    for name, array in arrays.items():
        targets[name][...] = backend.to_device(array, backend.array_module(targets[name]))
    gan.g_optimizer.steps, gan.d_optimizer.steps = values["g_steps"], values["d_steps"]
    if gan.moving_average:
        gan.moving_average.steps = values["average_steps"]
    gan.d_updates, gan.g_loss = values["d_updates"], values["g_loss"]
    if type(gan.rng.bit_generator) is type(rng.bit_generator):
        gan.rng.bit_generator.state = rng.bit_generator.state  # in place: captured steps hold this very generator
    else:
        gan.rng = rng
    optimizers = {"g": gan.g_optimizer, "d": gan.d_optimizer}
    gan.norms_before_clipping = {optimizers[letter]: norm for letter, norm in values.get("norms", {}).items()}


def require_same_average(targets, arrays):
    """Raise ValueError if only one of two states holds a moving average of the generator."""
    here, there = (any(name.startswith(AVERAGE) for name in names) for names in (targets, arrays))
    if here and not there:
        raise ValueError("it holds no moving average of the generator, but this GAN has one: it was made with ema=None")
    if there and not here:
        raise ValueError("it holds a moving average of the generator, but this GAN was made with ema=None")


def check_values(values, averages=False):
    """Raise ValueError for values that cannot come from a GAN: a file with a right checksum may hold anything."""
    if not isinstance(values, dict):
        raise ValueError("expected the state of a GAN by name")
    names = ("g_steps", "d_steps", "d_updates", *(("average_steps",) if averages else ()))
    numbers = {name: values.get(name) for name in names}
    for name, number in numbers.items():
        if type(number) is not int or not 0 <= number < 2**63:
            raise ValueError(f"expected {name} as a number of steps, found {type(number).__name__}")
    norms = values.get("norms", {})
    if not isinstance(norms, dict) or not set(norms) <= {"g", "d"} or not all(type(n) is float for n in norms.values()):
        raise ValueError("expected norms of gradients by network")
    if type(values.get("g_loss")) is not float:
        raise ValueError("expected g_loss as a number")


def random_generator(state):
    """Return a NumPy generator with the state that plain_random_state gave."""
    kinds = {kind.__name__: kind for kind in (np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)}
    kinds["MT19937"] = np.random.MT19937
    try:
        bits = kinds[state["bit_generator"]](0)
        bits.state = {**state, "state": {name: with_arrays(value) for name, value in state["state"].items()}}
        if plain_random_state(np.random.Generator(bits)) != state:
            raise ValueError("NumPy read another one")
        return np.random.Generator(bits)
    except Exception as error:  # NumPy raises errors of many classes
        raise ValueError(f"no state of a random generator ({type(error).__name__}: {error})") from error


def with_arrays(value):
    return np.array(value, np.uint64) if isinstance(value, list) else value


def state_arrays(gan):
    """Return the GAN's arrays by name: the arrays themselves, not copies."""
    arrays = {}
    for letter, net, optimizer in (
        ("g", gan.generator, gan.g_optimizer),
        ("d", gan.discriminator, gan.d_optimizer),
    ):
        arrays[f"{letter}.params"] = net.flat_params
        arrays[f"{letter}.grads"] = net.flat_grads
        arrays.update({f"{letter}.state.{name}": array for name, array in net.state.items()})
        arrays.update({f"{letter}.optimizer.{name}": array for name, array in optimizer.state.items()})
    if gan.average is not None:
        arrays[f"{AVERAGE}params"] = gan.average.flat_params
        arrays.update({f"{AVERAGE}state.{name}": array for name, array in gan.average.state.items()})
    return arrays
