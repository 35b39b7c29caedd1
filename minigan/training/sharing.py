"""Who shares the batches of a run: threads of this process, or processes that mpirun has started together.

Each process trains a copy of the same GAN, in step with the others. Rank 0 owns the folder: it alone writes, shows the
bar, and reads config.json and checkpoints, which it hands to the others. So only rank 0 needs to see the folder.
"""

from contextlib import nullcontext

from minigan import data, machine
from minigan.errors import OptionError
from minigan.files import as_path
from minigan.parallel.sharing import workers_for


def set_workers(gan, config, workers, group):
    """Let threads share the batches of a GAN, or the processes of a group, and note in the config how many do."""
    if gan.accumulate > config.batch_size:
        raise OptionError(
            f"accumulate is {gan.accumulate}, but a batch has only {config.batch_size} images, and each part of it "
            "needs one. Choose a smaller number of parts, or a larger batch."
        )
    if group.size > 1:
        if workers not in ("auto", 1):
            raise OptionError(
                f"mpirun has started {group.size} processes, and each computes in one thread. Leave out --workers, and "
                "start more processes instead: mpirun -n."
            )
        what = "part of a batch" if gan.accumulate > 1 else "batch"
        rows = config.batch_size // gan.accumulate
        require_enough(rows, group.size, f"{group.size} processes share each {what}", "processes", what)
        gan.join(group)
    else:
        if isinstance(workers, str) and workers == "auto":
            workers = workers_for(gan, config.batch_size)
        gan.parallel(workers)
        require_enough(config.batch_size, workers, f"workers is {workers}", "workers")
    config.workers, config.processes = gan.workers, group.size


def require_enough(rows, workers, what, kind, batch="batch"):
    """Raise OptionError if a batch, or a part of it, has fewer images than workers."""
    if workers > rows:
        raise OptionError(
            f"{what}, but a {batch} has only {rows} images, and each worker needs one. Choose at most {rows} {kind}, "
            "or a larger batch."
        )


def numerics(workers):
    """Return what the last bits of a run depend on: with several workers, BLAS has one thread in each."""
    return {**machine.numerics(), **({"BLAS threads": "1"} if workers > 1 else {})}


def one_thread(workers):
    """Return a context in which BLAS has one thread, if there are several workers."""
    return machine.one_blas_thread() if workers > 1 else nullcontext()


def load_in_turn(group, name, directory, options):
    """Return a data set, in every process of a group; rank 0 loads it first, since it may have to download it."""
    if group.rank == 0:
        dataset = data.load(name, directory, **options)
        group.wait()
    else:
        group.wait()
        dataset = data.load(name, directory, **options)
    return dataset


def require_same_run(config, group):
    """Raise OptionError unless all processes would train the same run, on the same images."""
    for name, value in {**config.fixed(), "total steps": config.total_steps, "device": config.device}.items():
        values = group.collect(value)
        if any(other != value for other in values):
            raise OptionError(
                f"the processes that mpirun has started do not train the same run: {name} is not the same in all of "
                "them. Start them all with the same options, the same version of minigan, and the same data files."
            )


class FolderElsewhere:
    """The folder of a run for all processes but rank 0, which write nothing: it has the methods of RunFolder."""

    def __init__(self, path):
        self.path = as_path(path)
        self.checkpoints, self.samples = self.path / "checkpoints", self.path / "samples"

    def lock(self):
        return False

    def nothing(self, *arguments):
        """Do nothing: rank 0 does it."""

    release = note = write_config = write_history = write_metrics = make_folders = refuse_links = nothing
