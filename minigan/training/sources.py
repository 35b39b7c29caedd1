"""The experiments of runs that were started with a file of one's own: nothing in a run folder runs by itself.

A run folder may come from a stranger, so the text of the file that it holds (experiment.py) is only data. It is run if
the user says so, and else the user gives a file of theirs. Both must be what the run was started with, to the byte.
"""

from minigan.errors import CheckpointError, FileError
from minigan.experiments.from_files import LIMIT, Source, checksum, from_file, load, parts_of
from minigan.files import printable, read_file
from minigan.hints import PathLike
from minigan.training.config import RunConfig
from minigan.training.folder import SOURCE_FILE, RunFolder
from minigan.training.settings import quoted


def source_of_run(path: PathLike, file: PathLike | None = None, trusted: bool = False) -> Source | None:
    """Return the Source of the experiment of a run; None for a run of minigan's own, and where neither option is given.

    file       the user's file, "my_gan.py" or "my_gan.py:NAME": it is run
    trusted    True: run the text that the run folder holds. Only for a folder that you would start programs from
    Errors     CheckpointError if the text is not the one that the run was started with; those of `from_file`
    """
    if file is None and not trusted:
        return None  # before the folder is looked at: only the first of several processes has to see it
    folder, config = RunFolder.open(path)
    if file is not None:
        return given_source(folder, config, str(file))
    return recorded_source(folder, config) if config.source is not None else None


def given_source(folder: RunFolder, config: RunConfig, text: str) -> Source | None:
    """Return the Source of a file that the user gives; name and changes are those of the run if the text has none."""
    before = config.source
    if before is None:  # one of minigan's own, or started in Python; then the settings are compared later
        source = from_file(text)
        return source if source.experiment.name == config.experiment else None
    path, name, changes = parts_of(text)
    content = read_file(path, LIMIT)
    if checksum(content) != before["sha256"]:
        raise CheckpointError(
            f"{printable(path)} is not the file that the run in {folder.path} was started with, or has changed since. "
            f"The old text is {folder.path / SOURCE_FILE}: compare the two. To go on with the old text: "
            "--trust-source in place of --source, if you trust the folder. To train with the new one: train again into "
            "another folder."
        )
    return load(path, name or before["name"], changes or before["changes"], content, path.absolute().parent)


def recorded_source(folder: RunFolder, config: RunConfig) -> Source:
    """Return the Source with the text in the run folder, which is run. The folder is not searched for imports."""
    path, before = folder.path / SOURCE_FILE, config.source
    if path.is_symlink():
        raise CheckpointError(f"{path} is a symbolic link, which minigan never makes; it is not run.")
    try:
        content = read_file(path, LIMIT)
    except FileError as error:
        raise CheckpointError(f"{error} Give your own file: --source {quoted(before['file'])}.") from error
    if checksum(content) != before["sha256"]:
        raise CheckpointError(
            f"{path} has changed since the run was started: its SHA-256 is not the one in config.json. It is not run. "
            "Restore the old text, or give your own file: --source FILE.py."
        )
    return load(path, before["name"], before["changes"], content)


def how_to_give(folder: RunFolder, config: RunConfig) -> str:
    """Return what to do about a run whose experiment comes from a file of one's own."""
    return (
        f"the run in {folder.path} was started with an experiment from a file, {quoted(config.source['file'])}. "
        "minigan runs no code from a run folder by itself. Give the file again: --source FILE.py. Or, if you trust "
        f"this folder as you trust a program, let its {SOURCE_FILE} run: --trust-source. In Python: experiment="
        'from_file("FILE.py").experiment.'
    )
