"""Opening a trained run for a command, with its options --device, --raw, --source and --trust-source."""

from minigan.training.sources import source_of_run
from minigan.training.trained import load_trained


def open_trained(path, args):
    """Return the TrainedRun in a folder; without --device it is on the CPU, without --raw it is the average."""
    source = source_of_run(path, args.source, args.trust_source)
    experiment = source.experiment if source else None
    return load_trained(path, getattr(args, "device", "cpu"), experiment, averaged=not getattr(args, "raw", False))
