"""The page of a study: its arms compared, each with mean and spread over its seeds."""

import json
from pathlib import Path
from urllib.parse import quote

from minigan.errors import CheckpointError, DataError, FileError, MiniganError
from minigan.files import as_path, find_link, printable, read_file
from minigan.hints import PathLike
from minigan.pages import element
from minigan.report.comparing import MOST_RUNS, Arm
from minigan.report.reading import read_record
from minigan.report.run_page import troubles
from minigan.report.writing import REPORT, write_arms
from minigan.study.plan import FILE, FORMAT, LIMIT


def is_study(path):
    """Return whether a folder is that of a study, and not of a run."""
    return (path / FILE).is_file() and not (path / "config.json").exists()


def write_study_page(folder: PathLike, path: PathLike | None = None) -> Path:
    """Write the page of the study in a folder; return where it is: by default report.html in the folder.

    Errors     CheckpointError if the folder is not one of a study, or none of its runs has begun; FileError
    """
    folder = as_path(folder)
    labels = labels_of(folder)
    link = find_link(folder)
    if link:
        raise CheckpointError(
            f"{printable(link)} is a symbolic link to another place. A study reads only its own folder."
        )
    groups, missing = {}, []
    for label in labels[:MOST_RUNS]:
        try:
            record = read_record(folder / label)
        except MiniganError:
            missing.append(label)
            continue
        groups.setdefault(label.rpartition("-seed")[0] or label, []).append(record)
    if not groups:
        raise CheckpointError(f"{printable(folder)}: none of the {len(labels):,} runs of this study has begun yet.")
    notes = [f"Not begun, or not readable: {', '.join(missing[:20])}."] if missing else []
    if len(labels) > MOST_RUNS:
        notes.append(f"The study has {len(labels):,} runs; the page shows the first {MOST_RUNS}.")
    arms = [Arm(printable(name), records) for name, records in groups.items()]
    count = sum(len(arm.records) for arm in arms)
    lead = element("p", f"{count} runs of {len(arms)} kinds; the runs of a kind differ in their seeds alone.")
    title = f"Study {printable(folder.absolute().name)}"
    pages = pages_of(groups) if path is None else None
    return write_arms(folder / REPORT if path is None else path, title, arms, lead, [troubles(notes), pages])


def pages_of(groups):
    """Return links to the pages of the runs, beside which the page of the study stands; None if there are none."""
    names = [record.path.name for records in groups.values() for record in records if (record.path / REPORT).is_file()]
    links = [element("a", element("bdi", name), href=f"{quote(name)}/{REPORT}") for name in names]
    return (
        element("nav", element("span", "Runs: "), links, aria_label="Pages of the runs", class_="contents")
        if links
        else None
    )


def labels_of(folder):
    """Return the names of the runs of a study, which are folders in its folder."""
    path = folder / FILE
    try:
        plan = json.loads(read_file(path, LIMIT))
        labels = plan["runs"]
        if plan["format"] != FORMAT or not labels:
            raise DataError("another format")
        if not all(isinstance(label, str) and Path(label).name == label and label != ".." for label in labels):
            raise DataError("names of other folders")
    except (FileError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{printable(path)}: not the file of a study ({printable(error)[:200]}).") from error
    return labels
