"""Who shares a batch: how many threads, which networks, and which batches are worth it."""

from minigan import machine
from minigan.errors import OptionError
from minigan.options import is_count, shown
from minigan.parallel.shared_network import SharedNetwork

# Flops of a forward pass from which "auto" lets threads share a batch: below, they save less time than it takes to wake
# them up and to wait for the last one.
LEAST_FLOPS = 100_000_000

MOST_WORKERS = 256  # a larger number is a mistake: each worker is a thread, with gradients of its own


def share_network(net, workers):
    """Return the SharedNetwork for a number of workers or "auto", or None for one worker."""
    auto = isinstance(workers, str) and workers == "auto"
    if not auto and not (is_count(workers) and workers <= MOST_WORKERS):
        raise OptionError(
            f'parallel: expected workers as a number of threads from 1 to {MOST_WORKERS}, or "auto", got '
            f"{shown(workers)}."
        )
    if "." in net.name:
        raise OptionError(f"parallel: {net.name} is a layer of another network. Call parallel on that network.")
    reason = why_not(net)
    if reason and not auto and workers > 1:
        raise OptionError(f"parallel: {reason}")
    count = auto_workers() if auto else int(workers)
    if reason or count == 1:
        return None
    return SharedNetwork(net, count, LEAST_FLOPS if auto else 0)


def auto_workers():
    """Return how many workers "auto" takes on the CPU: as many as BLAS has threads, whose work they do.

    So OPENBLAS_NUM_THREADS=1 keeps a program to one core, as always.
    """
    threads = machine.known(machine.blas_threads)
    return min(threads, MOST_WORKERS) if isinstance(threads, int) else 1


def workers_for(gan, batch_size):
    """Return how many workers "auto" takes for a GAN with batches of one size: 1 if sharing is not worth it."""
    nets = (gan.generator, gan.discriminator)
    worth_it = batch_size * sum(net.flops() for net in nets) >= LEAST_FLOPS
    return min(auto_workers(), batch_size) if worth_it and not any(map(why_not, nets)) else 1


def why_not(net):
    """Return why threads cannot share the batches of a network, and what to do, or None if they can."""
    if net.xp.__name__ != "numpy":
        return f"{net.name} is on a GPU, which shares the work among its own cores. Leave out workers, or take 1."
    reason = why_not_shared(net)
    return f"{reason} Or take workers=1." if reason else None


def why_not_shared(net):
    """Return which layer needs the whole batch and does not ask its group, and what to do, or None if there is none."""
    for layer in net.inner_layers():
        if layer.mixes_samples and not layer.asks_group:
            kind = type(layer).__name__
            return (
                f"{layer.name} mixes the samples of a batch, but does not say that it sums over all workers. In "
                f"{kind}, let each sum over the batch be self.group.sum(sum over x) / self.group.total(len(x)), as in "
                "BatchNorm, and set asks_group = True."
            )
    return None
