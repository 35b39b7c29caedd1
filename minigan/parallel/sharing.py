"""Who shares a batch: how many threads, which networks, and which batches are worth it."""

from minigan import machine
from minigan.errors import OptionError
from minigan.options import is_count, shown
from minigan.parallel.shared_network import SharedNetwork

# Flops of a forward pass from which "auto" lets threads share a batch: below, they save less time than it takes to wake
# them up and to wait for the last one.
LEAST_FLOPS = 10_000_000


def share_network(net, workers):
    """Return the SharedNetwork for a number of workers or "auto", or None for one worker."""
    auto = isinstance(workers, str) and workers == "auto"
    if not auto and not is_count(workers):
        raise OptionError(f'parallel: expected workers as a number of threads, or "auto", got {shown(workers)}.')
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
    return threads if isinstance(threads, int) else 1


def why_not(net):
    """Return why threads cannot share the batches of a network, and what to do, or None if they can."""
    if net.xp.__name__ != "numpy":
        return f"{net.name} is on a GPU, which shares the work among its own cores. Leave out workers, or take 1."
    for layer in net.inner_layers():
        if layer.mixes_samples and not layer.asks_group:
            kind = type(layer).__name__
            return (
                f"{layer.name} mixes the samples of a batch, but does not say that it sums over all workers. In "
                f"{kind}, let each sum over the batch be self.group.sum(sum over x) / self.group.total(len(x)), as in "
                "BatchNorm, and set asks_group = True. Or take workers=1."
            )
    return None
