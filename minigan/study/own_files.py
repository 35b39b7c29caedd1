"""Experiments from files of one's own in a study: their names, and whether the files are still the same.

The name of such an experiment stands in the names of folders and in results.csv, so a study is stricter with it than
`train`. And all runs of one name must come from one text. So study.json keeps the SHA-256 of each file.
"""

import re

from minigan.errors import CheckpointError, OptionError
from minigan.experiments import Experiment, find
from minigan.experiments.from_files import Source, names_a_file
from minigan.experiments.variants import SEPARATOR
from minigan.files import printable
from minigan.options import shown
from minigan.training.folder import SOURCE_FILE
from minigan.training.settings import quoted

NAME = re.compile(r"\w[\w.-]{0,99}")
KEPT = ("file", "name", "sha256")  # of Source.record, in study.json


def experiment_of(given: str | Source, changes: list[str]) -> tuple[Experiment, Source | None]:
    """Return the experiment that a name or a Source stands for, with more options changed; and the Source, if any."""
    if isinstance(given, Source):
        source = given.but(changes) if changes else given
        return source.experiment, source
    if isinstance(given, str) and names_a_file(given):
        raise OptionError(
            f"study: {shown(given)} is a file of your own, and Study runs no files. Give what from_file returns: "
            f"from minigan.experiments import from_file; Study((from_file({shown(given)}),))."
        )
    return find(SEPARATOR.join([find(given).name, *changes])), None


def require_usable_names(sources):
    """Raise OptionError unless the names of these experiments can stand in folders and tables, and mean one thing."""
    known = {}
    for source in sources:
        name, file = source.plain.name, printable(source.path)
        if not NAME.fullmatch(name):
            raise OptionError(
                f"study: the experiment in {file} is named {shown(name)}. In a study the name stands in folders and "
                "tables: expected at most 100 letters, digits and . _ - only, with a letter or a digit first."
            )
        if is_ours(name):
            raise OptionError(
                f"study: the experiment in {file} is named {shown(name)}, as one of minigan's own. In a table nobody "
                "could tell them apart. Give yours another name."
            )
        other = known.setdefault(name.casefold(), source)  # some systems take Mine and mine for one folder
        if identity(other.record) != identity(source.record):
            raise OptionError(
                f"study: two experiments are named {shown(name)}: {printable(other.path)}:{other.name} and "
                f"{file}:{source.name}. Give each a name of its own, in capital or small letters."
            )


def is_ours(name):
    """Return whether one of minigan's experiments has this name."""
    try:
        find(name)
    except OptionError:
        return False
    return True


def identity(record):
    return record["name"], record["sha256"]


def records_of(sources):
    """Return what study.json keeps of the files: {name of the experiment: file, name in it, SHA-256}."""
    return {source.plain.name: {key: source.record[key] for key in KEPT} for source in sources}


def require_same_files(folder, plan, before, records):
    """Raise OptionError if a file has changed since the study in a folder was begun.

    plan       the path of study.json; before: its entry "sources"
    records    of the files now, as `records_of` returns them
    """
    if not isinstance(before, dict) or not all(map(is_record, before.values())):
        raise CheckpointError(f"{printable(plan)}: not the file of a study. Choose another folder: --out DIR.")
    for name, record in records.items():
        if name in before and identity(before[name]) != identity(record):
            raise OptionError(
                f"{quoted(record['file'])} with the experiment {quoted(name)} is not the file that the study in "
                f"{printable(folder)} was begun with, or has changed since. Old and new runs would not fit one "
                f"another. The folder of each run of {quoted(name)} keeps the old text, {SOURCE_FILE}: compare the "
                "two, and restore the old one. Or begin another study: --out DIR. More experiments can stand in "
                "another file."
            )


def is_record(value):
    return isinstance(value, dict) and set(value) == set(KEPT) and all(isinstance(text, str) for text in value.values())
