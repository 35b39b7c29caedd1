"""What processes need before they can share a batch, and how they see that they still compute the same."""

import zlib

from minigan import backend
from minigan.errors import DriftError, OptionError
from minigan.parallel.sharing import why_not_shared


def require_joinable(gan, group):
    """Raise OptionError unless the processes of a group can train this GAN together."""
    if gan.workers > 1:
        raise OptionError(
            f"GAN.join: {gan.workers} threads share the batches of this GAN, so processes cannot share them as well. "
            "Leave out gan.parallel, or take workers=1."
        )
    for net in (gan.generator, gan.discriminator):
        reason = why_not_shared(net)
        if reason:
            raise OptionError(f"GAN.join: {reason}")
    if len(set(group.collect((checksum(gan), str(gan.rng.bit_generator.state))))) > 1:
        raise OptionError(
            "GAN.join: the GANs of the processes are not alike. Make them in the same way, with the same seeds (not "
            "None), or load the same file in each process."
        )


def checksum(gan):
    """Return a number that is different if any parameter or state of the networks is, with near certainty."""
    number, average = 0, () if gan.average is None else (gan.average,)
    for net in (gan.generator, gan.discriminator, *average):
        for array in (net.flat_params, *net.state.values()):
            number = zlib.crc32(backend.to_cpu(array).tobytes(), number)
    return number


def require_together(gan, group, step):
    """Raise DriftError unless all processes of a group have the same parameters."""
    if group.size == 1:
        return
    numbers = group.collect(checksum(gan))
    others = [rank for rank, number in enumerate(numbers) if number != numbers[0]]
    if others:
        raise DriftError(
            f"step {step:,}: the processes have drifted apart: in {', '.join(f'rank {rank}' for rank in others)} the "
            "networks are not those of rank 0, bit for bit. From here on they would train different networks. "
            "Probable causes: machines of different kinds, random numbers or files of one's own that differ from "
            "process to process, or a layer that changes its parameters by itself. The last checkpoint is from before."
        )
