"""Opening trained runs for a command, with its options --device, --raw, --source and --trust-source."""

from minigan.errors import CheckpointError
from minigan.files import printable
from minigan.training.folder import RunFolder
from minigan.training.settings import quoted
from minigan.training.sources import source_of_run
from minigan.training.trained import load_trained


def open_trained(path, args):
    """Return the TrainedRun in a folder; without --device it is on the CPU, without --raw it is the average."""
    return open_all([path], args)[0]


def open_all(paths, args):
    """Return the TrainedRuns in several folders, in the same way. The file of --source is that of one of them or more.

    The others are runs of minigan's own experiments.
    """
    device, averaged = getattr(args, "device", "cpu"), not getattr(args, "raw", False)
    return [
        load_trained(path, device, source.experiment if source else None, averaged)
        for path, source in zip(paths, sources_of(paths, args), strict=True)
    ]


def sources_of(paths, args):
    """Return the Source of each run, or None where --source and --trust-source give none.

    Errors     CheckpointError if none of the runs was started with the file of --source
    """
    found = [source_of_run(path, args.source, args.trust_source) for path in paths]
    if args.source is not None and not any(found):
        names = dict.fromkeys(quoted(RunFolder.open(path)[1].experiment) for path in paths)
        raise CheckpointError(
            f"{printable(args.source)} does not hold the experiment of {' '.join(map(printable, paths))}: expected "
            f"{' or '.join(names)}. Leave out --source for minigan's own experiments, or give the file of yours."
        )
    return found
