"""The results of runs: a row for each run, in its folder as result.json, and of all runs in results.csv."""

import csv
import io
import json
import math
import re
from pathlib import Path

from minigan.errors import DataError, FileError
from minigan.files import atomic_write, printable, read_file

FILE, TIMES, LIMIT = "result.json", "times.json", 2**20
INTEGERS = ("seed", "batch_size", "steps", "samples")
SCORES = (
    *("nfd", "score", "confidence", "class_kl", "smallest_class", "precision", "recall", "density", "coverage"),
    *("memorisation_ratio", "copied_share", "diversity_ratio", "asked_share"),
)
NEW = {"diversity_ratio"}  # columns that a results.csv of an earlier version lacks
NUMBERS = ("epochs", "d_loss", "g_loss", *SCORES, "seconds", "ms_per_step")
VERSIONS = ("device", "minigan", "numpy", "python", "cupy", "processor", "BLAS", "BLAS kernels", "BLAS threads")
# of results.csv
COLUMNS = (
    *("experiment", "options", "seed", "dataset", "batch_size", "epochs", "steps", "d_loss", "g_loss", "samples"),
    *(*SCORES, "seconds", "ms_per_step", *VERSIONS, "error"),
)


def write_result(folder, row):
    """Write the row of a finished run into its folder."""
    with atomic_write(folder / FILE) as file:
        file.write((json.dumps(row, indent=2) + "\n").encode())


def read_result(folder):
    """Return the row of a finished run, or None if there is none (yet), or what is there is not a row."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        row = json.loads(read_file(path, LIMIT))
        return checked_row({name: as_text(row.get(name)) for name in COLUMNS}, path)
    except (ValueError, RecursionError, AttributeError):  # DataError is a ValueError
        return None


def read_finished(job):
    """Return the row of the run of a job, or None if the run has not come to the end that the job has (yet)."""
    row = read_result(Path(job.path))
    return row if row and job.is_finished(row) else None


def read_sessions(folder):
    """Return for each session of a run (first step, last step, seconds); a session that was killed is not there."""
    try:
        sessions = json.loads(read_file(folder / TIMES, LIMIT))
        return [(int(first), int(last), float(seconds)) for first, last, seconds in sessions]
    except (FileError, ValueError, TypeError, RecursionError, OverflowError):
        return []


def add_session(folder, first, last, seconds):
    """Write down how long a session of a run took, and return all of them."""
    sessions = [*read_sessions(folder), (first, last, round(seconds, 3))]
    with atomic_write(folder / TIMES) as file:
        file.write((json.dumps(sessions) + "\n").encode())
    return sessions


def failed_row(job, error):
    """Return the row of a run that failed."""
    return {"experiment": job.experiment, "options": job.options, "seed": job.seed, "error": error}


def csv_text(rows):
    """Return the text of results.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([as_text(row.get(name)) for name in COLUMNS] for row in rows)
    return text.getvalue()


def as_text(value):
    """Return a value as the CSV has it: floats with seven digits, None as an empty text."""
    if isinstance(value, float):
        return f"{value:.7g}"
    return "" if value is None else str(value)


def read_csv(path):
    """Return the rows of a results.csv; DataError says what is wrong with it."""
    try:
        text = read_file(path).decode("utf-8")
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{printable(path)}: not a table of results: {error}.") from error
    if not rows:
        raise DataError(f"{printable(path)}: a table of results without a run.")
    return [checked_row(row, f"{path}, run {number}") for number, row in enumerate(rows, 1)]


def checked_row(row, where):
    """Return a row of texts as a row of values; an empty text is None."""
    row = dict.fromkeys(NEW - set(row), "") | row
    if set(row) != set(COLUMNS) or any(value is None for value in row.values()):
        raise DataError(f"{printable(where)}: expected the columns {', '.join(COLUMNS)}.")
    values = {name: text or None for name, text in row.items()}
    kinds = {**dict.fromkeys(INTEGERS, int), **dict.fromkeys(NUMBERS, number)}
    for name, kind in kinds.items():
        try:
            values[name] = None if values[name] is None else kind(values[name])
        except ValueError as error:
            raise DataError(f"{printable(where)}: expected {name} as a number, found {row[name][:80]!r}.") from error
    for name in ("experiment", "options", "dataset"):  # they stand in tables
        if not re.fullmatch(r"[\w.:=+ -]{0,500}", values[name] or ""):
            raise DataError(f"{printable(where)}: expected {name} as a name, found {row[name][:80]!r}.")
    values["options"] = values["options"] or ""
    needed = ("experiment", "seed") if values["error"] else ("experiment", "seed", "steps")
    if values["score"] is not None:  # images without labels have neither
        needed += ("nfd",)
    for name in needed:
        if values[name] is None:
            raise DataError(f"{printable(where)}: {name} is missing.")
    return values


def number(text):
    """Return a finite number, or NaN: a loss can be NaN, before the generator's first step."""
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value
