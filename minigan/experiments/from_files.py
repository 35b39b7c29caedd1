"""Experiments from files of one's own: my_gan.py:EXPERIMENT.

    own = from_file("my_gan.py:EXPERIMENT")                     a file, and the name of an Experiment in it
    start_run(own.experiment, "out/mine", source=own)         records the text of the file in the run's folder

Loading such a file runs it, as `python my_gan.py` does. So only a name that the user has typed may come here, and never
one that stands in a file from somebody else: `find` knows minigan's own experiments alone.
"""

import hashlib
import re
import sys
import traceback
import types
from dataclasses import dataclass, replace
from pathlib import Path

from minigan.errors import FileError, MiniganError, OptionError
from minigan.experiments.catalogue import find
from minigan.experiments.experiment import Experiment
from minigan.experiments.variants import SEPARATOR, by_name
from minigan.files import as_path, printable, read_file
from minigan.hints import PathLike
from minigan.options import shown

USUAL, WATCHERS = "EXPERIMENT", "WATCHERS"  # the names that are looked for in a file
FILE_AND_REST = re.compile(r"(.*\.py)((?::|\+).*)?", re.DOTALL)
LIMIT = 2**20  # bytes of a file


@dataclass(frozen=True)
class Source:
    """A file of one's own that holds an Experiment.

    path       of the file; content: its bytes
    name       of the variable that holds the experiment
    changes    options of a variant, as they stood behind the name: "d_lr=0.001+ema=none"
    plain      the experiment as it stands in the file; experiment: the same with the changes
    watchers   what the file has under the name WATCHERS; start_run checks it
    folder     where the imports of the file are looked for first; None: nowhere else than usual
    """

    path: Path
    name: str
    changes: str
    content: bytes
    plain: Experiment
    experiment: Experiment
    watchers: object = ()
    folder: Path | None = None

    @property
    def record(self) -> dict:
        """Return what config.json keeps of the file."""
        return {
            "file": printable(self.path.name),
            "name": self.name,
            "changes": self.changes,
            "sha256": checksum(self.content),
        }

    @property
    def text(self) -> tuple:
        """Return the arguments of `load` that give this Source again, in another process: texts and bytes alone."""
        return self.path.absolute(), self.name, self.changes, self.content, self.folder

    def but(self, changes: list[str]) -> "Source":
        """Return this Source with more options changed: ["g_lr=0.001"]. The file is not run again."""
        together = SEPARATOR.join([*([self.changes] if self.changes else []), *changes])
        return replace(self, changes=together, experiment=changed(self.plain, self.name, together))


def checksum(content):
    return hashlib.sha256(content).hexdigest()


def names_a_file(text: str) -> bool:
    """Return whether a text is the name of an experiment in a file: my_gan.py or my_gan.py:EXPERIMENT"""
    return FILE_AND_REST.fullmatch(text) is not None


def named(text: str) -> Experiment:
    """Return the experiment that a user's text names: one of minigan's, or one in a file, which is run.

    Errors     OptionError, FileError
    """
    return from_file(text).experiment if names_a_file(text) else find_or_hint(text)


def find_or_hint(text):
    """Return one of minigan's experiments; the error says how to name a file, if there is one of that name."""
    try:
        return find(text)
    except OptionError as error:
        module, _, name = text.partition(SEPARATOR)[0].partition(":")
        file = Path(*module.split(".")).with_suffix(".py") if re.fullmatch(r"\w+(\.\w+)*", module) else None
        if file is None or not file.is_file():
            raise
        raise OptionError(f"{error}. There is a file {file}: name it as {file}:{name or USUAL}.") from None


def from_file(text: PathLike) -> Source:
    """Run a file of your own and return the Experiment in it, with the text of the file.

    text       "my_gan.py:NAME"; without a name, EXPERIMENT, or the only Experiment in the file. A variant, too:
               "my_gan.py:NAME+d_lr=0.001"
    The folder of the file is where its imports are looked for first, as if Python had started the file.
    Errors     FileError if there is no such file; OptionError if it fails, or holds no such experiment
    """
    path, name, changes = parts_of(str(as_path(text)))
    return load(path, name, changes, read_file(path, LIMIT), path.absolute().parent)


def parts_of(text):
    """Return the path, the name (or None) and the changes of a text such as my_gan.py:NAME+d_lr=0.001"""
    found = FILE_AND_REST.fullmatch(text)
    if found is None:
        raise OptionError(f"expected the name of a file that ends in .py, as in my_gan.py:{USUAL}, got {shown(text)}.")
    rest = found[2] or ""
    name, _, changes = rest.removeprefix(":").partition(SEPARATOR)
    if rest.startswith(":") and not name.isidentifier():
        raise OptionError(
            f"{printable(text)}: expected the name of a variable behind the colon, as in {printable(found[1])}:{USUAL}."
        )
    return Path(found[1]), name or None, changes


def load(path, name, changes, content, folder=None):
    """Run the content of a file and return the Source.

    name       of the variable; None: EXPERIMENT, or the only Experiment there is
    folder     where its imports are looked for first; None: nowhere else than usual
    """
    where = printable(path)
    module = run(path, content, folder)
    found = {key: value for key, value in vars(module).items() if isinstance(value, Experiment)}
    held = f" Experiments in it: {', '.join(found)}." if found else " There is no Experiment in it."
    if name is None:
        if USUAL not in found and len(found) != 1:
            raise OptionError(f"{where} has no {USUAL}.{held} Say which one: {where}:NAME.")
        name = USUAL if USUAL in found else next(iter(found))
    if not hasattr(module, name):
        raise OptionError(f"{where} has no {name}.{held}")
    experiment = getattr(module, name)
    if not isinstance(experiment, Experiment):
        raise OptionError(
            f"{where}: {name} is {shown(experiment)}, expected an Experiment: "
            f"{name} = minigan.experiments.Experiment(...).{held}"
        )
    watchers = getattr(module, WATCHERS, ())
    return Source(path, name, changes, content, experiment, changed(experiment, name, changes), watchers, folder)


def changed(experiment, name, changes):
    """Return the experiment of a file, which the file calls `name`, with the options in a text changed."""
    return by_name(lambda _: experiment, f"{name}{SEPARATOR}{changes}") if changes else experiment


def run(path, content, folder):
    """Return the module that the content of a file makes. The text that is run is the one that was read, to the byte.

    The module is known to Python under the file's checksum: it cannot take the place of another module.
    """
    where = printable(path)
    module = types.ModuleType(f"own_{checksum(content)[:16]}")
    module.__file__ = str(path)
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    sys.modules[module.__name__] = module  # dataclasses and pickle look it up there
    try:
        exec(compile(content, str(path), "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        line = f": {error.text.strip()[:120]!r}" if error.text else ""
        raise OptionError(f"{where}, line {error.lineno}: {error.msg}{line}.") from error
    except FileError:
        raise
    except (Exception, SystemExit) as error:
        raise OptionError(f"{place_of(error, path)}: {reason(error)}") from error
    return module


def place_of(error, path):
    """Return the file and the line where an error arose, as far as one can say: the last line in the user's file."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f"{printable(path)}, line {lines[-1]}" if lines else printable(path)


def reason(error):
    """Return what went wrong, in one line."""
    if isinstance(error, SystemExit):
        return "it ends the program. Put what it does as a program below: if __name__ == '__main__':"
    kind = "" if isinstance(error, MiniganError) else f"{type(error).__name__}: "
    return f"{kind}{printable(error)[:500]}"
